"""The requester's side: what the desk asked for, what it was offered, and the one it took."""

from django.conf import settings
from django.db import models
from django.db.models import Q

from apps.accounts.models import Desk, Environment, ExchangeAccount
from apps.core.fields import CountField, MoneyField, PriceField
from apps.core.rfq import Outcome, QuoteState, RfqState


def choices(words: type[Outcome] | type[RfqState] | type[QuoteState]) -> list[tuple[str, str]]:
    return [(word.value, word.value.replace("_", " ")) for word in words]


class ComboTicker(models.Model):
    """The market of one set of legs, as the exchange once told: asked for once, never again.

    legs_key: the legs as `market:side`, sorted and joined by commas.
    """

    environment = models.CharField(max_length=12, choices=Environment.choices)
    collection_ticker = models.CharField(max_length=120)
    legs_key = models.CharField(max_length=2000)
    ticker = models.CharField(max_length=120)
    event_ticker = models.CharField(max_length=120)
    legs = models.JSONField(default=list)  # [{"event_ticker","market_ticker","side"}] in the order they were chosen
    made_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.PROTECT, related_name="+")
    made_at = models.DateTimeField()
    is_created = models.BooleanField(default=True)  # counted against the weekly creation budget; False: it was known

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["environment", "collection_ticker", "legs_key"], name="combo_ticker_once"),
        ]
        indexes = [models.Index(fields=["environment", "ticker"])]


class ComboResolution(models.Model):
    """One wish to know the market of some legs, made by one account, and what became of it.

    Asking again is harmless (the same legs are the same market), so it is repeated until it is answered. `is_created`
    counts against the account's weekly budget at the exchange; in doubt it is true.
    """

    class State(models.TextChoices):
        WAITING = "waiting", "Asking the exchange"
        DONE = "done", "Known"
        REFUSED = "refused", "Refused"

    desk = models.ForeignKey(Desk, on_delete=models.PROTECT, related_name="+")
    account = models.ForeignKey(ExchangeAccount, on_delete=models.PROTECT, related_name="+")
    asked_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    collection_ticker = models.CharField(max_length=120)
    legs_key = models.CharField(max_length=2000)  # as of ComboTicker
    legs = models.JSONField(default=list)  # [{"event_ticker","market_ticker","side"}]
    state = models.CharField(max_length=8, choices=State.choices, default=State.WAITING)
    ticker = models.CharField(max_length=120, blank=True)
    is_created = models.BooleanField(default=False)
    problem = models.JSONField(default=dict)  # {"code","text","tickers"} when it was refused, or is not answered yet
    asked_at = models.DateTimeField()
    created_at = models.DateTimeField(null=True)  # when the creation was sent, our clock
    answered_at = models.DateTimeField(null=True)
    looks = models.PositiveIntegerField(default=0)
    next_look_at = models.DateTimeField(null=True)
    version = models.PositiveIntegerField(default=1)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["account", "collection_ticker", "legs_key"],
                condition=Q(state="waiting"),
                name="combo_resolution_once",
            ),
        ]
        indexes = [models.Index(fields=["state"]), models.Index(fields=["account", "is_created", "created_at"])]


class Rfq(models.Model):
    """One request for quotes of this desk; committed before its first byte is sent.

    At most one send per row. Exactly one of `contracts` and `target_cost`. The limits never leave the desk.
    """

    desk = models.ForeignKey(Desk, on_delete=models.PROTECT, related_name="+")
    account = models.ForeignKey(ExchangeAccount, on_delete=models.PROTECT, related_name="rfqs")
    subaccount = models.PositiveSmallIntegerField(default=0)
    # null: made elsewhere with our key
    placed_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.PROTECT, related_name="+")
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.PROTECT, related_name="+")
    idempotency_key = models.UUIDField(null=True)
    rfq_id = models.CharField(max_length=80, null=True)  # the exchange's
    ticker = models.CharField(max_length=120)
    collection_ticker = models.CharField(max_length=120, blank=True)
    legs = models.JSONField(default=list)  # [{"event_ticker","market_ticker","side"}]; empty: no combo
    contracts = CountField(null=True)
    target_cost = MoneyField(null=True, help_text="Dollars")
    rest_remainder = models.BooleanField(default=False)
    replace_existing = models.BooleanField(default=False)
    limit_yes = PriceField(null=True, help_text="Most that we pay for YES; private")
    limit_no = PriceField(null=True, help_text="Most that we pay for NO; private")
    ends_at = models.DateTimeField(null=True)  # our own time-out: we delete it then
    note = models.CharField(max_length=300, blank=True)
    # One shot: take the first quote at or below the limit that stands for `auto_after`, of at least so many quotes.
    auto_accept = models.CharField(max_length=3, choices=choices(Outcome), blank=True)  # buy what; "": off
    auto_min_quotes = models.PositiveSmallIntegerField(default=1)
    auto_after = models.DurationField(null=True)
    state = models.CharField(max_length=10, choices=choices(RfqState), default=RfqState.COMMITTED.value)
    closing_reason = models.CharField(max_length=200, blank=True)
    created_at = models.DateTimeField()  # our clock
    claimed_at = models.DateTimeField(null=True)
    answered_at = models.DateTimeField(null=True)
    opened_at = models.DateTimeField(null=True)  # exchange clock
    closed_at = models.DateTimeField(null=True)  # exchange clock where it says so
    close_wanted_at = models.DateTimeField(null=True)  # we want it deleted: repeated until it is gone
    looks = models.PositiveIntegerField(default=0)
    next_look_at = models.DateTimeField(null=True)
    error_code = models.CharField(max_length=60, blank=True)
    error_text = models.CharField(max_length=400, blank=True)
    # The book when it was sent: {"yes_bid","yes_ask","sweep_yes","sweep_no"} dollars or null, for the improvement
    book_at_send = models.JSONField(default=dict)
    version = models.PositiveIntegerField(default=1)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["placed_by", "idempotency_key"], name="rfq_once_per_click"),
            models.UniqueConstraint(fields=["account", "rfq_id"], name="rfq_once_per_account"),
            models.CheckConstraint(
                condition=Q(contracts__isnull=True) ^ Q(target_cost__isnull=True), name="rfq_one_size"
            ),
        ]
        indexes = [
            models.Index(fields=["account", "state"]),
            models.Index(fields=["desk", "-created_at"]),
            models.Index(fields=["account", "-created_at", "-id"], name="rfq_by_time"),
        ]


