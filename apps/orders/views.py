"""The ticket as a plain form. The live ticket sends the same order over the socket."""

from typing import cast

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_POST

from apps.accounts.four_eyes import ApprovalNeeded
from apps.accounts.middleware import DeskRequest
from apps.accounts.models import User
from apps.accounts.permissions import requires
from apps.core.errors import DeskError
from apps.core.permissions import Permission, Within
from apps.markets.pages import market_context
from apps.markets.views import market_or_404
from apps.orders import services
from apps.orders.forms import ticket_as_typed, ticket_params
from apps.orders.services.order_approval import order_asked
from apps.orders.tickets import ticket_from_params


@requires(Permission.ORDER_PLACE, Within.SUBACCOUNT)
@require_POST
def order_place(request: DeskRequest, ticker: str) -> HttpResponse:
    """Record one order and go back to its market; a refused ticket comes back as typed (422).

    The form carries its own idempotency key, so that a second click, the back button or a repeated
    request gives the order that the first one made.
    """
    market = market_or_404(request, ticker)
    typed = ticket_as_typed(request.POST, market.ticker)
    try:
        _same_account(request)
        params = ticket_params(typed, zone=cast(User, request.user).time_zone)
        intent = services.intent_submit(request.actor, ticket_from_params(request.actor, params))
    except DeskError as refused:
        exc = order_asked(request.actor, refused) if isinstance(refused, ApprovalNeeded) else refused
        errors = exc.fields or {"general": exc.text}
        if exc.code == "ask_again":
            where = reverse("confirm_self")
            errors = {"general": f"{exc.text} Open {where} in another tab, prove it there, then place the order again."}
        if not errors.keys() & {"price", "count", "expires_at"}:
            errors = {"general": " ".join(errors.values())}
        context = market_context(request, market, ticket=typed, errors=errors)
        return render(request, "markets/market.html", context, status=422)
    messages.info(request, f"Order recorded: {intent.get_state_display().lower()}. The list shows what becomes of it.")
    return redirect("market_detail", ticker=market.ticker)


def _same_account(request: DeskRequest) -> None:
    """Refuse a form that was opened for another account or subaccount than is now selected in the top bar."""
    selected = {"account_id": request.actor.account_id, "subaccount": request.actor.subaccount}
    for name, value in selected.items():
        if request.POST.get(name, "") not in ("", str(value)):
            raise DeskError(
                "account_changed",
                "The account was changed after this ticket was opened. Check it in the top bar, then send again.",
            )
