"""Pauses, closes, grids, results, external orders, read lag, client order ids: as control calls make them."""

import subprocess
import time
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx
import pytest

from apps.paper.testing import DECI, LINEAR, LINEAR_2, InProcessPaper, InProcessSocket
from tests.paper.server.orders import ORDERS, create, order_body
from tests.support.paper import PATIENCE, ROOT, Start, paper_command, paper_environment


def lifecycle(paper: InProcessPaper) -> InProcessSocket:
    socket = paper.socket("trader-1")
    socket.send("subscribe", channels=["market_lifecycle_v2"])
    return socket


def steps(socket: InProcessSocket) -> list[str]:
    return [frame["msg"]["event_type"] for frame in socket.take()]


def status(client: httpx.Client, order_id: str) -> str:
    found: str = client.get(f"/portfolio/orders/{order_id}").json()["order"]["status"]
    return found


# --- pauses --------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("body", "code", "cancels"),
    [
        ({"trading_active": False}, "trading_is_paused", True),
        ({"exchange_active": False}, "exchange_is_paused", False),
    ],
)
def test_a_pause_takes_no_orders_and_cancels_those_that_asked_for_it(
    paper: InProcessPaper, body: dict[str, Any], code: str, cancels: bool
) -> None:
    with paper.client("trader-1") as client:
        stays = create(client).json()["order_id"]
        goes = create(client, cancel_order_on_pause=True).json()["order_id"]
        paper.control("POST", "/trading", body)

        assert (status(client, stays), status(client, goes)) == ("resting", "canceled")
        refused = client.post(ORDERS, json=order_body())
        assert refused.json()["code"] == code
        amend = {"ticker": LINEAR, "side": "bid", "price": "0.4000", "count": "10.00"}
        assert client.post(f"{ORDERS}/{stays}/amend", json=amend).json()["code"] == code
        cancel = client.delete(f"{ORDERS}/{stays}")
        assert (cancel.status_code == 200) == cancels
        assert client.get("/exchange/status").json()["trading_active"] is False


def test_a_pause_may_end_by_the_clock(paper: InProcessPaper) -> None:
    paper.control("POST", "/trading", {"trading_active": False, "resume_in_seconds": 30, "resume": True})
    with paper.client("trader-1") as client:
        paper.clock.step(29_999)
        assert client.get("/exchange/status").json()["exchange_estimated_resume_time"]
        assert client.post(ORDERS, json=order_body()).status_code == 400
        paper.clock.step(1)

        assert client.post(ORDERS, json=order_body()).status_code == 201
        assert client.get("/exchange/status").json()["exchange_estimated_resume_time"] is None


def test_a_reactivated_market_has_lost_all_its_orders(paper: InProcessPaper) -> None:
    socket = lifecycle(paper)
    with paper.client("trader-1") as client:
        order_id = create(client).json()["order_id"]
        elsewhere = create(client, ticker=LINEAR_2).json()["order_id"]
        paper.control("POST", "/market", {"ticker": LINEAR, "action": "pause"})
        assert status(client, order_id) == "resting"
        paper.control("POST", "/market", {"ticker": LINEAR, "action": "resume"})

        assert (status(client, order_id), status(client, elsewhere)) == ("canceled", "resting")
    assert steps(socket) == ["deactivated", "activated"]


# --- the end of a market -------------------------------------------------------------------------
def test_a_trader_sees_a_market_end(paper: InProcessPaper) -> None:
    socket = paper.socket("trader-1")
    socket.send("subscribe", channels=["market_lifecycle_v2", "market_positions"])
    with paper.client("trader-1") as client, paper.client("maker") as maker:
        create(maker, side="ask", price="0.4000", count="3.00")
        create(client, price="0.4000", count="3.00")
        resting = create(client, price="0.1000").json()["order_id"]
        before = client.get("/portfolio/balance").json()["balance"]
        socket.take()
        paper.control("POST", "/market", {"ticker": LINEAR, "action": "close_early"})
        assert status(client, resting) == "canceled"
        freed = client.get("/portfolio/balance").json()["balance"]
        paper.control("POST", "/market", {"ticker": LINEAR, "action": "determine", "result": "yes"})
        market = client.get(f"/markets/{LINEAR}").json()["market"]
        assert (market["status"], market["result"], market["settlement_value_dollars"]) == (
            "determined",
            "yes",
            "1.0000",
        )
        assert client.get("/portfolio/balance").json()["portfolio_value"] == 300

        paper.clock.step(3_600_000)
        (row,) = client.get("/portfolio/settlements").json()["settlements"]

        assert (row["ticker"], row["market_result"], row["value"]) == (LINEAR, "yes", 100)
        assert (row["yes_count_fp"], row["yes_total_cost_dollars"], row["revenue"]) == ("3.00", "1.2000", 300)
        assert client.get("/portfolio/balance").json()["balance"] == freed + 300 > before
        assert client.get(f"/markets/{LINEAR}").json()["market"]["status"] == "finalized"
        assert client.get(f"/markets?tickers={LINEAR}&status=settled").json()["markets"][0]["settlement_ts"]
        assert client.get("/portfolio/settlements?ticker=OTHER").json()["settlements"] == []
    frames = socket.take()
    assert [f["msg"]["event_type"] for f in frames if f["type"] == "market_lifecycle_v2"] == [
        "close_date_updated",
        "determined",
        "settled",
    ]
    assert [f["msg"]["position_fp"] for f in frames if f["type"] == "market_position"] == ["0.00"]


