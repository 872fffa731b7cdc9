"""Signing exchange requests with an opened key. Source: docs:api_environments, "Request Signing"."""

import base64
import datetime
import threading
from collections.abc import Iterable
from typing import NoReturn

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from django.views.decorators.debug import sensitive_variables

from apps.vault.allowed import READ, WRITE, is_signed, scope_of
from apps.vault.errors import PathRefused, ScopeRefused
from apps.vault.pem import private_key_read

__all__ = ["READ", "WRITE", "KeySigner"]
_PSS = padding.PSS(mgf=padding.MGF1(hashes.SHA256()), salt_length=padding.PSS.DIGEST_LENGTH)


class KeySigner:
    """One opened key. Holds the key object, because loading a PEM costs a hundred signatures.

    It shows nothing of the key, cannot be copied or pickled, and refuses what its scopes and the list of
    `vault.allowed` do not allow. Safe to share between threads.
    """

    __slots__ = (
        "_is_listed",
        "_lock",
        "_logs_on_to",
        "_private_key",
        "_unreported",
        "_used_at",
        "account_id",
        "key_id",
        "row_id",
        "scopes",
    )

    def __init__(
        self,
        private_key: RSAPrivateKey,
        *,
        key_id: str,
        scopes: Iterable[str],
        row_id: int | None = None,
        account_id: int | None = None,
        is_listed: bool = True,
        logs_on_to: str = "",
    ) -> None:
        self._private_key = private_key
        self._logs_on_to = logs_on_to
        self._lock = threading.Lock()
        self._unreported = 0
        self._used_at: datetime.datetime | None = None
        self._is_listed = is_listed
        self.key_id = key_id
        self.scopes = frozenset(scopes)
        self.row_id = row_id
        self.account_id = account_id

    @classmethod
    @sensitive_variables()
    def from_pem(cls, *, key_id: str, pem: bytes | str, scopes: Iterable[str]) -> "KeySigner":
        """For tools and tests that hold their own key, outside of the vault: any path of its scopes, and any logon.

        Raises KeyRefused, as an import does.
        """
        raw = pem.encode() if isinstance(pem, str) else pem
        return cls(private_key_read(raw).private_key, key_id=key_id, scopes=scopes, is_listed=False)

    def headers(self, method: str, path: str, timestamp_ms: int) -> dict[str, str]:
        """Return the three KALSHI-ACCESS headers of one request.

        Args:
            path: from the host root, e.g. "/trade-api/v2/portfolio/orders"; a query is dropped.
            timestamp_ms: Unix milliseconds.

        Raises:
            ScopeRefused: the method writes and the key may only read. Nothing was signed.
            PathRefused: the request is none that the desk makes. Nothing was signed.
        """
        verb, bare = method.upper(), path.partition("?")[0]
        if scope_of(verb) not in self.scopes:
            raise ScopeRefused
        if self._is_listed and not is_signed(self.scopes, verb, bare):
            raise PathRefused(verb, bare)
        message = f"{timestamp_ms}{verb}{bare}".encode()
        signature = self._private_key.sign(message, _PSS, hashes.SHA256())
        with self._lock:
            self._unreported += 1
            self._used_at = datetime.datetime.now(datetime.UTC)
        return {
            "KALSHI-ACCESS-KEY": self.key_id,
            "KALSHI-ACCESS-TIMESTAMP": str(timestamp_ms),
            "KALSHI-ACCESS-SIGNATURE": base64.b64encode(signature).decode("ascii"),
        }

    def logon_signature(self, text: str) -> str:
        """Return the signature of a FIX logon, base64. Source: docs:fix/authentication, "Signature Generation".

        Args:
            text: SendingTime, "A", MsgSeqNum, this key's id and its TargetCompID (`allowed.LOGONS`), SOH between them.

        Raises:
            ValueError: anything else. Nothing was signed: a signer is no oracle for other protocols.
        """
        parts = text.split("\x01")
        is_logon = len(parts) == 5 and parts[1] == "A" and parts[2].isascii() and parts[2].isdigit()
        is_ours = not self._is_listed or (parts[-1] == self._logs_on_to != "")
        if not is_logon or parts[3] != self.key_id or not is_ours:
            raise ValueError("not the text of a FIX logon of this key")
        signature = self._private_key.sign(text.encode(), _PSS, hashes.SHA256())
        with self._lock:
            self._unreported += 1
            self._used_at = datetime.datetime.now(datetime.UTC)
        return base64.b64encode(signature).decode("ascii")

    def uses_take(self) -> tuple[int, datetime.datetime | None]:
        """Return uses since the last call, and the time of the newest."""
        with self._lock:
            taken, self._unreported = self._unreported, 0
            return taken, self._used_at

    def __repr__(self) -> str:
        return f"<KeySigner row={self.row_id} scopes={sorted(self.scopes)}>"

    def __reduce__(self) -> NoReturn:
        raise TypeError("a signer stays in the process that opened it")

    def __deepcopy__(self, memo: object) -> NoReturn:
        raise TypeError("a signer stays in the process that opened it")

    def __copy__(self) -> NoReturn:
        raise TypeError("a signer stays in the process that opened it")
