"""Who gets the event loop first: traders at once, everybody else a few at a time.

A frame for two hundred screens costs this process some thirty milliseconds of writing, their heartbeats and the answers
to them another eighty. Done in one go, an order that arrives meanwhile waits for all of it. So browsers of people who
only look are woken AT_ONCE of them and then PAUSE later the next; their outbox keeps the newest frame meanwhile.
With fewer of them than that nobody waits.
"""

import asyncio
from collections.abc import Callable
from itertools import islice
from typing import Protocol

AT_ONCE = 6
PAUSE = 0.002  # seconds


class Timer(Protocol):
    def cancel(self) -> None: ...


class Waiting(Protocol):
    def wake(self) -> None: ...


class Pace:
    """Wakes browsers in the order in which they asked.

    Args:
        later: calls a function after so many seconds; the running loop's own when not given.
    """

    def __init__(self, later: Callable[[float, Callable[[], None]], Timer] | None = None) -> None:
        self._later = later
        self._waiting: dict[Waiting, None] = {}  # in order
        self._left = AT_ONCE
        self._timer: Timer | None = None

    def want(self, browser: Waiting) -> None:
        """Wake `browser` now or as soon as it is its turn; asking again meanwhile changes nothing."""
        if self._left:
            self._waiting.pop(browser, None)
            self._left -= 1
            browser.wake()
        else:
            self._waiting.setdefault(browser)
        if self._timer is None:
            self._arm()

    def forget(self, browser: Waiting) -> None:
        self._waiting.pop(browser, None)

    def stop(self) -> None:
        """The loop ends: nobody waits any more."""
        if self._timer is not None:
            self._timer.cancel()
        self._timer = None
        self._waiting.clear()
        self._left = AT_ONCE

    def _arm(self) -> None:
        later = self._later or asyncio.get_running_loop().call_later
        self._timer = later(PAUSE, self._turn)

    def _turn(self) -> None:
        self._timer = None
        self._left = AT_ONCE
        for browser in list(islice(self._waiting, AT_ONCE)):
            del self._waiting[browser]
            self._left -= 1
            browser.wake()
        if self._left < AT_ONCE:
            self._arm()
