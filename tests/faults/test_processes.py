"""kill -9 of the desk's own processes while a trader works (RELIABILITY F1, F2). `make soak` does it for minutes."""

from pathlib import Path

import pytest

from tests.faults.storm import OPTIONS, Storm
from tests.support.desk import running_desk

pytestmark = [pytest.mark.long, pytest.mark.process, pytest.mark.xdist_group("faults-processes")]


def test_killed_processes_double_and_lose_nothing(tmp_path: Path) -> None:
    with running_desk(tmp_path / "data", DESK_PAPER_OPTIONS=OPTIONS) as desk:
        storm = Storm(desk, seed=5)
        storm.rage(seconds=10, kill_every=1.4, clicks=30)
        report = storm.judge()

    assert report.problems == []
    assert report.clicks > 10
    assert report.orders > 5
    assert len(report.kills) >= 5
