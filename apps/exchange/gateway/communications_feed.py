"""Requests and quotes of one account. Accepted quotes pass everything else (docs/rfq.md).

Two connections: `all` brings the stream of all requests; `lane` asks for a hundredth of that stream
(shard_factor), so that an accepted quote never waits behind thousands of requests in one socket.
Whether private messages follow the shards is not documented, so both connections are listened to,
and the handlers of quotes take the same message twice.
"""

import asyncio
import logging
import time
from collections.abc import Callable
from typing import Any

from apps.core import ports
from apps.core.ports import FeedContext
from apps.core.timestamps import unix_ms_now
from apps.exchange.gateway.inbox import Inbox
from apps.exchange.gateway.reconciling import Reconciling
from apps.exchange.gateway.threads import Threads
from apps.exchange.wire import events
from apps.exchange.wire.schemas import Message
from apps.exchange.wire.session import Session
from apps.exchange.wire.signing import RequestSigner
from apps.exchange.wire.transport import Feed

logger = logging.getLogger(__name__)

CHANNEL = "communications"
LANE = {CHANNEL: {"shard_factor": 100, "shard_key": 0}}


class CommunicationsFeed:
    """Keeps one account's two communications connections, until cancelled.

    takes_stream: whether this account brings the stream of its environment; one does.
    """

    def __init__(
        self,
        account_id: int,
        environment: str,
        *,
        hosts: list[str],
        signer: RequestSigner,
        inbox: Inbox,
        threads: Threads,
        takes_stream: bool,
    ) -> None:
        self.account_id = account_id
        self.environment = environment
        self._inbox = inbox
        self._threads = threads
        self._takes_stream = takes_stream
        self._running: set[asyncio.Task[None]] = set()
        self._all = Session(now=time.monotonic())
        self._lane = Session(now=time.monotonic(), options=LANE)
        self._feeds = []
        for session, deliver in ((self._all, self._deliver_all), (self._lane, self._deliver_lane)):
            session.want(CHANNEL, None)
            self._feeds.append(Feed(session, hosts=hosts, signer=signer, deliver=deliver))
        self._reconciling = Reconciling(
            account_id,
            threads=threads,
            readings=lambda: ports.communications_reconcilers,
            is_subscribed=self._is_subscribed,
        )

    def reconcile(self) -> None:
        """Something may have been missed: read own requests and quotes."""
        self._reconciling.ask()

    async def run(self) -> None:
        """Run until cancelled."""
        async with asyncio.TaskGroup() as group:
            for name, feed in zip(("all", "lane"), self._feeds, strict=True):
                group.create_task(feed.run(), name=f"communications-{self.account_id}-{name}")
            group.create_task(self._reconciling.run(), name=f"communications-{self.account_id}-reconcile")

    # --- from the exchange -----------------------------------------------------------------------

    def _deliver_all(self, output: events.Output) -> None:
        self._deliver(output, with_stream=self._takes_stream)

    def _deliver_lane(self, output: events.Output) -> None:
        self._deliver(output, with_stream=False)

    def _deliver(self, output: events.Output, *, with_stream: bool) -> None:
        context = FeedContext(self.account_id, self.environment, unix_ms_now())
        messages = [event for event in output.events if isinstance(event, Message)]
        # What runs out goes first, wherever it stood among the others.
        for message in messages:
            if message.type in ports.urgent_handlers:
                self._at_once(message.type, context, message.body)
        stream: dict[str, list[Any]] = {}
        for message in messages:
            if message.type in ports.stream_takers:
                if with_stream:
                    stream.setdefault(message.type, []).append(message.body)
            else:
                self._inbox.put(message.type, context, message.body)
        for message_type, bodies in stream.items():
            for taker in ports.stream_takers[message_type]:
                taker(context, bodies)
        for event in output.events:
            match event:
                case events.Connected() | events.ChannelGap() | events.Disconnected():
                    self.reconcile()
                case events.Alarm():
                    logger.error("communications of account %s: %s: %s", self.account_id, event.code, event.text)
                case _:
                    pass

    def _at_once(self, message_type: str, context: FeedContext, body: Any) -> None:
        for handler in ports.urgent_handlers[message_type]:
            task = asyncio.create_task(self._handle(handler, context, body), name=f"urgent-{message_type}")
            self._running.add(task)
            task.add_done_callback(self._running.discard)

    async def _handle(self, handler: Callable[[FeedContext, Any], None], context: FeedContext, body: Any) -> None:
        try:
            await self._threads.urgent(lambda: handler(context, body))
        except Exception:
            # A boundary: what a handler could not take is read over REST.
            logger.exception("an urgent message of account %s could not be handled, reading instead", self.account_id)
            self.reconcile()

    def _is_subscribed(self) -> bool:
        return self._all.is_subscribed(CHANNEL) and self._lane.is_subscribed(CHANNEL)
