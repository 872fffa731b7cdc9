"""Times: aware UTC datetimes inside, RFC 3339 or Unix integers on the wire.

Integers are never divided through a float, so milliseconds and microseconds survive both ways.
Pure Python without Django: the paper exchange imports this module too.
"""

import re
import time
from datetime import UTC, datetime, timedelta
from typing import Final

from apps.core.errors import WireFormatError

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND: Final = timedelta(milliseconds=1)
_SECOND: Final = timedelta(seconds=1)
_RFC3339 = re.compile(
    r"([0-9]{4}-[0-9]{2}-[0-9]{2})[Tt]([0-9]{2}:[0-9]{2}:[0-9]{2})(?:\.([0-9]{1,9}))?([Zz]|[+-][0-9]{2}:[0-9]{2})"
)


def utc_now() -> datetime:
    return datetime.now(UTC)


def unix_ms_now() -> int:
    """Unix milliseconds by the system clock (what KALSHI-ACCESS-TIMESTAMP wants)."""
    return time.time_ns() // 1_000_000


def parse_rfc3339(raw: str) -> datetime:
    """Return an aware UTC datetime. Digits below the microsecond are cut off.

    Raises:
        WireFormatError: not RFC 3339 with an offset, or no such date or time.
    """
    match = _RFC3339.fullmatch(raw) if isinstance(raw, str) else None
    if match is None:
        raise WireFormatError(f"expected an RFC 3339 time with an offset, was {str(raw)[:60]!r}")
    day, clock, fraction, offset = match.groups(default="")
    micros = fraction[:6].ljust(6, "0")
    zone = "+00:00" if offset in "Zz" else offset
    try:
        return datetime.fromisoformat(f"{day}T{clock}.{micros}{zone}").astimezone(UTC)
    except (ValueError, OverflowError) as exc:
        raise WireFormatError(f"no such time: {raw!r}") from exc


def format_rfc3339(moment: datetime) -> str:
    """Write an aware datetime in UTC: "2026-08-07T11:46:20Z", with six digits when there are any.

    Raises:
        ValueError: `moment` is naive.
    """
    utc = _aware(moment).astimezone(UTC).replace(tzinfo=None)
    return f"{utc.isoformat()}Z"


def from_unix_ms(milliseconds: int) -> datetime:
    """Raises WireFormatError for anything but an integer inside the years 1 to 9999."""
    return _from_epoch(milliseconds, _MILLISECOND)


def from_unix_seconds(seconds: int) -> datetime:
    """Raises WireFormatError for anything but an integer inside the years 1 to 9999."""
    return _from_epoch(seconds, _SECOND)


def to_unix_ms(moment: datetime) -> int:
    """Return whole milliseconds, rounded down. Raises ValueError for a naive datetime."""
    return (_aware(moment) - _EPOCH) // _MILLISECOND


def to_unix_seconds(moment: datetime) -> int:
    """Return whole seconds, rounded down. Raises ValueError for a naive datetime."""
    return (_aware(moment) - _EPOCH) // _SECOND


def _from_epoch(amount: int, unit: timedelta) -> datetime:
    if not isinstance(amount, int) or isinstance(amount, bool):
        raise WireFormatError(f"expected an integer Unix time, was {type(amount).__name__}")
    try:
        return _EPOCH + amount * unit
    except OverflowError as exc:
        raise WireFormatError(f"Unix time out of range: {amount}") from exc


def _aware(moment: datetime) -> datetime:
    if moment.utcoffset() is None:
        raise ValueError("naive datetime: say which time zone it is in")
    return moment
