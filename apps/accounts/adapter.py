"""What the desk changes of django-allauth: no sign-up, second factors encrypted at rest."""

import base64

from allauth.account.adapter import DefaultAccountAdapter
from allauth.mfa.adapter import DefaultMFAAdapter
from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from django.conf import settings
from django.contrib.auth.base_user import AbstractBaseUser
from django.core.exceptions import ImproperlyConfigured
from django.http import HttpRequest
from django.utils.encoding import force_bytes


class DeskAccountAdapter(DefaultAccountAdapter):  # type: ignore[misc] # allauth carries no types
    def is_open_for_signup(self, request: HttpRequest) -> bool:
        """An admin adds people; nobody signs up."""
        return False


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


def _fernet() -> MultiFernet:
    return MultiFernet([Fernet(_derive(key)) for key in (settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS)])


def _derive(secret_key: str | bytes) -> bytes:
    kdf = HKDF(algorithm=hashes.SHA256(), length=32, salt=None, info=b"kalshi-desk second factors 1")
    return base64.urlsafe_b64encode(kdf.derive(force_bytes(secret_key)))
