"""Which tests run in one test process: those of modules with the same `pytest.mark.xdist_group`.

pytest-xdist 3.8 tells its scheduler of groups by a suffix of the node id, which pytest 9.2 does not keep: without this,
each worker would start each shared desk and exchange.
"""

import functools
import re
from pathlib import Path

from xdist.scheduler import LoadScopeScheduling

ROOT = Path(__file__).resolve().parent.parent.parent
GROUP = re.compile(r"pytest\.mark\.xdist_group\(\"([\w-]+)\"\)")


BROWSER = "tests/browser/"
# Journeys share a desk, and a desk takes 15 s of a core to start: two desks at most, each always with the same journeys
# in the same order, so that one that leans on another fails in every run or in none. Both halves take about as long.
SECOND_DESK = frozenset(
    f"{BROWSER}test_{name}.py"
    for name in (
        "ladder",
        "market_life",
        "monitor",
        "overview",
        "portfolio",
        "reliability",
        "replay",
        "rfq_combo",
        "rfq_maker",
        "rfq_request",
        "rfq_rules",
        "rfq_team",
        "rfq_two_people",
        "slow_browser",
        "stale",
        "subaccounts",
    )
)


@functools.cache
def group_of(module: str) -> str | None:
    """Return the group that a test module's `pytestmark` names. module: its path from the root of the project."""
    if module.startswith(BROWSER):
        return "browser-2" if module in SECOND_DESK else "browser-1"
    found = GROUP.search((ROOT / module).read_text())
    return found.group(1) if found else None


class GroupScheduling(LoadScopeScheduling):
    """Sends a group to one worker, and other tests one by one to whoever is free. Groups begin first."""

    def _split_scope(self, nodeid: str) -> str:
        return group_of(nodeid.partition("::")[0]) or nodeid
