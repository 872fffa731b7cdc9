"""Which requests are shown, which are quoted by rule, and why each was or was not."""

from django.conf import settings
from django.db import models
from django.db.models import Q

from apps.accounts.models import Desk, Environment, ExchangeAccount
from apps.core.fields import CountField, MoneyField, PriceField
from apps.rfq.models.quotes import IncomingRfq


class StreamFilter(models.Model):
    """What of the incoming stream a person wants to see; `owner` null: shared by the desk.

    criteria: {"series": [..], "collections": [..], "categories": [..], "max_legs": n, "min_contracts", "max_contracts",
    "min_cost", "max_cost" (decimal text), "closes_within_s": n, "combos": "any|only|none", "with_fair": bool,
    "quoted_before": bool, "text": ""}; absent keys do not filter.
    """

    desk = models.ForeignKey(Desk, on_delete=models.CASCADE, related_name="+")
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.CASCADE, related_name="+")
    environment = models.CharField(max_length=12, choices=Environment.choices)
    name = models.CharField(max_length=60)
    criteria = models.JSONField(default=dict)
    version = models.PositiveIntegerField(default=1)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["desk", "owner", "environment", "name"], name="stream_filter_once"),
        ]


class StreamHit(models.Model):
    """New requests of others that one watch of the stream matched within some seconds; stored once, read by alerts.

    watch: the number that who asked for it gave it. count: how many; the rest is of the largest of them.
    """

    desk = models.ForeignKey(Desk, on_delete=models.CASCADE, related_name="+")
    watch = models.PositiveBigIntegerField()
    environment = models.CharField(max_length=12, choices=Environment.choices)
    count = models.PositiveIntegerField()
    rfq_id = models.CharField(max_length=80)
    ticker = models.CharField(max_length=120)
    legs = models.PositiveSmallIntegerField(default=0)
    contracts = CountField(null=True)
    target_cost = MoneyField(null=True)
    seen_at = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["watch", "rfq_id"], name="stream_hit_once")]
        indexes = [models.Index(fields=["seen_at"])]


class QuoteRule(models.Model):
    """One line of the auto-quote grid. What it says stands in its newest version."""

    class State(models.TextChoices):
        OFF = "off", "Off"
        SHADOW = "shadow", "Shadow: decides, and sends nothing"
        ARMED = "armed", "Armed: quotes"

    desk = models.ForeignKey(Desk, on_delete=models.PROTECT, related_name="+")
    account = models.ForeignKey(ExchangeAccount, on_delete=models.PROTECT, related_name="+")
    subaccount = models.PositiveSmallIntegerField(default=0)
    name = models.CharField(max_length=60)
    priority = models.PositiveIntegerField()  # smaller first; the first match wins
    state = models.CharField(max_length=6, choices=State.choices, default=State.OFF)
    state_why = models.CharField(max_length=200, blank=True)  # the breaker that disarmed it, or a person's words
    state_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.PROTECT, related_name="+")
    state_at = models.DateTimeField()
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    is_deleted = models.BooleanField(default=False)
    version = models.PositiveIntegerField(default=1)

    class Meta:
        indexes = [models.Index(fields=["desk", "priority"])]


class QuoteRuleVersion(models.Model):
    """What a rule says, for good: a change is a new version. terms: docs/rfq.md, "Rules"."""

    rule = models.ForeignKey(QuoteRule, on_delete=models.PROTECT, related_name="versions")
    number = models.PositiveIntegerField()
    terms = models.JSONField()
    why = models.CharField(max_length=200)
    made_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    made_at = models.DateTimeField()
    approved_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.PROTECT, related_name="+")
    approved_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["rule", "number"], name="rule_version_once")]


class QuoteDecision(models.Model):
    """What a rule decided about one request, with all it looked at: enough to decide it again by other terms."""

    class Action(models.TextChoices):
        QUOTE = "quote", "Quoted"
        SHADOW = "shadow", "Would have quoted"
        PASS = "pass", "Passed"
        PULL = "pull", "Pulled"

    incoming = models.ForeignKey(IncomingRfq, on_delete=models.PROTECT, related_name="decisions")
    rule_version = models.ForeignKey(QuoteRuleVersion, on_delete=models.PROTECT, related_name="decisions")
    action = models.CharField(max_length=6, choices=Action.choices)
    reason = models.CharField(max_length=60)  # code
    text = models.CharField(max_length=300, blank=True)
    yes_bid = PriceField(null=True)
    no_bid = PriceField(null=True)
    fair_yes = PriceField(null=True)
    inputs = models.JSONField(default=dict)
    decided_at = models.DateTimeField()
    took_ms = models.PositiveIntegerField(default=0)  # from the frame to the decision

    class Meta:
        indexes = [models.Index(fields=["-decided_at"])]


class ShadowGrade(models.Model):
    """What a quote that a rule in the shadow would have sent would have made, by the public prints (core/shadow.py).

    made: dollars by then, at yes_mid, only where it would have won. why_not: what was missing for a part of it.
    """

    class Standing(models.TextChoices):
        WON = "won", "Would have won"
        TIED = "tied", "Same price as the trade"
        LOST = "lost", "Somebody paid more"
        NO_PRINT = "no_print", "No trade was seen"

    decision = models.OneToOneField(QuoteDecision, on_delete=models.PROTECT, related_name="grade")
    due_at = models.DateTimeField()
    graded_at = models.DateTimeField(null=True)
    standing = models.CharField(max_length=8, choices=Standing.choices, blank=True)
    side = models.CharField(max_length=3, blank=True)  # what we would have owned: yes | no
    contracts = CountField(null=True)
    print_yes = PriceField(null=True)  # the print's price of one YES
    yes_mid = PriceField(null=True)  # a minute after the decision
    made = MoneyField(null=True)
    why_not = models.CharField(max_length=100, blank=True)

    class Meta:
        indexes = [models.Index(fields=["due_at"], condition=Q(graded_at=None), name="shadow_grade_due")]


class FairMark(models.Model):
    """What a person, or a file that a person uploaded, says one YES is worth."""

    desk = models.ForeignKey(Desk, on_delete=models.CASCADE, related_name="+")
    environment = models.CharField(max_length=12, choices=Environment.choices)
    ticker = models.CharField(max_length=120)
    source = models.CharField(max_length=8)  # manual | file
    yes = PriceField()
    set_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    set_at = models.DateTimeField()
    ends_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["desk", "environment", "ticker", "source"], name="fair_mark_once"),
        ]


class StreamMinute(models.Model):
    """How many requests came in one minute, and how far they got: the top of the funnel."""

    account = models.ForeignKey(ExchangeAccount, on_delete=models.CASCADE, related_name="+")
    minute = models.DateTimeField()
    seen = models.PositiveIntegerField(default=0)
    eligible = models.PositiveIntegerField(default=0)  # some rule or filter of ours wanted it
    dropped = models.PositiveIntegerField(default=0)  # lost to us: overflow

    class Meta:
        constraints = [models.UniqueConstraint(fields=["account", "minute"], name="stream_minute_once")]
