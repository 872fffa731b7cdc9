"""Fair values. One model per event moves all its markets together, so that exclusive outcomes always sum to one.

Probabilities are floats: they are opinions of bots, not money. They become integer prices before anything is traded.
"""

from collections.abc import Sequence
from math import erf, exp, log, sqrt
from random import Random
from typing import Protocol

import msgspec

FLOOR = 0.004  # no outcome is ever quite impossible


class NumberState(msgspec.Struct, tag="number"):
    """All of a `LatentNumber`."""

    center: float
    expected: float
    spread: float
    bands: list[tuple[float | None, float | None]]
    volatility: float

    def move_to(self, moved: list[float]) -> None:
        (self.expected,) = moved

    def model(self) -> "LatentNumber":
        """The model in this state."""
        made = LatentNumber(center=self.center, spread=self.spread, bands=self.bands, volatility=self.volatility)
        made.move_to([self.expected])
        return made


class RaceState(msgspec.Struct, tag="race"):
    """All of a `Race`."""

    weights: list[float]
    logs: list[float]
    volatility: float
    others: float

    def move_to(self, moved: list[float]) -> None:
        self.logs = moved

    def model(self) -> "Race":
        """The model in this state."""
        made = Race(weights=self.weights, volatility=self.volatility, others=self.others)
        made.move_to(self.logs)
        return made


class FairModel(Protocol):
    """Fair probabilities of an event's markets, in their listed order."""

    def state(self) -> NumberState | RaceState: ...

    def moved(self) -> list[float]:
        """What drifts and jumps have changed."""

    def move_to(self, moved: list[float]) -> None:
        """Go where `moved` says."""

    def probabilities(self) -> list[float]: ...

    def drift(self, random: Random, *, hours: float) -> None:
        """Let `hours` pass."""

    def jump(self, random: Random) -> None:
        """Let news break."""


def _bounded(value: float) -> float:
    return min(1 - FLOOR, max(FLOOR, value))


class LatentNumber:
    """A number to be measured (a temperature, a rate); markets ask where it lands.

    Args:
        center, spread: what is expected, and its standard deviation.
        bands: (low, high) per market; None is open-ended.
        volatility: standard deviation of the expectation per square root of an hour, in spreads.
    """

    def __init__(
        self,
        *,
        center: float,
        spread: float,
        bands: Sequence[tuple[float | None, float | None]],
        volatility: float = 0.05,
    ) -> None:
        self._center = self._expected = center
        self._spread = spread
        self._bands = bands
        self._volatility = volatility

    def state(self) -> NumberState:
        return NumberState(self._center, self._expected, self._spread, list(self._bands), self._volatility)

    def moved(self) -> list[float]:
        return [self._expected]

    def move_to(self, moved: list[float]) -> None:
        (self._expected,) = moved

    def _below(self, value: float) -> float:
        return 0.5 * (1 + erf((value - self._expected) / (self._spread * sqrt(2))))

    def probabilities(self) -> list[float]:
        found = []
        for low, high in self._bands:
            below_high = 1.0 if high is None else self._below(high)
            below_low = 0.0 if low is None else self._below(low)
            found.append(_bounded(below_high - below_low))
        return found

    def drift(self, random: Random, *, hours: float) -> None:
        pull = (self._center - self._expected) * min(1.0, 0.01 * hours)
        self._expected += pull + random.gauss(0, self._volatility * self._spread * sqrt(hours))

    def jump(self, random: Random) -> None:
        self._expected += random.choice((-1, 1)) * random.uniform(0.25, 0.6) * self._spread


class Race:
    """Named outcomes of which one comes true; for a single market, the outcome and its opposite.

    Args:
        weights: relative chances, one per market.
        volatility: standard deviation of the log weights per square root of an hour.
        others: relative chance of all outcomes without a market.
    """

    def __init__(self, *, weights: Sequence[float], volatility: float = 0.03, others: float = 0.0) -> None:
        self._weights = list(weights)
        self._base = [log(weight) for weight in weights]
        self._logs = list(self._base)
        self._volatility = volatility
        self._others = others

    def state(self) -> RaceState:
        return RaceState(self._weights, list(self._logs), self._volatility, self._others)

    def moved(self) -> list[float]:
        return list(self._logs)

    def move_to(self, moved: list[float]) -> None:
        if len(moved) != len(self._base):
            raise ValueError(f"{len(moved)} chances for {len(self._base)} outcomes")
        self._logs = list(moved)

    def probabilities(self) -> list[float]:
        values = [exp(value) for value in self._logs]
        total = sum(values) + self._others
        return [_bounded(value / total) for value in values]

    def drift(self, random: Random, *, hours: float) -> None:
        step = self._volatility * sqrt(hours)
        keep = min(1.0, 0.01 * hours)
        for index, base in enumerate(self._base):
            self._logs[index] += (base - self._logs[index]) * keep + random.gauss(0, step)

    def jump(self, random: Random) -> None:
        index = random.randrange(len(self._logs))
        self._logs[index] += random.choice((-1, 1)) * random.uniform(0.3, 0.8)
