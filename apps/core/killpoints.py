"""Named places at which a test may end the process, to prove that nothing is lost or done twice there.

`reach(name)` does nothing unless a test asks for it: with a handler of its own (`handled_by`, in one
process), or with DESK_KILL_AT="name" or "name:3" in the environment, which kills the process with
SIGKILL the first or third time that it gets there. With DESK_KILL_FILE="file" the file names a place while the desk
runs: the first process that gets there takes the file away and dies. With DESK_TRACE_TO="file" each place is
written down with the time at which it was reached, which is how benchmarks see where an order's time goes.
Production settings refuse these variables.
"""

import os
import signal
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

VARIABLE = "DESK_KILL_AT"
FILE_VARIABLE = "DESK_KILL_FILE"
TRACE_VARIABLE = "DESK_TRACE_TO"

# Every place, in the order of the paths: submit, send, cancel, change, look up, reconcile. A test reaches each of them.
POINTS = (
    "submit.started",
    "submit.checked",
    "submit.stored",
    "submit.audited",
    "submit.committed",
    "submit.queued",
    "send.started",
    "send.claimed",
    "send.checked",
    "send.client_ready",
    "send.answered",
    "send.applied",
    "end.stored",
    "end.audited",
    "apply.stored",
    "apply.joined",
    "acknowledge.stored",
    "fills.stored",
    "cancel.stored",
    "cancel.claimed",
    "cancel.checked",
    "cancel.answered",
    "cancel.applied",
    "change.stored",
    "change.claimed",
    "change.checked",
    "change.noted",
    "amend.client_ready",
    "amend.answered",
    "amend.applied",
    "amend.look_started",
    "amend.look_dated",
    "amend.looked",
    "decrease.client_ready",
    "decrease.answered",
    "decrease.looked",
    "look.started",
    "look.dated",
    "look.scanned",
    "look.noted",
    "reconcile.started",
    "reconcile.dated",
    "reconcile.orders_read",
    "reconcile.fills_read",
    "reconcile.noted",
    "sweep.expired",
    "sweep.interrupted",
    "sweep.queued",
)
# From an accepted quote to its confirmation (docs/rfq.md): the gateway's half, then whoever confirms.
RFQ_POINTS = (
    "accept.heard",
    "accept.stored",
    "accept.committed",
    "accept.queued",
    "confirm.started",
    "confirm.leased",
    "confirm.ready",
    "confirm.noted",
    "confirm.answered",
    "confirm.applied",
)

# Of the history's pages (docs/history.md): asked for, stored in part, stored with their cursor.
HISTORY_POINTS = (
    "history.leased",
    "history.started",
    "history.page_read",
    "history.part_stored",
    "history.page_noted",
    "history.page_stored",
    "history.stage_ended",
    "history.finished",
)

# A backup and a restore (docs/runbook.md): snapshot taken, file written, in its place; verified, migrated, in place.
OPERATIONS_POINTS = (
    "backup.snapshot",
    "backup.written",
    "backup.placed",
    "restore.verified",
    "restore.prepared",
    "restore.files_placed",
    "restore.placed",
)

Handler = Callable[[str], None]


def _killer(wanted: str) -> Handler:
    """Return a handler that ends this process at the n-th time of one place. Raises ValueError."""
    name, _, count = wanted.partition(":")
    if name not in POINTS + RFQ_POINTS + HISTORY_POINTS + OPERATIONS_POINTS or not (count or "1").isdecimal():
        raise ValueError(f"{VARIABLE}={wanted!r} names no place to end at; apps/core/killpoints.py lists them")
    left = int(count or "1")

    def kill(reached: str) -> None:
        nonlocal left
        if reached == name:
            left -= 1
            if left == 0:
                os.kill(os.getpid(), signal.SIGKILL)

    return kill


def _file_killer(path: str) -> Handler:
    """Return a handler that ends this process at the place that a file names, once per file."""
    file = Path(path)

    def kill(reached: str) -> None:
        try:
            if file.read_text().strip() != reached:
                return
            file.unlink()  # of several processes only one succeeds
        except FileNotFoundError:
            return
        os.kill(os.getpid(), signal.SIGKILL)

    return kill


def _tracer(path: str) -> Handler:
    """Return a handler that appends "name, Unix ns, process" lines to a file; each is one write."""
    file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)

    def trace(reached: str) -> None:
        os.write(file, f"{reached} {time.time_ns()} {os.getpid()}\n".encode())

    return trace


def _handler_from(environment: Mapping[str, str]) -> Handler | None:
    if environment.get(VARIABLE):
        return _killer(environment[VARIABLE])
    if environment.get(FILE_VARIABLE):
        return _file_killer(environment[FILE_VARIABLE])
    return _tracer(environment[TRACE_VARIABLE]) if environment.get(TRACE_VARIABLE) else None


_handler: Handler | None = _handler_from(os.environ)


def reach(name: str) -> None:
    """Say that the process got to a place. Costs one comparison when no test listens."""
    if _handler is not None:
        _handler(name)


@contextmanager
def handled_by(handler: Handler) -> Iterator[None]:
    """Let a test decide at each place, in this process; it may raise to play the process's death."""
    global _handler
    previous, _handler = _handler, handler
    try:
        yield
    finally:
        _handler = previous
