"""Misbehaviour on demand, without sockets; what needs a real socket is in test_process."""

import json
from decimal import Decimal
from typing import Any

import httpx
import pytest

from apps.paper.server.http import Request
from apps.paper.testing import DECI, LINEAR, InProcessPaper, InProcessSocket
from tests.paper.server.orders import ORDERS, create, order_body


@pytest.fixture
def socket(paper: InProcessPaper) -> InProcessSocket:
    opened = paper.socket("trader-1")
    opened.send("subscribe", channels=["orderbook_delta", "ticker"], market_tickers=[LINEAR, DECI])
    return opened


def deltas(paper: InProcessPaper, socket: InProcessSocket, count: int, *, ticker: str = LINEAR) -> list[str]:
    """Cause `count` deltas and return the texts of the book frames that came."""
    with paper.client("maker") as maker:
        for number in range(count):
            create(maker, ticker=ticker, price=f"0.{10 + number}00")
    texts = [text for text in socket.texts if '"ticker"' not in text[:20]]
    socket.texts.clear()
    return texts


def seqs(texts: list[str]) -> list[int]:
    return [json.loads(text)["seq"] for text in texts]


# --- frames --------------------------------------------------------------------------------------
def test_a_dropped_frame_leaves_a_gap_in_seq(paper: InProcessPaper, socket: InProcessSocket) -> None:
    paper.control("POST", "/ws/fault", {"kind": "drop", "count": 2, "channel": "orderbook_delta"})

    assert seqs(deltas(paper, socket, 4)) == [5, 6]
    assert paper.control("GET", "/status")["frame_faults_applied"] == 2


def test_a_repeated_frame_comes_twice_as_it_was(paper: InProcessPaper, socket: InProcessSocket) -> None:
    paper.control("POST", "/ws/fault", {"kind": "repeat", "channel": "orderbook_delta"})

    texts = deltas(paper, socket, 2)

    assert seqs(texts) == [3, 3, 4]
    assert texts[0] == texts[1]


def test_a_reordered_frame_comes_after_the_next_one(paper: InProcessPaper, socket: InProcessSocket) -> None:
    paper.control("POST", "/ws/fault", {"kind": "reorder", "channel": "orderbook_delta"})

    assert seqs(deltas(paper, socket, 3)) == [4, 3, 5]


def test_a_fault_hits_only_its_channel_ticker_and_member(paper: InProcessPaper, socket: InProcessSocket) -> None:
    other = paper.socket("trader-2")
    other.send("subscribe", channels=["orderbook_delta"], market_tickers=[LINEAR])
    paper.control("POST", "/ws/fault", {"kind": "drop", "count": 9, "ticker": DECI, "channel": "orderbook_delta"})
    paper.control("POST", "/ws/fault", {"kind": "drop", "count": 9, "channel": "orderbook_delta", "member": "trader-2"})

    linear = deltas(paper, socket, 1, ticker=LINEAR)
    deci = deltas(paper, socket, 1, ticker=DECI)

    assert (len(linear), len(deci), other.texts) == (1, 0, [])


def test_a_delay_is_handed_to_the_socket(paper: InProcessPaper, socket: InProcessSocket) -> None:
    socket.delays_ms.clear()
    paper.control("POST", "/ws/fault", {"kind": "delay", "delay_ms": 1500, "channel": "orderbook_delta"})

    deltas(paper, socket, 1)

    assert sorted(socket.delays_ms) == [0, 1500]


