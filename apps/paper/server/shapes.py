"""The catalogue and the portfolio as REST writes them (OpenAPI 3.18.0). Source: kalshi-openapi.yaml."""

from collections.abc import Iterable
from functools import lru_cache
from typing import Any

from apps.core.money import format_count_units, format_money_units, format_price_units
from apps.core.timestamps import format_rfc3339, from_unix_ms
from apps.paper.engine.accounts import EventPosition, Payment, Position
from apps.paper.engine.catalogue import Leg, Market, MarketEvent, MarketStatistics, Series
from apps.paper.engine.fees import FeeSchedule
from apps.paper.engine.groups import OrderGroup
from apps.paper.engine.orders import Fill, Order, OrderResult, Settlement, Trade
from apps.paper.engine.units import CENT, CENT_PRICE, DOLLAR_PRICE, Outcome, Side

Json = dict[str, Any]

ZERO_TIME = "0001-01-01T00:00:00Z"


@lru_cache(maxsize=32_768)
def time_text(unix_ms: int) -> str:
    """RFC 3339, without zeros at the end of a fraction (recorded in production). Cached: lists repeat instants."""
    text = format_rfc3339(from_unix_ms(unix_ms))
    return f"{text[:-1].rstrip('0')}Z" if "." in text else text


def optional_time(unix_ms: int | None) -> str | None:
    return None if unix_ms is None else time_text(unix_ms)


def legacy_direction(side: Side, *, sells: bool) -> tuple[str, str]:
    """(side, action) of the deprecated pair: as a legacy request gave it, otherwise a buy of the order's outcome.

    Selling one outcome is buying the other (docs: order_direction, equivalence).
    """
    return ("yes" if (side == "bid") != sells else "no"), "sell" if sells else "buy"


def book_side(outcome: Outcome) -> Side:
    return "bid" if outcome == "yes" else "ask"


def series_json(series: Series, *, now_ms: int, volume: int | None, with_metadata: bool = True) -> Json:
    fees = series.fees_at(now_ms)
    shape: Json = {
        "ticker": series.ticker,
        "frequency": series.frequency,
        "title": series.title,
        "category": series.category,
        "tags": list(series.tags),
        "settlement_sources": [{"name": source.name, "url": source.url} for source in series.settlement_sources],
        "contract_url": series.contract_url,
        "contract_terms_url": series.contract_terms_url,
        "fee_type": fees.fee_type,
        "fee_multiplier": float(fees.multiplier),
        "additional_prohibitions": list(series.additional_prohibitions),
        "last_updated_ts": time_text(series.updated_ms),
    }
    if with_metadata:
        shape["product_metadata"] = series.product_metadata
    if volume is not None:
        shape["volume_fp"] = format_count_units(volume)
    return shape


def event_json(event: MarketEvent, *, markets: list[Json] | None = None) -> Json:
    shape: Json = {
        "event_ticker": event.ticker,
        "series_ticker": event.series_ticker,
        "sub_title": event.sub_title,
        "title": event.title,
        "collateral_return_type": event.collateral_return_type,
        "mutually_exclusive": event.mutually_exclusive,
        "category": event.category,
        # Empty, not null, beside a date (recorded in production).
        "strike_period": event.strike_period or "",
        "available_on_brokers": event.available_on_brokers,
        "product_metadata": event.product_metadata,
        "last_updated_ts": time_text(event.updated_ms),
        **_fee_override(event.fee_override),
    }
    if event.strike_ms is not None:
        shape["strike_date"] = time_text(event.strike_ms)
    if markets is not None:
        shape["markets"] = markets
    return shape


def _fee_override(schedule: FeeSchedule | None) -> Json:
    if schedule is None:
        return {}
    return {"fee_type_override": schedule.fee_type, "fee_multiplier_override": float(schedule.multiplier)}


def market_json(market: Market, *, statistics: MarketStatistics) -> Json:
    shape: Json = {
        "ticker": market.ticker,
        "event_ticker": market.event_ticker,
        "market_type": "binary",
        "title": market.title,
        "yes_sub_title": market.yes_sub_title,
        "no_sub_title": market.no_sub_title,
        "created_time": time_text(market.created_ms),
        "updated_time": time_text(market.updated_ms or market.created_ms),
        "open_time": time_text(market.open_ms),
        "close_time": time_text(market.close_ms),
        "expected_expiration_time": time_text(market.expected_expiration_ms),
        "expiration_time": time_text(market.latest_expiration_ms),
        "latest_expiration_time": time_text(market.latest_expiration_ms),
        "settlement_timer_seconds": market.settlement_timer_seconds,
        "status": market.status,
        "response_price_units": "usd_cent",
        "notional_value_dollars": "1.0000",
        "liquidity_dollars": "0.0000",
        # A void market has no word of its own here (OpenAPI: yes, no, scalar or empty); its settlements do.
        "result": "" if market.result == "void" else market.result,
        "can_close_early": market.can_close_early,
        "fractional_trading_enabled": True,
        "expiration_value": market.expiration_value,
        "rules_primary": market.rules_primary,
        "rules_secondary": market.rules_secondary,
        "price_level_structure": market.price_level_structure,
        "price_ranges": [_price_range(r.start, r.end, r.step) for r in market.price_ranges],
    }
    return shape | _market_quote(market, statistics) | _market_options(market)