class ReceivedQuote(models.Model):
    """A maker's quote on one of our requests, as last reported. Bids are the maker's; 0: no price."""

    rfq = models.ForeignKey(Rfq, on_delete=models.PROTECT, related_name="quotes")
    quote_id = models.CharField(max_length=80)
    maker = models.CharField(max_length=80, blank=True)  # the exchange's pseudonym
    yes_bid = PriceField(default=0)
    no_bid = PriceField(default=0)
    yes_contracts = CountField(null=True)  # what a target cost comes to on the maker's YES bid
    no_contracts = CountField(null=True)
    state = models.CharField(max_length=10, choices=choices(QuoteState), default=QuoteState.OPEN.value)
    created_at = models.DateTimeField(null=True)  # exchange clock
    seen_at = models.DateTimeField()  # our clock
    changed_at = models.DateTimeField()  # our clock: the 300 ms before it may be taken count from here
    ended_at = models.DateTimeField(null=True)
    cancellation_reason = models.CharField(max_length=200, blank=True)
    order_id = models.CharField(max_length=80, blank=True)  # our order, once executed
    version = models.PositiveIntegerField(default=1)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["rfq", "quote_id"], name="received_quote_once")]
        indexes = [models.Index(fields=["quote_id"])]


class Accept(models.Model):
    """The one quote of a request that we take. A lapse ends it, and only then may another be taken.

    At most one send per row; one open row per request, whoever clicks what (RELIABILITY I12).
    """

    class State(models.TextChoices):
        COMMITTED = "committed", "Waiting to be sent"
        SENDING = "sending", "Sending"
        UNKNOWN = "unknown", "Sent, not confirmed by the exchange"
        REFUSED = "refused", "Refused"
        NOT_SEEN = "not_seen", "Not seen at the exchange"
        AWAITING = "awaiting", "Awaiting the maker"
        EXECUTING = "executing", "Confirmed, executing"
        EXECUTED = "executed", "Executed"
        LAPSED = "lapsed", "Lapsed by the maker"
        FAILED = "failed", "Confirmed, not executed"

    rfq = models.ForeignKey(Rfq, on_delete=models.PROTECT, related_name="accepts")
    quote = models.ForeignKey(ReceivedQuote, on_delete=models.PROTECT, related_name="accepts")
    buys = models.CharField(max_length=3, choices=choices(Outcome))  # what we own afterwards
    price_seen = PriceField(help_text="What one contract costs us, as the person saw it")
    contracts = CountField(null=True)
    accepted_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    is_auto = models.BooleanField(default=False)
    # By FIX with PreferBetterQuote: the exchange may have taken another quote of the request, at least as good
    prefers_better = models.BooleanField(default=False)
    idempotency_key = models.UUIDField()
    state = models.CharField(max_length=10, choices=State.choices, default=State.COMMITTED)
    created_at = models.DateTimeField()
    claimed_at = models.DateTimeField(null=True)
    answered_at = models.DateTimeField(null=True)
    accepted_at = models.DateTimeField(null=True)  # exchange clock
    confirmed_at = models.DateTimeField(null=True)  # exchange clock
    executed_at = models.DateTimeField(null=True)  # exchange clock
    resolved_at = models.DateTimeField(null=True)
    looks = models.PositiveIntegerField(default=0)
    next_look_at = models.DateTimeField(null=True)
    order_id = models.CharField(max_length=80, blank=True)
    error_code = models.CharField(max_length=60, blank=True)
    error_text = models.CharField(max_length=400, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["accepted_by", "idempotency_key"], name="accept_once_per_click"),
            models.UniqueConstraint(
                fields=["rfq"],
                # Evidence of an execution is never turned away; that none is taken after one, the service checks.
                condition=Q(state__in=["committed", "sending", "unknown", "awaiting"]),
                name="accept_one_per_rfq",
            ),
        ]
        indexes = [models.Index(fields=["state"])]
