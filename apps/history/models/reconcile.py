"""What each source said of a trade, an order or a position, and where the sources differ."""

from django.conf import settings
from django.db import models
from django.db.models import Q

from apps.accounts.models import ExchangeAccount


class Subject(models.TextChoices):
    TRADE = "trade", "Trade"
    ORDER = "order", "Order"
    POSITION = "position", "Position"
    SETTLEMENT = "settled", "Settlement"


class Sighting(models.Model):
    """The last thing that a pushing source said of one record: the WebSocket, and FIX.

    Kept apart from the ledger, so that the ledger can be checked against it. `data` holds plain text, see
    `reconcile_sides`.
    """

    account = models.ForeignKey(ExchangeAccount, on_delete=models.CASCADE, related_name="+")
    source = models.CharField(max_length=8)  # ws | fix
    subject = models.CharField(max_length=8, choices=Subject.choices)
    key = models.CharField(max_length=180)
    data = models.JSONField()
    first_seen_at = models.DateTimeField()  # our clock
    seen_at = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["account", "source", "subject", "key"], name="sighting_once")]
        indexes = [models.Index(fields=["account", "seen_at"], name="sighting_by_time")]


class Discrepancy(models.Model):
    """One record of which two sources say different things, or which one of them does not have."""

    class Kind(models.TextChoices):
        NOT_IN_LEDGER = "no_ledger", "Not in the ledger"
        NOT_AT_EXCHANGE = "no_rest", "Not at the exchange"
        NOT_PUSHED = "no_push", "Never pushed"
        DIFFERS = "differs", "Differs"

    class Cause(models.TextChoices):
        MISSED_FRAME = "missed", "A frame was missed"
        LATE = "late", "A frame came late"
        FOREIGN = "foreign", "Traded elsewhere with this account"
        SETTLED = "settled", "Settled meanwhile"
        FEE = "fee", "The fee differs"
        NO_HISTORY = "history", "Older than the desk's history"
        CONTENT = "content", "The same record with other content"
        UNKNOWN = "unknown", "Not known yet"

    class State(models.TextChoices):
        OPEN = "open", "Open"
        RESOLVED = "resolved", "Resolved"
        IGNORED = "ignored", "Ignored"

    account = models.ForeignKey(ExchangeAccount, on_delete=models.CASCADE, related_name="discrepancies")
    subject = models.CharField(max_length=8, choices=Subject.choices)
    key = models.CharField(max_length=180)
    kind = models.CharField(max_length=10, choices=Kind.choices)
    cause = models.CharField(max_length=8, choices=Cause.choices, default=Cause.UNKNOWN)
    ticker = models.CharField(max_length=120, blank=True)
    subaccount = models.PositiveIntegerField(default=0)
    sides = models.JSONField()  # {"rest" | "ledger" | "ws" | "fix": fields or null}
    state = models.CharField(max_length=8, choices=State.choices, default=State.OPEN)
    occurred_at = models.DateTimeField(null=True)  # exchange clock
    first_seen_at = models.DateTimeField()
    last_seen_at = models.DateTimeField()
    resolved_at = models.DateTimeField(null=True)
    resolution = models.CharField(max_length=200, blank=True)  # in words
    resolved_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.PROTECT, related_name="+")

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["account", "subject", "key", "kind"], name="discrepancy_once"),
            models.CheckConstraint(
                condition=~Q(state="ignored") | (Q(resolved_by__isnull=False) & ~Q(resolution="")),
                name="discrepancy_ignored_by_somebody",
            ),
        ]
        indexes = [models.Index(fields=["account", "state", "-last_seen_at"], name="discrepancy_by_state")]


class ReconcileRun(models.Model):
    """One comparison of an account's sources, from `since` to `as_of` (exchange clock)."""

    account = models.ForeignKey(ExchangeAccount, on_delete=models.CASCADE, related_name="reconcile_runs")
    asked_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.PROTECT, related_name="+")
    since = models.DateTimeField()
    as_of = models.DateTimeField(null=True)
    started_at = models.DateTimeField()
    finished_at = models.DateTimeField(null=True)
    compared = models.JSONField(default=dict)  # {"trade": 12, ...}
    opened = models.PositiveIntegerField(default=0)
    resolved = models.PositiveIntegerField(default=0)
    error = models.CharField(max_length=300, blank=True)

    class Meta:
        indexes = [models.Index(fields=["account", "-started_at"], name="reconcile_run_by_time")]
