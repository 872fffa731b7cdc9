"""What a fill costs: the fee model, its rounding, and the accumulator of one order.

Sources: Series.fee_type / fee_multiplier of the API, docs:fee_rounding (edition 2026-03-20). What
those leave open, and how it is read here, is in docs/money.md, "Fees". Everything is integers of
1/1,000,000 dollar or exact fractions inside, `Decimal` dollars outside.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Final, Literal

from apps.core.money import (
    COUNT_UNITS_PER_CONTRACT,
    MONEY_UNITS_PER_CENT,
    MONEY_UNITS_PER_CENTICENT,
    PRICE_UNITS_PER_DOLLAR,
    count_from_units,
    count_units,
    money_from_units,
    money_units,
    price_units,
)

_TAKER_RATE: Final = Fraction(7, 100)
# Share of the taker rate that a maker pays.
_MAKER_SHARE: Final = {
    "quadratic": Fraction(0),
    "quadratic_with_maker_fees": Fraction(1, 4),
    "quadratic_with_combo_maker_fees": Fraction(1, 2),
}
# A series may still be told with its old fee for a while after a dated change of it; longer, and it is newer news.
_OLD_FEE_TOLD_FOR: Final = timedelta(minutes=10)
_MULTIPLIER = re.compile(r"[0-9]{1,6}(\.[0-9]{1,12})?")


class FeeNotKnown(ValueError):
    """This market's fee cannot be computed (`flat`, or a type newer than this desk).

    Show "fee not known", never 0.
    """


@dataclass(frozen=True, slots=True)
class FeeSchedule:
    """The fee model of one market: model fee = rate x multiplier x C x P x (1 - P), dollars."""

    taker_rate: Fraction
    maker_rate: Fraction

    @classmethod
    def of(cls, fee_type: str, multiplier: str) -> "FeeSchedule":
        """Return the schedule of a series.

        Args:
            multiplier: plain decimal text, as the exchange wrote it.

        Raises:
            FeeNotKnown: a type without a published formula, or a malformed multiplier.
        """
        share = _MAKER_SHARE.get(fee_type)
        if share is None:
            raise FeeNotKnown(f"fee type {fee_type[:60]!r} has no published formula")
        if _MULTIPLIER.fullmatch(multiplier) is None:
            raise FeeNotKnown(f"fee multiplier {multiplier[:60]!r} is not a plain decimal")
        taker = _TAKER_RATE * Fraction(multiplier)
        return cls(taker, taker * share)

    @classmethod
    def free(cls) -> "FeeSchedule":
        return cls(Fraction(0), Fraction(0))

    def trade_fee(self, *, count: Decimal, price: Decimal, is_taker: bool) -> Decimal:
        """Return the fee of one match in dollars, rounded up to $0.0001.

        Args:
            count: contracts.
            price: dollars, of either leg: the formula is the same for P and 1 - P.
        """
        return money_from_units(self._trade_fee_units(count_units(count), price_units(price), is_taker))

    def _trade_fee_units(self, count: int, price: int, is_taker: bool) -> int:
        rate = self.taker_rate if is_taker else self.maker_rate
        # Dollars = rate * count/100 * price/10^4 * (10^4 - price)/10^4; in centicents, times 10^4.
        volume = count * price * (PRICE_UNITS_PER_DOLLAR - price)
        numerator = rate.numerator * volume
        denominator = rate.denominator * COUNT_UNITS_PER_CONTRACT * PRICE_UNITS_PER_DOLLAR
        return -(-numerator // denominator) * MONEY_UNITS_PER_CENTICENT


def schedule_for_market(
    series: tuple[str, str],
    *,
    event_type: str | None = None,
    event_multiplier: str | None = None,
    waived_until: datetime | None = None,
    now: datetime,
) -> FeeSchedule:
    """Return the schedule that holds for a market at `now`.

    Args:
        series: fee_type and fee_multiplier of the series.
        event_type, event_multiplier: the event's overrides; each wins over the series when given.
        waived_until: Market.fee_waiver_expiration_time; no fees before it.

    Raises:
        FeeNotKnown: see `FeeSchedule.of`.
    """
    if waived_until is not None and now < waived_until:
        return FeeSchedule.free()
    return FeeSchedule.of(
        series[0] if event_type is None else event_type,
        series[1] if event_multiplier is None else event_multiplier,
    )


@dataclass(frozen=True, slots=True)
class FeeChange:
    """A dated change of a series' fees (docs: GET /series/fee_changes). Fees are (fee_type, fee_multiplier).

    before: what held until then, None where it was first read of when it had happened already.
    """

    at: datetime
    fees: tuple[str, str]
    before: tuple[str, str] | None = None


def fees_in_force(
    own: tuple[str, str], *, read_at: datetime, changes: Sequence[FeeChange], now: datetime
) -> tuple[str, str]:
    """Return the fee_type and fee_multiplier of a series at `now`, which may be long ago.

    Args:
        own: what the series itself said when it was read, at `read_at`.
        changes: in any order; one holds from its very moment on.

    Raises:
        FeeNotKnown: `now` lies before a change that nobody here saw coming.
    """
    begun = [change for change in changes if change.at <= now]
    if begun:
        newest = max(begun, key=lambda change: change.at)
        is_own_newer = newest.at + _OLD_FEE_TOLD_FOR <= read_at <= now
        return own if is_own_newer else newest.fees
    first = min(changes, key=lambda change: change.at, default=None)
    if first is None or read_at < first.at:
        return own
    if first.before is None:
        raise FeeNotKnown(f"what held before the change of {first.at:%Y-%m-%d %H:%M} UTC was never read")
    return first.before


@dataclass(frozen=True, slots=True)
class FillFee:
    """What one fill did to the balance, dollars. net_fee = trade_fee + rounding_fee - rebate >= 0.

    `balance_change` is the floored revenue less trade fee, as the exchange's tables print it; the
    rebate is credited besides, so cash moves by `cash_change` = revenue - net_fee.
    """

    trade_fee: Decimal
    rounding_fee: Decimal
    rebate: Decimal
    net_fee: Decimal
    balance_change: Decimal
    cash_change: Decimal


class FeeAccumulator:
    """Rounding overpaid by the fills of one order so far, taker and maker alike."""

    __slots__ = ("_units",)

    def __init__(self, accumulated: Decimal = Decimal(0)) -> None:
        """Take up an order in the middle with what it has `accumulated` (dollars)."""
        self._units = money_units(accumulated)

    @property
    def accumulated(self) -> Decimal:
        """Dollars overpaid and not yet given back, after the last fill's rebate."""
        return money_from_units(self._units)

    def apply(self, *, revenue: Decimal, trade_fee: Decimal) -> FillFee:
        """Round one fill of the order.

        Args:
            revenue: dollars, signed: negative when contracts were bought.
            trade_fee: dollars; rounded up to $0.0001 here if it is finer.

        Raises:
            ValueError: the trade fee is negative, or a value is finer than $0.000001.
        """
        raw_fee = money_units(trade_fee)
        if raw_fee < 0:
            raise ValueError(f"a trade fee is never negative: {trade_fee}")
        fee = -(-raw_fee // MONEY_UNITS_PER_CENTICENT) * MONEY_UNITS_PER_CENTICENT
        revenue_units = money_units(revenue)
        rounding = (revenue_units - fee) % MONEY_UNITS_PER_CENT  # Python's % rounds to minus infinity
        rebate = self._take_rebate(fee, rounding)
        balance = revenue_units - fee - rounding
        return FillFee(
            trade_fee=money_from_units(fee),
            rounding_fee=money_from_units(rounding),
            rebate=money_from_units(rebate),
            net_fee=money_from_units(fee + rounding - rebate),
            balance_change=money_from_units(balance),
            cash_change=money_from_units(balance + rebate),
        )

    def _take_rebate(self, fee: int, rounding: int) -> int:
        self._units += rounding
        # Strictly above a cent ("exceeds", "> $0.01"), and only what keeps the net fee at or
        # above zero: what does not fit into this fill waits in the accumulator for a later one.
        due = max(0, -(-self._units // MONEY_UNITS_PER_CENT) - 1)
        rebate = min(due, (fee + rounding) // MONEY_UNITS_PER_CENT) * MONEY_UNITS_PER_CENT
        self._units -= rebate
        return rebate


@dataclass(frozen=True, slots=True)
class FeePreview:
    """Net fee of one order in dollars, by how it may fill."""

    single: Decimal  # one match
    by_contract: Decimal  # matches of one contract each
    by_smallest: Decimal  # matches of 0.01 contract each

    @property
    def worst(self) -> Decimal:
        return max(self.single, self.by_contract, self.by_smallest)


def fee_preview(
    schedule: FeeSchedule, *, book_side: Literal["bid", "ask"], price: Decimal, count: Decimal, is_taker: bool
) -> FeePreview:
    """Return what an order would pay if all of it filled at `price`; cost does not grow with `count`.

    Args:
        price: dollars, of the YES leg. An ask buys NO at one dollar minus it.
        count: contracts.
    """
    yes_units, whole = price_units(price), count_units(count)
    leg = yes_units if book_side == "bid" else PRICE_UNITS_PER_DOLLAR - yes_units

    def split(lot: int) -> Decimal:
        lots, rest = divmod(whole, lot)
        fee = schedule._trade_fee_units(lot, yes_units, is_taker)
        total, accumulated = _equal_fills(lots, revenue=-leg * lot, fee=fee)
        if rest:
            last = FeeAccumulator(money_from_units(accumulated)).apply(
                revenue=money_from_units(-leg * rest),
                trade_fee=schedule.trade_fee(count=count_from_units(rest), price=price, is_taker=is_taker),
            )
            total += money_units(last.net_fee)
        return money_from_units(total)

    return FeePreview(single=split(max(whole, 1)), by_contract=split(COUNT_UNITS_PER_CONTRACT), by_smallest=split(1))


def _equal_fills(fills: int, *, revenue: int, fee: int) -> tuple[int, int]:
    """Return the net fee of equal fills of a new order and what stays accumulated, in money units."""
    rounding = (revenue - fee) % MONEY_UNITS_PER_CENT
    overpaid = fills * rounding
    if fee + rounding < MONEY_UNITS_PER_CENT:
        rebates = 0  # no fill has a whole cent to give back
    else:
        rebates = max(0, -(-overpaid // MONEY_UNITS_PER_CENT) - 1) * MONEY_UNITS_PER_CENT
    return fills * (fee + rounding) - rebates, overpaid - rebates


@dataclass(frozen=True, slots=True)
class Settlement:
    """What settlement pays, dollars: `payout` in whole cents, the rest kept as `fee` (under $0.01)."""

    payout: Decimal
    fee: Decimal


def settle(*, count: Decimal, value: Decimal) -> Settlement:
    """Round the settlement of `count` contracts (never negative) worth `value` dollars each.

    Raises:
        ValueError: a negative count, or a value outside [0, 1] dollars (one contract pays at most 1).
    """
    contracts, worth = count_units(count), price_units(value)
    if contracts < 0 or not 0 <= worth <= PRICE_UNITS_PER_DOLLAR:
        raise ValueError(f"cannot settle {count} contracts at {value}")
    raw = contracts * worth
    fee = raw % MONEY_UNITS_PER_CENT
    return Settlement(payout=money_from_units(raw - fee), fee=money_from_units(fee))


def model_fee(schedule: FeeSchedule, *, count: Decimal, price: Decimal, is_taker: bool) -> Fraction:
    """Return the fee before any rounding, dollars, exact. For explanations; fills use `trade_fee`."""
    rate = schedule.taker_rate if is_taker else schedule.maker_rate
    probability = Fraction(price_units(price), PRICE_UNITS_PER_DOLLAR)
    return rate * Fraction(count_units(count), COUNT_UNITS_PER_CONTRACT) * probability * (1 - probability)
