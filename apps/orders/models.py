import uuid

from django.conf import settings
from django.db import models
from django.db.models import Q

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

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["placed_by", "idempotency_key"], name="intent_once_per_click"),
            models.CheckConstraint(condition=Q(price__gt=0, price__lt=1), name="intent_price_inside_0_1"),
            models.CheckConstraint(condition=Q(count__gt=0), name="intent_count_positive"),
        ]
        indexes = [models.Index(fields=["account", "state"])]


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

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["account", "order_id"], name="order_once_per_account"),
            models.CheckConstraint(condition=Q(filled_count__gte=0), name="order_filled_not_negative"),
            models.CheckConstraint(condition=Q(remaining_count__gte=0), name="order_remaining_not_negative"),
        ]
        indexes = [
            models.Index(fields=["account", "status", "ticker"]),
            models.Index(fields=["account", "-created_at"]),
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
        indexes = [models.Index(fields=["account", "-traded_at"]), models.Index(fields=["account", "ticker"])]


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
