"""Orders, fills, trades and the answers to order requests."""

from dataclasses import dataclass

from apps.paper.engine.units import (
    DOLLAR_PRICE,
    OrderStatus,
    Outcome,
    SelfTradePrevention,
    Side,
    TimeInForce,
    outcome_of,
)


@dataclass(frozen=True, slots=True)
class NewOrder:
    """A V2 create request, parsed. `price` is of the YES leg; `expiration_s` in Unix seconds."""

    ticker: str
    client_order_id: str
    side: Side
    price: int
    count: int
    time_in_force: TimeInForce = "good_till_canceled"
    self_trade_prevention_type: SelfTradePrevention = "taker_at_cross"
    expiration_s: int | None = None
    post_only: bool = False
    reduce_only: bool = False
    cancel_order_on_pause: bool = False
    subaccount: int = 0
    order_group_id: str | None = None
    external: bool = False  # placed where no client order id is asked for: the exchange's own site, legacy requests
    sells: bool = False  # a legacy request said "sell" of the other outcome; it is only told back
    max_cost: int | None = None  # micro-dollars with fees; what cannot be filled whole for it is refused


@dataclass(frozen=True, slots=True)
class AmendOrder:
    """A V2 amend request. `count` is the new total: already filled plus wanted resting remainder."""

    ticker: str
    side: Side
    price: int
    count: int
    client_order_id: str | None = None
    updated_client_order_id: str | None = None


@dataclass(slots=True)
class Order:
    """One order. Costs and fees in micro-dollars; `price` of the YES leg."""

    order_id: str
    sequence: int  # rises with every order: creation order, and time priority is kept by the book
    user_id: str
    subaccount: int
    client_order_id: str
    ticker: str
    side: Side
    price: int
    initial_count: int
    remaining: int
    time_in_force: TimeInForce
    self_trade_prevention_type: SelfTradePrevention
    created_ms: int
    updated_ms: int
    expiration_ms: int | None = None
    post_only: bool = False
    reduce_only: bool = False
    cancel_order_on_pause: bool = False
    order_group_id: str | None = None
    status: OrderStatus = "resting"
    filled: int = 0
    taker_fill_cost: int = 0
    maker_fill_cost: int = 0
    taker_fees: int = 0
    maker_fees: int = 0
    rounding_accumulator: int = 0
    sells: bool = False  # given as a sale of the other outcome (legacy); means the same
    hold: int = 0  # money this order would lock if nothing covered it
    cancel_reason: str = ""
    priority: int = 0  # place in time; a new one when the order loses its place

    @property
    def outcome_side(self) -> Outcome:
        """The outcome this order is positioned for."""
        return outcome_of(self.side)

    @property
    def book_price(self) -> int:
        """The price in the order's own leg: NO price for an ask."""
        return self.price if self.side == "bid" else DOLLAR_PRICE - self.price

    @property
    def no_price(self) -> int:
        """The price on the NO leg."""
        return DOLLAR_PRICE - self.price


@dataclass(frozen=True, slots=True)
class Trade:
    """A public trade."""

    trade_id: str
    sequence: int
    ticker: str
    price: int  # YES leg
    count: int
    taker_side: Side
    ts_ms: int

    @property
    def taker_outcome_side(self) -> Outcome:
        """The outcome the taker is positioned for."""
        return outcome_of(self.taker_side)


@dataclass(frozen=True, slots=True)
class Fill:
    """One side of a trade, as its owner sees it. `fee` is the net fee, `post_position` signed (NO negative)."""

    trade_id: str
    sequence: int
    order_id: str
    client_order_id: str
    user_id: str
    subaccount: int
    ticker: str
    side: Side
    price: int  # YES leg
    count: int
    is_taker: bool
    fee: int
    trade_fee: int
    rounding_fee: int
    rebate: int
    balance_change: int
    post_position: int
    ts_ms: int
    sells: bool = False  # as the order was given

    @property
    def outcome_side(self) -> Outcome:
        """The outcome this fill positioned the member for."""
        return outcome_of(self.side)


@dataclass(frozen=True, slots=True)
class Settlement:
    """What one account got for its position in a settled market; money in micro-dollars, `value` in price units.

    `fees_paid` are all fees of the position, with the settlement's own. A void market has no value.
    """

    sequence: int
    user_id: str
    subaccount: int
    ticker: str
    event_ticker: str
    result: str
    yes_count: int
    yes_cost: int
    no_count: int
    no_cost: int
    revenue: int
    settlement_fee: int
    fees_paid: int
    value: int | None  # of one YES contract
    settled_ms: int


@dataclass(frozen=True, slots=True)
class OrderResult:
    """Answer to create, amend, decrease and cancel.

    Averages are micro-dollars per contract, over the fills of this request, and None without fills. `resting_changed`
    says whether the resting size changed (an amend answers with counts only then, or after fills).
    """

    order: Order
    order_id: str
    client_order_id: str
    fill_count: int
    remaining_count: int
    average_fill_price: int | None
    average_fee_paid: int | None
    reduced_by: int
    resting_changed: bool
    ts_ms: int
