"""What an audit entry may carry: plain, exact, and never a secret."""

import datetime
import enum
import re
import uuid
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

# Names under which secrets travel. An exact match: "tokens" of a rate limit are no secret.
SECRET_NAMES = frozenset(
    {"password", "passphrase", "secret", "private_key", "pem", "token", "sealed", "session_key", "signature", "totp"}
)
# A PEM header, or the start of a PKCS#1 / PKCS#8 private key in base64 (2,048 bits and more).
_SECRET_TEXT = re.compile(r"PRIVATE KEY|MII[A-Za-z0-9+/]{3}IBA(?:AK|DAN)")


class SecretRefused(ValueError):
    """A secret was about to be written to the audit trail. Nothing was written."""


def plain(value: Any, *, where: str = "data") -> Any:
    """Return `value` as JSON types; `where` names it in errors, which never show the value.

    Decimal, UUID, enum and aware time become text, so that the digest is the same on every
    database.

    Raises:
        SecretRefused: the value looks like, or is named like, a secret.
        TypeError: any other type than the above and JSON's. A float is refused as inexact.
        ValueError: a naive time, or text with a NUL, which PostgreSQL cannot store.
    """
    if isinstance(value, enum.Enum):
        return plain(value.value, where=where)
    if value is None or isinstance(value, bool | int):
        return value
    if isinstance(value, str):
        return _text(value, where=where)
    if isinstance(value, Decimal | uuid.UUID):
        return str(value)
    if isinstance(value, datetime.datetime):
        if value.tzinfo is None:
            raise ValueError(f"{where}: a time without a zone")
        return value.astimezone(datetime.UTC).isoformat()
    if isinstance(value, Mapping):
        return {name: _member(name, item, where=where) for name, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        items = sorted(value) if isinstance(value, set | frozenset) else value
        return [plain(item, where=where) for item in items]
    # An allow-list: key objects, signers and bytes have no way in.
    raise TypeError(f"{where}: {type(value).__name__} does not belong in the audit trail")


def _text(value: str, *, where: str) -> str:
    if _SECRET_TEXT.search(value):
        raise SecretRefused(f"{where} looks like a private key")
    if "\x00" in value:
        raise ValueError(f"{where}: text with a NUL")
    return str(value)


def _member(name: Any, value: Any, *, where: str) -> Any:
    if not isinstance(name, str):
        raise TypeError(f"{where}: names are text")
    if name.lower() in SECRET_NAMES:
        raise SecretRefused(f"{where}.{name} is named like a secret")
    return plain(value, where=f"{where}.{name}")
