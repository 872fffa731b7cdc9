"""The Portfolio page, what its charts read, its CSV, and one market's own ledger."""

import csv
from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal
from typing import Any

from django.core.handlers.asgi import ASGIRequest
from django.http import HttpResponse, JsonResponse, StreamingHttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_POST, require_safe

from apps.accounts.middleware import DeskRequest
from apps.accounts.models import ExchangeAccount
from apps.accounts.permissions import requires
from apps.audit import services as audit
from apps.core.errors import DeskError, NotFound
from apps.core.money import format_dollars
from apps.core.permissions import Permission, Within
from apps.core.pnl_days import trading_day
from apps.core.timestamps import format_rfc3339, from_unix_ms, to_unix_ms, utc_now
from apps.orders.pages.export import export_chunks, safe_cell
from apps.portfolio import equity, figures, figures_events, figures_rows
from apps.portfolio.figures_ledger import STEPS_SHOWN, ledger_of
from apps.portfolio.models import Balance
from apps.portfolio.queue import refresh_now

# What the chart may show: words on the button, how far back, how many days of results go with it.
SPANS = {"1d": timedelta(days=1), "1w": timedelta(days=7), "1m": timedelta(days=31), "all": timedelta(days=3_660)}
_RESULT_DAYS = {"1w": 7, "1m": 31, "3m": 92, "1y": 366}
_FACTS_AT_ONCE = 200

GROUPS = (
    ("event", "Event"),
    ("series", "Series"),
    ("category", "Category"),
    ("subaccount", "Subaccount"),
    ("market", "Market"),
    ("none", "No groups"),
)
# Column id -> words; what may be hidden. static/js/portfolio/columns.js says what each shows.
COLUMNS = (
    ("subaccount", "Subaccount"),
    ("average", "Average price"),
    ("cost", "Cost"),
    ("value", "Value"),
    ("realized", "Realised"),
    ("fees", "Fees"),
    ("today", "Net realised today"),
    ("ifYes", "Pays if YES"),
    ("ifNo", "Pays if NO"),
    ("worst", "Worst case"),
    ("best", "Best case"),
    ("settles", "Settles"),
)


@requires(Permission.DESK_VIEW, Within.ACCOUNT)
@require_safe
def portfolio(request: DeskRequest) -> HttpResponse:
    """Figures, charts and positions of the selected account; the browser keeps them live."""
    account = request.account
    if account is None:
        return render(request, "portfolio/overview.html", {"account": None})
    try:
        chosen = figures_rows.choice_from(request.GET)
    except DeskError:
        return redirect("portfolio")
    frame = figures_events.pnl_frame(account.pk)
    today = figures.day_figures(account.pk).by_market
    rows = figures_rows.positions_shown(request.actor, account_id=account.pk, chosen=chosen)
    lines = figures_rows.lines_of(
        rows[: figures_rows.LINES_AT_MOST], environment=account.environment, chosen=chosen, today=today
    )
    known = {line.position.ticker: line.market for line in lines if line.market is not None}
    numbers = Balance.objects.filter(account_id=account.pk).order_by("subaccount").values_list("subaccount", flat=True)
    context = {
        "account": account,
        "environment": account.environment,
        "chosen": chosen,
        "lines": lines[:200],
        "lines_count": len(lines),
        "groups": GROUPS,
        "columns": COLUMNS,
        "subaccounts": list(numbers),
        "pnl": frame,
        "breaks": [one for one in frame["breaks"] if one["is_certain"]],
        "may_export": request.actor.may_on(Permission.DESK_EXPORT, account.pk, None),
        "page_data": {"facts": figures_rows.facts_of(account.environment, known), "pnl": frame},
    }
    return render(request, "portfolio/overview.html", context)


@requires(Permission.DESK_VIEW, Within.ACCOUNT)
@require_safe
def portfolio_equity(request: DeskRequest) -> JsonResponse:
    """The curve (?span=1d|1w|1m|all&sub=): [[Unix ms, equity or null, cash, positions or null], ..], dollars."""
    account, subaccount = _account_and_subaccount(request)
    span = SPANS.get(request.GET.get("span", ""), SPANS["1d"])
    curve = equity.equity_curve(account.pk, subaccount=subaccount, since=utc_now() - span)
    return JsonResponse(
        {
            "points": [
                [
                    to_unix_ms(point.at),
                    None if point.total is None else format_dollars(point.total),
                    format_dollars(point.cash),
                    None if point.portfolio_value is None else format_dollars(point.portfolio_value),
                ]
                for point in curve
            ]
        }
    )


