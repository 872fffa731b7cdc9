"""How the account did, as requester and as maker, and what the next shift has to know."""

from typing import cast

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_safe

from apps.accounts.access import account_get
from apps.accounts.middleware import DeskRequest
from apps.accounts.models import User
from apps.accounts.permissions import requires
from apps.core.errors import DeskError
from apps.core.permissions import Permission, Within
from apps.core.timestamps import utc_now
from apps.rfq.selectors.analytics import maker_figures, requester_figures
from apps.rfq.selectors.periods import period_from
from apps.rfq.selectors.shift import shift_report
from apps.rfq.services.analytics import ENOUGH

_DAYS = 7  # shown when nobody says which


@requires(Permission.DESK_VIEW, Within.ACCOUNT)
@require_safe
def rfq_analytics(request: DeskRequest) -> HttpResponse:
    """The selected account's figures (?from=&to=) and its shift report."""
    if request.account is None:
        return render(request, "rfq/analytics.html", {"account": None})
    zone = cast(User, request.user).time_zone
    now = utc_now()
    try:
        period = period_from(request.GET, zone=zone, now=now, days=_DAYS)
    except DeskError as exc:
        messages.error(request, exc.text)
        return redirect("rfq_analytics")
    account = account_get(request.actor, request.account.pk)
    return render(
        request,
        "rfq/analytics.html",
        {
            "account": account,
            "period": period,
            "requester": requester_figures(request.actor, account_id=account.pk, period=period),
            "maker": maker_figures(request.actor, account_id=account.pk, period=period),
            "shift": shift_report(request.actor, account, zone=zone, now=now),
            "enough": ENOUGH,
        },
    )
