"""Lifecycle messages of markets and events: which fields come with which step (times in Unix seconds)."""

from apps.core.money import format_price_units
from apps.paper.engine.catalogue import Market, MarketEvent
from apps.paper.engine.events import MarketLifecycle
from apps.paper.server.messages import encode_msg
from apps.paper.server.shapes import Json


def lifecycle_msg(event: MarketLifecycle) -> str:
    market, at = event.market, event.ts_ms // 1000
    msg: Json = {"event_type": event.type, "market_ticker": market.ticker}
    match event.type:
        case "created":
            msg |= {
                "open_ts": market.open_ms // 1000,
                "close_ts": market.close_ms // 1000,
                "additional_metadata": _metadata(market),
            }
            if not market.is_combo:  # theirs is none of the three that the file knows, nor is it in its example
                msg["price_level_structure"] = market.price_level_structure
        case "activated" | "deactivated":
            msg["is_deactivated"] = event.type == "deactivated"
        case "close_date_updated":
            msg["close_ts"] = market.close_ms // 1000
        case "determined":
            msg |= {"result": market.result, "determination_ts": at}
            if market.settlement_value is not None:
                msg["settlement_value"] = format_price_units(market.settlement_value)
        case "settled":
            msg["settled_ts"] = at
        case "price_level_structure_updated":
            msg["price_level_structure"] = market.price_level_structure
        case "metadata_updated":
            if "yes_sub_title" in event.details:
                msg["yes_sub_title"] = market.yes_sub_title
            if "floor_strike" in event.details and market.floor_strike is not None:
                msg["floor_strike"] = float(market.floor_strike)
    return encode_msg(msg)


def event_msg(event: MarketEvent) -> str:
    """A new event."""
    msg: Json = {
        "event_ticker": event.ticker,
        "title": event.title,
        "subtitle": event.sub_title,
        "collateral_return_type": event.collateral_return_type,
        "series_ticker": event.series_ticker,
    }
    if event.strike_ms is not None:
        msg["strike_date"] = event.strike_ms // 1000
    if event.strike_period is not None:
        msg["strike_period"] = event.strike_period
    return encode_msg(msg)


def _metadata(market: Market) -> Json:
    metadata: Json = {
        "name": market.yes_sub_title,
        "title": market.title,
        "yes_sub_title": market.yes_sub_title,
        "no_sub_title": market.no_sub_title,
        "rules_primary": market.rules_primary,
        "rules_secondary": market.rules_secondary,
        "can_close_early": market.can_close_early,
        "event_ticker": market.event_ticker,
        "expected_expiration_ts": market.expected_expiration_ms // 1000,
    }
    optional: Json = {
        "strike_type": market.strike_type,
        "floor_strike": None if market.floor_strike is None else float(market.floor_strike),
        "cap_strike": None if market.cap_strike is None else float(market.cap_strike),
        "custom_strike": market.custom_strike,
    }
    return metadata | {name: value for name, value in optional.items() if value is not None}
