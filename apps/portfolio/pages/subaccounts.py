"""The Subaccounts page: the tree with balances, transfers, netting. Its commands work without scripts, too."""

import uuid
from collections.abc import Callable
from decimal import Decimal
from typing import Any

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_POST, require_safe

from apps.accounts.middleware import DeskRequest
from apps.accounts.models import ExchangeAccount
from apps.accounts.permissions import requires
from apps.core.errors import DeskError, WireFormatError
from apps.core.money import parse_dollars
from apps.core.permissions import Actor, Permission, Within
from apps.orders.tickets import read_key
from apps.portfolio import labels, transfers
from apps.portfolio.cash_events import action_words
from apps.portfolio.commands import read_number
from apps.portfolio.models import Balance, Subaccount, SubaccountAction, Transfer

ACTIONS_SHOWN = 8
TRANSFERS_SHOWN = 50
OPEN = transfers.OPEN


@requires(Permission.DESK_VIEW, Within.ACCOUNT)
@require_safe
def subaccounts(request: DeskRequest) -> HttpResponse:
    """The tree, what was asked, and the newest transfers; ?from=&to=&amount= shows a preview without scripts."""
    if request.account is None:
        return render(request, "portfolio/subaccounts.html", {"account": None})
    context = live_context(request.actor, request.account)
    return render(request, "portfolio/subaccounts.html", context | _form_context(request))


@requires(Permission.DESK_VIEW, Within.ACCOUNT)
@require_safe
def subaccounts_live(request: DeskRequest) -> HttpResponse:
    """The parts of the page that change, as fragments to swap."""
    if request.account is None:
        return HttpResponse(status=204)
    return render(request, "portfolio/_subaccounts_live.html", live_context(request.actor, request.account))


@requires(Permission.CASH_MOVE, Within.SUBACCOUNT)
@require_POST
def transfer_send(request: DeskRequest) -> HttpResponse:
    def work(actor: Actor, key: uuid.UUID) -> SubaccountAction:
        source, target, amount = _typed(request.POST)
        return transfers.transfer_submit(actor, source=source, target=target, amount=amount, idempotency_key=key)

    return _do(request, work, "Transfer asked for")


@requires(Permission.SUBACCOUNT_MANAGE)
@require_POST
def subaccount_create(request: DeskRequest) -> HttpResponse:
    return _do(
        request,
        lambda actor, key: transfers.subaccount_create(
            actor, name=str(request.POST.get("name", "")), idempotency_key=key
        ),
        "New subaccount asked for",
    )


@requires(Permission.SUBACCOUNT_MANAGE)
@require_POST
def subaccount_netting(request: DeskRequest) -> HttpResponse:
    def work(actor: Actor, key: uuid.UUID) -> SubaccountAction:
        number = read_number(request.POST.get("number", ""))
        is_on = request.POST.get("is_netting") == "on"
        return transfers.netting_set(actor, number=number, is_on=is_on, idempotency_key=key)

    return _do(request, work, "Netting asked for")


@requires(Permission.SUBACCOUNT_MANAGE)
@require_POST
def subaccount_name(request: DeskRequest) -> HttpResponse:
    """Give a subaccount the desk's own name for it."""
    try:
        number = read_number(request.POST.get("number", ""))
        row = labels.subaccount_rename(request.actor, number=number, name=str(request.POST.get("name", "")))
    except ValueError as exc:
        messages.error(request, f"Nothing was done: {exc}")
    except DeskError as exc:
        messages.error(request, f"Nothing was done: {exc.text}")
    else:
        messages.success(request, f"Subaccount {row.number} is called {row.name or 'by its number'} now.")
    return redirect("subaccounts")


def _do(request: DeskRequest, work: Callable[[Actor, uuid.UUID], SubaccountAction], done: str) -> HttpResponse:
    try:
        action = work(request.actor, read_key(request.POST.get("idempotency_key")))
    except (ValueError, WireFormatError) as exc:
        messages.error(request, f"Nothing was done: {exc}")
    except DeskError as exc:
        messages.error(request, f"Nothing was done: {exc.text}")
    else:
        messages.success(request, f"{done}: {action_words(action)}. The list below shows what becomes of it.")
    return redirect("subaccounts")


def _typed(values: Any) -> tuple[int, int, Decimal]:
    """Raises ValueError, WireFormatError."""
    amount = str(values.get("amount", "")).strip().lstrip("$").replace(",", "")
    return read_number(values.get("from", "")), read_number(values.get("to", "")), parse_dollars(amount)


def live_context(actor: Actor, account: ExchangeAccount) -> dict[str, Any]:
    """Return what the live parts show."""
    actions = SubaccountAction.objects.filter(account=account).select_related("requested_by")
    listed = Transfer.objects.filter(account=account).select_related("action__requested_by")
    newest = actions.order_by("-created_at", "-pk")[:ACTIONS_SHOWN]
    tree = _tree(account)
    cash = [row["cash"] for row in tree if row["cash"] is not None]
    return {
        "account": account,
        "tree": tree,
        "total": sum(cash, Decimal(0)) if cash else None,
        "actions": [{"row": one, "words": action_words(one), "is_open": one.state in OPEN} for one in newest],
        "transfers": list(listed.order_by("-created_at", "-pk")[:TRANSFERS_SHOWN]),
        "may_move": actor.reach(Permission.CASH_MOVE).touches(account.pk),
        "may_manage": actor.may(Permission.SUBACCOUNT_MANAGE),
    }


def _tree(account: ExchangeAccount) -> list[dict[str, Any]]:
    """Return one row for each subaccount, the primary one first."""
    balances = {row.subaccount: row for row in Balance.objects.filter(account=account)}
    listed = {row.number: row for row in Subaccount.objects.filter(account=account)}
    switching = set(
        SubaccountAction.objects.filter(account=account, kind=transfers.Kind.NETTING, state__in=OPEN).values_list(
            "number", flat=True
        )
    )
    rows = []
    for number in sorted({*balances, *listed}):
        balance, row = balances.get(number), listed.get(number)
        rows.append(
            {
                "number": number,
                "name": (row.name if row else "") or ("Primary" if number == 0 else ""),
                "is_netting": row.is_netting if row else None,
                "is_switching": number in switching,
                "cash": balance.cash if balance else None,
                "value": balance.portfolio_value if balance else None,
                "seen_at": balance.seen_at if balance else None,
                "key": uuid.uuid4(),
            }
        )
    return rows


def _form_context(request: DeskRequest) -> dict[str, Any]:
    typed = {name: request.GET.get(name, "")[:20] for name in ("from", "to", "amount")}
    preview, fault = None, ""
    if any(typed.values()):
        try:
            source, target, amount = _typed(typed)
            preview = transfers.transfer_preview(request.actor, source=source, target=target, amount=amount)
        except (ValueError, WireFormatError):
            fault = "Choose two subaccounts and type an amount in dollars and cents."
        except DeskError as exc:
            fault = exc.text
    return {
        "typed": typed,
        "preview": preview,
        "fault": fault or (preview.refusal.text if preview and preview.refusal else ""),
        "transfer_key": uuid.uuid4(),
        "create_key": uuid.uuid4(),
    }
