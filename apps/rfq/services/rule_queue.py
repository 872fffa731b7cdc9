"""From the event loop to the rules: requests that some rule may answer, bounded, each once, after the rule's delay."""

import heapq
import itertools
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from apps.core.errors import WireFormatError
from apps.core.ports import FeedContext
from apps.rfq import reports
from apps.rfq.reports import RfqReport
from apps.rfq.services.rule_book import LiveRule, RuleBook

WAITING = 1_000
REMEMBERED = 20_000  # ids, so that a repeated frame is not answered twice


@dataclass(frozen=True, slots=True)
class Candidate:
    """One request and the rules of one desk that may answer it, in their order. Times: Unix ms, our clock."""

    environment: str
    report: RfqReport
    rules: tuple[LiveRule, ...]
    seen_ms: int
    due_ms: int


class RuleQueue:
    """book: replaced by the job each second. on_work: called in the event loop when something was queued."""

    def __init__(self, *, waiting: int = WAITING) -> None:
        self.book = RuleBook()
        self.on_work: Callable[[], None] = lambda: None
        self.dropped = 0
        self._most = waiting
        self._lock = threading.Lock()
        self._heap: list[tuple[int, int, Candidate]] = []
        self._order = itertools.count()
        self._known: dict[str, None] = {}
        self._over: dict[str, None] = {}

    def created(self, context: FeedContext, messages: list[Any]) -> None:
        """Stream taker of rfq_created: does nothing but compare while no rule is on."""
        book = self.book
        if not book.has_rules(context.environment):
            return
        found = []
        for message in messages:
            if not _remember(self._known, message.id):
                continue
            try:
                report = reports.rfq_from_ws(message)
            except WireFormatError:
                continue
            for rules in book.candidates(context.environment, report):
                delay = int(rules[0].terms.delay.total_seconds() * 1_000)
                found.append(Candidate(context.environment, report, rules, context.recv_ms, context.recv_ms + delay))
        if found:
            with self._lock:
                for one in found:
                    self._put(one)
            self.on_work()

    def deleted(self, context: FeedContext, messages: list[Any]) -> None:
        """Stream taker of rfq_deleted: what is over is not answered."""
        if self.book.has_rules(context.environment):
            for message in messages:
                _remember(self._over, message.id)

    def take(self, now_ms: int, *, most: int) -> list[Candidate]:
        """Return what is due and not over, oldest first."""
        taken: list[Candidate] = []
        with self._lock:
            while self._heap and self._heap[0][0] <= now_ms and len(taken) < most:
                candidate = heapq.heappop(self._heap)[2]
                if candidate.report.rfq_id not in self._over:
                    taken.append(candidate)
        return taken

    def next_due_ms(self) -> int | None:
        with self._lock:
            return self._heap[0][0] if self._heap else None

    def _put(self, candidate: Candidate) -> None:
        if len(self._heap) >= self._most:
            # The oldest is the one that has the least to gain from an answer.
            heapq.heappop(self._heap)
            self.dropped += 1
        heapq.heappush(self._heap, (candidate.due_ms, next(self._order), candidate))


def _remember(kept: dict[str, None], rfq_id: str) -> bool:
    """Note an id; False when it was known. Bounded: the oldest is forgotten."""
    if rfq_id in kept:
        return False
    kept[rfq_id] = None
    if len(kept) > REMEMBERED:
        del kept[next(iter(kept))]
    return True


queue = RuleQueue()
