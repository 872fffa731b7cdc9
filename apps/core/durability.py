"""Which commits wait for the disk.

The desk's default is that each does: synchronous=FULL, one flush of SQLite's log for each commit, 4 ms of a common
disk, and all that time the one write lock is held. What must be on the disk is what stands behind a byte that leaves:
the intent, its audit row and the claim. The log is one file written in order, so the flush of the claim carries all
that was committed before it, by whatever process. See docs/adr/0010-what-waits-for-the-disk.md.

A claim may have its flush made beside its checks (`flush_begin`): what counts is that `Flushing.wait` came back
before the first byte leaves.

A commit under `reaches_disk_later` survives the death of any process, as each does. A power cut may take the last
of them, and nothing that a flushed commit came after.
"""

import os
import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from typing import Final

from django.db import DEFAULT_DB_ALIAS, connections

FULL: Final = 2  # what PRAGMA synchronous answers
_state = threading.local()
_flushers = ThreadPoolExecutor(4, thread_name_prefix="flush")  # as many as orders leave at once


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
    _log_flush(f"{connection.settings_dict['NAME']}-wal")


class Flushing:
    """A flush on its way; done: None where none is needed."""

    def __init__(self, done: "Future[None] | None" = None) -> None:
        self._done = done

    def wait(self) -> float:
        """Come back when it is on the disk; returns the seconds that this took. Raises OSError: it is not."""
        if self._done is None:
            return 0.0
        began = time.monotonic()
        self._done.result()
        return time.monotonic() - began


def flush_begin() -> Flushing:
    """Begin to flush everything committed so far, in a thread of its own.

    Only where the settings flush each commit: elsewhere they mean to flush none, or the server does.
    """
    connection = connections[DEFAULT_DB_ALIAS]
    if connection.vendor != "sqlite":
        return Flushing()
    connection.ensure_connection()
    if connection.connection.execute("PRAGMA synchronous").fetchone()[0] != FULL:
        return Flushing()
    return Flushing(_flushers.submit(_log_flush, f"{connection.settings_dict['NAME']}-wal"))


def _log_flush(name: str) -> None:
    # Without a log everything has been moved into the database, which is flushed before its log goes.
    with suppress(FileNotFoundError):
        log = os.open(name, os.O_RDWR)
        try:
            os.fsync(log)
        finally:
            os.close(log)