def _price_range(start: int, end: int, step: int) -> dict[str, str]:
    return {"start": format_price_units(start), "end": format_price_units(end), "step": format_price_units(step)}


def _market_quote(market: Market, statistics: MarketStatistics) -> Json:
    return {
        "yes_bid_dollars": format_price_units(market.yes_bid),
        "yes_bid_size_fp": format_count_units(market.yes_bid_size),
        "yes_ask_dollars": format_price_units(market.yes_ask),
        "yes_ask_size_fp": format_count_units(market.yes_ask_size),
        "no_bid_dollars": format_price_units(market.no_bid),
        "no_ask_dollars": format_price_units(market.no_ask),
        "last_price_dollars": format_price_units(market.last_price),
        "volume_fp": format_count_units(market.volume),
        "volume_24h_fp": format_count_units(statistics.volume_24h),
        "open_interest_fp": format_count_units(market.open_interest),
        "previous_yes_bid_dollars": format_price_units(statistics.previous_yes_bid),
        "previous_yes_ask_dollars": format_price_units(statistics.previous_yes_ask),
        "previous_price_dollars": format_price_units(statistics.previous_price),
    }


def _market_options(market: Market) -> Json:
    """What is there only when it says something: production sends none of these as null, false or empty."""
    optional: Json = {
        "subtitle": market.subtitle or None,
        "is_provisional": market.is_combo or None,
        "settlement_value_dollars": None
        if market.settlement_value is None
        else format_price_units(market.settlement_value),
        "settlement_ts": optional_time(market.settled_ms),
        "occurrence_datetime": optional_time(market.occurrence_ms),
        "fee_waiver_expiration_time": optional_time(market.fee_waiver_until_ms),
        "early_close_condition": market.early_close_condition,
        "strike_type": market.strike_type,
        "floor_strike": None if market.floor_strike is None else float(market.floor_strike),
        "cap_strike": None if market.cap_strike is None else float(market.cap_strike),
        "functional_strike": market.functional_strike,
        "custom_strike": market.custom_strike,
        "primary_participant_key": market.primary_participant_key,
        "mve_collection_ticker": market.collection_ticker,
        "mve_selected_legs": legs_json(market.legs) if market.legs else None,
    }
    return {name: value for name, value in optional.items() if value is not None}


def legs_json(legs: Iterable[Leg]) -> list[Json]:
    """mve_selected_legs of markets and RFQs; the value of a leg is there from its determination on."""
    rows: list[Json] = []
    for leg in legs:
        row = {"event_ticker": leg.event_ticker, "market_ticker": leg.market_ticker, "side": leg.side}
        if leg.settlement_value is not None:
            row["yes_settlement_value_dollars"] = format_price_units(leg.settlement_value)
        rows.append(row)
    return rows


def levels_json(levels: list[tuple[int, int]]) -> list[list[str]]:
    return [[format_price_units(price), format_count_units(size)] for price, size in levels]


def trade_json(trade: Trade, *, later: bool = False) -> Json:
    """later: as 3.28 has it. Every trade of this exchange was made in the book, those of RFQs too."""
    outcome = trade.taker_outcome_side
    shape: Json = {
        "trade_id": trade.trade_id,
        "ticker": trade.ticker,
        "count_fp": format_count_units(trade.count),
        "yes_price_dollars": format_price_units(trade.price),
        "no_price_dollars": format_price_units(DOLLAR_PRICE - trade.price),
        "taker_side": outcome,
        "taker_outcome_side": outcome,
        "taker_book_side": trade.taker_side,
        "created_time": time_text(trade.ts_ms),
    }
    return shape | {"is_block_trade": False} if later else shape


