"""What the FIX side remembers over restarts: sequence numbers and messages of RT and PT, execution reports, names.

One SQLite file beside the exchange's state (or in memory). Every row is there before the bytes that tell of it go out,
so that a kill loses nothing that a member has seen; what a power cut takes from the end is made up at the next start
from the exchange's own state (see `Tape.catch_up`).
"""

import sqlite3
from collections.abc import Iterable, Iterator
from pathlib import Path

import msgspec

from apps.paper.fix.reports import Known, Report

_SCHEMA = """
CREATE TABLE IF NOT EXISTS facts (name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS sessions (
    id TEXT PRIMARY KEY, next_in INTEGER NOT NULL, next_out INTEGER NOT NULL, pruned INTEGER NOT NULL,
    flags TEXT NOT NULL
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS messages (
    session TEXT NOT NULL, seq INTEGER NOT NULL, ms INTEGER NOT NULL, type TEXT NOT NULL, body TEXT NOT NULL,
    PRIMARY KEY (session, seq)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS reports (
    batch INTEGER NOT NULL, place INTEGER NOT NULL, ms INTEGER NOT NULL, user TEXT NOT NULL, data BLOB NOT NULL,
    PRIMARY KEY (batch, place)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS reports_of_user ON reports (user, batch, place);
CREATE TABLE IF NOT EXISTS orders (id TEXT PRIMARY KEY, over INTEGER NOT NULL, data BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS names (kind TEXT NOT NULL, name TEXT NOT NULL, ms INTEGER NOT NULL, data TEXT NOT NULL,
    PRIMARY KEY (kind, name)) WITHOUT ROWID;
"""

ExecId = tuple[int, int]


