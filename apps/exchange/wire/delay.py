"""How old the feed's frames are when they reach us, whatever the two clocks say. Pure.

A frame's delay is our receive time minus the exchange's time. With a measured clock offset its
expected value is minus the offset; without one, the smallest delay of this connection stands for
a frame that came at once. More than LATE_AFTER above that is late (RELIABILITY I9).
"""

from dataclasses import dataclass
from math import inf

LATE_AFTER = 2_000  # ms
ON_TIME = 1_000  # ms: late ends below this, so that a feed at the border does not flicker


@dataclass(slots=True)
class Delay:
    """`low` and `high`: a delay strictly between them changes nothing and need not be noted."""

    low: float = inf
    high: float = -inf
    is_late: bool = False
    clock_offset_ms: int | None = None
    _least: float = inf

    def start(self) -> None:
        """A new connection: what was learned from the last one's frames no longer counts."""
        self._least = inf
        self.is_late = False
        self._set_bounds()

    def set_clock_offset(self, offset_ms: int | None) -> None:
        self.clock_offset_ms = offset_ms
        self._set_bounds()

    def note(self, delay_ms: int) -> None:
        """Take in a delay that is not between `low` and `high`."""
        self._least = min(self._least, delay_ms)
        above = delay_ms - self._expected()
        if self.is_late:
            self.is_late = above >= ON_TIME
        else:
            self.is_late = above >= LATE_AFTER
        self._set_bounds()

    def _expected(self) -> float:
        return self._least if self.clock_offset_ms is None else -self.clock_offset_ms

    def _set_bounds(self) -> None:
        expected = self._expected()
        if self.is_late:
            self.low, self.high = expected + ON_TIME, inf
        elif expected == inf:
            self.low, self.high = inf, -inf
        else:
            # Without a measured offset a smaller delay is news: it is the new expectation.
            self.low = -inf if self.clock_offset_ms is not None else expected - 1
            self.high = expected + LATE_AFTER
