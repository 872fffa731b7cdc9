"""What the desk changes of django-allauth: no sign-up, who may prove what by what, second factors encrypted at rest."""

import base64
from typing import Any

from allauth.account.adapter import DefaultAccountAdapter
from allauth.mfa.adapter import DefaultMFAAdapter
from allauth.mfa.models import Authenticator
from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from django.conf import settings
from django.contrib.auth.base_user import AbstractBaseUser
from django.contrib.auth.models import AnonymousUser
from django.core.exceptions import ImproperlyConfigured
from django.http import HttpRequest
from django.urls import reverse
from django.utils.encoding import force_bytes

from apps.accounts import factor_policy, passkeys, tries
from apps.accounts.models import User


class DeskAccountAdapter(DefaultAccountAdapter):  # type: ignore[misc] # allauth carries no types
    def is_open_for_signup(self, request: HttpRequest) -> bool:
        """An admin adds people; nobody signs up."""
        return False

    def pre_authenticate(self, request: HttpRequest, **credentials: Any) -> None:
        """Refuse a password unseen after too many tries, in the same words for everybody."""
        if not tries.sign_in_may_try(request, credentials.get("username", "")):
            raise self.validation_error("too_many_login_attempts")

    def authenticate(self, request: HttpRequest, **credentials: Any) -> AbstractBaseUser | None:
        user: AbstractBaseUser | None = super().authenticate(request, **credentials)
        if user is not None:
            tries.sign_in_done(request, credentials.get("username", ""))
        return user

    def get_reauthentication_methods(self, user: AbstractBaseUser | AnonymousUser) -> list[dict[str, Any]]:
        """The strongest first. Who has a second factor does not prove who they are by their password alone."""
        if not isinstance(user, User):
            return []
        kinds = set(Authenticator.objects.filter(user=user).values_list("type", flat=True))
        ways = []
        if Authenticator.Type.WEBAUTHN in kinds:
            ways.append(("mfa_reauthenticate:webauthn", "Use a passkey", "passkey_confirm"))
        if kinds - {Authenticator.Type.WEBAUTHN}:
            ways.append(("mfa_reauthenticate", "Use a code", "mfa_reauthenticate"))
        if not kinds and user.has_usable_password():
            ways.append(("reauthenticate", "Use your password", "account_reauthenticate"))
        return [{"id": way, "description": words, "url": reverse(name)} for way, words, name in ways]


class DeskMfaAdapter(DefaultMFAAdapter):  # type: ignore[misc] # allauth carries no types
    """TOTP secrets and recovery seeds are encrypted with a key derived from SECRET_KEY.

    They are not in the vault: the web process must read them to check a code. Who has the
    database alone has no second factor. `SECRET_KEY_FALLBACKS` keeps old ones readable.
    """

    def encrypt(self, text: str) -> str:
        return _fernet().encrypt(text.encode()).decode("ascii")

    def decrypt(self, encrypted_text: str) -> str:
        try:
            return _fernet().decrypt(encrypted_text.encode("ascii")).decode()
        except InvalidToken:
            raise ImproperlyConfigured(
                "A second factor was stored under another SECRET_KEY. Put the old one into SECRET_KEY_FALLBACKS."
            ) from None

    def get_totp_issuer(self) -> str:
        return "Kalshi Desk"

    def get_totp_label(self, user: AbstractBaseUser) -> str:
        return user.get_username()

    def can_delete_authenticator(self, authenticator: Authenticator) -> bool:
        """The last factor of somebody who must have one stays."""
        return factor_policy.may_remove(authenticator)

    def get_public_key_credential_rp_entity(self) -> dict[str, str]:
        """The host of the settings, whatever a request calls itself."""
        return {"id": settings.PASSKEY_HOST, "name": "Kalshi Desk"}

    def get_public_key_credential_user_entity(self, user: User) -> dict[str, Any]:
        return {
            "id": passkeys.user_handle(user),
            "name": user.get_username(),
            "display_name": user.display_name or user.get_username(),
        }


def _fernet() -> MultiFernet:
    return MultiFernet([Fernet(_derive(key)) for key in (settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS)])


def _derive(secret_key: str | bytes) -> bytes:
    kdf = HKDF(algorithm=hashes.SHA256(), length=32, salt=None, info=b"kalshi-desk second factors 1")
    return base64.urlsafe_b64encode(kdf.derive(force_bytes(secret_key)))
