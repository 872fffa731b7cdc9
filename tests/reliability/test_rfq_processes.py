"""Rows E of the fault matrix against real processes: death at each hook of a confirmation, frames lost or late.

The windows are the standard ones: how much of three seconds is left under faults, `make soak-rfq` measures. A place is
tried up to three times, because a machine that needs half a minute to start a process says nothing about the desk; a
gap in the desk is there each time. What must never be (confirmed after it was declined, another end here than there) is
asserted of every try.
"""

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tests.faults.rfq_soak import DONE, KILL_FILE, Lane, Soak, settings
from tests.support.desk import eventually, running_desk

pytestmark = [pytest.mark.long, pytest.mark.process, pytest.mark.xdist_group("rfq-processes")]

BEFORE_THE_SEND = ("confirm.started", "confirm.leased", "confirm.ready", "confirm.noted")
AFTER_THE_SEND = ("confirm.answered", "confirm.applied")
HEARING = ("accept.heard", "accept.stored", "accept.committed", "accept.queued")
TOGETHER = ("accept.committed", "confirm.noted")
TRIES = 3
# A market each: a request that was taken is not replaced before its execution, 15 s later.
LANES = 14


@pytest.fixture(scope="module")
def soak(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Soak]:
    data = tmp_path_factory.mktemp("rfq") / "data"
    with running_desk(data, **(settings(data, markets=40) | {"DESK_RFQ_FAST": ""})) as desk:
        built = Soak(desk, seed=1, lanes=LANES, is_fast=False)
        # The first quotes wait for the books that a last look needs.
        eventually(lambda: built.has_prices(), what="live prices")
        yield built
        built.close()


def taken(soak: Soak, lane: Lane) -> str:
    """Ask, quote through the desk, take; the desk may die on the way. Returns the quote's id."""

    def is_taken() -> bool:
        soak.advance(lane)
        return lane.accepted_at > 0

    eventually(is_taken, what="a quote that was taken")
    return lane.quote_id


def is_settled(soak: Soak, quote_id: str) -> dict[str, Any] | None:
    """The desk's row, once it and the exchange agree on an end."""
    row = soak.rows().get(quote_id)
    if row is None or row["state"] in ("open", "confirming"):
        return None
    is_done = soak.record(quote_id).get("status") in DONE
    return row if is_done == (row["state"] in DONE) else None


def ends(soak: Soak, number: int, *, before: Callable[[], None], after: Callable[[], None]) -> dict[str, Any]:
    """Play one accept until it was confirmed, at most TRIES times. Returns the desk's row of the last."""
    lane = soak.lane(number)
    row: dict[str, Any] = {}
    for _ in range(TRIES):
        eventually(lambda: {"gateway", "urgent"} <= soak.desk.children().keys(), what="a whole desk")
        before()
        quote_id = taken(soak, lane)
        after()
        row = eventually(partial(is_settled, soak, quote_id), what="an end that both sides tell")
        status = soak.record(quote_id).get("status")
        assert not (row["decision"] == "lapse" and status in DONE), row
        soak.withdraw(lane)
        if status in DONE:
            break
    return row


def dies_at(soak: Soak, place: str) -> tuple[Callable[[], None], Callable[[], None]]:
    file = Path(soak.desk.data / KILL_FILE)

    def before() -> None:
        file.write_text(place)

    def after() -> None:
        eventually(lambda: not file.exists(), what=f"a death at {place}")

    return before, after


def killed(soak: Soak, *names: str) -> None:
    """SIGKILL to processes of the desk that are up."""
    for name in names:
        pid = soak.desk.children().get(name)
        if pid is not None:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


@pytest.mark.parametrize("place", [*BEFORE_THE_SEND, *AFTER_THE_SEND])
def test_e1_e2_who_confirms_dies_at_a_hook_and_the_window_is_met(soak: Soak, place: str) -> None:
    before, after = dies_at(soak, place)

    row = ends(soak, (*BEFORE_THE_SEND, *AFTER_THE_SEND).index(place), before=before, after=after)

    assert (row["state"] in DONE, row["decision"]) == (True, "confirm"), row


@pytest.mark.parametrize("place", HEARING)
def test_e1_who_hears_dies_at_a_hook_and_the_window_is_met(soak: Soak, place: str) -> None:
    before, after = dies_at(soak, place)

    row = ends(soak, 6 + HEARING.index(place), before=before, after=after)

    assert (row["state"] in DONE, row["decision"]) == (True, "confirm"), row


@pytest.mark.parametrize("place", TOGETHER)
def test_e1_gateway_and_worker_die_together_and_the_window_is_met(soak: Soak, place: str) -> None:
    before, wait = dies_at(soak, place)

    def after() -> None:
        wait()
        killed(soak, "gateway", "urgent")

    row = ends(soak, 10 + TOGETHER.index(place), before=before, after=after)

    assert (row["state"] in DONE, row["decision"]) == (True, "confirm"), row


def test_e4_an_accept_frame_that_is_lost_is_heard_by_reading(soak: Soak) -> None:
    def before() -> None:
        fault = {"kind": "lose", "type": "quote_accepted", "member": "trader-1", "count": 2}
        soak.control("POST", "/ws/fault", fault)

    row = ends(soak, 12, before=before, after=lambda: None)
    soak.control("POST", "/faults/clear", {})

    assert (row["state"] in DONE, row["heard_by"]) == (True, "rest"), row


def test_e5_an_accept_frame_that_comes_late_changes_nothing_any_more(soak: Soak) -> None:
    """Its reading was first, and has confirmed; the frame comes seconds after and finds that."""

    def before() -> None:
        fault = {"kind": "delay", "type": "quote_accepted", "member": "trader-1", "count": 2, "delay_ms": 6_000}
        soak.control("POST", "/ws/fault", fault)

    row = ends(soak, 13, before=before, after=lambda: None)
    quote_id = str(row["their_id"])
    settled = eventually(
        lambda: (found := soak.rows()[quote_id])["state"] == "executed" and found, what="the execution"
    )

    assert settled["heard_by"] == "rest", settled
    assert len([one for one in soak.rows() if one == quote_id]) == 1
    assert soak.record(quote_id)["status"] == "executed"
