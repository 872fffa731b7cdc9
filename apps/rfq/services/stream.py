"""The stream of all requests: taken in the event loop, kept and filtered in a thread, shown at most 4 times a second.

The event loop only appends (`Arrivals`). A thread of its own owns the boards and the views. Both are bounded: what
does not fit is dropped, oldest first, and counted. After a restart, and whenever messages may have been missed, the
open requests are read over REST.
"""

import itertools
import threading
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from apps.accounts.models import ExchangeAccount
from apps.core.errors import WireFormatError
from apps.core.ports import FeedContext
from apps.core.timestamps import unix_ms_now
from apps.exchange.clients import client_for
from apps.exchange.wire.api import communications as api
from apps.rfq import reports
from apps.rfq.reports import RfqReport
from apps.rfq.services.filters import NOTHING_KNOWN, Criteria, Known, is_wanted

CAPACITY = 20_000  # requests kept per environment
WAITING = 20_000  # messages between two looks of the thread
READ_MOST = 2_000  # open requests read over REST after a start
RATE_SECONDS = 10


@dataclass(slots=True)
class Entry:
    """One live request. seen_ms: our clock."""

    report: RfqReport
    seen_ms: int


@dataclass(slots=True)
class Snapshot:
    """Open requests as REST listed them. is_whole: all of them, so what was seen before and is not here is over."""

    reports: list[RfqReport]
    read_ms: int
    is_whole: bool


@dataclass(slots=True)
class Batch:
    """What came for one environment since the last look."""

    account_id: int = 0
    created: deque[tuple[int, Any]] = field(default_factory=deque)  # (ms, message)
    deleted: deque[str] = field(default_factory=deque)
    snapshots: list[Snapshot] = field(default_factory=list)
    dropped: int = 0


class Arrivals:
    """What the event loop has heard and the thread has not taken yet."""

    def __init__(self, *, waiting: int = WAITING) -> None:
        self._waiting = waiting
        self._lock = threading.Lock()  # held for an append: snapshots come from other threads
        self._batches: dict[str, Batch] = {}

    def created(self, context: FeedContext, messages: list[Any]) -> None:
        """Stream taker of rfq_created."""
        with self._lock:
            batch = self._batch(context)
            for message in messages:
                if len(batch.created) >= self._waiting:
                    batch.created.popleft()
                    batch.dropped += 1
                batch.created.append((context.recv_ms, message))

    def deleted(self, context: FeedContext, messages: list[Any]) -> None:
        """Stream taker of rfq_deleted."""
        with self._lock:
            batch = self._batch(context)
            for message in messages:
                if len(batch.deleted) >= self._waiting:
                    batch.deleted.popleft()
                batch.deleted.append(message.id)

    def listed(self, environment: str, snapshot: Snapshot) -> None:
        with self._lock:
            self._batches.setdefault(environment, Batch()).snapshots.append(snapshot)

    def take(self) -> dict[str, Batch]:
        with self._lock:
            taken, self._batches = self._batches, {}
        return taken

    def _batch(self, context: FeedContext) -> Batch:
        batch = self._batches.get(context.environment)
        if batch is None:
            batch = self._batches[context.environment] = Batch()
        batch.account_id = context.account_id
        return batch


arrivals = Arrivals()


@dataclass(slots=True)
class Board:
    """The live requests of one environment, newest last. One thread."""

    capacity: int = CAPACITY
    entries: dict[str, Entry] = field(default_factory=dict)
    seen: int = 0  # since the start
    dropped: int = 0  # did not fit
    _seconds: deque[tuple[int, int]] = field(default_factory=deque)  # (Unix s, requests seen in it)

    def apply(self, batch: Batch) -> tuple[list[Entry], set[str]]:
        """Take in what came; return the new requests, oldest first, and the ids of those that are over."""
        fresh: dict[str, Entry] = {}
        gone: set[str] = set()
        for at_ms, message in batch.created:
            if message.id in self.entries:
                continue  # told twice, by WebSocket and by FIX
            self.seen += 1
            self._count(at_ms // 1_000)
            try:
                report = reports.rfq_from_ws(message)
            except WireFormatError:
                self.dropped += 1
                continue
            fresh[report.rfq_id] = self.entries[report.rfq_id] = Entry(report, at_ms)
        self.dropped += batch.dropped
        for snapshot in batch.snapshots:
            fresh |= self._list(snapshot, gone)
        for rfq_id in batch.deleted:
            gone.add(rfq_id)
            self.entries.pop(rfq_id, None)
        while len(self.entries) > self.capacity:
            oldest = next(iter(self.entries))
            del self.entries[oldest]
            gone.add(oldest)
            self.dropped += 1
        return [entry for rfq_id, entry in fresh.items() if rfq_id in self.entries], gone

    def rate(self, now_s: int) -> float:
        """Requests per second over the last RATE_SECONDS."""
        return sum(count for second, count in self._seconds if now_s - RATE_SECONDS <= second < now_s) / RATE_SECONDS

    def _count(self, second: int) -> None:
        if self._seconds and self._seconds[-1][0] >= second:
            self._seconds[-1] = (self._seconds[-1][0], self._seconds[-1][1] + 1)
        else:
            self._seconds.append((second, 1))
        while len(self._seconds) > 2 * RATE_SECONDS:
            self._seconds.popleft()

    def _list(self, snapshot: Snapshot, gone: set[str]) -> dict[str, Entry]:
        listed = {report.rfq_id for report in snapshot.reports}
        if snapshot.is_whole:
            over = [key for key, one in self.entries.items() if key not in listed and one.seen_ms < snapshot.read_ms]
            gone.update(over)
            for rfq_id in over:
                del self.entries[rfq_id]
        fresh = {}
        for report in reversed(snapshot.reports):  # the exchange lists the newest first
            known = self.entries.get(report.rfq_id)
            if known is None:
                fresh[report.rfq_id] = self.entries[report.rfq_id] = Entry(report, snapshot.read_ms)
            elif report.requester and not known.report.requester:
                known.report = report  # REST says who asks, the stream does not
        return fresh


@dataclass(slots=True)
class View:
    """What one filter shows of a board. matched: ids, in order of arrival."""

    criteria: Criteria
    version: int
    matched: dict[str, None] = field(default_factory=dict)

    def refresh(self, fresh: Iterable[Entry], gone: Iterable[str], known: dict[str, Known], *, now: datetime) -> int:
        """Take in what is new; return how many of it are wanted."""
        wanted = 0
        for entry in fresh:
            report = entry.report
            if is_wanted(self.criteria, report, known.get(report.rfq_id, NOTHING_KNOWN), now=now):
                self.matched[report.rfq_id] = None
                wanted += 1
        for rfq_id in gone:
            self.matched.pop(rfq_id, None)
        return wanted

    def newest(self, most: int) -> list[str]:
        return list(itertools.islice(reversed(self.matched), most))


def stream_read(account_id: int) -> None:
    """Read the open requests of an account's environment, at most READ_MOST. Slow thread of the gateway.

    Raises ExchangeError, DeskError: the caller tries again.
    """
    environment: str = ExchangeAccount.objects.values_list("environment", flat=True).get(pk=account_id)
    read_ms = unix_ms_now()
    found: list[RfqReport] = []
    records = api.get_rfqs(client_for(account_id, write=False), status="open")
    taken = 0
    for record in itertools.islice(records, READ_MOST):
        taken += 1
        try:
            found.append(reports.rfq_from_rest(record))
        except WireFormatError:
            continue
    arrivals.listed(environment, Snapshot(found, read_ms, is_whole=taken < READ_MOST))
