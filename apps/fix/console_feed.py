"""The gateway's job that tells browsers how FIX sessions are and what the listener brought, while somebody looks.

Whoever comes first gets the present state from SQL (`topics.py`); the job then tells everything once more, and from
there what changed. Conflated: a look at the sessions twice a second, at new reports as soon as they are stored.
"""

import asyncio
import functools
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from apps.core.errors import WireFormatError
from apps.core.ports import GatewayTools
from apps.core.timestamps import unix_ms_now
from apps.core.topics import parse_topic
from apps.exchange import live
from apps.exchange.gateway.interest import interesting_names
from apps.fix.models import FixMessage

logger = logging.getLogger(__name__)

SESSIONS: Final = "fix"
REPORTS: Final = "fixwall"
LOOK_SECONDS: Final = 0.5
REPORT_SECONDS: Final = 0.1  # between two looks at new reports
WATCHED_SECONDS: Final = 15.0  # a page is let go this long after its last need; the hub says it each 5 s
Rows = dict[str, dict[str, Any] | None]


@dataclass(frozen=True, slots=True)
class Change:
    """Rows of one topic to publish. is_all: there are no others."""

    topic: str
    rows: Rows
    is_all: bool = False


class ConsoleFeed:
    """What was told last, by topic. What nobody looks at is forgotten, and told whole to whoever looks next."""

    def __init__(self) -> None:
        self._told: dict[str, dict[str, dict[str, Any]]] = {}  # of sessions: by topic
        self._wall: dict[str, list[int]] = {}  # of reports: the ids that browsers have, by topic
        self._newest: dict[str, int] = {}

    def is_behind(self, topics: frozenset[str]) -> bool:
        """Whether somebody looks to whom nothing was told yet."""
        return not topics <= self._told.keys() | self._newest.keys()

    def look(self, topics: frozenset[str]) -> list[Change]:
        """Return what differs from what was told. In the database's thread."""
        self._forget(topics)
        accounts = _accounts(SESSIONS, topics)
        rows: dict[int, dict[str, dict[str, Any]]] = {one: {} for one in accounts.values()}
        if rows:
            from apps.fix import console

            for row in [*console.session_rows(rows).values(), *console.recovery_rows(rows).values()]:
                rows[row["account_id"]][row["key"]] = row
        changes = []
        for topic, account_id in accounts.items():
            present, known = rows[account_id], self._told.get(topic)
            self._told[topic] = present
            if known is None:
                changes.append(Change(topic, dict(present), is_all=True))
                continue
            changed: Rows = {key: row for key, row in present.items() if known.get(key) != row}
            changed |= dict.fromkeys(known.keys() - present.keys())
            if changed:
                changes.append(Change(topic, changed))
        return changes + self.reports(topics)

    def reports(self, topics: frozenset[str]) -> list[Change]:
        """Return the reports that came since the last look. In the database's thread."""
        accounts = _accounts(REPORTS, topics)
        if not accounts:
            return []
        from apps.fix import console_wall

        newest = FixMessage.objects.order_by("-pk").values_list("pk", flat=True).first() or 0
        changes = []
        for topic, account_id in accounts.items():
            after = self._newest.get(topic)
            if after is not None and newest <= after:
                continue
            self._newest[topic] = newest
            fresh = console_wall.wall_rows(account_id, after=after or 0)
            if after is not None and not fresh:
                continue
            told = [*self._wall.get(topic, []), *(row["id"] for row in reversed(fresh))]
            # Browsers keep as many as the state has: what falls out is named, or their pages would grow all day.
            gone, self._wall[topic] = told[: -console_wall.SHOWN], told[-console_wall.SHOWN :]
            rows: Rows = {str(pk): None for pk in gone}
            changes.append(Change(topic, rows | {str(row["id"]): row for row in fresh}, is_all=after is None))
        return changes

    def _forget(self, topics: frozenset[str]) -> None:
        for kept in (self._told, self._wall, self._newest):
            for topic in kept.keys() - topics:
                del kept[topic]


def _accounts(kind: str, topics: frozenset[str]) -> dict[str, int]:
    found = {topic: parse_topic(topic) for topic in sorted(topics)}
    return {topic: int(name.scope) for topic, name in found.items() if name.kind == kind}


def tell(changes: list[Change]) -> bool:
    """Publish; False when Redis did not take it: then everything has to be told anew."""
    return all(live.publish_rows(one.topic, one.rows, is_all=one.is_all) for one in changes)


class Watched:
    """Which topics somebody looks at, and the job's alarm clock. Of the gateway's event loop."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._heard: dict[str, float] = {}
        self._event = asyncio.Event()

    def heard(self, topic: str) -> None:
        """Somebody looks at this topic, says the hub. Others than ours are none of our business."""
        if not topic.startswith((f"{SESSIONS}:", f"{REPORTS}:")):
            return
        try:
            name = parse_topic(topic)
        except WireFormatError:
            return
        if name.kind not in (SESSIONS, REPORTS) or not name.scope.isdecimal():
            return
        is_new = topic not in self.topics()
        self._heard[topic] = self._clock()
        if is_new:
            self._event.set()

    def topics(self) -> frozenset[str]:
        now = self._clock()
        self._heard = {topic: at for topic, at in self._heard.items() if now - at < WATCHED_SECONDS}
        return frozenset(self._heard)

    def stored(self) -> None:
        """A session of this gateway has stored messages."""
        if self._heard:
            self._event.set()

    async def wait(self, seconds: float | None) -> None:
        """Until there is something to look at, or to look at anew; `seconds` at most."""
        try:
            async with asyncio.timeout(seconds):
                await self._event.wait()
        except TimeoutError:
            return
        self._event.clear()

    def begin(self) -> None:
        """An event belongs to one loop: each job makes its own."""
        self._event = asyncio.Event()


watched = Watched()


def _watched_before() -> set[str]:
    """Who looks already when a job begins. Blocks."""
    now_ms, kept_ms = unix_ms_now(), int(WATCHED_SECONDS * 1000)
    return set().union(*(interesting_names(one, now_ms=now_ms, kept_ms=kept_ms) or () for one in (SESSIONS, REPORTS)))


async def console_job(tools: GatewayTools) -> None:
    """Run until cancelled."""
    feed = ConsoleFeed()
    loop = asyncio.get_running_loop()
    looked_at = float("-inf")
    watched.begin()
    for topic in await tools.redis(_watched_before):
        watched.heard(topic)
    while True:
        topics = watched.topics()
        is_due = feed.is_behind(topics) or loop.time() - looked_at >= LOOK_SECONDS
        if is_due:
            looked_at = loop.time()
        try:
            work = feed.look if is_due else feed.reports
            # What nobody looks at costs nothing: not even a way to the database's thread.
            changes = await tools.database(functools.partial(work, topics)) if topics else feed.look(topics)
            is_told = not changes or await tools.redis(functools.partial(tell, changes))
        except Exception:
            # A boundary: the page goes on once the database is back.
            logger.exception("the FIX page's rows cannot be read")
            is_told = False
        if not is_told:
            feed = ConsoleFeed()  # what of it arrived is not known: told whole next time
        await asyncio.sleep(REPORT_SECONDS)
        await watched.wait(LOOK_SECONDS - REPORT_SECONDS if topics else None)
