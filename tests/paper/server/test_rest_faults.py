"""Faults of single REST requests without sockets: what the client sees, and what was done."""

import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from apps.paper.testing import InProcessPaper
from tests.paper.server.orders import ORDERS, create, order_body

PATH = f"/trade-api/v2{ORDERS}"


@pytest.fixture
def client(paper: InProcessPaper) -> Iterator[httpx.Client]:
    with paper.client("trader-1") as opened:
        yield opened


def arm(paper: InProcessPaper, kind: str, **over: Any) -> None:
    paper.control("POST", "/rest/fault", {"kind": kind, "method": "POST", "path": PATH} | over)


def orders(paper: InProcessPaper) -> int:
    """How many orders the exchange truly has of trader-1."""
    return len(paper.truth()["members"][paper.user_id("trader-1")]["orders"])


def send(client: httpx.Client, **over: Any) -> httpx.Response:
    return client.post(ORDERS, json=order_body(**over))


# --- late arrivals -------------------------------------------------------------------------------
def test_a_late_request_is_acted_on_when_its_sender_is_long_gone(paper: InProcessPaper, client: httpx.Client) -> None:
    arm(paper, "late", delay_ms=20_000)
    with pytest.raises(httpx.ReadError):
        send(client, client_order_id="zombie")

    paper.clock.step(19_999)
    client.get("/exchange/status")
    assert (orders(paper), paper.control("GET", "/status")["late_requests"]) == (0, 1)
    paper.clock.step(1)
    # Twice the window of signatures has passed: the signature counts as of its arrival.
    (order,) = client.get("/portfolio/orders").json()["orders"]

    assert (order["client_order_id"], order["status"]) == ("zombie", "resting")
    assert paper.control("GET", "/status")["late_requests"] == 0


def test_a_late_request_that_is_held_is_cut_by_whoever_loses_patience_first(
    paper: InProcessPaper, client: httpx.Client
) -> None:
    arm(paper, "late", delay_ms=3_000, hold_ms=60_000)
    before = paper.clock.now_ms()
    with pytest.raises(httpx.ReadTimeout):
        client.post(ORDERS, json=order_body(), timeout=2.0)

    assert paper.clock.now_ms() - before == 2_000
    paper.clock.step(2_999)
    client.get("/exchange/status")
    assert orders(paper) == 0
    paper.clock.step(1)
    client.get("/exchange/status")
    assert orders(paper) == 1


def test_late_requests_arrive_in_the_order_of_their_times_and_clearing_loses_them(
    paper: InProcessPaper, client: httpx.Client
) -> None:
    for delay_ms in (2_000, 1_000, 9_000):
        arm(paper, "late", delay_ms=delay_ms)
        with pytest.raises(httpx.ReadError):
            send(client, client_order_id=f"late-{delay_ms}")
    paper.clock.step(5_000)

    rows = client.get("/portfolio/orders").json()["orders"]

    assert [row["client_order_id"] for row in rows] == ["late-2000", "late-1000"]  # newest first
    assert paper.control("POST", "/faults/clear", {})["late"] == 1
    paper.clock.step(9_000)
    client.get("/exchange/status")
    assert orders(paper) == 2


def test_the_clock_alone_brings_late_requests(paper: InProcessPaper, client: httpx.Client) -> None:
    arm(paper, "late", delay_ms=1_000)
    with pytest.raises(httpx.ReadError):
        send(client)

    paper.control("POST", "/clock", {"step_ms": 1_000})

    assert orders(paper) == 1


# --- answers in place of the real one ------------------------------------------------------------
@pytest.mark.parametrize("status", [500, 502, 503, 504])
@pytest.mark.parametrize(("when", "done"), [("before", 0), ("after", 1)])
@pytest.mark.parametrize(("how", "kind"), [("json", "application/json"), ("html", "text/html")])
def test_a_status_comes_before_or_after_acting(
    paper: InProcessPaper, client: httpx.Client, status: int, when: str, done: int, how: str, kind: str
) -> None:
    arm(paper, "status", status=status, when=when, how=how)

    answer = send(client)

    assert (answer.status_code, orders(paper)) == (status, done)
    assert answer.headers["content-type"].startswith(kind)


@pytest.mark.parametrize(("when", "done"), [("before", 0), ("after", 1)])
def test_a_409_may_meet_the_first_send(paper: InProcessPaper, client: httpx.Client, when: str, done: int) -> None:
    arm(paper, "conflict", when=when)

    answer = send(client)

    assert (answer.status_code, answer.json()["code"], orders(paper)) == (409, "order_already_exists", done)


