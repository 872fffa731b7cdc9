"""Ways onto a desk: made by an admin, or by the command line for the first of all; each opens once and expires."""

import hashlib
import re
import secrets
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import timedelta

from django.conf import settings
from django.contrib.auth.password_validation import validate_password
from django.contrib.auth.validators import ASCIIUsernameValidator
from django.core.exceptions import ValidationError
from django.core.mail import send_mail
from django.db import transaction
from django.db.models import QuerySet
from django.views.decorators.debug import sensitive_variables

from apps.accounts import services
from apps.accounts.four_eyes import is_wanted
from apps.accounts.models import Desk, Invitation, User
from apps.accounts.notices import notify
from apps.audit.services import record
from apps.core.errors import DeskError, NotAllowed, NotFound
from apps.core.permissions import Actor, Permission, Role
from apps.core.timestamps import utc_now

GOOD_FOR = timedelta(hours=72)
OPEN_AT_MOST = 50  # of one desk
_SHAPE = re.compile(r"kdi_[A-Za-z0-9_-]{43}")
_GONE = "This invitation does not exist, was used, was taken back, or is older than three days. Ask for a new one."


@dataclass(frozen=True, slots=True)
class NewInvitation:
    """secret: the token, to be shown this once."""

    row: Invitation
    secret: str = field(repr=False)


def invitation_create(
    desk: Desk, *, roles: Iterable[str], display_name: str = "", email: str = "", actor: Actor | None = None
) -> NewInvitation:
    """Make an invitation to a desk.

    Args:
        actor: an admin of the desk; None for set-up commands.

    Raises NotAllowed; DeskError for an unknown role, none at all, or too many open invitations.
    """
    if actor is not None and (actor.desk_id != desk.pk or not actor.may(Permission.PEOPLE_MANAGE)):
        raise NotAllowed
    wanted = services.roles_check(roles)
    if not wanted:
        raise DeskError("roles", "Choose at least one role.", fields={"roles": "Choose at least one role."})
    if actor is not None and wanted != [Role.VIEWER] and is_wanted(desk.pk, "roles"):
        text = "This desk wants four eyes on roles: invite as viewer, and add roles on the person's page."
        raise DeskError("four_eyes", text, fields={"roles": text})
    now = utc_now()
    secret = f"kdi_{secrets.token_urlsafe(32)}"
    with transaction.atomic():
        if open_invitations(desk.pk).count() >= OPEN_AT_MOST:
            raise DeskError("too_many", f"{OPEN_AT_MOST} invitations are open. Take one back first.")
        row = Invitation.objects.create(
            desk=desk,
            digest=_digest(secret),
            roles=wanted,
            display_name=display_name.strip(),
            email=email.strip(),
            invited_by_id=actor.user_id if actor else None,
            created_at=now,
            expires_at=now + GOOD_FOR,
        )
        record(
            "accounts.invitation.created",
            actor_id=actor.user_id if actor else None,
            desk_id=desk.pk,
            target=f"invitation:{row.pk}",
            data={"roles": wanted, "display_name": row.display_name, "expires_at": row.expires_at},
        )
    return NewInvitation(row, secret)


def invitation_mail(new: NewInvitation, link: str) -> bool:
    """Send the link to the invited person; False when there is no address, no mail server, or it refused."""
    if not new.row.email or not settings.EMAIL_HOST:
        return False
    text = f"You are invited to the desk “{new.row.desk.name}”. The link works once, for three days:\n\n{link}\n"
    try:
        return bool(send_mail("Your invitation to Kalshi Desk", text, settings.DEFAULT_FROM_EMAIL, [new.row.email]))
    except OSError:
        return False


def invitation_revoke(actor: Actor, invitation_id: int) -> None:
    """Take an open invitation back. Raises NotAllowed, NotFound."""
    if not actor.may(Permission.PEOPLE_MANAGE):
        raise NotAllowed
    with transaction.atomic():
        if not open_invitations(actor.desk_id).filter(pk=invitation_id).update(revoked_at=utc_now()):
            raise NotFound("This invitation is not open any more.")
        record(
            "accounts.invitation.revoked",
            actor_id=actor.user_id,
            desk_id=actor.desk_id,
            target=f"invitation:{invitation_id}",
        )


@sensitive_variables("secret", "password")
def invitation_accept(secret: str, *, username: str, password: str) -> User:
    """Make the person that an invitation is for. Of two that come with one token, one wins.

    Raises DeskError `invitation_gone`, `username_taken`, or `bad_input` with what is wrong by field.
    """
    if not _SHAPE.fullmatch(secret):
        raise DeskError("invitation_gone", _GONE)
    _shape_check(username, password)
    with transaction.atomic():
        row = Invitation.objects.select_for_update().select_related("desk").filter(digest=_digest(secret)).first()
        if row is None or row.accepted_at or row.revoked_at or row.expires_at <= utc_now():
            raise DeskError("invitation_gone", _GONE)
        user = services.person_add(
            row.desk, username=username, password=password, roles=row.roles, display_name=row.display_name
        )
        if row.email:
            user.email = row.email
            user.save(update_fields=["email"])
        row.accepted_at, row.accepted_by = utc_now(), user
        row.save(update_fields=["accepted_at", "accepted_by"])
        record(
            "accounts.invitation.accepted",
            actor_id=user.pk,
            desk_id=row.desk_id,
            target=f"invitation:{row.pk}",
            data={"username": username, "roles": row.roles},
        )
        if row.invited_by_id:
            notify([row.invited_by_id], "invitation.accepted", f"{username} accepted your invitation to the desk.")
    return user


def first_invitation(name: str) -> NewInvitation | None:
    """Return a new invitation for the first admin, or None when there are people already.

    An older one that nobody used is taken back: its token is printed nowhere else.
    """
    if User.objects.exists():
        return None
    with transaction.atomic():
        desk = Desk.objects.order_by("pk").first() or services.desk_create(name, slug="desk")
        open_invitations(desk.pk).update(revoked_at=utc_now())
        return invitation_create(desk, roles=["admin", "vault-admin"])


def open_invitations(desk_id: int) -> QuerySet[Invitation]:
    return Invitation.objects.filter(
        desk_id=desk_id, accepted_at=None, revoked_at=None, expires_at__gt=utc_now()
    ).order_by("-pk")


def _shape_check(username: str, password: str) -> None:
    faults = {}
    try:
        ASCIIUsernameValidator()(username)
    except ValidationError:
        faults["username"] = "Letters, digits and @ . + - _ only."
    if not 1 <= len(username) <= 60:
        faults["username"] = "Choose a user name of at most 60 letters."
    try:
        validate_password(password, User(username=username))
    except ValidationError as exc:
        faults["password"] = " ".join(exc.messages)
    if faults:
        raise DeskError("bad_input", " ".join(faults.values()), fields=faults)


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()
