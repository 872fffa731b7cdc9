"""Passkeys (WebAuthn): what they are good for here, their seal in the database, and their counters.

The sign-in library keeps the public key; the ceremony is its and fido2's. What is stricter here than there: origins are
compared whole with DESK_ORIGINS, a challenge is spent by its first answer, a row of the database is sealed to its
person, and a counter that goes back locks the passkey.
"""

import base64
import hashlib
import hmac
import json
import logging
from typing import Any
from urllib.parse import urlsplit

from allauth.mfa.models import Authenticator
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from django.conf import settings
from django.db import transaction
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.encoding import force_bytes

from apps.accounts.models import Membership, PasskeyUse, User
from apps.accounts.notices import notify, notify_holders
from apps.accounts.sign_ins import record_everywhere
from apps.core.errors import DeskError
from apps.core.permissions import Permission
from apps.core.timestamps import utc_now

logger = logging.getLogger(__name__)

AT_MOST = 20  # of one person
NAME_AT_MOST = 60  # letters
_COPIED = "This passkey seems to have been copied, so it opens nothing any more. Remove it and add a new one."


class PasskeyRefused(DeskError):
    """The signature was right, and the passkey is not to be believed."""


# --- where they work ---------------------------------------------------------------------------------


def origins() -> list[str]:
    """The origins of DESK_ORIGINS from which passkeys of DESK_PASSKEY_HOST may come, as browsers write them."""
    return [origin for origin in settings.PUBLIC_ORIGINS if _is_for(origin, settings.PASSKEY_HOST)]


def is_here(request: HttpRequest) -> bool:
    """Does the address that this page was asked for at work with passkeys?"""
    return f"{request.scheme}://{request.get_host()}" in origins()


def _is_for(origin: str, host: str) -> bool:
    """Browsers want https, or localhost; never a bare address; and the host itself or a name under it."""
    if not host:
        return False
    parts = urlsplit(origin)
    name = parts.hostname or ""
    is_secure = parts.scheme == "https" or (parts.scheme == "http" and name == "localhost")
    return is_secure and (name == host or name.endswith(f".{host}"))


# --- kept ---------------------------------------------------------------------------------------------


def passkeys_of(user: User) -> QuerySet[Authenticator]:
    rows: QuerySet[Authenticator] = Authenticator.objects.filter(user=user, type=Authenticator.Type.WEBAUTHN)
    return rows.select_related("desk_use").order_by("pk")


def passkey_note(passkey: Authenticator) -> None:
    """Seal a passkey that was just added. One that has no seal opens nothing."""
    data = passkey.wrap().authenticator_data
    PasskeyUse.objects.create(
        passkey=passkey,
        credential=hashlib.sha256(data.credential_data.credential_id).hexdigest(),
        seal=_seal(passkey, settings.SECRET_KEY),
        counter=data.counter,
    )


def is_known(credential_id: bytes) -> bool:
    return PasskeyUse.objects.filter(credential=hashlib.sha256(credential_id).hexdigest()).exists()


def owner_of(credential_id: bytes, handle: bytes | None) -> User | None:
    """Whose passkey this is, when the authenticator names the same person by their handle."""
    digest = hashlib.sha256(credential_id).hexdigest()
    use = PasskeyUse.objects.select_related("passkey__user").filter(credential=digest).first()
    if use is None or handle is None:
        return None
    user: User = use.passkey.user
    keys = (settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS)
    return user if any(hmac.compare_digest(_handle(user, key), handle) for key in keys) else None


