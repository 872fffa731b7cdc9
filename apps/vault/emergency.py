"""A second copy of the sealed trading keys, for the kill switch when the database is away.

The file holds what the rows hold: ciphertext and what it is bound to. It opens with the vault's private half and with
nothing else, so it is worth as much to a thief as a copy of the database is: nothing without the vault's key file.
Written anew each minute where something changed; a revoked key leaves it then. Contract: docs/monitoring.md.
"""

import base64
import contextlib
import os
from pathlib import Path

import msgspec

from apps.vault.emergency_file import OpenedKey, SealedKey, emergency_open, emergency_path
from apps.vault.models import ApiKey
from apps.vault.sealing import context_of

__all__ = ["OpenedKey", "SealedKey", "emergency_open", "emergency_path", "emergency_write"]


def emergency_write(path: Path | None = None) -> int:
    """Write the file where it would change; return how many keys are in it. Needs no private half. Raises OSError."""
    path = path or emergency_path()
    rows = (
        ApiKey.sealed_rows.filter(purpose=ApiKey.Purpose.REST_TRADE, account__is_active=True)
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
