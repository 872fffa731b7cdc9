"""Applies what a session delivers, in order, in the database thread, and tells the session what is durable."""

import asyncio
import functools
import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, TypeVar

from django.conf import settings

from apps.core.errors import WireFormatError
from apps.core.ports import GatewayTools
from apps.core.timestamps import unix_ms_now, utc_now
from apps.fix import ingest, margin, records, rfq_ingest
from apps.fix.engine.codec import Message
from apps.fix.engine.outputs import Deliver
from apps.fix.engine.rules import Kind
from apps.fix.engine.session import Session
from apps.fix.messages.common import ExecId, Prices
from apps.fix.messages.drop_copy import Recovery
from apps.fix.messages.orders import Refusal
from apps.fix.outbox import ANSWERS, Outbox
from apps.fix.selectors import Wish
from apps.fix.settlements import Settlements

logger = logging.getLogger(__name__)

BATCH: Final = 100
RETRY_SECONDS: Final = 1.0
T = TypeVar("T")


class Clock:
    """Unix milliseconds: the system clock at `anchor`, and never backwards from there."""

    def __init__(self) -> None:
        self.anchor()

    def anchor(self) -> None:
        """Look at the system clock anew, for a new connection."""
        self._wall = unix_ms_now()
        self._began = asyncio.get_running_loop().time()

    def __call__(self) -> int:
        return self._wall + int((asyncio.get_running_loop().time() - self._began) * 1000)


@dataclass
class Applier:
    """One per session, over all its connections. recovery: of a drop copy session, the open one with its row id."""

    wish: Wish
    session: Session
    tools: GatewayTools
    recovery: Recovery | None = None
    recovery_id: int = 0
    outbox: Outbox | None = None
    waiting: asyncio.Queue[Deliver] = field(default_factory=asyncio.Queue)
    settlements: Settlements = field(init=False)
    _heard_at: dict[int, datetime] = field(default_factory=dict)  # by MsgSeqNum, of what a window may run for

    def __post_init__(self) -> None:
        self.settlements = Settlements(self.wish.account_id)
        self._doors = rfq_ingest.Doors(self.wish.session_id, self.wish.account_id, self.prices)
        # What KalshiRFQ tells must not wait behind what is slow: a confirmation has seconds.
        self._lane = self.tools.urgent if self.wish.kind is Kind.RFQ else self.tools.database

    def put(self, one: Deliver) -> None:
        """Take a delivered message at the moment that it came."""
        if one.message.msg_type in rfq_ingest.TOLD:
            self._heard_at[one.seq] = utc_now()
        self.waiting.put_nowait(one)

    @property
    def prices(self) -> Prices:
        return Prices(in_dollars=self.wish.flags.prices_in_dollars, sells_in_no=settings.FIX_SELLS_IN_NO)

    async def run(self, clock: Clock) -> None:
        """Run until cancelled. What fails for want of the database is tried again: nothing is skipped."""
        while True:
            batch = [await self.waiting.get()]
            while len(batch) < BATCH and not self.waiting.empty():
                batch.append(self.waiting.get_nowait())
            for part in _runs(batch):
                await self._apply(part, clock)
            for _ in batch:
                self.waiting.task_done()

    async def drained(self) -> None:
        """Wait until everything delivered is applied."""
        await self.waiting.join()

    async def _apply(self, part: list[Deliver], clock: Clock) -> None:
        if part[0].message.msg_type == "8":
            done = await self._reports([one.message for one in part])
            await self._count(part, done)
        else:
            await self._answers(part, clock)
        settled = [one.message for one in part if one.message.msg_type == "UMS"]
        if settled:
            now = clock()
            await self._database(lambda: self.settlements.take(settled, now))
        for one in part:
            await self._requests(one)
        told = [one.message for one in part if one.message.msg_type in ANSWERS and not self._is_stream(one.message)]
        if self.outbox is not None and told:
            outbox = self.outbox
            await self._database(lambda: outbox.record(told))
        self.session.applied(part[-1].seq)

    def _is_stream(self, message: Message) -> bool:
        """Whether it is one of all makers' requests: there are hundreds a second, and none answers us."""
        return self.wish.kind is Kind.RFQ and message.msg_type in rfq_ingest.STREAM

    async def _requests(self, one: Deliver) -> None:
        """What a message says of requests and quotes, by the doors that WebSocket uses."""
        kind, at = one.message.msg_type, self._heard_at.pop(one.seq, None) or utc_now()
        if self._is_stream(one.message):
            context = rfq_ingest.context_of(self.wish.account_id, self.wish.environment, at)
            rfq_ingest.stream_tell(context, one.message)
        elif kind in rfq_ingest.TOLD:
            await self._database(lambda: self._doors.take(one.message, at))

    async def _reports(self, messages: list[Message]) -> ingest.Ingested:
        if self.wish.is_margin:
            return await self._database(
                functools.partial(margin.reports_note, self.wish.account_id, messages, kind=self.wish.source)
            )
        work = functools.partial(
            ingest.reports_apply,
            self.wish.account_id,
            messages,
            prices=self.prices,
            kind=self.wish.source,
        )
        return await self._database(work)

    async def _database(self, work: Callable[[], T]) -> T:
        """Until it works: the exchange's word must not be lost because our database is away."""
        while True:
            try:
                return await self._lane(work)
            except Exception:
                logger.exception("what session %s received waits", self.wish.session_id)
                await asyncio.sleep(RETRY_SECONDS)

    async def _count(self, part: list[Deliver], done: ingest.Ingested) -> None:
        if self.recovery is None or self.wish.kind is not Kind.DC:
            return
        for one in part:
            try:
                self.recovery.report(ExecId.read(one.message.text(17)))
            except WireFormatError:
                self.recovery.report(ExecId(-1, -1))  # it was sent, so the exchange counts it
        recovery, row = self.recovery, self.recovery_id
        await self._database(lambda: records.recovery_progress(row, recovery, new=done.applied))

    async def _answers(self, part: list[Deliver], clock: Clock) -> None:
        for one in part:
            kind = one.message.msg_type
            if kind in ("3", "j"):
                logger.warning("session %s: %s", self.wish.session_id, one.message.text(58)[:200])
            if self.recovery is None or kind not in ("U2", "U3", "j", "3"):
                continue
            try:
                if kind in ("U2", "U3"):
                    self.recovery.answer(one.message, clock())
                else:
                    self.recovery.rate_limited(Refusal.read(one.message).ref_seq, clock())
            except WireFormatError as exc:
                logger.warning("session %s: an answer cannot be read: %s", self.wish.session_id, exc)
            await self._finish()

    async def _finish(self) -> None:
        recovery, row = self.recovery, self.recovery_id
        if recovery is None or recovery.result is None:
            return
        await self._database(lambda: records.recovery_finish(self.wish, row, recovery))
        self.recovery, self.recovery_id = None, 0


def _runs(batch: list[Deliver]) -> list[list[Deliver]]:
    """Cut a batch where execution reports and other messages meet; the order stays."""
    runs: list[list[Deliver]] = []
    for one in batch:
        if runs and (runs[-1][0].message.msg_type == "8") == (one.message.msg_type == "8"):
            runs[-1].append(one)
        else:
            runs.append([one])
    return runs
