"""The table of docs/security.md, read."""

import re
from dataclasses import dataclass

from tests.support.desk import ROOT

_ROW = re.compile(r"^\| (\d+) \|(.*)\|$")
_NODE = re.compile(r"`([a-z_/]+\.py::test_[a-z0-9_]+)`")


@dataclass(frozen=True)
class Check:
    number: int
    state: str
    nodes: tuple[str, ...]
    note: str


def checks() -> list[Check]:
    found = []
    for line in (ROOT / "docs" / "security.md").read_text().splitlines():
        row = _ROW.match(line)
        if row:
            _, _, state, evidence, note = (cell.strip() for cell in row[2].split("|"))
            found.append(Check(int(row[1]), state, tuple(f"tests/{node}" for node in _NODE.findall(evidence)), note))
    return found
