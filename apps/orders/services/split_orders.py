"""What one person lately placed on the same side of the same market: to a threshold of four eyes it is one order.

Many small orders below a threshold would otherwise go where one large one may not. Counted is what works or was filled
of each, so that an order that was cancelled or refused does not stand in the way of another. What a second person
approved was seen, and is left out.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Final

from django.db.models import Q

from apps.core.money import count_text
from apps.orders.models import BookSide, ChangeIntent, Order, OrderIntent
from apps.orders.services.limit_rows import SUMMED, THRESHOLDS, InForce
from apps.orders.services.limits import notional_of
from apps.orders.tickets import OrderTicket

_WORKS: Final = (OrderIntent.State.COMMITTED, OrderIntent.State.SENDING, OrderIntent.State.UNKNOWN)
_AMENDING: Final = (ChangeIntent.State.COMMITTED, ChangeIntent.State.SENDING, ChangeIntent.State.UNKNOWN)
NOTHING: Final = Decimal(0)


@dataclass(frozen=True, slots=True)
class Lately:
    """Other orders, in contracts and dollars, of the last `minutes`."""

    orders: int = 0
    count: Decimal = NOTHING
    cost: Decimal = NOTHING
    minutes: int = 0

    @property
    def words(self) -> str:
        others = "another order" if self.orders == 1 else f"{self.orders} other orders"
        return f"with {others} of yours ({count_text(self.count)}) here in the last {self.minutes} min"


def lately_of(
    force: InForce,
    ticket: OrderTicket,
    *,
    user_id: int,
    desk_id: int,
    now: datetime,
    before: Sequence[OrderTicket] = (),
    intent: OrderIntent | None = None,
    instead_of: Order | None = None,
) -> Lately:
    """Sum the orders that count with this one, on every account of the desk; nothing where no threshold is set.

    Args:
        before: lines of the same batch, that are not stored yet.
        intent: the order itself, where it is stored; what was neither placed nor claimed before it does not count.
        instead_of: the order that it amends; what was filled of it counts.
    """
    minutes = int(force.of_one.get(SUMMED, 0))
    if not minutes or not any(name in force.of_one for name in THRESHOLDS):
        return Lately()
    since = now - timedelta(minutes=minutes)
    parts = [
        (one.count, notional_of(one))
        for one in before
        if (one.ticker, one.book_side) == (ticket.ticker, ticket.book_side)
    ]
    if instead_of is not None and instead_of.filled_count:
        parts.append(_part(ticket.book_side, instead_of.price, instead_of.filled_count))
    placed = OrderIntent.objects.filter(
        desk_id=desk_id, placed_by_id=user_id, ticker=ticket.ticker, book_side=ticket.book_side, approval=None
    )
    if intent is not None:
        # Numbers are given before the commit: one that came to light later than this was claimed asks about this one.
        earlier = Q(pk__lt=intent.pk)
        if intent.claimed_at is not None:
            earlier |= Q(claimed_at__lt=intent.claimed_at)
        placed = placed.filter(earlier)
    rows = placed.filter(created_at__gt=since, order=None, state__in=_WORKS).values_list("price", "count")
    parts += [_part(ticket.book_side, price, count) for price, count in rows]
    amended = ChangeIntent.objects.filter(
        requested_by_id=user_id, kind=ChangeIntent.Kind.AMEND, created_at__gt=since, order__ticker=ticket.ticker
    )
    news = Q(intent__in=placed.filter(created_at__gt=since)) | Q(pk__in=amended.values("order_id"))
    orders = Order.objects.filter(news, ticker=ticket.ticker, book_side=ticket.book_side, account__desk_id=desk_id)
    orders = orders.exclude(pk=0 if instead_of is None else instead_of.pk).filter(
        Q(filled_count__gt=0) | Q(status=Order.Status.RESTING)
    )
    wanted = dict(amended.filter(state__in=_AMENDING).values_list("order_id", "count"))
    for order in orders.only("price", "filled_count", "remaining_count", "status"):
        held = order.filled_count + (order.remaining_count if order.status == Order.Status.RESTING else 0)
        parts.append(_part(ticket.book_side, order.price, max(held, wanted.get(order.pk, NOTHING))))
    counts, costs = [count for count, _ in parts], [cost for _, cost in parts]
    return Lately(len(parts), sum(counts, NOTHING), sum(costs, NOTHING), minutes)


def _part(side: str, price: Decimal, count: Decimal) -> tuple[Decimal, Decimal]:
    return count, (price if side == BookSide.BID else 1 - price) * count
