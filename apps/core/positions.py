"""Net position of one market from its fills: cost, realised P&L, mark value, worst case.

A bid adds YES contracts, an ask takes them away; below zero the position is in NO contracts, whose
price is one dollar minus the YES price. A contract pays one dollar or nothing (notional 1).

Nothing is lost to rounding: cash out equals cost minus realised P&L after every fill, to the last
millionth. Only the split of a partial close between the two is rounded (half even, 0.000001).
"""

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import ROUND_HALF_EVEN, Decimal, localcontext
from fractions import Fraction
from typing import Literal

from apps.core.money import (
    MONEY_STEP,
    PRICE_UNITS_PER_DOLLAR,
    count_from_units,
    count_units,
    money_from_units,
    money_units,
    price_units,
)

BookSide = Literal["bid", "ask"]
ZERO = Decimal(0)


@dataclass(frozen=True, slots=True)
class PositionFill:
    """One fill. `price`: dollars, YES leg, whichever side. `count`: contracts, positive. `fee`: dollars."""

    book_side: BookSide
    price: Decimal
    count: Decimal
    fee: Decimal = ZERO


@dataclass(frozen=True, slots=True)
class NetPosition:
    """Contracts of one market held net, immutable. Amounts in dollars.

    contracts: positive YES, negative NO.
    cost: what the open contracts cost, without fees; never negative.
    realized_pnl: of closed contracts, before fees.
    """

    contracts: Decimal = ZERO
    cost: Decimal = ZERO
    realized_pnl: Decimal = ZERO
    fees: Decimal = ZERO

    def after(self, fill: PositionFill) -> "NetPosition":
        """Return the position after one more fill; through zero it opens the other leg.

        Raises:
            ValueError: a count that is not positive, a price outside [0, 1], or one finer than its unit.
        """
        held, count, price = count_units(self.contracts), count_units(fill.count), price_units(fill.price)
        if count <= 0:
            raise ValueError(f"a fill has a positive count: {fill.count}")
        if not 0 <= price <= PRICE_UNITS_PER_DOLLAR:
            raise ValueError(f"price outside [0, 1]: {fill.price}")
        is_bid = fill.book_side == "bid"
        cost, realized = money_units(self.cost), money_units(self.realized_pnl)
        closed = min(count, abs(held)) if (held < 0) == is_bid else 0
        if closed:
            # Selling the leg held: a bid sells NO at one dollar minus its price.
            proceeds = closed * (PRICE_UNITS_PER_DOLLAR - price if is_bid else price)
            cost_closed = cost if closed == abs(held) else round(Fraction(cost * closed, abs(held)))
            realized += proceeds - cost_closed
            cost -= cost_closed
        cost += (count - closed) * (price if is_bid else PRICE_UNITS_PER_DOLLAR - price)
        return NetPosition(
            contracts=count_from_units(held + count if is_bid else held - count),
            cost=money_from_units(cost),
            realized_pnl=money_from_units(realized),
            fees=money_from_units(money_units(self.fees) + money_units(fill.fee)),
        )

    @property
    def average_price(self) -> Decimal | None:
        """Average price paid per open contract, of the leg held, to 0.000001 dollar; None when flat."""
        if not self.contracts:
            return None
        with localcontext() as context:
            context.prec = 60
            return (self.cost / abs(self.contracts)).quantize(MONEY_STEP, rounding=ROUND_HALF_EVEN)

    def value_at(self, yes_price: Decimal) -> Decimal:
        """Return what the open contracts are worth at a YES price (a mark, or a settlement value)."""
        price = price_units(yes_price)
        if not 0 <= price <= PRICE_UNITS_PER_DOLLAR:
            raise ValueError(f"price outside [0, 1]: {yes_price}")
        held = count_units(self.contracts)
        return money_from_units(held * price if held >= 0 else -held * (PRICE_UNITS_PER_DOLLAR - price))

    def unrealized_pnl(self, yes_price: Decimal) -> Decimal:
        return _sum(self.value_at(yes_price), -self.cost)

    def total_pnl(self, yes_price: Decimal) -> Decimal:
        """Return realised and unrealised P&L less fees, with YES worth `yes_price`."""
        return _sum(self.realized_pnl, self.value_at(yes_price), -self.cost, -self.fees)

    @property
    def pnl_if_yes(self) -> Decimal:
        """Total P&L less fees when the market resolves YES."""
        return self.total_pnl(Decimal(1))

    @property
    def pnl_if_no(self) -> Decimal:
        """Total P&L less fees when the market resolves NO."""
        return self.total_pnl(ZERO)

    @property
    def worst_case(self) -> Decimal:
        """Lowest total P&L over all outcomes: value is linear in the outcome, so an end is lowest."""
        return min(self.pnl_if_yes, self.pnl_if_no)


def position_from_fills(fills: Iterable[PositionFill]) -> NetPosition:
    """Fold `fills`, oldest first. Raises ValueError as `NetPosition.after`."""
    position = NetPosition()
    for fill in fills:
        position = position.after(fill)
    return position


def _sum(*amounts: Decimal) -> Decimal:
    # In units: the decimal context rounds sums beyond 28 digits silently, integers never.
    return money_from_units(sum(map(money_units, amounts)))
