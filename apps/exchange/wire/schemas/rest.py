"""Answers of the REST API (3.18.0), field names as on the wire.

Deprecated fields (`side`, `action`, `taker_side`, `type`) are not read. Times stay RFC 3339 strings
where the exchange sends those; `_ts` fields are Unix seconds, `_ms` milliseconds.
"""

from typing import Any, ClassVar

import msgspec

from apps.exchange.wire.schemas.base import Wire


class OrderAck(Wire):
    """Answer to create, one item of a batch create, and amend. Names carry no suffix here."""

    order_id: str
    client_order_id: str | None = None
    fill_count: str | None = None
    remaining_count: str | None = None
    average_fill_price: str | None = None
    average_fee_paid: str | None = None
    ts_ms: int | None = None


class DecreaseAck(Wire):
    order_id: str
    remaining_count: str
    client_order_id: str | None = None
    ts_ms: int | None = None


class CancelAck(Wire):
    """reduced_by: contracts taken off the book."""

    order_id: str
    reduced_by: str
    client_order_id: str | None = None
    ts_ms: int | None = None


class ItemError(Wire):
    """Why one item of a batch was refused."""

    code: str = ""
    message: str = ""
    details: str = ""

    IGNORED: ClassVar[frozenset[str]] = frozenset({"service"})


class Order(Wire):
    """An order as the exchange holds it. status: resting, canceled, executed, or a newer word."""

    order_id: str
    ticker: str
    status: str
    user_id: str = ""
    client_order_id: str = ""
    outcome_side: str = ""
    book_side: str = ""
    yes_price_dollars: str | None = None
    no_price_dollars: str | None = None
    fill_count_fp: str | None = None
    remaining_count_fp: str | None = None
    initial_count_fp: str | None = None
    taker_fill_cost_dollars: str | None = None
    maker_fill_cost_dollars: str | None = None
    taker_fees_dollars: str | None = None
    maker_fees_dollars: str | None = None
    expiration_time: str | None = None
    created_time: str | None = None
    last_update_time: str | None = None
    self_trade_prevention_type: str | None = None
    order_group_id: str | None = None
    cancel_order_on_pause: bool | None = None
    subaccount_number: int | None = None

    IGNORED: ClassVar[frozenset[str]] = frozenset({"side", "action", "type"})


class FillRecord(Wire):
    """A fill as GET /portfolio/fills lists it. trade_id equals fill_id."""

    trade_id: str
    order_id: str
    ticker: str
    count_fp: str
    yes_price_dollars: str
    no_price_dollars: str | None = None
    outcome_side: str = ""
    book_side: str = ""
    is_taker: bool = False
    fee_cost: str | None = None
    created_time: str | None = None
    subaccount_number: int | None = None
    ts: int | None = None

    IGNORED: ClassVar[frozenset[str]] = frozenset({"fill_id", "market_ticker", "side", "action"})


class PositionRecord(Wire):
    """position_fp: positive YES, negative NO."""

    ticker: str
    position_fp: str
    total_traded_dollars: str | None = None
    market_exposure_dollars: str | None = None
    realized_pnl_dollars: str | None = None
    fees_paid_dollars: str | None = None
    last_updated_ts: str | None = None

    IGNORED: ClassVar[frozenset[str]] = frozenset({"resting_orders_count"})


class Balance(Wire):
    """balance and portfolio_value are whole cents; updated_ts Unix seconds."""

    balance: int
    portfolio_value: int = 0
    updated_ts: int | None = None
    balance_breakdown: list[dict[str, Any]] | None = None


class QueuePosition(Wire):
    """queue_position_fp: contracts ahead of the order."""

    order_id: str
    queue_position_fp: str
    market_ticker: str = ""


class BucketLimit(msgspec.Struct):
    refill_rate: int  # tokens per second
    bucket_capacity: int


class AccountLimits(Wire):
    usage_tier: str
    read: BucketLimit
    write: BucketLimit


class EndpointCost(Wire):
    method: str
    path: str
    cost: int


class EndpointCosts(Wire):
    default_cost: int
    endpoint_costs: list[EndpointCost]


class Status(Wire):
    exchange_active: bool
    trading_active: bool
    exchange_estimated_resume_time: str | None = None


class ApiKeyRecord(Wire):
    api_key_id: str
    name: str = ""
    scopes: list[str] = []


class Series(Wire):
    """fee_multiplier is a JSON number on the wire; it is a rate, never money."""

    ticker: str
    title: str = ""
    frequency: str = ""
    category: str | None = ""
    tags: list[str] | None = None
    settlement_sources: list[dict[str, Any]] | None = None
    contract_url: str | None = None
    contract_terms_url: str | None = None
    fee_type: str = "quadratic"
    fee_multiplier: float | None = None
    additional_prohibitions: list[str] | None = None
    product_metadata: dict[str, Any] | None = None
    volume_fp: str | None = None
    last_updated_ts: str | None = None


class Announcement(Wire):
    """type: info, warning, error, or newer; status: active or inactive. The exchange gives them no names."""

    type: str
    message: str
    delivery_time: str
    status: str


class DailySchedule(msgspec.Struct):
    """One session; both in "HH:MM" of New York."""

    open_time: str
    close_time: str


class WeeklySchedule(Wire):
    """Sessions by weekday, in effect from start_time to end_time."""

    start_time: str
    end_time: str
    monday: list[DailySchedule] | None = None
    tuesday: list[DailySchedule] | None = None
    wednesday: list[DailySchedule] | None = None
    thursday: list[DailySchedule] | None = None
    friday: list[DailySchedule] | None = None
    saturday: list[DailySchedule] | None = None
    sunday: list[DailySchedule] | None = None


