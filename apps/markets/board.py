"""The live market data of one environment: what the gateway knows, as frames for browsers.

Lives in the gateway's event loop and does no I/O: the gateway tells it what arrived and publishes
what `take` returns. A book is rendered when it is published, from the one book that the WebSocket
session maintains, so a frame can never be a mixture.
"""

from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from apps.core.book import OrderBook
from apps.core.errors import WireFormatError
from apps.core.money import count_units_from_wire, format_count_units, format_price_units, price_units_from_wire
from apps.core.timestamps import to_unix_ms
from apps.markets.conflation import Conflator
from apps.markets.services.lifecycle import lifecycle_changes

BOOK_SECONDS = 0.025
TAPE_SECONDS = 0.1
TICKERS_SECONDS = 0.25
TAPE_LENGTH = 100

BookState = Literal["live", "stale", "down"]
Frame = dict[str, Any]


@dataclass(slots=True)
class _Book:
    book: OrderBook | None = None
    ts_ms: int | None = None
    recv_ms: int | None = None
    state: BookState = "stale"
    why: str = "waiting for the exchange's snapshot"


@dataclass(slots=True)
class _Tape:
    trades: deque[Frame] = field(default_factory=lambda: deque(maxlen=TAPE_LENGTH))
    known: set[str] = field(default_factory=set)


@dataclass(frozen=True, slots=True)
class Meta:
    """What the ticker channel does not say about a market."""

    status: str
    close_ms: int | None


@dataclass(slots=True)
class Frames:
    """What is due: whole frames by topic, and rows of the tickers topic."""

    whole: dict[str, Frame]
    rows: dict[str, Frame]

    def __bool__(self) -> bool:
        return bool(self.whole or self.rows)


