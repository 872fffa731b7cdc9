"""How far the exchange's clock is from ours, learned from the answers we get anyway. Pure."""

from dataclasses import dataclass
from datetime import UTC
from email.utils import parsedate_to_datetime

_KEEP_MS = 300_000  # two quartz clocks drift by a few ms in that time
# The Date header has whole seconds; a server of ours says the milliseconds too.
MS_HEADER = "x-exchange-time-ms"


@dataclass(slots=True)
class ClockOffset:
    """Exchange clock minus ours, as the interval that all recent answers agree on.

    An answer that left at most `received_ms` and at least `sent_ms` (our clock) and names the
    exchange's time bounds the offset from both sides; the bounds of several answers intersect.
    """

    low_ms: int | None = None
    high_ms: int = 0
    measured_at_ms: int = 0

    @property
    def ms(self) -> int | None:
        """The middle of what is possible, None before the first measurement."""
        return None if self.low_ms is None else (self.low_ms + self.high_ms) // 2

    def note(self, *, sent_ms: int, received_ms: int, server_ms: int, resolution_ms: int) -> None:
        """Take in one answer. server_ms is truncated to resolution_ms."""
        low, high = server_ms - received_ms, server_ms + resolution_ms - sent_ms
        expired = received_ms - self.measured_at_ms > _KEEP_MS or received_ms < self.measured_at_ms
        if self.low_ms is None or expired or low > self.high_ms or high < self.low_ms:
            # First, old, or contradicting (one of the clocks was set): only the newest counts.
            self.low_ms, self.high_ms, self.measured_at_ms = low, high, received_ms
            return
        self.low_ms, self.high_ms = max(low, self.low_ms), min(high, self.high_ms)


def server_time(date: str | None, milliseconds: str | None) -> tuple[int, int] | None:
    """Return (Unix ms, resolution in ms) from the two headers, None when neither can be read."""
    if milliseconds is not None and milliseconds.isascii() and milliseconds.isdigit() and len(milliseconds) < 16:
        return int(milliseconds), 1
    if date is None:
        return None
    try:
        moment = parsedate_to_datetime(date)
    except ValueError:
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return int(moment.timestamp()) * 1000, 1000
