"""Reading an account anew over REST whenever messages of its connections may have been missed."""

import asyncio
import logging
import time
from collections.abc import Callable, Iterable

from apps.exchange.gateway.threads import Threads

logger = logging.getLogger(__name__)

AGAIN = 5.0  # seconds after a reading that failed
SUBSCRIBED_WITHIN = 5.0  # seconds; reading without a subscription is better than not reading
_POLL = 0.05


class Reconciling:
    """Runs the apps' readings of one account, one pass at a time, until cancelled.

    readings: called with the account's id, in a slow thread. is_subscribed: whether what happens from now on is heard.
    """

    def __init__(
        self,
        account_id: int,
        *,
        threads: Threads,
        readings: Callable[[], Iterable[Callable[[int], None]]],
        is_subscribed: Callable[[], bool],
    ) -> None:
        self.wanted = asyncio.Event()
        self._account_id = account_id
        self._threads = threads
        self._readings = readings
        self._is_subscribed = is_subscribed

    def ask(self) -> None:
        """Something may have been missed: read."""
        self.wanted.set()

    async def run(self) -> None:
        while True:
            await self.wanted.wait()
            # What happens between the reading and the subscription would be seen by neither.
            await self._subscribed()
            self.wanted.clear()
            if not await self._threads.slow(self._read_all):
                await asyncio.sleep(AGAIN)
                self.wanted.set()

    async def _subscribed(self) -> None:
        deadline = time.monotonic() + SUBSCRIBED_WITHIN
        while not self._is_subscribed():
            if time.monotonic() > deadline:
                return
            await asyncio.sleep(_POLL)

    def _read_all(self) -> bool:
        is_done = True
        for read in self._readings():
            try:
                read(self._account_id)
            except Exception:
                # A boundary: what one app cannot read must not keep the others from reading.
                logger.exception("account %s was not reconciled by %s", self._account_id, read.__module__)
                is_done = False
        return is_done
