"""The private channels of one account: orders, fills, positions."""

import asyncio
import logging
import time

from apps.core import ports
from apps.core.ports import FeedContext
from apps.core.timestamps import unix_ms_now
from apps.exchange.gateway.inbox import Inbox
from apps.exchange.gateway.threads import Threads
from apps.exchange.wire import events
from apps.exchange.wire.schemas import Message
from apps.exchange.wire.session import Session
from apps.exchange.wire.signing import RequestSigner
from apps.exchange.wire.transport import Feed

logger = logging.getLogger(__name__)

CHANNELS = ("fill", "user_orders", "market_positions", "order_group_updates")
SUBSCRIBED_WITHIN = 5.0  # seconds; reading without a subscription is better than not reading
RECONCILE_AGAIN = 5.0  # seconds after a reading that failed
_POLL = 0.05


class AccountFeed:
    """Keeps one account's private connection, and its rows true after every interruption."""

    def __init__(
        self,
        account_id: int,
        environment: str,
        *,
        hosts: list[str],
        signer: RequestSigner,
        inbox: Inbox,
        threads: Threads,
    ) -> None:
        self.account_id = account_id
        self.environment = environment
        self._inbox = inbox
        self._threads = threads
        self._session = Session(now=time.monotonic())
        for channel in CHANNELS:
            self._session.want(channel, None)
        self._feed = Feed(self._session, hosts=hosts, signer=signer, deliver=self._deliver)
        self._wants_reading = asyncio.Event()

    def reconcile(self) -> None:
        """Something may have been missed: read orders, fills and positions."""
        self._wants_reading.set()

    async def run(self) -> None:
        """Run until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._feed.run(), name=f"account-{self.account_id}-feed")
            group.create_task(self._keep_reconciled(), name=f"account-{self.account_id}-reconcile")

    def _deliver(self, output: events.Output) -> None:
        for event in output.events:
            match event:
                case Message():
                    context = FeedContext(self.account_id, self.environment, unix_ms_now())
                    self._inbox.put(event.type, context, event.body)
                case events.Connected():
                    self.reconcile()
                case events.ChannelGap():
                    logger.warning("account %s: frames of %s are missing, reading anew", self.account_id, event.channel)
                    self.reconcile()
                case events.Alarm():
                    logger.error("account %s: %s: %s", self.account_id, event.code, event.text)
                case _:
                    pass

    async def _keep_reconciled(self) -> None:
        while True:
            await self._wants_reading.wait()
            # What happens between the reading and the subscription would be seen by neither.
            await self._subscribed()
            self._wants_reading.clear()
            if not await self._threads.slow(self._read_all):
                await asyncio.sleep(RECONCILE_AGAIN)
                self._wants_reading.set()

    async def _subscribed(self) -> None:
        deadline = time.monotonic() + SUBSCRIBED_WITHIN
        while not all(map(self._session.is_subscribed, CHANNELS)):
            if time.monotonic() > deadline:
                return
            await asyncio.sleep(_POLL)

    def _read_all(self) -> bool:
        is_done = True
        for read in ports.reconcilers:
            try:
                read(self.account_id)
            except Exception:
                # A boundary: what one app cannot read must not keep the others from reading.
                logger.exception("account %s was not reconciled by %s", self.account_id, read.__module__)
                is_done = False
        return is_done
