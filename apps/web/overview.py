"""The Overview page: one look at the selected account. What moves comes by topics, the rest is read every 10 s."""

from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal
from typing import Any

from django.http import HttpResponse, JsonResponse
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_safe

from apps.accounts.middleware import DeskRequest
from apps.accounts.models import ExchangeAccount
from apps.accounts.permissions import requires
from apps.core.errors import NotFound
from apps.core.money import cents_text, count_text, dollars_text
from apps.core.permissions import Actor, Permission
from apps.core.timestamps import to_unix_ms, utc_now
from apps.exchange.clients import REST_PURPOSES
from apps.fix.models import FixSession
from apps.history.models import Discrepancy, ReconcileRun, SyncState
from apps.orders.models import Fill, Order, OrderIntent
from apps.orders.services.limits import limits_of
from apps.orders.services.usage import usage_of
from apps.portfolio import figures_events, figures_rows
from apps.portfolio.models import Balance
from apps.vault.models import ApiKey

Row = dict[str, Any]

_READ_WITHIN = timedelta(minutes=1)  # balances are read every 15 s
# A comparison runs each minute.
_COMPARED_WITHIN = timedelta(minutes=5)
_LIMITS = {
    "orders_per_minute": "Orders in a minute",
    "max_open_contracts": "Contracts working",
    "max_count": "Contracts in one order",
    "max_notional": "Cost of one order",
    "price_band": "Beyond the market",
}


@requires(Permission.DESK_VIEW)
@require_safe
def overview(request: DeskRequest) -> HttpResponse:
    """The page as of now; static/js/overview/ keeps it live."""
    account = request.account
    if account is None:
        return render(request, "web/overview.html", {"account": None, "steps": list(_steps(request.actor, None))})
    chosen = figures_rows.Choice()
    held = figures_rows.positions_shown(request.actor, account_id=account.pk, chosen=chosen)
    tickers = list(held[: figures_rows.LINES_AT_MOST].values_list("ticker", flat=True))
    known = figures_rows.markets_of(account.environment, tickers)
    pnl = figures_events.pnl_frame(account.pk)
    now = standing(request.actor, account)
    context = {
        "account": account,
        "environment": account.environment,
        "pnl": pnl,
        "standing": now,
        "steps": now["steps"],
        "page_data": {"facts": figures_rows.facts_of(account.environment, known), "pnl": pnl, "standing": now},
    }
    return render(request, "web/overview.html", context)


@requires(Permission.DESK_VIEW)
@require_safe
def overview_now(request: DeskRequest) -> JsonResponse:
    """What no topic tells: `standing` of the selected account."""
    if request.account is None:
        raise NotFound("No account is selected.")
    return JsonResponse(standing(request.actor, request.account))


def standing(actor: Actor, account: ExchangeAccount) -> Row:
    """Return {"limits": [limit], "health": [source], "steps": [step]}.

    A limit: name, label, text, use and most (numbers for a bar, null for limits of a single order). A source: name,
    level "ok" | "warning" | "danger", text, url ("" where the person may not look). Steps: what a new account still
    needs; none once something was ordered or traded.
    """
    return {
        "limits": list(_limits(actor, account)),
        "health": [*_keys(actor, account), *_history(account), *_comparison(account), *_fix(account)],
        "steps": [] if _is_used(account) else list(_steps(actor, account)),
    }


def _limits(actor: Actor, account: ExchangeAccount) -> Iterator[Row]:
    limits = limits_of(actor.desk_id, user_id=actor.user_id, account_id=account.pk)
    usage = usage_of(actor, account, now=utc_now())
    for name, label in _LIMITS.items():
        limit = limits.get(name)
        most = None if limit is None else Decimal(limit)
        row: Row = {"name": name, "label": label, "use": None, "most": None}
        if most is None:
            text = "no limit"
        elif name == "orders_per_minute":
            row |= {"use": usage.orders, "most": int(most)}
            text = f"{usage.orders:,} of {most:,}"
        elif name == "max_open_contracts":
            row |= {"use": int(usage.contracts), "most": int(most)}
            text = f"{count_text(usage.contracts)} of {count_text(most)}"
        elif name == "max_count":
            text = f"at most {count_text(most)}"
        else:
            text = f"at most {cents_text(most) if name == 'price_band' else dollars_text(most)}"
        yield row | {"text": text}


def _keys(actor: Actor, account: ExchangeAccount) -> Iterator[Row]:
    keys = ApiKey.objects.filter(account=account, purpose__in=REST_PURPOSES).exclude(status=ApiKey.Status.REVOKED)
    states = list(keys.values_list("status", flat=True))
    good, bad = states.count(ApiKey.Status.VALID), states.count(ApiKey.Status.INVALID)
    if not states:
        level, text = "danger", "no key: nothing can be read or sent"
    elif bad == len(states):
        level, text = "danger", "refused by the exchange"
    elif bad:
        level, text = "warning", f"{good} work, {bad} refused by the exchange"
    elif not good:
        is_read = Balance.objects.filter(account=account, seen_at__gt=utc_now() - _READ_WITHIN).exists()
        level, text = ("ok", "answers are read with it") if is_read else ("warning", "not tested yet")
    else:
        level, text = "ok", "works" if good == 1 else f"{good} work"
    yield _source("keys", "API key", level, text, "vault" if actor.may(Permission.VAULT_VIEW) else "")


