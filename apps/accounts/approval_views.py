"""Team > Approvals: what waits for a second person, what moved since, and what the desk wants four eyes for."""

from typing import Any

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_POST, require_safe

from apps.accounts import four_eyes, team
from apps.accounts.four_eyes_kinds import factor_reset, masking_set, policy_set
from apps.accounts.middleware import DeskRequest
from apps.accounts.models import ChangeRequest, DeskPolicy
from apps.accounts.permissions import requires
from apps.accounts.step_up import steps_up
from apps.core.errors import DeskError, NotAllowed, NotFound
from apps.core.permissions import Actor, Permission, Within

ASKED = "A second person was asked: it waits under Team, Approvals."


@requires(Permission.DESK_VIEW, within=Within.SUBACCOUNT)
@require_safe
def approvals(request: DeskRequest) -> HttpResponse:
    """What waits; of who sees a part of the desk, what they asked for themselves, and nothing of the desk's rules."""
    may_approve = request.actor.may(Permission.CHANGE_APPROVE)
    waiting, over = four_eyes.changes_listed(request.actor)
    policy = DeskPolicy.objects.filter(desk_id=request.actor.desk_id).first()
    chosen = policy.four_eyes if policy else []
    context = {
        "section": "approvals",
        "waiting": [_row(row, request.actor) for row in waiting],
        "over": [_over(row) for row in over],
        "elsewhere": [one for ask in four_eyes.elsewhere for one in ask(request.actor)],
        "may_approve": may_approve,
        "sees_desk": request.actor.may(Permission.DESK_VIEW),
        "hides_amounts": request.desk.hides_amounts,
        "kinds": [
            (name, kind.label, "always" if kind.is_always else kind.set_where, kind.is_always or name in chosen)
            for name, kind in four_eyes.kinds.items()
        ],
    }
    return render(request, "team/approvals.html", context)


@requires(Permission.CHANGE_APPROVE)
@steps_up("approvals")
@require_POST
def approval_approve(request: DeskRequest) -> HttpResponse:
    try:
        row = four_eyes.change_approve(request.actor, _id(request), hash_seen=request.POST.get("seen", ""))
    except (NotAllowed, NotFound):
        raise
    except DeskError as exc:
        messages.error(request, exc.text)
    else:
        if row.state == ChangeRequest.State.USED:
            messages.success(request, f"Done: {row.title}.")
        else:
            messages.error(request, f"Approved, but it could not be done: {row.words}")
    return redirect("approvals")


@requires(Permission.DESK_VIEW, within=Within.SUBACCOUNT)
@require_POST
def approval_decline(request: DeskRequest) -> HttpResponse:
    """Decline it, or withdraw one's own."""
    try:
        four_eyes.change_decline(request.actor, _id(request), words=request.POST.get("words", ""))
    except (NotAllowed, NotFound):
        raise
    except DeskError as exc:
        messages.error(request, exc.text)
    else:
        messages.success(request, "It is off the list. Nothing was done.")
    return redirect("approvals")


@requires(Permission.CHANGE_APPROVE)
@steps_up("approvals")
@require_POST
def policy_save(request: DeskRequest) -> HttpResponse:
    try:
        waits = four_eyes.asking(request.actor, lambda: policy_set(request.actor, request.POST.getlist("four_eyes")))
    except NotAllowed:
        raise
    except DeskError as exc:
        messages.error(request, exc.text)
    else:
        messages.success(request, ASKED if waits else "Saved.")
    return redirect("approvals")


@requires(Permission.CHANGE_APPROVE)
@steps_up("approvals")
@require_POST
def masking_save(request: DeskRequest) -> HttpResponse:
    """Say whether who is a viewer and nothing else sees the desk's own amounts."""
    hides = request.POST.get("hides_amounts") == "yes"
    try:
        waits = four_eyes.asking(request.actor, lambda: masking_set(request.actor, hides=hides))
    except NotAllowed:
        raise
    except DeskError as exc:
        messages.error(request, exc.text)
    else:
        messages.success(request, ASKED if waits else "Saved. It counts from a viewer's next act on.")
    return redirect("approvals")


@requires(Permission.PEOPLE_MANAGE)
@steps_up("team")
@require_POST
def person_factor_reset(request: DeskRequest, user_id: int) -> HttpResponse:
    """Ask a second person to take a lost second factor away."""
    user = team.person_get(request.actor, user_id).user
    try:
        four_eyes.asking(request.actor, lambda: factor_reset(request.actor, user, desk_id=request.actor.desk_id))
    except (NotAllowed, NotFound):
        raise
    except DeskError as exc:
        messages.error(request, exc.text)
    else:
        messages.success(request, ASKED)
    return redirect("person", user_id=user_id)


def _row(row: ChangeRequest, actor: Actor) -> dict[str, Any]:
    # What is shown beside one's own wish is of the place it was asked for, which may be no longer theirs to see.
    where = row.params.get("account_id"), row.params.get("subaccount")
    facts = four_eyes.moved_since(row) if actor.may_on(Permission.DESK_VIEW, *where) else []
    return {
        "id": row.pk,
        "title": row.title,
        "kind": four_eyes.kinds[row.kind].label,
        "asked_by": team.name_of(row.asked_by),
        "asked_at": row.asked_at,
        "expires_at": row.expires_at,
        "facts": facts,
        "has_moved": any(fact["before"] != fact["now"] for fact in facts),
        "seen": four_eyes.seen_hash(row),
        "is_own": row.asked_by_id == actor.user_id,
        "may_approve": actor.may(Permission.CHANGE_APPROVE) and actor.may(four_eyes.kinds[row.kind].approved_by),
    }


def _over(row: ChangeRequest) -> dict[str, Any]:
    return {
        "title": row.title,
        "asked_by": team.name_of(row.asked_by),
        "asked_at": row.asked_at,
        "state": row.get_state_display() if row.state != ChangeRequest.State.OPEN else "Expired",
        "is_done": row.state == ChangeRequest.State.USED,
        "decided_by": team.name_of(row.decided_by) if row.decided_by else "-",
        "words": row.words,
    }


def _id(request: DeskRequest) -> int:
    raw = request.POST.get("request", "")
    if not raw.isdecimal() or len(raw) > 15:
        raise NotFound
    return int(raw)
