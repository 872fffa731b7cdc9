"""What working orders lock of the cash: the exchange's balances leave it out, and no listing says how much it is.

Computed as the exchange's documents describe the cost of an order: price of the own leg for each contract that would
open a position, and the maker's fee where the market has one. Contracts that close a held position lock nothing; the
orders that would trade first are taken to close it.
"""

from collections import defaultdict
from dataclasses import dataclass
from decimal import ROUND_CEILING, Decimal
from typing import Any

from apps.accounts.models import ExchangeAccount
from apps.core.fees import FeeNotKnown
from apps.core.money import MONEY_STEP
from apps.core.timestamps import utc_now
from apps.markets.models import Market
from apps.orders.costs import schedule_of
from apps.orders.models import BookSide, Order
from apps.portfolio.models import Position

ZERO = Decimal(0)


@dataclass(frozen=True, slots=True)
class Hold:
    """dollars: what `orders` working orders lock. is_exact: every order's market and fee were known."""

    dollars: Decimal
    orders: int
    is_exact: bool


def holds_of(account_id: int, *, subaccount: int | None = None) -> Hold:
    """Return what the working orders of one subaccount, or of all, lock."""
    resting = Order.objects.filter(account_id=account_id, status=Order.Status.RESTING, remaining_count__gt=0)
    held = Position.objects.filter(account_id=account_id)
    if subaccount is not None:
        resting, held = resting.filter(subaccount=subaccount), held.filter(subaccount=subaccount)
    books: dict[tuple[int, str], list[Order]] = defaultdict(list)
    for order in resting:
        books[order.subaccount, order.ticker].append(order)
    if not books:
        return Hold(ZERO, 0, True)
    positions = {(row.subaccount, row.ticker): row.position for row in held}
    environment = ExchangeAccount.objects.values_list("environment", flat=True).get(pk=account_id)
    rows = Market.objects.filter(environment=environment, ticker__in={ticker for _, ticker in books})
    markets = {row.ticker: row for row in rows.select_related("event")}
    total, is_exact = ZERO, True
    for key, orders in books.items():
        amount, is_known = _locked(orders, positions.get(key, ZERO), markets.get(key[1]))
        total, is_exact = total + amount, is_exact and is_known
    return Hold(total, sum(map(len, books.values())), is_exact)


def _locked(orders: list[Order], position: Decimal, market: Market | None) -> tuple[Decimal, bool]:
    total, is_known = ZERO, True
    left = abs(position)
    covering = BookSide.ASK if position > 0 else BookSide.BID
    for order in sorted(orders, key=_first_to_trade):
        count = order.remaining_count
        lock, is_fee_known = _lock(order, market)
        is_known = is_known and is_fee_known
        if order.book_side == covering and left:
            covered = min(left, count)
            left -= covered
            # Rounded as the lock of the rest is: never below it.
            lock -= (lock * covered / count).quantize(MONEY_STEP, rounding=ROUND_CEILING) if covered < count else lock
        total += lock
    return total, is_known


def _lock(order: Order, market: Market | None) -> tuple[Decimal, bool]:
    leg = order.price if order.book_side == BookSide.BID else 1 - order.price
    cost = leg * order.remaining_count
    if market is None:
        return cost, False
    try:
        schedule = schedule_of(market, now=utc_now())
    except FeeNotKnown:
        return cost, False
    return cost + schedule.trade_fee(count=order.remaining_count, price=order.price, is_taker=False), True


def _first_to_trade(order: Order) -> tuple[Any, ...]:
    """The best price of its side first, then the oldest."""
    own_leg = order.price if order.book_side == BookSide.BID else 1 - order.price
    return order.book_side, -own_leg, order.created_at or order.seen_at, order.pk
