"""Order groups: create, list, get, limit, reset, trigger, delete.

Source: kalshi-openapi.yaml 3.18.0. Subaccount left out: all of them in the reads, 0 in the changes; the limit call
has no such parameter and finds the group wherever it is.
"""

import msgspec

from apps.core.money import WireFormatError, count_units_from_wire
from apps.paper.engine.units import CONTRACT
from apps.paper.server import params
from apps.paper.server.core import Call, Core, Operation
from apps.paper.server.http import ApiError, Response
from apps.paper.server.order_requests import decode
from apps.paper.server.shapes import order_group_json


class LimitBody(msgspec.Struct):
    """Either field, or both when they say the same."""

    contracts_limit: int | None = None
    contracts_limit_fp: str | None = None

    def units(self) -> int:
        """The limit in count units.

        Raises:
            ApiError: 400, neither is given, they differ, or it is no count.
        """
        given: set[int] = set()
        if self.contracts_limit is not None:
            given.add(self.contracts_limit * CONTRACT)
        if self.contracts_limit_fp is not None:
            try:
                given.add(count_units_from_wire(self.contracts_limit_fp))
            except WireFormatError as exc:
                raise ApiError(400, "invalid_parameters", str(exc), details="contracts_limit_fp") from exc
        if len(given) != 1:
            raise params.invalid("contracts_limit", "given once, here or as contracts_limit_fp")
        return given.pop()


class CreateGroupBody(LimitBody):
    subaccount: int = 0


def groups(core: Core, call: Call) -> Response:
    found = core.exchange.groups(call.user_id, subaccount=params.whole(call.request.query, "subaccount"))
    return Response.json({"order_groups": [{"id": group.group_id} | order_group_json(group) for group in found]})


def group_one(core: Core, call: Call) -> Response:
    """`orders` are the ids of those that rest."""
    subaccount = params.whole(call.request.query, "subaccount")
    group = core.exchange.group(call.user_id, call.path["order_group_id"], subaccount=subaccount)
    orders = [order.order_id for order in core.exchange.grouped(group)]
    return Response.json(order_group_json(group) | {"orders": orders})


def group_create(core: Core, call: Call) -> Response:
    body = decode(call.request.body, CreateGroupBody)
    group = core.exchange.create_group(call.user_id, limit=body.units(), subaccount=body.subaccount)
    return Response.json({"order_group_id": group.group_id, "subaccount": group.subaccount}, status=201)


def group_limit(core: Core, call: Call) -> Response:
    body = decode(call.request.body, LimitBody)
    core.exchange.limit_group(call.user_id, call.path["order_group_id"], limit=body.units())
    return Response.json({})


def group_reset(core: Core, call: Call) -> Response:
    call.request.json()
    core.exchange.reset_group(call.user_id, call.path["order_group_id"], subaccount=_subaccount(call))
    return Response.json({})


def group_trigger(core: Core, call: Call) -> Response:
    call.request.json()
    core.exchange.trigger_group(call.user_id, call.path["order_group_id"], subaccount=_subaccount(call))
    return Response.json({})


def group_delete(core: Core, call: Call) -> Response:
    core.exchange.delete_group(call.user_id, call.path["order_group_id"], subaccount=_subaccount(call))
    return Response.json({})


def _subaccount(call: Call) -> int:
    return params.whole(call.request.query, "subaccount") or 0


BASE = "/portfolio/order_groups"
ONE = f"{BASE}/{{order_group_id}}"
OPERATIONS = [
    Operation("GET", BASE, groups),
    Operation("GET", ONE, group_one),
    Operation("POST", f"{BASE}/create", group_create, access="write", bucket="write"),
    Operation("PUT", f"{ONE}/limit", group_limit, access="write", bucket="write"),
    Operation("PUT", f"{ONE}/reset", group_reset, access="write", bucket="write"),
    Operation("PUT", f"{ONE}/trigger", group_trigger, access="write", bucket="write"),
    Operation("DELETE", ONE, group_delete, access="write", bucket="write"),
]
