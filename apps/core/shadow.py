"""What a quote that was not sent would have made: held against the first public print that can be its request's trade.

Nobody is told who traded with whom: a print of the request's own size, in the request's own market and soon after it,
is taken as its trade. That is an inference, and is called one wherever it is shown.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from typing import Final

from apps.core.rfq import Outcome, QuotePrices

ONE: Final = Decimal(1)
# A request by cost fills in whole steps of contracts: what it spent is this near to what it asked for, and never more.
COST_SLACK: Final = Decimal("0.03")


class Standing(StrEnum):
    """won: our bid was better than the print; tied: the same price; lost: worse, or that side was not quoted."""

    WON = "won"
    TIED = "tied"
    LOST = "lost"
    NO_PRINT = "no_print"


@dataclass(frozen=True, slots=True)
class Print:
    """A public trade. yes_price: dollars for one YES. bought: what the taker got. at_ms: exchange clock, Unix ms."""

    yes_price: Decimal
    contracts: Decimal
    bought: Outcome
    at_ms: int

    @property
    def cost(self) -> Decimal:
        """What the taker paid, dollars."""
        return self.contracts * (self.yes_price if self.bought is Outcome.YES else ONE - self.yes_price)


@dataclass(frozen=True, slots=True)
class Verdict:
    """side: what we would have owned; its price is that of our own bid, dollars."""

    standing: Standing
    side: Outcome | None = None
    contracts: Decimal | None = None
    print: Print | None = None

    def made(self, prices: QuotePrices, yes_value: Decimal) -> Decimal | None:
        """Return dollars gained by then, at a value of one YES; None when it would not have been ours."""
        if self.standing is not Standing.WON or self.side is None or self.contracts is None:
            return None
        bid = prices.maker_price(self.side)
        if bid is None:
            return None
        value = yes_value if self.side is Outcome.YES else ONE - yes_value
        return (value - bid) * self.contracts


def verdict(
    prices: QuotePrices,
    prints: Iterable[Print],
    *,
    contracts: Decimal | None,
    target_cost: Decimal | None,
    from_ms: int,
    until_ms: int,
) -> Verdict:
    """Hold our prices against the first print of the request's size between the two moments."""
    near = sorted((one for one in prints if from_ms <= one.at_ms <= until_ms), key=lambda one: one.at_ms)
    for one in near:
        if not _is_its_size(one, contracts, target_cost):
            continue
        # The taker's YES is the maker's NO at one minus its price.
        side = one.bought.other
        theirs = one.yes_price if side is Outcome.YES else ONE - one.yes_price
        ours = prices.maker_price(side)
        if ours is None or ours < theirs:
            return Verdict(Standing.LOST, side, one.contracts, one)
        return Verdict(Standing.WON if ours > theirs else Standing.TIED, side, one.contracts, one)
    return Verdict(Standing.NO_PRINT)


def _is_its_size(one: Print, contracts: Decimal | None, target_cost: Decimal | None) -> bool:
    if contracts is not None:
        return one.contracts == contracts
    if target_cost is None:
        return False
    return target_cost * (ONE - COST_SLACK) <= one.cost <= target_cost
