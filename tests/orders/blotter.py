"""Orders as rows, made directly: what the pages show, whatever brought it about."""

import uuid
from decimal import Decimal
from typing import Any

from django.test import Client

from apps.core.timestamps import utc_now
from apps.orders.models import Order, OrderIntent
from tests.orders.conftest import TICKER, Place
from tests.support.people import client_of, make_person

NOW = utc_now().replace(microsecond=123_456)


def make_intent(place: Place, **over: Any) -> OrderIntent:
    values: dict[str, Any] = {
        "desk": place.desk,
        "account": place.account,
        "placed_by_id": place.trader.user_id,
        "idempotency_key": uuid.uuid4(),
        "ticker": TICKER,
        "book_side": "bid",
        "price": Decimal("0.56"),
        "count": Decimal("10"),
        "state": OrderIntent.State.ACKED,
        "created_at": NOW,
        "entered_as": "buy_yes",
    }
    return OrderIntent.objects.create(**values | over)


def make_order(place: Place, *, is_ours: bool = True, **over: Any) -> Order:
    at = over.pop("at", NOW)
    values: dict[str, Any] = {
        "account": place.account,
        "order_id": f"exchange-{uuid.uuid4()}",
        "ticker": TICKER,
        "book_side": "bid",
        "price": Decimal("0.56"),
        "initial_count": Decimal("10"),
        "remaining_count": Decimal("10"),
        "status": Order.Status.RESTING,
        "created_at": at,
        "seen_at": at,
        "source": "rest",
    } | over
    if is_ours and "intent" not in values:
        values["intent"] = make_intent(
            place, created_at=at, ticker=values["ticker"], exchange_order_id=values["order_id"]
        )
    return Order.objects.create(**values)


def client_as(place: Place, *roles: str) -> Client:
    return client_of(make_person(place.desk, *roles))
