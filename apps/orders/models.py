import uuid

from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Coalesce

from apps.accounts.models import Desk, ExchangeAccount
from apps.core.fields import CountField, MoneyField, PriceField


class BookSide(models.TextChoices):
    """Direction on the YES leg (docs:order_direction): bid buys YES, ask sells YES (buys NO)."""

    BID = "bid", "Bid"
    ASK = "ask", "Ask"


class OrderIntent(models.Model):
    """One instruction to create an order, committed before its first byte is sent.

    At most one send per intent, ever (RELIABILITY 3a). `idempotency_key` is made by the browser
    when the ticket is opened for sending: the same key gives the same intent.
    """

    class State(models.TextChoices):
        COMMITTED = "committed", "Waiting to be sent"
        SENDING = "sending", "Sending"
        ACKED = "acked", "Accepted by the exchange"
        REFUSED = "refused", "Refused"
        UNKNOWN = "unknown", "Sent, not confirmed by the exchange"
        NOT_SEEN = "not_seen", "Not seen at the exchange"

    desk = models.ForeignKey(Desk, on_delete=models.PROTECT, related_name="+")
    account = models.ForeignKey(ExchangeAccount, on_delete=models.PROTECT, related_name="intents")
    subaccount = models.PositiveSmallIntegerField(default=0)
    placed_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    idempotency_key = models.UUIDField()
    client_order_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    ticker = models.CharField(max_length=120)
    book_side = models.CharField(max_length=3, choices=BookSide.choices)
    price = PriceField(help_text="YES-leg price, dollars")
    count = CountField(help_text="Contracts")
    # fill_or_kill | good_till_canceled | immediate_or_cancel
    time_in_force = models.CharField(max_length=24, default="good_till_canceled")
    expires_at = models.DateTimeField(null=True)
    is_post_only = models.BooleanField(default=False)
    is_reduce_only = models.BooleanField(default=False)
    cancel_on_pause = models.BooleanField(default=False)
    self_trade_prevention = models.CharField(max_length=24, default="taker_at_cross")
    state = models.CharField(max_length=10, choices=State.choices, default=State.COMMITTED)
    version = models.PositiveIntegerField(default=1)
    created_at = models.DateTimeField()
    claimed_at = models.DateTimeField(null=True)  # the one conditional UPDATE that allows the one send
    answered_at = models.DateTimeField(null=True)
    resolved_at = models.DateTimeField(null=True)
    error_code = models.CharField(max_length=60, blank=True)
    error_text = models.CharField(max_length=400, blank=True)
    evidence = models.CharField(max_length=200, blank=True)  # what ended UNKNOWN, in words
    exchange_order_id = models.CharField(max_length=80, null=True)
    # buy_yes | buy_no | sell_yes | sell_no: how the person said it; the exchange knows only book_side
    entered_as = models.CharField(max_length=8, blank=True)
    looks = models.PositiveIntegerField(default=0)  # how often we looked for it at the exchange
    next_look_at = models.DateTimeField(null=True)
    order_group_id = models.CharField(max_length=80, blank=True)  # the exchange's id of the group
    batch_key = models.UUIDField(null=True)  # the pasted table that it was a line of
    # What the person saw before they sent it: the word of `services.shown`, and the fee as one fill and at worst
    shown = models.CharField(max_length=80, blank=True)
    fee_shown = MoneyField(null=True)
    fee_shown_worst = MoneyField(null=True)
    # The second person's word, where the order is above the desk's threshold
    approval = models.ForeignKey("accounts.ChangeRequest", null=True, on_delete=models.PROTECT, related_name="+")

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["placed_by", "idempotency_key"], name="intent_once_per_click"),
            models.CheckConstraint(condition=Q(price__gt=0, price__lt=1), name="intent_price_inside_0_1"),
            models.CheckConstraint(condition=Q(count__gt=0), name="intent_count_positive"),
        ]
        indexes = [
            models.Index(fields=["account", "state"]),
            models.Index(fields=["placed_by", "account", "created_at"]),  # orders per minute
        ]