def passkey_spend(passkey: Authenticator, counter: int) -> None:
    """Judge a passkey whose signature was right, by its row and its counter.

    A counter that does not grow means that two devices hold the key, and nobody can say which of them this is: the
    passkey is locked, its person and the admins of their desks are told. Passkeys that do not count send 0 always.

    Raises PasskeyRefused.
    """
    with transaction.atomic():
        use = PasskeyUse.objects.select_for_update().filter(passkey=passkey).first()
        if use is None or not _is_sealed(passkey, use.seal):
            logger.error("passkey %s of user %s is not as the desk left it", passkey.pk, passkey.user_id)
            raise PasskeyRefused("passkey_edited", "This passkey was changed behind the desk's back. Tell an admin.")
        if use.copied_at is not None:
            raise PasskeyRefused("passkey_copied", _COPIED)
        is_copied = counter <= use.counter and (counter > 0 or use.counter > 0)
        if is_copied:
            use.copied_at = utc_now()
            use.save(update_fields=["copied_at"])
            _tell_copied(passkey, before=use.counter, now=counter)
        elif counter != use.counter:
            use.counter = counter
            use.save(update_fields=["counter"])
    if is_copied:  # after the commit: the lock stays
        raise PasskeyRefused("passkey_copied", _COPIED)


def passkey_rename(passkey: Authenticator, name: str) -> None:
    """Raises DeskError `bad_input`."""
    passkey.data["name"] = name_check(name)
    passkey.save(update_fields=["data"])


def name_check(name: str) -> str:
    """Return a name as it is kept. Raises DeskError `bad_input`."""
    name = name.strip()
    if not name or len(name) > NAME_AT_MOST or not name.isprintable():
        text = f"Give it a name of at most {NAME_AT_MOST} letters."
        raise DeskError("bad_input", text, fields={"name": text})
    return name


def _tell_copied(passkey: Authenticator, *, before: int, now: int) -> None:
    user = passkey.user
    text = f"Your passkey “{passkey.wrap().name}” was locked: its counter went back, so a copy of it seems to exist."
    notify([user.pk], "factor.copied", f"{text} Remove it and add a new one.")
    for desk_id in Membership.objects.filter(user=user, is_active=True).values_list("desk_id", flat=True):
        words = f"A passkey of {user.get_username()} was locked: a copy of it seems to exist."
        notify_holders(desk_id, Permission.PEOPLE_MANAGE, "factor.copied", words, but=user.pk)
    record_everywhere(user, "accounts.factor.locked", {"factor": "passkey", "counter": now, "before": before})


# --- seal ----------------------------------------------------------------------------------------------


def _is_sealed(passkey: Authenticator, seal: str) -> bool:
    keys = (settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS)
    return any(hmac.compare_digest(_seal(passkey, key), seal) for key in keys)


def _seal(passkey: Authenticator, secret_key: str | bytes) -> str:
    """HMAC of what must not be changed without the desk: whose it is, and its public key."""
    credential = passkey.wrap().authenticator_data.credential_data
    bound = [passkey.pk, passkey.user_id, base64.b64encode(bytes(credential)).decode()]
    return _mac(secret_key, b"seals", json.dumps(bound).encode()).hex()


def _mac(secret_key: str | bytes, purpose: bytes, data: bytes) -> bytes:
    kdf = HKDF(algorithm=hashes.SHA256(), length=32, salt=None, info=b"kalshi-desk passkey %s 1" % purpose)
    return hmac.new(kdf.derive(force_bytes(secret_key)), data, hashlib.sha256).digest()


# --- for pages -------------------------------------------------------------------------------------------


def user_handle(user: User) -> bytes:
    """What authenticators keep of a person. It tells nobody anything: no name, no number of a row."""
    return _handle(user, settings.SECRET_KEY)


def _handle(user: User, secret_key: str | bytes) -> bytes:
    return _mac(secret_key, b"handles", str(user.pk).encode())


def passkey_row(passkey: Authenticator) -> dict[str, Any]:
    """A passkey as a page shows it."""
    use = getattr(passkey, "desk_use", None)
    return {
        "id": passkey.pk,
        "name": passkey.wrap().name,
        "created_at": passkey.created_at,
        "last_used_at": passkey.last_used_at,
        "is_locked": use is None or use.copied_at is not None,
    }
