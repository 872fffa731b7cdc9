"""Messages of the exchange's WebSocket (edition of 2026-05-14, field names as on the wire).

Required fields are those without which a message has no meaning: the exchange's own examples
leave out several that its schema calls required. `side`, `action`, `is_yes` and other deprecated
fields are not read; direction is `outcome_side` / `book_side`.
"""

from typing import Any, ClassVar, Literal

import msgspec

from apps.exchange.wire.schemas.base import Wire

WireLevel = tuple[str, str]  # price in dollars, count in contracts


class DeltaBody(msgspec.Struct, gc=False):
    """One level's change. The hot path: only what the book needs is read."""

    market_ticker: str
    price_dollars: str
    delta_fp: str  # signed
    side: Literal["yes", "no"]
    ts_ms: int = 0


class OrderbookDelta(msgspec.Struct, tag="orderbook_delta", gc=False):
    sid: int
    seq: int
    msg: DeltaBody


class SnapshotBody(msgspec.Struct):
    """The whole book; a side without levels is absent. NO levels in NO prices."""

    market_ticker: str
    yes_dollars_fp: list[WireLevel] = []
    no_dollars_fp: list[WireLevel] = []


class OrderbookSnapshot(msgspec.Struct, tag="orderbook_snapshot"):
    sid: int
    seq: int
    msg: SnapshotBody


# What the exchange sends in the two book messages and the structs above leave out on purpose.
BOOK_FIELDS = {
    # client_order_id and subaccount come when an own order caused the change; user_orders says more.
    "orderbook_delta": frozenset(DeltaBody.__struct_encode_fields__)
    | {"market_id", "ts", "client_order_id", "subaccount"},
    "orderbook_snapshot": frozenset(SnapshotBody.__struct_encode_fields__) | {"market_id"},
}


class Ticker(Wire):
    """Prices and sizes at the top of one market."""

    market_ticker: str
    market_id: str = ""
    price_dollars: str | None = None
    yes_bid_dollars: str | None = None
    yes_ask_dollars: str | None = None
    yes_bid_size_fp: str | None = None
    yes_ask_size_fp: str | None = None
    last_trade_size_fp: str | None = None
    volume_fp: str | None = None
    open_interest_fp: str | None = None
    dollar_volume: int | None = None
    dollar_open_interest: int | None = None
    ts_ms: int | None = None

    IGNORED: ClassVar[frozenset[str]] = frozenset({"ts", "time"})


class Trade(Wire):
    """A public trade. taker_outcome_side: "yes" or "no"; taker_book_side: "bid" or "ask"."""

    trade_id: str
    market_ticker: str
    count_fp: str
    yes_price_dollars: str
    no_price_dollars: str | None = None
    taker_outcome_side: str = ""
    taker_book_side: str = ""
    ts_ms: int | None = None

    IGNORED: ClassVar[frozenset[str]] = frozenset({"ts", "taker_side"})


class Fill(Wire):
    """A fill of an order of this key's member. fee_cost in dollars."""

    trade_id: str
    order_id: str
    market_ticker: str
    count_fp: str
    yes_price_dollars: str
    is_taker: bool = False
    fee_cost: str | None = None
    outcome_side: str = ""
    book_side: str = ""
    client_order_id: str | None = None
    post_position_fp: str | None = None
    subaccount: int | None = None
    ts_ms: int | None = None

    IGNORED: ClassVar[frozenset[str]] = frozenset({"ts", "side", "action", "purchased_side"})


class UserOrder(Wire):
    """The state of an own order. status: resting, canceled, executed, or a newer word."""

    order_id: str
    ticker: str
    status: str
    user_id: str = ""
    outcome_side: str = ""
    book_side: str = ""
    yes_price_dollars: str | None = None
    fill_count_fp: str | None = None
    remaining_count_fp: str | None = None
    initial_count_fp: str | None = None
    taker_fill_cost_dollars: str | None = None
    maker_fill_cost_dollars: str | None = None
    taker_fees_dollars: str | None = None
    maker_fees_dollars: str | None = None
    client_order_id: str | None = None
    order_group_id: str | None = None
    self_trade_prevention_type: str | None = None
    created_ts_ms: int | None = None
    last_updated_ts_ms: int | None = None
    expiration_ts_ms: int | None = None
    subaccount_number: int | None = None

    IGNORED: ClassVar[frozenset[str]] = frozenset(
        {"side", "is_yes", "created_time", "last_update_time", "expiration_time"}
    )


class MarketPosition(Wire):
    """An own position in one market. position_fp: positive YES, negative NO."""

    market_ticker: str
    position_fp: str
    user_id: str = ""
    position_cost_dollars: str | None = None
    realized_pnl_dollars: str | None = None
    fees_paid_dollars: str | None = None
    position_fee_cost_dollars: str | None = None
    volume_fp: str | None = None
    subaccount: int | None = None