class Order(models.Model):
    """An order as the exchange last reported it. `intent` is null when placed elsewhere."""

    class Status(models.TextChoices):
        RESTING = "resting", "Resting"
        CANCELED = "canceled", "Cancelled"
        EXECUTED = "executed", "Filled"

    account = models.ForeignKey(ExchangeAccount, on_delete=models.PROTECT, related_name="orders")
    intent = models.OneToOneField(OrderIntent, null=True, on_delete=models.PROTECT, related_name="order")
    order_id = models.CharField(max_length=80)
    client_order_id = models.CharField(max_length=80, blank=True)
    subaccount = models.PositiveSmallIntegerField(default=0)
    ticker = models.CharField(max_length=120)
    book_side = models.CharField(max_length=3, choices=BookSide.choices)
    price = PriceField()
    initial_count = CountField()
    filled_count = CountField(default=0)
    remaining_count = CountField()
    fill_cost = MoneyField(default=0)
    fees = MoneyField(default=0)
    status = models.CharField(max_length=10, choices=Status.choices)
    order_group_id = models.CharField(max_length=80, blank=True)
    expires_at = models.DateTimeField(null=True)
    created_at = models.DateTimeField(null=True)  # exchange clock
    updated_at = models.DateTimeField(null=True)  # exchange clock
    seen_at = models.DateTimeField()  # our clock
    source = models.CharField(max_length=12)  # answer | ws | rest
    version = models.PositiveIntegerField(default=1)
    # What our fee model says its fills should have cost; null when the fee of the market is not known
    fees_predicted = MoneyField(null=True)
    queue_position = CountField(null=True, help_text="Contracts ahead of it, as last read")
    queue_seen_at = models.DateTimeField(null=True)  # our clock

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["account", "order_id"], name="order_once_per_account"),
            models.CheckConstraint(condition=Q(filled_count__gte=0), name="order_filled_not_negative"),
            models.CheckConstraint(condition=Q(remaining_count__gte=0), name="order_remaining_not_negative"),
        ]
        indexes = [
            models.Index(fields=["account", "status", "ticker"]),
            # Searched newest first; the exchange does not always say when an order was created.
            models.Index("account", Coalesce("created_at", "seen_at").desc(), F("id").desc(), name="order_by_time"),
            models.Index(
                "account", "ticker", Coalesce("created_at", "seen_at").desc(), F("id").desc(), name="order_by_market"
            ),
        ]


class CancelIntent(models.Model):
    """A wish to cancel one order; repeated until the order is terminal (a repeat is harmless)."""

    class State(models.TextChoices):
        COMMITTED = "committed", "Waiting to be sent"
        SENDING = "sending", "Sending"
        DONE = "done", "Order is terminal"
        UNKNOWN = "unknown", "Sent, not confirmed"
        REFUSED = "refused", "Refused"

    order = models.ForeignKey(Order, on_delete=models.PROTECT, related_name="cancels")
    requested_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    idempotency_key = models.UUIDField()
    state = models.CharField(max_length=10, choices=State.choices, default=State.COMMITTED)
    attempts = models.PositiveIntegerField(default=0)
    created_at = models.DateTimeField()
    sent_at = models.DateTimeField(null=True)  # the last attempt
    next_attempt_at = models.DateTimeField(null=True)
    resolved_at = models.DateTimeField(null=True)
    error_code = models.CharField(max_length=60, blank=True)
    error_text = models.CharField(max_length=400, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["requested_by", "idempotency_key"], name="cancel_once_per_click"),
            models.UniqueConstraint(
                fields=["order"],
                condition=Q(state__in=["committed", "sending", "unknown"]),
                name="cancel_one_open",
            ),
        ]


