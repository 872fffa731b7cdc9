"""Orders for the tests of this folder."""

import itertools
from typing import Any

import httpx

from apps.paper.testing import LINEAR

ORDERS = "/portfolio/events/orders"
_numbers = itertools.count(1)


def order_body(**over: Any) -> dict[str, Any]:
    """A resting bid for ten at $0.50 under a fresh client order id; override what matters."""
    return {
        "ticker": LINEAR,
        "client_order_id": f"order-{next(_numbers)}",
        "side": "bid",
        "price": "0.5000",
        "count": "10.00",
        "time_in_force": "good_till_canceled",
        "self_trade_prevention_type": "taker_at_cross",
    } | over


def create(client: httpx.Client, **over: Any) -> httpx.Response:
    answer = client.post(ORDERS, json=order_body(**over))
    assert answer.status_code == 201, answer.text
    return answer
