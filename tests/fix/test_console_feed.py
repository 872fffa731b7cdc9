"""The FIX page's rows are made while somebody looks, and whoever looks sees how it is now."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import pytest

from apps.core import ports
from apps.exchange import live
from apps.exchange.gateway import Gateway
from apps.fix import console_feed
from apps.fix.console_feed import Change, ConsoleFeed, Watched
from apps.fix.models import FixSession
from tests.fix.console_desk import make_session, report, store
from tests.orders.conftest import Place

T = TypeVar("T")
NOBODY: frozenset[str] = frozenset()


class Clock:
    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now


class Tools:
    """Does the work at once, and counts the ways to the database."""

    def __init__(self) -> None:
        self.asked = 0

    async def database(self, work: Callable[[], T]) -> T:
        self.asked += 1
        return work()

    async def redis(self, work: Callable[[], T]) -> T:
        return work()

    urgent = slow = redis


def test_whoever_looks_after_a_while_is_told_everything_as_it_is_now(place: Place) -> None:
    session = make_session(place.account, "rt", is_listener=True)
    feed, topic, wall = ConsoleFeed(), f"fix:{place.account.pk}", f"fixwall:{place.account.pk}"
    both = frozenset({topic, wall})
    [kept] = store(session, report("4;1"))
    assert [one.is_all for one in feed.look(both)] == [True, True]
    # While nobody looks it changes, and before the next one comes it is as it was told last.
    before = FixSession.objects.get().state
    FixSession.objects.update(state="halted")
    assert feed.look(NOBODY) == []
    assert feed.is_behind(both)
    FixSession.objects.update(state=before)

    first, second = feed.look(both)

    assert (first.topic, first.is_all, second.topic, second.is_all) == (topic, True, wall, True)
    row = first.rows[f"session:{session.pk}"]
    assert row is not None
    assert row["state"] == before
    assert list(second.rows) == [str(kept.pk)]
    assert not feed.is_behind(both)


def test_only_what_is_looked_at_is_read_and_told(place: Place) -> None:
    make_session(place.account, "rt", is_listener=True)
    feed = ConsoleFeed()

    assert [one.topic for one in feed.look(frozenset({f"fixwall:{place.account.pk}"}))] == [
        f"fixwall:{place.account.pk}"
    ]
    assert feed.look(frozenset({"fix:999999"})) == [Change("fix:999999", {}, is_all=True)]


def test_a_page_is_let_go_fifteen_seconds_after_its_last_need() -> None:
    clock = Clock()
    watched = Watched(clock)

    for topic in ("book:paper:KXA", "fix:seven", "fix:", "fixture:7", "fix:7"):
        watched.heard(topic)
    assert watched.topics() == {"fix:7"}

    clock.now += console_feed.WATCHED_SECONDS - 1
    watched.heard("fixwall:7")
    assert watched.topics() == {"fix:7", "fixwall:7"}
    clock.now += 1
    assert watched.topics() == {"fixwall:7"}


def test_the_gateway_says_who_looks_to_whoever_wants_to_know(monkeypatch: pytest.MonkeyPatch) -> None:
    heard: list[str] = []
    monkeypatch.setattr(ports, "interest_takers", [heard.append])

    Gateway()._interest(b"fix:7")

    assert heard == ["fix:7"]
    assert ports.topics["fix"].is_on_demand
    assert ports.topics["fixwall"].is_on_demand


# --- the job ------------------------------------------------------------------------------------


class Job:
    """The job with a feed that needs no database."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.clock, self.tools, self.looks = Clock(), Tools(), list[frozenset[str]]()
        self.told = asyncio.Event()
        self.frames: list[tuple[str, bool]] = []
        self.fails = 0
        self.watched = Watched(self.clock)
        monkeypatch.setattr(console_feed, "watched", self.watched)
        monkeypatch.setattr(console_feed, "REPORT_SECONDS", 0.0)
        monkeypatch.setattr(console_feed, "interesting_names", lambda *_, **__: None)  # as without Redis
        monkeypatch.setattr(live, "publish_rows", self._publish)
        feeds = self

        class Feed(ConsoleFeed):
            def look(self, topics: frozenset[str]) -> list[Change]:
                feeds.looks.append(topics)
                self._forget(topics)
                fresh = sorted(topics - self._told.keys())
                self._told |= {topic: {} for topic in fresh}
                return [Change(topic, {}, is_all=True) for topic in fresh]

            def reports(self, topics: frozenset[str]) -> list[Change]:
                return []

        monkeypatch.setattr(console_feed, "ConsoleFeed", Feed)

    def _publish(self, topic: str, rows: Any, *, is_all: bool) -> bool:
        self.frames.append((topic, is_all))
        if self.fails:
            self.fails -= 1
            return False
        self.told.set()
        return True

    def run(self, play: Callable[[], Awaitable[None]]) -> None:
        async def main() -> None:
            running = asyncio.create_task(console_feed.console_job(self.tools))
            try:
                async with asyncio.timeout(60):
                    await play()
            finally:
                running.cancel()
                await asyncio.gather(running, return_exceptions=True)

        asyncio.run(main())


def test_nobody_who_looks_costs_nothing_and_the_first_one_is_told_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    job = Job(monkeypatch)
    # Only an alarm makes it look again.
    monkeypatch.setattr(console_feed, "LOOK_SECONDS", 3_600.0)

    async def play() -> None:
        for _ in range(50):  # the job has its turns, and messages come
            job.watched.stored()
            await asyncio.sleep(0)
        assert job.tools.asked == 0

        job.watched.heard("fix:7")
        await job.told.wait()
        assert job.frames == [("fix:7", True)]
        job.told.clear()
        job.watched.heard("fix:8")
        await job.told.wait()

    job.run(play)

    assert job.frames == [("fix:7", True), ("fix:8", True)]


def test_what_redis_did_not_take_is_told_whole_again(monkeypatch: pytest.MonkeyPatch) -> None:
    job = Job(monkeypatch)
    monkeypatch.setattr(console_feed, "LOOK_SECONDS", 0.01)
    job.fails = 1

    async def play() -> None:
        job.watched.heard("fix:7")
        await job.told.wait()

    job.run(play)

    assert job.frames == [("fix:7", True), ("fix:7", True)]
