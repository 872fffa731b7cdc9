"""Watches how old and how alive the feed is, and says so for its books."""

from collections.abc import Callable

from apps.exchange.wire.books import Books
from apps.exchange.wire.delay import Delay
from apps.exchange.wire.events import BookReady, BooksStale, Event
from apps.exchange.wire.line import Line


class Watch:
    """delay and line hold the state; this turns their changes into events for all live books."""

    def __init__(self, *, books: Books, emit: Callable[[Event], None], close: Callable[[str], None]) -> None:
        self.delay = Delay()
        self.line = Line()
        self._books = books
        self._emit = emit
        self._close = close

    @property
    def why(self) -> str:
        """Why even whole books are not current: "silent", "late", or "" when they are."""
        if self.line.is_silent:
            return "silent"
        return "late" if self.delay.is_late else ""

    def connected(self, now: float) -> None:
        self.delay.start()
        self.line.up(now)

    def delayed(self, delay_ms: int) -> None:
        """Take in a frame's delay that is outside the expected bounds."""
        was_late = self.delay.is_late
        self.delay.note(delay_ms)
        if self.delay.is_late and not was_late:
            self._emit(BooksStale(self._books.live(), "late"))
        elif was_late and not self.delay.is_late:
            self._all_ready()

    def tick(self, now: float) -> None:
        change = self.line.watch(now)
        if change == "back":
            self._all_ready()
        elif change == "silent":
            self._emit(BooksStale(self._books.live(), "silent"))
        elif change == "dead":
            self._close(f"nothing came for {now - self.line.heard_at:.0f} s")

    def _all_ready(self) -> None:
        if not self.why:
            for ticker in self._books.live():
                self._emit(BookReady(ticker))
