"""Money that resting orders keep from being used, as far as it can be computed without the exchange.

The exchange tells the cash that new orders may use, and nothing of what it keeps back for resting ones. A resting
order that would only close contracts locks nothing; what would trade first closes first; the rest locks its price.
The fee that is kept back with it is not documented and left out: an estimate, shown as one.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from apps.core.money import PRICE_UNITS_PER_DOLLAR


@dataclass(frozen=True, slots=True)
class RestingOrder:
    """price: units, YES leg. count: contracts left, units."""

    is_bid: bool
    price: int
    count: int

    @property
    def leg_price(self) -> int:
        return self.price if self.is_bid else PRICE_UNITS_PER_DOLLAR - self.price


def resting_reserve(contracts: int, orders: Iterable[RestingOrder]) -> int:
    """Return the money units that the resting orders of one market and subaccount lock beside `contracts` held."""
    queue = sorted(orders, key=lambda order: -order.leg_price)
    closable = abs(contracts)
    total = 0
    for order in queue:
        left = order.count
        if contracts and order.is_bid == (contracts < 0):
            closed = min(left, closable)
            closable -= closed
            left -= closed
        total += left * order.leg_price
    return total
