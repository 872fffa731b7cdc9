"""People, desks, roles and exchange accounts. A call without an actor is the installation's own (set-up)."""

from collections.abc import Iterable, MutableMapping
from typing import Any

from django.conf import settings
from django.db import IntegrityError, transaction

from apps.accounts import sign_ins
from apps.accounts.access import (
    SESSION_ACCOUNT,
    SESSION_DESK,
    SESSION_SUBACCOUNT,
    account_seen,
    subaccounts_seen,
)
from apps.accounts.four_eyes import gate
from apps.accounts.grants import MAX_SUBACCOUNT
from apps.accounts.models import ChangeRequest, Desk, Environment, ExchangeAccount, Membership, User
from apps.audit.services import record
from apps.core.errors import DeskError, NotAllowed, NotFound
from apps.core.permissions import Actor, Permission, Role


def desk_create(name: str, *, slug: str) -> Desk:
    """Set up a desk. For commands: no page makes desks."""
    with transaction.atomic():
        desk = Desk.objects.create(name=name, slug=slug)
        record("accounts.desk.created", actor_id=None, desk_id=desk.pk, target=f"desk:{desk.pk}", data={"name": name})
    return desk


def person_add(
    desk: Desk,
    *,
    username: str,
    password: str,
    roles: Iterable[str],
    display_name: str = "",
    actor: Actor | None = None,
) -> User:
    """Create a person with roles on a desk.

    Args:
        actor: an admin of the desk; None for set-up commands.

    Raises:
        NotAllowed, DeskError: not an admin; the name is taken; an unknown role.
    """
    may_manage_people(actor, desk.pk)
    wanted = roles_check(roles)
    try:
        with transaction.atomic():
            user = User.objects.create_user(username=username, password=password, display_name=display_name)
            Membership.objects.create(user=user, desk=desk, roles=wanted)
            record(
                "accounts.person.added",
                actor_id=actor.user_id if actor else None,
                desk_id=desk.pk,
                target=f"user:{user.pk}",
                data={"username": username, "roles": wanted},
            )
    except IntegrityError:
        text = f"“{username}” is taken. Choose another user name."
        raise DeskError("username_taken", text, fields={"username": text}) from None
    return user


def roles_set(
    desk: Desk,
    *,
    user_id: int,
    roles: Iterable[str],
    actor: Actor | None = None,
    approval: ChangeRequest | None = None,
) -> Membership:
    """Replace a person's roles. Counts from their next request or message; open sockets follow within 5 s.

    Raises NotAllowed, NotFound; DeskError for an unknown role or the last admin; ApprovalNeeded where a role is added
    and the desk wants four eyes on that.
    """
    may_manage_people(actor, desk.pk)
    wanted = roles_check(roles)
    with transaction.atomic():
        members = Membership.objects.select_for_update(of=("self",)).select_related("user")
        membership = members.filter(desk=desk, user_id=user_id).first()
        if membership is None:
            raise NotFound("This person is not on this desk.")
        _admin_stays(membership, wanted)
        if actor is not None and set(wanted) - set(membership.roles):
            title = f"Roles of {membership.user.get_username()}: {', '.join(wanted)}"
            gate(desk.pk, "roles", title, {"user_id": user_id, "roles": wanted}, approval=approval)
        before, membership.roles = membership.roles, wanted
        membership.save(update_fields=["roles"])
        record(
            "accounts.roles.changed",
            actor_id=actor.user_id if actor else None,
            desk_id=desk.pk,
            target=f"user:{user_id}",
            data={"before": before, "after": wanted},
        )
    return membership


def membership_set_active(desk: Desk, *, user_id: int, is_active: bool, actor: Actor | None = None) -> None:
    """Suspend a person on one desk, or let them back."""
    may_manage_people(actor, desk.pk)
    with transaction.atomic():
        membership = Membership.objects.select_for_update().filter(desk=desk, user_id=user_id).first()
        if membership is None:
            raise NotFound("This person is not on this desk.")
        if not is_active:
            _admin_stays(membership, [])
        membership.is_active = is_active
        membership.save(update_fields=["is_active"])
        if not is_active and not Membership.objects.filter(user_id=user_id, is_active=True).exists():
            sign_ins.sign_ins_end(membership.user, actor_id=actor.user_id if actor else None)
        record(
            "accounts.membership.resumed" if is_active else "accounts.membership.suspended",
            actor_id=actor.user_id if actor else None,
            desk_id=desk.pk,
            target=f"user:{user_id}",
        )


