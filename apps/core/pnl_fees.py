"""What the fee of each fill of an order was made of: trade fee, rounding, rebate.

The exchange tells one figure per fill, the net fee. Its parts are the desk's fee model run over the order's fills
(docs/money.md, "Fees"): an estimate, and shown as one. The parts always add up to the exchange's figure; what the
model does not explain is `other`.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Literal

from apps.core.fees import FeeAccumulator, FeeSchedule
from apps.core.money import money_units


@dataclass(frozen=True, slots=True)
class ChargedFill:
    """One fill of an order. `price`: dollars, YES leg. `fee`: dollars, as the exchange charged it."""

    book_side: Literal["bid", "ask"]
    price: Decimal
    count: Decimal
    fee: Decimal
    is_taker: bool
    traded_at: datetime


@dataclass(frozen=True, slots=True)
class FeeParts:
    """Money units; trade + rounding - rebate + other is what the exchange charged."""

    trade: int = 0
    rounding: int = 0
    rebate: int = 0
    other: int = 0

    @property
    def net(self) -> int:
        return self.trade + self.rounding - self.rebate + self.other

    def __add__(self, more: "FeeParts") -> "FeeParts":
        return FeeParts(
            self.trade + more.trade,
            self.rounding + more.rounding,
            self.rebate + more.rebate,
            self.other + more.other,
        )


ScheduleAt = Callable[[datetime], FeeSchedule | None]


class OrderFees:
    """The fees of ONE order, taken in fill by fill, oldest first."""

    __slots__ = ("_accumulator", "_schedule_at")

    def __init__(self, schedule_at: ScheduleAt) -> None:
        """schedule_at: the fee schedule of the market at a moment; None: not known, then all of a fee is `other`."""
        self._schedule_at = schedule_at
        self._accumulator = FeeAccumulator()

    def charge(self, fill: ChargedFill) -> FeeParts:
        """Return what the next fill's fee was made of."""
        charged = money_units(fill.fee)
        schedule = self._schedule_at(fill.traded_at)
        if schedule is None:
            return FeeParts(other=charged)
        trade_fee = schedule.trade_fee(count=fill.count, price=fill.price, is_taker=fill.is_taker)
        leg = fill.price if fill.book_side == "bid" else 1 - fill.price
        model = self._accumulator.apply(revenue=-leg * fill.count, trade_fee=trade_fee)
        trade, net = money_units(model.trade_fee), money_units(model.net_fee)
        if charged == trade != net:
            # The fee alone: this exchange does not count the rounding of the balance as a fee.
            return FeeParts(trade=trade)
        return FeeParts(
            trade=trade,
            rounding=money_units(model.rounding_fee),
            rebate=money_units(model.rebate),
            other=charged - net,
        )


def fee_parts(fills: Iterable[ChargedFill], schedule_at: ScheduleAt) -> Iterator[FeeParts]:
    """Yield the parts of each fill of ONE order, oldest first."""
    order = OrderFees(schedule_at)
    for fill in fills:
        yield order.charge(fill)
