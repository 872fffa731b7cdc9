"""The gateway's job that lets rules decide: woken by the stream, and each second for breakers and open quotes."""

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from django.db import close_old_connections, connections

from apps.core.ports import GatewayTools
from apps.core.timestamps import unix_ms_now
from apps.rfq.events.rules import rule_publish
from apps.rfq.services.breakers import FeedWatch
from apps.rfq.services.rule_book import rule_book_read
from apps.rfq.services.rule_engine import RuleEngine
from apps.rfq.services.rule_queue import Candidate, RuleQueue, queue
from apps.rfq.services.rule_upkeep import breakers_check, quotes_follow

logger = logging.getLogger(__name__)

UPKEEP_SECONDS = 1.0
TELL_SECONDS = 5.0  # counts of rules that decided something
BATCH = 25


async def rule_job(tools: GatewayTools) -> None:
    """Run until cancelled. A thread of its own: nothing here may stand in the way of an accepted quote."""
    woken = asyncio.Event()
    worker = RuleWorker(queue)
    loop = asyncio.get_running_loop()
    pool = ThreadPoolExecutor(1, thread_name_prefix="rfq-rules")
    queue.on_work = woken.set
    try:
        while True:
            woken.clear()
            if time.monotonic() - worker.kept_up_at >= UPKEEP_SECONDS:
                await loop.run_in_executor(pool, _safely, worker.keep_up)
            due = queue.take(unix_ms_now(), most=BATCH)
            if due:
                await loop.run_in_executor(pool, _safely, lambda: worker.decide(due))  # noqa: B023 - awaited here
                continue
            next_ms = queue.next_due_ms()
            left = UPKEEP_SECONDS - (time.monotonic() - worker.kept_up_at)
            pause = left if next_ms is None else min(left, max(0, next_ms - unix_ms_now()) / 1_000)
            # Not wait_for: in Python 3.11 it can swallow a cancellation that comes with the event.
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(max(0.005, pause)):
                    await woken.wait()
    finally:
        queue.on_work = lambda: None
        pool.submit(connections.close_all)
        pool.shutdown(wait=False)


class RuleWorker:
    """What the thread does."""

    def __init__(self, rule_queue: RuleQueue) -> None:
        self.kept_up_at = float("-inf")
        self._queue = rule_queue
        self._engine = RuleEngine()
        self._watch = FeedWatch()
        self._decided: set[int] = set()
        self._told_at = 0.0
        self._dropped = 0

    def decide(self, candidates: list[Candidate]) -> None:
        made = self._engine.work(candidates)
        self._decided |= {one.rule_version.rule_id for one in made}

    def keep_up(self) -> None:
        """Read the rules anew, disarm what must not go on, follow what is open."""
        self.kept_up_at = time.monotonic()
        book = rule_book_read()
        if breakers_check(book.all(), self._watch):
            book = rule_book_read()
        self._queue.book = book
        made = quotes_follow(book.all(), self._engine)
        self._decided |= {one.rule_version.rule_id for one in made}
        if self._queue.dropped != self._dropped:
            logger.error("rules do not keep up: %d requests were not decided", self._queue.dropped - self._dropped)
            self._dropped = self._queue.dropped
        if self._decided and self.kept_up_at - self._told_at >= TELL_SECONDS:
            self._told_at = self.kept_up_at
            decided, self._decided = self._decided, set()
            for pk in decided:
                rule_publish(pk)


def _safely(work: Callable[[], None]) -> None:
    close_old_connections()
    try:
        work()
    except Exception:
        # A boundary: one request that cannot be decided must not stop the breakers.
        logger.exception("a rule could not do its work")
