"""Lots of one market, first in first out: what was bought when, what closed it, and what that gained.

One `LotBook` per account, subaccount and market, fed oldest first. A bid buys YES and an ask buys NO at one dollar
minus the YES price; against the outcome held it closes the oldest lots instead, since the exchange nets a YES and a NO
of one market into a dollar. A settlement closes what is left. All amounts are integers of the units of `core.money`, so
that nothing is rounded: a price times a count is money, and a fee is split by running totals, whose parts add up to it.
"""

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final

from apps.core.money import MONEY_UNITS_PER_CENT, PRICE_UNITS_PER_DOLLAR
from apps.core.rfq import Outcome

_CENT: Final = MONEY_UNITS_PER_CENT  # a payout is floored to a cent (docs:fee_rounding)
_CENT_OF_PRICE: Final = PRICE_UNITS_PER_DOLLAR // 100


class ClosedHow(StrEnum):
    TRADE = "trade"
    SETTLEMENT = "settlement"
    VOID = "void"  # given back at its cost


@dataclass(frozen=True, slots=True)
class LotFill:
    """One fill. price: of the YES leg, price units; count: count units, positive; fee: money units."""

    at: datetime
    reference: str
    is_bid: bool
    price: int
    count: int
    fee: int


@dataclass(frozen=True, slots=True)
class LotSettlement:
    """The end of a market as the exchange reported it.

    value: of one YES contract, price units, perhaps cut to a whole cent; None: void, the cost is given back.
    count: contracts that were held, count units, NO negative; None: not told.
    revenue: what was paid, money units; None: not told.
    all_fees: of the position, those of its fills and the settlement's own; None: not told.
    """

    at: datetime
    reference: str
    value: int | None
    count: int | None = None
    revenue: int | None = None
    all_fees: int | None = None


@dataclass(frozen=True, slots=True)
class ClosedLot:
    """A lot, or the part of one that closed at once. Money units; fees are not in `cost` and `proceeds`."""

    outcome: Outcome
    count: int
    opened_at: datetime
    opened_by: str
    closed_at: datetime
    closed_by: str
    how: ClosedHow
    cost: int
    proceeds: int
    open_fee: int
    close_fee: int

    @property
    def gain(self) -> int:
        return self.proceeds - self.cost - self.open_fee - self.close_fee


@dataclass(frozen=True, slots=True)
class OpenLot:
    """What is left of a lot, with its share of the fee."""

    outcome: Outcome
    count: int
    opened_at: datetime
    opened_by: str
    cost: int
    open_fee: int


class _Lot:
    """A lot as it was opened, and how much of it has closed."""

    __slots__ = ("at", "closed", "count", "fee", "price", "reference")

    def __init__(self, at: datetime, reference: str, *, price: int, count: int, fee: int) -> None:
        self.at, self.reference, self.price, self.count, self.fee = at, reference, price, count, fee
        self.closed = 0

    @property
    def left(self) -> int:
        return self.count - self.closed

    def take(self, count: int) -> int:
        """Close some of it; return these contracts' share of the fee."""
        share = _share(self.fee, self.count, self.closed, self.closed + count)
        self.closed += count
        return share