def test_with_results_by_the_clock_a_market_ends_without_any_call(paper: InProcessPaper) -> None:
    paper.control("POST", "/results", {"after_ms": 60_000})
    socket = lifecycle(paper)
    for milliseconds in (30 * 86_400_000, 60_000, 3_600_000):
        paper.clock.step(milliseconds)
        with paper.client() as client:
            client.get("/exchange/status")

    assert sorted(steps(socket)) == ["determined"] * 4 + ["settled"] * 4
    with paper.client() as client:
        assert len(client.get("/markets?status=settled").json()["markets"]) == 4


def test_a_close_that_moves_is_told_and_a_closed_market_can_open_again(paper: InProcessPaper) -> None:
    socket = lifecycle(paper)
    now = paper.clock.now_ms()
    move = {"ticker": LINEAR, "action": "close_at"}
    assert paper.control("POST", "/market", move | {"close_ms": now + 1_000})["status"] == "active"
    paper.clock.step(1_000)
    with paper.client("trader-1") as client:
        assert client.post(ORDERS, json=order_body()).json()["code"] == "market_inactive"
    assert paper.control("POST", "/market", move | {"close_ms": now + 9_000})["status"] == "active"

    assert steps(socket) == ["close_date_updated", "close_date_updated", "activated"]


def test_a_grid_changes_while_people_trade(paper: InProcessPaper) -> None:
    socket = lifecycle(paper)
    with paper.client("trader-1") as client:
        assert create(client, ticker=DECI, price="0.5010").status_code == 201
        paper.control("POST", "/market", {"ticker": DECI, "action": "grid", "structure": "linear_cent"})
        refused = client.post(ORDERS, json=order_body(ticker=DECI, price="0.5010"))
        assert refused.json()["code"] == "invalid_price"
        market = client.get(f"/markets/{DECI}").json()["market"]
        assert (market["price_level_structure"], market["price_ranges"][0]["step"]) == ("linear_cent", "0.0100")

    (frame,) = socket.take()
    assert frame["msg"]["event_type"] == "price_level_structure_updated"
    assert frame["msg"]["price_level_structure"] == "linear_cent"


@pytest.mark.process
def test_a_real_exchange_ends_its_markets_by_the_clock(paper_processes: Start) -> None:
    now = time.time_ns() // 1_000_000
    running = paper_processes("--no-bots", "--markets", "3", "--determine-after", "5", "--manual-clock", str(now))
    rows = httpx.get(f"{running.rest_url}/trade-api/v2/markets?limit=100", timeout=PATIENCE).json()["markets"]
    market = next(row for row in rows if row["status"] == "active")
    closes = datetime.fromisoformat(market["close_time"])
    path = f"{running.rest_url}/trade-api/v2/markets/{market['ticker']}"
    seen = []
    for milliseconds in (int(closes.timestamp() * 1000) - now, 5_000, market["settlement_timer_seconds"] * 1000):
        running.control("POST", "/clock", {"step_ms": milliseconds})
        seen.append(httpx.get(path, timeout=PATIENCE).json()["market"]["status"])

    assert seen == ["closed", "determined", "finalized"]


@pytest.mark.process
def test_the_time_to_a_result_is_seconds_or_never(tmp_path: Path) -> None:
    command = paper_command(tmp_path, "--determine-after", "soon")
    ended = subprocess.run(command, cwd=ROOT, env=paper_environment(tmp_path), capture_output=True, text=True)

    assert ended.returncode == 2
    assert "seconds (at most a year) or never" in ended.stderr


# --- orders from the exchange's own site ---------------------------------------------------------
def test_an_external_order_has_no_client_order_id_and_is_told_like_any_other(paper: InProcessPaper) -> None:
    socket = paper.socket("trader-1")
    socket.send("subscribe", channels=["user_orders"])
    placed = paper.control(
        "POST",
        "/external",
        {"action": "place", "member": "trader-1", "ticker": LINEAR, "side": "bid", "price": "0.40", "count": "5"},
    )
    order_id = placed["order_id"]
    with paper.client("trader-1") as client:
        assert client.get(f"/portfolio/orders/{order_id}").json()["order"]["client_order_id"] == ""
        change = {"member": "trader-1", "order_id": order_id}
        paper.control("POST", "/external", change | {"action": "amend", "price": "0.41", "count": "6"})
        paper.control("POST", "/external", change | {"action": "decrease", "count": "2"})
        paper.control("POST", "/external", change | {"action": "cancel"})

    seen = [(f["msg"]["yes_price_dollars"], f["msg"]["remaining_count_fp"]) for f in socket.take()]
    assert seen == [("0.4000", "5.00"), ("0.4100", "6.00"), ("0.4100", "2.00"), ("0.4100", "0.00")]


