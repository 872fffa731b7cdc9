"""What one YES is worth to a desk, by the source that is asked for, with its age or the reason why it is not known.

Sources: `book` (middle of the live book), `legs` (product of the legs' middles: independence is assumed), `bounds`
(middle of what the legs' chances allow together), `manual` (a person's mark), `file` (an uploaded mark). "" asks for
the best there is: a person's mark, an uploaded one, the legs of a combo, the market's own book.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any

import msgspec
import redis
from django.db.models import Q

from apps.core.combos import bounds
from apps.core.errors import WireFormatError
from apps.core.money import parse_price
from apps.core.timestamps import from_unix_ms
from apps.exchange import live
from apps.exchange.selectors import FeedState, feed_state
from apps.rfq.models import FairMark

ONE = Decimal(1)
TWO = Decimal(2)
Legs = Sequence[Mapping[str, str]]


class FairSource(StrEnum):
    BOOK = "book"
    LEGS = "legs"
    BOUNDS = "bounds"
    MANUAL = "manual"
    FILE = "file"


@dataclass(frozen=True, slots=True)
class Fair:
    """Value of one YES, dollars, not rounded. at: as of when (our clock). value None: `why` says why not."""

    value: Decimal | None
    source: str
    at: datetime | None = None
    why: str = ""


@dataclass(frozen=True, slots=True)
class Touch:
    """Best live YES prices; None: that side of the book is empty."""

    bid: Decimal | None = None
    ask: Decimal | None = None

    @property
    def middle(self) -> Decimal | None:
        return None if self.bid is None or self.ask is None else (self.bid + self.ask) / TWO


@dataclass(frozen=True, slots=True)
class Touches:
    """What the gateway published last of some markets, and how its feed is."""

    feed: FeedState
    by_ticker: Mapping[str, Touch] = field(default_factory=dict)

    @property
    def heard_at(self) -> datetime | None:
        return None if self.feed.frame_ms is None else from_unix_ms(self.feed.frame_ms)


@dataclass(frozen=True, slots=True)
class Valuation:
    """Everything that fair values of some markets of one desk are made from, read at once."""

    touches: Touches
    marks: Mapping[tuple[str, str], FairMark]  # (ticker, source)
    now: datetime

    def fair_of(self, ticker: str, legs: Legs, source: str = "") -> Fair:
        """Return the value of one YES of a market by one source; "": the best. Raises ValueError: no source."""
        if source:
            return self._by(FairSource(source), ticker, legs)
        tried = [FairSource.MANUAL, FairSource.FILE, *([FairSource.LEGS] if legs else []), FairSource.BOOK]
        found = [self._by(one, ticker, legs) for one in tried]
        return next((one for one in found if one.value is not None), found[2])

    def touch_of(self, ticker: str) -> Touch:
        return self.touches.by_ticker.get(ticker, Touch())

    def _by(self, source: FairSource, ticker: str, legs: Legs) -> Fair:
        if source in (FairSource.MANUAL, FairSource.FILE):
            return self._marked(source, ticker)
        if self.touches.feed.state != "live":
            return Fair(None, source, why=self.touches.feed.why or f"The feed is {self.touches.feed.state}.")
        if source is FairSource.BOOK:
            middle = self.touch_of(ticker).middle
            return self._live(source, middle, why=f"The book of {ticker} has no bid and ask.")
        if not legs:
            return Fair(None, source, why=f"{ticker} has no legs.")
        chances = []
        for leg in legs:
            middle = self.touch_of(leg["market_ticker"]).middle
            if middle is None:
                return Fair(None, source, why=f"The book of {leg['market_ticker']} has no bid and ask.")
            chances.append(middle if leg["side"] == "yes" else ONE - middle)
        allowed = bounds(chances)
        value = allowed.product if source is FairSource.LEGS else (allowed.lowest + allowed.highest) / TWO
        return self._live(source, value, why="")

    def _marked(self, source: FairSource, ticker: str) -> Fair:
        mark = self.marks.get((ticker, source.value))
        if mark is None:
            return Fair(None, source, why=f"Nobody has marked {ticker}.")
        if mark.ends_at is not None and mark.ends_at <= self.now:
            return Fair(None, source, why=f"The mark of {ticker} ended at {mark.ends_at:%H:%M:%S} UTC.")
        return Fair(mark.yes, source, at=mark.set_at)

    def _live(self, source: FairSource, value: Decimal | None, *, why: str) -> Fair:
        if value is None:
            return Fair(None, source, why=why)
        return Fair(value, source, at=self.touches.heard_at)


def valuation_of(environment: str, desk_id: int, markets: Iterable[tuple[str, Legs]], *, now: datetime) -> Valuation:
    """Read what the fair values of these markets (ticker, legs) are made from: one query, one trip to Redis."""
    tickers: set[str] = set()
    for ticker, legs in markets:
        tickers.add(ticker)
        tickers.update(leg["market_ticker"] for leg in legs)
    held = Q(ends_at=None) | Q(ends_at__gt=now)
    marks = FairMark.objects.filter(held, desk_id=desk_id, environment=environment, ticker__in=tickers)
    return Valuation(touches_of(environment, tickers), {(mark.ticker, mark.source): mark for mark in marks}, now)


def fair_of(environment: str, desk_id: int, ticker: str, legs: Legs, source: str, now: datetime) -> Fair:
    """Return what one YES is worth by a source; "" for the best there is. Raises ValueError: no such source."""
    return valuation_of(environment, desk_id, [(ticker, legs)], now=now).fair_of(ticker, legs, source)


def touches_of(environment: str, tickers: Iterable[str]) -> Touches:
    """Return the best live prices: of the whole book where somebody looks at it, else of the live tickers.

    Nothing is known (and the feed is "down") while Redis is away.
    """
    names = sorted(set(tickers))
    feed = feed_state(environment)
    if not names or feed.state == "down":
        return Touches(feed)
    try:
        with live.redis_client().pipeline(transaction=False) as pipe:
            pipe.hmget(live.STATE, [f"book:{environment}:{ticker}" for ticker in names])
            pipe.hmget(f"{live.ROWS_PREFIX}tickers:{environment}", names)
            books, rows = pipe.execute()
    except (redis.RedisError, OSError) as exc:
        return Touches(FeedState("down", f"live prices cannot be read ({type(exc).__name__})", None))
    found = {
        ticker: touch
        for ticker, book, row in zip(names, books, rows, strict=True)
        if (touch := _touch(book, row)) is not None
    }
    return Touches(feed, found)


def _touch(book: bytes | None, row: bytes | None) -> Touch | None:
    try:
        frame: dict[str, Any] = msgspec.json.decode(book)[1] if book else {}
        if frame.get("state") == "live":
            yes, no = frame["yes"], frame["no"]
            # Bids of both sides, best last; a NO bid at q is a YES ask at 1 - q.
            return Touch(parse_price(yes[-1][0]) if yes else None, ONE - parse_price(no[-1][0]) if no else None)
        values = msgspec.json.decode(row) if row else {}
        bid, ask = values.get("bid"), values.get("ask")
        return Touch(parse_price(bid) if bid else None, parse_price(ask) if ask else None)
    except (msgspec.DecodeError, WireFormatError, LookupError, TypeError, AttributeError):
        return None
