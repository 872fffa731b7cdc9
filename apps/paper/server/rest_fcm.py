"""Reads of FCM members: orders and positions of one of their subtraders. Source: kalshi-openapi.yaml 3.18.0, fcm/*.

Who is no FCM member finds nothing here (404, the one refusal that the file documents), and so does an FCM member that
names a subtrader it has not.
"""

from typing import cast

from apps.paper.engine.reads import SettlementStatus
from apps.paper.engine.units import OrderStatus
from apps.paper.server import params
from apps.paper.server.core import Call, Core, Operation
from apps.paper.server.http import ApiError, Response
from apps.paper.server.rest_portfolio import STATUSES, positions_page
from apps.paper.server.shapes import order_json


def orders(core: Core, call: Call) -> Response:
    query = call.request.query
    subaccount = _subaccount(core, call)
    size = params.limit(query, default=100, maximum=1000)
    event_tickers = params.names(query, "event_ticker", most=1)
    rows = core.exchange.orders(
        call.user_id,
        ticker=params.text(query, "ticker"),
        event_tickers=event_tickers,
        min_ts=params.whole(query, "min_ts"),
        max_ts=params.whole(query, "max_ts"),
        status=cast("OrderStatus | None", params.choice(query, "status", STATUSES)),
        subaccount=subaccount,
        before=params.cursor(query),
        limit=size + 1,
        view=core.view,
    )
    shown, cursor = params.newest_first(rows, size=size)
    return Response.json({"orders": [order_json(order) for order in shown], "cursor": cursor})


def positions(core: Core, call: Call) -> Response:
    """Of markets that are not settled, unless others are asked for. Positions have no cutoff."""
    subaccount = _subaccount(core, call)
    status = params.choice(call.request.query, "settlement_status", ("all", "unsettled", "settled")) or "unsettled"
    return positions_page(core, call, subaccount=subaccount, settlement=cast("SettlementStatus", status))


def _subaccount(core: Core, call: Call) -> int:
    """Where the subtrader's orders and positions are kept."""
    subtrader_id = params.text(call.request.query, "subtrader_id")
    if subtrader_id is None:
        raise params.invalid("subtrader_id", "given")
    number = core.exchange.member(call.user_id).subtraders.get(subtrader_id)
    if number is None:
        raise ApiError(404, "not_found", "no such subtrader of an FCM member")
    return number


OPERATIONS = [
    Operation("GET", "/fcm/orders", orders),
    Operation("GET", "/fcm/positions", positions),
]
