"""The archive: what has left the live tier, in one SQLite file (or in memory), read page by page.

Nothing of it is held in memory. What is put in together is there together or not at all, with the cutoffs that moved
it; putting the same thing in again changes nothing, so that a kill between archive and live tier does no harm.
"""

import sqlite3
import weakref
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, fields
from itertools import chain
from operator import attrgetter
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar

import msgspec

from apps.paper.engine.candles import Candle
from apps.paper.engine.catalogue import Market
from apps.paper.engine.orders import Fill, Order, Trade

Row = tuple[int, int, int, int, int, bytes]  # kind, owner, ts_ms, sequence, ticker, data
Place = tuple[int, int]  # (ts_ms, sequence): where a record stands, newest first

SCHEMA = """
CREATE TABLE IF NOT EXISTS names (number INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE);
CREATE TABLE IF NOT EXISTS figures (name TEXT PRIMARY KEY, value INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS records (
    kind INTEGER, owner INTEGER, ts_ms INTEGER, sequence INTEGER, ticker INTEGER, data BLOB,
    PRIMARY KEY (kind, owner, ts_ms, sequence)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS records_by_ticker ON records (kind, owner, ticker, ts_ms, sequence);
CREATE TABLE IF NOT EXISTS markets (
    number INTEGER PRIMARY KEY, ticker TEXT NOT NULL UNIQUE, event_ticker TEXT NOT NULL, series_ticker TEXT NOT NULL,
    is_combo INTEGER NOT NULL, data BLOB NOT NULL, candles BLOB NOT NULL
);
CREATE INDEX IF NOT EXISTS markets_by_event ON markets (event_ticker, number);
CREATE INDEX IF NOT EXISTS markets_by_series ON markets (series_ticker, number);
"""


@dataclass(frozen=True, slots=True)
class Cutoffs:
    """What is older (Unix ms) is historical: markets by settlement, trades and fills by time, orders by their end."""

    market_settled_ms: int
    trades_created_ms: int
    orders_updated_ms: int

    def forward(self, other: "Cutoffs") -> "Cutoffs":
        """The later of both, each for itself: a cutoff never goes back."""
        return Cutoffs(
            max(self.market_settled_ms, other.market_settled_ms),
            max(self.trades_created_ms, other.trades_created_ms),
            max(self.orders_updated_ms, other.orders_updated_ms),
        )


class Stored(Protocol):
    """What has a place in the order of all things."""

    @property
    def sequence(self) -> int: ...
    @property
    def ticker(self) -> str: ...


Record = TypeVar("Record", bound=Stored)


class Kind(Generic[Record]):
    """How one kind of record is written. Ids are UUIDs and take 16 bytes; owner and ticker stand beside the data."""

    def __init__(self, number: int, record: type[Record], *, time: str, owner: str | None) -> None:
        names = [field.name for field in fields(record)]  # type: ignore[arg-type]  # all records are dataclasses
        self.number = number
        self.names = names
        self._record = record
        self._values = attrgetter(*names)
        self._time = attrgetter(time)
        self._owner = None if owner is None else attrgetter(owner)
        self._ids = [index for index, name in enumerate(names) if name in ("trade_id", "order_id")]
        self._apart = {names.index("ticker"): "ticker"} | ({} if owner is None else {names.index(owner): "owner"})

    def owner_of(self, record: Record) -> str:
        """Whose it is; "" is everybody's."""
        return "" if self._owner is None else self._owner(record)

    def time_of(self, record: Record) -> int:
        """Where it stands in time, Unix ms."""
        ts_ms: int = self._time(record)
        return ts_ms

    def values(self, record: Record) -> list[Any]:
        """What is written of a record, in the order of `names`: ids as bytes, None for what stands beside it."""
        values: list[Any] = list(self._values(record))
        for index in self._ids:
            values[index] = bytes.fromhex(values[index].replace("-", ""))
        for index in self._apart:
            values[index] = None
        return values

    def pack(self, record: Record) -> bytes:
        """The data column."""
        return msgspec.msgpack.encode(self.values(record))

    def unpack(self, data: bytes, *, owner: str, ticker: str) -> Record:
        """The record; fields that are newer than the data keep their defaults."""
        values = msgspec.msgpack.decode(data)
        for index in self._ids:
            text = values[index].hex()
            values[index] = f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"
        for index, name in self._apart.items():
            values[index] = owner if name == "owner" else ticker
        return self._record(*values)