def test_two_external_orders_without_an_id_are_not_the_same_order(paper: InProcessPaper) -> None:
    body = {"action": "place", "member": "trader-1", "ticker": LINEAR, "side": "bid", "price": "0.40", "count": "5"}

    assert paper.control("POST", "/external", body)["order_id"] != paper.control("POST", "/external", body)["order_id"]


def test_an_order_of_ours_can_be_cancelled_from_outside_but_not_by_others(paper: InProcessPaper) -> None:
    with paper.client("trader-1") as client:
        order_id = create(client).json()["order_id"]
        others = {"action": "cancel", "member": "trader-2", "order_id": order_id}
        assert paper.control_response("POST", "/external", others).status == 404
        paper.control("POST", "/external", others | {"member": "trader-1"})

        assert status(client, order_id) == "canceled"


# --- read lag ------------------------------------------------------------------------------------
def test_with_a_lag_rest_shows_the_past_and_the_socket_the_present(paper: InProcessPaper) -> None:
    socket = paper.socket("trader-1")
    socket.send("subscribe", channels=["user_orders", "fill"])
    paper.control("POST", "/lag", {"ms": 5_000})
    paper.clock.step(10_000)
    with paper.client("trader-1") as client, paper.client("maker") as maker:
        balance = client.get("/portfolio/balance").json()["balance"]
        create(maker, side="ask", count="4.00")
        order_id = create(client).json()["order_id"]
        as_of = client.get("/exchange/user_data_timestamp").json()["as_of_time"]

        assert {frame["type"] for frame in socket.take()} == {"user_order", "fill"}
        for path, key in (("orders", "orders"), ("fills", "fills"), ("positions", "market_positions")):
            assert client.get(f"/portfolio/{path}").json()[key] == []
        assert client.get(f"/portfolio/orders/{order_id}").status_code == 404
        assert client.get("/portfolio/balance").json()["balance"] == balance
        assert len(paper.truth()["members"][paper.user_id("trader-1")]["orders"]) == 1
        paper.clock.step(5_000)

        (order,) = client.get("/portfolio/orders").json()["orders"]
        assert (order["order_id"], order["fill_count_fp"]) == (order_id, "4.00")
        (position,) = client.get("/portfolio/positions").json()["market_positions"]
        assert (position["position_fp"], position["resting_orders_count"]) == ("4.00", 1)
        assert client.get("/portfolio/balance").json()["balance"] < balance
        assert client.get("/exchange/user_data_timestamp").json()["as_of_time"] > as_of
        client.delete(f"{ORDERS}/{order_id}")
        assert status(client, order_id) == "resting"
        paper.control("POST", "/lag", {"ms": 0})
        assert status(client, order_id) == "canceled"


# --- client order ids ----------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("rule", "while_open", "soon_after", "later"),
    [
        ({"dedupe": "forever"}, 409, 409, 409),
        ({"dedupe": "open_only"}, 409, 201, 201),
        ({"dedupe": "window", "dedupe_window_ms": 60_000}, 409, 409, 201),
    ],
)
def test_a_client_order_id_can_be_given_again_as_the_rule_says(
    paper: InProcessPaper, rule: dict[str, Any], while_open: int, soon_after: int, later: int
) -> None:
    paper.control("POST", "/orders", rule)
    with paper.client("trader-1") as client:
        body = order_body(client_order_id="same")

        def again() -> int:
            code = client.post(ORDERS, json=body).status_code
            for order in client.get("/portfolio/orders?status=resting").json()["orders"]:
                client.delete(f"{ORDERS}/{order['order_id']}")
            return code

        client.post(ORDERS, json=body)
        assert again() == while_open
        assert again() == soon_after
        paper.clock.step(60_001)
        assert again() == later


def test_a_window_needs_its_length(paper: InProcessPaper) -> None:
    assert paper.control_response("POST", "/orders", {"dedupe": "window"}).status == 400


# --- loss without trace --------------------------------------------------------------------------
def test_a_lost_frame_leaves_no_trace(paper: InProcessPaper) -> None:
    socket = paper.socket("trader-1")
    socket.send("subscribe", channels=["user_orders", "order_group_updates"])
    socket.send("subscribe", channels=["orderbook_delta"], market_tickers=[LINEAR])
    for channel in ("user_orders", "orderbook_delta", "order_group_updates"):
        paper.control("POST", "/ws/fault", {"kind": "lose", "channel": channel, "member": "trader-1"})
    with paper.client("trader-1") as client:
        create(client, price="0.1000")
        second = create(client, price="0.2000").json()["order_id"]
        for _ in range(2):
            client.post("/portfolio/order_groups/create", json={"contracts_limit": 1})

    frames = socket.take()
    assert [f["msg"]["order_id"] for f in frames if f["type"] == "user_order"] == [second]
    deltas = [f for f in frames if f["type"] == "orderbook_delta"]
    assert [(f["seq"], f["msg"]["price_dollars"]) for f in deltas] == [(2, "0.2000")]  # 1 was the snapshot
    assert [f["seq"] for f in frames if f["type"] == "order_group_updates"] == [1]
