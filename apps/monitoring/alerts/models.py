"""Rules, what they told, to whom, and what became of each message."""

from django.conf import settings
from django.db import models
from django.db.models import Q

from apps.accounts.models import Desk, ExchangeAccount
from apps.core.fields import MoneyField
from apps.rfq.models import StreamFilter


class AlertCursor(models.Model):
    """How far one source has been read: "trail:<desk>" (its sequence), "fill" (row id), ..."""

    name = models.CharField(max_length=40, unique=True)
    position = models.BigIntegerField(default=0)


class AlertWebhook(models.Model):
    """An address outside that alerts of a desk are posted to. The address is a secret (who has it can post there): it
    is encrypted under SECRET_KEY, as second factors are; only its host is ever shown.
    """

    desk = models.ForeignKey(Desk, on_delete=models.CASCADE, related_name="+")
    name = models.CharField(max_length=60)
    host = models.CharField(max_length=255)
    sealed = models.TextField()
    made_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    made_at = models.DateTimeField()
    removed_at = models.DateTimeField(null=True)
    failures = models.PositiveIntegerField(default=0)  # in a row
    retry_at = models.DateTimeField(null=True)  # nothing is sent there before
    delivered_at = models.DateTimeField(null=True)  # the last time that it worked


class AlertRule(models.Model):
    """When ... for ... tell ... at most ...; owner null: the desk's, and its alerts are shared."""

    desk = models.ForeignKey(Desk, on_delete=models.CASCADE, related_name="+")
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.CASCADE, related_name="+")
    kinds = models.JSONField(default=list)  # names of apps.monitoring.alerts.kinds
    account = models.ForeignKey(ExchangeAccount, null=True, on_delete=models.CASCADE, related_name="+")
    tickers = models.CharField(max_length=200, blank=True)  # beginnings, with commas between
    least = MoneyField(null=True, help_text="Dollars that it is worth at least")
    is_mine = models.BooleanField(default=False)  # of an own rule: only what the owner placed, or uses
    # Of requests of others: only what this filter of the incoming stream shows. Not to be removed under a rule.
    stream_filter = models.ForeignKey(StreamFilter, null=True, on_delete=models.PROTECT, related_name="+")
    roles = models.JSONField(default=list)  # of a desk's rule: who is told; empty: everybody
    by_browser = models.BooleanField(default=True)
    by_mail = models.BooleanField(default=False)
    webhook = models.ForeignKey(AlertWebhook, null=True, on_delete=models.SET_NULL, related_name="+")
    every = models.PositiveIntegerField(default=60)  # seconds; 0: each one
    steps = models.JSONField(default=list)  # while nobody acknowledges: apps.monitoring.alerts.escalation.Step
    is_on = models.BooleanField(default=True)
    on_since = models.DateTimeField()  # what happened before is not told
    made_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    made_at = models.DateTimeField()
    removed_at = models.DateTimeField(null=True)

    class Meta:
        indexes = [models.Index(fields=["desk"], condition=Q(removed_at=None), name="alert_rule_in_force")]


class Alert(models.Model):
    """What one rule told of one kind: the first at once, more of the same gathered in it until `window_ends_at`.

    Of a desk's rule everybody who was told shares it: one acknowledges for all.
    """

    desk = models.ForeignKey(Desk, on_delete=models.CASCADE, related_name="+")
    rule = models.ForeignKey(AlertRule, null=True, on_delete=models.SET_NULL, related_name="alerts")  # null: a test
    kind = models.CharField(max_length=24)
    level = models.CharField(max_length=8)
    title = models.CharField(max_length=160)  # of the newest item; no amounts
    text = models.CharField(max_length=300, blank=True)
    link = models.CharField(max_length=200, blank=True)
    account = models.ForeignKey(ExchangeAccount, null=True, on_delete=models.CASCADE, related_name="+")
    at = models.DateTimeField()  # of the first item
    latest_at = models.DateTimeField()
    count = models.PositiveIntegerField(default=1)
    told_count = models.PositiveIntegerField(default=1)  # how many the channels have been told of
    window_ends_at = models.DateTimeField(null=True)  # null: over, or each is told at once
    step = models.PositiveSmallIntegerField(default=0)  # how many steps of its rule were taken
    escalates_at = models.DateTimeField(null=True)  # when the next one is, unless somebody acknowledges; null: none
    resolved_at = models.DateTimeField(null=True)  # everything in it is well again
    acknowledged_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.PROTECT, related_name="+")
    acknowledged_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(acknowledged_by=None, acknowledged_at=None)
                | Q(acknowledged_by__isnull=False, acknowledged_at__isnull=False),
                name="alert_acknowledged_by_somebody",
            ),
        ]
        indexes = [
            models.Index(fields=["desk", "-latest_at"], name="alert_by_time"),
            models.Index(fields=["rule", "kind"], name="alert_gathering", condition=Q(window_ends_at__isnull=False)),
            models.Index(fields=["escalates_at"], name="alert_escalating", condition=Q(escalates_at__isnull=False)),
        ]


