"""History > Sync: what has been read from the exchange, how far, and what is missing."""

from datetime import datetime
from typing import Any

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_POST, require_safe

from apps.accounts.access import account_get
from apps.accounts.middleware import DeskRequest
from apps.accounts.models import ExchangeAccount
from apps.accounts.permissions import requires
from apps.core.errors import DeskError
from apps.core.permissions import Actor, Permission, Within
from apps.core.timestamps import to_unix_ms
from apps.history import events, selectors, services
from apps.history.models import ChosenMarket, DataSet, HistoricalCutoff, SyncRun, SyncState
from apps.history.sync.sources import ORDER

_RUNS = 30  # shown
_TONES = {"new": "muted", "running": "accent", "waiting": "warning", "failed": "danger", "done": "ok"}


@requires(Permission.DESK_VIEW, Within.ACCOUNT)
@require_safe
def history(request: DeskRequest) -> HttpResponse:
    """The state of each data set of the selected account."""
    if request.account is None:
        return render(request, "history/sync.html", {"account": None})
    account = account_get(request.actor, request.account.pk)
    return render(request, "history/sync.html", sync_context(request.actor, account))


@requires(Permission.HISTORY_SYNC)
@require_POST
def history_sync(request: DeskRequest) -> HttpResponse:
    """Read `key` (all without one) now; with `full` from the exchange's first record."""
    key, is_full = request.POST.get("key", "")[:140], request.POST.get("full") == "1"
    if request.account is None:
        return redirect("history")
    try:
        count = services.sync_ask(request.actor, account_id=request.account.pk, key=key, is_full=is_full)
    except DeskError as exc:
        messages.error(request, exc.text)
    else:
        what = "1 data set is" if count == 1 else f"{count} data sets are"
        messages.success(request, f"{what} read{' from the beginning' if is_full else ''} now.")
    return redirect("history")


@requires(Permission.HISTORY_SYNC)
@require_POST
def history_market_choose(request: DeskRequest) -> HttpResponse:
    """Keep the public trades and candles of the market `ticker`."""
    if request.account is not None:
        try:
            chosen = services.market_choose(
                request.actor, account_id=request.account.pk, ticker=request.POST.get("ticker", "")[:120]
            )
        except DeskError as exc:
            messages.error(request, exc.text)
        else:
            messages.success(request, f"Trades and candles of {chosen.ticker} are read now and kept.")
    return redirect("history")


@requires(Permission.HISTORY_SYNC)
@require_POST
def history_market_leave(request: DeskRequest) -> HttpResponse:
    """Read no more of the market `ticker`."""
    if request.account is not None:
        ticker = request.POST.get("ticker", "")[:120]
        try:
            services.market_leave(request.actor, account_id=request.account.pk, ticker=ticker)
        except DeskError as exc:
            messages.error(request, exc.text)
        else:
            messages.success(request, f"{ticker} is read no more. What was read stays.")
    return redirect("history")


def sync_context(actor: Actor, account: ExchangeAccount) -> dict[str, Any]:
    chosen = list(ChosenMarket.objects.filter(account=account).order_by("ticker").select_related("chosen_by"))
    tickers = {one.ticker for one in chosen}
    states = [state for state in selectors.states_of(account.pk) if not state.scope or state.scope in tickers]
    cutoff = HistoricalCutoff.objects.filter(environment=account.environment).first()
    return {
        "account": account,
        "may_sync": actor.may(Permission.HISTORY_SYNC),
        "rows": [_row(state) for state in states],
        "chosen": chosen,
        "cutoff": cutoff,
        "runs": [_run(run) for run in SyncRun.objects.filter(account=account).order_by("-finished_at", "-pk")[:_RUNS]],
        "page_data": {
            "order": ORDER,
            "rows": [events.state_row(state) for state in states],
            "cutoffs": {
                "orders": _ms(cutoff.orders_updated_at if cutoff else None),
                "fills": _ms(cutoff.trades_created_at if cutoff else None),
                "trades": _ms(cutoff.trades_created_at if cutoff else None),
                "candles": _ms(cutoff.market_settled_at if cutoff else None),
                "markets": _ms(cutoff.market_settled_at if cutoff else None),
            },
        },
    }


def _row(state: SyncState) -> dict[str, Any]:
    """What the page says without scripts."""
    return {
        "key": events.state_key(state),
        "label": DataSet(state.data_set).label,
        "scope": state.scope,
        "tone": _TONES[state.status],
        "status": SyncState.Status(state.status).label,
        "error": state.error,
        "covered_from": state.covered_from,
        "covered_to": state.covered_to,
        "is_whole": state.verified_at is not None,
        "verified_at": state.verified_at,
        "rows": state.stored_rows,
    }


def _run(run: SyncRun) -> dict[str, Any]:
    seconds = run.worked_ms / 1000
    return {
        "label": DataSet(run.data_set).label,
        "scope": run.scope,
        "finished_at": run.finished_at,
        "kind": "Everything" if run.is_full else "New",
        "read": run.rows_read,
        "new": run.rows_new,
        "repaired": run.rows_repaired,
        "unreadable": run.rows_unreadable,
        "took": f"{seconds:.1f} s" if seconds < 100 else f"{seconds / 60:.0f} min",
        "rate": f"{run.rows_read / seconds:,.0f}" if run.worked_ms and run.rows_read > 100 else "",
    }


def _ms(moment: datetime | None) -> int | None:
    return None if moment is None else to_unix_ms(moment)
