"""The file of a backup: a stream of encrypted chunks. No Django here.

Layout: MAGIC, two bytes of length, a header in JSON that says how its key is found, then chunks of CHUNK bytes, each
AES-256-GCM under a key of this file alone. The nonce is the chunk's number and whether it is the last one, and every
chunk authenticates the header: one that is changed, missing, moved, added or of another file does not open. It is the
STREAM construction (Hoang et al. 2015) that age uses.

The key is agreed with a public key (X25519 with a one-time key, HKDF-SHA256), so that a machine that makes backups
cannot open them, or derived from a passphrase (scrypt).
"""

import hashlib
import io
import json
import os
import secrets
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

from apps.operations.errors import BackupRefused

MAGIC = b"kalshi-desk backup 1\n"
CHUNK = 262_144
SCRYPT_LOG2_N = 17  # 128 MiB and about half a second for each guess
_SCRYPT_LOG2_MOST = 20
_TAG = 16
_INFO = b"kalshi-desk backup file 1"
_PUBLIC_PREFIX, _PRIVATE_PREFIX = "kdb-public-", "kdb-private-"
PASSPHRASE_AT_LEAST = 12


@dataclass(frozen=True, slots=True, repr=False)
class Recipient:
    """Who may open what is written: the holder of a private key, or of a passphrase."""

    public: bytes = b""
    passphrase: str = ""


@dataclass(frozen=True, slots=True, repr=False)
class Opener:
    """What a file is opened with."""

    private: bytes = b""
    passphrase: str = ""


def key_make() -> tuple[str, str]:
    """Return a new pair as text: (private, public)."""
    key = X25519PrivateKey.generate()
    return _text(_PRIVATE_PREFIX, key.private_bytes_raw()), _text(_PUBLIC_PREFIX, key.public_key().public_bytes_raw())


def recipient_of(public: str) -> Recipient:
    """Raises BackupRefused."""
    return Recipient(public=_bytes(_PUBLIC_PREFIX, public, "The public key of backups"))


def opener_of(private: str) -> Opener:
    """Raises BackupRefused."""
    return Opener(private=_bytes(_PRIVATE_PREFIX, private, "The private key of backups"))


class SealingWriter(io.RawIOBase):
    """Encrypts what is written to it into `out`. Only `finish` makes the file whole."""

    def __init__(self, out: IO[bytes], recipient: Recipient) -> None:
        super().__init__()
        self._out = out
        self._waiting = bytearray()
        self._number = 0
        self._digest = hashlib.sha256()
        self.size = 0
        header, key = _header_make(recipient)
        self._header = hashlib.sha256(header).digest()
        self._cipher = AESGCM(key)
        self._put(MAGIC + len(header).to_bytes(2, "big") + header)

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        view = memoryview(data).cast("B")
        self._waiting += view
        # One byte more than a chunk: the last chunk has to be known as such.
        while len(self._waiting) > CHUNK:
            self._seal(bytes(self._waiting[:CHUNK]), is_last=False)
            del self._waiting[:CHUNK]
        return len(view)

    def finish(self) -> str:
        """Write the last chunk; return SHA-256, hex, of the whole file."""
        self._seal(bytes(self._waiting), is_last=True)
        self._waiting.clear()
        return self._digest.hexdigest()

    def _seal(self, chunk: bytes, *, is_last: bool) -> None:
        self._put(self._cipher.encrypt(_nonce(self._number, is_last=is_last), chunk, self._header))
        self._number += 1

    def _put(self, data: bytes) -> None:
        self._out.write(data)
        self._digest.update(data)
        self.size += len(data)


class OpeningReader(io.RawIOBase):
    """Reads what a `SealingWriter` wrote; not a byte is given out that was not authenticated.

    Raises BackupRefused, with words for each way in which a file can be wrong.
    """

    def __init__(self, source: IO[bytes], opener: Opener) -> None:
        super().__init__()
        self._source = source
        self._number = 0
        self._ready = b""
        self._is_over = False
        header, told = _header_read(source)
        self._header = hashlib.sha256(header).digest()
        self._is_passphrase = told.get("kind") == "scrypt"
        self._cipher = AESGCM(_key_find(told, opener))
        self._next = source.read(CHUNK + _TAG)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        if not self._ready and not self._is_over:
            self._ready = self._open()
        view = memoryview(buffer).cast("B")
        given = self._ready[: len(view)]
        view[: len(given)] = given
        self._ready = self._ready[len(given) :]
        return len(given)

    def drain(self) -> None:
        """Read to the end, so that every chunk was looked at."""
        while self.read(CHUNK):
            pass

    def _open(self) -> bytes:
        chunk, self._next = self._next, self._source.read(CHUNK + _TAG)
        is_last = not self._next
        try:
            opened = self._cipher.decrypt(_nonce(self._number, is_last=is_last), chunk, self._header)
        except (InvalidTag, ValueError):
            raise self._refusal(chunk, is_last=is_last) from None
        self._number += 1
        self._is_over = is_last
        return opened

    def _refusal(self, chunk: bytes, *, is_last: bool) -> BackupRefused:
        cut = is_last and self._number > 0 and not chunk
        if is_last and not cut:
            try:
                self._cipher.decrypt(_nonce(self._number, is_last=False), chunk, self._header)
                cut = True
            except (InvalidTag, ValueError):
                pass
        if cut:
            return BackupRefused("backup_cut", "This backup is cut off: its end is missing. Nothing was changed.")
        if self._number == 0 and self._is_passphrase:
            text = "The passphrase is wrong, or the file was changed. Nothing was changed here."
            return BackupRefused("backup_key", text)
        text = f"This backup was changed or cut off, in or after byte {self._number * CHUNK:,}. Nothing was changed."
        return BackupRefused("backup_damaged", text)


