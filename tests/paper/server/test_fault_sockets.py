"""Faults of REST requests over real sockets: what a plain HTTP client meets."""

import time
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest

from tests.paper.server.orders import ORDERS, order_body
from tests.support.desk import eventually
from tests.support.paper import PaperProcess, start_paper

pytestmark = [pytest.mark.process, pytest.mark.xdist_group("paper-faults")]

PATH = f"/trade-api/v2{ORDERS}"
PATIENCE = 90


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PaperProcess]:
    # Its clock moves by hand: what is late arrives when the test says so.
    clock = ("--manual-clock", str(time.time_ns() // 1_000_000))
    started = start_paper(tmp_path_factory.mktemp("faults"), "--no-bots", "--markets", "4", *clock)
    yield started
    assert started.stop() == 0


@pytest.fixture
def running(shared: PaperProcess) -> Iterator[PaperProcess]:
    yield shared
    shared.control("POST", "/faults/clear", {})
    shared.control("POST", "/member", {"member": "maker", "refill": True})


def arm(running: PaperProcess, kind: str, **over: Any) -> None:
    running.control("POST", "/rest/fault", {"kind": kind, "method": "POST", "path": PATH} | over)


def ticker(running: PaperProcess) -> str:
    path = "/trade-api/v2/markets?status=open&limit=1"
    rows = httpx.get(f"{running.rest_url}{path}", timeout=PATIENCE).json()["markets"]
    found: str = rows[0]["ticker"]
    return found


def signed(running: PaperProcess, body: dict[str, Any]) -> tuple[dict[str, str], dict[str, Any]]:
    headers = running.headers("maker", "POST", PATH, timestamp_ms=running.control("GET", "/status")["now_ms"])
    return headers, {"ticker": ticker(running), "price": "0.0100", "count": "1.00"} | body


def send(running: PaperProcess, client: httpx.Client, client_order_id: str) -> httpx.Response:
    headers, body = signed(running, {"client_order_id": client_order_id})
    return client.post(PATH, json=order_body(**body), headers=headers)


def known(running: PaperProcess) -> set[str]:
    """Client order ids of all orders that the exchange has."""
    rows = running.control("GET", "/truth")["members"][running.members["maker"]["user_id"]]["orders"]
    return {row["client_order_id"] for row in rows}


def until(holds: Callable[[], bool]) -> None:
    eventually(holds, within=PATIENCE)


@pytest.fixture
def client(running: PaperProcess) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=running.rest_url, timeout=PATIENCE) as opened:
        yield opened


@pytest.mark.parametrize("at_byte", [0, 1, 40])
def test_a_cut_body_breaks_off_at_its_byte_and_the_order_stands(
    running: PaperProcess, client: httpx.Client, at_byte: int
) -> None:
    arm(running, "cut", at_byte=at_byte)
    with pytest.raises(httpx.RemoteProtocolError, match=f"received {at_byte} bytes"):
        send(running, client, f"cut-{at_byte}")

    assert f"cut-{at_byte}" in known(running)


def test_a_dripping_answer_comes_in_pieces_and_the_connection_goes_on(
    running: PaperProcess, client: httpx.Client
) -> None:
    arm(running, "drip", chunk_bytes=30, every_ms=20)
    began = time.monotonic()
    answer = send(running, client, "drip")

    assert answer.json()["client_order_id"] == "drip"
    assert time.monotonic() - began >= (-(-len(answer.content) // 30) - 1) * 0.02
    assert send(running, client, "after-drip").status_code == 201


def test_a_late_request_is_acted_on_after_the_exchange_cut_the_connection(
    running: PaperProcess, client: httpx.Client
) -> None:
    arm(running, "late", delay_ms=400)
    with pytest.raises((httpx.ReadError, httpx.RemoteProtocolError)):
        send(running, client, "late-cut")
    until(lambda: running.control("GET", "/status")["late_requests"] == 1)
    assert "late-cut" not in known(running)

    running.control("POST", "/clock", {"step_ms": 400})
    assert "late-cut" in known(running)


def test_a_late_request_is_acted_on_after_the_client_hung_up(running: PaperProcess) -> None:
    arm(running, "late", delay_ms=300, hold_ms=600_000)
    waits = httpx.Timeout(PATIENCE, read=0.3)
    with httpx.Client(base_url=running.rest_url, timeout=waits) as hasty, pytest.raises(httpx.ReadTimeout):
        send(running, hasty, "late-hung-up")
    until(lambda: running.control("GET", "/status")["late_requests"] == 1)
    assert "late-hung-up" not in known(running)

    running.control("POST", "/clock", {"step_ms": 300})
    assert "late-hung-up" in known(running)


def test_a_redirect_names_its_target_and_nothing_was_done(running: PaperProcess, client: httpx.Client) -> None:
    arm(running, "redirect", location="https://elsewhere.invalid/steal")
    answer = send(running, client, "redirected")

    assert (answer.status_code, answer.headers["location"]) == (307, "https://elsewhere.invalid/steal")
    assert "redirected" not in known(running)


def test_a_spoilt_success_still_keeps_the_connection(running: PaperProcess, client: httpx.Client) -> None:
    for how in ("html", "garbage", "empty", "no_order"):
        arm(running, "body", how=how)
        answer = send(running, client, f"spoilt-{how}")
        assert answer.status_code == 201
        assert f"spoilt-{how}" in known(running)
    assert send(running, client, "unspoilt").json()["client_order_id"] == "unspoilt"
