"""Every REST answer is what the published file says (skipped in words where the file is absent)."""

from pathlib import Path
from types import ModuleType

import pytest

from apps.paper.server.core import Operation
from apps.paper.server.rest import OPERATIONS
from tests.paper.server.contract.not_yet import NOT_YET
from tests.paper.server.contract.world import Ask, World, modules, rows
from tests.paper.server.schemas import check_answer, documented_operations, documented_statuses, has_body

SIGNED = [operation for operation in OPERATIONS if operation.access != "public"]


@pytest.mark.parametrize(("area", "row"), [pytest.param(area, row, id=str(row)) for area, row in rows()])
def test_an_answer_is_what_the_file_says(area: ModuleType, row: Ask, reference: Path) -> None:
    world = World()
    if hasattr(area, "prepare"):
        area.prepare(world)

    answer = world.ask(row)

    assert answer.status_code == row.status, answer.text
    if row.status == 204 or (row.status < 300 and not has_body(reference, row.method, row.template, row.status)):
        assert answer.content == b""
    else:
        check_answer(reference, row.method, row.template, row.status, answer.json())


def test_every_operation_offered_is_documented_and_checked_here(reference: Path) -> None:
    offered = {(operation.method, operation.template) for operation in OPERATIONS}
    checked = {(row.method, row.template) for _, row in rows()}

    assert offered <= documented_operations(reference)
    assert checked == offered


def test_every_documented_operation_is_offered_or_known_to_be_missing(reference: Path) -> None:
    offered = {f"{operation.method} {operation.template}" for operation in OPERATIONS}
    documented = {f"{method} {path}" for method, path in documented_operations(reference)}

    assert documented - offered == NOT_YET


@pytest.mark.parametrize("operation", SIGNED, ids=lambda operation: f"{operation.method} {operation.template}")
def test_an_operation_with_a_scope_refuses_who_has_none(operation: Operation, world: World, reference: Path) -> None:
    unsigned = world.ask(Ask(operation.method, operation.template, 401, _any_path(operation), member=None))
    read_only = world.ask(Ask(operation.method, operation.template, 403, _any_path(operation), member="reader"))

    assert unsigned.status_code == 401
    check_answer(reference, operation.method, operation.template, 401, unsigned.json())
    if operation.access == "write":
        assert read_only.status_code == 403
        assert read_only.json()["code"] == "insufficient_scope"
        if 403 in documented_statuses(reference, operation.method, operation.template):
            check_answer(reference, operation.method, operation.template, 403, read_only.json())
    else:
        assert read_only.status_code not in (401, 403)


def test_every_area_says_what_it_asks() -> None:
    assert all(module.REQUESTS and module.__doc__ for module in modules())


@pytest.fixture(scope="module")
def world() -> World:
    return World()


def _any_path(operation: Operation) -> str:
    """The operation's path with something in place of its variables."""
    return "/".join("none" if part.startswith("{") else part for part in operation.template.split("/"))
