"""The operations. What stands still is for whoever sees the desk; lists of records are for who may export them."""

from collections.abc import Callable
from datetime import datetime
from typing import Any

from django.conf import settings
from django.http import HttpRequest
from ninja import Query

from apps.accounts.access import accounts_seen, accounts_visible
from apps.core.money import format_count, money_units
from apps.core.permissions import Actor, Permission
from apps.core.timestamps import format_rfc3339
from apps.data_api import schemas
from apps.data_api.api import reads
from apps.data_api.services import Caller
from apps.history.exports.services import names_for
from apps.history.models import SyncState
from apps.history.search.choice import choice_from
from apps.history.search.columns import dollars_of, plain_row, writers
from apps.history.search.sources import SOURCES, Source
from apps.history.search.walk import search_page
from apps.portfolio.access import balances_visible_to, positions_visible_to
from apps.portfolio.events import is_total_known
from apps.rfq.selectors.blotters import cursor_from

_SEE, _EXPORT = Permission.DESK_VIEW, Permission.DESK_EXPORT
# Scope of a kind of record, where it has not a scope of its own name.
_SCOPES = {"unplaced": "orders"}


@reads(
    "/token",
    name="api_token",
    permission=_SEE,
    scope="",
    response=schemas.TokenInfo,
    summary="What this token is, and what it may read",
)
def api_token(request: HttpRequest) -> dict[str, Any]:
    caller = _caller(request)
    token = caller.token
    return {
        "name": token.name,
        "prefix": token.prefix,
        "person": token.user.display_name or token.user.username,
        "desk": token.desk.name,
        "scopes": token.scopes,
        "expires_at_utc": format_rfc3339(token.expires_at),
        "calls_per_minute": settings.DATA_API_PER_MINUTE,
    }


@reads(
    "/accounts",
    name="api_accounts",
    permission=_SEE,
    scope="accounts",
    response=list[schemas.Account],
    summary="Exchange accounts of the desk",
)
def api_accounts(request: HttpRequest) -> list[dict[str, Any]]:
    rows = accounts_seen(_actor(request))
    return [{"id": row.pk, "name": row.name, "environment": row.environment} for row in rows]


@reads(
    "/balances",
    name="api_balances",
    permission=_SEE,
    scope="balances",
    response=list[schemas.Balance],
    summary="Cash and portfolio value by subaccount, as last reported",
)
def api_balances(request: HttpRequest) -> list[dict[str, Any]]:
    actor = _actor(request)
    rows = balances_visible_to(actor).filter(account__in=accounts_seen(actor)).select_related("account")
    return [
        {
            **_of_account(row),
            "cash_dollars": _dollars(row.cash),
            "portfolio_value_dollars": None if row.portfolio_value is None else _dollars(row.portfolio_value),
            "reported_at_utc": _moment(row.reported_at),
            "seen_at_utc": _moment(row.seen_at),
        }
        for row in rows.order_by("account__name", "subaccount")
    ]


@reads(
    "/positions",
    name="api_positions",
    permission=_SEE,
    scope="positions",
    response=list[schemas.Position],
    summary="Positions by subaccount and market, as last reported",
    description="Closed ones too, with `closed=true`.",
)
def api_positions(request: HttpRequest, closed: bool = False) -> list[dict[str, Any]]:
    actor = _actor(request)
    rows = positions_visible_to(actor).filter(account__in=accounts_seen(actor)).select_related("account")
    if not closed:
        rows = rows.exclude(position=0)
    return [
        {
            **_of_account(row),
            "market": row.ticker,
            "contracts": format_count(row.position),
            "cost_dollars": _dollars(row.cost),
            "realized_pnl_dollars": _dollars(row.realized_pnl),
            "fees_dollars": _dollars(row.fees_paid),
            "total_traded_dollars": _dollars(row.total_traded) if is_total_known(row) else None,
            "reported_at_utc": _moment(row.reported_at),
            "seen_at_utc": _moment(row.seen_at),
        }
        for row in rows.order_by("account__name", "subaccount", "ticker")
    ]


@reads(
    "/sync",
    name="api_sync",
    permission=_SEE,
    scope="sync",
    response=list[schemas.Sync],
    summary="How far the exchange's history has been read",
)
def api_sync(request: HttpRequest) -> list[dict[str, Any]]:
    rows = SyncState.objects.filter(account__in=accounts_visible(_actor(request))).select_related("account")
    return [
        {
            "account": row.account.name,
            "environment": row.account.environment,
            "data_set": row.data_set,
            "scope": row.scope,
            "status": row.status,
            "covered_from_utc": _moment(row.covered_from),
            "covered_to_utc": _moment(row.covered_to),
            "verified_at_utc": _moment(row.verified_at),
            "stored_rows": row.stored_rows,
            "error": row.error,
        }
        for row in rows.order_by("account__name", "data_set", "scope")
    ]


def _list_of(source: Source) -> Callable[..., dict[str, Any]]:
    def records(request: HttpRequest, search: Query[schemas.Search]) -> dict[str, Any]:
        actor = _actor(request)
        choice = choice_from(search.dict(by_alias=True), zone="UTC", kind=source.kind)
        page = search_page(actor, choice, after=cursor_from(search.after), limit=search.limit)
        write = writers(source.columns, names_for(actor))
        return {
            # The first two of a raw row are its moment and its row id.
            "rows": [plain_row(row[2:], source.columns, write) for row in page.rows],
            "next": str(page.next) if page.next else None,
            "looked_to_utc": _moment(page.looked_to),
        }

    records.__name__ = f"api_{source.kind}"
    return records


for _source in SOURCES.values():
    reads(
        f"/{_source.kind}",
        name=f"api_{_source.kind}",
        permission=_EXPORT,
        scope=_SCOPES.get(_source.kind, _source.kind),
        response=schemas.PAGES[_source.kind],
        summary=f"{_source.label}, newest first",
    )(_list_of(_source))


def _caller(request: HttpRequest) -> Caller:
    caller: Caller = request.auth  # type: ignore[attr-defined]
    return caller


def _actor(request: HttpRequest) -> Actor:
    return _caller(request).actor


def _of_account(row: Any) -> dict[str, Any]:
    return {"account": row.account.name, "environment": row.account.environment, "subaccount": row.subaccount}


def _dollars(amount: Any) -> str:
    return dollars_of(money_units(amount))


def _moment(at: datetime | None) -> str | None:
    return None if at is None else format_rfc3339(at)