class Store:
    """Every method is one transaction. Raises sqlite3.Error when the disk fails."""

    def __init__(self, path: Path | None = None) -> None:
        self._db = sqlite3.connect(":memory:" if path is None else path, isolation_level=None)
        self._db.execute("PRAGMA journal_mode=WAL")
        self._db.execute("PRAGMA synchronous=NORMAL")
        self._db.executescript(_SCHEMA)
        self._encode = msgspec.json.Encoder().encode
        self._report = msgspec.json.Decoder(Report)
        self._known = msgspec.json.Decoder(Known)

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    # --- facts: whole numbers by name ------------------------------------------------------------
    def fact(self, name: str) -> int | None:
        """A number; None when it was never set."""
        row = self._db.execute("SELECT value FROM facts WHERE name=?", (name,)).fetchone()
        return None if row is None else int(row[0])

    def set_fact(self, name: str, value: int) -> None:
        """Set a number."""
        self._db.execute("INSERT OR REPLACE INTO facts VALUES (?,?)", (name, value))

    # --- sessions with retransmission ------------------------------------------------------------
    def sessions(self) -> Iterator[tuple[str, int, int, int, dict[str, str]]]:
        """(id, next_in, next_out, highest sequence number that is stored no more, logon flags) of each."""
        for name, next_in, next_out, pruned, flags in self._db.execute("SELECT * FROM sessions").fetchall():
            yield name, next_in, next_out, pruned, msgspec.json.decode(flags, type=dict[str, str])

    def save_session(self, name: str, *, next_in: int, next_out: int, pruned: int, flags: dict[str, str]) -> None:
        """Keep a session's numbers and flags."""
        row = (name, next_in, next_out, pruned, self._encode(flags).decode())
        self._db.execute("INSERT OR REPLACE INTO sessions VALUES (?,?,?,?,?)", row)

    def save_next_in(self, name: str, next_in: int) -> None:
        """Keep the next expected number."""
        self._db.execute("UPDATE sessions SET next_in=? WHERE id=?", (next_in, name))

    def save_sent(self, name: str, seq: int, *, ms: int, msg_type: str, body: list[tuple[int, str]] | None) -> None:
        """Keep a sent message (None: one that is not sent again) and the number after it."""
        self._db.execute("BEGIN")
        try:
            if body is not None:
                row = (name, seq, ms, msg_type, self._encode(body).decode())
                self._db.execute("INSERT OR REPLACE INTO messages VALUES (?,?,?,?,?)", row)
            self._db.execute("UPDATE sessions SET next_out=? WHERE id=?", (seq + 1, name))
        finally:
            self._db.execute("COMMIT")

    def sent(self, name: str, begin: int, end: int) -> list[tuple[int, int, str, list[tuple[int, str]]]]:
        """(number, ms, type, body) of the kept messages with these numbers, both ends inside."""
        rows = self._db.execute(
            "SELECT seq, ms, type, body FROM messages WHERE session=? AND seq BETWEEN ? AND ? ORDER BY seq",
            (name, begin, end),
        ).fetchall()
        return [(seq, ms, kind, msgspec.json.decode(body, type=list[tuple[int, str]])) for seq, ms, kind, body in rows]

    def forget_sent(self, name: str, *, before_ms: int) -> int:
        """Drop messages sent before an instant; return the highest number dropped, 0 for none."""
        which = (name, before_ms)
        row = self._db.execute("SELECT MAX(seq) FROM messages WHERE session=? AND ms<?", which).fetchone()
        if row[0] is None:
            return 0
        self._db.execute("DELETE FROM messages WHERE session=? AND ms<?", which)
        return int(row[0])

    def drop_sent(self, name: str) -> None:
        """Drop all messages of a session: its numbers begin again."""
        self._db.execute("DELETE FROM messages WHERE session=?", (name,))

    # --- execution reports -----------------------------------------------------------------------
    def add_report(self, report: Report, known: Known, *, fill: int | None = None) -> None:
        """Keep a report, what its order looks like after it, and the number of the fill that it tells of."""
        self._db.execute("BEGIN")
        try:
            row = (report.batch, report.place, report.ms, report.user_id, self._encode(report))
            self._db.execute("INSERT INTO reports VALUES (?,?,?,?,?)", row)
            self._save_known(known)
            if fill is not None:
                self.set_fact("fill", fill)
        finally:
            self._db.execute("COMMIT")

    def add_known(self, orders: Iterable[Known]) -> None:
        """Keep what orders look like, without a report."""
        self._db.execute("BEGIN")
        try:
            for known in orders:
                self._save_known(known)
        finally:
            self._db.execute("COMMIT")

    def _save_known(self, known: Known) -> None:
        row = (known.order_id, known.over, self._encode(known))
        self._db.execute("INSERT OR REPLACE INTO orders VALUES (?,?,?)", row)

    def known(self) -> Iterator[Known]:
        """What all orders looked like when they were last reported."""
        for (data,) in self._db.execute("SELECT data FROM orders").fetchall():
            yield self._known.decode(data)

    def reports(self, user_id: str, begin: ExecId, end: ExecId) -> list[Report]:
        """A member's reports in a range, both ends inside, oldest first."""
        rows = self._db.execute(
            "SELECT data FROM reports WHERE user=? AND (batch,place)>=(?,?) AND (batch,place)<=(?,?) "
            "ORDER BY batch, place",
            (user_id, *begin, *end),
        ).fetchall()
        return [self._report.decode(data) for (data,) in rows]

    def latest_report(self, user_id: str | None = None) -> ExecId | None:
        """The newest ExecID (of a member)."""
        if user_id is None:
            cursor = self._db.execute("SELECT batch, place FROM reports ORDER BY batch DESC, place DESC LIMIT 1")
        else:
            cursor = self._db.execute(
                "SELECT batch, place FROM reports WHERE user=? ORDER BY batch DESC, place DESC LIMIT 1", (user_id,)
            )
        row = cursor.fetchone()
        return None if row is None else (row[0], row[1])

    def latest_before(self, ms: int) -> ExecId | None:
        """The newest ExecID of before an instant, of anybody."""
        row = self._db.execute(
            "SELECT batch, place FROM reports WHERE ms<? ORDER BY batch DESC, place DESC LIMIT 1", (ms,)
        ).fetchone()
        return None if row is None else (row[0], row[1])

    def forget_reports(self, *, before_ms: int) -> None:
        """Drop old reports, and orders that are over since. The newest stays, so that its id is not given again."""
        latest = self.latest_report()
        if latest is not None:
            self._db.execute("DELETE FROM reports WHERE ms<? AND (batch,place)<(?,?)", (before_ms, *latest))
        self._db.execute("DELETE FROM orders WHERE over<>0 AND over<?", (before_ms,))
        self._db.execute("DELETE FROM names WHERE ms<?", (before_ms,))

    # --- names: ids that members gave ------------------------------------------------------------
    def name(self, kind: str, name: str) -> list[str] | None:
        """What was kept under a name."""
        row = self._db.execute("SELECT data FROM names WHERE kind=? AND name=?", (kind, name)).fetchone()
        return None if row is None else msgspec.json.decode(row[0], type=list[str])

    def set_name(self, kind: str, name: str, *, ms: int, data: list[str]) -> None:
        """Keep something under a name."""
        row = (kind, name, ms, self._encode(data).decode())
        self._db.execute("INSERT OR REPLACE INTO names VALUES (?,?,?,?)", row)
