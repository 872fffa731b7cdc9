"""A second copy of the sealed trading keys, for the kill switch when the database is away.

The file holds what the rows hold: ciphertext and what it is bound to. It opens with the vault's private half and with
nothing else, so it is worth as much to a thief as a copy of the database is: nothing without the vault's key file.
Written anew each minute where something changed; a revoked key leaves it then. Contract: docs/monitoring.md.
"""

import base64
import contextlib
import os
from dataclasses import dataclass
from pathlib import Path

import msgspec
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from django.conf import settings
from django.views.decorators.debug import sensitive_variables

from apps.core.errors import DeskError
from apps.vault import crypto, keyfiles
from apps.vault.errors import KeyUnreadable, VaultClosed
from apps.vault.models import ApiKey
from apps.vault.sealing import context_of
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


@dataclass(frozen=True, slots=True)
class OpenedKey:
    """A key of the file that may sign, or why it does not open (`problem`)."""

    key: SealedKey
    signer: KeySigner | None
    problem: str = ""


def emergency_path() -> Path:
    return Path(settings.DATA_DIR) / "run" / "emergency-keys.json"


def emergency_write(path: Path | None = None) -> int:
    """Write the file where it would change; return how many keys are in it. Needs no private half. Raises OSError."""
    path = path or emergency_path()
    rows = (
        ApiKey.objects.filter(purpose=ApiKey.Purpose.REST_TRADE, account__is_active=True)
        .exclude(status=ApiKey.Status.REVOKED)
        .exclude(key_id="")
        .select_related("account__desk")
        .order_by("pk")
    )
    keys = [_sealed(row) for row in rows]
    raw = msgspec.json.format(msgspec.json.encode(keys))
    with contextlib.suppress(FileNotFoundError):
        if path.read_bytes() == raw:
            return len(keys)
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(handle, "wb") as file:
            file.write(raw)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
    return len(keys)


def emergency_open(path: Path, *, private_key: Path) -> list[OpenedKey]:
    """Open every key of the file with the vault's private half.

    Raises:
        DeskError: there is no file, or it is none of ours.
        VaultClosed: the private half is missing or damaged.
    """
    try:
        keys = msgspec.json.decode(path.read_bytes(), type=list[SealedKey])
    except OSError as exc:
        raise DeskError("emergency_missing", f"{path} cannot be read ({exc.strerror}).") from exc
    except msgspec.DecodeError:
        raise DeskError("emergency_damaged", f"{path} is not a file of sealed keys.") from None
    try:
        halves = keyfiles.private_keys_parse(private_key.read_bytes())
    except OSError as exc:
        raise VaultClosed(f"The vault's private key {private_key} cannot be read ({exc.strerror}).") from exc
    return [_opened(key, halves) for key in keys]


def _sealed(row: ApiKey) -> SealedKey:
    context = context_of(row)
    return SealedKey(
        row=row.pk,
        desk=context.desk,
        desk_slug=row.account.desk.slug,
        account=row.account_id,
        account_name=row.account.name,
        environment=context.environment,
        purpose=row.purpose,
        key_id=row.key_id,
        fingerprint=row.fingerprint,
        version=row.version,
        sealed=base64.b64encode(bytes(row.sealed)).decode(),
    )


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
