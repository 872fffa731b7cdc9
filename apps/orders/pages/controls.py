"""Pages beside the blotter: order groups."""

from django.http import HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from apps.accounts.middleware import DeskRequest
from apps.accounts.permissions import requires
from apps.core.permissions import Permission


@requires(Permission.DESK_VIEW)
@require_safe
def order_groups(request: DeskRequest) -> HttpResponse:
    """The selected account's order groups; the rows come live (topic `groups:<account>`)."""
    return render(
        request,
        "orders/groups.html",
        {"account": request.account, "may_place": request.actor.may(Permission.ORDER_PLACE)},
    )