def account_add(desk: Desk, *, environment: str, name: str, actor: Actor | None = None) -> ExchangeAccount:
    """Add an exchange account to a desk.

    Raises:
        NotAllowed, DeskError: no right to; an environment that is off here; a name that is taken.
    """
    if actor is not None and (actor.desk_id != desk.pk or not actor.may(Permission.VAULT_MANAGE)):
        raise NotAllowed
    if environment not in environments_enabled():
        text = f"“{environment}” is not switched on here. DESK_ENVIRONMENTS lists what is."
        raise DeskError("environment_off", text, fields={"environment": text})
    try:
        with transaction.atomic():
            account = ExchangeAccount.objects.create(desk=desk, environment=environment, name=name)
            record(
                "accounts.account.added",
                actor_id=actor.user_id if actor else None,
                desk_id=desk.pk,
                environment=environment,
                target=f"account:{account.pk}",
                data={"name": name},
            )
    except IntegrityError:
        text = f"This desk has an account “{name}” in {environment}. Choose another name."
        raise DeskError("account_name_taken", text, fields={"name": text}) from None
    return account


def environments_enabled() -> list[str]:
    return [name for name in Environment.values if name in settings.EXCHANGE_ENVIRONMENTS]


def account_select(actor: Actor, session: MutableMapping[str, Any], *, account_id: int, subaccount: int) -> None:
    """Remember in the session what the top bar shows. Raises NotFound, DeskError."""
    account = account_seen(actor, account_id)
    if not 0 <= subaccount <= MAX_SUBACCOUNT:
        raise DeskError("subaccount", f"Subaccounts are numbered 0 to {MAX_SUBACCOUNT}.")
    theirs = subaccounts_seen(actor, account.pk)
    if theirs is not None and subaccount not in theirs:
        raise NotFound("This subaccount does not exist, or it is not yours to see.")
    session[SESSION_ACCOUNT] = account.pk
    session[SESSION_SUBACCOUNT] = subaccount


def desk_select(user_id: int, session: MutableMapping[str, Any], *, desk_id: int) -> None:
    """Remember which of a person's desks they work on. Raises NotFound."""
    if not Membership.objects.filter(user_id=user_id, desk_id=desk_id, is_active=True).exists():
        raise NotFound("You are not a member of this desk, or it does not exist.")
    session[SESSION_DESK] = desk_id
    for name in (SESSION_ACCOUNT, SESSION_SUBACCOUNT):
        session.pop(name, None)


def may_manage_people(actor: Actor | None, desk_id: int) -> None:
    if actor is not None and (actor.desk_id != desk_id or not actor.may(Permission.PEOPLE_MANAGE)):
        raise NotAllowed


def _admin_stays(membership: Membership, roles: Iterable[str]) -> None:
    """A desk whose last admin is gone could only be helped from the command line."""
    if Role.ADMIN in roles or Role.ADMIN not in membership.roles or not membership.is_active:
        return
    others = Membership.objects.filter(desk_id=membership.desk_id, is_active=True, user__is_active=True)
    if not any(Role.ADMIN in other.roles for other in others.exclude(pk=membership.pk)):
        raise DeskError("last_admin", "This is the last admin of the desk. Make somebody else an admin first.")


def roles_check(roles: Iterable[str]) -> list[str]:
    wanted = sorted(set(roles))
    unknown = [role for role in wanted if role not in set(Role)]
    if unknown:
        text = f"Unknown role: {', '.join(unknown)}. Roles are: {', '.join(Role)}."
        raise DeskError("role_unknown", text, fields={"roles": text})
    return wanted
