"""API keys and request signatures (docs: getting_started/api_keys).

A signature is RSA-PSS over SHA-256, MGF1-SHA-256, salt as long as the digest, of
timestamp in milliseconds + METHOD + path without query, base64.
"""

import base64
import binascii
import uuid
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey, generate_private_key

from apps.paper.server.http import ApiError, Request

SCOPES = ("read", "write")
KEY_BITS = 2048
# The documentation names no window for REST; its FIX pages allow 30 s. Ours is narrower, so that a
# client with a wrong clock notices here before it does there.
TIMESTAMP_WINDOW_MS = 10_000

_PSS = padding.PSS(mgf=padding.MGF1(hashes.SHA256()), salt_length=padding.PSS.DIGEST_LENGTH)
_SHA256 = hashes.SHA256()
_AUTH_HEADERS = ("kalshi-access-key", "kalshi-access-timestamp", "kalshi-access-signature")


@dataclass(frozen=True, slots=True)
class AccessKey:
    """One API key of a member; the exchange holds the public half only."""

    key_id: str
    user_id: str
    name: str
    scopes: tuple[str, ...]
    public_key: RSAPublicKey


class KeyRing:
    """All keys; a change counts from the next request on. on_change: called after each change.

    on_removed: called with the id of a removed key, so that its sockets can be closed.
    """

    def __init__(self) -> None:
        self._keys: dict[str, AccessKey] = {}
        self.on_change: Callable[[], None] | None = None
        self.on_removed: Callable[[str], None] | None = None
        self.window_ms = TIMESTAMP_WINDOW_MS

    def get(self, key_id: str) -> AccessKey | None:
        return self._keys.get(key_id)

    def of_user(self, user_id: str) -> list[AccessKey]:
        return [key for key in self._keys.values() if key.user_id == user_id]

    def add(
        self,
        public_key: RSAPublicKey,
        *,
        user_id: str,
        name: str,
        scopes: Iterable[str] | None = None,
        key_id: str | None = None,
    ) -> AccessKey:
        """Register a key and return it.

        Raises:
            ApiError: 400, scopes that the exchange does not know, or `write` without `read`.
        """
        key = AccessKey(key_id or str(uuid.uuid4()), user_id, name, _checked_scopes(scopes), public_key)
        self._keys[key.key_id] = key
        self._changed()
        return key

    def remove(self, key_id: str, *, user_id: str) -> None:
        """Forget a key of this member.

        Raises:
            ApiError: 404, no such key of this member.
        """
        key = self._keys.get(key_id)
        if key is None or key.user_id != user_id:
            raise ApiError(404, "not_found", "API key not found")
        del self._keys[key_id]
        self._changed()
        if self.on_removed is not None:
            self.on_removed(key_id)

    def _changed(self) -> None:
        if self.on_change is not None:
            self.on_change()

    def authenticate(self, request: Request, *, now_ms: int) -> AccessKey | None:
        """Return the key that signed the request, or None when it carries no access header at all.

        Raises:
            ApiError: 401, incomplete headers, unknown key, stale timestamp or wrong signature.
        """
        key_id, timestamp, signature = (request.headers.get(name, "") for name in _AUTH_HEADERS)
        if not (key_id or timestamp or signature):
            return None
        if not (key_id and timestamp and signature):
            raise _refused("MISSING_HEADERS", "all three KALSHI-ACCESS headers are needed")
        key = self._keys.get(key_id)
        if key is None:
            raise _refused("API_KEY_NOT_FOUND", "unknown API key")
        if not timestamp.isascii() or not timestamp.isdigit() or len(timestamp) > 15:
            raise _refused("INVALID_TIMESTAMP", "KALSHI-ACCESS-TIMESTAMP must be Unix milliseconds")
        if abs(int(timestamp) - now_ms) > self.window_ms:
            raise _refused(
                "TIMESTAMP_OUT_OF_WINDOW",
                f"the timestamp is {int(timestamp) - now_ms} ms off the exchange's clock "
                f"(at most {self.window_ms} ms are allowed)",
            )
        message = f"{timestamp}{request.method}{request.path}".encode()
        try:
            key.public_key.verify(base64.b64decode(signature, validate=True), message, _PSS, _SHA256)
        except (InvalidSignature, binascii.Error, ValueError) as exc:
            raise _refused("INCORRECT_API_KEY_SIGNATURE", "the signature does not match") from exc
        return key


def sign_headers(
    private_key: RSAPrivateKey, *, key_id: str, timestamp_ms: int, method: str, path: str
) -> Mapping[str, str]:
    """Return the access headers that `KeyRing.authenticate` accepts; for tests and own clients."""
    message = f"{timestamp_ms}{method}{path.partition('?')[0]}".encode()
    return {
        "KALSHI-ACCESS-KEY": key_id,
        "KALSHI-ACCESS-TIMESTAMP": str(timestamp_ms),
        "KALSHI-ACCESS-SIGNATURE": base64.b64encode(private_key.sign(message, _PSS, _SHA256)).decode("ascii"),
    }


def parse_public_key(pem: str) -> RSAPublicKey:
    """Return the RSA public key of a PEM text.

    Raises:
        ApiError: 400, not a PEM public key, not RSA, or shorter than 2048 bits.
    """
    try:
        key = serialization.load_pem_public_key(pem.encode())
    except (ValueError, UnsupportedAlgorithm) as exc:
        raise ApiError(400, "invalid_public_key", "public_key must be a PEM RSA public key") from exc
    if not isinstance(key, RSAPublicKey) or key.key_size < KEY_BITS:
        raise ApiError(400, "invalid_public_key", f"public_key must be RSA of at least {KEY_BITS} bits")
    return key


def generate_pem() -> tuple[RSAPrivateKey, str]:
    """Return a new private key and its PEM text (PKCS#1, as the exchange hands it out)."""
    key = generate_private_key(public_exponent=65537, key_size=KEY_BITS)
    pem = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
    )
    return key, pem.decode("ascii")


def _checked_scopes(scopes: Iterable[str] | None) -> tuple[str, ...]:
    if scopes is None:
        return SCOPES
    wanted = set(scopes)
    unknown = sorted(wanted - set(SCOPES))
    if unknown:
        raise ApiError(400, "invalid_scopes", f"unknown scopes: {', '.join(unknown)}")
    if "read" not in wanted:
        raise ApiError(400, "invalid_scopes", "scopes must include read")
    return tuple(scope for scope in SCOPES if scope in wanted)


def _refused(details: str, message: str) -> ApiError:
    return ApiError(401, "authentication_error", message, details=details)
