"""Order books by FIX: V as the desk writes it; W, X, Y as it reads them, and the book that they make.

Source: docs:fix-margin/market-data. A change says what a level holds now, so one that comes twice does no harm.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Final

from apps.core.errors import WireFormatError
from apps.fix.engine.codec import Fields, Message
from apps.fix.engine.values import decimal_read
from apps.fix.messages.common import body

SNAPSHOT: Final = "0"
SUBSCRIBE: Final = "1"
CANCEL: Final = "2"
MOST_SYMBOLS: Final = 100  # of one session of ours; the exchange has a limit that it does not tell
_ACTIONS: Final = {"0": "change", "1": "change", "2": "delete"}
_SIDES: Final = {"0": "bid", "1": "ask"}


def request_fields(what: str, symbols: Sequence[str] = ()) -> Fields:
    """Return the body of a MarketDataRequest. symbols: none only with CANCEL, which then ends all subscriptions.

    Raises:
        WireFormatError: no symbols, too many, or one twice.
    """
    if what not in (SNAPSHOT, SUBSCRIBE, CANCEL):
        raise WireFormatError(f"no kind of market data request: {what!r}")
    if not symbols and what != CANCEL:
        raise WireFormatError("a market data request names its symbols")
    if len(symbols) > MOST_SYMBOLS or len(set(symbols)) != len(symbols):
        raise WireFormatError(f"at most {MOST_SYMBOLS} symbols, each once")
    return [
        (263, what),
        *([(146, str(len(symbols)))] if symbols else []),
        *((55, symbol) for symbol in symbols),
    ]


@dataclass(frozen=True, slots=True)
class Level:
    """One level of a book. side: bid or ask; price: dollars; size: contracts, 0 when the level is gone."""

    side: str
    price: Decimal
    size: Decimal


@dataclass(frozen=True, slots=True)
class Snapshot:
    """MarketDataSnapshotFullRefresh (W)."""

    symbol: str
    levels: tuple[Level, ...]

    @classmethod
    def read(cls, message: Message) -> "Snapshot":
        """Raises WireFormatError, also for a level told twice."""
        entry = body(message, "W")
        levels = tuple(_level(one.text(269), one.text(270), one.text(271)) for one in entry.entries(268))
        if len({(one.side, one.price) for one in levels}) != len(levels):
            raise WireFormatError("a snapshot with the same level twice")
        if any(not one.size for one in levels):
            raise WireFormatError("a snapshot with a level of nothing")
        return cls(entry.text(55), levels)


@dataclass(frozen=True, slots=True)
class Change:
    symbol: str
    level: Level


def changes_read(message: Message) -> list[Change]:
    """Return what a MarketDataIncrementalRefresh (X) says, in order; a deleted level has size 0.

    Raises:
        WireFormatError: an action or a side that nobody documents.
    """
    found: list[Change] = []
    for one in body(message, "X").entries(268):
        action = _ACTIONS.get(one.text(279))
        if action is None:
            raise WireFormatError(f"unknown MDUpdateAction {one.text(279)[:5]!r}")
        level = _level(one.text(269), one.text(270), one.text(271))
        if action == "delete":
            level = Level(level.side, level.price, Decimal(0))
        found.append(Change(one.text(55), level))
    return found


def reject_text(message: Message) -> str:
    """Return a MarketDataRequestReject (Y) in words."""
    entry = body(message, "Y")
    reasons = {"2": "the request or the session has too many symbols", "4": "this kind of request is not supported"}
    reason = reasons.get(entry.text(281), f"reason {entry.text(281) or 'not told'}")
    return f"{reason}: {entry.text(58)}" if entry.text(58) else reason


@dataclass(slots=True)
class Book:
    """One market's levels, price -> size. is_whole: a snapshot has come, and nothing contradicts it."""

    bids: dict[Decimal, Decimal] = field(default_factory=dict)
    asks: dict[Decimal, Decimal] = field(default_factory=dict)
    is_whole: bool = False
    updates: int = 0

    def put(self, levels: Iterable[Level]) -> None:
        """Take levels as they are now."""
        for one in levels:
            side = self.bids if one.side == "bid" else self.asks
            if one.size:
                side[one.price] = one.size
            else:
                side.pop(one.price, None)

    @property
    def best_bid(self) -> Decimal | None:
        return max(self.bids, default=None)

    @property
    def best_ask(self) -> Decimal | None:
        return min(self.asks, default=None)

    @property
    def is_crossed(self) -> bool:
        """Whether somebody bids as much as another asks, which no book of an exchange can be."""
        bid, ask = self.best_bid, self.best_ask
        return bid is not None and ask is not None and bid >= ask


@dataclass(slots=True)
class Books:
    """The books of one session, kept from what it is told."""

    symbols: tuple[str, ...] = ()
    books: dict[str, Book] = field(default_factory=dict)

    def begin(self) -> Fields | None:
        """A logon: nothing is known any more. Return the subscription to send, None without symbols."""
        self.books = {symbol: Book() for symbol in self.symbols}
        return request_fields(SUBSCRIBE, self.symbols) if self.symbols else None

    def take(self, message: Message) -> list[str]:
        """Take a W or X; return the symbols whose snapshot must be asked for again. Raises WireFormatError."""
        if message.msg_type == "W":
            told = Snapshot.read(message)
            book = self.books[told.symbol] = Book(is_whole=True)
            book.put(told.levels)
            touched = {told.symbol}
        else:
            touched = set()
            for change in changes_read(message):
                book = self.books.setdefault(change.symbol, Book())
                book.put([change.level])
                book.updates += 1
                touched.add(change.symbol)
        return [symbol for symbol in sorted(touched) if not self._is_fine(symbol)]

    def _is_fine(self, symbol: str) -> bool:
        book = self.books[symbol]
        if symbol not in self.symbols:
            return True  # nobody asked for it; shown as it is
        if book.is_crossed:
            book.is_whole = False
        return book.is_whole


def _level(side: str, price: str, size: str) -> Level:
    told = _SIDES.get(side)
    if told is None:
        raise WireFormatError(f"unknown MDEntryType {side[:5]!r}")
    level = Level(told, decimal_read(price), decimal_read(size))
    if level.price <= 0 or level.size < 0:
        raise WireFormatError(f"no level of a book: {level.size} at {level.price}")
    return level
