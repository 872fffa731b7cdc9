"""The whole desk as real processes, for journeys and fault tests."""

import json
import os
import random
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.support.database import copy_migrated

ROOT = Path(__file__).resolve().parent.parent.parent
# Below the ports that the kernel lends to outgoing connections (32768 up on Linux): nobody is lent one of these
# between our look and the start of whatever shall listen there.
PORTS = range(15_000, 30_000)
# A condition that comes true costs no more than it takes; this is for a machine that is busy with other things.
PATIENCE = 90.0


# Until whoever asked listens, nothing but this keeps us and the other test processes from giving a port twice.
_given: set[int] = set()
WORKERS = 8


def free_port() -> int:
    """Return a port that nobody uses now and that the kernel will not lend to a connection."""
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")) % WORKERS
    for port in random.SystemRandom().sample(PORTS[worker::WORKERS], 100):
        if port in _given:
            continue
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            _given.add(port)
            return port
    raise AssertionError("a hundred ports are all in use")


def eventually(condition: Callable[[], Any], *, within: float = PATIENCE, what: str = "the condition") -> Any:
    """Return the first truthy value of `condition`; fail in words after `within` seconds."""
    end = time.monotonic() + within
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError(f"{what} did not come true within {within:.0f} s; last value: {value!r}")
        threading.Event().wait(0.05)


@dataclass
class RunningDesk:
    """A started installation in a folder of its own."""

    process: subprocess.Popen[str]
    port: int
    data: Path
    lines: list[str] = field(default_factory=list)
    reader: threading.Thread | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def logins(self) -> dict[str, dict[str, str]]:
        return {entry["role"]: entry for entry in json.loads((self.data / "demo-logins.json").read_text())["people"]}

    @property
    def paper(self) -> dict[str, Any]:
        return dict(json.loads((self.data / "paper" / "paper.json").read_text()))

    def children(self) -> dict[str, int]:
        """Return name -> pid of the supervisor's live children (Linux)."""
        found = {}
        listing = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        for pid in listing:
            with suppress(OSError):  # it ended since
                name = Path(f"/proc/{pid}/comm").read_text().strip()
                found[name.removeprefix("desk-")] = int(pid)
        return found

    def stop(self, number: int = signal.SIGTERM) -> int:
        if self.process.poll() is None:
            self.process.send_signal(number)
        code = self.process.wait(timeout=PATIENCE)
        if self.reader is not None:
            self.reader.join(timeout=10)
        return code

    def tail(self, count: int = 40) -> str:
        return "\n".join(self.lines[-count:])


def _environment(data: Path, port: int, extra: dict[str, str]) -> dict[str, str]:
    # Nothing of the test's own settings may leak into the real processes.
    kept = {name: value for name, value in os.environ.items() if not re.match(r"DESK_|DJANGO_|DATABASE_|REDIS_", name)}
    return {**kept, "DESK_DATA": str(data), "PORT": str(port), "DESK_PAPER_PORT": str(free_port()), **extra}


def start_desk(
    data: Path, *, port: int | None = None, within: float = 300.0, is_migrated: bool = True, **extra: str
) -> RunningDesk:
    """Start `python -m kalshi_desk.supervisor` and return once it says that it is ready.

    is_migrated: a new desk finds an empty database, so that its start does not take seconds for the migrations.
    """
    port = port or free_port()
    if is_migrated and not (data / "desk.sqlite3").exists() and "DATABASE_URL" not in extra:
        copy_migrated(data / "desk.sqlite3")
    process = subprocess.Popen(
        [sys.executable, "-m", "kalshi_desk.supervisor"],
        cwd=ROOT,
        env=_environment(data, port, extra),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    desk = RunningDesk(process=process, port=port, data=data)
    desk.reader = threading.Thread(target=_collect, args=(desk,), daemon=True)
    desk.reader.start()
    try:
        eventually(
            lambda: any("Desk ready" in line for line in desk.lines) or process.poll() is not None,
            within=within,
            what="the desk's start",
        )
        if process.poll() is not None:
            raise AssertionError(f"the desk ended at start:\n{desk.tail()}")
    except AssertionError:
        desk.stop(signal.SIGKILL)
        raise AssertionError(f"the desk did not become ready:\n{desk.tail()}") from None
    return desk


def _collect(desk: RunningDesk) -> None:
    assert desk.process.stdout is not None
    with desk.process.stdout as stream:
        for line in stream:
            desk.lines.append(line.rstrip("\n"))


@contextmanager
def running_desk(data: Path, *, is_migrated: bool = True, **extra: str) -> Iterator[RunningDesk]:
    desk = start_desk(data, is_migrated=is_migrated, **extra)
    try:
        yield desk
    finally:
        desk.stop()
