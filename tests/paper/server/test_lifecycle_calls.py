"""What control does to lives of markets, combos and the weekly maintenance window, and how clients see it."""

import asyncio
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from apps.paper.testing import DECI, LINEAR, InProcessPaper
from tests.paper.server.asyncapi import check_frame
from tests.paper.server.combos import PAIR, list_collection
from tests.paper.server.orders import ORDERS, order_body
from tests.support.paper import PaperProcess, Start

HOUR_MS = 3_600_000
WINDOW_MS = int(datetime(2030, 11, 21, 8, tzinfo=UTC).timestamp()) * 1000  # a Thursday, 3 AM in New York
PATIENCE = 120


def at(now_ms: int) -> InProcessPaper:
    return InProcessPaper(now_ms=now_ms)


def status_of(paper: InProcessPaper) -> dict[str, Any]:
    with paper.client() as client:
        answer: dict[str, Any] = client.get("/exchange/status").json()
    return answer


def test_the_window_is_off_until_it_is_switched_on_and_told_in_the_schedule() -> None:
    paper = at(WINDOW_MS + HOUR_MS)
    assert status_of(paper)["trading_active"] is True
    with paper.client() as client:
        assert client.get("/exchange/schedule").json()["schedule"]["maintenance_windows"] == []

    told = paper.control("POST", "/maintenance", {"window": "trading"})
    assert told == {
        "window": "trading",
        "in_maintenance": True,
        "start_ms": WINDOW_MS,
        "end_ms": WINDOW_MS + 2 * HOUR_MS,
    }
    assert status_of(paper) == {
        "exchange_active": True,
        "trading_active": False,
        "exchange_estimated_resume_time": "2030-11-21T10:00:00Z",
    }
    with paper.client("trader-1") as client:
        windows = client.get("/exchange/schedule").json()["schedule"]["maintenance_windows"]
        assert client.post(ORDERS, json=order_body()).status_code == 400
        paper.clock.step(HOUR_MS)
        assert client.post(ORDERS, json=order_body()).status_code == 201
    assert [window["start_datetime"][:10] for window in windows] == [
        "2030-11-21", "2030-11-28", "2030-12-05", "2030-12-12",
    ]  # fmt: skip
    assert status_of(paper)["exchange_estimated_resume_time"] is None
    assert paper.control("POST", "/maintenance", {"window": "off"})["start_ms"] is None


@pytest.mark.process
def test_a_window_that_begins_ends_every_session_and_new_ones_are_taken(paper_processes: Start) -> None:
    running = paper_processes(
        "--no-bots", "--markets", "1", "--manual-clock", str(WINDOW_MS - 1_000), "--maintenance", "exchange"
    )

    async def life() -> int | None:
        async with asyncio.timeout(PATIENCE), connected(running, WINDOW_MS - 1_000) as connection:
            await asyncio.to_thread(running.control, "POST", "/clock", {"step_ms": 1_000})
            with pytest.raises(ConnectionClosed) as caught:
                await connection.recv()
        async with asyncio.timeout(PATIENCE), connected(running, WINDOW_MS) as again:
            await again.send(json.dumps({"id": 1, "cmd": "list_subscriptions"}))
            assert json.loads(await again.recv())["msg"] == []
        return caught.value.rcvd.code if caught.value.rcvd else None

    assert asyncio.run(life()) == 1001


def connected(running: PaperProcess, now_ms: int) -> connect:
    path = "/trade-api/ws/v2"
    headers = running.headers("trader-1", "GET", path, timestamp_ms=now_ms)
    return connect(f"{running.ws_url}{path}", additional_headers=headers, compression=None)


def test_corrections_of_a_market_are_told_with_what_changed(paper: InProcessPaper, reference: Path) -> None:
    socket = paper.socket("trader-1")
    socket.send("subscribe", channels=["market_lifecycle_v2"])
    for change in ({"floor_strike": "95000"}, {"yes_sub_title": "above $95,000"}):
        paper.control("POST", "/market", {"ticker": LINEAR, "action": "metadata"} | change)
    refused = paper.control_response("POST", "/market", {"ticker": LINEAR, "action": "metadata"})
    frames = socket.take()

    for frame in frames:
        check_frame(reference, frame)
    assert [frame["msg"] for frame in frames] == [
        {"event_type": "metadata_updated", "market_ticker": LINEAR, "floor_strike": 95_000.0},
        {"event_type": "metadata_updated", "market_ticker": LINEAR, "yes_sub_title": "above $95,000"},
    ]
    assert refused.status == 400
    with paper.client() as client:
        market = client.get(f"/markets/{LINEAR}").json()["market"]
    assert (market["yes_sub_title"], market["floor_strike"]) == ("above $95,000", 95_000.0)


def test_the_rules_of_combos_are_set_and_told(paper: InProcessPaper) -> None:
    assert paper.control("POST", "/combos", {}) == {
        "void_leg": "void",
        "scalar_leg": "product",
        "grid": "center_deci_edge_centi_cent",
        "creations_per_week": 5_000,
    }
    changed = {"void_leg": "drop", "scalar_leg": "lost", "grid": "deci_cent", "creations_per_week": 0}
    assert paper.control("POST", "/combos", changed) == changed
    for wrong in ({"grid": "none"}, {"creations_per_week": -1}, {"void_leg": "maybe"}, {"other": 1}):
        assert paper.control_response("POST", "/combos", wrong).status == 400
    list_collection(paper)
    with paper.client("trader-1") as client:
        assert client.post("/multivariate_event_collections/KXMVETEST-R", json=PAIR).status_code == 429


def test_a_dropped_void_leg_leaves_the_combo_to_the_others(paper: InProcessPaper) -> None:
    paper.control("POST", "/combos", {"void_leg": "drop"})
    list_collection(paper)
    with paper.client("trader-1") as client:
        ticker = client.post("/multivariate_event_collections/KXMVETEST-R", json=PAIR).json()["market_ticker"]
        for leg, result in ((LINEAR, "void"), (DECI, "no")):
            for step in ({"action": "close_early"}, {"action": "determine", "result": result}):
                paper.control("POST", "/market", {"ticker": leg} | step)
        market = client.get(f"/markets/{ticker}").json()["market"]

    assert (market["status"], market["result"]) == ("determined", "yes")
    voided = next(leg for leg in market["mve_selected_legs"] if leg["market_ticker"] == LINEAR)
    assert "yes_settlement_value_dollars" not in voided
