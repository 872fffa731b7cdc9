"""Every change of how a person signs in is written into the trail of their desks, and they are told."""

from typing import Any

from allauth.account.internal.flows.login import record_authentication
from allauth.mfa.models import Authenticator
from django.db import transaction
from django.http import HttpRequest

from apps.accounts import passkeys, sign_ins
from apps.accounts.models import User
from apps.accounts.notices import notify
from apps.accounts.sign_ins import record_everywhere

_NAMES = {
    Authenticator.Type.TOTP: "authenticator app",
    Authenticator.Type.RECOVERY_CODES: "recovery codes",
    Authenticator.Type.WEBAUTHN: "passkey",
}
_NOT_YOU = "If that was not you, tell an admin of your desk at once."


def factor_added(sender: object, request: HttpRequest, user: User, authenticator: Authenticator, **kwargs: Any) -> None:
    others = Authenticator.objects.filter(user=user).exclude(pk=authenticator.pk)
    if not others.exists():
        # Sessions that began with the password alone, wherever they are, end with the first factor.
        sign_ins.sign_ins_end(user, keep=request.session.session_key or "", actor_id=user.pk)
    if authenticator.type == Authenticator.Type.WEBAUTHN:
        passkeys.passkey_note(authenticator)
        # Making it took the same finger, face or PIN, and a challenge of ours.
        record_authentication(request, user, "mfa", id=authenticator.pk, type=authenticator.type)
    _tell(user, "factor.added", "accounts.factor.added", authenticator, "was added to your sign-in")


def factor_removed(sender: object, user: User, authenticator: Authenticator, **kwargs: Any) -> None:
    _tell(user, "factor.removed", "accounts.factor.removed", authenticator, "was removed from your sign-in")


def factor_reset(sender: object, user: User, authenticator: Authenticator, **kwargs: Any) -> None:
    _tell(user, "factor.reset", "accounts.factor.renewed", authenticator, "was made anew")


def factor_used(sender: object, user: User, authenticator: Authenticator, **kwargs: Any) -> None:
    """A recovery code that was spent is worth a word: it may not have been its owner."""
    if authenticator.type == Authenticator.Type.RECOVERY_CODES:
        _tell(user, "factor.used", "accounts.recovery.used", authenticator, "let somebody in")


def password_changed(sender: object, user: User, **kwargs: Any) -> None:
    with transaction.atomic():
        notify([user.pk], "password.changed", f"Your password was changed. {_NOT_YOU}")
        record_everywhere(user, "accounts.password.changed", {})


def _tell(user: User, kind: str, action: str, authenticator: Authenticator, what: str) -> None:
    name = _NAMES.get(authenticator.type, authenticator.type)
    subject = {"recovery codes": "One of your recovery codes" if kind == "factor.used" else "A set of recovery codes"}
    data = {"factor": name}
    if authenticator.type == Authenticator.Type.WEBAUTHN:
        data["name"] = authenticator.wrap().name
        name = f"{name} “{data['name']}”"
    with transaction.atomic():
        notify([user.pk], kind, f"{subject.get(name, f'Your {name}')} {what}. {_NOT_YOU}")
        record_everywhere(user, action, data)
