"""From the event loop to the apps: messages in order, in batches, in one database thread.

The queue is bounded. When it overflows, or a handler fails, messages are lost to us; the account is
then read anew by the reconcilers, because facts also come by REST.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Iterator
from itertools import groupby
from typing import Any

from apps.core import ports
from apps.core.durability import reaches_disk_later
from apps.core.ports import FeedContext
from apps.exchange.gateway.threads import Threads

logger = logging.getLogger(__name__)

CAPACITY = 10_000
BATCH = 200

Item = tuple[str, FeedContext, Any]  # message type, where it came from, the struct


class Inbox:
    """Args:
    on_loss: called in the event loop with the account whose messages were lost.
    """

    def __init__(self, threads: Threads, *, on_loss: Callable[[int], None], capacity: int = CAPACITY) -> None:
        self._threads = threads
        self._on_loss = on_loss
        self._capacity = capacity
        self._waiting: deque[Item] = deque()
        self._wake = asyncio.Event()
        self._lost = 0

    def put(self, message_type: str, context: FeedContext, message: Any) -> None:
        """Queue one message that somebody handles; the newest is dropped when the queue is full."""
        if message_type not in ports.feed_handlers:
            return
        if len(self._waiting) >= self._capacity:
            if not self._lost:
                logger.error("the database does not keep up with the feed: messages are dropped, accounts read anew")
            self._lost += 1
            self._on_loss(context.account_id)
            return
        self._waiting.append((message_type, context, message))
        self._wake.set()

    async def run(self) -> None:
        while True:
            await self._wake.wait()
            self._wake.clear()
            while self._waiting:
                batch = [self._waiting.popleft() for _ in range(min(BATCH, len(self._waiting)))]
                for account_id in await self._threads.database(lambda items=batch: handle(items)):  # type: ignore[misc]
                    self._on_loss(account_id)
            if self._lost:
                logger.warning("%d messages of the feed were dropped", self._lost)
                self._lost = 0


@reaches_disk_later()
def handle(items: list[Item]) -> set[int]:
    """Call the handlers; return the accounts whose messages a handler could not take. Database thread.

    What the feed said, the exchange says again to who asks: nothing of it waits for the disk.
    """
    failed: set[int] = set()
    for message_type, context, messages in _runs(items):
        for handler in ports.feed_handlers.get(message_type, ()):
            try:
                handler(context, messages)
            except Exception:
                # A boundary: one app's mistake must not stop the facts of the others.
                logger.exception("a handler of %s failed on %d messages", message_type, len(messages))
                failed.add(context.account_id)
    return failed


def _runs(items: list[Item]) -> Iterator[tuple[str, FeedContext, list[Any]]]:
    """Yield neighbours of one type and account together, the first one's time standing for all."""
    for (message_type, _), group in groupby(items, key=lambda item: (item[0], item[1].account_id)):
        run = list(group)
        yield message_type, run[0][1], [message for _, _, message in run]
