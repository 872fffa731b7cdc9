"""What taking contracts from a book costs, level by level. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import ROUND_DOWN, Decimal

Level = tuple[Decimal, Decimal]  # what one contract costs the taker (dollars), contracts


@dataclass(frozen=True, slots=True)
class Sweep:
    """What was got. is_whole: all that was wanted. worst: the dearest level touched."""

    contracts: Decimal
    cost: Decimal
    worst: Decimal | None
    is_whole: bool

    @property
    def average(self) -> Decimal | None:
        """Dollars per contract, not rounded."""
        return self.cost / self.contracts if self.contracts else None


def sweep(levels: Iterable[Level], *, contracts: Decimal | None = None, target_cost: Decimal | None = None) -> Sweep:
    """Take from the cheapest level on.

    Args:
        levels: cheapest first.
        contracts, target_cost: exactly one: so many contracts, or as many whole ones as so many dollars buy.

    Raises:
        ValueError: both or neither.
    """
    if (contracts is None) == (target_cost is None):
        raise ValueError("a sweep is for contracts or for a cost")
    got = spent = Decimal(0)
    worst: Decimal | None = None
    for price, count in levels:
        if contracts is not None:
            wanted = contracts - got
        else:
            assert target_cost is not None
            wanted = ((target_cost - spent) / price).to_integral_value(rounding=ROUND_DOWN)
        if wanted <= 0:
            return Sweep(got, spent, worst, is_whole=True)
        take = min(count, wanted)
        got, spent, worst = got + take, spent + take * price, price
        if take == wanted:
            return Sweep(got, spent, worst, is_whole=True)
    return Sweep(got, spent, worst, is_whole=False)