class AlertItem(models.Model):
    """One happening in an alert. A rule tells of each once, however often its source is read."""

    alert = models.ForeignKey(Alert, on_delete=models.CASCADE, related_name="items")
    rule = models.ForeignKey(AlertRule, null=True, on_delete=models.SET_NULL, related_name="+")
    key = models.CharField(max_length=120)
    subject = models.CharField(max_length=80)
    at = models.DateTimeField()
    title = models.CharField(max_length=160)
    text = models.CharField(max_length=300, blank=True)
    link = models.CharField(max_length=200, blank=True)
    resolved_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["rule", "key"], name="alert_item_once_per_rule")]
        indexes = [models.Index(fields=["subject"], condition=Q(resolved_at=None), name="alert_item_open")]


class AlertCopy(models.Model):
    """One person's copy of an alert: that they were told, and whether they have looked."""

    alert = models.ForeignKey(Alert, on_delete=models.CASCADE, related_name="copies")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")
    read_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["alert", "user"], name="alert_copy_once")]
        indexes = [models.Index(fields=["user"], condition=Q(read_at=None), name="alert_unread")]


class AlertDelivery(models.Model):
    """One message of one alert through one channel, and what became of it. At least once, where a worker dies."""

    class Channel(models.TextChoices):
        BROWSER = "browser", "Browser"
        MAIL = "mail", "E-mail"
        WEBHOOK = "webhook", "Webhook"

    class Part(models.TextChoices):
        FIRST = "first", "told"
        MORE = "more", "told of more"
        NEXT = "next", "told again"
        OVER = "over", "told that it is over"

    class State(models.TextChoices):
        WAITING = "waiting", "Waiting"
        HELD = "held", "Held by quiet hours"
        DELIVERED = "delivered", "Delivered"
        FAILED = "failed", "Failed"
        DROPPED = "dropped", "Not needed any more"

    alert = models.ForeignKey(Alert, on_delete=models.CASCADE, related_name="deliveries")
    channel = models.CharField(max_length=8, choices=Channel.choices)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.CASCADE, related_name="+")
    webhook = models.ForeignKey(AlertWebhook, null=True, on_delete=models.CASCADE, related_name="+")
    part = models.CharField(max_length=5, choices=Part.choices, default=Part.FIRST)
    turn = models.PositiveIntegerField(default=0)  # an alert may tell of more, and be over, more than once
    title = models.CharField(max_length=160)
    text = models.CharField(max_length=400, blank=True)
    state = models.CharField(max_length=9, choices=State.choices, default=State.WAITING)
    reason = models.CharField(max_length=200, blank=True)  # of a failure, in words
    made_at = models.DateTimeField()
    next_try_at = models.DateTimeField()
    claimed_until = models.DateTimeField(null=True)
    attempts = models.PositiveSmallIntegerField(default=0)
    ended_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["alert", "part", "turn", "user", "channel"],
                condition=Q(user__isnull=False),
                name="alert_delivery_once_per_person",
            ),
            models.UniqueConstraint(
                fields=["alert", "part", "turn", "webhook"],
                condition=Q(webhook__isnull=False),
                name="alert_delivery_once_per_webhook",
            ),
            models.CheckConstraint(
                condition=Q(user__isnull=False, webhook=None) | Q(user=None, webhook__isnull=False),
                name="alert_delivery_to_one",
            ),
        ]
        indexes = [
            models.Index(
                fields=["channel", "next_try_at"],
                condition=Q(state__in=["waiting", "held"]),
                name="alert_delivery_due",
            )
        ]


class AlertPerson(models.Model):
    """How one person wants to be reached. No row: no quiet hours, the address of their account."""

    user = models.OneToOneField(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")
    quiet_begins = models.TimeField(null=True)  # in the person's time zone
    quiet_ends = models.TimeField(null=True)
    urgent_passes = models.BooleanField(default=True)
    mail = models.EmailField(blank=True)


class PartState(models.Model):
    """How one part of the health, or one person's use of a limit, was at the last look, and since when."""

    desk = models.ForeignKey(Desk, on_delete=models.CASCADE, related_name="+")
    name = models.CharField(max_length=80)
    level = models.CharField(max_length=8)  # ok | warning | danger
    since = models.DateTimeField()
    is_told = models.BooleanField(default=False)  # it was bad at two looks in a row

    class Meta:
        constraints = [models.UniqueConstraint(fields=["desk", "name"], name="part_state_once")]
