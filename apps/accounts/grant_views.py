"""A person's roles on single accounts and subaccounts: two buttons of their page under Team."""

from collections.abc import Callable
from typing import Any

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect
from django.views.decorators.http import require_POST

from apps.accounts import four_eyes, team
from apps.accounts.approval_views import ASKED
from apps.accounts.grant_changes import grants_change
from apps.accounts.middleware import DeskRequest
from apps.accounts.permissions import requires
from apps.accounts.step_up import steps_up
from apps.core.errors import DeskError, NotAllowed, NotFound
from apps.core.permissions import Grant, Permission

_MANY_DIGITS = 15


@requires(Permission.PEOPLE_MANAGE)
@steps_up("team")
@require_POST
def person_grant_add(request: DeskRequest, user_id: int) -> HttpResponse:
    def work(grant: Grant) -> Any:
        return four_eyes.asking(
            request.actor, lambda: grants_change(request.desk, user_id=user_id, add=[grant], actor=request.actor)
        )

    return _do(request, user_id, work, "It counts from their next click; open pages follow within 5 s.")


@requires(Permission.PEOPLE_MANAGE)
@steps_up("team")
@require_POST
def person_grant_remove(request: DeskRequest, user_id: int) -> HttpResponse:
    def work(grant: Grant) -> None:
        grants_change(request.desk, user_id=user_id, remove=[grant], actor=request.actor)

    return _do(request, user_id, work, "It is taken away from their next click; open pages follow within 5 s.")


def _do(request: DeskRequest, user_id: int, work: Callable[[Grant], Any], done: str) -> HttpResponse:
    team.person_get(request.actor, user_id)
    try:
        waits = work(grant_typed(request.POST))
    except (NotAllowed, NotFound):
        raise
    except DeskError as exc:
        messages.error(request, f"Nothing was changed: {exc.text}")
    else:
        messages.success(request, ASKED if waits else done)
    return redirect("person", user_id=user_id)


def grant_typed(values: Any) -> Grant:
    """Read role, account and subaccount ("": the whole account) of a form. Raises DeskError."""
    account, number = str(values.get("account", "")), str(values.get("subaccount", "")).strip()
    if not _is_number(account):
        raise DeskError("grant_account", "Choose one of the desk's accounts.")
    if number and not _is_number(number):
        raise DeskError("grant_subaccount", "A subaccount is a number; empty is the whole account.")
    return Grant(str(values.get("role", ""))[:40], int(account), int(number) if number else None)


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= _MANY_DIGITS
