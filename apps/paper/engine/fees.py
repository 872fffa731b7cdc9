"""Fees: the model, its rounding, and the accumulator of an order.

Written from docs:getting_started/fee_rounding and the fee model notes, on purpose without sight of the desk's own fee
code, so that one mistake cannot be on both sides.
"""

from dataclasses import dataclass
from decimal import Decimal

from apps.paper.engine.units import CENT, CENTICENT, DOLLAR_PRICE, floor_to_cent

# Rates per fee type in 1/10,000: (taker, maker).
FEE_RATES: dict[str, tuple[int, int]] = {
    "quadratic": (700, 0),
    "quadratic_with_maker_fees": (700, 175),
}


@dataclass(frozen=True, slots=True)
class FeeSchedule:
    """A fee type with its multiplier, in force from `from_ms` on."""

    fee_type: str
    multiplier: Decimal = Decimal(1)
    from_ms: int = 0

    def __post_init__(self) -> None:
        if self.fee_type not in FEE_RATES:
            raise ValueError(f"fee type {self.fee_type!r} is not supported; use one of {', '.join(FEE_RATES)}")
        if self.multiplier < 0:
            raise ValueError("a fee multiplier cannot be negative")

    def trade_fee(self, *, price: int, count: int, is_taker: bool) -> int:
        """rate x multiplier x C x P x (1 - P), rounded up to $0.0001; micro-dollars."""
        rate = FEE_RATES[self.fee_type][0 if is_taker else 1]
        if not rate:
            return 0
        numerator, denominator = self.multiplier.as_integer_ratio()
        # count x price x (1 - price) is in 1e-10 dollars and the rate in 1e-4; a centicent is 1e-4 dollars.
        product = count * price * (DOLLAR_PRICE - price) * rate * numerator
        return -(-product // (denominator * 10**10)) * CENTICENT


@dataclass(frozen=True, slots=True)
class FillFees:
    """What one fill costs and does to the balance, micro-dollars; `accumulator` is the order's after this fill."""

    trade_fee: int
    rounding_fee: int
    rebate: int
    net_fee: int
    balance_change: int
    accumulator: int


def fill_fees(*, revenue: int, trade_fee: int, accumulator: int) -> FillFees:
    """Round one fill to whole cents.

    Args:
        revenue: signed, negative for a buyer.
        trade_fee: rounded up to $0.0001 already.
        accumulator: rounding the order has overpaid so far.

    The docs' "net fee is always >= 0" bounds the rebate: what cannot be given back on this fill stays accumulated.
    """
    exact = revenue - trade_fee
    floored = floor_to_cent(exact)
    rounding = exact - floored
    accumulated = accumulator + rounding
    due = max(0, accumulated - 1) // CENT  # "exceeds": exactly one cent gives nothing yet
    rebate = min(due, (trade_fee + rounding) // CENT) * CENT
    return FillFees(
        trade_fee=trade_fee,
        rounding_fee=rounding,
        rebate=rebate,
        net_fee=trade_fee + rounding - rebate,
        balance_change=floored + rebate,
        accumulator=accumulated - rebate,
    )
