"""Every REST answer has the published shape (skipped in words where the published file is absent)."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from apps.paper.server.rest import OPERATIONS
from apps.paper.testing import DECI, EVENT, LINEAR, LINEAR_2, SERIES, InProcessPaper, private_key
from tests.paper.server.orders import ORDERS, create, order_body
from tests.paper.server.schemas import check_answer, documented_operations

GROUPS = "/portfolio/order_groups"
Request = tuple[str, str, Callable[["Traded"], str], dict[str, Any] | None, int]


class Traded:
    """A world in which trader-1 has a fill, a resting order and a position."""

    def __init__(self) -> None:
        self.paper = InProcessPaper()
        with self.paper.client("maker") as maker:
            create(maker, side="ask", price="0.5600", count="20.00")
            create(maker, ticker=LINEAR_2, side="ask", price="0.3000", count="4.00")
        with self.paper.client("trader-1") as client:
            self.filled = create(client, price="0.5600", count="10.00").json()
            self.resting = create(client, price="0.4000", count="5.00").json()["order_id"]
            self.other = create(client, price="0.4100", count="5.00").json()["order_id"]
            create(client, ticker=DECI, price="0.0150", count="5.00")
            create(client, ticker=LINEAR_2, price="0.3000", count="4.00")
            self.group = client.post(f"{GROUPS}/create", json={"contracts_limit": 50}).json()["order_group_id"]
            create(client, price="0.3900", order_group_id=self.group)
        for step in ({"action": "close_early"}, {"action": "determine", "result": "no"}, {"action": "settle"}):
            self.paper.control("POST", "/market", {"ticker": LINEAR_2} | step)
        now = self.paper.clock.now_ms() // 1000
        self.span = f"start_ts={now - 86_400}&end_ts={now + 60}&period_interval=60"


@pytest.fixture
def traded() -> Traded:
    return Traded()


def at(text: str) -> Callable[[Traded], str]:
    return lambda traded: text.format(resting=traded.resting, other=traded.other, span=traded.span, group=traded.group)


AMEND = {"ticker": LINEAR, "side": "bid", "price": "0.4200", "count": "6.00"}
REQUESTS: list[Request] = [
    ("GET", "/exchange/status", at("/exchange/status"), None, 200),
    ("GET", "/exchange/schedule", at("/exchange/schedule"), None, 200),
    ("GET", "/exchange/announcements", at("/exchange/announcements"), None, 200),
    ("GET", "/exchange/user_data_timestamp", at("/exchange/user_data_timestamp"), None, 200),
    ("GET", "/account/limits", at("/account/limits"), None, 200),
    ("GET", "/account/endpoint_costs", at("/account/endpoint_costs"), None, 200),
    ("GET", "/api_keys", at("/api_keys"), None, 200),
    ("POST", "/api_keys/generate", at("/api_keys/generate"), {"name": "more"}, 201),
    ("GET", "/series", at("/series?include_volume=true&include_product_metadata=true"), None, 200),
    ("GET", "/series/{series_ticker}", at(f"/series/{SERIES}?include_volume=true"), None, 200),
    ("GET", "/events", at("/events?with_nested_markets=true&status=open"), None, 200),
    ("GET", "/events/{event_ticker}", at(f"/events/{EVENT}"), None, 200),
    ("GET", "/events/{event_ticker}", at(f"/events/{EVENT}?with_nested_markets=true"), None, 200),
    ("GET", "/events/{event_ticker}", at("/events/NONE"), None, 404),
    ("GET", "/markets", at("/markets?limit=2"), None, 200),
    ("GET", "/markets/{ticker}", at(f"/markets/{LINEAR}"), None, 200),
    ("GET", "/markets/{ticker}", at("/markets/NONE"), None, 404),
    ("GET", "/markets/{ticker}/orderbook", at(f"/markets/{LINEAR}/orderbook"), None, 200),
    ("GET", "/markets/orderbooks", at(f"/markets/orderbooks?tickers={LINEAR}&tickers={DECI}"), None, 200),
    ("GET", "/markets/trades", at(f"/markets/trades?ticker={LINEAR}"), None, 200),
    (
        "GET",
        "/markets/candlesticks",
        at(f"/markets/candlesticks?market_tickers={LINEAR},{LINEAR_2}&{{span}}"),
        None,
        200,
    ),
    (
        "GET",
        "/series/{series_ticker}/markets/{ticker}/candlesticks",
        at(f"/series/{SERIES}/markets/{LINEAR}/candlesticks?{{span}}&include_latest_before_start=true"),
        None,
        200,
    ),
    (
        "GET",
        "/series/{series_ticker}/events/{ticker}/candlesticks",
        at(f"/series/{SERIES}/events/{EVENT}/candlesticks?{{span}}"),
        None,
        200,
    ),
    ("GET", "/portfolio/balance", at("/portfolio/balance"), None, 200),
    ("GET", "/portfolio/positions", at("/portfolio/positions"), None, 200),
    ("GET", "/portfolio/orders", at("/portfolio/orders"), None, 200),
    ("GET", "/portfolio/orders/{order_id}", at("/portfolio/orders/{resting}"), None, 200),
    ("GET", "/portfolio/orders/{order_id}", at("/portfolio/orders/none"), None, 404),
    (
        "GET",
        "/portfolio/orders/{order_id}/queue_position",
        at("/portfolio/orders/{resting}/queue_position"),
        None,
        200,
    ),
    ("GET", "/portfolio/orders/queue_positions", at("/portfolio/orders/queue_positions"), None, 200),
    ("GET", "/portfolio/fills", at("/portfolio/fills"), None, 200),
    (
        "GET",
        "/portfolio/summary/total_resting_order_value",
        at("/portfolio/summary/total_resting_order_value"),
        None,
        200,
    ),
    ("GET", "/portfolio/settlements", at("/portfolio/settlements"), None, 200),
    ("GET", GROUPS, at(GROUPS), None, 200),
    ("GET", f"{GROUPS}/{{order_group_id}}", at(f"{GROUPS}/{{group}}"), None, 200),
    ("GET", f"{GROUPS}/{{order_group_id}}", at(f"{GROUPS}/none"), None, 404),
    ("POST", f"{GROUPS}/create", at(f"{GROUPS}/create"), {"contracts_limit": 5}, 201),
    ("POST", f"{GROUPS}/create", at(f"{GROUPS}/create"), {}, 400),
    ("PUT", f"{GROUPS}/{{order_group_id}}/limit", at(f"{GROUPS}/{{group}}/limit"), {"contracts_limit_fp": "5.00"}, 200),
    ("PUT", f"{GROUPS}/{{order_group_id}}/reset", at(f"{GROUPS}/{{group}}/reset"), {}, 200),
    ("PUT", f"{GROUPS}/{{order_group_id}}/trigger", at(f"{GROUPS}/{{group}}/trigger"), {}, 200),
    ("DELETE", f"{GROUPS}/{{order_group_id}}", at(f"{GROUPS}/{{group}}"), None, 200),
    ("POST", ORDERS, at(ORDERS), order_body(price="0.5600"), 201),
    ("POST", ORDERS, at(ORDERS), order_body(price="0.5650"), 400),
    ("POST", f"{ORDERS}/batched", at(f"{ORDERS}/batched"), {"orders": [order_body(), order_body(price="2")]}, 201),
    ("POST", f"{ORDERS}/{{order_id}}/amend", at(f"{ORDERS}/{{resting}}/amend"), AMEND, 200),
    ("POST", f"{ORDERS}/{{order_id}}/decrease", at(f"{ORDERS}/{{resting}}/decrease"), {"reduce_by": "1.00"}, 200),
    ("DELETE", f"{ORDERS}/{{order_id}}", at(f"{ORDERS}/{{resting}}"), None, 200),
    ("DELETE", f"{ORDERS}/{{order_id}}", at(f"{ORDERS}/none"), None, 404),
    (
        "DELETE",
        f"{ORDERS}/batched",
        at(f"{ORDERS}/batched"),
        {"orders": [{"order_id": "none"}, {"order_id": "also none"}]},
        200,
    ),
]


@pytest.mark.parametrize("request_row", REQUESTS, ids=lambda row: f"{row[0]} {row[1]} {row[4]}")
def test_an_answer_has_the_published_shape(request_row: Request, traded: Traded, reference: Path) -> None:
    method, template, target, body, status = request_row
    with traded.paper.client("trader-1") as client:
        answer = client.request(method, target(traded), json=body)

    assert answer.status_code == status, answer.text
    check_answer(reference, method, template, status, answer.json())


def test_every_operation_is_a_documented_one_and_every_one_is_checked_here(reference: Path) -> None:
    offered = {(operation.method, operation.template) for operation in OPERATIONS}
    checked = {(row[0], row[1]) for row in REQUESTS}

    assert offered <= documented_operations(reference)
    # A deletion answers without a body, and a registration with a key of its own: both in test_auth.
    assert offered - checked == {("DELETE", "/api_keys/{api_key}"), ("POST", "/api_keys")}


def test_refusals_have_the_published_error_body(reference: Path) -> None:
    paper = InProcessPaper()
    with httpx.Client(transport=paper.transport, base_url=f"{paper.base_url}/trade-api/v2") as client:
        unsigned = client.get("/portfolio/orders")
    with paper.client("reader") as client:
        read_only = client.post(f"{ORDERS}/batched", json={"orders": []})

    check_answer(reference, "GET", "/portfolio/orders", 401, unsigned.json())
    check_answer(reference, "POST", f"{ORDERS}/batched", 403, read_only.json())


def test_a_registered_public_key_is_answered_in_the_published_shape(reference: Path, paper: InProcessPaper) -> None:
    from cryptography.hazmat.primitives import serialization

    pem = (
        private_key("spare")[0]
        .public_key()
        .public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
        .decode()
    )
    with paper.client("trader-1") as client:
        answer = client.post("/api_keys", json={"name": "mine", "public_key": pem})

    check_answer(reference, "POST", "/api_keys", 201, answer.json())
