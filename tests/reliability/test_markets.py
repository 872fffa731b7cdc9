"""G5, G6: what the life of a market does to orders, told by the exchange's own messages or found without them."""

from datetime import timedelta
from decimal import Decimal

import pytest

from apps.core import ports
from apps.core.errors import DeskError
from apps.core.timestamps import from_unix_ms, utc_now
from apps.exchange.wire.schemas import Message, decode
from apps.markets.models import Market
from apps.orders.models import Order, OrderIntent
from apps.orders.services import intent_send, intent_submit, orders_reconcile
from apps.paper.testing import LINEAR, InProcessPaper, InProcessSocket
from tests.orders.conftest import Place, make_ticket

State = OrderIntent.State


def ordered(place: Place) -> OrderIntent:
    intent = intent_submit(place.trader, make_ticket(place, ticker=LINEAR))
    intent_send(intent.pk)
    intent.refresh_from_db()
    return intent


def listening(paper: InProcessPaper) -> InProcessSocket:
    socket = paper.socket("trader-1")
    socket.send("subscribe", channels=["market_lifecycle_v2", "user_orders"])
    return socket


def deliver(socket: InProcessSocket, place: Place) -> None:
    context = ports.FeedContext(account_id=place.account.pk, environment="paper", recv_ms=0)
    texts = list(socket.texts)
    socket.texts.clear()
    for text in texts:
        message = decode(text.encode())
        if isinstance(message, Message):
            for handler in ports.feed_handlers.get(message.type, []):
                handler(context, [message.body])


@pytest.mark.parametrize("told", [True, False], ids=["told", "messages lost"])
def test_g5_a_market_that_comes_back_has_cancelled_every_resting_order(
    place: Place, connected: InProcessPaper, market: Market, told: bool
) -> None:
    socket = listening(connected)
    intent = ordered(place)
    order = Order.objects.get(intent=intent)
    deliver(socket, place)

    connected.control("POST", "/market", {"ticker": LINEAR, "action": "pause"})
    deliver(socket, place)
    market.refresh_from_db()
    order.refresh_from_db()
    assert (market.status, order.status) == ("inactive", "resting")
    with pytest.raises(DeskError) as refused:
        intent_submit(place.trader, make_ticket(place, ticker=LINEAR))
    assert refused.value.code == "market_closed"

    connected.control("POST", "/market", {"ticker": LINEAR, "action": "resume"})
    if told:
        deliver(socket, place)
        market.refresh_from_db()
        assert market.status == "active"
    else:
        socket.texts.clear()
        orders_reconcile(place.account.pk)

    order.refresh_from_db()
    assert (order.status, order.filled_count, order.remaining_count) == ("canceled", Decimal(0), Decimal(0))
    assert order.cancels.count() == 0  # nobody here asked for it
    intent.refresh_from_db()
    assert intent.state == State.ACKED


def test_g6_a_close_that_moves_moves_our_own_timer_and_a_market_may_open_again(
    place: Place, connected: InProcessPaper, market: Market
) -> None:
    socket = listening(connected)
    now_ms = connected.clock.now_ms()
    assert ordered(place).state == State.ACKED

    def close_at(milliseconds: int) -> None:
        body = {"ticker": LINEAR, "action": "close_at", "close_ms": now_ms + milliseconds}
        connected.control("POST", "/market", body)
        deliver(socket, place)
        market.refresh_from_db()
        assert market.close_time == from_unix_ms((now_ms + milliseconds) // 1000 * 1000)

    close_at(10_000)
    in_flight = intent_submit(place.trader, make_ticket(place, ticker=LINEAR))
    after = utc_now() + timedelta(seconds=11)
    with pytest.raises(DeskError) as refused:
        intent_submit(place.trader, make_ticket(place, ticker=LINEAR), now=after)
    assert refused.value.code == "market_closed"

    # Earlier than the order that waits: it is not sent. Nothing said "closed"; our own timer did.
    close_at(-2_000)
    intent_send(in_flight.pk)
    in_flight.refresh_from_db()
    assert (in_flight.state, in_flight.error_code) == (State.REFUSED, "market_closed")

    # Later again: open for us and there.
    close_at(3_600_000)
    assert ordered(place).state == State.ACKED
