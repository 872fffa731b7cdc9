"""The supervisor's loop: start in order, restart what dies, stop in order."""

import contextlib
import http.client
import os
import selectors
import signal
import sys
import time
from collections.abc import Callable
from types import FrameType

from kalshi_desk.supervisor import programs
from kalshi_desk.supervisor.children import Child
from kalshi_desk.supervisor.log import Log
from kalshi_desk.supervisor.place import Place

START_LIMIT_S = 90.0
STOP_LIMIT_S = 10.0


class Supervisor:
    def __init__(self, place: Place, log: Log) -> None:
        self.place = place
        self.log = log
        self._children: list[Child] = []
        self._selector = selectors.DefaultSelector()
        self._is_stopping = False
        self._began = time.monotonic()
        # Signals wake the selector at once instead of at its next turn.
        self._wake_reader, self._wake_writer = os.pipe()
        for end in (self._wake_reader, self._wake_writer):
            os.set_blocking(end, False)
        self._selector.register(self._wake_reader, selectors.EVENT_READ, None)
        signal.set_wakeup_fd(self._wake_writer)
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, self._ask_to_stop)
        signal.signal(signal.SIGCHLD, lambda *_: None)

    def _ask_to_stop(self, number: int, frame: FrameType | None) -> None:
        self._is_stopping = True

    def start_services(self) -> None:
        """Start what needs no Django: redis, unless REDIS_URL names another one."""
        if os.environ["REDIS_URL"] == f"unix://{self.place.redis_socket}":
            self._launch(programs.redis(self.place))

    def run(self) -> int:
        """Run until a signal; return the exit code."""
        try:
            self._launch(programs.paper(self.place))
            if not self._set_up():
                return 0 if self._is_stopping else 1
            for child in programs.desk(self.place):
                self._launch(child)
            if not self._wait(self._is_ready, START_LIMIT_S, "the desk did not become ready"):
                return 0 if self._is_stopping else 1
            self._announce()
            while not self._is_stopping:
                self._turn(1.0)
            return 0
        finally:
            self.stop()

    def _set_up(self) -> bool:
        child = programs.setup()
        self._launch(child)
        return self._wait(lambda: child.pid is None, 300.0, "set-up did not finish") and child.restarts == 0

    def _launch(self, child: Child) -> None:
        if child not in self._children:
            self._children.append(child)
        child.launch()
        assert child.output is not None
        self._selector.register(child.output, selectors.EVENT_READ, child)

    def _turn(self, limit: float) -> None:
        """Move output, reap the dead, restart those whose time has come."""
        for key, _ in self._selector.select(limit):
            child: Child | None = key.data
            if child is None:
                with contextlib.suppress(BlockingIOError):
                    os.read(self._wake_reader, 4096)
            else:
                self._read(child)
        self._reap()
        if not self._is_stopping:
            now = time.monotonic()
            for child in self._children:
                if child.pid is None and child.name != "setup" and now >= child.not_before:
                    self.log.line("desk", f"starting {child.name} again")
                    self._launch(child)

    def _read(self, child: Child) -> None:
        assert child.output is not None
        try:
            data = os.read(child.output, 65_536)
        except BlockingIOError:
            return
        if data:
            self.log.feed(child.name, data)
            return
        self._selector.unregister(child.output)
        os.close(child.output)
        child.output = None
        self.log.close(child.name)

    def _reap(self) -> None:
        for child in self._children:
            if child.pid is None:
                continue
            pid, status = os.waitpid(child.pid, os.WNOHANG)
            if not pid:
                continue
            if child.output is not None:
                self._read(child)
            code = os.waitstatus_to_exitcode(status)
            failed = code != 0
            child.ended()
            if child.name == "setup":
                child.restarts = int(failed)
            elif not self._is_stopping:
                how = f"signal {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"
                wait = max(0.0, child.not_before - time.monotonic())
                self.log.line("desk", f"{child.name} ended ({how}); it starts again in {wait:.1f} s")

    def _wait(self, is_done: Callable[[], bool], limit: float, problem: str) -> bool:
        end = time.monotonic() + limit
        while not self._is_stopping:
            if is_done():
                return True
            if time.monotonic() > end:
                self.log.line("desk", f"{problem} within {limit:.0f} s; the lines above say why")
                return False
            self._turn(0.05)
        return False

    def _is_ready(self) -> bool:
        """Pages answer, the workers listen, and the gateway has its feed or says why not."""
        if any(child.pid is None for child in self._children if child.name != "setup"):
            return False
        connection = http.client.HTTPConnection("127.0.0.1", self.place.port, timeout=2)
        try:
            connection.request("GET", "/healthz")
            return connection.getresponse().status == 200
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()

    def _announce(self) -> None:
        logins = self.place.data / "demo-logins.json"
        took = time.monotonic() - self._began
        self.log.line("desk", f"Desk ready: {self.place.url}   (after {took:.1f} s)")
        if logins.exists():
            self.log.line("desk", f"Demo logins, one per role: {logins}")
        self.log.line("desk", "Ctrl-C stops everything.")

    def stop(self) -> None:
        """End every child: SIGTERM to all but redis, redis last, SIGKILL after 10 s."""
        self._is_stopping = True
        first = [child for child in self._children if child.name != "redis"]
        then = [child for child in self._children if child.name == "redis"]
        for group, limit in ((first, STOP_LIMIT_S), (then, 2.0)):
            for child in group:
                child.signal(signal.SIGTERM)
            end = time.monotonic() + limit
            while any(child.pid for child in group) and time.monotonic() < end:
                self._turn(0.05)
            for child in group:
                if child.pid is not None:
                    self.log.line("desk", f"{child.name} did not end in {limit:.0f} s and was killed")
                    child.signal(signal.SIGKILL)
                    with contextlib.suppress(ChildProcessError):
                        os.waitpid(child.pid, 0)
                    child.pid = None
        self.place.redis_socket.unlink(missing_ok=True)
        self.log.line("desk", "stopped")
        sys.stdout.flush()
