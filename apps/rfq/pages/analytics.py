"""How the account did, as requester and as maker, and what the next shift has to know."""

from typing import cast

from django.contrib import messages
from django.http import HttpResponse
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
from apps.rfq.pages.analytics_export import figures_csv
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
            "may_export": request.actor.may_on(Permission.DESK_EXPORT, account.pk, None),
        },
    )


@requires(Permission.DESK_EXPORT, Within.ACCOUNT)
@require_POST
def rfq_analytics_export(request: DeskRequest) -> HttpResponse:
    """The figures of the page as CSV; written into the trail."""
    try:
        if request.account is None:
            raise DeskError("no_account", "Choose an account in the top bar first.")
        zone = cast(User, request.user).time_zone
        period = period_from(request.POST, zone=zone, now=utc_now(), days=_DAYS)
        account = account_get(request.actor, request.account.pk)
    except DeskError as exc:
        messages.error(request, exc.text)
        return redirect("rfq_analytics")
    text = figures_csv(
        requester_figures(request.actor, account_id=account.pk, period=period),
        maker_figures(request.actor, account_id=account.pk, period=period),
    )
    audit.record(
        "rfq.analytics.exported",
        actor_id=request.actor.user_id,
        desk_id=request.actor.desk_id,
        environment=account.environment,
        target=f"exchange_account:{account.pk}",
        data={"period": period.words},
    )
    name = f"rfq-analytics-{account.environment}-{period.first}-{period.last}.csv"
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    return HttpResponse(text, content_type="text/csv; charset=utf-8", headers=headers)
