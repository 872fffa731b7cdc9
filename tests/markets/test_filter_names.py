"""The names of the list's filters stand in the page's address: server and browser must know the same."""

import json
import re
from pathlib import Path

from apps.markets.list_pages import FILTER_NAMES

SCRIPT = Path(__file__).resolve().parents[2] / "static" / "js" / "markets" / "filters.js"


def test_the_browser_knows_the_filters_that_the_server_reads() -> None:
    found = re.search(r"export const FIELDS = (\[.*?\]);", SCRIPT.read_text(), re.DOTALL)

    assert found is not None
    assert json.loads(re.sub(r",\s*\]", "]", found[1])) == list(FILTER_NAMES)
