"""Named places at which a test may end the process, to prove that nothing is lost or done twice there.

`reach(name)` does nothing unless a test asks for it: with a handler of its own (`handled_by`, in one
process), or with DESK_KILL_AT="name" or "name:3" in the environment, which kills the process with
SIGKILL the first or third time that it gets there. Production settings refuse that variable.
"""

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager

VARIABLE = "DESK_KILL_AT"

# Every place, in the order of the paths: submit, send, cancel, change, look up, reconcile. A test reaches each of them.
POINTS = (
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

Handler = Callable[[str], None]


def _killer(wanted: str) -> Handler:
    """Return a handler that ends this process at the n-th time of one place. Raises ValueError."""
    name, _, count = wanted.partition(":")
    if name not in POINTS or not (count or "1").isdecimal():
        raise ValueError(f"{VARIABLE}={wanted!r} names no place to end at; apps/core/killpoints.py lists them")
    left = int(count or "1")

    def kill(reached: str) -> None:
        nonlocal left
        if reached == name:
            left -= 1
            if left == 0:
                os.kill(os.getpid(), signal.SIGKILL)

    return kill


_handler: Handler | None = _killer(os.environ[VARIABLE]) if os.environ.get(VARIABLE) else None


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
