"""Reads of a member's own things: balance, payments, positions, orders, fills, settlements, queue positions."""

from typing import cast

from apps.core.money import format_count_units, format_money_units
from apps.paper.engine.accounts import PaymentKind, Position
from apps.paper.engine.reads import SettlementStatus
from apps.paper.engine.units import CENT, OrderStatus
from apps.paper.server import params
from apps.paper.server.buckets import ORDER_READ_COST
from apps.paper.server.core import Call, Core, Operation
from apps.paper.server.http import Response
from apps.paper.server.shapes import (
    Json,
    event_position_json,
    fill_json,
    market_position_json,
    order_json,
    payment_json,
    settlement_json,
)

STATUSES = ("resting", "canceled", "executed")
COUNT_FILTERS = ("position", "total_traded")


def balance(core: Core, call: Call) -> Response:
    """balance and portfolio_value are whole cents, rounded down; updated_ts Unix seconds."""
    subaccount = params.whole(call.request.query, "subaccount") or 0
    found = core.exchange.balance(call.user_id, subaccount=subaccount, view=core.view)
    body = {
        "balance": found.available // CENT,
        "portfolio_value": found.portfolio_value // CENT,
        "updated_ts": found.updated_ms // 1000,
        "balance_breakdown": [{"exchange_index": 0, "balance": format_money_units(found.available)}],
    }
    return Response.json(body)


def deposits(core: Core, call: Call) -> Response:
    rows, cursor = _payments(core, call, "deposit")
    return Response.json({"deposits": rows, "cursor": cursor})


def withdrawals(core: Core, call: Call) -> Response:
    rows, cursor = _payments(core, call, "withdrawal")
    return Response.json({"withdrawals": rows, "cursor": cursor})


def _payments(core: Core, call: Call, kind: PaymentKind) -> tuple[list[Json], str]:
    query = call.request.query
    size = params.limit(query, default=100, maximum=500)
    rows = core.exchange.payments(call.user_id, kind=kind, before=params.cursor(query), limit=size + 1, view=core.view)
    shown, cursor = params.newest_first(rows, size=size)
    return [payment_json(row) for row in shown], cursor


def positions(core: Core, call: Call) -> Response:
    """Of markets that are not settled (changelog: settled ones are among the settlements)."""
    subaccount = params.whole(call.request.query, "subaccount") or 0
    return positions_page(core, call, subaccount=subaccount, settlement="unsettled")


def positions_page(core: Core, call: Call, *, subaccount: int, settlement: SettlementStatus) -> Response:
    """Market positions by ticker, and the sums of those shown per event."""
    query = call.request.query
    filters = params.names(query, "count_filter", most=2)
    if not set(filters) <= set(COUNT_FILTERS):
        raise params.invalid("count_filter", f"of {', '.join(COUNT_FILTERS)}")
    found = core.exchange.positions(
        call.user_id,
        ticker=params.text(query, "ticker"),
        event_ticker=params.text(query, "event_ticker"),
        subaccount=subaccount,
        count_filter=filters,
        settlement=settlement,
        view=core.view,
    )
    size = params.limit(query, default=100, maximum=1000)
    shown, cursor = params.page_by_key(found, query, size=size, key=lambda position: position.ticker)
    body = {
        "cursor": cursor,
        "market_positions": [
            market_position_json(position, resting_orders=_resting_orders(core, position)) for position in shown
        ],
        "event_positions": [event_position_json(row) for row in core.exchange.event_positions(shown)],
    }
    return Response.json(body)


def _resting_orders(core: Core, position: Position) -> int:
    """Of the position's market and subaccount, as the reads see them."""
    exposure = core.exchange.account(position.user_id, position.subaccount).exposures[position.ticker]
    if core.view is None:
        return len(exposure.bids) + len(exposure.asks)
    rows = core.exchange.orders(
        position.user_id, ticker=position.ticker, status="resting", subaccount=position.subaccount, view=core.view
    )
    return len(rows)