@pytest.mark.parametrize(
    ("how", "still_json"),
    [
        ("truncate", False),
        ("garbage", False),
        ("not_a_number", False),
        ("unknown_type", True),
        ("unknown_field", True),
        ("unknown_enum", True),
        ("negative", True),
        ("wide_price", True),
        ("huge", True),
    ],
)
def test_a_corrupted_frame_is_wrong_in_the_way_asked_for(
    paper: InProcessPaper, socket: InProcessSocket, how: str, still_json: bool
) -> None:
    good = json.loads(deltas(paper, socket, 1)[0])
    paper.control("POST", "/ws/fault", {"kind": "corrupt", "how": how, "channel": "orderbook_delta"})

    text = deltas(paper, socket, 1)[0]

    def strict(name: str) -> Any:
        raise json.JSONDecodeError(f"{name} is not JSON", text[:100], 0)

    if not still_json:
        with pytest.raises(json.JSONDecodeError):
            json.loads(text, parse_constant=strict)
        return
    frame = json.loads(text, parse_constant=strict)
    changes = {
        "unknown_type": frame["type"] == "not_known_yet",
        "unknown_field": set(frame) - set(good) == {"not_known_yet"},
        "unknown_enum": frame["msg"]["side"] == "sideways",
        "negative": Decimal(frame["msg"]["delta_fp"]) < -1_000_000,
        "wide_price": frame["msg"]["price_dollars"] == "0.100000",
        "huge": len(text) > 10_000_000,
    }
    assert [name for name, is_so in changes.items() if is_so] == [how]


def test_a_deep_frame_is_too_deep_for_a_plain_parser(paper: InProcessPaper, socket: InProcessSocket) -> None:
    paper.control("POST", "/ws/fault", {"kind": "corrupt", "how": "deep", "channel": "orderbook_delta"})

    text = deltas(paper, socket, 1)[0]

    with pytest.raises(RecursionError):
        json.loads(text)


def test_cleared_faults_do_nothing_more(paper: InProcessPaper, socket: InProcessSocket) -> None:
    paper.control("POST", "/ws/fault", {"kind": "drop", "count": 99})
    paper.control("POST", "/rest/fault", {"kind": "rate_limit", "count": 99})
    paper.control("POST", "/faults/clear")

    assert len(deltas(paper, socket, 2)) == 2


# --- REST ----------------------------------------------------------------------------------------
def orders_of(paper: InProcessPaper, name: str) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = paper.truth()["members"][paper.user_id(name)]["orders"]
    return rows


def test_an_answer_can_be_lost_after_the_order_was_placed(paper: InProcessPaper) -> None:
    paper.control("POST", "/rest/fault", {"kind": "lose_after", "method": "POST", "path": "/trade-api/v2/portfolio"})
    with paper.client("trader-1") as client:
        client.get("/portfolio/balance")
        with pytest.raises(httpx.ReadError):
            client.post(ORDERS, json=order_body())

    assert len(orders_of(paper, "trader-1")) == 1


def test_a_request_can_be_lost_before_anything_was_done(paper: InProcessPaper) -> None:
    paper.transport.lose_next_request()
    with paper.client("trader-1") as client, pytest.raises(httpx.ReadError):
        client.post(ORDERS, json=order_body())

    assert orders_of(paper, "trader-1") == []


@pytest.mark.parametrize(("when", "orders"), [("before", 0), ("after", 1)])
def test_a_5xx_may_or_may_not_have_acted(paper: InProcessPaper, when: str, orders: int) -> None:
    paper.control("POST", "/rest/fault", {"kind": "status", "status": 502, "when": when})
    with paper.client("trader-1") as client:
        answer = client.post(ORDERS, json=order_body())

    assert (answer.status_code, len(orders_of(paper, "trader-1"))) == (502, orders)


def test_a_429_can_be_ordered_without_spending_the_budget(paper: InProcessPaper) -> None:
    paper.control("POST", "/rest/fault", {"kind": "rate_limit", "count": 2})
    with paper.client("trader-1") as client:
        statuses = [client.get("/portfolio/balance").status_code for _ in range(3)]

    assert statuses == [429, 429, 200]


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_delay_longer_than_the_patience_of_the_client_is_a_timeout_after_acting(
    paper: InProcessPaper, when: str
) -> None:
    paper.control("POST", "/rest/fault", {"kind": "delay", "delay_ms": 9_000, "when": when, "count": 2})
    with paper.client("trader-1") as client:
        with pytest.raises(httpx.ReadTimeout):
            client.post(ORDERS, json=order_body())
        slow = client.get("/portfolio/balance", timeout=10)

    assert slow.status_code == 200
    assert len(orders_of(paper, "trader-1")) == 1


