"""Tokens: made, checked at each call, and revoked at once."""

import hashlib
import re
import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta

from django.db import transaction
from django.db.models import Q
from django.utils.crypto import constant_time_compare

from apps.accounts.factor_policy import Need, need_of
from apps.audit import services as audit
from apps.core.errors import DeskError, NotAllowed, NotFound
from apps.core.permissions import Actor, Permission
from apps.core.timestamps import utc_now
from apps.data_api.models import DataToken
from apps.data_api.scopes import SCOPES
from apps.data_api.selectors import tokens_visible_to
from apps.orders.access import actor_of, require_somewhere

DAYS = (7, 30, 90, 365)
LIVE_AT_MOST = 10  # of one person on one desk
_SHAPE = re.compile(r"(kd_[0-9a-f]{8})_[A-Za-z0-9_-]{43}")
_USED_EVERY = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class Caller:
    """Whoever a token speaks for now."""

    actor: Actor
    token: DataToken


@dataclass(frozen=True, slots=True)
class NewToken:
    """secret: the token in full, to be shown this once."""

    row: DataToken
    secret: str

    def __repr__(self) -> str:
        return f"NewToken({self.row.prefix})"


def token_create(actor: Actor, *, name: str, scopes: Iterable[str], days: int) -> NewToken:
    """Make a token for the actor on their desk.

    Raises NotAllowed; DeskError `bad_input` for what is not offered, `too_many` when they have enough of them.
    """
    require_somewhere(actor, Permission.DESK_VIEW)
    name, chosen = name.strip(), [scope for scope in SCOPES if scope in set(scopes)]
    faults = {}
    if not name or len(name) > 60 or not name.isprintable():
        faults["name"] = "Give it a name of at most 60 letters."
    if not chosen or set(scopes) - SCOPES.keys():
        faults["scopes"] = "Choose what it may read."
    if days not in DAYS:
        faults["days"] = "Choose how long it lasts."
    if faults:
        raise DeskError("bad_input", " ".join(faults.values()), fields=faults)
    now = utc_now()
    prefix = f"kd_{secrets.token_hex(4)}"
    secret = f"{prefix}_{secrets.token_urlsafe(32)}"
    with transaction.atomic():
        live = DataToken.objects.filter(
            user_id=actor.user_id, desk_id=actor.desk_id, revoked_at=None, expires_at__gt=now
        )
        if live.count() >= LIVE_AT_MOST:
            raise DeskError("too_many", f"You have {LIVE_AT_MOST} tokens. Revoke one that you do not need.")
        row = DataToken.objects.create(
            user_id=actor.user_id,
            desk_id=actor.desk_id,
            name=name,
            prefix=prefix,
            digest=_digest(secret),
            scopes=chosen,
            created_at=now,
            expires_at=now + timedelta(days=days),
        )
        audit.record(
            "data_api.token.created",
            actor_id=actor.user_id,
            desk_id=actor.desk_id,
            target=f"data_token:{row.pk}",
            data={"name": name, "prefix": prefix, "scopes": chosen, "expires_at": row.expires_at},
        )
    return NewToken(row, secret)


def token_revoke(actor: Actor, token_id: int) -> DataToken:
    """End a token for good; twice is harmless. One's own, or anybody's on the desk for who manages people.

    Raises NotAllowed; NotFound for a token that the actor may not see.
    """
    with transaction.atomic():
        row = tokens_visible_to(actor).select_for_update(of=("self",)).filter(pk=token_id).first()
        if row is None:
            raise NotFound("This token does not exist, or it belongs to somebody else.")
        if row.revoked_at is None:
            row.revoked_at, row.revoked_by_id = utc_now(), actor.user_id
            row.save(update_fields=["revoked_at", "revoked_by"])
            audit.record(
                "data_api.token.revoked",
                actor_id=actor.user_id,
                desk_id=actor.desk_id,
                target=f"data_token:{row.pk}",
                data={"name": row.name, "prefix": row.prefix, "owner": row.user_id},
            )
    return row


def caller_of(secret: str, *, permission: Permission, scope: str) -> Caller | None:
    """Return who calls, or None: no such token, revoked, expired, or its person is no longer on the desk.

    scope: "" for what every token may ask.

    Raises NotAllowed when the token or its person's roles do not reach this far.
    """
    shape = _SHAPE.fullmatch(secret)
    if shape is None:
        return None
    row = DataToken.objects.select_related("desk").filter(prefix=shape[1]).first()
    now = utc_now()
    if row is None or not constant_time_compare(row.digest, _digest(secret)):
        return None
    if row.revoked_at is not None or row.expires_at <= now:
        return None
    actor = actor_of(user_id=row.user_id, desk_id=row.desk_id)
    if actor is None:
        return None
    if need_of(row.desk, actor.roles | {one.role for one in actor.grants}, row.user_id, None) is not Need.NOTHING:
        raise NotAllowed("The desk wants a second factor of this token's owner. The token works once they have one.")
    if scope and scope not in row.scopes:
        raise NotAllowed(f"This token may not read {scope}. Make one with that scope.")
    if not actor.reach(permission):
        raise NotAllowed
    actor = actor.only(permission)
    stale = Q(last_used_at=None) | Q(last_used_at__lt=now - _USED_EVERY)
    if row.last_used_at is None or row.last_used_at < now - _USED_EVERY:
        DataToken.objects.filter(stale, pk=row.pk).update(last_used_at=now)
    return Caller(actor, row)


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()
