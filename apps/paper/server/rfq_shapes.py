"""RFQs and quotes as REST writes them, each as far as the asking member may see it.

Source: kalshi-openapi.yaml, schemas RFQ and Quote ("private field", "visible when the caller is ...").
"""

from apps.core.money import format_count_units, format_money_units, format_price_units
from apps.paper.engine.catalogue import Leg, Market
from apps.paper.engine.rfq import Quote, Rfq, communications_id
from apps.paper.server.shapes import Json, time_text


def rfq_json(rfq: Rfq, market: Market | None, *, viewer: str) -> Json:
    """`contracts_fp` is required: of an RFQ for a target cost it says 0.00."""
    shape: Json = {
        "id": rfq.rfq_id,
        "creator_id": communications_id(rfq.user_id),
        "market_ticker": rfq.ticker,
        "contracts_fp": format_count_units(rfq.contracts),
        "status": rfq.status,
        "created_ts": time_text(rfq.created_ms),
        "updated_ts": time_text(rfq.updated_ms),
        "rest_remainder": rfq.rest_remainder,
    }
    if rfq.target_cost is not None:
        shape["target_cost_dollars"] = format_money_units(rfq.target_cost)
    if market is not None:
        shape |= combo_json(market)
    if rfq.cancelled_ms is not None:
        shape |= {"cancellation_reason": rfq.cancellation_reason, "cancelled_ts": time_text(rfq.cancelled_ms)}
    if viewer == rfq.user_id:
        shape |= {"creator_user_id": rfq.user_id, "creator_subaccount": rfq.subaccount}
    return shape


def quote_json(quote: Quote, *, viewer: str, truth: bool = False) -> Json:
    """truth: both sides' private fields, and the orders that a fault hides."""
    shape: Json = {
        "id": quote.quote_id,
        "rfq_id": quote.rfq_id,
        "creator_id": communications_id(quote.user_id),
        "rfq_creator_id": communications_id(quote.rfq_user_id),
        "market_ticker": quote.ticker,
        "contracts_fp": format_count_units(quote.contracts),
        "yes_bid_dollars": format_price_units(quote.yes_bid),
        "no_bid_dollars": format_price_units(quote.no_bid),
        "yes_contracts_fp": format_count_units(quote.yes_contracts),
        "no_contracts_fp": format_count_units(quote.no_contracts),
        "created_ts": time_text(quote.created_ms),
        "updated_ts": time_text(quote.updated_ms),
        "status": quote.status,
        "rest_remainder": quote.rest_remainder,
    }
    if quote.target_cost is not None:
        shape["rfq_target_cost_dollars"] = format_money_units(quote.target_cost)
    if quote.accepted_side is not None:
        shape["accepted_side"] = quote.accepted_side
    instants = {
        "accepted_ts": quote.accepted_ms,
        "confirmed_ts": quote.confirmed_ms,
        "executed_ts": None if quote.misreported and not truth else quote.executed_ms,
        "cancelled_ts": quote.cancelled_ms,
    }
    shape |= {name: time_text(at_ms) for name, at_ms in instants.items() if at_ms is not None}
    if quote.cancellation_reason:
        shape["cancellation_reason"] = quote.cancellation_reason
    shows_orders = bool(quote.order_id) and (truth or not quote.misreported)
    if truth or viewer == quote.user_id:
        shape |= {"creator_user_id": quote.user_id, "creator_subaccount": quote.subaccount}
        shape["post_only"] = quote.post_only
        if shows_orders:
            shape["creator_order_id"] = quote.order_id
    if truth or viewer == quote.rfq_user_id:
        shape |= {"rfq_creator_user_id": quote.rfq_user_id, "rfq_creator_subaccount": quote.rfq_subaccount}
        if shows_orders:
            shape["rfq_creator_order_id"] = quote.rfq_order_id
    return shape


def combo_json(market: Market) -> Json:
    """The collection and legs of a combo; nothing for other markets."""
    if market.collection_ticker is None:
        return {}
    return {
        "mve_collection_ticker": market.collection_ticker,
        "mve_selected_legs": [_leg_json(leg) for leg in market.legs],
    }


def _leg_json(leg: Leg) -> Json:
    """The settlement value only once the leg is determined."""
    shape: Json = {"event_ticker": leg.event_ticker, "market_ticker": leg.market_ticker, "side": leg.side}
    if leg.settlement_value is not None:
        shape["yes_settlement_value_dollars"] = format_price_units(leg.settlement_value)
    return shape
