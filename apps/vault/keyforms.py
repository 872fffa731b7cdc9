"""The forms that the vault's private file may lie in: plain PEM, or sealed by what this machine does not keep.

A form is found by its first line. Another one (a cloud's key service, PKCS#11, Vault's transit) would be one more
`Form` in FORMS that asks it to open and to seal these bytes; none is built here. What the rows are sealed to is named
by the sealing key's id in each envelope (`vault.crypto`) and does not change with the form of the file.
"""

import base64
import hashlib
import os
import struct
import threading
from pathlib import Path
from typing import Protocol

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.argon2 import Argon2id
from django.conf import settings
from django.views.decorators.debug import sensitive_variables

from apps.vault.errors import VaultClosed

AT_LEAST = 12  # characters of a passphrase
# RFC 9106's second choice, for machines with little memory: 64 MiB, three passes, four lanes.
MEMORY_KIB, PASSES, LANES = 65_536, 3, 4
_MOST_KIB, _MOST_PASSES, _MOST_LANES = 1 << 18, 16, 16  # what a file may ask of this machine
_HEAD = struct.Struct(">BBIBB16s12s")  # format, KDF (1: Argon2id), KiB, passes, lanes, salt, nonce
_FORMAT, _ARGON2ID = 1, 1
_DAMAGED = "The vault's private key file is damaged. Restore it from its backup."


class Form(Protocol):
    """begin: the first line of such a file."""

    begin: bytes

    def opened(self, raw: bytes) -> bytes:
        """Return the PEM inside. Raises VaultClosed."""
        ...

    def sealed(self, pem: bytes) -> bytes:
        """Return the file for it. Raises VaultClosed."""
        ...


class ByPassphrase:
    """AES-256-GCM under a key that Argon2id makes of a passphrase; the header with its parameters is authenticated."""

    begin = b"-----BEGIN DESK VAULT BY PASSPHRASE-----"
    end = b"-----END DESK VAULT BY PASSPHRASE-----"

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._known: tuple[bytes, bytes] | None = None  # digest of the file and what is inside: a second look is free

    @sensitive_variables()
    def opened(self, raw: bytes) -> bytes:
        digest = hashlib.sha256(raw).digest()
        with self._lock:
            if self._known is not None and self._known[0] == digest:
                return self._known[1]
            try:
                body = base64.b64decode(raw.strip().removeprefix(self.begin).removesuffix(self.end), validate=False)
                form, kdf, memory, passes, lanes, salt, nonce = _HEAD.unpack_from(body)
            except (ValueError, struct.error):
                raise VaultClosed(_DAMAGED) from None
            within = 8 * lanes <= memory <= _MOST_KIB and 1 <= passes <= _MOST_PASSES and 1 <= lanes <= _MOST_LANES
            if (form, kdf) != (_FORMAT, _ARGON2ID) or not within:
                raise VaultClosed("The vault's private key file has a form that this version does not know.")
            for passphrase in _passphrases():
                key = _derived(passphrase, salt, memory=memory, passes=passes, lanes=lanes)
                try:
                    pem = AESGCM(key).decrypt(nonce, body[_HEAD.size :], body[: _HEAD.size])
                except InvalidTag:
                    continue
                self._known = digest, pem
                return pem
        raise VaultClosed("The passphrase does not open the vault's private key file, or the file was changed.")

    @sensitive_variables()
    def sealed(self, pem: bytes) -> bytes:
        salt, nonce = os.urandom(16), os.urandom(12)
        head = _HEAD.pack(_FORMAT, _ARGON2ID, MEMORY_KIB, PASSES, LANES, salt, nonce)
        key = _derived(_passphrases()[0], salt, memory=MEMORY_KIB, passes=PASSES, lanes=LANES)
        body = base64.encodebytes(head + AESGCM(key).encrypt(nonce, pem, head))
        return self.begin + b"\n" + body + self.end + b"\n"

    def forget(self) -> None:
        self._known = None


BY_PASSPHRASE = ByPassphrase()
FORMS: tuple[Form, ...] = (BY_PASSPHRASE,)


def form_of(raw: bytes) -> Form | None:
    """Return the form of a private file, None where it is plain PEM."""
    return next((form for form in FORMS if raw.lstrip().startswith(form.begin)), None)


def lies_open(raw: bytes) -> bool:
    """Is it plain, where this installation wants it sealed?"""
    return bool(settings.VAULT_PASSPHRASE_FILES) and form_of(raw) is None


@sensitive_variables()
def opened(raw: bytes) -> bytes:
    """Return the PEM of a private file of any form. Raises VaultClosed."""
    form = form_of(raw)
    return raw if form is None else form.opened(raw)


@sensitive_variables()
def sealed(pem: bytes) -> bytes:
    """Return the private file as this installation wants it: sealed where it has a passphrase. Raises VaultClosed."""
    return BY_PASSPHRASE.sealed(pem) if settings.VAULT_PASSPHRASE_FILES else pem


@sensitive_variables()
def _passphrases() -> list[bytes]:
    """Return the first line of each file: the first seals, any opens. Raises VaultClosed."""
    found = []
    for path in settings.VAULT_PASSPHRASE_FILES:
        try:
            line = Path(path).read_text().partition("\n")[0].strip()
        except (OSError, ValueError) as exc:
            raise VaultClosed(f"The vault's passphrase cannot be read ({type(exc).__name__}).") from None
        if len(line) < AT_LEAST:
            raise VaultClosed(f"The vault's passphrase has less than {AT_LEAST} characters.")
        found.append(line.encode())
    if not found:
        raise VaultClosed("The vault's private key file is sealed: set DESK_VAULT_PASSPHRASE to its passphrase's file.")
    return found


@sensitive_variables()
def _derived(passphrase: bytes, salt: bytes, *, memory: int, passes: int, lanes: int) -> bytes:
    return Argon2id(salt=salt, length=32, iterations=passes, lanes=lanes, memory_cost=memory).derive(passphrase)
