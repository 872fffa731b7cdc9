"""One id for everything that one click set going, from the browser's message to the request at the exchange.

It is in every log line (kalshi_desk.logs) and travels with each queued task (apps.monitoring.tracing). It says nothing
about who or what: it is drawn anew for each request, message and scheduled task.
"""

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_current: ContextVar[str] = ContextVar("desk_trace", default="")


def trace_id() -> str:
    """Return the id of what runs here, "" outside of everything."""
    return _current.get()


@contextmanager
def tracing(given: str = "") -> Iterator[str]:
    """Run under an id: the given one (of whoever queued this), else a new one."""
    token = _current.set(given or secrets.token_hex(8))
    try:
        yield _current.get()
    finally:
        _current.reset(token)
