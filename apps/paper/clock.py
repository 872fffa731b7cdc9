"""The clocks of the paper exchange. Everything that needs the time is given one of these."""

import time
from collections.abc import Callable
from typing import Protocol


class Clock(Protocol):
    """now_ms: Unix milliseconds, what the exchange says. monotonic_ms: never goes back, for budgets."""

    def now_ms(self) -> int: ...

    def monotonic_ms(self) -> float: ...


class SystemClock:
    """The machine's own time."""

    def now_ms(self) -> int:
        return time.time_ns() // 1_000_000

    def monotonic_ms(self) -> float:
        return time.monotonic_ns() / 1_000_000


class ManualClock:
    """A clock that stands still, or runs at `speed` times real time, until it is moved.

    Budgets refill by this clock too, so a test that steps it by a second earns a second of tokens.
    """

    def __init__(self, now_ms: int, *, speed: float = 0.0, source_ns: Callable[[], int] = time.monotonic_ns) -> None:
        self._base_ms = float(now_ms)
        self._speed = speed
        self._source_ns = source_ns
        self._mark_ns = source_ns()

    @property
    def speed(self) -> float:
        return self._speed

    def now_ms(self) -> int:
        return int(self.monotonic_ms())

    def monotonic_ms(self) -> float:
        if not self._speed:
            return self._base_ms
        return self._base_ms + (self._source_ns() - self._mark_ns) / 1_000_000 * self._speed

    def step(self, milliseconds: int) -> int:
        """Move forward and return the new time.

        Raises:
            ValueError: negative; an exchange's clock does not go back.
        """
        if milliseconds < 0:
            raise ValueError(f"cannot step back by {-milliseconds} ms")
        self._base_ms = self.monotonic_ms() + milliseconds
        self._mark_ns = self._source_ns()
        return self.now_ms()

    def set_speed(self, speed: float) -> None:
        """Run at `speed` times real time from now on; 0 stands still.

        Raises:
            ValueError: negative.
        """
        if speed < 0:
            raise ValueError(f"speed {speed} is negative")
        self.step(0)
        self._speed = speed