def _history(account: ExchangeAccount) -> Iterator[Row]:
    states = list(SyncState.objects.filter(account=account))
    failed = [state for state in states if state.status == SyncState.Status.FAILED]
    unread = [state for state in states if state.covered_to is None]
    if failed:
        level, text = "warning", f"{len(failed)} of {len(states)} data sets could not be read, tried again"
    elif not states:
        level, text = "warning", "not read yet"
    elif unread:
        level, text = "warning", f"{len(states) - len(unread)} of {len(states)} data sets are complete"
    else:
        level, text = "ok", f"{len(states)} data sets complete"
    yield _source("history", "History", level, text, "history")


def _comparison(account: ExchangeAccount) -> Iterator[Row]:
    found = Discrepancy.objects.filter(account=account, state=Discrepancy.State.OPEN).count()
    run = ReconcileRun.objects.filter(account=account, finished_at__isnull=False).order_by("-started_at").first()
    is_old = run is None or run.finished_at is None or utc_now() - run.finished_at > _COMPARED_WITHIN
    if found:
        level, text = "warning", f"{found:,} open difference{'' if found == 1 else 's'} between sources"
    elif run is not None and run.error:
        level, text = "warning", f"could not be compared: {run.error}"
    elif run is None:
        level, text = "warning", "not compared yet"
    elif is_old:
        level, text = "warning", "the last comparison is more than 5 minutes ago"
    else:
        level, text = "ok", "REST, WebSocket and ledger agree"
    ms = None if run is None or run.finished_at is None else to_unix_ms(run.finished_at)
    yield _source("reconcile", "Reconciliation", level, text, "history_reconciliation") | {"at_ms": ms}


def _fix(account: ExchangeAccount) -> Iterator[Row]:
    wanted = list(FixSession.objects.filter(account=account, is_wanted=True).values_list("state", flat=True))
    if not wanted:
        return
    up = sum(state in (FixSession.State.LOGGED_ON, FixSession.State.RECOVERING) for state in wanted)
    halted = wanted.count(FixSession.State.HALTED)
    level = "danger" if halted else "ok" if up == len(wanted) else "warning"
    text = f"{up} of {len(wanted)} sessions logged on" + (f", {halted} stopped by themselves" if halted else "")
    yield _source("fix", "FIX", level, text, "fix_sessions")


def _source(name: str, label: str, level: str, text: str, page: str) -> Row:
    return {"name": name, "label": label, "level": level, "text": text, "url": reverse(page) if page else ""}


# --- the first day -----------------------------------------------------------------------------------


def _is_used(account: ExchangeAccount) -> bool:
    return any(model._default_manager.filter(account=account).exists() for model in (Order, OrderIntent, Fill))


def _steps(actor: Actor, account: ExchangeAccount | None) -> Iterator[Row]:
    """Yield what is to be done first, in this order: label, text, is_done, url ("" when it is not this person's)."""
    is_read = account is not None and Balance.objects.filter(account=account).exists()
    has_key = is_read or ApiKey.objects.filter(account=account, status=ApiKey.Status.VALID).exists()
    vault = reverse("vault") if actor.may(Permission.VAULT_VIEW) else ""
    yield _step(
        "An exchange account and its key",
        "Add an API key in Settings; it is sealed, tested and never shown again."
        if vault
        else "A vault admin of the desk adds an API key in Settings.",
        vault,
        is_done=has_key,
    )
    yield _step(
        "Balances are read",
        "By itself, within seconds of the first key.",
        reverse("cash") if account is not None else "",
        is_done=is_read,
    )
    yield _step(
        "Find a market",
        "Search, filter, and star what you want to follow: the desk shares watchlists.",
        reverse("markets"),
        is_done=False,
    )
    yield _step(*_first_act(actor), is_done=False)


def _first_act(actor: Actor) -> tuple[str, str, str]:
    """Return what a person of these roles does first on this desk: label, text, url."""
    if actor.may(Permission.ORDER_PLACE):
        text = "Open a market: ladder and ticket show cost, fee and worst case before anything is sent."
        return "Place the first order", text, reverse("markets")
    if actor.may(Permission.RFQ_TRADE):
        text = "New RFQ asks every maker for a price; Incoming lists what others ask, with a button to quote."
        return "Ask for a quote, or give one", text, reverse("rfq_desk")
    return "Orders of the desk", "What is traded with this account is shown here and on the wall.", reverse("monitor")


def _step(label: str, text: str, url: str, *, is_done: bool) -> Row:
    return {"label": label, "text": text, "is_done": is_done, "url": url}
