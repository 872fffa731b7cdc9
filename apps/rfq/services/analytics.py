"""Ratios with their n, and times by percentile: small samples are said to be small, nothing is made up."""

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from typing import Final, Generic, TypeVar

Value = TypeVar("Value", int, Decimal)

# Below this n a ratio is shown greyed: chance alone moves it.
ENOUGH: Final = 20


@dataclass(frozen=True, slots=True)
class Ratio:
    """part of n."""

    part: int
    n: int

    @property
    def share(self) -> Decimal | None:
        return Decimal(self.part) / self.n if self.n else None

    @property
    def is_small(self) -> bool:
        return self.n < ENOUGH


@dataclass(frozen=True, slots=True)
class Spread(Generic[Value]):
    """Percentiles of n values by nearest rank; None without one. Units are the values'."""

    n: int
    p10: Value | None
    p50: Value | None
    p90: Value | None
    p99: Value | None
    worst: Value | None
    mean: Decimal | None

    @property
    def is_small(self) -> bool:
        return self.n < ENOUGH


def spread(values: Iterable[Value]) -> Spread[Value]:
    """Return how values are spread; the worst is the largest."""
    ordered = sorted(values)
    if not ordered:
        return Spread(0, None, None, None, None, None, None)

    def at(percent: int) -> Value:
        # Nearest rank: the smallest value that so many percent do not exceed.
        return ordered[max(0, -(-percent * len(ordered) // 100) - 1)]

    mean = sum((Decimal(value) for value in ordered), Decimal(0)) / len(ordered)
    return Spread(len(ordered), at(10), at(50), at(90), at(99), ordered[-1], mean)
