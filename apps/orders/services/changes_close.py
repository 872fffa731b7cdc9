"""End changes by what the exchange shows of their order. Called by the one door for orders, `apply`."""

from apps.core.money import count_text
from apps.core.prepared import Prepared
from apps.core.timestamps import utc_now
from apps.orders.models import ChangeIntent, Order

Kind = ChangeIntent.Kind
State = ChangeIntent.State
# What may have reached the exchange: the order can show it. NOT_SEEN is a label that evidence ends.
_MAY_SHOW = (State.SENDING, State.UNKNOWN, State.NOT_SEEN)
_OPEN = (State.COMMITTED, State.SENDING, State.UNKNOWN)
_changes = Prepared(
    lambda order_id: ChangeIntent.objects.filter(order_id=order_id, state__in=(*_OPEN, State.NOT_SEEN)).order_by("pk")
)


def changes_close(order: Order) -> None:
    """Under the order's row lock, before its row is published."""
    for change in _changes(order.pk):
        if change.state in _MAY_SHOW and is_shown(change, order):
            state = State.DONE
        elif order.status != Order.Status.RESTING and change.state in _OPEN:
            state = State.ENDED
        else:
            continue
        ChangeIntent.objects.filter(pk=change.pk, state=change.state).update(
            state=state, resolved_at=utc_now(), outcome=outcome_of(change, order, state=state)[:200]
        )


def is_shown(change: ChangeIntent, order: Order) -> bool:
    """Say whether the order is as the change asked."""
    if change.kind == Kind.AMEND:
        return (order.price, order.initial_count) == (change.price, change.count)
    return order.status == Order.Status.RESTING and order.remaining_count <= change.count


def outcome_of(change: ChangeIntent, order: Order, *, state: ChangeIntent.State) -> str:
    """Return what is worth saying beyond the state itself: fills that came in between, how the order ended."""
    if state == State.ENDED:
        return f"Not changed: the order was {order.get_status_display().lower()} first"
    more = order.filled_count - change.seen_filled
    if state != State.DONE or more <= 0:
        return ""
    rest = f"{count_text(order.remaining_count)} left"
    return f"Changed; {count_text(more)} filled since you looked, {rest}"
