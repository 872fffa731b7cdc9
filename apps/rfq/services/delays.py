"""How long frames of the communications channel take to reach us, learned from the stream of requests itself.

Only differences count: the least that was seen stands for a frame that did not wait, whatever the clocks say.
"""

import threading
import time
from collections import deque
from datetime import timedelta
from typing import Any, Final

from apps.core.errors import WireFormatError
from apps.core.ports import FeedContext
from apps.core.timestamps import parse_rfc3339, to_unix_ms

# The way of a frame that does not wait; half a round trip over the Atlantic, and some.
ON_THE_WAY: Final = timedelta(milliseconds=150)
RECENT: Final = 10.0  # seconds that a seen delay counts
REMEMBERED: Final = 300.0  # seconds that the least one counts: two quartz clocks drift by a few ms in that time


class FeedDelay:
    """How much later than the quickest frame the recent ones came. Safe between threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._recent: deque[tuple[float, int]] = deque()
        self._least: int | None = None
        self._least_at = 0.0

    def note(self, lag_ms: int, *, at: float) -> None:
        """lag_ms: our clock at the receipt minus the exchange's at the making. at: monotonic seconds."""
        with self._lock:
            if self._least is None or lag_ms <= self._least or at - self._least_at > REMEMBERED:
                self._least, self._least_at = lag_ms, at
            self._recent.append((at, lag_ms))
            self._drop(at)

    def most(self, *, at: float) -> timedelta:
        """Return how long a frame that came now may have been on its way."""
        with self._lock:
            self._drop(at)
            waited = max((lag for _, lag in self._recent), default=self._least or 0) - (self._least or 0)
        return ON_THE_WAY + timedelta(milliseconds=waited)

    def _drop(self, at: float) -> None:
        while self._recent and at - self._recent[0][0] > RECENT:
            self._recent.popleft()


_delays: dict[str, FeedDelay] = {}


def delay_of(environment: str) -> FeedDelay:
    return _delays.setdefault(environment, FeedDelay())


def requests_seen(context: FeedContext, messages: list[Any]) -> None:
    """A stream taker: one request of each bunch tells how old the bunch is."""
    try:
        made_ms = to_unix_ms(parse_rfc3339(messages[-1].created_ts or ""))
    except WireFormatError:
        return
    delay_of(context.environment).note(context.recv_ms - made_ms, at=time.monotonic())