class LotBook:
    """The lots of one market in one subaccount. Contracts of one outcome at most are open."""

    def __init__(self) -> None:
        self._lots: deque[_Lot] = deque()
        self._outcome = Outcome.YES
        self._fees = 0

    @property
    def open_count(self) -> int:
        """Contracts held, count units: positive YES, negative NO."""
        held = sum(lot.left for lot in self._lots)
        return held if self._outcome is Outcome.YES else -held

    @property
    def open_lots(self) -> list[OpenLot]:
        """What is left, the oldest first."""
        return [
            OpenLot(
                self._outcome,
                lot.left,
                lot.at,
                lot.reference,
                lot.left * lot.price,
                _share(lot.fee, lot.count, lot.closed, lot.count),
            )
            for lot in self._lots
        ]

    def fill(self, fill: LotFill) -> list[ClosedLot]:
        """Take the next fill; return what it closed, the oldest first.

        Raises ValueError for a count that is not positive, or a price outside [0, 1] dollar.
        """
        if fill.count <= 0:
            raise ValueError(f"a fill has a positive count: {fill.count}")
        if not 0 <= fill.price <= PRICE_UNITS_PER_DOLLAR:
            raise ValueError(f"price outside [0, {PRICE_UNITS_PER_DOLLAR}]: {fill.price}")
        buys = Outcome.YES if fill.is_bid else Outcome.NO
        own_price = fill.price if fill.is_bid else PRICE_UNITS_PER_DOLLAR - fill.price
        self._fees += fill.fee
        closed: list[ClosedLot] = []
        done = 0
        if buys is not self._outcome:
            for lot, count in self._oldest(fill.count):
                share = _share(fill.fee, fill.count, done, done + count)
                # The pair pays a dollar: the contract that closes brings what the bought one does not cost.
                proceeds = count * (PRICE_UNITS_PER_DOLLAR - own_price)
                closed.append(self._closed(lot, count, fill.at, fill.reference, ClosedHow.TRADE, proceeds, share))
                done += count
        if done < fill.count:
            # Whatever stood on the other side is closed by now.
            self._outcome = buys
            fee = _share(fill.fee, fill.count, done, fill.count)
            self._lots.append(_Lot(fill.at, fill.reference, price=own_price, count=fill.count - done, fee=fee))
        return closed

    def settle(self, end: LotSettlement) -> list[ClosedLot]:
        """Close all that is open; return it, the oldest first.

        What was paid is split over the lots by contracts (of a void market by cost), and so is the settlement's own
        fee. Where the exchange held another number of contracts than we have lots of (see `settlement_doubt`), what
        it paid says nothing about ours: they close at the value alone.
        """
        total = abs(self.open_count)
        gross, fee = self._paid(end)
        costs = sum(lot.left * lot.price for lot in self._lots)
        is_by_cost = end.value is None and costs > 0
        whole = costs if is_by_cost else total
        how = ClosedHow.VOID if end.value is None else ClosedHow.SETTLEMENT
        closed: list[ClosedLot] = []
        done = weighed = 0
        for lot, count in self._oldest(total):
            weight = count * lot.price if is_by_cost else count
            proceeds = _share(gross, whole, weighed, weighed + weight)
            share = _share(fee, total, done, done + count)
            closed.append(self._closed(lot, count, end.at, end.reference, how, proceeds, share))
            done, weighed = done + count, weighed + weight
        return closed

    def settlement_doubt(self, end: LotSettlement) -> str:
        """Ask before `settle`: "" when the settlement fits our lots, else "count" or "paid", what does not."""
        if not self._is_count_ours(end):
            return "count"
        if end.revenue is None:
            return ""
        gross, _ = self._paid(end)
        cut = 0 if end.value is None else abs(self.open_count) * _CENT_OF_PRICE
        return "" if abs(gross - self._worth(end)) <= cut + _CENT else "paid"

    def _paid(self, end: LotSettlement) -> tuple[int, int]:
        """What the lots brought before the settlement's own fee, and that fee."""
        if end.revenue is None or not self._is_count_ours(end):
            return self._worth(end), 0
        fee = 0 if end.all_fees is None else end.all_fees - self._fees
        # More than a cent, or less than nothing, is no fee of a settlement: then some fill's fee differs from ours.
        fee = fee if 0 <= fee < _CENT else 0
        return end.revenue + fee, fee

    def _is_count_ours(self, end: LotSettlement) -> bool:
        return end.count is None or end.count == self.open_count

    def _worth(self, end: LotSettlement) -> int:
        return sum(lot.left * self._value_of(lot, end.value) for lot in self._lots)

    def _value_of(self, lot: _Lot, value: int | None) -> int:
        if value is None:
            return lot.price
        return value if self._outcome is Outcome.YES else PRICE_UNITS_PER_DOLLAR - value

    def _oldest(self, count: int) -> Iterator[tuple[_Lot, int]]:
        """Yield lots and how many of each to close, until `count` are; a lot that is used up leaves."""
        while count and self._lots:
            lot = self._lots[0]
            part = min(count, lot.left)
            yield lot, part
            count -= part
            if not lot.left:
                self._lots.popleft()

    def _closed(
        self, lot: _Lot, count: int, at: datetime, reference: str, how: ClosedHow, proceeds: int, close_fee: int
    ) -> ClosedLot:
        return ClosedLot(
            outcome=self._outcome,
            count=count,
            opened_at=lot.at,
            opened_by=lot.reference,
            closed_at=at,
            closed_by=reference,
            how=how,
            cost=count * lot.price,
            proceeds=proceeds,
            open_fee=lot.take(count),
            close_fee=close_fee,
        )


def _share(amount: int, whole: int, start: int, end: int) -> int:
    """Return the part of `amount` that falls on [start, end) of `whole`; parts that meet add up to all of it."""
    return amount * end // whole - amount * start // whole
