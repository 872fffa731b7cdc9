"""Legacy order operations: whole orders in answers, yes/no and buy/sell, cents or dollars. The engine is the same.

Where the documents are silent: docs/paper-exchange.md.
"""

from functools import partial
from typing import Annotated, Literal

import msgspec

from apps.core.money import format_count_units
from apps.paper.engine.orders import AmendOrder, NewOrder
from apps.paper.engine.units import (
    CENT,
    CENT_PRICE,
    CONTRACT,
    DOLLAR_PRICE,
    Outcome,
    SelfTradePrevention,
    Side,
    TimeInForce,
)
from apps.paper.server import params
from apps.paper.server.buckets import CANCEL_COST, DEFAULT_COST
from apps.paper.server.core import Call, Core, Operation
from apps.paper.server.http import ApiError, Response
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
from apps.paper.server.shapes import Json, order_json

Cents = Annotated[int, msgspec.Meta(ge=1, le=99)]
Whole = Annotated[int, msgspec.Meta(ge=1, le=10**12)]
Rest = Annotated[int, msgspec.Meta(ge=0, le=10**12)]
Subaccount = Annotated[int, msgspec.Meta(ge=0)]
Ticker = Annotated[str, msgspec.Meta(min_length=1)]
Action = Literal["buy", "sell"]


class Priced(msgspec.Struct, kw_only=True):
    """Direction and price as every legacy request writes them."""

    ticker: Ticker
    side: Outcome
    action: Action
    yes_price: Cents | None = None
    no_price: Cents | None = None
    yes_price_dollars: str | None = None
    no_price_dollars: str | None = None
    count: Whole | None = None
    count_fp: str | None = None

    @property
    def book_side(self) -> Side:
        """Buying one outcome and selling the other are the same side of the book."""
        return "bid" if (self.side == "yes") == (self.action == "buy") else "ask"

    def yes_units(self) -> int:
        """The price of the YES leg in price units.

        Raises:
            ApiError: 400, none or more than one price, or one that is no price.
        """
        given = {
            "yes_price": self.yes_price,
            "no_price": self.no_price,
            "yes_price_dollars": self.yes_price_dollars,
            "no_price_dollars": self.no_price_dollars,
        }
        named = [(name, value) for name, value in given.items() if value is not None]
        if len(named) != 1:
            raise ApiError(400, "invalid_price", f"exactly one of {', '.join(given)} is needed", details="price")
        name, value = named[0]
        units = value * CENT_PRICE if isinstance(value, int) else price_units(value, name)
        return units if name.startswith("yes") else DOLLAR_PRICE - units


class CreateBody(Priced, kw_only=True):
    client_order_id: str = ""
    expiration_ts: int | None = None
    time_in_force: TimeInForce | Literal[""] | None = None
    buy_max_cost: Whole | None = None
    post_only: bool | None = None
    reduce_only: bool | None = None
    sell_position_floor: Literal[0] | None = None
    self_trade_prevention_type: SelfTradePrevention | Literal[""] | None = None
    order_group_id: str | None = None
    cancel_order_on_pause: bool | None = None
    subaccount: Subaccount | None = None
    exchange_index: Literal[0] | None = None


class AmendBody(Priced, kw_only=True):
    subaccount: Subaccount | None = None
    client_order_id: str | None = None
    updated_client_order_id: str | None = None


class DecreaseBody(msgspec.Struct):
    subaccount: Subaccount | None = None
    reduce_by: Whole | None = None
    reduce_by_fp: str | None = None
    reduce_to: Rest | None = None
    reduce_to_fp: str | None = None


class CancelItem(msgspec.Struct):
    order_id: str
    subaccount: Subaccount | None = None


class CreateBatch(msgspec.Struct):
    orders: list[msgspec.Raw]


class CancelBatch(msgspec.Struct):
    """ids: deprecated, orders of the primary subaccount."""

    ids: list[str] | None = None
    orders: list[CancelItem] | None = None

    def items(self) -> list[CancelItem]:
        """Raises ApiError 400 unless one of the two is given."""
        if (self.ids is None) == (self.orders is None):
            raise params.invalid("orders", "given, or ids instead")
        return [CancelItem(order_id) for order_id in self.ids or ()] or list(self.orders or ())


def order_create(core: Core, call: Call) -> Response:
    return Response.json({"order": _create(core, call.user_id, decode(call.request.body, CreateBody))}, status=201)


def orders_batch_create(core: Core, call: Call) -> Response:
    """Each item stands for itself: one refusal does not undo the others."""
    batch = decode(call.request.body, CreateBatch)
    check_batch(core, call, len(batch.orders), DEFAULT_COST)
    return Response.json({"orders": [_created_row(core, call.user_id, bytes(raw)) for raw in batch.orders]}, status=201)


def _created_row(core: Core, user_id: str, raw: bytes) -> Json:
    def act() -> Json:
        order = _create(core, user_id, decode(raw, CreateBody))
        return {"client_order_id": order["client_order_id"], "order": order}

    return tried(act, {"client_order_id": _client_order_id(raw)})


