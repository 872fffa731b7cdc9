"""kill -9 at every named place of a backup and of a restore, in real processes: nothing half is ever in its place."""

import shutil
import signal
import sqlite3
import subprocess
from contextlib import closing
from pathlib import Path

import pytest

from apps.core import killpoints
from apps.operations import sealed
from tests.support.database import copy_migrated
from tests.support.desk import PATIENCE
from tests.support.manage import manage as manage_py

pytestmark = [pytest.mark.long, pytest.mark.process]

PRIVATE, PUBLIC = sealed.key_make()
BACKUP = [name for name in killpoints.OPERATIONS_POINTS if name.startswith("backup.")]
RESTORE = [name for name in killpoints.OPERATIONS_POINTS if name.startswith("restore.")]


def manage(data: Path, *arguments: str, kill_at: str = "") -> subprocess.CompletedProcess[str]:
    variables = {"DESK_DATA": str(data), "DESK_BACKUP_TO": PUBLIC, "DESK_SECRET_KEY": "only-for-this-test-" * 4}
    if kill_at:
        variables[killpoints.VARIABLE] = kill_at
    return manage_py(*arguments, within=10 * PATIENCE, **variables)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    folder = tmp_path / "data"
    copy_migrated(folder / "desk.sqlite3")
    (tmp_path / "key").write_text(PRIVATE)
    return folder


def whole(tmp_path: Path, file: Path) -> bool:
    return "Whole. Made" in manage(tmp_path, "backup", "--verify", str(file), "--key", str(tmp_path / "key")).stdout


def pauses(database: Path) -> list[str]:
    with closing(sqlite3.connect(database)) as found:
        assert found.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        return [why for (why,) in found.execute("SELECT why FROM orders_tradingpause")]


@pytest.mark.parametrize("point", BACKUP)
def test_a_backup_that_is_killed_leaves_no_file_or_a_whole_one(data: Path, tmp_path: Path, point: str) -> None:
    to = tmp_path / "backups"
    died = manage(data, "backup", "--to", str(to), kill_at=point)
    assert died.returncode == -signal.SIGKILL, died.stderr
    files = list(to.glob("*.kdb"))
    assert len(files) == (1 if point == "backup.placed" else 0)
    assert all(whole(tmp_path, file) for file in files)

    again = manage(data, "backup", "--to", str(to))

    assert again.returncode == 0, again.stderr
    assert len(list(to.glob("*.kdb"))) == len(files) + 1
    assert not list(to.glob(".*.part"))
    assert not (data / "run" / "backup-work").exists()


@pytest.mark.parametrize("point", RESTORE)
@pytest.mark.parametrize("is_replacing", [False, True], ids=["empty", "replacing"])
def test_a_restore_that_is_killed_leaves_no_desk_or_a_whole_and_closed_one(
    data: Path, tmp_path: Path, point: str, is_replacing: bool
) -> None:
    make = "from apps.accounts.services import desk_create; desk_create('One', slug='one')"
    assert manage(data, "shell", "--command", make).returncode == 0
    to = tmp_path / "backups"
    assert manage(data, "backup", "--to", str(to)).returncode == 0
    (file,) = to.glob("*.kdb")
    target = data if is_replacing else tmp_path / "new"
    arguments = ["restore", str(file), "--key", str(tmp_path / "key"), *(["--replace"] if is_replacing else [])]

    died = manage(target, *arguments, kill_at=point)

    assert died.returncode == -signal.SIGKILL, died.stderr
    database = target / "desk.sqlite3"
    if point == "restore.placed":
        assert len(pauses(database)) == 1
    elif is_replacing and point in ("restore.verified", "restore.prepared"):
        assert pauses(database) == []
    else:
        assert not database.exists()
    aside = list(target.glob("before-restore-*/desk.sqlite3"))
    assert len(aside) == int(is_replacing and point in ("restore.files_placed", "restore.placed"))
    if point == "restore.placed":
        return
    again = manage(target, *arguments)
    assert again.returncode == 0, again.stderr
    (why,) = pauses(database)
    assert "not compared with the exchange yet" in why
    assert not (target / ".restoring").exists()
    shutil.rmtree(target)
