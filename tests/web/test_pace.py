"""Browsers of people who only look are woken a few at a time; nobody is forgotten or woken twice for one wish."""

from collections.abc import Callable

from apps.web.client import Client
from apps.web.outbox import Frame
from apps.web.pace import AT_ONCE, Pace


class Clock:
    """Calls what was asked for later when the test says so."""

    def __init__(self) -> None:
        self.due: list[Callable[[], None]] = []

    def later(self, seconds: float, call: Callable[[], None]) -> "Clock":
        assert seconds > 0
        self.due.append(call)
        return self

    def cancel(self) -> None:
        self.due.clear()

    def turn(self) -> None:
        due, self.due = self.due, []
        for call in due:
            call()


class Browser:
    def __init__(self) -> None:
        self.woken = 0

    def wake(self) -> None:
        self.woken += 1


def test_a_burst_is_woken_a_few_at_a_time_in_order_and_each_once() -> None:
    clock = Clock()
    pace = Pace(clock.later)
    browsers = [Browser() for _ in range(3 * AT_ONCE + 1)]
    for browser in browsers:
        pace.want(browser)
        if not browser.woken:
            pace.want(browser)

    woken = [sum(one.woken for one in browsers)]
    while clock.due:
        clock.turn()
        woken.append(sum(one.woken for one in browsers))

    assert woken == [AT_ONCE, 2 * AT_ONCE, 3 * AT_ONCE, 3 * AT_ONCE + 1, 3 * AT_ONCE + 1]
    assert {one.woken for one in browsers} == {1}


def test_few_browsers_never_wait() -> None:
    clock = Clock()
    pace = Pace(clock.later)
    few = [Browser() for _ in range(AT_ONCE)]
    for _ in range(5):
        for browser in few:
            pace.want(browser)
        clock.turn()

    assert {one.woken for one in few} == {5}


def test_who_leaves_while_waiting_is_not_woken() -> None:
    clock = Clock()
    pace = Pace(clock.later)
    browsers = [Browser() for _ in range(AT_ONCE + 2)]
    for browser in browsers:
        pace.want(browser)
    pace.forget(browsers[AT_ONCE])
    clock.turn()

    assert [one.woken for one in browsers[AT_ONCE:]] == [0, 1]
    pace.want(browsers[0])
    pace.stop()
    assert not clock.due


def test_a_traders_browser_waits_for_no_viewer() -> None:
    async def unused(_: object) -> None:
        raise AssertionError("nothing is sent here")

    clock = Clock()
    pace = Pace(clock.later)
    viewers = [Client(unused, unused, pace) for _ in range(2 * AT_ONCE)]
    trader = Client(unused, unused, pace)
    trader.goes_first = True
    frame = Frame.of("wall:1", 1, {"html": ""}, "whole")
    for client in [*viewers, trader]:
        client.put(frame)

    def woken() -> list[bool]:
        return [client._wake.is_set() for client in [*viewers, trader]]

    assert woken() == [True] * AT_ONCE + [False] * AT_ONCE + [True]
    clock.turn()
    assert woken() == [True] * (2 * AT_ONCE + 1)
    last = viewers[-1]
    last._wake.clear()
    last.reply("{}")  # an answer is somebody's own
    assert last._wake.is_set()
