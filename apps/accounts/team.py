"""The people of a desk: who they are, how they sign in, and what is left when one goes."""

from collections.abc import Callable
from typing import Any

from allauth.mfa.models import Authenticator
from django.db import transaction

from apps.accounts import factor_policy, services, sign_ins
from apps.accounts.grants import account_names, all_roles, grants_read, words_of
from apps.accounts.models import Membership, SignIn, User
from apps.accounts.notices import notify_holders
from apps.core.errors import DeskError, NotAllowed, NotFound
from apps.core.permissions import Actor, Permission

# (desk id, user id) -> what a person has working, in words: ["3 working orders"]. Filled by the apps on the right.
left_working: list[Callable[[int, int], list[str]]] = []
# (actor, user id) -> how many cancels of that person's orders are on their way.
work_cancellers: list[Callable[[Actor, int], int]] = []


def people_listed(actor: Actor) -> list[dict[str, Any]]:
    """Everybody on the desk. How they sign in, and from where, only for who manages people. Raises NotAllowed."""
    if not actor.may(Permission.DESK_VIEW):
        raise NotAllowed
    rows = list(
        Membership.objects.filter(desk_id=actor.desk_id)
        .select_related("user", "desk")
        .order_by("-is_active", "user__username")
    )
    manages = actor.may(Permission.PEOPLE_MANAGE) or actor.may(Permission.AUDIT_VIEW)
    factors: dict[int, set[str]] = {}
    sessions: dict[int, list[SignIn]] = {}
    if manages:
        ids = [row.user_id for row in rows]
        for user_id, kind in Authenticator.objects.filter(user_id__in=ids).values_list("user_id", "type"):
            factors.setdefault(user_id, set()).add(kind)
        for sign_in in sign_ins.sign_ins_of(ids):
            sessions.setdefault(sign_in.user_id, []).append(sign_in)
    names = account_names(actor.desk_id)
    return [_row(row, factors.get(row.user_id, set()), sessions.get(row.user_id, []), names) for row in rows]


def person_get(actor: Actor, user_id: int) -> Membership:
    """A person of the actor's desk. Raises NotAllowed, NotFound."""
    if not actor.may(Permission.PEOPLE_MANAGE):
        raise NotAllowed
    membership = (
        Membership.objects.filter(desk_id=actor.desk_id, user_id=user_id).select_related("user", "desk").first()
    )
    if membership is None:
        raise NotFound("This person is not on this desk.")
    return membership


def work_of(desk_id: int, user_id: int) -> list[str]:
    """What a person has working on a desk, in words; empty when nothing is."""
    return [words for ask in left_working for words in ask(desk_id, user_id)]


def person_suspend(actor: Actor, user_id: int, *, cancel_orders: bool) -> tuple[list[str], int]:
    """Suspend a person: their sessions and sockets end within 5 s, and their orders are told to the leads.

    Args:
        cancel_orders: also ask the exchange to cancel what they have working; for those who may cancel.

    Returns what they had working, and how many cancels are on their way.

    Raises NotAllowed, NotFound; DeskError `self`, `last_admin`.
    """
    membership = person_get(actor, user_id)
    if user_id == actor.user_id:
        raise DeskError("self", "Nobody suspends themselves. Another admin can.")
    if cancel_orders and not actor.may(Permission.ORDER_CANCEL):
        raise NotAllowed("Your roles do not cancel orders: leave them to a lead.")
    left = work_of(actor.desk_id, user_id)
    with transaction.atomic():
        services.membership_set_active(membership.desk, user_id=user_id, is_active=False, actor=actor)
        if left:
            what = "are being cancelled" if cancel_orders else "are still there; nothing was cancelled"
            text = f"{name_of(membership.user)} was suspended. {', '.join(left)} {what}."
            notify_holders(actor.desk_id, Permission.KILL_RELEASE, "person.suspended", text)
    # After the commit: a cancel must not be undone because something after it failed.
    cancelled = sum(cancel(actor, user_id) for cancel in work_cancellers) if cancel_orders else 0
    return left, cancelled


def person_sign_out(actor: Actor, user_id: int) -> int:
    """End all sessions of a person. Raises NotAllowed, NotFound."""
    membership = person_get(actor, user_id)
    return sign_ins.sign_ins_end(membership.user, actor_id=actor.user_id)


def name_of(user: User) -> str:
    return user.display_name or user.get_username()


def _row(row: Membership, factors: set[str], sessions: list[SignIn], names: dict[int, str]) -> dict[str, Any]:
    return {
        "id": row.user_id,
        "name": name_of(row.user),
        "username": row.user.get_username(),
        "roles": row.roles,
        "grants": words_of(grants_read(row.grants), names),
        "is_active": row.is_active and row.user.is_active,
        "has_app": Authenticator.Type.TOTP in factors,
        "has_passkey": Authenticator.Type.WEBAUTHN in factors,
        "lacks": factor_policy.lacks(row.desk, all_roles(row), factors),
        "sessions": len(sessions),
        "seen_at": max((one.seen_at for one in sessions), default=None),
    }
