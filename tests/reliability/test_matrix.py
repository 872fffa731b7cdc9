"""Every row of the matrix has a test that exists."""

import ast
from functools import lru_cache

import pytest

from tests.reliability.matrix import ROWS
from tests.support.desk import ROOT

WANTED = (
    *(f"A{number}" for number in range(1, 23)),
    *(f"B{number}" for number in range(1, 5)),
    *("C8", "C9", "C10"),
    *(f"E{number}" for number in (*range(1, 9), *range(10, 14))),
    *(f"F{number}" for number in (1, 2, 3, 4, 5, 7, 9, 10, 11, 12, 13, 14, 16, 18, 19, 20)),
    *(f"G{number}" for number in range(1, 9)),
    *(f"H{number}" for number in range(1, 11)),
    *(f"J{number}" for number in (1, 2, 3, 4, 6)),
)


@lru_cache
def names_of(path: str) -> frozenset[str]:
    tree = ast.parse((ROOT / path).read_text())
    functions = (ast.FunctionDef, ast.AsyncFunctionDef)
    return frozenset(node.name for node in tree.body if isinstance(node, functions))


def test_the_matrix_has_every_row_and_no_other() -> None:
    assert tuple(ROWS) == WANTED


@pytest.mark.parametrize("row", WANTED)
def test_a_row_names_tests_that_exist(row: str) -> None:
    assert ROWS[row]
    for node in ROWS[row]:
        path, _, name = node.partition("::")
        assert name in names_of(path), f"{row}: there is no {node}"


def test_every_test_named_after_a_row_here_is_in_the_matrix() -> None:
    listed = {node.partition("::")[2] for nodes in ROWS.values() for node in nodes}
    for path in ("tests/reliability/test_orders.py", "tests/reliability/test_markets.py"):
        assert {name for name in names_of(path) if name.startswith("test_")} <= listed