# --- the exchange --------------------------------------------------------------------------------
def test_trading_can_be_paused_and_resumed(paper: InProcessPaper) -> None:
    with paper.client("trader-1") as client:
        order_id = create(client).json()["order_id"]
        paper.control("POST", "/trading", {"trading_active": False, "resume_in_seconds": 60})
        status = client.get("/exchange/status").json()
        refused = client.post(ORDERS, json=order_body())
        cancelled = client.delete(f"{ORDERS}/{order_id}")
        paper.control("POST", "/trading", {})
        resumed = client.post(ORDERS, json=order_body())
        after = client.get("/exchange/status").json()

    assert (status["exchange_active"], status["trading_active"]) == (True, False)
    assert status["exchange_estimated_resume_time"].endswith("Z")
    assert (refused.status_code, refused.json()["code"]) == (400, "trading_is_paused")
    assert (cancelled.status_code, resumed.status_code) == (200, 201)
    assert (after["trading_active"], after["exchange_estimated_resume_time"]) == (True, None)


def test_the_manual_clock_steps_and_expires_orders(paper: InProcessPaper) -> None:
    now = paper.clock.now_ms()
    with paper.client("trader-1") as client:
        create(client, expiration_time=now // 1000 + 60)
        moved = paper.control("POST", "/clock", {"step_ms": 61_000})

    assert moved["now_ms"] == now + 61_000
    assert [order["status"] for order in orders_of(paper, "trader-1")] == ["canceled"]


def test_truth_tells_orders_fills_balances_positions_and_books(paper: InProcessPaper) -> None:
    with paper.client("maker") as maker, paper.client("trader-1") as trader:
        create(maker, side="ask", price="0.5600", count="20.00")
        create(trader, price="0.5600", count="10.00")

    truth = paper.truth()
    row = truth["members"][paper.user_id("trader-1")]

    assert [order["status"] for order in row["orders"]] == ["executed"]
    assert [fill["count_fp"] for fill in row["fills"]] == ["10.00"]
    assert row["balances"]["0"]["cash_dollars"] == "24994.2200"
    assert set(row["balances"]) == {"0", "1", "2"}
    assert [position["position_fp"] for position in row["positions"]] == ["10.00"]
    assert truth["books"] == {LINEAR: {"yes": [], "no": [["0.4400", "10.00"]]}}


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/ws/fault", {"kind": "explode"}),
        ("/ws/fault", {"kind": "drop", "count": 0}),
        ("/ws/fault", {"kind": "corrupt", "how": "gently"}),
        ("/ws/fault", {"kind": "drop", "chanel": "ticker"}),
        ("/rest/fault", {"kind": "status", "status": 200}),
        ("/clock", {"step_ms": -5}),
        ("/member", {"member": "trader-1", "tier": "gold"}),
        ("/market", {"ticker": LINEAR, "action": "close_at"}),
    ],
)
def test_a_wrong_control_call_is_refused_in_words(paper: InProcessPaper, path: str, body: dict[str, Any]) -> None:
    response = paper.control_response("POST", path, body)

    assert response.status == 400
    assert json.loads(response.body)["message"]


def test_control_answers_on_loopback_only_and_not_to_web_pages(paper: InProcessPaper) -> None:
    control = paper._control
    good = {"host": "127.0.0.1:18080", "content-type": "application/json"}

    def status(headers: dict[str, str], peer: str) -> int:
        return control.handle(Request("POST", "/control/faults/clear", headers), peer=peer).status

    assert status(good, "127.0.0.1") == 200
    assert status(good, "::1") == 200
    assert status(good, "192.0.2.7") == 403
    assert status(good | {"host": "evil.example"}, "127.0.0.1") == 403
    assert status({"host": "127.0.0.1", "content-type": "text/plain"}, "127.0.0.1") == 415
