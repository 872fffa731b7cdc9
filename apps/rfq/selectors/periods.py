"""A span of whole days in a person's time zone, as blotters and analytics are asked for it."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from apps.core.errors import DeskError

LONGEST = timedelta(days=366)


@dataclass(frozen=True, slots=True)
class Period:
    """From the start of `first` to the end of `last`, both days in `zone`."""

    first: date
    last: date
    zone: str

    @property
    def start(self) -> datetime:
        return datetime.combine(self.first, time(), ZoneInfo(self.zone)).astimezone(UTC)

    @property
    def end(self) -> datetime:
        """The first instant after it."""
        return datetime.combine(self.last + timedelta(days=1), time(), ZoneInfo(self.zone)).astimezone(UTC)

    @property
    def words(self) -> str:
        if self.first == self.last:
            return f"{self.first:%-d %b %Y} ({self.zone})"
        return f"{self.first:%-d %b %Y} to {self.last:%-d %b %Y} ({self.zone})"


def period_from(values: Mapping[str, Any], *, zone: str, now: datetime, days: int = 1) -> Period:
    """Read "from" and "to" (ISO dates); the last `days` days where they are absent. Raises DeskError `bad_input`."""
    today = now.astimezone(ZoneInfo(zone)).date()
    last = _day(values, "to") or today
    first = _day(values, "from") or min(last, today) - timedelta(days=days - 1)
    if first > last:
        raise _fault("from", "The first day is after the last one.")
    if last - first >= LONGEST:
        raise _fault("from", f"At most {LONGEST.days} days at once.")
    return Period(first, last, zone)


def _day(values: Mapping[str, Any], name: str) -> date | None:
    text = str(values.get(name, "")).strip()
    if not text:
        return None
    try:
        day = date.fromisoformat(text)
    except ValueError:
        raise _fault(name, "Give a day as 2026-11-21.") from None
    if not 2000 <= day.year <= 2200:
        raise _fault(name, "This is not a day that the desk knows of.")
    return day


def _fault(name: str, text: str) -> DeskError:
    return DeskError("bad_input", text, fields={name: text})
