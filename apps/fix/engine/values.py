"""Values of FIX fields: how each type is written and what it accepts. Source: FIX 5.0 SP2, volume 1, data types."""

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import lru_cache
from typing import Final

from apps.core.errors import WireFormatError

# Most values of a feed repeat: flags, counts, prices, the second that it is.
CACHED: Final = 4_096
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_DIGITS = re.compile(r"[0-9]{1,18}")
_INTEGER = re.compile(r"-?[0-9]{1,18}")
_DECIMAL = re.compile(r"-?(?=[0-9.])[0-9]{0,18}(?:\.[0-9]{0,18})?")
_TIMESTAMP = re.compile(r"([0-9]{4})([0-9]{2})([0-9]{2})-([0-9]{2}):([0-9]{2}):([0-9]{2})(?:\.([0-9]{1,9}))?")
_DATE = re.compile(r"([0-9]{4})([0-9]{2})([0-9]{2})")


def timestamp_write(unix_ms: int) -> str:
    """Return UTCTimestamp with milliseconds, as Kalshi asks: "20230809-05:28:18.035"."""
    moment = _EPOCH + timedelta(milliseconds=unix_ms)
    return f"{moment:%Y%m%d-%H:%M:%S}.{unix_ms % 1000:03d}"


@lru_cache(maxsize=CACHED)
def timestamp_read(raw: str) -> int:
    """Return Unix milliseconds; finer digits are cut off. Raises WireFormatError.

    A leap second ("23:59:60") is read as the second after it.
    """
    moment, sub_ms = _moment(raw)
    return (moment - _EPOCH) // timedelta(milliseconds=1) + sub_ms // 1000


@lru_cache(maxsize=CACHED)
def moment_read(raw: str) -> datetime:
    """Return an aware UTC datetime with microseconds. Raises WireFormatError."""
    moment, micros = _moment(raw)
    return moment + timedelta(microseconds=micros)


def _moment(raw: str) -> tuple[datetime, int]:
    match = _TIMESTAMP.fullmatch(raw)
    if match is None:
        raise WireFormatError(f"expected YYYYMMDD-HH:MM:SS.mmm, was {raw[:40]!r}")
    year, month, day, hour, minute, second = (int(part) for part in match.groups()[:6])
    leap = second == 60
    try:
        moment = datetime(year, month, day, hour, minute, 59 if leap else second, tzinfo=UTC)
    except ValueError as exc:
        raise WireFormatError(f"no such time: {raw[:40]!r}") from exc
    try:
        return moment + timedelta(seconds=int(leap)), int((match[7] or "0").ljust(6, "0")[:6])
    except OverflowError as exc:
        raise WireFormatError(f"no such time: {raw[:40]!r}") from exc


@lru_cache(maxsize=CACHED)
def whole_read(raw: str) -> int:
    """Return a number of digits only, such as a sequence number. Raises WireFormatError."""
    if _DIGITS.fullmatch(raw) is None:
        raise WireFormatError(f"expected digits, was {raw[:40]!r}")
    return int(raw)


@lru_cache(maxsize=CACHED)
def integer_read(raw: str) -> int:
    """Return a signed integer. Raises WireFormatError."""
    if _INTEGER.fullmatch(raw) is None:
        raise WireFormatError(f"expected an integer, was {raw[:40]!r}")
    return int(raw)


@lru_cache(maxsize=CACHED)
def decimal_read(raw: str) -> Decimal:
    """Return a FIX float as an exact Decimal ("23", "-.5", "23." are allowed). Raises WireFormatError."""
    if _DECIMAL.fullmatch(raw) is None or not any(char.isdigit() for char in raw):
        raise WireFormatError(f"expected a decimal number, was {raw[:40]!r}")
    return Decimal(raw)


def decimal_write(value: Decimal) -> str:
    """Return a plain decimal without exponent. Raises WireFormatError for NaN and infinities."""
    if not value.is_finite():
        raise WireFormatError(f"not a finite number: {value}")
    return format(value, "f")


def flag_read(raw: str) -> bool:
    """Return a FIX Boolean. Raises WireFormatError for anything but Y and N."""
    if raw not in ("Y", "N"):
        raise WireFormatError(f"expected Y or N, was {raw[:40]!r}")
    return raw == "Y"


def flag_write(value: bool) -> str:
    return "Y" if value else "N"


@lru_cache(maxsize=CACHED)
def date_read(raw: str) -> str:
    """Check LocalMktDate (YYYYMMDD) and return it as ISO 8601. Raises WireFormatError."""
    match = _DATE.fullmatch(raw)
    if match is None:
        raise WireFormatError(f"expected YYYYMMDD, was {raw[:40]!r}")
    try:
        return datetime(int(match[1]), int(match[2]), int(match[3]), tzinfo=UTC).date().isoformat()
    except ValueError as exc:
        raise WireFormatError(f"no such day: {raw[:40]!r}") from exc


def _character(raw: str) -> None:
    if len(raw) != 1:
        raise WireFormatError(f"expected one character, was {raw[:40]!r}")


_CHECKS: Final[dict[str, Callable[[str], object]]] = {
    "AMT": decimal_read,
    "BOOLEAN": flag_read,
    "CHAR": _character,
    "DECIMAL": decimal_read,
    "INT": integer_read,
    "LENGTH": whole_read,
    "LOCALMKTDATE": date_read,
    "NUMINGROUP": whole_read,
    "PRICE": decimal_read,
    "QTY": decimal_read,
    "SEQNUM": whole_read,
    "UTCTIMESTAMP": timestamp_read,
}


def check_of(type_name: str) -> Callable[[str], object] | None:
    """Return the function that raises WireFormatError when a value is not of this type; None: any value is."""
    return _CHECKS.get(type_name)
