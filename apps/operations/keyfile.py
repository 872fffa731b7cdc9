"""The file of keys: SECRET_KEY and the vault's halves, encrypted like a backup but apart from every backup."""

import os
from pathlib import Path

import msgspec
from django.conf import settings
from django.views.decorators.debug import sensitive_variables

from apps.core.timestamps import unix_ms_now
from apps.operations.errors import BackupRefused
from apps.operations.sealed import Opener, OpeningReader, Recipient, SealingWriter, file_replace, folder_sync

_WHAT = "kalshi-desk keys 1"


class Keys(msgspec.Struct):
    what: str
    made_at_ms: int
    secret_key: str
    vault_private: str
    vault_public: str

    def __repr__(self) -> str:
        return "<Keys>"


@sensitive_variables()
def keys_write(file: Path, recipient: Recipient) -> None:
    """Write the file of keys. Raises BackupRefused, OSError."""
    try:
        private = private_path().read_text()
        public = Path(settings.VAULT_PUBLIC_KEY_FILE).read_text()
    except OSError as exc:
        text = f"The vault's keys cannot be read here ({exc.strerror}): run this where DESK_VAULT_PRIVATE_KEY is set."
        raise BackupRefused("keys_missing", text) from None
    keys = Keys(_WHAT, unix_ms_now(), settings.SECRET_KEY, private, public)
    part = file.with_name(f".{file.name}.part")
    part.unlink(missing_ok=True)
    try:
        with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as out:
            sealing = SealingWriter(out, recipient)
            sealing.write(msgspec.json.encode(keys))
            sealing.finish()
            out.flush()
            os.fsync(out.fileno())
        part.rename(file)
    finally:
        part.unlink(missing_ok=True)
    folder_sync(file.parent)


@sensitive_variables()
def keys_read(file: Path, opener: Opener) -> Keys:
    """Raises BackupRefused, OSError."""
    with file.open("rb") as source:
        raw = OpeningReader(source, opener).read()
    try:
        keys = msgspec.json.decode(raw, type=Keys)
    except msgspec.DecodeError:
        keys = None
    if keys is None or keys.what != _WHAT:
        raise BackupRefused("keys_format", f"{file.name} is no file of keys.")
    return keys


@sensitive_variables()
def keys_conflict(keys: Keys) -> str:
    """Say why these keys cannot be put in their places, "" when they can."""
    for path, wanted in _places(keys):
        if path.exists() and path.read_text().strip() != wanted.strip():
            return f"{path} is there and is another one. Move it away first, or restore without --keys."
    return ""


@sensitive_variables()
def keys_place(keys: Keys) -> None:
    for path, wanted in _places(keys):
        file_replace(path, wanted.encode())


def private_path() -> Path:
    return Path(settings.VAULT_PRIVATE_KEY_FILE or Path(settings.DATA_DIR) / "vault" / "private.pem")


def _places(keys: Keys) -> list[tuple[Path, str]]:
    return [
        (private_path(), keys.vault_private),
        (Path(settings.VAULT_PUBLIC_KEY_FILE), keys.vault_public),
        (Path(settings.DATA_DIR) / "secret-key", keys.secret_key),
    ]
