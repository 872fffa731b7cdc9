"""The weekly maintenance window: Thursdays, 3 to 5 AM in New York (docs: maintenance_and_pauses)."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

EASTERN = ZoneInfo("America/New_York")
THURSDAY = 3
BEGINS, ENDS = time(3), time(5)


@dataclass(frozen=True, slots=True)
class Window:
    """One window, Unix milliseconds; `end_ms` is outside."""

    start_ms: int
    end_ms: int


def next_window(from_ms: int) -> Window:
    """The window that an instant is in, or the first one after it."""
    day = datetime.fromtimestamp(from_ms / 1000, tz=UTC).astimezone(EASTERN).date()
    day += timedelta(days=(THURSDAY - day.weekday()) % 7)
    window = _window(day)
    return window if from_ms < window.end_ms else _window(day + timedelta(days=7))


def _window(day: date) -> Window:
    start, end = (int(datetime.combine(day, at, tzinfo=EASTERN).timestamp()) * 1000 for at in (BEGINS, ENDS))
    return Window(start, end)
