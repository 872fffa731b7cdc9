"""The blotters of requests and of quotes: filters, pages, and the same as a file."""

from collections.abc import Mapping
from typing import Any, cast
from urllib.parse import urlencode

from django.contrib import messages
from django.core.handlers.asgi import ASGIRequest
from django.http import HttpResponse, StreamingHttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_POST, require_safe

from apps.accounts.access import account_get
from apps.accounts.middleware import DeskRequest
from apps.accounts.models import User
from apps.accounts.permissions import requires
from apps.audit import services as audit
from apps.core.errors import DeskError
from apps.core.permissions import Permission, Within
from apps.core.timestamps import utc_now
from apps.orders.pages.blotter import people_of
from apps.orders.pages.export import export_chunks
from apps.rfq.pages.exports import export_lines
from apps.rfq.selectors.blotters import (
    QUOTES,
    REQUESTS,
    STATES,
    BlotterChoice,
    blotter_page,
    blotter_rows,
    cursor_from,
)
from apps.rfq.selectors.periods import period_from

_NAMES = {REQUESTS: "rfq_blotter", QUOTES: "rfq_quote_blotter"}
_DAYS = 7  # shown when nobody says which


@requires(Permission.DESK_VIEW, Within.ACCOUNT)
@require_safe
def rfq_blotter(request: DeskRequest) -> HttpResponse:
    """The selected account's requests (?from=&to=&person=&series=&state=&after=)."""
    return _page(request, REQUESTS)


@requires(Permission.DESK_VIEW, Within.ACCOUNT)
@require_safe
def rfq_quote_blotter(request: DeskRequest) -> HttpResponse:
    """The selected account's quotes on requests of others."""
    return _page(request, QUOTES)


@requires(Permission.DESK_EXPORT, Within.ACCOUNT)
@require_POST
def rfq_blotter_export(request: DeskRequest) -> HttpResponse | StreamingHttpResponse:
    return _export(request, REQUESTS)


@requires(Permission.DESK_EXPORT, Within.ACCOUNT)
@require_POST
def rfq_quote_blotter_export(request: DeskRequest) -> HttpResponse | StreamingHttpResponse:
    return _export(request, QUOTES)


def choice_from(values: Mapping[str, Any], *, kind: str, zone: str) -> BlotterChoice:
    """Raises DeskError `bad_input` with what is not a choice."""
    text = {name: str(values.get(name, "")).strip()[:120] for name in ("person", "series", "state", "subaccount")}
    faults = {}
    if text["person"] and not (text["person"].isascii() and text["person"].isdigit() and len(text["person"]) <= 18):
        faults["person"] = "Choose a person from the list."
    if text["subaccount"] and not (
        text["subaccount"].isascii() and text["subaccount"].isdigit() and len(text["subaccount"]) <= 5
    ):
        faults["subaccount"] = "Choose a subaccount from the list."
    if "\x00" in text["series"]:
        faults["series"] = "Give how tickers begin."
    if text["state"] and text["state"] not in STATES[kind]:
        faults["state"] = "There is no such state."
    if faults:
        raise DeskError("bad_input", " ".join(faults.values()), fields=faults)
    period = period_from(values, zone=zone, now=utc_now(), days=_DAYS)
    return BlotterChoice(kind, period, text["person"], text["series"], text["state"], text["subaccount"])


def _page(request: DeskRequest, kind: str) -> HttpResponse:
    if request.account is None:
        return render(request, "rfq/blotter.html", {"account": None, "kind": kind})
    try:
        chosen = choice_from(request.GET, kind=kind, zone=_zone(request))
        after = cursor_from(request.GET.get("after", ""))
    except DeskError as exc:
        messages.error(request, exc.text)
        return redirect(_NAMES[kind])
    page = blotter_page(request.actor, account_id=request.account.pk, chosen=chosen, after=after)
    query = _query(chosen)
    return render(
        request,
        "rfq/blotter.html",
        {
            "account": account_get(request.actor, request.account.pk),
            "kind": kind,
            "is_requests": kind == REQUESTS,
            "chosen": chosen,
            "rows": page.rows,
            "is_first": after is None,
            "is_narrowed": bool(chosen.person or chosen.series or chosen.state or chosen.subaccount),
            "query": query,
            "next_query": f"{query}&after={page.next}" if page.next else "",
            "people": people_of(request.actor).items(),
            "states": [(state, state.replace("_", " ")) for state in STATES[kind]],
            "own_url": _NAMES[kind],
            "export_url": f"{_NAMES[kind]}_export",
            "may_export": request.actor.may_on(Permission.DESK_EXPORT, request.account.pk, None),
        },
    )


def _export(request: DeskRequest, kind: str) -> HttpResponse | StreamingHttpResponse:
    try:
        if request.account is None:
            raise DeskError("no_account", "Choose an account in the top bar first.")
        chosen = choice_from(request.POST, kind=kind, zone=_zone(request))
        account = account_get(request.actor, request.account.pk)
    except DeskError as exc:
        messages.error(request, exc.text)
        return redirect(_NAMES[kind])
    audit.record(
        f"rfq.{kind}.exported",
        actor_id=request.actor.user_id,
        desk_id=request.actor.desk_id,
        environment=account.environment,
        target=f"exchange_account:{account.pk}",
        data={"period": chosen.period.words, "person": chosen.person, "series": chosen.series, "state": chosen.state},
    )
    lines = export_lines(kind, blotter_rows(request.actor, account_id=account.pk, chosen=chosen))
    name = f"rfq-{kind}-{account.environment}-{chosen.period.first}-{chosen.period.last}.csv"
    return StreamingHttpResponse(
        export_chunks(lines) if isinstance(request, ASGIRequest) else lines,
        content_type="text/csv; charset=utf-8",
        headers={"Content-Disposition": f'attachment; filename="{name}"'},
    )


def _zone(request: DeskRequest) -> str:
    return cast(User, request.user).time_zone


def _query(chosen: BlotterChoice) -> str:
    values = {
        "from": chosen.period.first.isoformat(),
        "to": chosen.period.last.isoformat(),
        "person": chosen.person,
        "series": chosen.series,
        "state": chosen.state,
        "subaccount": chosen.subaccount,
    }
    return urlencode({name: value for name, value in values.items() if value})
