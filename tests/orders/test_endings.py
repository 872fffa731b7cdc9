"""Why an order left the book that nobody here cancelled, in words, from what is known of it."""

import uuid
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from apps.core.timestamps import utc_now
from apps.orders.endings import AT_ONCE, ELSEWHERE, ON_PAUSE, TIME_OVER, ended_around, ended_words
from apps.orders.events import external_row
from apps.orders.models import CancelIntent, Order, OrderGroup, OrderIntent
from apps.orders.services import intent_submit
from tests.orders.conftest import Place, Published, make_ticket

NOW = utc_now()


@pytest.fixture
def cancelled(place: Place, published: Published, queued: list[tuple[str, int]]) -> Order:
    intent = intent_submit(place.trader, make_ticket(place))
    return Order.objects.create(
        account=place.account,
        intent=intent,
        order_id="EX-1",
        ticker=place.market.ticker,
        book_side="bid",
        price=Decimal("0.56"),
        initial_count=Decimal(10),
        remaining_count=Decimal(0),
        status=Order.Status.CANCELED,
        updated_at=NOW,
        seen_at=NOW,
        source="ws",
    )


@pytest.mark.parametrize(
    ("of_intent", "of_order", "words"),
    [
        ({}, {}, ELSEWHERE),
        ({"cancel_on_pause": True}, {}, ON_PAUSE),
        ({"time_in_force": "immediate_or_cancel"}, {}, AT_ONCE),
        ({}, {"expires_at": NOW - timedelta(milliseconds=500)}, TIME_OVER),
        ({}, {"expires_at": NOW + timedelta(hours=1)}, ELSEWHERE),
        ({}, {"status": Order.Status.RESTING}, ""),
        ({}, {"status": Order.Status.EXECUTED}, ""),
    ],
)
def test_each_ending_has_its_words(
    cancelled: Order, of_intent: dict[str, Any], of_order: dict[str, Any], words: str
) -> None:
    OrderIntent.objects.update(**of_intent)
    Order.objects.update(**of_order)
    order = Order.objects.select_related("intent").get()

    assert ended_words(order, None) == words


@pytest.mark.parametrize(("state", "words"), [("done", ""), ("unknown", ""), ("refused", ELSEWHERE)])
def test_a_cancel_of_ours_is_the_reason_unless_it_was_refused(
    place: Place, cancelled: Order, state: str, words: str
) -> None:
    cancel = CancelIntent.objects.create(
        order=cancelled, requested_by_id=place.trader.user_id, idempotency_key=uuid.uuid4(), state=state, created_at=NOW
    )

    assert ended_words(cancelled, cancel) == words


def test_a_row_placed_elsewhere_has_no_intent_and_says_it_too(cancelled: Order) -> None:
    cancelled.intent = None

    assert external_row(cancelled)["ended"] == ELSEWHERE


def test_the_page_of_the_order_adds_what_happened_around_it(place: Place, cancelled: Order) -> None:
    market = place.market
    market.close_time = NOW + timedelta(hours=1)
    assert ended_around(cancelled, ELSEWHERE, market) == ELSEWHERE

    group = OrderGroup.objects.create(
        account=place.account, group_id="og-1", name="Hedge", state="triggered", changed_at=NOW, seen_at=NOW
    )
    cancelled.order_group_id = "og-1"
    assert ended_around(cancelled, ELSEWHERE, market).endswith("Its order group Hedge was triggered then.")
    group.changed_at = NOW - timedelta(minutes=5)
    group.save()
    assert ended_around(cancelled, ELSEWHERE, market) == ELSEWHERE

    market.close_time = NOW - timedelta(seconds=1)
    assert "The market had closed at" in ended_around(cancelled, ELSEWHERE, market)
    assert ended_around(cancelled, AT_ONCE, market) == AT_ONCE
