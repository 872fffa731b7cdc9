"""UNKNOWN ends by reading: found, or labelled "not seen", and reversible."""

from datetime import timedelta
from typing import Any

import httpx
import pytest

from apps.audit.models import AuditEntry
from apps.core.timestamps import format_rfc3339, utc_now
from apps.exchange.models import ExchangeStatus
from apps.exchange.wire.schemas import build, rest
from apps.orders import tasks
from apps.orders.models import Order, OrderIntent
from apps.orders.reports import FillReport, order_from_rest
from apps.orders.services import (
    fills_record,
    intent_resolve,
    intent_send,
    intent_submit,
    intents_sweep,
    order_apply,
    orders_reconcile,
)
from tests.orders.conftest import TICKER, Place, Published, make_ticket
from tests.orders.scripted import Behaviour, ScriptedExchange

State = OrderIntent.State
Queued = list[tuple[str, int]]


def unknown(place: Place, exchange: ScriptedExchange, behaviour: Behaviour) -> OrderIntent:
    exchange.creates = [behaviour]
    intent = intent_submit(place.trader, make_ticket(place))
    intent_send(intent.pk)
    intent.refresh_from_db()
    assert intent.state == State.UNKNOWN
    return intent


def other_orders(exchange: ScriptedExchange, count: int) -> None:
    for number in range(count):
        exchange.place(
            {
                "client_order_id": f"another-{number}",
                "ticker": TICKER,
                "side": "bid",
                "price": "0.5000",
                "count": "1.00",
            }
        )


def test_a_lost_answer_is_found_on_whichever_page_it_is(place: Place, exchange: ScriptedExchange) -> None:
    """RELIABILITY A1: one order at the exchange, found by reading."""
    other_orders(exchange, 5)
    intent = unknown(place, exchange, exchange.accept_and_lose_the_answer)

    intent_resolve(intent.pk)

    intent.refresh_from_db()
    assert intent.state == State.ACKED
    assert Order.objects.get().intent_id == intent.pk
    assert "Found by" in intent.evidence
    assert len(exchange.sent("POST")) == 1


@pytest.mark.parametrize("status", ["executed", "canceled"])
def test_an_order_that_already_ended_is_found_too(place: Place, exchange: ScriptedExchange, status: str) -> None:
    intent = unknown(place, exchange, exchange.accept_and_lose_the_answer)
    [order] = exchange.orders.values()
    exchange.end(order, status, remaining_count_fp="0.00")

    intent_resolve(intent.pk)

    assert Order.objects.get().status == status


def test_an_order_is_not_called_unseen_while_the_reads_may_lag(place: Place, exchange: ScriptedExchange) -> None:
    """RELIABILITY A16: the order exists and the list does not show it yet."""
    intent = unknown(place, exchange, exchange.accept_and_lose_the_answer)
    exchange.hidden = set(exchange.orders)
    exchange.data_as_of = utc_now() + timedelta(seconds=25)

    intent_resolve(intent.pk)
    intent.refresh_from_db()
    assert intent.state == State.UNKNOWN
    assert "Not listed" in intent.evidence

    exchange.hidden = set()
    intent_resolve(intent.pk)
    intent.refresh_from_db()
    assert intent.state == State.ACKED


def test_a_lost_request_is_not_seen_once_the_data_has_passed_it(place: Place, exchange: ScriptedExchange) -> None:
    """RELIABILITY A2."""
    intent = unknown(place, exchange, exchange.lose_the_request)
    exchange.data_as_of = utc_now() + timedelta(seconds=40)

    intent_resolve(intent.pk)
    tasks.order_send(intent.pk)

    intent.refresh_from_db()
    assert intent.state == State.NOT_SEEN
    assert "data up to" in intent.evidence
    assert len(exchange.sent("POST")) == 1


def test_time_alone_does_not_make_it_not_seen(place: Place, exchange: ScriptedExchange) -> None:
    intent = unknown(place, exchange, exchange.lose_the_request)

    for hours in range(1, 4):  # the exchange's data stands still
        intent_resolve(intent.pk, now=utc_now() + timedelta(hours=hours))

    intent.refresh_from_db()
    assert intent.state == State.UNKNOWN


