"""The private channels of one account: orders, fills, positions."""

import asyncio
import logging
import time
from functools import partial

from apps.core import ports
from apps.core.ports import FeedContext
from apps.core.timestamps import unix_ms_now
from apps.exchange.clients import key_refused
from apps.exchange.gateway.inbox import Inbox
from apps.exchange.gateway.reconciling import Reconciling
from apps.exchange.gateway.threads import Threads
from apps.exchange.wire import events
from apps.exchange.wire.schemas import Message
from apps.exchange.wire.session import Session
from apps.exchange.wire.signing import RequestSigner
from apps.exchange.wire.transport import Feed

logger = logging.getLogger(__name__)

CHANNELS = ("fill", "user_orders", "market_positions", "order_group_updates")


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
        self._refused = asyncio.Event()
        self._session = Session(now=time.monotonic())
        for channel in CHANNELS:
            self._session.want(channel, None)
        self._feed = Feed(self._session, hosts=hosts, signer=signer, deliver=self._deliver)
        self._reconciling = Reconciling(
            account_id,
            threads=threads,
            readings=lambda: ports.reconcilers,
            is_subscribed=lambda: all(map(self._session.is_subscribed, CHANNELS)),
        )

    def reconcile(self) -> None:
        """Something may have been missed: read orders, fills and positions."""
        self._reconciling.ask()

    async def run(self) -> None:
        """Run until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._feed.run(), name=f"account-{self.account_id}-feed")
            group.create_task(self._reconciling.run(), name=f"account-{self.account_id}-reconcile")
            group.create_task(self._keys_look(), name=f"account-{self.account_id}-keys")

    async def _keys_look(self) -> None:
        """A connection that the exchange refuses says at once what REST would say with its next call."""
        while True:
            await self._refused.wait()
            self._refused.clear()
            await self._threads.slow(partial(key_refused, self.account_id))

    def _deliver(self, output: events.Output) -> None:
        for event in output.events:
            match event:
                case Message():
                    context = FeedContext(self.account_id, self.environment, unix_ms_now())
                    self._inbox.put(event.type, context, event.body)
                case events.Connected():
                    self.reconcile()
                case events.Disconnected(refused=True):
                    self._refused.set()
                case events.ChannelGap():
                    logger.warning("account %s: frames of %s are missing, reading anew", self.account_id, event.channel)
                    self.reconcile()
                case events.Alarm():
                    logger.error("account %s: %s: %s", self.account_id, event.code, event.text)
                case _:
                    pass