def order_json(order: Order) -> Json:
    side, action = legacy_direction(order.side, sells=order.sells)
    return {
        "order_id": order.order_id,
        "user_id": order.user_id,
        "client_order_id": order.client_order_id,
        "ticker": order.ticker,
        "side": side,
        "action": action,
        "outcome_side": order.outcome_side,
        "book_side": order.side,
        "type": "limit",
        "status": order.status,
        "yes_price_dollars": format_price_units(order.price),
        "no_price_dollars": format_price_units(order.no_price),
        "fill_count_fp": format_count_units(order.filled),
        "remaining_count_fp": format_count_units(order.remaining),
        "initial_count_fp": format_count_units(order.initial_count),
        "taker_fill_cost_dollars": format_money_units(order.taker_fill_cost),
        "maker_fill_cost_dollars": format_money_units(order.maker_fill_cost),
        "taker_fees_dollars": format_money_units(order.taker_fees),
        "maker_fees_dollars": format_money_units(order.maker_fees),
        "expiration_time": optional_time(order.expiration_ms),
        "created_time": time_text(order.created_ms),
        "last_update_time": time_text(order.updated_ms),
        "self_trade_prevention_type": order.self_trade_prevention_type,
        "order_group_id": order.order_group_id,
        "cancel_order_on_pause": order.cancel_order_on_pause,
        "subaccount_number": order.subaccount,
    }


def fill_json(fill: Fill) -> Json:
    side, action = legacy_direction(fill.side, sells=fill.sells)
    return {
        "fill_id": fill.trade_id,
        "trade_id": fill.trade_id,
        "order_id": fill.order_id,
        "ticker": fill.ticker,
        "market_ticker": fill.ticker,
        "side": side,
        "action": action,
        "outcome_side": fill.outcome_side,
        "book_side": fill.side,
        "count_fp": format_count_units(fill.count),
        "yes_price_dollars": format_price_units(fill.price),
        "no_price_dollars": format_price_units(DOLLAR_PRICE - fill.price),
        "is_taker": fill.is_taker,
        "created_time": time_text(fill.ts_ms),
        "fee_cost": format_money_units(fill.fee),
        "subaccount_number": fill.subaccount,
        "ts": fill.ts_ms // 1000,
    }


def market_position_json(position: Position, *, resting_orders: int) -> Json:
    return {
        "ticker": position.ticker,
        "total_traded_dollars": format_money_units(position.total_traded),
        "position_fp": format_count_units(position.count),
        "market_exposure_dollars": format_money_units(position.cost),
        "realized_pnl_dollars": format_money_units(position.realized_pnl),
        "resting_orders_count": resting_orders,
        "fees_paid_dollars": format_money_units(position.fees_paid),
        "last_updated_ts": time_text(position.updated_ms),
    }


def payment_json(row: Payment) -> Json:
    """A deposit or a withdrawal; finalized_ts is null while it is pending."""
    finalized_ms = row.steps[-1][0]
    return {
        "id": row.payment_id,
        "status": row.status,
        "type": row.method,
        "amount_cents": row.cents,
        "fee_cents": row.fee_cents,
        "created_ts": row.created_ms // 1000,
        "finalized_ts": None if row.status == "pending" else finalized_ms // 1000,
    }


def event_position_json(row: EventPosition) -> Json:
    return {
        "event_ticker": row.event_ticker,
        "total_cost_dollars": format_money_units(row.total_cost),
        "total_cost_shares_fp": format_count_units(row.total_cost_shares),
        "event_exposure_dollars": format_money_units(row.event_exposure),
        "realized_pnl_dollars": format_money_units(row.realized_pnl),
        "fees_paid_dollars": format_money_units(row.fees_paid),
    }


def settlement_json(row: Settlement) -> Json:
    """revenue and value are whole cents (a value with a fraction of a cent is rounded down)."""
    return {
        "ticker": row.ticker,
        "event_ticker": row.event_ticker,
        "market_result": row.result,
        "yes_count_fp": format_count_units(row.yes_count),
        "yes_total_cost_dollars": format_money_units(row.yes_cost),
        "no_count_fp": format_count_units(row.no_count),
        "no_total_cost_dollars": format_money_units(row.no_cost),
        "revenue": row.revenue // CENT,
        "settled_time": time_text(row.settled_ms),
        "fee_cost": format_money_units(row.fees_paid),
        "value": None if row.value is None else row.value // CENT_PRICE,
    }


def order_group_json(group: OrderGroup) -> Json:
    """No documented field says that a group was triggered: that is told once, on the channel and by refusals."""
    return {"contracts_limit_fp": format_count_units(group.limit), "is_auto_cancel_enabled": True}


def averages_json(result: OrderResult) -> Json:
    """average_fill_price and average_fee_paid: only after fills of this request (OpenAPI: 'only if fill_count > 0')."""
    shape: Json = {}
    if result.average_fill_price is not None:
        shape["average_fill_price"] = format_money_units(result.average_fill_price)
    if result.average_fee_paid is not None:
        shape["average_fee_paid"] = format_money_units(result.average_fee_paid)
    return shape
