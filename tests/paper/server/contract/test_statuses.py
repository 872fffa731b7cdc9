"""Every status code that the file documents for an operation is answered by it in some condition."""

from pathlib import Path
from typing import Any

import httpx
import pytest

from apps.paper.server.core import Operation
from apps.paper.server.rest import OPERATIONS
from tests.paper.server.contract.world import Ask, World, rows
from tests.paper.server.schemas import check_answer, documented_statuses

# Failures of the exchange itself: they come from the faults on demand, as anybody has them (`/control/rest/fault`).
FAILURES = (500, 503, 504)
LIMITED = 429
# Those that need a condition of their own: a row of `areas/` each.
OWN = {200, 201, 204, 400, 404, 409}
# Documented and never answered, with the reason.
UNREACHED: dict[tuple[str, str, int], str] = {}

named = pytest.mark.parametrize(
    "operation", OPERATIONS, ids=lambda operation: f"{operation.method} {operation.template}"
)


@pytest.fixture(scope="module")
def world() -> World:
    return World()


def _path(operation: Operation) -> str:
    return "/".join("none" if part.startswith("{") else part for part in operation.template.split("/"))


def _ask(world: World, operation: Operation, member: str | None = "trader-1") -> httpx.Response:
    world.paper.control("POST", "/member", {"member": "trader-1", "refill": True})
    return world.ask(Ask(operation.method, operation.template, 0, _path(operation), member=member))


def test_each_has_a_row_that_answers_it_or_a_reason_why_none_does(reference: Path) -> None:
    answered = {(row.method, row.template, row.status) for _, row in rows()}
    documented = {
        (operation.method, operation.template, status)
        for operation in OPERATIONS
        for status in documented_statuses(reference, operation.method, operation.template) & OWN
    }

    assert documented - answered == set(UNREACHED)
    assert all(UNREACHED.values())


@named
def test_failures_on_demand_have_the_documented_body(operation: Operation, world: World, reference: Path) -> None:
    for status in sorted(documented_statuses(reference, operation.method, operation.template) & set(FAILURES)):
        world.paper.control("POST", "/rest/fault", {"kind": "status", "status": status})

        answer = _ask(world, operation)

        assert answer.status_code == status
        check_answer(reference, operation.method, operation.template, status, answer.json())


@named
def test_a_wrong_signature_is_refused_also_where_none_is_needed(
    operation: Operation, world: World, reference: Path
) -> None:
    headers = {"KALSHI-ACCESS-KEY": world.paper.key_id("trader-1"), "KALSHI-ACCESS-SIGNATURE": "bm8="}
    headers["KALSHI-ACCESS-TIMESTAMP"] = str(world.paper.clock.now_ms())
    with world.paper.client() as client:
        answer = client.request(operation.method, _path(operation), headers=headers)

    assert answer.status_code == 401
    if 401 in documented_statuses(reference, operation.method, operation.template):
        check_answer(reference, operation.method, operation.template, 401, answer.json())


@named
def test_a_storm_of_429_says_what_the_page_on_rate_limits_says(operation: Operation, world: World) -> None:
    world.paper.control("POST", "/rest/fault", {"kind": "rate_limit"})

    answer = _ask(world, operation)

    body: Any = answer.json()
    assert (answer.status_code, body) == (LIMITED, {"error": "too many requests"})
    assert "retry-after" not in answer.headers
