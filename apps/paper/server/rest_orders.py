"""V2 order operations: create, amend, decrease, cancel, and both batches."""

from collections.abc import Callable
from functools import partial
from typing import Literal, TypeVar

import msgspec

from apps.core.money import WireFormatError, count_units_from_wire, format_count_units, price_units_from_wire
from apps.paper.engine.errors import ExchangeError
from apps.paper.engine.orders import AmendOrder, NewOrder, OrderResult
from apps.paper.engine.units import SelfTradePrevention, Side, TimeInForce
from apps.paper.server import params
from apps.paper.server.buckets import CANCEL_COST, DEFAULT_COST, limits
from apps.paper.server.core import Call, Core, Operation
from apps.paper.server.http import ApiError, Request, Response
from apps.paper.server.shapes import Json, averages_json

Body = TypeVar("Body")
LATEST_EXPIRATION = 253_402_300_799  # the last second of the year 9999


class CreateBody(msgspec.Struct):
    ticker: str
    client_order_id: str
    side: Side
    count: str
    price: str
    time_in_force: TimeInForce
    self_trade_prevention_type: SelfTradePrevention
    expiration_time: int | None = None
    post_only: bool | None = None
    cancel_order_on_pause: bool | None = None
    reduce_only: bool | None = None
    subaccount: int | None = None
    order_group_id: str | None = None
    exchange_index: Literal[0] | None = None


class AmendBody(msgspec.Struct):
    ticker: str
    side: Side
    price: str
    count: str
    client_order_id: str | None = None
    updated_client_order_id: str | None = None


class DecreaseBody(msgspec.Struct):
    reduce_by: str | None = None
    reduce_to: str | None = None


class CancelItem(msgspec.Struct):
    order_id: str
    subaccount: int | None = None


class BatchBody(msgspec.Struct):
    orders: list[msgspec.Raw]


def order_create(core: Core, call: Call) -> Response:
    return Response.json(_create(core, call.user_id, call.request.body), status=201)


def orders_batch_create(core: Core, call: Call) -> Response:
    """Each item stands for itself: one refusal does not undo the others."""
    batch = decode(call.request.body, BatchBody)
    _check_batch(core, call, len(batch.orders), DEFAULT_COST)
    rows = [_tried(partial(_create, core, call.user_id, bytes(item)), {}) for item in batch.orders]
    return Response.json({"orders": rows}, status=201)


def order_amend(core: Core, call: Call) -> Response:
    body = decode(call.request.body, AmendBody)
    request = AmendOrder(
        ticker=body.ticker,
        side=body.side,
        price=_price(body.price),
        count=_count("count", body.count),
        client_order_id=body.client_order_id or None,
        updated_client_order_id=body.updated_client_order_id or None,
    )
    subaccount = params.whole(call.request.query, "subaccount")
    result = core.exchange.amend_order(call.user_id, call.path["order_id"], request, subaccount=subaccount)
    shape = _head(result)
    if result.fill_count or result.resting_changed:
        shape |= {
            "remaining_count": format_count_units(result.remaining_count),
            "fill_count": format_count_units(result.fill_count),
            **averages_json(result),
        }
    return Response.json(shape)


def order_decrease(core: Core, call: Call) -> Response:
    body = decode(call.request.body, DecreaseBody)
    result = core.exchange.decrease_order(
        call.user_id,
        call.path["order_id"],
        reduce_by=None if body.reduce_by is None else _count("reduce_by", body.reduce_by),
        reduce_to=None if body.reduce_to is None else _count("reduce_to", body.reduce_to),
        subaccount=params.whole(call.request.query, "subaccount"),
    )
    return Response.json(_head(result) | {"remaining_count": format_count_units(result.remaining_count)})


def order_cancel(core: Core, call: Call) -> Response:
    subaccount = params.whole(call.request.query, "subaccount")
    return Response.json(_cancel(core, call.user_id, call.path["order_id"], subaccount))


def orders_batch_cancel(core: Core, call: Call) -> Response:
    batch = decode(call.request.body, BatchBody)
    _check_batch(core, call, len(batch.orders), CANCEL_COST)
    items = [decode(bytes(item), CancelItem) for item in batch.orders]
    rows = [
        _tried(
            partial(_cancel, core, call.user_id, item.order_id, item.subaccount),
            {"order_id": item.order_id, "reduced_by": "0.00"},
        )
        for item in items
    ]
    return Response.json({"orders": rows})


