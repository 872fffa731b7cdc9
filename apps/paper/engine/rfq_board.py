"""All RFQs and quotes with their indexes and timers. Holds and finds; decides nothing."""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from heapq import heappop, heappush
from typing import Literal

from apps.paper.engine.rfq import RETENTION_MS, Quote, Rfq

TimerKind = Literal["confirm", "execute", "expire", "purge_quote", "purge_rfq"]


class RfqBoard:
    """`rfqs` and `quotes` by id, oldest first."""

    def __init__(self) -> None:
        self.rfqs: dict[str, Rfq] = {}
        self.quotes: dict[str, Quote] = {}
        self._open_of: dict[str, dict[str, Rfq]] = defaultdict(dict)  # user id -> ticker -> RFQ
        self._open_in: dict[str, dict[str, Rfq]] = defaultdict(dict)  # ticker -> RFQ id -> RFQ
        self._quotes_of_rfq: dict[str, dict[str, Quote]] = defaultdict(dict)
        self._quotes_of_user: dict[str, dict[str, Quote]] = defaultdict(dict)  # as maker or requester
        self._timers: list[tuple[int, TimerKind, str]] = []

    # --- changing --------------------------------------------------------------------------------
    def add_rfq(self, rfq: Rfq) -> None:
        """Take in an RFQ; starts the timers that its state asks for."""
        self.rfqs[rfq.rfq_id] = rfq
        if rfq.status == "open":
            self._open_of[rfq.user_id][rfq.ticker] = rfq
            self._open_in[rfq.ticker][rfq.rfq_id] = rfq
            self.start_expiry(rfq)
        else:
            self._start(rfq.updated_ms + RETENTION_MS, "purge_rfq", rfq.rfq_id)

    def add_quote(self, quote: Quote) -> None:
        """Take in a quote; starts the timers that its state asks for."""
        self.quotes[quote.quote_id] = quote
        self._quotes_of_rfq[quote.rfq_id][quote.quote_id] = quote
        for user_id in (quote.user_id, quote.rfq_user_id):
            self._quotes_of_user[user_id][quote.quote_id] = quote
        self.start_timer(quote)

    def start_expiry(self, rfq: Rfq) -> None:
        """Start the timer of an RFQ that expires by itself."""
        if rfq.expires_ms is not None:
            self._start(rfq.expires_ms, "expire", rfq.rfq_id)

    def start_timer(self, quote: Quote) -> None:
        """Start what the quote's state asks for."""
        if quote.status == "confirmed" and quote.execute_ms is not None:
            self._start(quote.execute_ms, "execute", quote.quote_id)
        elif quote.status == "accepted" and not quote.lapsed and quote.deadline_ms is not None:
            self._start(quote.deadline_ms, "confirm", quote.quote_id)
        elif quote.status == "cancelled" or quote.lapsed:
            self._start(quote.updated_ms + RETENTION_MS, "purge_quote", quote.quote_id)

    def close(self, rfq: Rfq) -> None:
        """An RFQ is open no more."""
        if self._open_of[rfq.user_id].get(rfq.ticker) is rfq:
            del self._open_of[rfq.user_id][rfq.ticker]
        self._open_in[rfq.ticker].pop(rfq.rfq_id, None)
        if rfq.kept:
            self._start(rfq.updated_ms + RETENTION_MS, "purge_rfq", rfq.rfq_id)

    def drop_rfq(self, rfq: Rfq) -> None:
        """Forget an RFQ with its quotes."""
        for quote in list(self.quotes_of(rfq)):
            self.drop_quote(quote)
        self._quotes_of_rfq.pop(rfq.rfq_id, None)
        self.rfqs.pop(rfq.rfq_id, None)

    def drop_quote(self, quote: Quote) -> None:
        """Forget a quote."""
        del self.quotes[quote.quote_id]
        del self._quotes_of_rfq[quote.rfq_id][quote.quote_id]
        for user_id in (quote.user_id, quote.rfq_user_id):
            self._quotes_of_user[user_id].pop(quote.quote_id, None)

    def _start(self, due_ms: int, kind: TimerKind, item_id: str) -> None:
        heappush(self._timers, (due_ms, kind, item_id))

    def due(self, now_ms: int) -> tuple[int, TimerKind, str] | None:
        """The next timer that has run out, taken off; it may be about something that has changed since."""
        return heappop(self._timers) if self._timers and self._timers[0][0] <= now_ms else None

    # --- finding ---------------------------------------------------------------------------------
    def open_of(self, user_id: str) -> dict[str, Rfq]:
        """A member's open RFQs by ticker."""
        return self._open_of[user_id]

    def open_in(self, ticker: str) -> list[Rfq]:
        """Open RFQs of a market."""
        return list(self._open_in.get(ticker, {}).values())

    def open_rfqs(self) -> Iterator[Rfq]:
        """Every open RFQ."""
        for rfqs in self._open_in.values():
            yield from rfqs.values()

    def quotes_of(self, rfq: Rfq) -> Iterable[Quote]:
        """All quotes on an RFQ, oldest first."""
        return self._quotes_of_rfq[rfq.rfq_id].values() if rfq.rfq_id in self._quotes_of_rfq else ()

    def quotes_seen_by(self, user_id: str) -> dict[str, Quote]:
        """Quotes that a member made or got, oldest first."""
        return self._quotes_of_user[user_id]

    def locked(self, rfq: Rfq) -> Quote | None:
        """The quote that the RFQ waits for."""
        return next((quote for quote in self.quotes_of(rfq) if quote.is_locked), None)
