"""Quotes that the exchange calls over, held against its orders and fills before that is believed.

A confirmed quote was seen as cancelled although its orders were placed and filled (docs/rfq.md). The account's sync
(apps.orders) brings every order, also those that we did not place by hand: once it has read past a quote's end, an
order of that quote is either here, or there is none. Nothing is asked of the exchange for it.
"""

from datetime import datetime, timedelta
from typing import Final

from django.db import transaction
from django.db.models import F

from apps.audit import services as audit
from apps.core.rfq import ConfirmationState, Outcome, QuoteState
from apps.core.timestamps import utc_now
from apps.orders import queue as orders_queue
from apps.orders.models import AccountSync, BookSide, Order
from apps.rfq import queue
from apps.rfq.events import quotes as quote_events
from apps.rfq.models import Confirmation, Quote
from apps.rfq.services.confirm_apply import confirmation_move
from apps.rfq.windows import windows_of

# The orders of a confirmed quote come when the execution timer ends; and clocks differ.
MARGIN: Final = timedelta(seconds=5)
ENDED: Final = (QuoteState.CANCELLED, QuoteState.REPLACED)
AT_ONCE: Final = 500  # quotes in one pass


def ends_verify(*, now: datetime | None = None) -> int:
    """Believe, or disprove, what is called over; returns how many are settled. Safe at any time, and twice."""
    now = now or utc_now()
    rows = Quote.objects.select_related("account", "incoming", "confirmation").filter(
        state__in=ENDED, is_end_verified=False, ended_at__isnull=False
    )
    settled = 0
    read_through: dict[int, datetime | None] = {}
    for quote in rows.order_by("ended_at")[:AT_ONCE]:
        if quote.account_id not in read_through:
            read_through[quote.account_id] = _read_through(quote.account_id)
        settled += end_verify(quote, read_through=read_through[quote.account_id], now=now)
    return settled


def end_verify(quote: Quote, *, read_through: datetime | None, now: datetime) -> bool:
    """Settle one quote; False while the orders were not read past its end."""
    assert quote.ended_at is not None
    order = order_of(quote)
    if order is not None and order.filled_count > 0:
        _was_filled(quote, order, now=now)
        return True
    if read_through is None or read_through < _orders_by(quote):
        if _is_urgent(quote) and now >= _orders_by(quote):
            queue.enqueue(orders_queue.ACCOUNT_SYNC, quote.account_id)
        return False
    with transaction.atomic():
        if not Quote.objects.filter(pk=quote.pk, state__in=ENDED, is_end_verified=False).update(
            is_end_verified=True, version=F("version") + 1
        ):
            return False
        quote_events.quote_publish(quote)
        confirmation = _confirmation_of(quote)
        if confirmation is not None and confirmation.state == ConfirmationState.CONFIRMED:
            confirmation_move(confirmation, ConfirmationState.FAILED, now=now, reason="not_executed")
    return True


def order_of(quote: Quote) -> Order | None:
    """Return the order that the exchange made of our quote: by its documented client id, else by what it was for."""
    orders = Order.objects.filter(account_id=quote.account_id, ticker=quote.ticker)
    named = orders.filter(client_order_id__endswith=f":{quote.quote_id}").first() if quote.quote_id else None
    confirmation = _confirmation_of(quote)
    if named is not None or confirmation is None or not confirmation.attempts or not confirmation.accepted_side:
        return named
    side = BookSide.BID if confirmation.accepted_side == Outcome.YES else BookSide.ASK
    alike = orders.filter(
        intent=None,
        client_order_id="",
        book_side=side,
        initial_count=confirmation.contracts,
        created_at__gte=confirmation.accepted_at - MARGIN,
        created_at__lte=_orders_by(quote) + MARGIN,
    )
    taken = Confirmation.objects.exclude(pk=confirmation.pk).exclude(order_id="").values_list("order_id", flat=True)
    return next((order for order in alike.order_by("pk") if order.order_id not in set(taken)), None)


def _was_filled(quote: Quote, order: Order, *, now: datetime) -> None:
    with transaction.atomic():
        moved = Quote.objects.filter(pk=quote.pk, state__in=ENDED).update(
            state=QuoteState.EXECUTED, end_reason="", is_end_verified=True, version=F("version") + 1
        )
        if moved:
            quote_events.quote_publish(quote)
            audit.record(
                "rfq.quote.filled_after_all",
                actor_id=None,
                desk_id=quote.desk_id,
                environment=quote.account.environment,
                target=f"rfq_quote:{quote.pk}",
                data={"quote_id": quote.quote_id, "order_id": order.order_id, "filled": str(order.filled_count)},
            )
        confirmation = _confirmation_of(quote)
        if confirmation is not None:
            executed_at = order.created_at or now
            confirmation_move(
                confirmation, ConfirmationState.EXECUTED, now=now, order_id=order.order_id, executed_at=executed_at
            )


def _orders_by(quote: Quote) -> datetime:
    """When the orders of this quote would be there, if there were any."""
    assert quote.ended_at is not None
    span = windows_of(quote.ticker, is_combo=bool(quote.incoming.legs))
    return quote.ended_at + span.execution + MARGIN


def _is_urgent(quote: Quote) -> bool:
    confirmation = _confirmation_of(quote)
    return confirmation is not None and confirmation.attempts > 0


def _confirmation_of(quote: Quote) -> Confirmation | None:
    return Confirmation.objects.select_related("quote__account", "quote__incoming").filter(quote_id=quote.pk).first()


def _read_through(account_id: int) -> datetime | None:
    return AccountSync.objects.filter(account_id=account_id).values_list("read_through", flat=True).first()
