"""Candles: one-minute ones are kept, longer ones are summed from them, so that all periods agree.

A candle ends at `end_s` (Unix seconds, inclusive) and covers the period before it: (end - period, end].
"""

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass

MINUTE_MS = 60_000
HOUR_S = 3_600
DAY_S = 86_400


@dataclass(slots=True)
class Quad:
    """Open, low, high, close in price units."""

    open: int
    low: int
    high: int
    close: int

    def see(self, value: int) -> None:
        """Take in a later value."""
        if value < self.low:
            self.low = value
        elif value > self.high:
            self.high = value
        self.close = value

    def join(self, later: "Quad") -> None:
        """Take in the quad of a later stretch."""
        self.low = min(self.low, later.low)
        self.high = max(self.high, later.high)
        self.close = later.close

    def copy(self) -> "Quad":
        """An independent one."""
        return Quad(self.open, self.low, self.high, self.close)


def flat(value: int) -> Quad:
    """A quad of one value."""
    return Quad(value, value, value, value)


@dataclass(slots=True)
class Candle:
    """One period. `price` is None without trades; `previous` is the last price before the period (None: never traded).

    `value` is the sum of YES price x count in micro-dollars, `volume` and `open_interest` in count units.
    """

    end_s: int
    yes_bid: Quad
    yes_ask: Quad
    price: Quad | None
    previous: int | None
    volume: int
    value: int
    open_interest: int

    @property
    def mean(self) -> int | None:
        """Volume-weighted mean price in price units, rounded to the nearest."""
        return (2 * self.value + self.volume) // (2 * self.volume) if self.volume else None


@dataclass(frozen=True, slots=True)
class Tick:
    """A trade of the past with the quote around it: (before) and after."""

    ts_ms: int
    price: int
    count: int
    yes_bid: int
    yes_ask: int
    open_interest: int