class MarketLifecycle(Wire):
    """A market's change of state (market_lifecycle_v2; of combos multivariate_market_lifecycle). Times in Unix seconds.

    event_type: created, deactivated, activated, close_date_updated, determined, settled,
    price_level_structure_updated, metadata_updated, or a newer word.
    """

    market_ticker: str
    event_type: str = ""
    open_ts: int | None = None
    close_ts: int | None = None
    result: str | None = None
    determination_ts: int | None = None
    settlement_value: str | None = None
    settled_ts: int | None = None
    is_deactivated: bool | None = None
    price_level_structure: str | None = None
    yes_sub_title: str | None = None
    additional_metadata: dict[str, Any] | None = None

    # A JSON number (a strike, not money); the catalogue has it from REST.
    IGNORED: ClassVar[frozenset[str]] = frozenset({"floor_strike"})


class EventLifecycle(Wire):
    """An event was created."""

    event_ticker: str
    title: str = ""
    subtitle: str = ""
    series_ticker: str = ""
    collateral_return_type: str = ""
    strike_date: Any = None
    strike_period: str | None = None


class OrderGroupUpdate(Wire):
    """event_type: created, triggered, reset, deleted, limit_updated."""

    order_group_id: str
    event_type: str = ""
    contracts_limit_fp: str | None = None
    ts_ms: int | None = None


class ComboLeg(Wire):
    """One leg of a combo: a market and the side that must win. side: "yes" or "no"."""

    event_ticker: str = ""
    market_ticker: str = ""
    side: str = ""
    yes_settlement_value_dollars: str | None = None


class RfqCreated(Wire):
    """Somebody asks for quotes; broadcast to all. Exactly one of the two sizes; creator_id comes empty."""

    id: str
    market_ticker: str
    creator_id: str = ""
    event_ticker: str = ""
    contracts_fp: str | None = None
    target_cost_dollars: str | None = None
    created_ts: str | None = None
    mve_collection_ticker: str | None = None
    mve_selected_legs: list[ComboLeg] | None = None


class RfqDeleted(Wire):
    """A request is over, whatever ended it; broadcast to all."""

    id: str
    market_ticker: str
    creator_id: str = ""
    event_ticker: str = ""
    contracts_fp: str | None = None
    target_cost_dollars: str | None = None
    deleted_ts: str | None = None


class QuoteCreated(Wire):
    """A quote, told to its maker and to the requester. Bids of the maker, dollars per contract; "0": no price."""

    quote_id: str
    rfq_id: str
    market_ticker: str
    yes_bid_dollars: str
    no_bid_dollars: str
    quote_creator_id: str = ""
    event_ticker: str = ""
    yes_contracts_offered_fp: str | None = None
    no_contracts_offered_fp: str | None = None
    rfq_target_cost_dollars: str | None = None
    created_ts: str | None = None


class QuoteAccepted(Wire):
    """The requester took a quote: the confirmation window runs. It carries no time of the exchange.

    accepted_side: the maker's bid that was hit. contracts_accepted_fp is null on requests by target
    cost; then the accepted side's offered count is the size.
    """

    quote_id: str
    rfq_id: str
    market_ticker: str
    yes_bid_dollars: str
    no_bid_dollars: str
    quote_creator_id: str = ""
    event_ticker: str = ""
    accepted_side: str | None = None
    contracts_accepted_fp: str | None = None
    yes_contracts_offered_fp: str | None = None
    no_contracts_offered_fp: str | None = None
    rfq_target_cost_dollars: str | None = None


class QuoteExecuted(Wire):
    """Both orders of a confirmed quote entered the book; the ids are those of the receiver's own order."""

    quote_id: str
    rfq_id: str
    market_ticker: str
    order_id: str
    client_order_id: str = ""
    quote_creator_id: str = ""
    rfq_creator_id: str = ""
    executed_ts: str | None = None


# type on the wire -> struct of its "msg"; all but the two book messages, which are decoded typed.
MESSAGE_TYPES: dict[str, type[Wire]] = {
    "ticker": Ticker,
    "trade": Trade,
    "fill": Fill,
    "user_order": UserOrder,
    "market_position": MarketPosition,
    "market_lifecycle_v2": MarketLifecycle,
    "multivariate_market_lifecycle": MarketLifecycle,
    "event_lifecycle": EventLifecycle,
    "order_group_updates": OrderGroupUpdate,
    "rfq_created": RfqCreated,
    "rfq_deleted": RfqDeleted,
    "quote_created": QuoteCreated,
    "quote_accepted": QuoteAccepted,
    "quote_executed": QuoteExecuted,
}


class UnknownMessage(Wire):
    """A message of a type this desk does not know yet: kept whole, never fatal."""

    type: str
    msg: Any = None


# --- answers to commands ------------------------------------------------------------------------


class Answer(msgspec.Struct, kw_only=True):
    """subscribed, unsubscribed, ok or error. `msg` differs per type, and is a list for
    list_subscriptions, whose type is "ok" as well."""

    type: str
    id: int = 0
    sid: int | None = None
    seq: int | None = None
    msg: Any = None


ANSWER_TYPES = frozenset({"subscribed", "unsubscribed", "ok", "error"})
