"""History > Tax lots: what closed in a year, by market, and every lot as a file."""

from typing import cast

from django.contrib import messages
from django.http import HttpResponse, StreamingHttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_POST, require_safe

from apps.accounts.middleware import DeskRequest
from apps.accounts.models import User
from apps.accounts.permissions import requires
from apps.core.errors import DeskError, NotAllowed, NotFound
from apps.core.money import money_from_units
from apps.core.permissions import Permission, Within
from apps.core.timestamps import utc_now
from apps.history.exports.http import export_response
from apps.history.exports.services import FORMATS
from apps.history.taxlots import MarketYear, lots_export, year_lots
from apps.orders.pages.blotter import titles_of

_SHOWN = 500
_AMOUNTS = ("cost", "proceeds", "fees", "gain")
_DOUBTS = {
    "count": "the exchange settled another number of contracts than the fills known here",
    "paid": "the payout is not what the value of the market explains",
}


@requires(Permission.DESK_VIEW, Within.ACCOUNT)
@require_safe
def history_taxlots(request: DeskRequest) -> HttpResponse:
    """The selected account's year (?year=)."""
    if request.account is None:
        return render(request, "history/taxlots.html", {"account": None})
    zone = cast(User, request.user).time_zone
    found = year_lots(
        request.actor,
        account_id=request.account.pk,
        year=_year(request.GET.get("year", "")),
        zone=zone,
        now=utc_now(),
    )
    markets = found.markets or []
    titles = titles_of(request.account.environment, [one.ticker for one in markets[:_SHOWN]])
    context = {
        "account": request.account,
        "found": found,
        "zone": zone,
        "rows": [_row(one, titles) for one in markets[:_SHOWN]],
        "left_out": max(0, len(markets) - _SHOWN),
        "totals": {name: money_from_units(sum(getattr(one, name) for one in markets)) for name in _AMOUNTS},
        "lots": sum(one.lots for one in markets),
        "formats": tuple(FORMATS),
        "may_export": request.actor.may_on(Permission.DESK_EXPORT, request.account.pk, None),
    }
    return render(request, "history/taxlots.html", context)


@requires(Permission.DESK_EXPORT, Within.ACCOUNT)
@require_POST
def history_taxlots_export(request: DeskRequest) -> HttpResponse | StreamingHttpResponse:
    """Every lot of the year as a file. A POST, because the trail keeps it."""
    form = request.POST.get("format", "")
    try:
        year = _year(request.POST.get("year", ""))
        if request.account is None or year is None:
            raise DeskError("bad_input", "Choose an account in the top bar, and a year.")
        table = lots_export(
            request.actor,
            account_id=request.account.pk,
            year=year,
            zone=cast(User, request.user).time_zone,
            form=form,
        )
    except (NotAllowed, NotFound):
        raise
    except DeskError as exc:
        messages.error(request, exc.text)
        return redirect("history_taxlots")
    return export_response(request, table, form=form, name=f"{table.name}-{request.account.environment}")


def _row(one: MarketYear, titles: dict[str, str]) -> dict[str, object]:
    return {
        "ticker": one.ticker,
        "title": titles.get(one.ticker, ""),
        "subaccount": one.subaccount,
        "lots": one.lots,
        "doubt": "; ".join(_DOUBTS[doubt] for doubt in sorted(one.doubts)),
        **{name: money_from_units(getattr(one, name)) for name in _AMOUNTS},
    }


def _year(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdecimal() and 2000 <= int(text[:5]) <= 2200 else None