FILLS: Kind[Fill] = Kind(1, Fill, time="ts_ms", owner="user_id")
ORDERS: Kind[Order] = Kind(2, Order, time="created_ms", owner="user_id")
TRADES: Kind[Trade] = Kind(3, Trade, time="ts_ms", owner=None)
_candles = msgspec.msgpack.Decoder(list[Candle])
_market = msgspec.msgpack.Decoder(Market)


class Archive:
    """path: None keeps it in memory (tests)."""

    def __init__(self, path: Path | None = None) -> None:
        self._path = path
        self._opened: sqlite3.Connection | None = None
        self._numbers: dict[str, int] = {}

    @property
    def _database(self) -> sqlite3.Connection:
        """Opened on first need: most exchanges of tests archive nothing."""
        if self._opened is None:
            # One thread uses it, but the collector may run the closing in any other.
            database = sqlite3.connect(
                ":memory:" if self._path is None else self._path, isolation_level=None, check_same_thread=False
            )
            weakref.finalize(self, database.close)
            database.executescript(f"PRAGMA synchronous = FULL; {SCHEMA}")
            self._opened = database
        return self._opened

    def patience_ms(self, ms: int) -> None:
        """How long to wait for another process that holds the file (sqlite3's own: five seconds)."""
        self._database.execute(f"PRAGMA busy_timeout = {int(ms)}")

    def close(self) -> None:
        """Let go of the file."""
        if self._opened is not None:
            self._opened.close()
            self._opened = None

    # --- writing ---------------------------------------------------------------------------------
    def put(
        self,
        *,
        cutoffs: Cutoffs,
        fills: Iterable[Fill] = (),
        orders: Iterable[Order] = (),
        trades: Iterable[Trade] = (),
        markets: Iterable[tuple[Market, Sequence[Candle]]] = (),
        packed: Iterable[Row] = (),
    ) -> None:
        """Take all of it, whole or not at all. `packed`: rows made ready by `row`.

        Raises:
            sqlite3.Error: the file cannot be written; nothing has changed.
        """
        rows = chain(
            (self.row(FILLS, fill) for fill in fills),
            (self.row(ORDERS, order) for order in orders),
            (self.row(TRADES, trade) for trade in trades),
            packed,
        )
        database = self._database
        database.execute("BEGIN IMMEDIATE")
        try:
            database.executemany("INSERT OR REPLACE INTO records VALUES (?, ?, ?, ?, ?, ?)", rows)
            for market, candles in markets:
                self._put_market(market, candles)
            figures = [(field.name, getattr(cutoffs, field.name)) for field in fields(cutoffs)]
            database.executemany("INSERT OR REPLACE INTO figures VALUES (?, ?)", figures)
            database.execute("COMMIT")
        except BaseException:
            self._numbers.clear()  # numbers given since the beginning are taken back with the rest
            if database.in_transaction:
                database.execute("ROLLBACK")
            raise

    def row(self, kind: Kind[Record], record: Record) -> Row:
        """A record as its row."""
        place = (kind.time_of(record), record.sequence)
        return (kind.number, self.number(kind.owner_of(record)), *place, self.number(record.ticker), kind.pack(record))

    def number(self, name: str) -> int:
        """A user id's or a ticker's number, given on first need (within `put`, or before it)."""
        found = self._numbers.get(name)
        if found is None:
            self._database.execute("INSERT OR IGNORE INTO names (name) VALUES (?)", (name,))
            found = self._number(name)
            assert found is not None
        return found

    def _number(self, name: str) -> int | None:
        row = self._database.execute("SELECT number FROM names WHERE name = ?", (name,)).fetchone()
        if row is None:
            return None
        self._numbers[name] = row[0]
        return int(row[0])

    def _put_market(self, market: Market, candles: Sequence[Candle]) -> None:
        data = msgspec.msgpack.encode(market)
        row = (market.ticker, market.event_ticker, market.series_ticker, market.is_combo, data)
        self._database.execute(
            "INSERT INTO markets (ticker, event_ticker, series_ticker, is_combo, data, candles) "
            "VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (ticker) DO UPDATE SET data = excluded.data, "
            "candles = CASE WHEN length(excluded.candles) > 1 THEN excluded.candles ELSE candles END",
            (*row, msgspec.msgpack.encode(list(candles))),
        )

    def set_figure(self, name: str, value: int) -> None:
        """Remember a number."""
        self._database.execute("INSERT OR REPLACE INTO figures VALUES (?, ?)", (name, value))

    # --- reading ---------------------------------------------------------------------------------
    def figure(self, name: str) -> int | None:
        """A number remembered."""
        row = self._database.execute("SELECT value FROM figures WHERE name = ?", (name,)).fetchone()
        return None if row is None else int(row[0])

    def cutoffs(self) -> Cutoffs | None:
        """The cutoffs of the last `put`."""
        found = [self.figure(field.name) for field in fields(Cutoffs)]
        return None if None in found else Cutoffs(*(value or 0 for value in found))

    def page(
        self,
        kind: Kind[Record],
        *,
        owner: str = "",
        ticker: str | None = None,
        min_ms: int | None = None,
        max_ms: int | None = None,
        before: Place | None = None,
        limit: int,
    ) -> list[Record]:
        """Records newest first, those that stand before a place; one look-up in an index, whatever there is."""
        owner_number = self._number(owner)
        if owner_number is None:
            return []
        wanted, values = ["kind = ?", "owner = ?"], [kind.number, owner_number]
        if ticker is not None:
            ticker_number = self._number(ticker)
            if ticker_number is None:
                return []
            wanted.append("ticker = ?")
            values.append(ticker_number)
        if min_ms is not None:
            wanted.append("ts_ms >= ?")
            values.append(min_ms)
        if max_ms is not None:
            wanted.append("ts_ms <= ?")
            values.append(max_ms)
        if before is not None:
            wanted.append("(ts_ms, sequence) < (?, ?)")
            values += before
        rows = self._database.execute(
            # The conditions are the constants above; values are bound.
            f"SELECT data, name FROM records JOIN names ON names.number = ticker WHERE {' AND '.join(wanted)} "  # noqa: S608
            "ORDER BY ts_ms DESC, sequence DESC LIMIT ?",
            (*values, limit),
        )
        return [kind.unpack(data, owner=owner, ticker=name) for data, name in rows]

    def count(self, kind: Kind[Any], *, owner: str = "") -> int:
        """How many records of a kind there are of somebody's."""
        number = self._number(owner)
        row = self._database.execute(
            "SELECT count(*) FROM records WHERE kind = ? AND owner = ?", (kind.number, -1 if number is None else number)
        ).fetchone()
        return int(row[0])

    def market(self, ticker: str) -> Market | None:
        """One market."""
        row = self._database.execute("SELECT data FROM markets WHERE ticker = ?", (ticker,)).fetchone()
        return None if row is None else _market.decode(row[0])

    def candles(self, ticker: str) -> list[Candle]:
        """The one-minute candles of a market, oldest first."""
        row = self._database.execute("SELECT candles FROM markets WHERE ticker = ?", (ticker,)).fetchone()
        return [] if row is None else _candles.decode(row[0])

    def markets(
        self,
        *,
        tickers: Sequence[str] = (),
        event_ticker: str | None = None,
        series_ticker: str | None = None,
        combos: bool = True,
        before: int | None = None,
        limit: int,
    ) -> list[tuple[int, Market]]:
        """(place, market), archived last first; `before` is a place."""
        wanted: list[str] = []
        values: list[str | int] = []
        if tickers:
            wanted.append(f"ticker IN ({', '.join('?' * len(tickers))})")
            values += tickers
        for column, value in (("event_ticker", event_ticker), ("series_ticker", series_ticker)):
            if value is not None:
                wanted.append(f"{column} = ?")
                values.append(value)
        if not combos:
            wanted.append("NOT is_combo")
        if before is not None:
            wanted.append("number < ?")
            values.append(before)
        where = f"WHERE {' AND '.join(wanted)}" if wanted else ""
        rows = self._database.execute(
            # As above: only constants and question marks.
            f"SELECT number, data FROM markets {where} ORDER BY number DESC LIMIT ?",  # noqa: S608
            (*values, limit),
        )
        return [(number, _market.decode(data)) for number, data in rows]

    def tickers(self) -> Iterator[str]:
        """Of all markets."""
        return (row[0] for row in self._database.execute("SELECT ticker FROM markets"))
