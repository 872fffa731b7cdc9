"""What an order would cost, in the worst and best case. Pure arithmetic over known facts.

What is not known is None with a reason in words, never zero.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Literal

from apps.core.fees import FeeAccumulator, FeeNotKnown, FeeSchedule, fee_preview, schedule_for_market
from apps.markets.fee_changes import SeriesFees, series_fees
from apps.markets.models import Market
from apps.orders.models import BookSide
from apps.orders.tickets import OrderTicket


@dataclass(frozen=True, slots=True)
class CostEstimate:
    """An order as if all of it filled at its price. Dollars; counts in contracts.

    Contracts that close a held position cost nothing and bring `proceeds`; the others cost
    `cost` and pay out `payout` when they win.
    """

    closing: Decimal
    opening: Decimal
    cost: Decimal
    proceeds: Decimal
    payout: Decimal
    fee_one_fill: Decimal | None
    fee_worst_split: Decimal | None
    position_after: Decimal
    fees: "FeeDetails | None" = None
    reasons: dict[str, str] = field(default_factory=dict)  # name of an unknown part -> why

    @property
    def worst_case(self) -> Decimal | None:
        """What can be lost on the opened contracts: their cost and the worst fee."""
        return None if self.fee_worst_split is None else self.cost + self.fee_worst_split

    @property
    def cash_change(self) -> Decimal | None:
        """How the balance moves if it all fills: proceeds less cost and the worst fee."""
        return None if self.fee_worst_split is None else self.proceeds - self.cost - self.fee_worst_split


@dataclass(frozen=True, slots=True)
class FeeDetails:
    """What the fee of an estimate is made of, dollars; of the role that it was estimated for (maker when post-only).

    Its parts are worked out when a preview asks for them: an order does not wait for what it does not need.
    """

    schedule: FeeSchedule
    is_bid: bool
    price: Decimal
    count: Decimal
    is_taker: bool
    one_fill: Decimal
    waived_until: datetime | None = None  # no fee before it, then the schedule of the series
    coming: "Callable[[], FeeAhead | None]" = field(default=lambda: None, compare=False)

    @property
    def ahead(self) -> "FeeAhead | None":
        """The next change while the market may trade, None where nothing is scheduled that would change this."""
        return self.coming()

    def as_maker_by(self, schedule: FeeSchedule) -> tuple[Decimal, Decimal]:
        """As `as_maker`, of what rests until another schedule holds."""
        return _fees(schedule, is_bid=self.is_bid, price=self.price, count=self.count, is_taker=False)

    def taking_at(self, yes_price: Decimal) -> tuple[Decimal, Decimal]:
        """Of one fill and of the worst split at another price: a better one nearer to 50c costs a larger fee."""
        return _fees(self.schedule, is_bid=self.is_bid, price=yes_price, count=self.count, is_taker=True)

    @property
    def trade(self) -> Decimal:
        """Of one fill, before it is rounded."""
        return self.schedule.trade_fee(count=self.count, price=self.price, is_taker=self.is_taker)

    @property
    def rounding(self) -> Decimal:
        """Of one fill."""
        return self.one_fill - self.trade if self.count else Decimal(0)

    @property
    def rebate(self) -> Decimal:
        """What the order gets back of its roundings when it fills contract by contract."""
        return _rebate(self.schedule, is_bid=self.is_bid, price=self.price, count=self.count, is_taker=self.is_taker)

    @property
    def as_maker(self) -> tuple[Decimal, Decimal]:
        """The fee of one fill and of the worst split when it rests first."""
        return self.as_maker_by(self.schedule)


@dataclass(frozen=True, slots=True)
class FeeAhead:
    """From `at` on `schedule` holds; None: a fee that this desk cannot compute."""

    at: datetime
    before: FeeSchedule
    schedule: FeeSchedule | None


def cost_estimate(market: Market, ticket: OrderTicket, *, position: Decimal, now: datetime) -> CostEstimate:
    """Args: position: net contracts held, positive YES, negative NO."""
    is_bid = ticket.book_side == BookSide.BID
    yes = ticket.yes_price
    # Buying YES at p and selling NO at 1 - p are one thing: contracts of the other outcome that
    # are held go first, and their sale brings 1 - p.
    held = max(-position if is_bid else position, Decimal(0))
    closing = min(held, ticket.count)
    opening = Decimal(0) if ticket.is_reduce_only else ticket.count - closing
    price = yes if is_bid else 1 - yes
    traded = closing + opening
    reasons: dict[str, str] = {}
    one_fill = worst = details = None
    try:
        series = _series_of(market)
        schedule = _schedule_at(market, series, now=now)
        # A resting order pays as a maker; only post-only is certain to.
        is_taker = not ticket.is_post_only
        one_fill, worst = _fees(schedule, is_bid=is_bid, price=yes, count=traded, is_taker=is_taker)
        details = FeeDetails(
            schedule=schedule,
            is_bid=is_bid,
            price=yes,
            count=traded,
            is_taker=is_taker,
            one_fill=one_fill,
            waived_until=market.fee_waiver_expiration_time,
            coming=lambda: _fee_ahead(market, series, now=now),
        )
    except FeeNotKnown as exc:
        reasons["fee"] = f"The fee is not known: {exc}."
    return CostEstimate(
        closing=closing,
        opening=opening,
        cost=price * opening,
        proceeds=(1 - price) * closing,
        payout=market.notional_value * opening,
        fee_one_fill=one_fill,
        fee_worst_split=worst,
        position_after=position + (traded if is_bid else -traded),
        fees=details,
        reasons=reasons,
    )


def _fees(
    schedule: FeeSchedule, *, is_bid: bool, price: Decimal, count: Decimal, is_taker: bool
) -> tuple[Decimal, Decimal]:
    """Return the net fee in one fill, and in the worse of that and contract by contract.

    A match against a fraction of a contract can cost more still, but a split into hundredths throughout would
    show a fee that no order has ever paid.
    """
    if not count:
        return Decimal(0), Decimal(0)
    side: Literal["bid", "ask"] = "bid" if is_bid else "ask"
    fees = fee_preview(schedule, book_side=side, price=price, count=count, is_taker=is_taker)
    return fees.single, max(fees.single, fees.by_contract)


def _rebate(schedule: FeeSchedule, *, is_bid: bool, price: Decimal, count: Decimal, is_taker: bool) -> Decimal:
    """Return what an order that fills contract by contract gets back: its fees without the accumulator less with it."""
    leg = price if is_bid else 1 - price
    gross = Decimal(0)
    for lots, size in ((count // 1, Decimal(1)), (Decimal(1), count % 1)):
        if lots and size:
            fee = schedule.trade_fee(count=size, price=price, is_taker=is_taker)
            gross += lots * FeeAccumulator().apply(revenue=-leg * size, trade_fee=fee).net_fee
    if not gross:
        return Decimal(0)
    side: Literal["bid", "ask"] = "bid" if is_bid else "ask"
    return gross - fee_preview(schedule, book_side=side, price=price, count=count, is_taker=is_taker).by_contract


def schedule_of(market: Market, *, now: datetime) -> FeeSchedule:
    """Return the fee schedule that holds for a market at `now`, which may be long ago. Raises FeeNotKnown."""
    return _schedule_at(market, _series_of(market), now=now)


def _series_of(market: Market) -> SeriesFees:
    series = series_fees(market.environment, market.series_ticker)
    if series is None:
        raise FeeNotKnown(f"the series {market.series_ticker} has not been read yet")
    return series


def _schedule_at(market: Market, series: SeriesFees, *, now: datetime) -> FeeSchedule:
    return schedule_for_market(
        series.at(now),
        event_type=market.event.fee_type_override,
        event_multiplier=market.event.fee_multiplier_override,
        waived_until=market.fee_waiver_expiration_time,
        now=now,
    )


def _fee_ahead(market: Market, series: SeriesFees, *, now: datetime) -> FeeAhead | None:
    """Return the next change of the series that changes this market's fee while it may trade."""
    change = series.next_after(now)
    if change is None or (market.close_time is not None and change.at >= market.close_time):
        return None
    try:
        # As it is just before: an event's own fees win over both, and a waiver that ends until then is told by itself.
        before = _schedule_at(market, series, now=change.at - timedelta(microseconds=1))
    except FeeNotKnown:
        return None
    try:
        schedule = _schedule_at(market, series, now=change.at)
    except FeeNotKnown:
        return FeeAhead(change.at, before, None)
    return None if schedule == before else FeeAhead(change.at, before, schedule)