def _nonce(number: int, *, is_last: bool) -> bytes:
    return number.to_bytes(11, "big") + (b"\1" if is_last else b"\0")


def _header_make(recipient: Recipient) -> tuple[bytes, bytes]:
    salt = secrets.token_bytes(32)
    if recipient.public:
        once = X25519PrivateKey.generate()
        one_time = once.public_key().public_bytes_raw()
        shared = once.exchange(X25519PublicKey.from_public_bytes(recipient.public))
        told: dict[str, Any] = {"kind": "x25519", "one_time": _b64(one_time), "to": key_name(recipient.public)}
        key = _agreed(shared, salt, one_time, recipient.public)
    elif len(recipient.passphrase) >= PASSPHRASE_AT_LEAST:
        told = {"kind": "scrypt", "log2_n": SCRYPT_LOG2_N}
        key = _derived(recipient.passphrase, salt, SCRYPT_LOG2_N)
    else:
        text = f"The passphrase is short: use {PASSPHRASE_AT_LEAST} characters or more."
        raise BackupRefused("backup_passphrase", text)
    header = json.dumps(told | {"salt": _b64(salt)}, sort_keys=True, separators=(",", ":")).encode()
    return header, key


def _header_read(source: IO[bytes]) -> tuple[bytes, Mapping[str, Any]]:
    if source.read(len(MAGIC)) != MAGIC:
        raise BackupRefused("backup_format", "This is no backup of the desk, or one of a format it does not know.")
    header = source.read(int.from_bytes(source.read(2), "big"))
    try:
        told = json.loads(header)
        if not isinstance(told, dict):
            raise ValueError
    except ValueError:
        raise BackupRefused("backup_damaged", "The beginning of this backup cannot be read: it was changed.") from None
    return header, told


def _key_find(told: Mapping[str, Any], opener: Opener) -> bytes:
    try:
        salt = urlsafe_b64decode(told["salt"])
        match told["kind"]:
            case "x25519":
                if not opener.private:
                    text = "This backup was made for a key: give its private half with --key."
                    raise BackupRefused("backup_key", text)
                private = X25519PrivateKey.from_private_bytes(opener.private)
                public = private.public_key().public_bytes_raw()
                if told["to"] != key_name(public):
                    text = f"This backup was made for the key {told['to']}; the one given is {key_name(public)}."
                    raise BackupRefused("backup_key", text)
                one_time = urlsafe_b64decode(told["one_time"])
                shared = private.exchange(X25519PublicKey.from_public_bytes(one_time))
                return _agreed(shared, salt, one_time, public)
            case "scrypt":
                if not opener.passphrase:
                    text = "This backup was made with a passphrase: give it with --passphrase-file."
                    raise BackupRefused("backup_key", text)
                if not 1 <= int(told["log2_n"]) <= _SCRYPT_LOG2_MOST:
                    raise ValueError
                return _derived(opener.passphrase, salt, int(told["log2_n"]))
    except (KeyError, ValueError, TypeError):
        pass
    raise BackupRefused("backup_damaged", "The beginning of this backup cannot be read: it was changed.")


def _agreed(shared: bytes, salt: bytes, one_time: bytes, public: bytes) -> bytes:
    return HKDF(hashes.SHA256(), 32, salt, _INFO + one_time + public).derive(shared)


def _derived(passphrase: str, salt: bytes, log2_n: int) -> bytes:
    return Scrypt(salt=salt, length=32, n=2**log2_n, r=8, p=1).derive(passphrase.encode())


def key_name(public: bytes) -> str:
    """A short name of a public key: the beginning of its SHA-256."""
    return hashlib.sha256(public).hexdigest()[:12]


def _text(prefix: str, raw: bytes) -> str:
    return prefix + _b64(raw + hashlib.sha256(prefix.encode() + raw).digest()[:4])


def _bytes(prefix: str, text: str, what: str) -> bytes:
    """Return the key in a text, which may have lines of comment (#) around it."""
    words = [line.strip() for line in text.splitlines() if line.strip() and not line.startswith("#")]
    try:
        (word,) = words
        if not word.startswith(prefix):
            raise ValueError
        raw = urlsafe_b64decode(word.removeprefix(prefix))
        if len(raw) != 36 or raw[32:] != hashlib.sha256(prefix.encode() + raw[:32]).digest()[:4]:
            raise ValueError
    except ValueError:
        raise BackupRefused("backup_key", f"{what} cannot be read. It begins with {prefix}") from None
    return raw[:32]


def _b64(raw: bytes) -> str:
    return urlsafe_b64encode(raw).decode()


def file_replace(path: Path, data: bytes, *, mode: int = 0o600) -> None:
    """Write, flush to the disk, rename: the old file or the new one is there, whole."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    temporary = path.with_name(f".{path.name}.new")
    temporary.unlink(missing_ok=True)
    with os.fdopen(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as out:
        out.write(data)
        out.flush()
        os.fsync(out.fileno())
    temporary.replace(path)
    folder_sync(path.parent)


def folder_sync(folder: Path) -> None:
    """Make the names in a folder survive a power cut."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
