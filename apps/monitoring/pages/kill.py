"""The page of the kill switch: what is in force, what is left, who pulled and released it. Works without JavaScript."""

from typing import Any, cast

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_POST, require_safe

from apps.accounts.four_eyes import asking
from apps.accounts.middleware import DeskRequest
from apps.accounts.permissions import requires
from apps.core.errors import DeskError, NotAllowed, NotFound
from apps.core.permissions import Actor, Permission
from apps.monitoring import events
from apps.monitoring.models import KillRun
from apps.monitoring.services.kill import kill_in_force, kill_pull, kill_release
from apps.orders import killed
from apps.orders.services.pauses import pauses_in_force

PAST_SHOWN = 20


@requires(Permission.DESK_VIEW)
@require_safe
def kill_page(request: HttpRequest) -> HttpResponse:
    return render(request, "monitor/kill.html", _context(cast(DeskRequest, request).actor))


@requires(Permission.KILL_PULL)
@require_POST
def kill_pulled(request: HttpRequest) -> HttpResponse:
    run = kill_pull(cast(DeskRequest, request).actor, why=request.POST.get("why", ""))
    if run is None:
        messages.warning(request, "Killed. The database did not take it: the desk goes on from a file.")
    else:
        messages.warning(request, "Killed. Everything is being taken off the exchange; this page says what is left.")
    return redirect("monitor_kill")


@requires(Permission.KILL_RELEASE)
@require_POST
def kill_released(request: HttpRequest) -> HttpResponse:
    actor = cast(DeskRequest, request).actor
    why, although_left = request.POST.get("why", ""), request.POST.get("although_left") == "yes"
    try:
        waits = asking(actor, lambda: kill_release(actor, why=why, although_left=although_left))
    except (NotAllowed, NotFound):
        raise
    except DeskError as exc:
        context = _context(actor) | {"faults": exc.fields, "why": request.POST.get("why", "")}
        return render(request, "monitor/kill.html", context, status=422)
    if waits:
        messages.info(request, "A second person was asked: it waits under Team, Approvals. The desk stays killed.")
    else:
        messages.success(request, "Released. Orders pass again; rules stay disarmed.")
    return redirect("monitor_kill")


def _context(actor: Actor) -> dict[str, Any]:
    run = kill_in_force(actor.desk_id)
    past = KillRun.objects.filter(desk_id=actor.desk_id).exclude(pause__released_at=None)
    return {
        "run": run,
        "row": None if run is None else events.run_row(run),
        "is_file": killed.is_set(),
        "pauses": pauses_in_force(actor.desk_id).filter(level="pause", user=None),
        "past": past.select_related("pause__set_by", "pause__released_by").order_by("-pk")[:PAST_SHOWN],
        "may_pull": actor.may(Permission.KILL_PULL),
        "may_release": actor.may(Permission.KILL_RELEASE),
        "faults": {},
        "why": "",
    }