def _create(core: Core, user_id: str, raw: bytes) -> Json:
    body = decode(raw, CreateBody)
    if core.replay_markets is not None and core.replay_markets.market(body.ticker):
        raise ApiError(400, "market_inactive", f"{body.ticker} is a replay of recorded frames and takes no orders")
    if body.expiration_time is not None and not 0 < body.expiration_time <= LATEST_EXPIRATION:
        raise params.invalid("expiration_time", "Unix seconds")
    request = NewOrder(
        ticker=body.ticker,
        client_order_id=body.client_order_id,
        side=body.side,
        price=_price(body.price),
        count=_count("count", body.count),
        time_in_force=body.time_in_force,
        self_trade_prevention_type=body.self_trade_prevention_type,
        expiration_s=body.expiration_time,
        post_only=bool(body.post_only),
        reduce_only=bool(body.reduce_only),
        cancel_order_on_pause=bool(body.cancel_order_on_pause),
        subaccount=body.subaccount or 0,
        order_group_id=body.order_group_id or None,
    )
    result = core.exchange.create_order(user_id, request)
    counts = {
        "fill_count": format_count_units(result.fill_count),
        "remaining_count": format_count_units(result.remaining_count),
    }
    return _head(result) | counts | averages_json(result)


def _cancel(core: Core, user_id: str, order_id: str, subaccount: int | None) -> Json:
    result = core.exchange.cancel_order(user_id, order_id, subaccount=subaccount)
    return _head(result) | {"reduced_by": format_count_units(result.reduced_by)}


def _head(result: OrderResult) -> Json:
    return {"order_id": result.order_id, "client_order_id": result.client_order_id, "ts_ms": result.ts_ms}


def _tried(act: Callable[[], Json], otherwise: Json) -> Json:
    """One item of a batch: what it gave, or `otherwise` with the error in it."""
    try:
        return act()
    except ExchangeError as exc:
        error = ApiError(exc.http_status, exc.code, exc.message, details=exc.details)
    except ApiError as exc:
        error = exc
    return otherwise | {"error": error.body()}


def _check_batch(core: Core, call: Call, items: int, cost: int) -> None:
    most = limits(core.tier(call.user_id), "write")[1] // cost
    if not 1 <= items <= most:
        raise ApiError(400, "invalid_parameters", f"a batch holds 1 to {most} orders at this tier", details="orders")


def batch_cost(per_item: int) -> Callable[[Request], int]:
    """Every item is billed. An unreadable batch, or one that never fits, is billed as one request and refused."""

    def cost(request: Request) -> int:
        try:
            items = len(decode(request.body, BatchBody).orders)
        except ApiError:
            return per_item
        largest = limits("prime", "write")[1]
        return per_item * max(1, items) if per_item * items <= largest else per_item

    return cost


def decode(raw: bytes, kind: type[Body]) -> Body:
    """A body as its struct; unknown fields are let pass, as the exchange does.

    Raises:
        ApiError: 400, not JSON or not of this shape.
    """
    try:
        return msgspec.json.decode(raw, type=kind)
    except msgspec.ValidationError as exc:
        raise ApiError(400, "invalid_parameters", "the request does not fit the schema", details=str(exc)) from exc
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as exc:
        raise ApiError(400, "invalid_json", "the body is not valid JSON", details=str(exc)) from exc


def _price(raw: str) -> int:
    try:
        return price_units_from_wire(raw)
    except WireFormatError as exc:
        raise ApiError(400, "invalid_price", str(exc), details="price") from exc


def _count(name: str, raw: str) -> int:
    try:
        return count_units_from_wire(raw)
    except WireFormatError as exc:
        raise ApiError(400, "invalid_order_size", str(exc), details=name) from exc


BASE = "/portfolio/events/orders"
OPERATIONS = [
    Operation("POST", BASE, order_create, access="write", bucket="write"),
    Operation(
        "POST", f"{BASE}/batched", orders_batch_create, access="write", bucket="write", cost=batch_cost(DEFAULT_COST)
    ),
    Operation(
        "DELETE", f"{BASE}/batched", orders_batch_cancel, access="write", bucket="write", cost=batch_cost(CANCEL_COST)
    ),
    Operation("POST", f"{BASE}/{{order_id}}/amend", order_amend, access="write", bucket="write"),
    Operation("POST", f"{BASE}/{{order_id}}/decrease", order_decrease, access="write", bucket="write"),
    Operation("DELETE", f"{BASE}/{{order_id}}", order_cancel, access="write", bucket="write", cost=CANCEL_COST),
]
