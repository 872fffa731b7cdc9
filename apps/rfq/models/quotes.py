"""The maker's side: requests of others that concern us, our quotes, and what became of their accepts."""

from django.conf import settings
from django.db import models
from django.db.models import Q

from apps.accounts.models import Desk, Environment, ExchangeAccount
from apps.core.fields import CountField, MoneyField, PriceField
from apps.core.rfq import ConfirmationState, Decision, Outcome, Policy, QuoteState


def choices(words: type[Outcome | Policy | Decision | QuoteState | ConfirmationState]) -> list[tuple[str, str]]:
    return [(word.value, word.value.replace("_", " ")) for word in words]


class IncomingRfq(models.Model):
    """A request of somebody else that we quoted, passed on, or that a rule decided about. Not the whole stream."""

    environment = models.CharField(max_length=12, choices=Environment.choices)
    rfq_id = models.CharField(max_length=80)
    ticker = models.CharField(max_length=120)
    event_ticker = models.CharField(max_length=120, blank=True)
    collection_ticker = models.CharField(max_length=120, blank=True)
    legs = models.JSONField(default=list)  # [{"event_ticker","market_ticker","side"}]
    requester = models.CharField(max_length=80, blank=True)  # pseudonym, where the exchange tells
    contracts = CountField(null=True)
    target_cost = MoneyField(null=True)
    created_at = models.DateTimeField(null=True)  # exchange clock
    seen_at = models.DateTimeField()  # our clock
    deleted_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["environment", "rfq_id"], name="incoming_rfq_once")]
        indexes = [models.Index(fields=["environment", "-seen_at"])]


class PassedRequest(models.Model):
    """A desk has decided not to quote this request: nobody of it is shown it any more. Taken back: the row is gone."""

    desk = models.ForeignKey(Desk, on_delete=models.CASCADE, related_name="+")
    incoming = models.ForeignKey(IncomingRfq, on_delete=models.CASCADE, related_name="passes")
    by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    reason = models.CharField(max_length=200, blank=True)
    at = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["desk", "incoming"], name="passed_request_once")]


class Quote(models.Model):
    """One quote of ours; committed before its first byte is sent, sent at most once.

    One unresolved quote per request and account: a late repeat would replace a newer price.
    """

    desk = models.ForeignKey(Desk, on_delete=models.PROTECT, related_name="+")
    account = models.ForeignKey(ExchangeAccount, on_delete=models.PROTECT, related_name="quotes")
    subaccount = models.PositiveSmallIntegerField(default=0)
    incoming = models.ForeignKey(IncomingRfq, on_delete=models.PROTECT, related_name="quotes")
    # null: by a rule, or made elsewhere with our key
    placed_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.PROTECT, related_name="+")
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.PROTECT, related_name="+")
    rule_version = models.ForeignKey("rfq.QuoteRuleVersion", null=True, on_delete=models.PROTECT, related_name="quotes")
    idempotency_key = models.UUIDField(null=True)
    quote_id = models.CharField(max_length=80, null=True)  # the exchange's
    ticker = models.CharField(max_length=120)
    yes_bid = PriceField(default=0)
    no_bid = PriceField(default=0)
    rest_remainder = models.BooleanField(default=False)
    post_only = models.BooleanField(default=False)
    policy = models.CharField(max_length=8, choices=choices(Policy), default=Policy.MANUAL.value)
    max_move = PriceField(null=True, help_text="Last look: the most that fair value may have moved against us")
    fair_yes = PriceField(null=True, help_text="Our value of one YES when it was sent")
    book_at_send = models.JSONField(default=dict)  # {"yes_bid","yes_ask"} dollars or null
    ends_at = models.DateTimeField(null=True)  # our own time-out: pulled then
    state = models.CharField(max_length=10, choices=choices(QuoteState), default=QuoteState.COMMITTED.value)
    pull_wanted_at = models.DateTimeField(null=True)  # repeated until it is gone
    created_at = models.DateTimeField()  # our clock
    claimed_at = models.DateTimeField(null=True)
    answered_at = models.DateTimeField(null=True)
    opened_at = models.DateTimeField(null=True)  # exchange clock
    ended_at = models.DateTimeField(null=True)
    end_reason = models.CharField(max_length=200, blank=True)
    # A cancelled quote may have been filled: true once fills were read and there were none.
    is_end_verified = models.BooleanField(default=False)
    looks = models.PositiveIntegerField(default=0)
    next_look_at = models.DateTimeField(null=True)
    error_code = models.CharField(max_length=60, blank=True)
    error_text = models.CharField(max_length=400, blank=True)
    version = models.PositiveIntegerField(default=1)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["placed_by", "idempotency_key"], name="quote_once_per_click"),
            models.UniqueConstraint(fields=["account", "quote_id"], name="quote_once_per_account"),
            models.UniqueConstraint(
                fields=["account", "incoming"],
                condition=Q(state__in=["committed", "sending", "unknown"]),
                name="quote_one_in_flight",
            ),
        ]
        indexes = [
            models.Index(fields=["account", "state"]),
            models.Index(fields=["desk", "-created_at"]),
            models.Index(fields=["account", "-created_at", "-id"], name="quote_by_time"),
        ]


