"""Why an order left the book that nobody here cancelled, as far as it can be told: the exchange gives no reason."""

from datetime import timedelta

from apps.markets.models import Market
from apps.orders.models import CancelIntent, Order, OrderGroup, OrderIntent

AT_ONCE = "What did not fill at once was taken off."
TIME_OVER = "Its time was over."
ELSEWHERE = "Taken off at the exchange, not by a cancel from this desk."
ON_PAUSE = "Taken off at the exchange, not by a cancel from this desk; it was to be cancelled on a pause."
CLOCKS = timedelta(seconds=2)
# A group's event and its orders' come one after the other.
TOGETHER = timedelta(seconds=10)


def ended_words(order: Order | None, cancel: CancelIntent | None) -> str:
    """Say it from the order alone, no query; "" for one that was not cancelled, or that a cancel of ours ended."""
    if order is None or order.status != Order.Status.CANCELED:
        return ""
    if cancel is not None and cancel.state != CancelIntent.State.REFUSED:
        return ""
    intent: OrderIntent | None = order.intent
    if intent is not None and intent.time_in_force != "good_till_canceled":
        return AT_ONCE
    if order.expires_at and order.updated_at and order.updated_at >= order.expires_at - CLOCKS:
        return TIME_OVER
    return ON_PAUSE if intent is not None and intent.cancel_on_pause else ELSEWHERE


def ended_around(order: Order | None, words: str, market: Market | None) -> str:
    """Add to `ended_words` what happened to the market and the order's group at that time. Two queries at most."""
    if order is None or words not in (ELSEWHERE, ON_PAUSE) or order.updated_at is None:
        return words
    if market is not None and market.close_time is not None and order.updated_at >= market.close_time - CLOCKS:
        return f"{words} The market had closed at {market.close_time:%Y-%m-%d %H:%M:%S} UTC."
    ended = {OrderGroup.State.TRIGGERED: "triggered", OrderGroup.State.DELETED: "deleted"}
    group = OrderGroup.objects.filter(
        account_id=order.account_id,
        group_id=order.order_group_id or "-",
        state__in=ended,
        changed_at__range=(order.updated_at - TOGETHER, order.updated_at + TOGETHER),
    ).first()
    if group is not None:
        return (
            f"{words} Its order group {group.name or group.group_id} was {ended[OrderGroup.State(group.state)]} then."
        )
    return words
