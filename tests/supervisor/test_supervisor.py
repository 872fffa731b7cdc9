"""The embedded set as real processes: start, restart, refusals, and nothing left behind."""

import os
import signal
import socket
import stat
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from kalshi_desk.supervisor import place
from tests.support.desk import PATIENCE, ROOT, RunningDesk, eventually, free_port, running_desk, start_desk

pytestmark = [pytest.mark.process, pytest.mark.xdist_group("supervisor")]
SET = {"signer", "web", "gateway", "orders", "urgent", "worker", "beat", "paper"}


def is_gone(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return True
    return state == "Z"  # dead; only the container's first process has not reaped it


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningDesk]:
    with running_desk(tmp_path_factory.mktemp("desk") / "data", is_migrated=False) as running:
        yield running


def run_supervisor(**variables: str) -> subprocess.CompletedProcess[str]:
    environment = {"PATH": os.environ["PATH"], "HOME": os.environ.get("HOME", "/"), **variables}
    return subprocess.run(
        [sys.executable, "-m", "kalshi_desk.supervisor"],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
    )


def test_the_desk_answers_and_says_where_its_logins_are(desk: RunningDesk) -> None:
    with urllib.request.urlopen(f"{desk.url}/healthz", timeout=PATIENCE) as answer:
        assert answer.status == 200

    assert f"Desk ready: {desk.url}" in desk.tail(200)
    assert str(desk.data / "demo-logins.json") in desk.tail(200)


def test_demo_logins_are_private_and_one_per_role(desk: RunningDesk) -> None:
    mode = stat.S_IMODE((desk.data / "demo-logins.json").stat().st_mode)

    assert mode == 0o600
    assert {"viewer", "trader", "lead", "vault-admin", "auditor", "admin"} <= set(desk.logins)
    passwords = [login["password"] for login in desk.logins.values()]
    assert len(set(passwords)) == len(passwords)
    assert all(len(password) >= 12 for password in passwords)


def test_a_process_that_dies_is_started_again(desk: RunningDesk) -> None:
    before = desk.children()
    assert set(before) >= SET

    os.kill(before["beat"], signal.SIGKILL)

    after = eventually(
        lambda: (now := desk.children()).get("beat") not in (None, before["beat"]) and now,
        what="a new beat process",
    )
    assert after["web"] == before["web"]


def test_a_second_desk_on_the_same_folder_is_refused(desk: RunningDesk) -> None:
    result = run_supervisor(DESK_DATA=str(desk.data), PORT=str(free_port()))

    assert result.returncode == 2
    assert "another desk already runs" in result.stderr


def test_a_port_in_use_is_refused_with_another_one_to_use(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]

        result = run_supervisor(DESK_DATA=str(tmp_path), PORT=str(port))

    assert result.returncode == 2
    assert f"port {port} is in use" in result.stderr
    assert f"PORT={port + 1}" in result.stderr


@pytest.mark.parametrize("raw", ["eighty", "0", "70000"])
def test_a_wrong_port_is_refused_in_words(tmp_path: Path, raw: str) -> None:
    result = run_supervisor(DESK_DATA=str(tmp_path), PORT=raw)

    assert result.returncode == 2
    assert "is not a port" in result.stderr


def test_a_folder_that_cannot_be_written_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("")

    result = run_supervisor(DESK_DATA=str(file / "inside"), PORT=str(free_port()))

    assert result.returncode == 2
    assert "cannot be written" in result.stderr


def test_a_wrong_variable_is_refused_and_leaves_no_process(tmp_path: Path) -> None:
    result = run_supervisor(DESK_DATA=str(tmp_path), PORT=str(free_port()), DESK_LOG="LOUD")

    assert result.returncode == 2
    assert "DESK_LOG='LOUD' is unknown" in result.stderr
    assert not (tmp_path / "run" / "redis.sock").exists()


@pytest.mark.long
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_nothing_is_left_behind_and_data_is_kept(tmp_path_factory: pytest.TempPathFactory, number: int) -> None:
    data = tmp_path_factory.mktemp("stop") / "data"
    desk = start_desk(data)
    pids = desk.children()
    logins = (data / "demo-logins.json").read_text()

    code = desk.stop(number)

    assert code == (-signal.SIGKILL if number == signal.SIGKILL else 0)
    for name, pid in pids.items():
        eventually(lambda pid=pid: is_gone(pid), what=f"the end of {name}")
    again = start_desk(data)
    try:
        assert (data / "demo-logins.json").read_text() == logins
    finally:
        again.stop()


def test_a_socket_path_that_is_too_long_moves_elsewhere(tmp_path: Path) -> None:
    deep = tmp_path / ("d" * 60) / ("e" * 60)

    path = place._socket_path(deep)

    assert len(os.fsencode(path)) <= 100
