"""Giving and taking roles on single accounts and subaccounts: by an admin, written down, told to the person."""

from collections.abc import Collection

from django.db import transaction

from apps.accounts.four_eyes import gate
from apps.accounts.grants import account_names, grants_check, grants_read, grants_stored, text_of
from apps.accounts.models import ChangeRequest, Desk, Membership
from apps.accounts.notices import notify
from apps.accounts.services import may_manage_people
from apps.audit.services import record
from apps.core.errors import NotFound
from apps.core.permissions import Actor, Grant


def grants_change(
    desk: Desk,
    *,
    user_id: int,
    add: Collection[Grant] = (),
    remove: Collection[Grant] = (),
    actor: Actor | None = None,
    approval: ChangeRequest | None = None,
) -> Membership:
    """Give a person roles on single accounts, and take some away; both count as soon as `services.roles_set` does.

    What they have already, or never had, changes nothing.

    Raises NotAllowed, NotFound; DeskError for what cannot be given; ApprovalNeeded where one is added and the desk
    wants four eyes on roles.
    """
    may_manage_people(actor, desk.pk)
    with transaction.atomic():
        members = Membership.objects.select_for_update(of=("self",)).select_related("user")
        membership = members.filter(desk=desk, user_id=user_id).first()
        if membership is None:
            raise NotFound("This person is not on this desk.")
        had = grants_read(membership.grants)
        new = frozenset(add) - had
        now = (had - frozenset(remove)) | new
        grants_check(desk, new, total=len(now))
        names = account_names(desk.pk)
        if actor is not None and new:
            title = f"{membership.user.get_username()}: {_words(new, names)}"
            params = {"user_id": user_id, "grants": grants_stored(new)}
            gate(desk.pk, "roles", title[:200], params, approval=approval)
        if now == had:
            return membership
        before, membership.grants = grants_stored(had), grants_stored(now)
        membership.save(update_fields=["grants"])
        record(
            "accounts.grants.changed",
            actor_id=actor.user_id if actor else None,
            desk_id=desk.pk,
            target=f"user:{user_id}",
            data={"before": before, "after": membership.grants, "approval": approval.pk if approval else None},
        )
        text = f"Your roles on single accounts of {desk.name} are now: {_words(now, names) or 'none'}."
        notify([user_id], "grants.changed", text)
    return membership


def _words(grants: Collection[Grant], names: dict[int, str]) -> str:
    rows = sorted(grants, key=lambda one: (one.account_id, -1 if one.subaccount is None else one.subaccount, one.role))
    return ", ".join(text_of(one, names) for one in rows)
