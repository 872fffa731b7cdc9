"""V2 order operations: create, amend, decrease, cancel, and both batches."""

from functools import partial
from typing import Annotated, Literal

import msgspec

from apps.core.money import format_count_units
from apps.paper.engine.orders import AmendOrder, NewOrder, OrderResult
from apps.paper.engine.units import SelfTradePrevention, Side, TimeInForce
from apps.paper.server.buckets import CANCEL_COST, DEFAULT_COST
from apps.paper.server.core import Call, Core, Operation
from apps.paper.server.http import Response
from apps.paper.server.order_requests import (
    batch_cost,
    check_batch,
    count_units,
    create,
    decode,
    price_units,
    primary_unless_named,
    tried,
)
from apps.paper.server.shapes import Json, averages_json

Subaccount = Annotated[int, msgspec.Meta(ge=0)]
Ticker = Annotated[str, msgspec.Meta(min_length=1)]


class CreateBody(msgspec.Struct):
    ticker: Ticker
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
    subaccount: Subaccount | None = None
    order_group_id: str | None = None
    exchange_index: Literal[0] | None = None


class AmendBody(msgspec.Struct):
    ticker: Ticker
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
    subaccount: Subaccount | None = None


class BatchBody(msgspec.Struct):
    orders: list[msgspec.Raw]


def order_create(core: Core, call: Call) -> Response:
    return Response.json(_create(core, call.user_id, call.request.body), status=201)


def orders_batch_create(core: Core, call: Call) -> Response:
    """Each item stands for itself: one refusal does not undo the others."""
    batch = decode(call.request.body, BatchBody)
    check_batch(core, call, len(batch.orders), DEFAULT_COST)
    rows = [tried(partial(_create, core, call.user_id, bytes(item)), {}) for item in batch.orders]
    return Response.json({"orders": rows}, status=201)


def order_amend(core: Core, call: Call) -> Response:
    body = decode(call.request.body, AmendBody)
    request = AmendOrder(
        ticker=body.ticker,
        side=body.side,
        price=price_units(body.price),
        count=count_units("count", body.count),
        client_order_id=body.client_order_id or None,
        updated_client_order_id=body.updated_client_order_id or None,
    )
    result = core.exchange.amend_order(
        call.user_id, call.path["order_id"], request, subaccount=primary_unless_named(call)
    )
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
        reduce_by=None if body.reduce_by is None else count_units("reduce_by", body.reduce_by),
        reduce_to=None if body.reduce_to is None else count_units("reduce_to", body.reduce_to),
        subaccount=primary_unless_named(call),
    )
    return Response.json(_head(result) | {"remaining_count": format_count_units(result.remaining_count)})


def order_cancel(core: Core, call: Call) -> Response:
    return Response.json(_cancel(core, call.user_id, call.path["order_id"], primary_unless_named(call)))


def orders_batch_cancel(core: Core, call: Call) -> Response:
    batch = decode(call.request.body, BatchBody)
    check_batch(core, call, len(batch.orders), CANCEL_COST)
    items = [decode(bytes(item), CancelItem) for item in batch.orders]
    rows = [
        tried(
            partial(_cancel, core, call.user_id, item.order_id, item.subaccount or 0),
            {"order_id": item.order_id, "reduced_by": "0.00"},
        )
        for item in items
    ]
    return Response.json({"orders": rows})


def _create(core: Core, user_id: str, raw: bytes) -> Json:
    body = decode(raw, CreateBody)
    request = NewOrder(
        ticker=body.ticker,
        client_order_id=body.client_order_id,
        side=body.side,
        price=price_units(body.price),
        count=count_units("count", body.count),
        time_in_force=body.time_in_force,
        self_trade_prevention_type=body.self_trade_prevention_type,
        expiration_s=body.expiration_time,
        post_only=bool(body.post_only),
        reduce_only=bool(body.reduce_only),
        cancel_order_on_pause=bool(body.cancel_order_on_pause),
        subaccount=body.subaccount or 0,
        order_group_id=body.order_group_id or None,
    )
    result = create(core, user_id, request)
    counts = {
        "fill_count": format_count_units(result.fill_count),
        "remaining_count": format_count_units(result.remaining_count),
    }
    return _head(result) | counts | averages_json(result)


def _cancel(core: Core, user_id: str, order_id: str, subaccount: int) -> Json:
    result = core.exchange.cancel_order(user_id, order_id, subaccount=subaccount)
    return _head(result) | {"reduced_by": format_count_units(result.reduced_by)}


def _head(result: OrderResult) -> Json:
    return {"order_id": result.order_id, "client_order_id": result.client_order_id, "ts_ms": result.ts_ms}


def _items(raw: bytes) -> int:
    return len(decode(raw, BatchBody).orders)


BASE = "/portfolio/events/orders"
OPERATIONS = [
    Operation("POST", BASE, order_create, access="write", bucket="write"),
    Operation(
        "POST",
        f"{BASE}/batched",
        orders_batch_create,
        access="write",
        bucket="write",
        cost=batch_cost(DEFAULT_COST, _items),
    ),
    Operation(
        "DELETE",
        f"{BASE}/batched",
        orders_batch_cancel,
        access="write",
        bucket="write",
        cost=batch_cost(CANCEL_COST, _items),
    ),
    Operation("POST", f"{BASE}/{{order_id}}/amend", order_amend, access="write", bucket="write"),
    Operation("POST", f"{BASE}/{{order_id}}/decrease", order_decrease, access="write", bucket="write"),
    Operation("DELETE", f"{BASE}/{{order_id}}", order_cancel, access="write", bucket="write", cost=CANCEL_COST),
]