class ChangeIntent(models.Model):
    """A wish to change one resting order: its price and total (amend), or only its rest, downwards (decrease).

    An amend is sent at most once and then looked up; a decrease names an absolute rest, so it is
    repeated until the exchange shows it (RELIABILITY 3a).
    """

    class Kind(models.TextChoices):
        AMEND = "amend", "Amend"
        DECREASE = "decrease", "Decrease"

    class State(models.TextChoices):
        COMMITTED = "committed", "Waiting to be sent"
        SENDING = "sending", "Sending"
        DONE = "done", "Changed"
        UNKNOWN = "unknown", "Sent, not confirmed by the exchange"
        REFUSED = "refused", "Refused"
        NOT_SEEN = "not_seen", "Not seen at the exchange"
        ENDED = "ended", "The order ended first"

    order = models.ForeignKey(Order, on_delete=models.PROTECT, related_name="changes")
    requested_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    idempotency_key = models.UUIDField()
    kind = models.CharField(max_length=8, choices=Kind.choices)
    price = PriceField(help_text="YES leg; of a decrease the order's own")
    count = CountField(help_text="Amend: the new total, filled contracts included. Decrease: the new rest.")
    seen_filled = CountField(help_text="Filled contracts that the person saw")
    shown = models.CharField(max_length=80, blank=True)  # of an amend's preview, see `services.shown`
    state = models.CharField(max_length=10, choices=State.choices, default=State.COMMITTED)
    created_at = models.DateTimeField()
    sent_at = models.DateTimeField(null=True)  # of an amend the only attempt, of a decrease the last one
    answered_at = models.DateTimeField(null=True)
    resolved_at = models.DateTimeField(null=True)
    attempts = models.PositiveIntegerField(default=0)  # sends and looks
    next_attempt_at = models.DateTimeField(null=True)
    error_code = models.CharField(max_length=60, blank=True)
    error_text = models.CharField(max_length=400, blank=True)
    outcome = models.CharField(max_length=200, blank=True)  # in words, once it is known

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["requested_by", "idempotency_key"], name="change_once_per_click"),
            models.UniqueConstraint(
                fields=["order"],
                condition=Q(state__in=["committed", "sending", "unknown"]),
                name="change_one_open",
            ),
        ]


class CancelRun(models.Model):
    """One press of "cancel all": followed until nothing that it meant is left working."""

    account = models.ForeignKey(ExchangeAccount, on_delete=models.PROTECT, related_name="+")
    requested_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    ticker = models.CharField(max_length=120, blank=True)  # "": every market
    started_at = models.DateTimeField()
    finished_at = models.DateTimeField(null=True)

    class Meta:
        indexes = [models.Index(fields=["account"], condition=Q(finished_at=None), name="cancel_run_open")]


class TradingPause(models.Model):
    """Who may not place orders. Cancels always pass. user null: everybody on the desk.

    A kill is the pause of the kill switch: it is released only there, by a lead who gives a reason.
    """

    class Level(models.TextChoices):
        PAUSE = "pause", "Paused"
        KILL = "kill", "Killed"

    class Scope(models.TextChoices):
        PERSON = "person", "One person"
        DESK = "desk", "Everybody on this desk"

    desk = models.ForeignKey(Desk, on_delete=models.PROTECT, related_name="+")
    scope = models.CharField(max_length=8, choices=Scope.choices)
    level = models.CharField(max_length=5, choices=Level.choices, default=Level.PAUSE)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.PROTECT, related_name="+")
    why = models.CharField(max_length=200, blank=True)
    release_why = models.CharField(max_length=200, blank=True)
    set_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    set_at = models.DateTimeField()
    released_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.PROTECT, related_name="+")
    released_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(scope="desk", user=None) | Q(scope="person", user__isnull=False), name="pause_names_whom"
            ),
            models.CheckConstraint(condition=Q(level="pause") | Q(scope="desk"), name="kill_is_of_a_desk"),
            models.UniqueConstraint(
                fields=["desk"], condition=Q(level="kill", released_at=None), name="kill_once_in_force"
            ),
        ]
        indexes = [models.Index(fields=["desk"], condition=Q(released_at=None), name="pause_in_force")]


