"""The RFQ desk: one page for both sides. What it shows comes live over the socket (docs/rfq.md)."""

from django.http import HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from apps.accounts.middleware import DeskRequest
from apps.accounts.permissions import requires
from apps.core.permissions import Permission, Within


@requires(Permission.DESK_VIEW, Within.ACCOUNT)
@require_safe
def rfq_desk(request: DeskRequest) -> HttpResponse:
    """The selected account's requests, the quotes on them, and the maker's area below."""
    actor = request.actor
    return render(
        request,
        "rfq/desk.html",
        {
            "account": request.account,
            "may_trade": actor.may_on(Permission.RFQ_TRADE, actor.account_id, actor.subaccount),
            "may_pull": actor.may_on(Permission.RFQ_PULL, actor.account_id, actor.subaccount),
            "may_manage": actor.may(Permission.RFQ_MANAGE),
        },
    )
