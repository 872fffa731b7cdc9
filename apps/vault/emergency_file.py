"""The file of sealed trading keys, and what opens it: for the kill switch when nothing else works.

No row and no Django app is needed here: `manage.py kill` runs this before Django is set up, which takes a second and
more. `apps.vault.emergency` writes the file.
"""

import base64
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import msgspec
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from django.conf import settings
from django.views.decorators.debug import sensitive_variables

from apps.core.errors import DeskError
from apps.vault import crypto, keyfiles
from apps.vault.errors import KeyUnreadable, VaultClosed
from apps.vault.signing import READ, WRITE, KeySigner


class SealedKey(msgspec.Struct, frozen=True):
    """One trading key as its row has it. sealed: base64 of the envelope."""

    row: int
    desk: int
    desk_slug: str
    account: int
    account_name: str
    environment: str
    purpose: str
    key_id: str
    fingerprint: str
    version: int
    sealed: str

    def context(self) -> crypto.SealContext:
        return crypto.SealContext(
            row=self.row,
            desk=self.desk,
            account=self.account,
            environment=self.environment,
            purpose=self.purpose,
            key_id=self.key_id,
            fingerprint=self.fingerprint,
            version=self.version,
        )


class SignsRequests(Protocol):
    def headers(self, method: str, path: str, timestamp_ms: int) -> dict[str, str]: ...


@dataclass(frozen=True, slots=True)
class OpenedKey:
    """A key of the file that may sign, or why it does not open (`problem`)."""

    key: SealedKey
    signer: SignsRequests | None
    problem: str = ""


def emergency_path() -> Path:
    return Path(settings.DATA_DIR) / "run" / "emergency-keys.json"


def sealed_read(path: Path) -> list[SealedKey]:
    """Return the keys of the file as they are sealed. Raises DeskError: there is no file, or it is none of ours."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=list[SealedKey])
    except OSError as exc:
        raise DeskError("emergency_missing", f"{path} cannot be read ({exc.strerror}).") from exc
    except msgspec.DecodeError:
        raise DeskError("emergency_damaged", f"{path} is not a file of sealed keys.") from None


def emergency_open(path: Path, *, private_key: Path) -> list[OpenedKey]:
    """Open every key of the file with the vault's private half.

    Raises:
        DeskError: there is no file, or it is none of ours.
        VaultClosed: the private half is missing or damaged.
    """
    return keys_open(sealed_read(path), private_key=private_key)


def keys_open(keys: list[SealedKey], *, private_key: Path) -> list[OpenedKey]:
    """Open sealed keys with the vault's private half. Raises VaultClosed: it is missing or damaged."""
    try:
        halves = keyfiles.private_keys_parse(private_key.read_bytes())
    except OSError as exc:
        raise VaultClosed(f"The vault's private key {private_key} cannot be read ({exc.strerror}).") from exc
    return [_opened(key, halves) for key in keys]


@sensitive_variables()
def _opened(key: SealedKey, halves: dict[str, X25519PrivateKey]) -> OpenedKey:
    try:
        envelope = base64.b64decode(key.sealed, validate=True)
        secret = crypto.unseal(envelope, private_keys=halves, context=key.context())
        private_key = serialization.load_der_private_key(secret, password=None)
    except (KeyUnreadable, ValueError):
        return OpenedKey(key, None, "does not open: it was changed, or sealed to another vault key")
    if not isinstance(private_key, RSAPrivateKey):
        return OpenedKey(key, None, "is not a key that signs requests")
    scopes = {READ, WRITE} if crypto.may_write(envelope) else {READ}
    return OpenedKey(key, KeySigner(private_key, key_id=key.key_id, scopes=scopes, account_id=key.account))
