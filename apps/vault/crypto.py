"""The sealed form of a secret: anyone with the public half can seal, only the private half opens.

An envelope of standard parts: a random data key encrypts the secret (AES-256-GCM), and is itself
wrapped under a key agreed between a one-time X25519 key and the vault's (HKDF-SHA256,
AES-256-GCM). Layout, bytes:

    3  "KDV"      1  format (1)     1  algorithm (1: X25519 + HKDF-SHA256 + AES-256-GCM)
    1  flags      16 sealing key id 32 one-time public key
    12 wrap nonce 48 wrapped data key
    12 nonce      n  secret and its tag

Both encryptions authenticate the header and the `SealContext`, so a row that is edited, or copied
to another row, desk, environment or version, does not open. See docs/threat-model.md.
"""

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from django.views.decorators.debug import sensitive_variables

from apps.vault.errors import KeyUnreadable

_MAGIC = b"KDV"
FORMAT = 1
ALGORITHM = 1
_KEY_ID_BOUND = 0b01
_MAY_WRITE = 0b10
_ID_BYTES, _PUBLIC_BYTES, _NONCE_BYTES, _KEY_BYTES, _TAG_BYTES = 16, 32, 12, 32, 16
_HEADER_BYTES = len(_MAGIC) + 3 + _ID_BYTES
_WRAP_BYTES = _PUBLIC_BYTES + _NONCE_BYTES + _KEY_BYTES + _TAG_BYTES
_INFO = b"kalshi-desk vault envelope 1"


@dataclass(frozen=True, slots=True)
class SealContext:
    """Where a secret belongs. It opens only where all of this is the same.

    key_id is "" for a pair made in the desk until the exchange has named it; the header says
    whether it was bound. Whether the key may write is in the header too, so that a row may later
    be narrowed (`may_write`), never widened.
    """

    row: int
    desk: int
    account: int
    environment: str
    purpose: str
    key_id: str
    fingerprint: str
    version: int

    def encode(self, *, with_key_id: bool) -> bytes:
        said = [
            self.row,
            self.desk,
            self.account,
            self.environment,
            self.purpose,
            self.key_id if with_key_id else "",
            self.fingerprint,
            self.version,
        ]
        return json.dumps(said, separators=(",", ":")).encode("ascii")


def sealing_key_id(public: X25519PublicKey) -> str:
    """Return the name of a sealing key: the first 16 bytes of SHA-256 of its public half, hex."""
    return hashlib.sha256(_raw(public)).digest()[:_ID_BYTES].hex()


@sensitive_variables()
def seal(secret: bytes, *, public: X25519PublicKey, context: SealContext, may_write: bool) -> bytes:
    """Return `secret` sealed to `public` for `context`."""
    flags = (_KEY_ID_BOUND if context.key_id else 0) | (_MAY_WRITE if may_write else 0)
    header = _MAGIC + bytes([FORMAT, ALGORITHM, flags]) + bytes.fromhex(sealing_key_id(public))
    bound = header + context.encode(with_key_id=bool(flags & _KEY_ID_BOUND))
    one_time = X25519PrivateKey.generate()
    sender = _raw(one_time.public_key())
    wrapping = _agree(one_time.exchange(public), sender=sender, recipient=_raw(public))
    data_key, wrap_nonce, nonce = AESGCM.generate_key(256), os.urandom(_NONCE_BYTES), os.urandom(_NONCE_BYTES)
    wrapped = AESGCM(wrapping).encrypt(wrap_nonce, data_key, b"wrap" + bound)
    body = AESGCM(data_key).encrypt(nonce, secret, b"body" + bound)
    return header + sender + wrap_nonce + wrapped + nonce + body


@sensitive_variables()
def unseal(sealed: bytes, *, private_keys: Mapping[str, X25519PrivateKey], context: SealContext) -> bytes:
    """Return the secret.

    Args:
        private_keys: by sealing key id; the current one, and older ones while a rotation runs.

    Raises:
        KeyUnreadable: not our format, no such sealing key here, or anything was changed.
    """
    header = sealed[:_HEADER_BYTES]
    if len(sealed) < _HEADER_BYTES + _WRAP_BYTES + _NONCE_BYTES + _TAG_BYTES or header[:5] != _MAGIC + bytes(
        [FORMAT, ALGORITHM]
    ):
        raise KeyUnreadable("This key's row is not in the vault's format. Revoke it and add the key again.")
    private = private_keys.get(header[-_ID_BYTES:].hex())
    if private is None:
        raise KeyUnreadable(
            "This key was sealed to a vault key that this installation no longer has. Revoke it and add the key again."
        )
    bound = header + context.encode(with_key_id=bool(header[5] & _KEY_ID_BOUND))
    at = _HEADER_BYTES + _PUBLIC_BYTES
    sender, wrap, rest = sealed[_HEADER_BYTES:at], sealed[at : at + 12 + 48], sealed[at + 12 + 48 :]
    try:
        shared = private.exchange(X25519PublicKey.from_public_bytes(sender))
        wrapping = _agree(shared, sender=sender, recipient=_raw(private.public_key()))
        data_key = AESGCM(wrapping).decrypt(wrap[:12], wrap[12:], b"wrap" + bound)
        return AESGCM(data_key).decrypt(rest[:12], rest[12:], b"body" + bound)
    except (InvalidTag, ValueError):
        raise KeyUnreadable(
            "This key's row was changed or moved after it was sealed. Do not use it: look at the audit trail, "
            "revoke the key at the exchange, and add a new one."
        ) from None


def may_write(sealed: bytes) -> bool:
    """Whether the secret was sealed as one that may write. Means something only after `unseal`."""
    return len(sealed) > _HEADER_BYTES and bool(sealed[5] & _MAY_WRITE)


def _raw(public: X25519PublicKey) -> bytes:
    return public.public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)


def _agree(shared: bytes, *, sender: bytes, recipient: bytes) -> bytes:
    return HKDF(algorithm=hashes.SHA256(), length=_KEY_BYTES, salt=sender + recipient, info=_INFO).derive(shared)