class MarketBoard:
    """Books, tapes and tickers of one environment. Times: monotonic seconds, except `*_ms` (Unix)."""

    def __init__(self, environment: str) -> None:
        self.environment = environment
        self._books: dict[str, _Book] = {}
        self._tapes: dict[str, _Tape] = {}
        self._tickers: dict[str, Frame] = {}
        self._meta: dict[str, Meta] = {}
        self._changed_rows: set[str] = set()
        self._book_pace = Conflator(BOOK_SECONDS)
        self._tape_pace = Conflator(TAPE_SECONDS)
        self._rows_pace = Conflator(TICKERS_SECONDS)

    # --- what is wanted ----------------------------------------------------------------------

    @property
    def tickers(self) -> set[str]:
        """The markets whose books and tapes are kept."""
        return set(self._books)

    def want(self, ticker: str) -> None:
        """Begin to keep a market; its first frame says that the book is not there yet."""
        if ticker not in self._books:
            self._books[ticker] = _Book()
            self._tapes[ticker] = _Tape()
            self._book_pace.mark(ticker)

    def release(self, ticker: str) -> list[str]:
        """Let a market go; return the topics that nobody maintains any more."""
        self._books.pop(ticker, None)
        self._tapes.pop(ticker, None)
        self._book_pace.forget(ticker)
        self._tape_pace.forget(ticker)
        return [self._topic("book", ticker), self._topic("tape", ticker)]

    # --- what arrived ------------------------------------------------------------------------

    def book_changed(
        self,
        ticker: str,
        book: OrderBook,
        *,
        ts_ms: int | None,
        recv_ms: int,
        state: BookState = "live",
        why: str = "",
    ) -> None:
        """The session applied a snapshot or a delta; "live": the book is what the exchange holds."""
        kept = self._books.get(ticker)
        if kept is None:
            return
        kept.book, kept.recv_ms, kept.state, kept.why = book, recv_ms, state, why
        if ts_ms is not None:
            kept.ts_ms = ts_ms
        self._book_pace.mark(ticker)

    def books_not_live(self, state: BookState, *, why: str, tickers: Iterable[str] | None = None) -> None:
        """These books (all by default) may differ from the exchange's; their last levels stay visible."""
        for ticker in list(self._books) if tickers is None else tickers:
            kept = self._books.get(ticker)
            if kept is not None and (kept.state, kept.why) != (state, why):
                kept.state, kept.why = state, why
                self._book_pace.mark(ticker)

    def trades_seen(self, ticker: str, trades: Iterable[Frame]) -> None:
        """Add trades (rows of the tape topic), from the feed or from REST, in any order."""
        tape = self._tapes.get(ticker)
        if tape is None:
            return
        new = [trade for trade in trades if trade["id"] not in tape.known]
        if not new:
            return
        merged = sorted([*tape.trades, *new], key=lambda trade: trade["ts_ms"], reverse=True)[:TAPE_LENGTH]
        tape.trades = deque(merged, maxlen=TAPE_LENGTH)
        tape.known = {trade["id"] for trade in merged}
        self._tape_pace.mark(ticker)

    def ticker_changed(self, message: Any) -> None:
        """Take in one message of the ticker channel."""
        ticker = message.market_ticker
        try:
            row = _ticker_row(message)
        except WireFormatError:
            return  # the next message, or the catalogue's sync, gives the row again
        self._tickers[ticker] = row
        self._row_changed(ticker)

    def meta_changed(self, metas: Mapping[str, Meta]) -> None:
        """Status and closing time as SQL has them, or as a lifecycle message has just said."""
        for ticker, meta in metas.items():
            if self._meta.get(ticker) != meta:
                self._meta[ticker] = meta
                if ticker in self._tickers:
                    self._row_changed(ticker)

    def lifecycle_seen(self, message: Any) -> None:
        """Show a change of status or closing time at once; the catalogue is told separately."""
        ticker = message.market_ticker
        before = self._meta.get(ticker, Meta("", None))
        changes = lifecycle_changes(message)
        close = changes.get("close_time")
        after = Meta(changes.get("status", before.status), to_unix_ms(close) if close else before.close_ms)
        if after.status:
            self.meta_changed({ticker: after})

    # --- what goes out -----------------------------------------------------------------------

    def take(self, now: float) -> Frames:
        """Return what is due at `now`. Publish it, or give it back to `failed`."""
        whole = {self._topic("book", ticker): self._book_frame(ticker) for ticker in self._book_pace.take(now)}
        for ticker in self._tape_pace.take(now):
            whole[self._topic("tape", ticker)] = {"trades": list(self._tapes[ticker].trades)}
        rows: dict[str, Frame] = {}
        if self._rows_pace.take(now):
            rows = {ticker: self._row(ticker) for ticker in sorted(self._changed_rows)}
            self._changed_rows.clear()
        return Frames(whole, rows)

    def next_at(self, now: float) -> float | None:
        """Return when `take` next has something, None when nothing changed."""
        moments = [pace.next_at(now) for pace in (self._book_pace, self._tape_pace, self._rows_pace)]
        return min((moment for moment in moments if moment is not None), default=None)

    def failed(self, frames: Frames) -> None:
        """These frames did not get out: their topics are due again, with what is newest then."""
        for topic in frames.whole:
            kind, _, ticker = topic.split(":", 2)
            if ticker in self._books:
                (self._book_pace if kind == "book" else self._tape_pace).failed([ticker])
        for ticker in frames.rows:
            self._row_changed(ticker)

    def everything_again(self) -> None:
        """Mark all topics, because what was published may be lost (Redis was away)."""
        for ticker, tape in self._tapes.items():
            self._book_pace.mark(ticker)
            if tape.trades:
                self._tape_pace.mark(ticker)
        for ticker in self._tickers:
            self._row_changed(ticker)

    # --- rendering ---------------------------------------------------------------------------

    def _topic(self, kind: str, ticker: str) -> str:
        return f"{kind}:{self.environment}:{ticker}"

    def _row_changed(self, ticker: str) -> None:
        self._changed_rows.add(ticker)
        self._rows_pace.mark("tickers")

    def _book_frame(self, ticker: str) -> Frame:
        kept = self._books[ticker]
        book = kept.book
        return {
            "ticker": ticker,
            "yes": book.wire_levels("yes") if book else [],
            "no": book.wire_levels("no") if book else [],
            "ts_ms": kept.ts_ms,
            "recv_ms": kept.recv_ms,
            "state": kept.state,
            "why": kept.why,
        }

    def _row(self, ticker: str) -> Frame:
        meta = self._meta.get(ticker)
        return {
            **self._tickers[ticker],
            "status": meta.status if meta else None,
            "close_ms": meta.close_ms if meta else None,
        }


def ask_text(raw: str | None) -> str | None:
    """Return an ask as four-place dollars; None for the $1 (or $0) that means that nobody offers."""
    return _price_text(raw, absent=(0, 10_000))


def bid_text(raw: str | None) -> str | None:
    """Return a bid as four-place dollars; None for the $0 that means that nobody bids."""
    return _price_text(raw, absent=(0,))


def _price_text(raw: str | None, *, absent: tuple[int, ...]) -> str | None:
    if not raw:
        return None
    units = price_units_from_wire(raw)
    return None if units in absent else format_price_units(units)


def _count_text(raw: str | None) -> str | None:
    return format_count_units(count_units_from_wire(raw)) if raw else None


def _ticker_row(message: Any) -> Frame:
    return {
        "bid": bid_text(message.yes_bid_dollars),
        "ask": ask_text(message.yes_ask_dollars),
        "bid_size": _count_text(message.yes_bid_size_fp),
        "ask_size": _count_text(message.yes_ask_size_fp),
        "last": _price_text(message.price_dollars, absent=(0,)),
        "volume": _count_text(message.volume_fp),
        "open_interest": _count_text(message.open_interest_fp),
    }