@requires(Permission.DESK_VIEW, Within.ACCOUNT)
@require_safe
def portfolio_results(request: DeskRequest) -> JsonResponse:
    """Realised results by trading day and by event (?span=1w|1m|3m|1y&sub=)."""
    account, subaccount = _account_and_subaccount(request)
    days = _RESULT_DAYS.get(request.GET.get("span", ""), 31)
    today = trading_day(utc_now())
    by_day = figures.pnl_by_day(account.pk, days=days, subaccount=subaccount)
    by_event = figures.pnl_by_event(account.pk, days=days, subaccount=subaccount)
    return JsonResponse(
        {
            "first_day": (today - timedelta(days=days - 1)).isoformat(),
            "last_day": today.isoformat(),
            "days": [{"day": day.isoformat(), **figures_events.sums_row(one)} for day, one in by_day],
            "events": [
                {
                    "event": one.ticker,
                    "title": one.title,
                    "markets": one.markets,
                    **figures_events.sums_row(one.total),
                }
                for one in by_event[:100]
            ],
            "events_left_out": max(0, len(by_event) - 100),
        }
    )


@requires(Permission.DESK_VIEW, Within.ACCOUNT)
@require_safe
def portfolio_facts(request: DeskRequest) -> JsonResponse:
    """What markets are called and when they settle (?ticker=..&ticker=..), for positions that opened meanwhile."""
    account, _ = _account_and_subaccount(request)
    names = [name for name in request.GET.getlist("ticker")[:_FACTS_AT_ONCE] if "\x00" not in name]
    markets = figures_rows.markets_of(account.environment, names)
    return JsonResponse(figures_rows.facts_of(account.environment, markets))


@requires(Permission.DESK_EXPORT, Within.ACCOUNT)
@require_POST
def portfolio_export(request: DeskRequest) -> HttpResponse | StreamingHttpResponse:
    """The positions of the choice as CSV, each with its mark and where that comes from."""
    account, _ = _account_and_subaccount(request)
    chosen = figures_rows.choice_from(request.POST)
    today = figures.day_figures(account.pk).by_market
    rows = figures_rows.positions_shown(request.actor, account_id=account.pk, chosen=chosen)
    lines = figures_rows.lines_of(rows.iterator(), environment=account.environment, chosen=chosen, today=today)
    audit.record(
        "portfolio.positions.exported",
        actor_id=request.actor.user_id,
        desk_id=request.actor.desk_id,
        environment=account.environment,
        target=f"exchange_account:{account.pk}",
        data={"positions": len(lines), "subaccount": chosen.subaccount, "text": chosen.text},
    )
    name = f"positions-{account.environment}-{utc_now():%Y%m%d-%H%M%S}.csv"
    return StreamingHttpResponse(
        export_chunks(_csv(lines)) if isinstance(request, ASGIRequest) else _csv(lines),
        content_type="text/csv; charset=utf-8",
        headers={"Content-Disposition": f'attachment; filename="{name}"'},
    )


class _Echo:
    def write(self, line: str) -> str:
        return line


def _csv(lines: list[figures_rows.Line]) -> Iterator[str]:
    writer = csv.writer(_Echo())
    yield writer.writerow(figures_rows.COLUMNS)
    for values in figures_rows.export_values(lines, write_time=_moment):
        yield writer.writerow([_cell(value) for value in values])


def _cell(value: Any) -> str:
    """A figure may begin with a minus; a text that a spreadsheet would run may not."""
    if isinstance(value, Decimal):
        return f"{value:f}"
    return safe_cell(value) if isinstance(value, str) else "" if value is None else str(value)


def _moment(milliseconds: int | None) -> str:
    return "" if milliseconds is None else format_rfc3339(from_unix_ms(milliseconds))


@requires(Permission.DESK_VIEW, Within.ACCOUNT)
@require_safe
def portfolio_market(request: DeskRequest, ticker: str) -> HttpResponse:
    """One market's fills and settlements with what each did to the figures (?sub=, the selected one by default)."""
    if request.account is None:
        return redirect("portfolio")
    account, subaccount = _account_and_subaccount(request)
    number = request.subaccount if subaccount is None else subaccount
    market = figures_rows.markets_of(account.environment, [ticker]).get(ticker)
    ledger = ledger_of(request.actor, account=account, subaccount=number, ticker=ticker, market=market)
    context = {
        "account": account,
        "ticker": ticker,
        "market": market,
        "subaccount": number,
        "ledger": ledger,
        "steps_shown": STEPS_SHOWN,
        "may_export": request.actor.may_on(Permission.DESK_EXPORT, account.pk, None),
    }
    return render(request, "portfolio/market.html", context)


@requires(Permission.DESK_EXPORT, Within.ACCOUNT)
@require_POST
def portfolio_read_again(request: DeskRequest) -> HttpResponse:
    """Ask the workers to read balances and positions again now; the figures follow by themselves."""
    if request.account is not None:
        refresh_now(request.account.pk)
    return redirect("portfolio")


def _account_and_subaccount(request: DeskRequest) -> tuple[ExchangeAccount, int | None]:
    """Return the selected account and the subaccount asked for (None: all). Raises NotFound."""
    if request.account is None:
        raise NotFound("No account is selected.")
    given = request.POST if request.method == "POST" else request.GET
    try:
        return request.account, figures_rows.choice_from(given).subaccount
    except DeskError as exc:
        raise NotFound("There is no such subaccount.") from exc