def test_the_measured_clock_difference_counts(place: Place, exchange: ScriptedExchange) -> None:
    ExchangeStatus.objects.create(environment="paper", clock_offset_ms=60_000)
    intent = unknown(place, exchange, exchange.lose_the_request)
    exchange.data_as_of = utc_now() + timedelta(seconds=40)  # 20 s before the send, on the exchange's clock

    intent_resolve(intent.pk)

    intent.refresh_from_db()
    assert intent.state == State.UNKNOWN


def not_seen(place: Place, exchange: ScriptedExchange) -> OrderIntent:
    intent = unknown(place, exchange, exchange.accept_and_lose_the_answer)
    exchange.hidden = set(exchange.orders)
    exchange.data_as_of = utc_now() + timedelta(seconds=40)
    intent_resolve(intent.pk)
    intent.refresh_from_db()
    assert intent.state == State.NOT_SEEN
    return intent


def test_not_seen_flips_when_the_order_shows_itself_in_a_sync(place: Place, exchange: ScriptedExchange) -> None:
    """RELIABILITY A3: a zombie, accepted after everybody gave up."""
    intent = not_seen(place, exchange)
    exchange.hidden = set()

    orders_reconcile(place.account.pk)

    intent.refresh_from_db()
    assert intent.state == State.ACKED
    assert Order.objects.get().intent_id == intent.pk


def test_not_seen_flips_when_the_websocket_reports_the_order(place: Place, exchange: ScriptedExchange) -> None:
    intent = not_seen(place, exchange)
    [listed] = exchange.orders.values()

    order_apply(place.account.pk, order_from_rest(build(rest.Order, listed)), source="ws")

    intent.refresh_from_db()
    assert intent.state == State.ACKED


def test_a_fill_that_names_our_client_id_is_evidence(place: Place, exchange: ScriptedExchange, queued: Queued) -> None:
    intent = not_seen(place, exchange)
    [listed] = exchange.orders.values()
    fill = FillReport(
        trade_id="trade-9",
        order_id=listed["order_id"],
        ticker=TICKER,
        book_side="bid",
        yes_price=intent.price,
        count=intent.count,
        is_taker=True,
        fee=intent.price,
        traded_at=utc_now(),
        client_order_id=str(intent.client_order_id),
    )

    fills_record(place.account.pk, [fill], source="ws")
    intent.refresh_from_db()
    assert (intent.state, intent.exchange_order_id) == (State.ACKED, listed["order_id"])

    exchange.hidden = set()
    queued.clear()
    intents_sweep(now=utc_now() + timedelta(seconds=5))
    assert ("intent_resolve", intent.pk) in queued
    intent_resolve(intent.pk)
    assert Order.objects.get().filled_count == intent.count


@pytest.mark.parametrize(
    "failing",
    [
        lambda exchange: exchange.answer(429, error="too many requests"),
        lambda exchange: exchange.answer(401, code="unauthorized", message="no"),
        lambda exchange: exchange.answer(404, code="not_found", message="no"),
        lambda exchange: exchange.answer(500),
        lambda exchange: exchange.unreachable,
        lambda exchange: exchange.answer(200),
        lambda exchange: exchange.answer(200, as_of_time="yesterday"),
    ],
)
def test_a_read_that_fails_keeps_it_unknown_and_says_why(
    place: Place, exchange: ScriptedExchange, failing: Any
) -> None:
    """RELIABILITY B2, A22: an error on the look is no evidence."""
    intent = unknown(place, exchange, exchange.lose_the_request)
    exchange.data_as_of = utc_now() + timedelta(hours=1)
    exchange.reads = [failing(exchange)] * 2  # a read without a connection is repeated once

    intent_resolve(intent.pk)

    intent.refresh_from_db()
    assert intent.state == State.UNKNOWN
    assert "The last look failed" in intent.evidence


def test_a_listing_that_breaks_off_between_pages_keeps_it_unknown(place: Place, exchange: ScriptedExchange) -> None:
    other_orders(exchange, 5)
    intent = unknown(place, exchange, exchange.lose_the_request)
    exchange.data_as_of = utc_now() + timedelta(hours=1)

    def read(request: httpx.Request) -> httpx.Response:
        return exchange.read(request.url.path.removeprefix("/trade-api/v2"), request)

    exchange.reads = [read, read, exchange.answer(503)]

    intent_resolve(intent.pk)

    intent.refresh_from_db()
    assert intent.state == State.UNKNOWN