class Confirmation(models.Model):
    """One accept of one of our quotes, from the first sign of it to its end. Confirmed by repeating, until `send_by`.

    Whoever holds the lease (a worker, or the gateway's guard) sends; the first durable decision wins.
    """

    quote = models.OneToOneField(Quote, on_delete=models.PROTECT, related_name="confirmation")
    accepted_side = models.CharField(max_length=3, choices=choices(Outcome), blank=True)  # "": not told yet
    contracts = CountField(null=True)
    heard_by = models.CharField(max_length=8)  # ws | rest | fix
    heard_at = models.DateTimeField()  # our clock
    accepted_at = models.DateTimeField()  # our clock: the earliest it can have been
    window_ends_at = models.DateTimeField()  # our clock
    send_by = models.DateTimeField()  # our clock
    policy = models.CharField(max_length=8, choices=choices(Policy))
    # The last look as it was taken: [{"name","ok","value","limit","text"}], and what it looked at
    checks = models.JSONField(default=list)
    inputs = models.JSONField(default=dict)
    decision = models.CharField(max_length=8, choices=choices(Decision), blank=True)
    decided_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.PROTECT, related_name="+")
    decided_at = models.DateTimeField(null=True)
    reason = models.CharField(max_length=60, blank=True)  # code: manual, last_look, or the first failing check
    state = models.CharField(max_length=10, choices=choices(ConfirmationState), default=ConfirmationState.OPEN.value)
    lease_holder = models.CharField(max_length=80, blank=True)
    lease_until = models.DateTimeField(null=True)
    attempts = models.PositiveSmallIntegerField(default=0)
    first_sent_at = models.DateTimeField(null=True)
    last_sent_at = models.DateTimeField(null=True)
    answered_at = models.DateTimeField(null=True)
    confirmed_at = models.DateTimeField(null=True)  # exchange clock
    executed_at = models.DateTimeField(null=True)  # exchange clock
    order_id = models.CharField(max_length=80, blank=True)
    next_look_at = models.DateTimeField(null=True)
    looks = models.PositiveIntegerField(default=0)
    error_text = models.CharField(max_length=400, blank=True)
    version = models.PositiveIntegerField(default=1)

    class Meta:
        indexes = [models.Index(fields=["state", "send_by"])]


class Markout(models.Model):
    """What a filled quote was worth a while after: YES mid price, dollars. horizon: 10s, 1m, 10m, settle."""

    quote = models.ForeignKey(Quote, on_delete=models.PROTECT, related_name="markouts")
    horizon = models.CharField(max_length=8)
    due_at = models.DateTimeField()
    yes_mid = PriceField(null=True)
    taken_at = models.DateTimeField(null=True)
    why_not = models.CharField(max_length=100, blank=True)  # no book, market closed

    class Meta:
        constraints = [models.UniqueConstraint(fields=["quote", "horizon"], name="markout_once")]
        indexes = [models.Index(fields=["due_at"], condition=Q(taken_at=None), name="markout_due")]