def orders(core: Core, call: Call) -> Response:
    query = call.request.query
    size = params.limit(query, default=100, maximum=1000)
    status = params.choice(query, "status", STATUSES)
    rows = core.exchange.orders(
        call.user_id,
        ticker=params.text(query, "ticker"),
        event_tickers=params.names(query, "event_ticker", most=10),
        min_ts=params.whole(query, "min_ts"),
        max_ts=params.whole(query, "max_ts"),
        status=cast("OrderStatus | None", status),
        subaccount=params.whole(query, "subaccount"),
        before=params.cursor(query),
        limit=size + 1,
        view=core.view,
    )
    shown, cursor = params.newest_first(rows, size=size)
    return Response.json({"orders": [order_json(order) for order in shown], "cursor": cursor})


def order_one(core: Core, call: Call) -> Response:
    order = core.exchange.order(call.user_id, call.path["order_id"], view=core.view)
    return Response.json({"order": order_json(order)})


def fills(core: Core, call: Call) -> Response:
    query = call.request.query
    size = params.limit(query, default=100, maximum=1000)
    rows = core.exchange.fills(
        call.user_id,
        ticker=params.text(query, "ticker"),
        order_id=params.text(query, "order_id"),
        min_ts=params.whole(query, "min_ts"),
        max_ts=params.whole(query, "max_ts"),
        subaccount=params.whole(query, "subaccount"),
        before=params.cursor(query),
        limit=size + 1,
        view=core.view,
    )
    shown, cursor = params.newest_first(rows, size=size)
    return Response.json({"fills": [fill_json(fill) for fill in shown], "cursor": cursor})


def settlements(core: Core, call: Call) -> Response:
    query = call.request.query
    size = params.limit(query, default=100, maximum=1000)
    rows = core.exchange.settlements(
        call.user_id,
        ticker=params.text(query, "ticker"),
        event_ticker=params.text(query, "event_ticker"),
        min_ts=params.whole(query, "min_ts"),
        max_ts=params.whole(query, "max_ts"),
        subaccount=params.whole(query, "subaccount"),
        before=params.cursor(query),
        limit=size + 1,
        view=core.view,
    )
    shown, cursor = params.newest_first(rows, size=size)
    return Response.json({"settlements": [settlement_json(row) for row in shown], "cursor": cursor})


def queue_position(core: Core, call: Call) -> Response:
    ahead = core.exchange.queue_position(call.user_id, call.path["order_id"])
    return Response.json({"queue_position_fp": format_count_units(ahead)})


def queue_positions(core: Core, call: Call) -> Response:
    query = call.request.query
    found = core.exchange.queue_positions(
        call.user_id,
        tickers=params.names(query, "market_tickers", most=1000),
        event_ticker=params.text(query, "event_ticker"),
        subaccount=params.whole(query, "subaccount") or 0,
    )
    rows = [
        {"order_id": order.order_id, "market_ticker": order.ticker, "queue_position_fp": format_count_units(ahead)}
        for order, ahead in found
    ]
    return Response.json({"queue_positions": rows})


def resting_order_value(core: Core, call: Call) -> Response:
    value = core.exchange.resting_order_value(call.user_id, view=core.view)
    return Response.json({"total_resting_order_value": value // CENT})


OPERATIONS = [
    Operation("GET", "/portfolio/balance", balance),
    Operation("GET", "/portfolio/deposits", deposits),
    Operation("GET", "/portfolio/withdrawals", withdrawals),
    Operation("GET", "/portfolio/positions", positions),
    Operation("GET", "/portfolio/orders", orders),
    Operation("GET", "/portfolio/orders/queue_positions", queue_positions),
    Operation("GET", "/portfolio/orders/{order_id}", order_one, cost=ORDER_READ_COST),
    Operation("GET", "/portfolio/orders/{order_id}/queue_position", queue_position),
    Operation("GET", "/portfolio/fills", fills),
    Operation("GET", "/portfolio/settlements", settlements),
    Operation("GET", "/portfolio/summary/total_resting_order_value", resting_order_value),
]
