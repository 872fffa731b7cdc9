"""Place in the queue and the fee model beside the actual fee, on the order's row."""

import uuid
from datetime import timedelta
from decimal import Decimal
from typing import Any

import httpx
import pytest

from apps.core.timestamps import utc_now
from apps.markets.models import Series
from apps.orders import tasks
from apps.orders.models import Order
from apps.orders.services import (
    intent_send,
    intent_submit,
    orders_reconcile,
    queue_positions_apply,
    queue_positions_read,
    queued_accounts,
    queueing,
)
from tests.orders.conftest import TICKER, Place, Published, make_ticket
from tests.orders.scripted import ScriptedExchange


def resting(place: Place, **over: Any) -> Order:
    intent = intent_submit(place.trader, make_ticket(place, **over))
    intent_send(intent.pk)
    return Order.objects.get(intent=intent)


@pytest.fixture
def looked_at(monkeypatch: pytest.MonkeyPatch) -> set[str]:
    tickers = {TICKER}
    monkeypatch.setattr(queueing, "interesting_tickers", lambda environment: tickers)
    return tickers


def tell(exchange: ScriptedExchange, **positions: str) -> None:
    rows = [
        {"order_id": order_id, "market_ticker": TICKER, "queue_position_fp": position}
        for order_id, position in positions.items()
    ]
    exchange.reads = [lambda request: httpx.Response(200, json={"queue_positions": rows})]


def test_the_queue_position_of_a_looked_at_order_comes_onto_its_row(
    place: Place, exchange: ScriptedExchange, published: Published, looked_at: set[str]
) -> None:
    order = resting(place)
    assert queued_accounts() == [place.account.pk]
    tell(exchange, **{order.order_id: "120.00", str(uuid.uuid4()): "1.00"})

    assert queue_positions_read(place.account.pk) == 1

    [request] = [one for one in exchange.requests if one.url.path.endswith("queue_positions")]
    assert dict(request.url.params) == {"market_tickers": TICKER, "subaccount": "0"}
    row = published.rows("orders")[-1]
    assert row is not None
    assert row["queue"] == "120.00"
    assert row["queue_ms"] is not None

    tell(exchange, **{order.order_id: "120.00"})
    assert queue_positions_read(place.account.pk) == 0  # the same again is no news


def test_nobody_looks_nothing_is_read(place: Place, exchange: ScriptedExchange, looked_at: set[str]) -> None:
    resting(place)
    looked_at.clear()
    exchange.requests.clear()

    assert queued_accounts() == []
    assert queue_positions_read(place.account.pk) == 0
    assert exchange.requests == []


def test_an_older_answer_does_not_replace_a_newer_one(place: Place, exchange: ScriptedExchange) -> None:
    order, now = resting(place), utc_now()
    queue_positions_apply(place.account.pk, {order.order_id: Decimal(5)}, asked_at=now)

    queue_positions_apply(place.account.pk, {order.order_id: Decimal(9)}, asked_at=now - timedelta(seconds=1))

    order.refresh_from_db()
    assert order.queue_position == Decimal(5)


def test_a_read_that_fails_changes_nothing(place: Place, exchange: ScriptedExchange, looked_at: set[str]) -> None:
    order = resting(place)
    exchange.reads = [exchange.answer(429, error="too many requests")]

    tasks.account_queue_sync(place.account.pk)

    order.refresh_from_db()
    assert order.queue_position is None


def test_the_predicted_fee_stands_beside_the_actual_one(
    place: Place, exchange: ScriptedExchange, published: Published
) -> None:
    Series.objects.update(fee_type="quadratic_with_maker_fees", fee_multiplier=1)
    order = resting(place)
    exchange.fill(exchange.orders[order.order_id], "10.00", fee="0.0500")

    orders_reconcile(place.account.pk)

    order.refresh_from_db()
    # 0.0175 x 10 x 0.56 x 0.44 = 0.04312 dollars, up to the centicent, then the balance to whole cents.
    assert order.fees_predicted == Decimal("0.05")
    row = published.rows("orders")[-1]
    assert row is not None
    assert row["fees_predicted"] == "0.0500"


def test_without_a_known_schedule_there_is_no_prediction(place: Place, exchange: ScriptedExchange) -> None:
    Series.objects.update(fee_type="something_new")
    order = resting(place)
    exchange.fill(exchange.orders[order.order_id], "10.00")

    orders_reconcile(place.account.pk)

    order.refresh_from_db()
    assert order.filled_count == Decimal(10)
    assert order.fees_predicted is None