def _client_order_id(raw: bytes) -> str | None:
    """Of an item that may be of no use otherwise."""
    value = msgspec.json.decode(raw)
    found = value.get("client_order_id") if isinstance(value, dict) else None
    return found if isinstance(found, str) else None


def order_amend(core: Core, call: Call) -> Response:
    body = decode(call.request.body, AmendBody)
    order_id = call.path["order_id"]
    order = core.exchange.order(call.user_id, order_id)
    before = order_json(order)
    count = _count("count", body.count, body.count_fp)
    request = AmendOrder(
        ticker=body.ticker,
        side=body.book_side,
        price=body.yes_units(),
        count=order.filled + order.remaining if count is None else count,
        client_order_id=body.client_order_id or None,
        updated_client_order_id=body.updated_client_order_id or None,
    )
    result = core.exchange.amend_order(call.user_id, order_id, request, subaccount=body.subaccount or 0)
    return Response.json({"old_order": before, "order": order_json(result.order)})


def order_decrease(core: Core, call: Call) -> Response:
    body = decode(call.request.body, DecreaseBody)
    result = core.exchange.decrease_order(
        call.user_id,
        call.path["order_id"],
        reduce_by=_count("reduce_by", body.reduce_by, body.reduce_by_fp),
        reduce_to=_count("reduce_to", body.reduce_to, body.reduce_to_fp),
        subaccount=body.subaccount or 0,
    )
    return Response.json({"order": order_json(result.order)})


def order_cancel(core: Core, call: Call) -> Response:
    return Response.json(_cancel(core, call.user_id, call.path["order_id"], primary_unless_named(call)))


def orders_batch_cancel(core: Core, call: Call) -> Response:
    items = decode(call.request.body, CancelBatch).items()
    check_batch(core, call, len(items), CANCEL_COST)
    rows = [
        {"order_id": item.order_id}
        | tried(partial(_cancel, core, call.user_id, item.order_id, item.subaccount or 0), {"reduced_by_fp": "0.00"})
        for item in items
    ]
    return Response.json({"orders": rows})


def _create(core: Core, user_id: str, body: CreateBody) -> Json:
    if body.buy_max_cost is not None and body.action != "buy":
        raise params.invalid("buy_max_cost", "given for buys only")
    count = _count("count", body.count, body.count_fp)
    if count is None:
        raise ApiError(400, "invalid_order_size", "count or count_fp is needed", details="count")
    resting: TimeInForce = body.time_in_force or "good_till_canceled"
    request = NewOrder(
        ticker=body.ticker,
        client_order_id=body.client_order_id,
        side=body.book_side,
        price=body.yes_units(),
        count=count,
        time_in_force=resting if body.buy_max_cost is None else "fill_or_kill",
        self_trade_prevention_type=body.self_trade_prevention_type or "taker_at_cross",
        expiration_s=body.expiration_ts,
        post_only=bool(body.post_only),
        reduce_only=bool(body.reduce_only) or body.sell_position_floor == 0,
        cancel_order_on_pause=bool(body.cancel_order_on_pause),
        subaccount=body.subaccount or 0,
        order_group_id=body.order_group_id or None,
        external=not body.client_order_id,
        sells=body.action == "sell",
        max_cost=None if body.buy_max_cost is None else body.buy_max_cost * CENT,
    )
    return order_json(create(core, user_id, request).order)


def _cancel(core: Core, user_id: str, order_id: str, subaccount: int) -> Json:
    result = core.exchange.cancel_order(user_id, order_id, subaccount=subaccount)
    return {"order": order_json(result.order), "reduced_by_fp": format_count_units(result.reduced_by)}


def _count(name: str, whole: int | None, fixed: str | None) -> int | None:
    """Count units of a pair of fields; None when neither is given.

    Raises:
        ApiError: 400, no count, or two that differ.
    """
    units = None if fixed is None else count_units(f"{name}_fp", fixed)
    if whole is None:
        return units
    if units not in (None, whole * CONTRACT):
        raise ApiError(400, "invalid_order_size", f"{name} and {name}_fp differ", details=name)
    return whole * CONTRACT


def _items_created(raw: bytes) -> int:
    return len(decode(raw, CreateBatch).orders)


def _items_cancelled(raw: bytes) -> int:
    return len(decode(raw, CancelBatch).items())


BASE = "/portfolio/orders"
BATCH = f"{BASE}/batched"
OPERATIONS = [
    Operation("POST", BASE, order_create, access="write", bucket="write"),
    Operation(
        "POST",
        BATCH,
        orders_batch_create,
        access="write",
        bucket="write",
        cost=batch_cost(DEFAULT_COST, _items_created),
    ),
    Operation(
        "DELETE",
        BATCH,
        orders_batch_cancel,
        access="write",
        bucket="write",
        cost=batch_cost(CANCEL_COST, _items_cancelled),
    ),
    Operation("POST", f"{BASE}/{{order_id}}/amend", order_amend, access="write", bucket="write"),
    Operation("POST", f"{BASE}/{{order_id}}/decrease", order_decrease, access="write", bucket="write"),
    Operation("DELETE", f"{BASE}/{{order_id}}", order_cancel, access="write", bucket="write", cost=CANCEL_COST),
]
