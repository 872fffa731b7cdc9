"""The live books of one session: whole and current, or stale and being asked for again."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from math import inf

from apps.core.book import OrderBook

_CALM = 30.0  # seconds without a round, after which the next one is not held back
_LONGEST_SPACING = 10.0


@dataclass(slots=True)
class LiveBook:
    """One market's book as the feed has it.

    is_live: a snapshot came and no frame since is missing. Only then is it the exchange's book;
    else the levels are the last ones known (empty before the first snapshot).
    ts_ms: the exchange's clock at the last change (0 unknown); recv_ms: ours. Both Unix ms.
    """

    ticker: str
    book: OrderBook
    is_live: bool = False
    ts_ms: int = 0
    recv_ms: int = 0
    asked_at: float | None = None  # when its snapshot was asked for; monotonic seconds


@dataclass(slots=True)
class Books:
    """Books by ticker, and the rounds in which whole books are asked for.

    Rounds are at least a second apart, and further while they do not help: a line that loses
    frames all the time must not make us flood the exchange.
    """

    by_ticker: dict[str, LiveBook] = field(default_factory=dict)
    due: set[str] = field(default_factory=set)  # to ask for in the next round
    renewed: set[str] = field(default_factory=set)  # subscribed once more since they were last live
    _next_round_at: float = -inf
    _spacing: float = 1.0

    def ask(self, tickers: Iterable[str], *, now: float) -> None:
        """A subscription has just asked for these; what they held is old."""
        for ticker in tickers:
            view = self.by_ticker.setdefault(ticker, LiveBook(ticker, OrderBook(ticker)))
            view.is_live = False
            view.asked_at = now

    def drop(self, tickers: Iterable[str]) -> None:
        for ticker in tuple(tickers):
            self.by_ticker.pop(ticker, None)
            self.due.discard(ticker)

    def restart(self) -> None:
        """A new connection may ask at once."""
        self.due.clear()
        self.renewed.clear()
        self._next_round_at = -inf
        for view in self.by_ticker.values():
            view.asked_at = None

    def mark_stale(self, tickers: Iterable[str] | None = None) -> tuple[str, ...]:
        """Mark these (or all) stale and return those that were live."""
        stale = []
        for ticker in self.by_ticker if tickers is None else tickers:
            view = self.by_ticker.get(ticker)
            if view is not None and view.is_live:
                view.is_live = False
                view.asked_at = None
                stale.append(ticker)
        return tuple(stale)

    def mark_live(self, view: LiveBook) -> None:
        view.is_live, view.asked_at = True, None
        self.due.discard(view.ticker)
        self.renewed.discard(view.ticker)

    def live(self) -> tuple[str, ...]:
        return tuple(ticker for ticker, view in self.by_ticker.items() if view.is_live)

    def ask_round(self, send: Callable[[Iterable[str]], list[str]], *, now: float) -> None:
        """Ask for all that is due by `send`, which returns what it could ask for."""
        if not self.due or now < self._next_round_at:
            return
        asked = send(self.due)
        for ticker in asked:
            view = self.by_ticker[ticker]
            view.asked_at = max(now, view.asked_at or now)
        self.due -= set(asked)
        if asked:
            calm = now - self._next_round_at > _CALM
            self._spacing = 1.0 if calm else min(_LONGEST_SPACING, self._spacing * 2)
            self._next_round_at = now + self._spacing

    def overdue(self, *, now: float, after: float) -> list[LiveBook]:
        """Books whose snapshot was asked for more than `after` seconds ago and never came."""
        return [
            view
            for view in self.by_ticker.values()
            if not view.is_live and view.asked_at is not None and now - view.asked_at > after
        ]
