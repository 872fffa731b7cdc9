"""docs/security.md says something about each of the 50 checks, and every test it names exists."""

import ast
from functools import lru_cache

from tests.security.evidence import checks
from tests.support.desk import ROOT


@lru_cache
def names_of(path: str) -> frozenset[str]:
    tree = ast.parse((ROOT / path).read_text())
    return frozenset(node.name for node in tree.body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))


def test_every_check_is_there_once_and_in_order() -> None:
    assert [check.number for check in checks()] == list(range(1, 51))


def test_every_test_that_is_named_exists() -> None:
    named = [(check.number, *node.split("::")) for check in checks() for node in check.nodes]

    assert len(named) > 80
    assert [(number, path, name) for number, path, name in named if name not in names_of(path)] == []


def test_what_is_met_has_evidence_and_what_is_not_says_why() -> None:
    for check in checks():
        assert check.state in ("met", "part", "not met"), check.number
        assert check.nodes or check.state == "not met", check.number
        assert check.state == "met" or check.note != "-", check.number
