"""Kiosk links: make one, revoke one, and who a screen with one is. The secret is in no log, URL or row."""

import hashlib
import re
import secrets
from dataclasses import dataclass
from datetime import timedelta

from django.db import transaction
from django.db.models import Q, QuerySet
from django.utils.crypto import constant_time_compare

from apps.accounts.access import account_get, roles_on
from apps.accounts.models import ExchangeAccount
from apps.audit import services as audit
from apps.core.errors import DeskError, NotFound
from apps.core.permissions import Actor, Permission, Role
from apps.core.timestamps import utc_now
from apps.monitoring.models import KioskLink
from apps.orders.access import actor_of, require

DAYS_AT_MOST = 30
OPEN_AT_MOST = 20
# What a screen may do: exactly what a viewer may see, in the name of nobody.
KIOSK_ROLES = frozenset({Role.VIEWER.value})
_SHAPE = re.compile(r"[A-Za-z0-9_-]{43}")
_USED_EVERY = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class Screen:
    """A screen with a link that holds: who it is to selectors, and what it shows."""

    actor: Actor
    link: KioskLink
    account: ExchangeAccount


def kiosk_make(actor: Actor, *, account_id: int, label: str, days: int) -> tuple[KioskLink, str]:
    """Return a new link and its secret, which is told only here. Raises NotAllowed, NotFound, DeskError."""
    require(actor, Permission.WALL_SHARE)
    account = account_get(actor, account_id)
    name = label.strip()[:60]
    if not name:
        raise DeskError("bad_input", "Say where the screen is.", fields={"label": "This is needed."})
    if not 1 <= days <= DAYS_AT_MOST:
        text = f"Between 1 and {DAYS_AT_MOST} days."
        raise DeskError("bad_input", text, fields={"days": text})
    secret, now = secrets.token_urlsafe(32), utc_now()
    with transaction.atomic():
        if links_open(actor).count() >= OPEN_AT_MOST:
            raise DeskError("too_many", f"A desk has at most {OPEN_AT_MOST} links. Revoke one.")
        link = KioskLink.objects.create(
            desk_id=actor.desk_id,
            account=account,
            label=name,
            digest=_digest(secret),
            made_by_id=actor.user_id,
            made_at=now,
            expires_at=now + timedelta(days=days),
        )
        _record(actor, "monitoring.kiosk.made", link)
    return link, secret


def kiosk_revoke(actor: Actor, link_id: int) -> KioskLink:
    """End a link at once. Raises NotAllowed, NotFound."""
    require(actor, Permission.WALL_SHARE)
    with transaction.atomic():
        link = KioskLink.objects.select_for_update().filter(pk=link_id, desk_id=actor.desk_id).first()
        if link is None:
            raise NotFound("This link does not exist, or it belongs to another desk.")
        if link.revoked_at is None:
            link.revoked_at, link.revoked_by_id = utc_now(), actor.user_id
            link.save(update_fields=["revoked_at", "revoked_by"])
            _record(actor, "monitoring.kiosk.revoked", link)
    return link


def links_open(actor: Actor) -> QuerySet[KioskLink]:
    """The desk's links that still show something. Raises NotAllowed."""
    require(actor, Permission.WALL_SHARE)
    return KioskLink.objects.filter(desk_id=actor.desk_id, revoked_at=None, expires_at__gt=utc_now())


def screen_of(secret: str) -> Screen | None:
    """Return whose screen this is, or None: no such link, ended, or its maker may not share the wall any more."""
    if not _SHAPE.fullmatch(secret):
        return None
    digest, now = _digest(secret), utc_now()
    link = KioskLink.objects.select_related("account", "desk").filter(digest=digest).first()
    if link is None or not constant_time_compare(link.digest, digest):
        return None
    if link.revoked_at is not None or link.expires_at <= now or not link.account.is_active:
        return None
    maker = actor_of(user_id=link.made_by_id, desk_id=link.desk_id)
    if maker is None or not maker.may(Permission.WALL_SHARE):
        return None
    if link.last_used_at is None or link.last_used_at < now - _USED_EVERY:
        stale = Q(last_used_at=None) | Q(last_used_at__lt=now - _USED_EVERY)
        KioskLink.objects.filter(stale, pk=link.pk).update(last_used_at=now)
    # A screen is a viewer: where amounts are hidden from viewers, it shows none.
    roles = roles_on(link.desk, KIOSK_ROLES)
    actor = Actor(user_id=0, desk_id=link.desk_id, roles=roles, account_id=link.account_id)
    return Screen(actor, link, link.account)


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()


def _record(actor: Actor, action: str, link: KioskLink) -> None:
    audit.record(
        action,
        actor_id=actor.user_id,
        desk_id=actor.desk_id,
        environment=link.account.environment,
        target=f"kiosk_link:{link.pk}",
        data={"label": link.label, "account": link.account_id, "expires_at": link.expires_at.isoformat()},
    )
