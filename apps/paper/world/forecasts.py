"""Forecasts: what number the markets of an event expect, read off their prices.

The prices of a numeric event say how likely the number is to stay below each strike. Between two strikes the
probability is taken as even; beyond the outermost ones as it is between their neighbours.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import pairwise

from apps.paper.engine.catalogue import Market


@dataclass(frozen=True, slots=True)
class Ladder:
    """The strikes of a numeric event. bounds: rising; below[i](prices) is the chance to be under bounds[i]."""

    bounds: list[float]
    order: list[int]
    exclusive: bool

    def below(self, chances: Sequence[float]) -> list[float]:
        """The chance to be under each bound, rising, from the YES prices of the markets (dollars)."""
        given = [chances[index] for index in self.order]
        if not self.exclusive:
            found = [1 - chance for chance in given]
        else:
            total = sum(given) or 1.0
            found = [sum(given[: number + 1]) / total for number in range(len(self.bounds))]
        return [max(found[: number + 1]) for number in range(len(found))]

    def percentile(self, chances: Sequence[float], share: float) -> float:
        """The number that is not reached with the probability `share` (0 to 1)."""
        bounds = self.bounds
        below = self.below(chances)
        first_step = bounds[1] - bounds[0] if len(bounds) > 1 else 0.0
        last_step = bounds[-1] - bounds[-2] if len(bounds) > 1 else 0.0
        points = [(0.0, bounds[0] - first_step), *zip(below, bounds, strict=True), (1.0, bounds[-1] + last_step)]
        for (low, low_value), (high, high_value) in pairwise(points):
            if share <= high:
                part = (share - low) / (high - low) if high > low else 1.0
                return low_value + (high_value - low_value) * max(0.0, part)
        return points[-1][1]


def ladder_of(markets: Sequence[Market]) -> Ladder | None:
    """The strikes of an event's markets; None where they are no numbers."""
    if not markets or any(market.floor_strike is None and market.cap_strike is None for market in markets):
        return None
    if all(market.strike_type == "greater" for market in markets):
        order = sorted(range(len(markets)), key=lambda index: markets[index].floor_strike or Decimal(0))
        return Ladder([float(markets[index].floor_strike or 0) for index in order], order, exclusive=False)
    order = sorted(range(len(markets)), key=lambda index: _low(markets[index]))
    caps = [markets[index].cap_strike for index in order[:-1]]
    if any(cap is None for cap in caps):
        return None
    return Ladder([float(cap or 0) for cap in caps], order, exclusive=True)


def _low(market: Market) -> Decimal:
    return Decimal("-Infinity") if market.floor_strike is None else market.floor_strike
