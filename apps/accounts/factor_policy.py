"""Who must have a second factor, and of which sort: decided per desk, asked with each request, message and token.

A person without what their desk wants is nobody on it: `access.presence_load` gives no actor, so pages lead them to
set it up (apps.accounts.middleware), sockets close, and tokens of the data API are refused.
"""

from collections.abc import Collection, Iterable, Mapping
from enum import StrEnum
from typing import Any

from allauth.account.internal.flows.login import (
    _AUTHENTICATION_METHODS_USER_SESSION_KEY,
    AUTHENTICATION_METHODS_SESSION_KEY,
)
from allauth.mfa.models import Authenticator
from django.conf import settings
from django.db import transaction

from apps.accounts.four_eyes import Kind, Params, gate, kinds
from apps.accounts.grants import all_roles
from apps.accounts.models import ChangeRequest, Desk, Membership
from apps.audit.services import record
from apps.core.errors import DeskError, NotAllowed
from apps.core.permissions import Actor, Permission, Role
from apps.core.prepared import Prepared

Wanted = Desk.SecondFactor
# Who can move money, keys, limits or people. The rest can only look.
RISKY = frozenset({Role.TRADER, Role.QUOTER, Role.LEAD, Role.OPERATOR, Role.VAULT_ADMIN, Role.ADMIN})
_STRENGTH = {Wanted.NOBODY: 0, Wanted.RISKY: 1, Wanted.EVERYBODY: 2}
_PROOFS = {Authenticator.Type.TOTP, Authenticator.Type.WEBAUTHN}  # a recovery code stands in for one of these

_factors = Prepared(lambda user_id: Authenticator.objects.filter(user_id=user_id))


class Need(StrEnum):
    """What a person still has to do before they are somebody on their desk."""

    NOTHING = ""
    FACTOR = "factor"  # set one up
    PASSKEY = "passkey"  # set one up
    PASSKEY_USE = "passkey-use"  # sign in with it, not with something else


def wanted_of(desk: Desk) -> str:
    return desk.second_factor or settings.SECOND_FACTOR


def is_wanted(desk: Desk, roles: Iterable[str]) -> bool:
    """Must somebody with these roles have a second factor?"""
    wanted = wanted_of(desk)
    return wanted == Wanted.EVERYBODY or (wanted == Wanted.RISKY and not RISKY.isdisjoint(roles))


def is_passkey_wanted(desk: Desk, roles: Iterable[str]) -> bool:
    return desk.wants_passkeys and not RISKY.isdisjoint(roles)


def need_of(desk: Desk, roles: Iterable[str], user_id: int, session: Mapping[str, Any] | None) -> Need:
    """What is missing for a person with these roles.

    session: what their browser's session keeps; None for a token, which no passkey can sign in.
    """
    roles = frozenset(roles)
    wants_passkey = is_passkey_wanted(desk, roles)
    if not wants_passkey and not is_wanted(desk, roles):
        return Need.NOTHING
    need = lacks(desk, roles, {row.type for row in _factors(user_id)})
    if need is Need.NOTHING and wants_passkey and session is not None and not _used_passkey(session, user_id):
        return Need.PASSKEY_USE
    return need


def lacks(desk: Desk, roles: Iterable[str], has: Collection[str]) -> Need:
    """What somebody with these roles and these kinds of factors still has to set up."""
    roles = frozenset(roles)
    if is_passkey_wanted(desk, roles):
        return Need.NOTHING if Authenticator.Type.WEBAUTHN in has else Need.PASSKEY
    return Need.FACTOR if is_wanted(desk, roles) and _PROOFS.isdisjoint(has) else Need.NOTHING


def _used_passkey(session: Mapping[str, Any], user_id: int) -> bool:
    records = session.get(AUTHENTICATION_METHODS_SESSION_KEY)
    if not isinstance(records, list) or session.get(_AUTHENTICATION_METHODS_USER_SESSION_KEY) != str(user_id):
        return False
    return any((one.get("method"), one.get("type")) == ("mfa", "webauthn") for one in records)


def may_remove(authenticator: Authenticator) -> bool:
    """May this factor go, without the person being left with less than one of their desks wants?"""
    if authenticator.type not in _PROOFS:
        return True
    others = Authenticator.objects.filter(user_id=authenticator.user_id).exclude(pk=authenticator.pk)
    left = set(others.values_list("type", flat=True)) & _PROOFS
    for row in Membership.objects.filter(user_id=authenticator.user_id, is_active=True).select_related("desk"):
        if is_passkey_wanted(row.desk, all_roles(row)) and Authenticator.Type.WEBAUTHN not in left:
            return False
        if is_wanted(row.desk, all_roles(row)) and not left:
            return False
    return True


# --- said by the desk ----------------------------------------------------------------------------------


def policy_set(
    actor: Actor | None, desk: Desk, *, wanted: str, passkeys: bool, approval: ChangeRequest | None = None
) -> Desk:
    """Say who must have a second factor. More counts at once; less needs a second person.

    Args:
        actor: who manages people there; None for the command line.

    Raises NotAllowed, ApprovalNeeded; DeskError `bad_input`, `no_passkeys_here`.
    """
    if actor is not None and (actor.desk_id != desk.pk or not actor.may(Permission.PEOPLE_MANAGE)):
        raise NotAllowed
    if wanted not in Wanted.values:
        raise DeskError("bad_input", "Choose from the list.")
    if passkeys and not settings.PASSKEY_HOST:
        text = "This desk has no address that passkeys work at. Set DESK_ORIGINS to its https address first."
        raise DeskError("no_passkeys_here", text)
    with transaction.atomic():
        row = Desk.objects.select_for_update().get(pk=desk.pk)
        held = wanted_of(row)
        before = {"wanted": held, "passkeys": row.wants_passkeys}
        is_less = _STRENGTH[Wanted(wanted)] < _STRENGTH[Wanted(held)] or (row.wants_passkeys and not passkeys)
        params = {"wanted": wanted, "passkeys": passkeys}
        if is_less and actor is not None:
            gate(row.pk, "factors", f"Second factor wanted of: {_words(wanted, passkeys)}", params, approval=approval)
        row.second_factor, row.wants_passkeys = wanted, passkeys
        row.save(update_fields=["second_factor", "wants_passkeys"])
        record(
            "accounts.factor.policy",
            actor_id=actor.user_id if actor else None,
            desk_id=row.pk,
            target=f"desk:{row.pk}",
            data={"before": before, "after": params, "approval": approval.pk if approval else None},
        )
    return row


def register() -> None:
    kinds["factors"] = Kind(
        "Fewer second factors", Permission.PEOPLE_MANAGE, _policy_now, _policy_apply, is_always=True
    )


def _policy_now(desk_id: int, params: Params) -> dict[str, str]:
    desk = Desk.objects.get(pk=desk_id)
    return {"second factor": _words(wanted_of(desk), desk.wants_passkeys)}


def _policy_apply(author: Actor, request: ChangeRequest) -> None:
    params = request.params
    policy_set(author, request.desk, wanted=params["wanted"], passkeys=params["passkeys"], approval=request)


def _words(wanted: str, passkeys: bool) -> str:
    return Wanted(wanted).label.lower() + (", passkeys for the roles that act" if passkeys else "")
