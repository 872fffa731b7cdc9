"""The order book of one market and the sequence of its feed. No I/O, no clock, no Decimal.

Prices are integers of 1/10,000 dollar, counts of 1/100 contract. Both sides hold bids, each in its
own prices (docs:orderbook_responses): the YES ask is one dollar minus the best NO bid.
"""

from collections.abc import Iterable
from typing import Final, Literal

from apps.core.money import (
    PRICE_UNITS_PER_DOLLAR,
    count_units_from_wire,
    format_count_units,
    format_price_units,
    price_units_from_wire,
)

Side = Literal["yes", "no"]
Level = tuple[int, int]  # price units, count units

_PRICE_TEXT: Final = tuple(map(format_price_units, range(PRICE_UNITS_PER_DOLLAR + 1)))


class BookCorrupt(Exception):
    """The book cannot be what the exchange holds: mark it stale and ask for a snapshot."""


class SequenceGap(Exception):
    """At least one frame of the subscription `sid` is missing: all its books are stale."""

    def __init__(self, sid: int, *, expected: int, received: int) -> None:
        super().__init__(f"sid {sid}: expected frame {expected}, received {received}")
        self.sid = sid
        self.expected = expected
        self.received = received


class OrderBook:
    """Resting bids of one market: `yes` and `no` map price units to count units (never 0)."""

    __slots__ = ("no", "ticker", "yes")

    def __init__(self, ticker: str) -> None:
        self.ticker = ticker
        self.yes: dict[int, int] = {}
        self.no: dict[int, int] = {}

    def apply_snapshot(self, yes: Iterable[Level], no: Iterable[Level]) -> None:
        """Replace both sides.

        Raises:
            BookCorrupt: a level is negative, outside (0, 1) or given twice; the book is unchanged.
        """
        new_yes, new_no = self._side_from(yes), self._side_from(no)
        self.yes, self.no = new_yes, new_no

    def apply_delta(self, side: Side, price: int, delta: int) -> int:
        """Add `delta` count units to the level at `price` units and return its new size.

        Raises:
            BookCorrupt: the level would be negative, or the price is outside (0, 1), or the
                side unknown. The book is unchanged; do not clamp, ask for a snapshot.
        """
        if side == "yes":
            levels = self.yes
        elif side == "no":
            levels = self.no
        else:
            raise BookCorrupt(f"{self.ticker}: unknown side {side!r}")
        if not 0 < price < PRICE_UNITS_PER_DOLLAR:
            raise BookCorrupt(f"{self.ticker}: {side} level at {price} units, outside (0, 1)")
        size = levels.get(price, 0) + delta
        if size > 0:
            levels[price] = size
        elif size == 0:
            levels.pop(price, None)
        else:
            raise BookCorrupt(f"{self.ticker}: {side} {_PRICE_TEXT[price]} would be {format_count_units(size)}")
        return size

    @property
    def best_yes_bid(self) -> int | None:
        """Highest price units bid for YES."""
        return max(self.yes) if self.yes else None

    @property
    def best_no_bid(self) -> int | None:
        """Highest price units bid for NO, in NO prices."""
        return max(self.no) if self.no else None

    @property
    def best_yes_ask(self) -> int | None:
        """Lowest price units at which YES is offered: one dollar minus the best NO bid."""
        return PRICE_UNITS_PER_DOLLAR - max(self.no) if self.no else None

    @property
    def is_crossed(self) -> bool:
        """Both best bids together reach a dollar: they would have traded, so frames are missing."""
        return bool(self.yes and self.no) and max(self.yes) + max(self.no) >= PRICE_UNITS_PER_DOLLAR

    @property
    def is_empty(self) -> bool:
        return not self.yes and not self.no

    def levels(self, side: Side) -> list[Level]:
        """Return one side ascending, best last, as the exchange lists it."""
        return sorted((self.yes if side == "yes" else self.no).items())

    def wire_levels(self, side: Side) -> list[list[str]]:
        """Return one side ascending as [price, count] strings: [["0.4200", "13.00"], ...]."""
        return [[_PRICE_TEXT[price], format_count_units(count)] for price, count in self.levels(side)]

    def _side_from(self, levels: Iterable[Level]) -> dict[int, int]:
        side: dict[int, int] = {}
        for price, count in levels:
            if count < 0 or price in side or not 0 < price < PRICE_UNITS_PER_DOLLAR:
                raise BookCorrupt(f"{self.ticker}: impossible level in a snapshot: {price} units, {count} units")
            side[price] = count
        return {price: count for price, count in side.items() if count}


def levels_from_wire(levels: Iterable[Iterable[str]] | None) -> list[Level]:
    """Return levels of the wire in units; an absent side (None) is empty. Raises WireFormatError."""
    return [(price_units_from_wire(price), count_units_from_wire(count)) for price, count in levels or ()]


class SequenceTracker:
    """`seq` counts the frames of one subscription (`sid`), which may carry many markets."""

    __slots__ = ("_last",)

    def __init__(self) -> None:
        self._last: dict[int, int] = {}

    def accept(self, sid: int, seq: int) -> bool:
        """Return False for a frame already applied: the caller must drop it.

        The first frame of a `sid` sets where its count begins.

        Raises:
            SequenceGap: a frame is missing; every book of `sid` is now stale. The count stays
                where it was until `rebase` or `forget`.
        """
        last = self._last.get(sid)
        if last is not None:
            if seq <= last:
                return False
            if seq != last + 1:
                raise SequenceGap(sid, expected=last + 1, received=seq)
        self._last[sid] = seq
        return True

    def rebase(self, sid: int, seq: int) -> None:
        """Go on counting after `seq`: the caller has marked the books stale and asked for snapshots."""
        self._last[sid] = seq

    def forget(self, sid: int) -> None:
        """The subscription ended; an unknown `sid` is no error."""
        self._last.pop(sid, None)

    def clear(self) -> None:
        """The connection ended: every `sid` starts anew."""
        self._last.clear()
