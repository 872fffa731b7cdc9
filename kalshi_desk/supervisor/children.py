"""One child process: started, named, logged, ended with its parent. No Django here."""

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from kalshi_desk.supervisor.collector import settle
from kalshi_desk.supervisor.turns import Turns, take

_PR_SET_PDEATHSIG = 1
_PR_SET_NAME = 15


def die_with_parent(parent: int) -> None:
    """Ask the kernel to end this process when its parent dies, however it dies (Linux)."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        if os.getppid() != parent:  # it died before the call
            os._exit(1)


def _set_name(name: str) -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_NAME, f"desk-{name}".encode()[:15], 0, 0, 0)


@dataclass(slots=True)
class Child:
    """A process of the set and how to start it again.

    `start` runs in the forked child and does not return; `command` is executed instead where the
    program is not ours (redis).
    """

    name: str
    start: Callable[[], None] | None = None
    command: list[str] | None = None
    environment: dict[str, str] = field(default_factory=dict)
    turns: Turns = Turns.USUAL
    pid: int | None = None
    output: int | None = None  # our end of its stdout and stderr
    started_at: float = 0.0
    restarts: int = 0
    not_before: float = 0.0

    def launch(self) -> None:
        reader, writer = os.pipe()
        os.set_blocking(reader, False)
        parent = os.getpid()
        self.started_at = time.monotonic()
        pid = self._fork(parent, writer) if self.command is None else self._spawn(parent, writer)
        os.close(writer)
        self.pid, self.output = pid, reader

    def _spawn(self, parent: int, writer: int) -> int:
        assert self.command is not None
        process = subprocess.Popen(  # noqa: S603 - a fixed list, no shell
            self.command,
            stdin=subprocess.DEVNULL,
            stdout=writer,
            stderr=writer,
            start_new_session=True,
            preexec_fn=lambda: self._begin(parent),
        )
        process.returncode = 0  # the supervisor reaps it; Popen must not warn about it
        return process.pid

    def _fork(self, parent: int, writer: int) -> int:
        assert self.start is not None
        sys.stdout.flush()
        sys.stderr.flush()
        pid = os.fork()
        if pid:
            return pid
        code = 1
        try:
            os.setsid()  # Ctrl-C reaches the supervisor alone, which ends us in order
            self._begin(parent)
            _set_name(self.name)
            for number in (signal.SIGINT, signal.SIGTERM, signal.SIGCHLD, signal.SIGHUP):
                signal.signal(number, signal.SIG_DFL)
            signal.set_wakeup_fd(-1)
            devnull = os.open(os.devnull, os.O_RDONLY)
            os.dup2(devnull, 0)
            os.dup2(writer, 1)
            os.dup2(writer, 2)
            os.environ.update(self.environment)
            settle()
            self.start()
            code = 0
        except SystemExit as leaving:
            code = leaving.code if isinstance(leaving.code, int) else int(leaving.code is not None)
            if isinstance(leaving.code, str):
                print(leaving.code, file=sys.stderr)  # noqa: T201 - the child's log
        except KeyboardInterrupt:
            code = 0
        except BaseException:
            import traceback

            traceback.print_exc()
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(code)

    def _begin(self, parent: int) -> None:
        die_with_parent(parent)
        take(self.turns)

    def signal(self, number: int) -> None:
        if self.pid is not None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def ended(self) -> None:
        """Note the end and when it may start again: 0.5 s after the first, up to 10 s later."""
        now = time.monotonic()
        if now - self.started_at > 60:
            self.restarts = 0
        self.not_before = now + min(10.0, 0.5 * 2**self.restarts)
        self.restarts += 1
        self.pid = None
