"""Subaccounts: create, balances, transfers, netting. Source: kalshi-openapi.yaml 3.18.0.

Balances are dollars, transfers whole cents.
"""

from typing import Annotated
from uuid import UUID

import msgspec

from apps.core.money import format_money_units
from apps.paper.engine.accounts import Transfer
from apps.paper.server import params
from apps.paper.server.core import Call, Core, Operation
from apps.paper.server.http import ApiError, Response
from apps.paper.server.order_requests import decode
from apps.paper.server.shapes import Json

Number = Annotated[int, msgspec.Meta(ge=0)]


class TransferBody(msgspec.Struct):
    client_transfer_id: UUID
    from_subaccount: Number
    to_subaccount: Number
    amount_cents: Annotated[int, msgspec.Meta(ge=1, le=2**53)]


class NettingBody(msgspec.Struct):
    subaccount_number: Number
    enabled: bool


def subaccount_create(core: Core, call: Call) -> Response:
    """For members with advanced API access (changelog, 2026-05-14)."""
    if core.tier(call.user_id) == "basic":
        raise ApiError(400, "insufficient_usage_tier", "subaccounts need the usage tier advanced or a higher one")
    account = core.exchange.create_subaccount(call.user_id)
    return Response.json({"subaccount_number": account.subaccount}, status=201)


def balances(core: Core, call: Call) -> Response:
    """What is available in each, the primary one first."""
    rows: list[Json] = []
    for account in core.exchange.subaccounts(call.user_id, view=core.view):
        money = account if core.view is None else core.view.money(account)
        rows.append(
            {
                "subaccount_number": account.subaccount,
                "balance": format_money_units(money.available),
                "updated_ts": money.updated_ms // 1000,
            }
        )
    return Response.json({"subaccount_balances": rows})


def transfer(core: Core, call: Call) -> Response:
    body = decode(call.request.body, TransferBody)
    core.exchange.transfer(
        call.user_id,
        client_transfer_id=str(body.client_transfer_id),
        source=body.from_subaccount,
        target=body.to_subaccount,
        cents=body.amount_cents,
    )
    return Response.json({})


def transfers(core: Core, call: Call) -> Response:
    query = call.request.query
    size = params.limit(query, default=100, maximum=1000)
    rows = core.exchange.transfers(call.user_id, before=params.cursor(query), limit=size + 1, view=core.view)
    shown, cursor = params.newest_first(rows, size=size)
    return Response.json({"transfers": [_transfer_json(row) for row in shown], "cursor": cursor})


def _transfer_json(row: Transfer) -> Json:
    return {
        "transfer_id": row.transfer_id,
        "from_subaccount": row.source,
        "to_subaccount": row.target,
        "amount_cents": row.cents,
        "created_ts": row.ts_ms // 1000,
    }


def netting(core: Core, call: Call) -> Response:
    rows = [
        {"subaccount_number": account.subaccount, "enabled": account.netting}
        for account in core.exchange.subaccounts(call.user_id)
    ]
    return Response.json({"netting_configs": rows})


def set_netting(core: Core, call: Call) -> Response:
    """Answered without a body, as documented."""
    body = decode(call.request.body, NettingBody)
    core.exchange.set_netting(call.user_id, body.subaccount_number, enabled=body.enabled)
    return Response(200)


OPERATIONS = [
    Operation("POST", "/portfolio/subaccounts", subaccount_create, access="write", bucket="write"),
    Operation("GET", "/portfolio/subaccounts/balances", balances),
    Operation("POST", "/portfolio/subaccounts/transfer", transfer, access="write", bucket="write"),
    Operation("GET", "/portfolio/subaccounts/transfers", transfers),
    Operation("GET", "/portfolio/subaccounts/netting", netting),
    Operation("PUT", "/portfolio/subaccounts/netting", set_netting, access="write", bucket="write"),
]
