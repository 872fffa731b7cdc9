"""Cases of RELIABILITY's fault matrix by their names, where no other file has them."""

import json
from datetime import timedelta
from typing import Any

import httpx
import pytest

from apps.core.errors import DeskError
from apps.core.timestamps import utc_now
from apps.exchange.models import ExchangeStatus
from apps.markets.models import Market
from apps.orders.models import CancelIntent, Order, OrderIntent
from apps.orders.services import cancel_all, cancel_send, intent_resolve, intent_send, intent_submit, orders_reconcile
from tests.orders.conftest import Place, make_ticket
from tests.orders.scripted import ScriptedExchange

State = OrderIntent.State
ANSWER = json.dumps({"order_id": "exchange-x", "fill_count": "0.00", "remaining_count": "10.00", "ts_ms": 1}).encode()


def sent(place: Place, **over: Any) -> OrderIntent:
    intent = intent_submit(place.trader, make_ticket(place, **over))
    intent_send(intent.pk)
    intent.refresh_from_db()
    return intent


@pytest.mark.parametrize("offset", range(0, len(ANSWER), 7))
def test_a5_an_answer_cut_at_any_byte_is_unknown_and_found(
    place: Place, exchange: ScriptedExchange, offset: int
) -> None:
    exchange.creates = [exchange.accept_and_answer(201, ANSWER[:offset])]

    intent = sent(place)
    assert intent.state == State.UNKNOWN
    intent_resolve(intent.pk)

    intent.refresh_from_db()
    assert intent.state == State.ACKED
    assert len(exchange.sent("POST")) == 1


@pytest.mark.parametrize("body", [b"{}", b'{"order": {}}', b'{"orders": []}', b"[]", b"null", b'"ok"'])
def test_a6_a_2xx_without_an_order_is_unknown(place: Place, exchange: ScriptedExchange, body: bytes) -> None:
    exchange.creates = [exchange.accept_and_answer(201, body)]

    assert sent(place).state == State.UNKNOWN
    assert len(exchange.sent("POST")) == 1


def test_a9_a_redirect_is_not_followed(place: Place, exchange: ScriptedExchange) -> None:
    elsewhere = httpx.Response(307, headers={"Location": "http://elsewhere.test/trade-api/v2/portfolio/events/orders"})
    exchange.creates = [lambda request: elsewhere]

    assert sent(place).state == State.UNKNOWN
    assert {request.url.host for request in exchange.requests} == {"exchange.test"}
    assert len(exchange.sent("POST")) == 1


def test_a21_a_grid_that_changed_before_the_send_is_refused_here(place: Place, exchange: ScriptedExchange) -> None:
    intent = intent_submit(place.trader, make_ticket(place))
    Market.objects.update(price_ranges=[{"start": "0.0000", "end": "1.0000", "step": "0.0500"}])

    intent_send(intent.pk)

    intent.refresh_from_db()
    assert (intent.state, intent.error_code) == (State.REFUSED, "off_grid")
    assert exchange.sent("POST") == []


def test_b1_in_a_429_storm_a_create_is_refused_and_a_cancel_goes_on(place: Place, exchange: ScriptedExchange) -> None:
    sent(place)
    storm = exchange.answer(429, error="too many requests")
    exchange.creates = [storm]
    refused = sent(place)
    assert (refused.state, refused.error_code) == (State.REFUSED, "rate_limited")

    exchange.cancels = [storm, storm]
    cancel_all(place.trader, account_id=place.account.pk)
    cancel = CancelIntent.objects.get()
    for _ in range(3):
        CancelIntent.objects.update(next_attempt_at=utc_now())
        cancel_send(cancel.pk)

    cancel.refresh_from_db()
    assert (cancel.state, cancel.attempts) == ("done", 3)
    assert Order.objects.get().status == "canceled"


def test_g1_in_a_trading_pause_creates_are_refused_with_the_reason_and_cancels_pass(
    place: Place, exchange: ScriptedExchange
) -> None:
    sent(place)
    in_flight = intent_submit(place.trader, make_ticket(place))
    ExchangeStatus.objects.create(environment="paper", exchange_active=True, trading_active=False, checked_at=utc_now())

    with pytest.raises(DeskError) as refused:
        intent_submit(place.trader, make_ticket(place))
    intent_send(in_flight.pk)
    in_flight.refresh_from_db()
    assert (refused.value.code, in_flight.error_code) == ("exchange_paused", "exchange_paused")
    assert len(exchange.sent("POST")) == 1

    cancel_all(place.trader, account_id=place.account.pk)
    cancel_send(CancelIntent.objects.get().pk)
    assert Order.objects.get().status == "canceled"


def test_g3_orders_that_vanish_in_a_pause_without_an_event_are_found_gone(
    place: Place, exchange: ScriptedExchange
) -> None:
    intent = sent(place, cancel_on_pause=True)
    order = Order.objects.get(intent=intent)
    exchange.end(exchange.orders[order.order_id], "canceled", remaining_count_fp="0.00")

    orders_reconcile(place.account.pk)

    order.refresh_from_db()
    assert order.status == "canceled"


def test_g4_our_own_timer_closes_a_market_that_closes_without_an_event(
    place: Place, exchange: ScriptedExchange
) -> None:
    in_flight = intent_submit(place.trader, make_ticket(place))
    Market.objects.update(close_time=utc_now() - timedelta(seconds=1))

    intent_send(in_flight.pk)

    in_flight.refresh_from_db()
    assert (in_flight.state, in_flight.error_code) == (State.REFUSED, "market_closed")
    assert exchange.sent("POST") == []