class RiskLimit(models.Model):
    """What may be done where. Null user: everybody; null account: every account of the desk; "" series and ticker:
    every market.

    All rows that match apply, each figure as its tightest; null: not limited by this row. What is counted (orders a
    minute, open contracts, requests, quotes) is counted within the row's series or market.
    """

    class Stale(models.TextChoices):
        """What happens to orders that add risk while the day's result is not known."""

        REFUSE = "refuse", "Refuse"
        ALLOW = "allow", "Allow"

    desk = models.ForeignKey(Desk, on_delete=models.PROTECT, related_name="+")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.PROTECT, related_name="+")
    account = models.ForeignKey(ExchangeAccount, null=True, on_delete=models.PROTECT, related_name="+")
    series = models.CharField(max_length=80, blank=True)
    ticker = models.CharField(max_length=120, blank=True)
    max_count = CountField(null=True, help_text="Contracts in one order")
    max_notional = MoneyField(null=True, help_text="Dollars that one order may cost")
    price_band = PriceField(null=True, help_text="Dollars beyond the best price of the other side")
    orders_per_minute = models.PositiveIntegerField(null=True)
    max_open_contracts = CountField(null=True, help_text="Contracts working at once, this order included")
    max_open_rfqs = models.PositiveIntegerField(null=True)
    max_open_quotes = models.PositiveIntegerField(null=True)
    max_daily_loss = MoneyField(null=True, help_text="Of the account, or of the person's own trades; no series, market")
    loss_if_stale = models.CharField(max_length=6, choices=Stale.choices, default=Stale.REFUSE)
    approve_count = CountField(null=True, help_text="A larger order needs a second person")
    approve_notional = MoneyField(null=True, help_text="A dearer order needs a second person")
    # Minutes in which one person's orders on one side of a market are one order to the two above; null: 10, 0: none.
    approve_within = models.PositiveIntegerField(null=True)
    ask_again_notional = MoneyField(null=True, help_text="Of a dearer order's author is asked again who they are")
    set_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    set_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                "desk", Coalesce("user", 0), Coalesce("account", 0), "series", "ticker", name="limit_once_per_scope"
            ),
            models.CheckConstraint(condition=Q(series="") | Q(ticker=""), name="limit_of_series_or_market"),
            models.CheckConstraint(
                condition=Q(max_daily_loss=None) | Q(series="", ticker=""), name="loss_of_account_or_person"
            ),
        ]


class LimitChange(models.Model):
    """One change of a limit, with its reason. Written once and kept, also when the limit is gone."""

    desk = models.ForeignKey(Desk, on_delete=models.PROTECT, related_name="+")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.PROTECT, related_name="+")
    account = models.ForeignKey(ExchangeAccount, null=True, on_delete=models.PROTECT, related_name="+")
    series = models.CharField(max_length=80, blank=True)
    ticker = models.CharField(max_length=120, blank=True)
    before = models.JSONField()  # name of a figure -> decimal text; {}: there was no row
    after = models.JSONField()  # {}: the row was removed
    reason = models.CharField(max_length=200)
    changed_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    approved_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.PROTECT, related_name="+")
    changed_at = models.DateTimeField()

    class Meta:
        indexes = [models.Index(fields=["desk", "-id"], name="limit_change_newest")]


class DayResult(models.Model):
    """What the trading day has brought one account so far, or (with a user) one person's own trades on it.

    A running figure, written by portfolio after each reading: the order path reads this row and works nothing out.
    """

    account = models.ForeignKey(ExchangeAccount, on_delete=models.CASCADE, related_name="day_results")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.CASCADE, related_name="+")
    day = models.DateField()  # core.pnl_days
    result = MoneyField(null=True, help_text="Realised and unrealised, after fees; null: cannot be worked out")
    why_unknown = models.CharField(max_length=200, blank=True)
    as_of = models.DateTimeField()  # our clock: when the oldest part of it was read
    told_limit = MoneyField(null=True, help_text="The limit whose breach the leads were told of on this day")

    class Meta:
        constraints = [models.UniqueConstraint("account", Coalesce("user", 0), name="day_result_once")]


class OrderGroup(models.Model):
    """Orders that share a limit of matched contracts in a rolling 15 s (docs:order_groups)."""

    class State(models.TextChoices):
        CREATING = "creating", "Being created"
        ACTIVE = "active", "Active"
        TRIGGERED = "triggered", "Triggered: its orders were cancelled, it takes none until it is reset"
        DELETED = "deleted", "Deleted"
        FAILED = "failed", "Not created"

    account = models.ForeignKey(ExchangeAccount, on_delete=models.PROTECT, related_name="order_groups")
    subaccount = models.PositiveSmallIntegerField(null=True)  # null: made elsewhere, and the exchange did not say
    group_id = models.CharField(max_length=80, null=True)  # the exchange's, null until it has answered
    name = models.CharField(max_length=60, blank=True)  # ours; the exchange has none
    contracts_limit = CountField(null=True)
    state = models.CharField(max_length=10, choices=State.choices)
    changed_at = models.DateTimeField()  # exchange clock of the newest event, else ours
    reset_at = models.DateTimeField(null=True)  # fills before it do not count
    appeared_at = models.DateTimeField(null=True)  # our clock, when an event or a listing first showed it
    is_told = models.BooleanField(default=False)  # its "created" came at once, so it is as young as `appeared_at`
    seen_at = models.DateTimeField()  # our clock
    version = models.PositiveIntegerField(default=1)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["account", "group_id"], name="group_once_per_account")]


