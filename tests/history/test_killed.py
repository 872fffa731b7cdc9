"""Real processes, killed by SIGKILL in the middle of the sync (RELIABILITY F1)."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.desk import ROOT

PLACES = ("history.page_noted:2", "history.part_stored:1", "history.page_read:4")


def run(folder: Path, **settings: str) -> "subprocess.CompletedProcess[str]":
    environment = {name: value for name, value in os.environ.items() if not name.startswith("DESK_KILL")}
    environment |= {"DESK_DATA": str(folder), "DATABASE_URL": f"sqlite:///{folder}/desk.sqlite3"} | settings
    return subprocess.run(
        [sys.executable, "-m", "tests.history.killed_worker"],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


@pytest.mark.long
@pytest.mark.process
def test_f1_a_sync_that_is_killed_again_and_again_ends_whole(tmp_path: Path) -> None:
    for place in PLACES:
        ended = run(tmp_path, DESK_KILL_AT=place)
        assert ended.returncode == -signal.SIGKILL, ended.stderr[-2000:]

    ended = run(tmp_path)

    assert ended.returncode == 0, ended.stderr[-2000:]
    assert ended.stdout.strip() == "whole"