def period_end(ts_ms: int, period_s: int) -> int:
    """End (Unix seconds) of the period an instant belongs to."""
    period_ms = period_s * 1000
    return -(-ts_ms // period_ms) * period_s


class CandleStore:
    """Candles of one market. `history`: ticks of before the start, oldest first, read on first need."""

    __slots__ = ("_ends", "_history", "_hourly", "_minutes", "_quote")

    def __init__(self, *, history: Sequence[Tick] = ()) -> None:
        self._minutes: dict[int, Candle] = {}
        self._ends: list[int] = []
        self._history = history
        self._quote: tuple[int, int] = (0, 10_000)
        self._hourly: dict[int, int] = {}

    def quote(self, *, ts_ms: int, yes_bid: int, yes_ask: int, open_interest: int) -> None:
        """The best prices are these from now on."""
        candle = self._at(ts_ms, open_interest)
        candle.yes_bid.see(yes_bid)
        candle.yes_ask.see(yes_ask)
        self._quote = (yes_bid, yes_ask)

    def trade(self, *, ts_ms: int, price: int, count: int, open_interest: int) -> None:
        """A trade at this YES price."""
        candle = self._at(ts_ms, open_interest)
        if candle.price is None:
            candle.price = flat(price)
        else:
            candle.price.see(price)
        candle.volume += count
        candle.value += price * count
        candle.open_interest = open_interest
        hour = period_end(ts_ms, HOUR_S)
        self._hourly[hour] = self._hourly.get(hour, 0) + count

    def volume_24h(self, now_ms: int) -> int:
        """Contracts traded in the last 24 hours, by whole hours."""
        self._load()
        end = period_end(now_ms, HOUR_S)
        return sum(self._hourly.get(end - hour * HOUR_S, 0) for hour in range(24))

    def last_before(self, ts_s: int) -> Candle | None:
        """The last candle with something in it that ended at or before an instant."""
        self._load()
        index = bisect_right(self._ends, ts_s)
        return self._minutes[self._ends[index - 1]] if index else None

    def candles(self, *, start_s: int, end_s: int, period_s: int, now_ms: int) -> list[Candle]:
        """Candles that end within [start_s, end_s], without gaps, from the first one known to the one under way."""
        self._load()
        if not self._ends:
            return []
        first = max(-(-start_s // period_s) * period_s, period_end(self._ends[0] * 1000, period_s))
        last = min(end_s // period_s * period_s, period_end(now_ms, period_s))
        before = self.last_before(first - period_s)
        carried = self._blank(before) if before else None
        previous = self.last_price(first - period_s)
        result = []
        index = bisect_right(self._ends, first - period_s)
        for end in range(first, last + 1, period_s):
            stop = bisect_right(self._ends, end, lo=index)
            candle = self._sum(self._ends[index:stop], end, carried, previous)
            index = stop
            if candle is None:
                continue
            result.append(candle)
            carried = candle
            previous = candle.price.close if candle.price else previous
        return result

    def _sum(self, ends: list[int], end: int, carried: Candle | None, previous: int | None) -> Candle | None:
        if carried is not None:
            total = self._blank(carried)
        elif ends:
            total = self._blank(self._minutes[ends[0]], opening=True)
        else:
            return None
        total.end_s, total.previous = end, previous
        for minute in (self._minutes[e] for e in ends):
            total.yes_bid.join(minute.yes_bid)
            total.yes_ask.join(minute.yes_ask)
            if minute.price:
                if total.price:
                    total.price.join(minute.price)
                else:
                    total.price = minute.price.copy()
            total.volume += minute.volume
            total.value += minute.value
            total.open_interest = minute.open_interest
        return total

    @staticmethod
    def _blank(candle: Candle, *, opening: bool = False) -> Candle:
        """A period in which nothing happened, after (or at the opening of) this candle."""
        bid = candle.yes_bid.open if opening else candle.yes_bid.close
        ask = candle.yes_ask.open if opening else candle.yes_ask.close
        return Candle(0, flat(bid), flat(ask), None, None, 0, 0, candle.open_interest)

    def projected(self, *, start_s: int, period_s: int) -> Candle | None:
        """The last candle before `start_s`, moved to the first boundary after it, without prices of its own."""
        before = self.last_before(start_s - 1)
        if before is None:
            return None
        candle = self._blank(before)
        candle.end_s = (start_s // period_s + 1) * period_s
        candle.previous = self.last_price(start_s - 1)
        return candle

    def last_price(self, ts_s: int) -> int | None:
        """The last traded price at or before the end of a minute; None when nothing was traded."""
        for index in range(bisect_right(self._ends, ts_s) - 1, -1, -1):
            price = self._minutes[self._ends[index]].price
            if price:
                return price.close
        return None

    def _at(self, ts_ms: int, open_interest: int) -> Candle:
        end = period_end(ts_ms, 60)
        candle = self._minutes.get(end)
        if candle is None:
            bid, ask = self._quote
            candle = Candle(end, flat(bid), flat(ask), None, None, 0, 0, open_interest)
            self._minutes[end] = candle
            self._ends.insert(bisect_left(self._ends, end), end)
        candle.open_interest = open_interest
        return candle

    def opening_quote(self, *, yes_bid: int, yes_ask: int) -> None:
        """What the best prices are before anything is seen."""
        self._quote = (yes_bid, yes_ask)

    @property
    def best(self) -> tuple[int, int]:
        """The best YES bid and ask seen last."""
        return self._quote

    @property
    def unread_history(self) -> Sequence[Tick]:
        """The past as given, as long as nobody has asked for it."""
        return self._history

    def since(self, end_s: int) -> list[Candle]:
        """One-minute candles that end at or after an instant, without those of the unread past."""
        return [self._minutes[end] for end in self._ends[bisect_left(self._ends, end_s) :]]

    def everything(self) -> list[Candle]:
        """All one-minute candles, with those of before the start."""
        self._load()
        return self.since(0)

    def restore(self, candles: Sequence[Candle], *, best: tuple[int, int]) -> None:
        """Take up candles of before (oldest first) in an empty store."""
        self._minutes = {candle.end_s: candle for candle in candles}
        self._ends = list(self._minutes)
        self._quote = best
        for candle in candles:
            if candle.volume:
                hour = period_end(candle.end_s * 1000, HOUR_S)
                self._hourly[hour] = self._hourly.get(hour, 0) + candle.volume

    def thin(self, *, minutes_from_s: int, from_s: int) -> None:
        """Join one-minute candles of before `minutes_from_s` to hours and drop what is older than `from_s`.

        Longer periods stay exact; of the minutes of such an hour only its last one has a candle, with all of it.
        """
        cut = bisect_right(self._ends, minutes_from_s // HOUR_S * HOUR_S)
        kept: dict[int, Candle] = {}
        hours: dict[int, list[int]] = {}
        for end in self._ends[bisect_left(self._ends, from_s) : cut]:
            hours.setdefault(period_end(end * 1000, HOUR_S), []).append(end)
        for hour, ends in hours.items():
            joined = self._minutes[hour] if ends == [hour] else self._sum(ends, hour, None, None)
            if joined is not None:
                kept[hour] = joined
        kept |= {end: self._minutes[end] for end in self._ends[cut:]}
        self._minutes, self._ends = kept, list(kept)
        self._hourly = {hour: volume for hour, volume in self._hourly.items() if hour >= from_s}

    def _load(self) -> None:
        """Build what was before the start; the live minutes are all later."""
        if not self._history:
            return
        history, self._history = self._history, ()
        live, live_ends, quote = self._minutes, self._ends, self._quote
        self._minutes, self._ends = {}, []
        first = True
        for tick in history:
            if first:
                self._quote, first = (tick.yes_bid, tick.yes_ask), False
            self.trade(ts_ms=tick.ts_ms, price=tick.price, count=tick.count, open_interest=tick.open_interest)
            self.quote(ts_ms=tick.ts_ms, yes_bid=tick.yes_bid, yes_ask=tick.yes_ask, open_interest=tick.open_interest)
        self._minutes |= live
        self._ends += live_ends
        self._quote = quote