class GroupAction(models.Model):
    """One thing asked of an order group. Trigger and delete are repeated; the rest is sent at most once."""

    class Kind(models.TextChoices):
        CREATE = "create", "Create"
        TRIGGER = "trigger", "Trigger"
        RESET = "reset", "Reset"
        LIMIT = "limit", "Change the limit"
        DELETE = "delete", "Delete"

    class State(models.TextChoices):
        COMMITTED = "committed", "Waiting to be sent"
        SENDING = "sending", "Sending"
        DONE = "done", "Done"
        UNKNOWN = "unknown", "Sent, not confirmed by the exchange"
        REFUSED = "refused", "Refused"

    group = models.ForeignKey(OrderGroup, on_delete=models.PROTECT, related_name="actions")
    kind = models.CharField(max_length=8, choices=Kind.choices)
    requested_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    idempotency_key = models.UUIDField()
    contracts_limit = CountField(null=True)
    state = models.CharField(max_length=10, choices=State.choices, default=State.COMMITTED)
    created_at = models.DateTimeField()
    sent_at = models.DateTimeField(null=True)
    resolved_at = models.DateTimeField(null=True)
    attempts = models.PositiveIntegerField(default=0)
    next_attempt_at = models.DateTimeField(null=True)
    is_listed_before = models.BooleanField(default=False)  # of a create: all groups were read right before it left
    error_code = models.CharField(max_length=60, blank=True)
    error_text = models.CharField(max_length=400, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["requested_by", "idempotency_key"], name="group_action_once_per_click"),
        ]


class SendGate(models.Model):
    """How many answers in a row accepted an order of this account without naming it; closed: no order leaves."""

    account = models.OneToOneField(ExchangeAccount, on_delete=models.CASCADE, related_name="send_gate")
    empty_answers = models.PositiveSmallIntegerField(default=0)
    closed_at = models.DateTimeField(null=True)


class Fill(models.Model):
    """One match of one order, stored once whichever feed reports it first."""

    account = models.ForeignKey(ExchangeAccount, on_delete=models.PROTECT, related_name="fills")
    order = models.ForeignKey(Order, null=True, on_delete=models.PROTECT, related_name="fills")
    trade_id = models.CharField(max_length=80)
    order_id_text = models.CharField(max_length=80)
    subaccount = models.PositiveSmallIntegerField(default=0)
    ticker = models.CharField(max_length=120)
    book_side = models.CharField(max_length=3, choices=BookSide.choices)
    yes_price = PriceField()
    count = CountField()
    is_taker = models.BooleanField()
    fee = MoneyField()
    traded_at = models.DateTimeField()  # exchange clock
    seen_at = models.DateTimeField()  # our clock
    source = models.CharField(max_length=12)  # ws | rest

    class Meta:
        constraints = [
            # Both sides of a self-trade carry one trade id, so the order belongs to the key.
            models.UniqueConstraint(fields=["account", "trade_id", "order_id_text"], name="fill_once"),
            models.CheckConstraint(condition=Q(count__gt=0), name="fill_count_positive"),
        ]
        indexes = [
            models.Index(fields=["account", "-traded_at", "-id"], name="fill_by_time"),
            models.Index(fields=["account", "ticker", "-traded_at", "-id"], name="fill_by_market"),
        ]


class AccountSync(models.Model):
    """How far the orders and fills of one account have been read over REST.

    `read_through` is the exchange's own "data as of" time, asked for before the read: everything
    older has been seen, so that the next read may start there. It never comes from a fill that
    the WebSocket brought, since an earlier one may have been lost on the way.
    """

    account = models.OneToOneField(ExchangeAccount, on_delete=models.CASCADE, related_name="order_sync")
    read_through = models.DateTimeField(null=True)  # exchange clock
    finished_at = models.DateTimeField(null=True)  # our clock
    error = models.CharField(max_length=200, blank=True)