def test_a_redirect_names_another_host_and_nothing_was_done(paper: InProcessPaper, client: httpx.Client) -> None:
    arm(paper, "redirect", location="https://attacker.example/steal")

    answer = send(client)

    assert (answer.status_code, answer.headers["location"]) == (307, "https://attacker.example/steal")
    assert orders(paper) == 0


@pytest.mark.parametrize("how", ["html", "garbage", "half", "empty", "no_order", "not_an_object", "wrong_type"])
@pytest.mark.parametrize(("when", "done"), [("after", 1), ("before", 0)])
def test_a_success_may_have_any_body(
    paper: InProcessPaper, client: httpx.Client, how: str, when: str, done: int
) -> None:
    arm(paper, "body", how=how, when=when)

    answer = send(client)

    assert (answer.status_code, orders(paper)) == (201, done)
    if how == "wrong_type":
        assert answer.headers["content-type"].startswith("text/plain")
        assert ("order_id" in answer.json()) == bool(done)
        return
    try:
        told = json.loads(answer.content)
    except (json.JSONDecodeError, UnicodeDecodeError):
        assert how in ("html", "garbage", "half", "empty")
    else:
        assert how in ("no_order", "not_an_object")
        assert "order_id" not in told


def test_a_body_is_cut_after_acting(paper: InProcessPaper, client: httpx.Client) -> None:
    arm(paper, "cut", at_byte=10)

    with pytest.raises(httpx.RemoteProtocolError):
        send(client)

    assert orders(paper) == 1


def test_a_slow_drip_takes_its_time(paper: InProcessPaper, client: httpx.Client) -> None:
    arm(paper, "drip", chunk_bytes=16, every_ms=500)
    before = paper.clock.now_ms()

    answer = send(client)

    assert answer.json()["order_id"]
    assert paper.clock.now_ms() - before == -(-len(answer.content) // 16) * 500


# --- storms and their limits ---------------------------------------------------------------------
def test_a_429_storm_lasts_for_its_time_whatever_the_count(paper: InProcessPaper, client: httpx.Client) -> None:
    arm(paper, "rate_limit", duration_ms=60_000)
    answers = [send(client) for _ in range(5)]
    paper.clock.step(59_999)
    answers.append(send(client))

    assert {a.status_code for a in answers} == {429}
    assert answers[0].json() == {"error": "too many requests"}
    assert "retry-after" not in answers[0].headers
    paper.clock.step(1)
    assert send(client).status_code == 201
    assert paper.control("GET", "/status")["rest_faults"] == []


def test_count_and_time_limit_together(paper: InProcessPaper, client: httpx.Client) -> None:
    arm(paper, "rate_limit", duration_ms=60_000, count=2)

    assert [send(client).status_code for _ in range(3)] == [429, 429, 201]


def test_a_fault_may_let_some_pass_and_hits_only_its_method_path_and_member(
    paper: InProcessPaper, client: httpx.Client
) -> None:
    arm(paper, "status", status=500, skip=1, member="trader-1")
    with paper.client("trader-2") as other:
        assert send(other).status_code == 201
    assert client.get("/portfolio/orders").status_code == 200

    assert [send(client).status_code for _ in range(3)] == [201, 500, 201]


def test_a_cancel_has_its_own_faults(paper: InProcessPaper, client: httpx.Client) -> None:
    order_id = create(client).json()["order_id"]
    paper.control("POST", "/rest/fault", {"kind": "lose_after", "method": "DELETE", "path": PATH})
    with pytest.raises(httpx.ReadError):
        client.delete(f"{ORDERS}/{order_id}")

    assert client.delete(f"{ORDERS}/{order_id}").status_code == 404
    assert client.get(f"/portfolio/orders/{order_id}").json()["order"]["status"] == "canceled"


@pytest.mark.parametrize(
    "body",
    [
        {"kind": "body"},
        {"kind": "body", "how": "none such"},
        {"kind": "status", "how": "garbage"},
        {"kind": "status", "status": 200},
        {"kind": "redirect", "status": 200},
        {"kind": "late", "delay_ms": -1},
        {"kind": "drip", "chunk_bytes": 0},
        {"kind": "cut", "at_byte": -1},
        {"kind": "rate_limit", "count": 0},
        {"kind": "rate_limit", "member": "nobody"},
        {"kind": "none such"},
    ],
)
def test_a_fault_that_makes_no_sense_is_refused(paper: InProcessPaper, body: dict[str, Any]) -> None:
    assert paper.control_response("POST", "/rest/fault", body).status in (400, 404)
    assert paper.control("GET", "/status")["rest_faults"] == []
