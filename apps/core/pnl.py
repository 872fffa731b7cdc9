"""Profit and loss of one market from its fills and its settlement, folded in the smallest units.

The same rules as `core.positions` (net contracts, average cost, fees apart), in plain integers, so that a million
fills can be folded in the background. Counts are 1/100 contract, prices 1/10,000 dollar, money 1/1,000,000 dollar:
a price times a count is money. What each figure means: docs/portfolio.md.

Of a partial close, the cost that leaves is rounded down to the unit and the rest stays in the position. The documents
do not say how the exchange rounds it; cost less realised P&L is exact whichever way it is done.
"""

from dataclasses import dataclass
from typing import Final, Literal

from apps.core.money import MONEY_UNITS_PER_CENT, PRICE_UNITS_PER_DOLLAR

Result = Literal["yes", "no", "scalar", "void"]
_DOLLAR: Final = PRICE_UNITS_PER_DOLLAR
_VALUE_OF: Final = {"yes": _DOLLAR, "no": 0}


@dataclass(frozen=True, slots=True)
class SettlementFact:
    """What the exchange says of one settled position (docs: GET /portfolio/settlements), in units.

    value: of a YES contract, price units; None when only the result is known, and of a void market.
    fee_cost: all fees of the position, those of its fills among them.
    """

    result: str
    revenue: int
    value: int | None = None
    yes_count: int = 0
    yes_cost: int = 0
    no_count: int = 0
    no_cost: int = 0
    fee_cost: int = 0


@dataclass(frozen=True, slots=True)
class SettlementPnl:
    """What a settlement did, money units: `realized` before fees, `fee` what rounding to a cent kept.

    held: contracts of our fills; told: those of the exchange. When they differ, the exchange's cost counts.
    """

    realized: int
    fee: int
    held: int
    told: int
    is_paid_as_computed: bool

    @property
    def is_as_held(self) -> bool:
        return self.held == self.told


@dataclass(slots=True)
class MarketPnl:
    """One market of one subaccount, folded so far. `contracts` positive YES, negative NO; the rest money."""

    contracts: int = 0
    cost: int = 0  # of the open contracts, without fees
    realized: int = 0  # of closed contracts, before fees
    fees: int = 0
    traded: int = 0  # price of the own leg times count, of all fills
    fills: int = 0

    def fill(self, *, is_bid: bool, price: int, count: int, fee: int) -> int:
        """Take in one fill at a YES-leg price and return what it realised, before fees.

        Raises:
            ValueError: a count that is not positive, or a price outside [0, 1] dollar.
        """
        if count <= 0 or not 0 <= price <= _DOLLAR:
            raise ValueError(f"not a fill: {count} at {price}")
        held = self.contracts
        leg = price if is_bid else _DOLLAR - price
        closed = min(count, abs(held)) if (held < 0) == is_bid else 0
        gain = 0
        if closed:
            cost_out = self.cost * closed // abs(held)
            gain = closed * (_DOLLAR - leg) - cost_out
            self.realized += gain
            self.cost -= cost_out
        self.cost += (count - closed) * leg
        self.contracts = held + count if is_bid else held - count
        self.fees += fee
        self.traded += leg * count
        self.fills += 1
        return gain

    def settle(self, fact: SettlementFact) -> SettlementPnl:
        """End the position as the exchange settled it, and return what that realised.

        The payout in cents is the exchange's word and always counts. Which exact value it was rounded from follows
        from the result; when no result gives it, the payout itself is taken as exact.
        """
        told = fact.yes_count - fact.no_count
        held = self.contracts
        cost = self.cost if told == held else fact.yes_cost + fact.no_cost
        exact = self._exact(fact, told=told, cost=cost)
        is_known = exact is not None
        worth = fact.revenue if exact is None else exact
        realized, fee = worth - cost, worth - fact.revenue
        self.realized += realized
        self.fees += fee
        self.contracts = self.cost = 0
        return SettlementPnl(realized=realized, fee=fee, held=held, told=told, is_paid_as_computed=is_known)

    def _exact(self, fact: SettlementFact, *, told: int, cost: int) -> int | None:
        """Return the value that rounds down to the payout, None when there is none among those that could be."""
        value = _VALUE_OF.get(fact.result, fact.value)
        if fact.result == "void":
            worths = [cost]
        elif value is None:
            # A scalar result whose value is told in whole cents only: the settlement fee says the rest.
            worths = [fact.revenue + max(0, fact.fee_cost - self.fees)]
        else:
            gross = fact.yes_count * value + fact.no_count * (_DOLLAR - value)
            worths = [worth_of(told, value), gross]
        for worth in worths:
            if worth - worth % MONEY_UNITS_PER_CENT == fact.revenue:
                return worth
        return None


def worth_of(contracts: int, yes_price: int) -> int:
    """Return what a net position is worth at a YES price (a mark, or a settlement value), money units."""
    return contracts * yes_price if contracts >= 0 else -contracts * (_DOLLAR - yes_price)
