"""Telling people what happened to their sign-in, keys or people: on their page, and by mail where it is set up."""

import logging
from collections.abc import Iterable

from django.conf import settings
from django.core.mail import send_mail
from django.db import transaction

from apps.accounts.models import Membership, Notice, User
from apps.core.permissions import Permission, permissions_of
from apps.core.timestamps import utc_now

logger = logging.getLogger(__name__)

SHOWN = 20


def notify(user_ids: Iterable[int], kind: str, text: str) -> None:
    """Tell people something, inside the caller's transaction; mail leaves when it commits and may fail."""
    people = list(User.objects.filter(pk__in=set(user_ids), is_active=True))
    now = utc_now()
    Notice.objects.bulk_create([Notice(user=person, at=now, kind=kind, text=text[:300]) for person in people])
    addresses = [person.email for person in people if person.email]
    if addresses and settings.EMAIL_HOST:
        transaction.on_commit(lambda: _mail(addresses, text))


def notify_holders(desk_id: int, permission: Permission, kind: str, text: str, *, but: int | None = None) -> list[int]:
    """Tell everybody on the desk whose roles give `permission`; returns who they are."""
    told = [user_id for user_id in holders_of(desk_id, permission) if user_id != but]
    notify(told, kind, text)
    return told


def holders_of(desk_id: int, permission: Permission) -> list[int]:
    rows = Membership.objects.filter(desk_id=desk_id, is_active=True, user__is_active=True)
    return [row.user_id for row in rows if permission in permissions_of(row.roles)]


def notices_of(user_id: int) -> list[Notice]:
    """The newest notices of a person."""
    return list(Notice.objects.filter(user_id=user_id).order_by("-at", "-pk")[:SHOWN])


def notices_read(user_id: int) -> None:
    Notice.objects.filter(user_id=user_id, is_read=False).update(is_read=True)


def _mail(addresses: list[str], text: str) -> None:
    for address in addresses:
        try:
            send_mail("Kalshi Desk: security notice", text, settings.DEFAULT_FROM_EMAIL, [address])
        except OSError:
            # The notice stands on the person's page; a mail server that is away stops nobody's work.
            logger.warning("a security notice could not be mailed", exc_info=True)
