"""The prices at which a market accepts orders.

Built from `price_ranges` of the market, never from the name `price_level_structure`: new names
keep coming (subpenny_pricing), ranges and steps say everything.

There is no helper that turns a YES price into a NO price: a grid may be finer at one end than
at the other, so one minus a price on the grid need not be on it. Ask the grid of the leg.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Mapping, Sequence
from decimal import Decimal
from functools import lru_cache
from itertools import pairwise

from apps.core.errors import WireFormatError
from apps.core.money import PRICE_UNITS_PER_DOLLAR, price_from_units, price_units, price_units_from_wire

_Range = tuple[int, int, int]  # start, end, step in price units; both ends included


class PriceGrid:
    """Valid order prices of one market, strictly between 0 and 1 dollar. Immutable.

    `units` holds them ascending as integers of 1/10,000 dollar.
    """

    __slots__ = ("_members", "_ranges", "units")

    def __init__(self, ranges: Sequence[_Range]) -> None:
        """Use `from_ranges` for what comes from the wire. Raises WireFormatError."""
        ordered = sorted(ranges)
        for start, end, step in ordered:
            if step <= 0 or start >= end:
                raise WireFormatError(f"not a price range: {_describe((start, end, step))}")
        for before, after in pairwise(ordered):
            if after[0] < before[1]:
                raise WireFormatError(f"price ranges overlap: {_describe(before)} and {_describe(after)}")
        members = {unit for start, end, step in ordered for unit in range(start, end + 1, step)}
        # A contract pays 0 or 1: nobody can order at a price that is already the outcome.
        members -= {0, PRICE_UNITS_PER_DOLLAR}
        if not members:
            raise WireFormatError("no price ranges: the market has no valid order price; read the market again")
        self._ranges = tuple(ordered)
        self._members = frozenset(members)
        self.units = tuple(sorted(members))

    @classmethod
    def from_ranges(cls, ranges: Sequence[Mapping[str, str]]) -> "PriceGrid":
        """Return the grid of `Market.price_ranges`, e.g. [{"start": "0.0000", "end": "1.0000", "step": "0.0100"}].

        Equal ranges give the same object: thousands of markets share a handful of grids.

        Raises:
            WireFormatError: no ranges, a missing or malformed bound, overlapping ranges.
        """
        try:
            parsed = tuple(
                (
                    price_units_from_wire(one["start"]),
                    price_units_from_wire(one["end"]),
                    price_units_from_wire(one["step"]),
                )
                for one in ranges
            )
        except (KeyError, TypeError) as exc:
            raise WireFormatError(f"price ranges need start, end and step as strings: {exc}") from exc
        return _shared_grid(parsed)

    def contains(self, price: Decimal) -> bool:
        """Say whether an order at `price` (dollars) would be on the grid."""
        try:
            return price_units(price) in self._members
        except ValueError:
            return False

    def contains_units(self, units: int) -> bool:
        return units in self._members

    def step_at(self, price: Decimal) -> Decimal:
        """Return the step, in dollars, of the range that `price` begins or lies in.

        Where two ranges meet this is the step upwards. Below all ranges it is that of the first.
        """
        step = self._ranges[0][2]
        for start, _end, its_step in self._ranges:
            if price_from_units(start) <= price:
                step = its_step
        return price_from_units(step)

    def floor(self, price: Decimal) -> Decimal | None:
        """Return the highest valid price at or below `price`, or None when there is none."""
        return self._at(bisect_right(self.units, _floor_units(price)) - 1)

    def ceil(self, price: Decimal) -> Decimal | None:
        """Return the lowest valid price at or above `price`, or None when there is none."""
        return self._at(bisect_left(self.units, -_floor_units(-price)))

    def next_up(self, price: Decimal) -> Decimal | None:
        """Return the lowest valid price above `price`, which need not be on the grid itself."""
        return self._at(bisect_right(self.units, _floor_units(price)))

    def next_down(self, price: Decimal) -> Decimal | None:
        """Return the highest valid price below `price`, which need not be on the grid itself."""
        return self._at(bisect_left(self.units, -_floor_units(-price)) - 1)

    def nearest(self, price: Decimal) -> Decimal:
        """Return the valid price closest to `price`; of two equally close ones the lower."""
        below, above = self.floor(price), self.ceil(price)
        if below is None or above is None:
            found = above if below is None else below
            assert found is not None  # a grid holds at least one price
            return found
        return below if price - below <= above - price else above

    def prices(self) -> tuple[Decimal, ...]:
        """Return every valid price, ascending, in dollars."""
        return tuple(map(price_from_units, self.units))

    def _at(self, index: int) -> Decimal | None:
        return price_from_units(self.units[index]) if 0 <= index < len(self.units) else None


@lru_cache(maxsize=256)
def _shared_grid(ranges: tuple[_Range, ...]) -> PriceGrid:
    return PriceGrid(ranges)


def _floor_units(price: Decimal) -> int:
    # Clamped first: a price typed by a person may be anything.
    bounded = min(max(price, Decimal(-1)), Decimal(2))
    numerator, denominator = bounded.as_integer_ratio()
    return numerator * PRICE_UNITS_PER_DOLLAR // denominator


def _describe(one: _Range) -> str:
    start, end, step = map(price_from_units, one)
    return f"{start} to {end} by {step}"
