"""The vault's own key pair, in files. The private file may hold several keys: the first is current.

Older keys stay in it while a rotation runs, so that every row opens at every moment.
"""

import fcntl
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from django.conf import settings
from django.views.decorators.debug import sensitive_variables

from apps.core.errors import DeskError
from apps.vault import keyforms
from apps.vault.crypto import sealing_key_id
from apps.vault.errors import VaultClosed

_END = b"-----END PRIVATE KEY-----"
_cache_lock = threading.Lock()
_cache: dict[Path, tuple[tuple[int, int, int], dict[str, X25519PrivateKey]]] = {}


def public_path() -> Path:
    return Path(settings.VAULT_PUBLIC_KEY_FILE)


def private_path() -> Path:
    """Raises VaultClosed in a process that was not given the private half."""
    if not settings.VAULT_PRIVATE_KEY_FILE:
        raise VaultClosed(
            "This process may not open keys: DESK_VAULT_PRIVATE_KEY is not set. "
            "Only the worker and the gateway have it."
        )
    return Path(settings.VAULT_PRIVATE_KEY_FILE)


def public_key_load() -> X25519PublicKey:
    """Read the current public half. Not cached: sealing is rare, and a rotation changes the file.

    Raises:
        DeskError: the vault was never set up, or the file is damaged.
    """
    try:
        key = serialization.load_pem_public_key(public_path().read_bytes())
    except OSError:
        raise DeskError("vault_missing", "The vault is not set up. Run `python manage.py vault_init`.") from None
    except ValueError:
        key = None
    if not isinstance(key, X25519PublicKey):
        raise DeskError("vault_damaged", "The vault's public key file is damaged. Run `python manage.py vault_init`.")
    return key


def private_keys_load() -> dict[str, X25519PrivateKey]:
    """Return the private halves by sealing key id, the current one first; read again when the file changes.

    Raises:
        VaultClosed: no file, or a damaged one.
    """
    path = private_path()
    try:
        found = path.stat()
        stamp = (found.st_mtime_ns, found.st_size, found.st_ino)
        with _cache_lock:
            if path in _cache and _cache[path][0] == stamp:
                return _cache[path][1]
            keys = private_keys_parse(path.read_bytes())
            _cache[path] = (stamp, keys)
            return keys
    except FileNotFoundError:
        raise VaultClosed("The vault's private key file is missing. Run `python manage.py vault_init`.") from None
    except OSError as exc:
        raise VaultClosed(f"The vault's private key file cannot be read: {exc.strerror}.") from None


@sensitive_variables()
def private_keys_parse(raw: bytes) -> dict[str, X25519PrivateKey]:
    """Return what a private file of any form holds. Raises VaultClosed."""
    keys: dict[str, X25519PrivateKey] = {}
    for block in keyforms.opened(raw).split(_END)[:-1]:
        try:
            key = serialization.load_pem_private_key(block.strip() + b"\n" + _END + b"\n", password=None)
        except (ValueError, TypeError):
            key = None
        if not isinstance(key, X25519PrivateKey):
            raise VaultClosed("The vault's private key file is damaged. Restore it from its backup.")
        keys[sealing_key_id(key.public_key())] = key
    if not keys:
        raise VaultClosed("The vault's private key file is empty. Restore it from its backup.")
    return keys


def private_keys_write(path: Path, keys: list[X25519PrivateKey]) -> None:
    """Replace the private file in one step, mode 600, sealed where there is a passphrase. Raises VaultClosed."""
    _write(path, keyforms.sealed(b"".join(_pem(key) for key in keys)), mode=0o600)


@contextmanager
def one_writer(path: Path) -> Iterator[None]:
    """Let one process at a time change the files beside `path`; the lock ends with the process.

    Raises:
        DeskError: another one is at it.
    """
    handle = os.open(path.with_name(f".{path.name}.lock"), os.O_RDWR | os.O_CREAT, 0o600)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise DeskError(
                "vault_busy", "Another run is changing the vault's keys. Wait until it has ended."
            ) from None
        yield
    finally:
        os.close(handle)


def public_key_write(path: Path, key: X25519PublicKey) -> None:
    raw = key.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    _write(path, raw, mode=0o644)


def _pem(key: X25519PrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


@sensitive_variables("raw")
def _write(path: Path, raw: bytes, *, mode: int) -> None:
    """Write, flush to disk, rename: after a power cut the old file or the new one is there, whole."""
    path.parent.mkdir(parents=True, exist_ok=True)
    # One name, so that what a killed run left behind goes with the next one.
    temporary = path.with_name(f".{path.name}.new")
    temporary.unlink(missing_ok=True)
    handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    try:
        with os.fdopen(handle, "wb") as file:
            if os.geteuid() == 0 and path.exists():  # the signer's user goes on reading what root wrote anew
                before = path.stat()
                os.fchown(file.fileno(), before.st_uid, before.st_gid)
            file.write(raw)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
