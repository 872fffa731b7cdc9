"""Which commits wait for the disk.

The desk's default is that each does: synchronous=FULL, one flush of SQLite's log for each commit, 4 ms of a common
disk, and all that time the one write lock is held. What must be on the disk is what stands behind a byte that leaves:
the intent, its audit row and the claim. The log is one file written in order, so the flush of the claim carries all
that was committed before it, by whatever process. See docs/adr/0010-what-waits-for-the-disk.md.

A commit under `reaches_disk_later` survives the death of any process, as each does. A power cut may take the last
of them, and nothing that a flushed commit came after.
"""

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Final

from django.db import DEFAULT_DB_ALIAS, connections

FULL: Final = 2  # what PRAGMA synchronous answers
_state = threading.local()


@contextmanager
def reaches_disk_later() -> Iterator[None]:
    """Commit without waiting for the disk, in this thread; also a decorator.

    For facts that somebody else tells again (the exchange, the next sweep), and for intents, whose claim flushes them.
    Never around a claim: `writes_check` refuses to send a command from within. Changes nothing within a transaction
    that began outside, with a database server, or where the settings do not flush anyway.
    """
    connection = connections[DEFAULT_DB_ALIAS]
    if connection.vendor != "sqlite" or connection.in_atomic_block or is_later():
        yield
        return
    connection.ensure_connection()
    raw = connection.connection
    if raw.execute("PRAGMA synchronous").fetchone()[0] == FULL:
        raw.execute("PRAGMA synchronous=NORMAL")
    else:
        raw = None
    _state.is_later = True
    try:
        yield
    finally:
        _state.is_later = False
        if raw is not None and connection.connection is raw:  # a new connection begins with the settings' own level
            raw.execute("PRAGMA synchronous=FULL")


def is_later() -> bool:
    """Whether this thread's commits do not wait for the disk."""
    return getattr(_state, "is_later", False)


def writes_check() -> None:
    """Called before a command leaves. Raises RuntimeError where what stands behind it may not be on the disk."""
    if is_later():
        raise RuntimeError("a command is sent from within reaches_disk_later(): its claim would not be on the disk")


def flush() -> None:
    """Wait until everything committed so far, by any process, is on the disk. For what notes it elsewhere."""
    connection = connections[DEFAULT_DB_ALIAS]
    if connection.vendor != "sqlite":
        return  # a server's commits wait, or are its administrator's choice
    # Without a log everything has been moved into the database, which is flushed before its log goes.
    with suppress(FileNotFoundError):
        log = os.open(f"{connection.settings_dict['NAME']}-wal", os.O_RDWR)
        try:
            os.fsync(log)
        finally:
            os.close(log)