def test_looks_come_with_growing_pauses(place: Place, exchange: ScriptedExchange, queued: Queued) -> None:
    intent = unknown(place, exchange, exchange.lose_the_request)
    now, pauses = utc_now(), []
    for _ in range(7):
        intent = intent_resolve(intent.pk, now=now)
        assert intent.next_look_at is not None
        pauses.append((intent.next_look_at - now).total_seconds())

    assert pauses == [1, 2, 4, 8, 16, 30, 30]
    queued.clear()
    intents_sweep(now=now + timedelta(seconds=29))
    assert queued == []
    intents_sweep(now=now + timedelta(seconds=31))
    assert queued == [("intent_resolve", intent.pk)]


def test_an_order_with_our_client_id_and_other_terms_raises_an_alarm_and_stays_unknown(
    place: Place, exchange: ScriptedExchange
) -> None:
    """RELIABILITY A7: a client order id that collided."""
    intent = unknown(place, exchange, exchange.answer(409, code="order_already_exists", message="exists"))
    body = {"client_order_id": str(intent.client_order_id), "ticker": TICKER, "price": "0.5600", "count": "10.00"}
    exchange.place(body | {"side": "ask"})
    exchange.data_as_of = utc_now() + timedelta(hours=1)

    intent_resolve(intent.pk)

    intent.refresh_from_db()
    assert intent.state == State.UNKNOWN
    assert Order.objects.get().intent_id is None
    assert AuditEntry.objects.filter(action="orders.order.disputed").count() == 1


def test_a_409_for_our_own_order_is_found(place: Place, exchange: ScriptedExchange) -> None:
    intent = unknown(place, exchange, exchange.accept_and_answer(409, b'{"code": "order_already_exists"}'))

    intent_resolve(intent.pk)

    intent.refresh_from_db()
    assert intent.state == State.ACKED


def test_an_order_that_only_a_fill_shows_is_found(place: Place, exchange: ScriptedExchange) -> None:
    intent = unknown(place, exchange, exchange.accept_and_lose_the_answer)
    [listed] = exchange.orders.values()
    exchange.fill(listed, "10.00")
    asked: list[str] = []

    def without_orders(request: httpx.Request) -> httpx.Response:
        path = request.url.path.removeprefix("/trade-api/v2")
        asked.append(path)
        if path == "/portfolio/orders":
            return httpx.Response(200, json={"orders": [], "cursor": ""})
        return exchange.read(path, request)

    exchange.reads = [without_orders] * 4
    intent_resolve(intent.pk)

    intent.refresh_from_db()
    assert intent.state == State.ACKED
    assert asked[-1] == f"/portfolio/orders/{listed['order_id']}"


def test_an_old_intent_is_looked_for_in_the_historical_tier(place: Place, exchange: ScriptedExchange) -> None:
    """RELIABILITY A17."""
    intent = unknown(place, exchange, exchange.accept_and_lose_the_answer)
    [listed] = exchange.orders.values()
    exchange.hidden = set(exchange.orders)
    listed["status"], listed["last_update_time"] = "canceled", format_rfc3339(utc_now())

    def read(request: httpx.Request) -> httpx.Response:
        path = request.url.path.removeprefix("/trade-api/v2")
        if path == "/historical/orders":
            return httpx.Response(200, json={"orders": [listed], "cursor": ""})
        return exchange.read(path, request)

    exchange.reads = [read] * 4
    intent_resolve(intent.pk, now=utc_now() + timedelta(days=1))

    intent.refresh_from_db()
    assert intent.state == State.ACKED


def test_resolving_twice_tells_it_once(place: Place, exchange: ScriptedExchange, published: Published) -> None:
    intent = unknown(place, exchange, exchange.accept_and_lose_the_answer)
    intent_resolve(intent.pk)
    told = len(published.frames)

    intent_resolve(intent.pk)
    tasks.intent_resolve(intent.pk)

    assert len(published.frames) == told
