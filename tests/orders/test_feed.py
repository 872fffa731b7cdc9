"""What the gateway hands over: own orders and fills as WebSocket messages."""

from decimal import Decimal

import pytest

from apps.core.ports import FeedContext
from apps.core.timestamps import to_unix_ms
from apps.exchange.wire.schemas import Fill as WireFill
from apps.exchange.wire.schemas import UserOrder, build
from apps.orders import feed
from apps.orders.models import Fill, Order
from apps.orders.reports import fill_from_ws
from tests.orders.conftest import TICKER, Place, Published
from tests.orders.test_apply import START

Queued = list[tuple[str, int]]


def test_feed_messages_enter_by_the_same_door(place: Place, queued: Queued, published: Published) -> None:
    context = FeedContext(account_id=place.account.pk, environment="paper", recv_ms=to_unix_ms(START))
    order = {
        "order_id": "exchange-77",
        "ticker": TICKER,
        "status": "resting",
        "outcome_side": "no",
        "yes_price_dollars": "0.560",
        "initial_count_fp": "10.00",
        "fill_count_fp": "4.00",
        "remaining_count_fp": "6.00",
        "created_ts_ms": to_unix_ms(START),
    }
    filled = {
        "trade_id": "t-1",
        "order_id": "exchange-77",
        "market_ticker": TICKER,
        "count_fp": "4.00",
        "yes_price_dollars": "0.5600",
        "fee_cost": "0.0125",
        "book_side": "ask",
        "ts_ms": to_unix_ms(START),
    }

    feed.orders_received(context, [build(UserOrder, order)])
    feed.fills_received(context, [build(WireFill, filled)] * 2)

    assert (Order.objects.get().book_side, Fill.objects.get().fee) == ("ask", Decimal("0.0125"))
    assert Fill.objects.get().order_id == Order.objects.get().pk


def test_a_message_that_cannot_be_used_leads_to_a_read(place: Place, queued: Queued, published: Published) -> None:
    context = FeedContext(account_id=place.account.pk, environment="paper", recv_ms=to_unix_ms(START))

    feed.orders_received(context, [build(UserOrder, {"order_id": "x", "ticker": TICKER, "status": "resting"})])

    assert queued == [("account_orders_sync", place.account.pk)]
    assert not Order.objects.exists()


def test_a_fill_message_without_its_time_is_not_guessed() -> None:
    body = {
        "trade_id": "t",
        "order_id": "o",
        "market_ticker": TICKER,
        "count_fp": "1.00",
        "yes_price_dollars": "0.5",
        "book_side": "bid",
        "fee_cost": "0",
    }
    with pytest.raises(ValueError, match="missing"):
        fill_from_ws(build(WireFill, body))