class MaintenanceWindow(msgspec.Struct):
    """RFC 3339."""

    start_datetime: str
    end_datetime: str


class Schedule(Wire):
    standard_hours: list[WeeklySchedule] | None = None
    maintenance_windows: list[MaintenanceWindow] | None = None


class IncentiveProgram(Wire):
    """period_reward: for the whole period, centi-cents (1/10,000 dollar). discount_factor_bps: 1/10,000."""

    id: str
    market_ticker: str
    incentive_type: str
    start_date: str
    end_date: str
    period_reward: int
    paid_out: bool = False
    incentive_description: str | None = ""
    market_id: str | None = None
    discount_factor_bps: int | None = None
    target_size_fp: str | None = None


class SeriesFeeChange(Wire):
    """The fees of a series from a moment on. fee_multiplier is a JSON number on the wire; it is a rate, never money."""

    id: str
    series_ticker: str
    fee_type: str
    fee_multiplier: float
    scheduled_ts: str


class PriceRange(msgspec.Struct):
    """Prices from start to end move by step; all in dollars."""

    start: str
    end: str
    step: str


class Market(Wire):
    """status: initialized, inactive, active, closed, determined, disputed, amended, finalized, or newer."""

    ticker: str
    event_ticker: str
    status: str
    market_type: str = "binary"
    title: str | None = ""
    subtitle: str | None = ""
    yes_sub_title: str | None = ""
    no_sub_title: str | None = ""
    created_time: str | None = None
    updated_time: str | None = None
    open_time: str | None = None
    close_time: str | None = None
    expected_expiration_time: str | None = None
    latest_expiration_time: str | None = None
    settlement_timer_seconds: int | None = None
    yes_bid_dollars: str | None = None
    yes_bid_size_fp: str | None = None
    yes_ask_dollars: str | None = None
    yes_ask_size_fp: str | None = None
    no_bid_dollars: str | None = None
    no_ask_dollars: str | None = None
    last_price_dollars: str | None = None
    previous_yes_bid_dollars: str | None = None
    previous_yes_ask_dollars: str | None = None
    previous_price_dollars: str | None = None
    volume_fp: str | None = None
    volume_24h_fp: str | None = None
    open_interest_fp: str | None = None
    notional_value_dollars: str | None = None
    result: str | None = ""
    can_close_early: bool | None = None
    settlement_value_dollars: str | None = None
    settlement_ts: str | None = None
    expiration_value: str | None = None
    occurrence_datetime: str | None = None
    fee_waiver_expiration_time: str | None = None
    early_close_condition: str | None = None
    strike_type: str | None = None
    floor_strike: float | None = None
    cap_strike: float | None = None
    functional_strike: str | None = None
    custom_strike: dict[str, Any] | None = None
    rules_primary: str | None = ""
    rules_secondary: str | None = ""
    mve_collection_ticker: str | None = None
    mve_selected_legs: list[dict[str, Any]] | None = None
    primary_participant_key: str | None = None
    price_level_structure: str | None = ""
    price_ranges: list[PriceRange] | None = None
    is_provisional: bool | None = None

    IGNORED: ClassVar[frozenset[str]] = frozenset(
        {"expiration_time", "response_price_units", "fractional_trading_enabled", "liquidity_dollars"}
    )


class Event(Wire):
    """fee_multiplier_override wins over the series' multiplier. markets: only when nested ones were asked for."""

    event_ticker: str
    series_ticker: str = ""
    title: str = ""
    sub_title: str | None = ""
    category: str | None = ""
    collateral_return_type: str | None = ""
    mutually_exclusive: bool = False
    strike_date: str | None = None
    strike_period: str | None = None
    available_on_brokers: bool | None = None
    product_metadata: dict[str, Any] | None = None
    last_updated_ts: str | None = None
    fee_type_override: str | None = None
    fee_multiplier_override: float | None = None
    markets: list[Market] | None = None


class BookLevels(msgspec.Struct):
    """Bids of both sides, [price, count], ascending, best last; NO levels in NO prices."""

    yes_dollars: list[tuple[str, str]] | None = None
    no_dollars: list[tuple[str, str]] | None = None


class PublicTrade(Wire):
    trade_id: str
    ticker: str
    count_fp: str
    yes_price_dollars: str
    no_price_dollars: str | None = None
    taker_outcome_side: str = ""
    taker_book_side: str = ""
    created_time: str | None = None

    IGNORED: ClassVar[frozenset[str]] = frozenset({"taker_side"})


class Quotes(msgspec.Struct):
    """Open, high, low and close of one side's quotes, dollars."""

    open_dollars: str | None = None
    high_dollars: str | None = None
    low_dollars: str | None = None
    close_dollars: str | None = None


class TradedPrices(msgspec.Struct):
    """Of the trades in a period; all null when there were none, then previous_dollars carries on."""

    open_dollars: str | None = None
    high_dollars: str | None = None
    low_dollars: str | None = None
    close_dollars: str | None = None
    mean_dollars: str | None = None
    previous_dollars: str | None = None


class Candlestick(Wire):
    """One period, named by the Unix second it ends at."""

    end_period_ts: int
    yes_bid: Quotes | None = None
    yes_ask: Quotes | None = None
    price: TradedPrices | None = None
    volume_fp: str | None = None
    open_interest_fp: str | None = None
