"""When an exchange is open, by its own schedule. Pure: no database, no network.

Hours are those of New York; a session that ends at or before its beginning goes on into the next day. What the
documentation leaves open (docs/architecture.md): "23:59", like "24:00" and "00:00", ends with the day, so that two
whole days join; of two weekly schedules in effect at once, the one that began later holds.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from apps.core.errors import WireFormatError
from apps.core.timestamps import parse_rfc3339
from apps.exchange.wire.schemas.rest import MaintenanceWindow, Schedule, WeeklySchedule

EASTERN = ZoneInfo("America/New_York")
DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
LOOK_AHEAD = timedelta(days=15)
WARNED_AHEAD = timedelta(minutes=60)
_DAY = timedelta(days=1)
_END_OF_DAY = ("23:59", "24:00", "00:00")


@dataclass(frozen=True, slots=True)
class Window:
    """`end` is outside."""

    start: datetime
    end: datetime


@dataclass(frozen=True, slots=True)
class Week:
    """Sessions by weekday (0 is Monday), opening and closing time; None: with the end of the day."""

    effective: Window
    sessions: tuple[tuple[tuple[time, time | None], ...], ...]


@dataclass(frozen=True, slots=True)
class Hours:
    """is_open: None where no schedule is in effect. until: when that changes, None: not within 15 days."""

    is_open: bool | None
    until: datetime | None


def weeks_of(schedule: Schedule) -> list[Week]:
    """Raises WireFormatError for a time that is none."""
    return [_week(one) for one in schedule.standard_hours or []]


def windows_of(schedule: Schedule) -> list[Window]:
    """Return the maintenance windows, the earliest first. Raises WireFormatError."""
    return sorted(
        (_window(one) for one in schedule.maintenance_windows or []), key=lambda window: (window.start, window.end)
    )


def hours_at(weeks: Sequence[Week], now: datetime) -> Hours:
    """Return whether the exchange is open at `now`, and until when."""
    is_open = _is_open(weeks, now)
    changes = (at for at in sorted(_changes(weeks, now)) if at > now and _is_open(weeks, at) != is_open)
    return Hours(is_open, next(changes, None))


def maintenance_near(windows: Sequence[Window], now: datetime, *, ahead: timedelta = WARNED_AHEAD) -> Window | None:
    """Return the window that `now` is in, else the next one that begins within `ahead`."""
    return next((one for one in windows if one.end > now and one.start - now <= ahead), None)


def moment_words(at: datetime, *, now: datetime) -> str:
    """Return "02:59 ET (07:59 UTC)", with the day where it is not today, with the date where it is a week away."""
    there = at.astimezone(EASTERN)
    days = (there.date() - now.astimezone(EASTERN).date()).days
    day = "" if days == 0 else f"{there:%a} " if 0 < days < 7 else f"{there:%a} {there.day} {there:%b} "
    other = "" if there.date() == at.date() else f"{at:%a} "
    return f"{day}{there:%H:%M} ET ({other}{at:%H:%M} UTC)"


def hours_words(hours: Hours, *, now: datetime) -> str:
    if hours.is_open is None:
        return "The exchange gives no hours for now"
    if hours.until is None:
        return "Exchange open around the clock" if hours.is_open else "Exchange closed by its schedule"
    until = moment_words(hours.until, now=now)
    return f"Exchange open until {until}" if hours.is_open else f"Exchange closed by its schedule, opens {until}"


def week_words(weeks: Sequence[Week], now: datetime) -> list[tuple[str, str]]:
    """Return each day of the week that is in effect with its sessions in the time of New York."""
    week = _in_effect(weeks, now)
    if week is None:
        return []
    return [
        (day.capitalize(), ", ".join(_session_words(*one) for one in sorted(sessions, key=str)) or "closed")
        for day, sessions in zip(DAYS, week.sessions, strict=True)
    ]


def _session_words(opens: time, closes: time | None) -> str:
    return f"{opens:%H:%M} to {closes:%H:%M}" if closes else f"{opens:%H:%M} to 24:00"


def _in_effect(weeks: Sequence[Week], at: datetime) -> Week | None:
    begun = (one for one in weeks if one.effective.start <= at < one.effective.end)
    return max(begun, key=lambda one: one.effective.start, default=None)


def _week(raw: WeeklySchedule) -> Week:
    return Week(
        Window(parse_rfc3339(raw.start_time), parse_rfc3339(raw.end_time)),
        tuple(
            tuple((_time(one.open_time), _closing(one.close_time)) for one in getattr(raw, day) or []) for day in DAYS
        ),
    )


def _window(raw: MaintenanceWindow) -> Window:
    return Window(parse_rfc3339(raw.start_datetime), parse_rfc3339(raw.end_datetime))


def _closing(raw: str) -> time | None:
    return None if raw in _END_OF_DAY else _time(raw)


def _time(raw: str) -> time:
    try:
        hour, minute = raw.split(":")[:2]
        return time(int(hour), int(minute))
    except ValueError as exc:
        raise WireFormatError(f"not a time of day: {raw[:20]!r}") from exc


def _is_open(weeks: Sequence[Week], at: datetime) -> bool | None:
    week = _in_effect(weeks, at)
    if week is None:
        return None
    today = at.astimezone(EASTERN).date()
    return any(one.start <= at < one.end for day in (today - _DAY, today) for one in _sessions(week, day))


def _sessions(week: Week, day: date) -> Iterator[Window]:
    for opens, closes in week.sessions[day.weekday()]:
        is_next = closes is None or closes <= opens
        end = datetime.combine(day + _DAY if is_next else day, closes or time(0), tzinfo=EASTERN)
        yield Window(_utc(datetime.combine(day, opens, tzinfo=EASTERN)), _utc(end))


def _utc(there: datetime) -> datetime:
    return parse_rfc3339(there.isoformat())


def _changes(weeks: Sequence[Week], now: datetime) -> set[datetime]:
    """Every moment within LOOK_AHEAD at which it may open or close."""
    first, found = now.astimezone(EASTERN).date() - _DAY, set()
    for week in weeks:
        found |= {week.effective.start, week.effective.end}
        for number in range(LOOK_AHEAD.days + 2):
            for one in _sessions(week, first + number * _DAY):
                found |= {one.start, one.end}
    return {at for at in found if at <= now + LOOK_AHEAD}
