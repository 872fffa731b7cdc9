"""Watches how old and how alive the feed is, and says so for its books."""

from collections.abc import Callable

from apps.exchange.wire.books import Books
from apps.exchange.wire.delay import Delay
from apps.exchange.wire.events import BookReady, BooksStale, Event
from apps.exchange.wire.line import Line
from apps.exchange.wire.schemas.decode import sample_fields

_SAMPLE_EVERY = 1.0  # seconds; how often a delta is searched for fields that we do not know


class Watch:
    """delay and line hold the state; this turns their changes into events for all live books."""

    def __init__(self, *, books: Books, emit: Callable[[Event], None], close: Callable[[str], None]) -> None:
        self.delay = Delay()
        self.line = Line()
        self._books = books
        self._emit = emit
        self._close = close
        self._wants_sample = True
        self._sampled_at = 0.0

    @property
    def why(self) -> str:
        """Why even whole books are not current: "silent", "late", or "" when they are."""
        if self.line.is_silent:
            return "silent"
        return "late" if self.delay.is_late else ""

    def connected(self, now: float) -> None:
        self.delay.start()
        self.line.up(now)

    def seen(self, delay_ms: int, delta: bytes) -> None:
        """Take in the delay of the last of some frames, and now and then look what is new in it."""
        if not self.delay.low < delay_ms < self.delay.high:
            self._delayed(delay_ms)
        if self._wants_sample:
            self._wants_sample = False
            sample_fields(delta)

    def tick(self, now: float) -> None:
        if now - self._sampled_at >= _SAMPLE_EVERY:
            self._sampled_at = now
            self._wants_sample = True
        change = self.line.watch(now)
        if change == "back":
            self._all_ready()
        elif change == "silent":
            self._emit(BooksStale(self._books.live(), "silent"))
        elif change == "dead":
            self._close(f"nothing came for {now - self.line.heard_at:.0f} s")

    def _delayed(self, delay_ms: int) -> None:
        was_late = self.delay.is_late
        self.delay.note(delay_ms)
        if self.delay.is_late and not was_late:
            self._emit(BooksStale(self._books.live(), "late"))
        elif was_late and not self.delay.is_late:
            self._all_ready()

    def _all_ready(self) -> None:
        if not self.why:
            for ticker in self._books.live():
                self._emit(BookReady(ticker))
