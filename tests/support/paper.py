"""The paper exchange for tests: in this process with a clock by hand, or as a real process on a free port.

Import the fixtures in a conftest: `from tests.support.paper import paper, paper_process, paper_processes`.
"""

import json
import os
import queue
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

from apps.paper.server.auth import sign_headers
from apps.paper.testing import InProcessPaper

ROOT = Path(__file__).resolve().parent.parent.parent
START_SECONDS = 180
# For one answer or one end: a machine that is busy with other things takes its time.
PATIENCE = 60.0


@pytest.fixture
def paper() -> InProcessPaper:
    """The exchange in this process: manual clock, small world, no bots."""
    return InProcessPaper()


@dataclass
class PaperProcess:
    """A running `manage.py paper`. members: as in paper.json, by name."""

    process: subprocess.Popen[str]
    data: Path
    rest_url: str
    ws_url: str
    control_url: str
    members: dict[str, dict[str, Any]]
    ready_line: str
    _keys: dict[str, RSAPrivateKey] = field(default_factory=dict)

    def control(self, method: str, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        """A control call (path after /control); raises for a refused one."""
        answer = httpx.request(
            method, f"{self.control_url}{path}", json=body if method == "POST" else None, timeout=PATIENCE
        )
        assert answer.status_code == 200, answer.text
        result: dict[str, Any] = answer.json()
        return result

    def headers(self, name: str, method: str, path: str, *, timestamp_ms: int) -> dict[str, str]:
        """Access headers of a member for one request; path from the host root."""
        member = self.members[name]
        key = self._keys.get(name)
        if key is None:
            # Its own key, made a moment ago: nothing to validate, which takes 40 ms.
            loaded = serialization.load_pem_private_key(
                Path(member["private_key_path"]).read_bytes(), password=None, unsafe_skip_rsa_key_validation=True
            )
            assert isinstance(loaded, RSAPrivateKey)
            key = self._keys[name] = loaded
        signed = sign_headers(key, key_id=member["key_id"], timestamp_ms=timestamp_ms, method=method, path=path)
        return dict(signed)

    def stop(self, *, number: int = signal.SIGTERM, seconds: float = PATIENCE) -> int:
        """End it and return its exit code."""
        if self.process.poll() is None:
            self.process.send_signal(number)
        code = self.process.wait(seconds)
        if self.process.stdout:
            self.process.stdout.close()
        return code


Start = Callable[..., PaperProcess]


def paper_command(data: Path, *arguments: str) -> list[str]:
    return [sys.executable, "manage.py", "paper", "--data", str(data), *arguments]


def paper_environment(data: Path) -> dict[str, str]:
    """Nothing of the caller's desk; warnings are errors in the child, too."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("DESK_")}
    return environment | {
        "DESK_SECRET_KEY": "only-for-a-paper-exchange-in-a-test",
        "DESK_DATA": str(data / "desk"),
        "DJANGO_SETTINGS_MODULE": "kalshi_desk.settings.base",
        "PYTHONWARNINGS": "error",
    }


def start_paper(data: Path, *arguments: str, settings: str = "tests.support.paper_settings") -> PaperProcess:
    """Start the exchange on a free port (unless `--port` is among the arguments) and wait until it is ready.

    settings: without the desk's apps it starts in half the time; tests of the program itself give the desk's own.
    """
    if "--port" not in arguments:
        arguments = ("--port", "0", *arguments)
    data.mkdir(parents=True, exist_ok=True)
    process = subprocess.Popen(
        paper_command(data, *arguments),
        cwd=ROOT,
        env=paper_environment(data) | {"DJANGO_SETTINGS_MODULE": settings},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    line = _first_line(process)
    if not line.startswith("Paper exchange ready"):
        process.kill()
        rest = process.communicate()[0]
        raise AssertionError(f"the paper exchange did not start:\n{line}{rest}")
    announced = json.loads((data / "paper.json").read_text())
    return PaperProcess(
        process=process,
        data=data,
        rest_url=announced["rest_url"],
        ws_url=announced["ws_url"],
        control_url=announced["control_url"],
        members={member["name"]: member for member in announced["members"]},
        ready_line=line,
    )


def _first_line(process: subprocess.Popen[str]) -> str:
    lines: queue.Queue[str] = queue.Queue()
    stream = process.stdout
    assert stream is not None
    threading.Thread(target=lambda: lines.put(stream.readline()), daemon=True).start()
    try:
        return lines.get(timeout=START_SECONDS)
    except queue.Empty:
        process.kill()
        raise AssertionError(f"the paper exchange was not ready after {START_SECONDS} s") from None


@pytest.fixture
def paper_processes(tmp_path: Path) -> Iterator[Start]:
    """Start as many as the test wants; each gets its own directory unless `data` is given."""
    started: list[PaperProcess] = []

    def start(*arguments: str, data: Path | None = None) -> PaperProcess:
        running = start_paper(data or tmp_path / f"paper-{len(started)}", *arguments)
        started.append(running)
        return running

    yield start
    for running in started:
        try:
            running.stop()
        except subprocess.TimeoutExpired:
            running.process.kill()
            running.process.wait()


@pytest.fixture
def paper_process(paper_processes: Start) -> PaperProcess:
    """A real process without bots and with 12 markets."""
    return paper_processes("--no-bots", "--markets", "12")
