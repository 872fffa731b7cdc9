"""docs/exchange-api.md says of each operation and channel of the exchange who uses it, or why nobody does."""

import re
from collections import Counter
from pathlib import Path

from apps.paper.server.channel_list import CHANNELS
from apps.paper.server.rest import OPERATIONS

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "exchange-api.md").read_text()
_CODE = re.compile(r"`([^`]+)`")


def rows(heading: str) -> list[tuple[list[str], str, str]]:
    """(what the first column names, module or "-", what for) of the table under a heading."""
    part = PAGE.split(f"## {heading}\n")[1].split("\n## ")[0]
    found = []
    for line in part.splitlines():
        cells = [cell.strip() for cell in line.strip("|").split(" | ")]
        if line.startswith("| `"):
            named, module, why = cells
            found.append((_CODE.findall(named), module.strip("`"), why))
    return found


def test_each_operation_of_the_exchange_is_listed_once() -> None:
    listed = Counter(one for named, _, _ in rows("REST") for one in named)

    assert listed == Counter(f"{one.method} {one.template}" for one in OPERATIONS)


def test_each_channel_of_the_exchange_is_listed_once() -> None:
    listed = Counter(one for named, _, _ in rows("WebSocket") for one in named)

    assert listed == Counter(channel.name for channel in CHANNELS)


def test_a_named_module_asks_for_what_it_is_named_for() -> None:
    missing = []
    for named, module, why in [*rows("REST"), *rows("WebSocket")]:
        assert why
        if module == "-":
            continue
        text = (ROOT / module).read_text()
        for one in named:
            path = one.split(" ")[-1]
            words = [word for word in path.split("/") if word and not word.startswith("{")]
            missing += [f"{one}: {module} has no {word!r}" for word in words if word not in text]

    assert missing == []
