"""What follows the end of a connection: wait so long, or stop until a person looks. Pure; time is an argument."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from apps.fix.engine.outputs import End

EASTERN: Final = ZoneInfo("America/New_York")
MAINTENANCE_DAY: Final = 3  # Thursday
MAINTENANCE_HOURS: Final = (3, 5)  # docs:fix/session-management, "Maintenance Window"
# How long the exchange may take to notice that an earlier connection is gone (docs:fix/error-handling).
STALE_SECONDS: Final = 60.0
_BACK_OFF: Final = (1.0, 2.0, 5.0, 10.0, 30.0)
# A mistake that will not mend itself is tried this often.
_MOST: Final = {End.SIGNATURE: 3, End.REFUSED: 5, End.LOOP: 3, End.PROTOCOL: 5, End.NUMBERS: 5, End.GAP: 20}


@dataclass(frozen=True, slots=True)
class Plan:
    """wait: seconds before the next attempt; None: stop. text: for people. is_planned: grey, not red."""

    wait: float | None
    text: str
    is_planned: bool = False


def plan(end: End, text: str, *, in_a_row: int, heartbeat: int, now: datetime) -> Plan:
    """Return what to do next.

    Args:
        in_a_row: how often connections ended in this way without a quiet minute between, this one included.
        heartbeat: seconds, of the session.
        now: aware.
    """
    back = maintenance_ends(now)
    if end is not End.REQUESTED and back is not None:
        wait = (back - now).total_seconds() + 5
        return Plan(wait, f"Scheduled maintenance until {back:%H:%M} in New York.", is_planned=True)
    if end is End.REQUESTED:
        return Plan(None, text or "Stopped.", is_planned=True)
    if end is End.MAINTENANCE:
        return Plan(30.0, "The exchange is in maintenance.", is_planned=True)
    if end is End.ALREADY_EXISTS:
        wait = min(STALE_SECONDS, 2.0 * heartbeat)
        why = (
            f"The exchange says that this key is connected already. It may take up to {wait:.0f} s to notice that an "
            "earlier connection is gone; if another program uses the key, give that one its own."
        )
        return Plan(wait, why)
    if end is End.CLOCK:
        why = "This machine's clock and the exchange's differ by more than 30 seconds. Set the clock (NTP)."
        return Plan(60.0, why)
    most = _MOST.get(end)
    if most is not None and in_a_row >= most:
        return Plan(None, f"Stopped after {in_a_row} attempts: {text} Look at it, then start the session again.")
    return Plan(_BACK_OFF[min(in_a_row, len(_BACK_OFF)) - 1], text)


def maintenance_ends(now: datetime) -> datetime | None:
    """Return when the weekly window ends (New York time), None outside of it."""
    local = now.astimezone(EASTERN)
    begin, end = MAINTENANCE_HOURS
    if local.weekday() != MAINTENANCE_DAY or not begin <= local.hour < end:
        return None
    return local.replace(hour=end, minute=0, second=0, microsecond=0)


def next_maintenance(now: datetime) -> datetime:
    """Return when the next weekly window begins, New York time."""
    local = now.astimezone(EASTERN)
    start = local.replace(hour=MAINTENANCE_HOURS[0], minute=0, second=0, microsecond=0)
    days = (MAINTENANCE_DAY - local.weekday()) % 7
    start += timedelta(days=days)
    return start if start > local else start + timedelta(days=7)
