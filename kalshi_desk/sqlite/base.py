"""Django's SQLite with another way to wait for the write lock.

SQLite's own wait sleeps 1, 2, 5, 10, 15, 20, 25, 25, 25, 50, 50, 100, 100 ... ms between two looks, whoever holds the
lock and however briefly. Half a dozen processes write here, most for 2-10 ms: an order that came second slept on while
the lock was free, and one that came fifth was overtaken by everybody who had just arrived. Here each waiter looks every
half millisecond, so the lock is taken again as soon as it is free and nobody is put back for having waited.
"""

import sqlite3
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from django.db.backends.sqlite3 import base
from django.db.backends.sqlite3.base import SQLiteCursorWrapper

LOOK_EVERY = 0.0005  # seconds
LOOK_LESS_AFTER = 0.05
LOOK_LESS_EVERY = 0.002
DEFAULT_TIMEOUT = 5.0  # sqlite3's own


class PatientCursor(SQLiteCursorWrapper):
    """Tries again what found the database locked. Outside of a transaction such a statement has done nothing."""

    timeout = DEFAULT_TIMEOUT

    def execute(self, query: str, params: Any = None) -> Any:
        return self._until_free(super().execute, query, params)

    def executemany(self, query: str, param_list: Any) -> Any:
        # Kept, since a second try needs them again.
        return self._until_free(super().executemany, query, list(param_list))

    def _until_free(self, run: Callable[..., Any], *arguments: Sequence[Any] | Mapping[str, Any] | str | None) -> Any:
        began: float | None = None
        while True:
            try:
                return run(*arguments)
            except sqlite3.OperationalError as exc:
                # Within a transaction another look cannot help: what was read may be old by now.
                if exc.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or self.connection.in_transaction:
                    raise
                now = time.monotonic()
                began = now if began is None else began
                if now - began >= self.timeout:
                    raise
                time.sleep(LOOK_EVERY if now - began < LOOK_LESS_AFTER else LOOK_LESS_EVERY)


class DatabaseWrapper(base.DatabaseWrapper):
    """OPTIONS["timeout"], seconds, says how long a statement waits for the lock, as in Django."""

    def get_new_connection(self, conn_params: dict[str, Any]) -> sqlite3.Connection:
        connection: sqlite3.Connection = super().get_new_connection(conn_params)
        connection.execute("PRAGMA busy_timeout = 0")
        return connection

    def create_cursor(self, name: str | None = None) -> PatientCursor:
        cursor: PatientCursor = self.connection.cursor(factory=PatientCursor)
        cursor.timeout = float(self.settings_dict["OPTIONS"].get("timeout", DEFAULT_TIMEOUT))
        return cursor
