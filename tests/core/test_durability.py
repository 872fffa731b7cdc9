"""What waits for the disk: by default each commit; never later than the claim of what leaves."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.db import DEFAULT_DB_ALIAS, connections, transaction
from django.db.utils import ConnectionHandler

from apps.core import durability
from kalshi_desk.sqlite.base import DatabaseWrapper

FULL, NORMAL = 2, 1


@pytest.fixture
def ledger(tmp_path: Path, django_db_blocker: Any) -> Iterator[DatabaseWrapper]:
    """A database file with the desk's own settings, in place of the tests' quick one."""
    options = {"init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL", "transaction_mode": "IMMEDIATE"}
    name = str(tmp_path / "ledger.sqlite3")
    made: Any = ConnectionHandler(
        {DEFAULT_DB_ALIAS: {"ENGINE": "kalshi_desk.sqlite", "NAME": name, "OPTIONS": options}}
    )[DEFAULT_DB_ALIAS]
    real = connections[DEFAULT_DB_ALIAS]
    connections[DEFAULT_DB_ALIAS] = made
    try:
        with django_db_blocker.unblock():
            with made.cursor() as cursor:
                cursor.execute("CREATE TABLE told (what TEXT)")
            yield made
            made.close()
    finally:
        connections[DEFAULT_DB_ALIAS] = real


def level(ledger: DatabaseWrapper) -> int:
    with ledger.cursor() as cursor:
        return int(cursor.execute("PRAGMA synchronous").fetchone()[0])


def test_within_it_no_commit_waits_and_afterwards_each_does(ledger: DatabaseWrapper) -> None:
    assert level(ledger) == FULL
    with durability.reaches_disk_later():
        assert durability.is_later()
        assert level(ledger) == NORMAL
        with durability.reaches_disk_later():
            assert level(ledger) == NORMAL
        assert durability.is_later()
        assert level(ledger) == NORMAL  # the inner one ends nothing
        with transaction.atomic(), ledger.cursor() as cursor:
            cursor.execute("INSERT INTO told VALUES ('now')")
    assert not durability.is_later()
    assert level(ledger) == FULL
    with ledger.cursor() as cursor:
        assert cursor.execute("SELECT what FROM told").fetchall() == [("now",)]


def test_whatever_happens_within_the_next_commit_waits(ledger: DatabaseWrapper) -> None:
    with pytest.raises(ValueError, match="broke"), durability.reaches_disk_later():
        raise ValueError("broke")
    assert not durability.is_later()
    assert level(ledger) == FULL
    with durability.reaches_disk_later():
        ledger.close()
    assert not durability.is_later()
    assert level(ledger) == FULL  # the connection that came after it


def test_a_transaction_that_began_outside_keeps_its_level(ledger: DatabaseWrapper) -> None:
    with transaction.atomic(), durability.reaches_disk_later():
        assert not durability.is_later()
        assert level(ledger) == FULL


def test_no_command_leaves_from_within(ledger: DatabaseWrapper) -> None:
    durability.writes_check()
    with durability.reaches_disk_later(), pytest.raises(RuntimeError, match="would not be on the disk"):
        durability.writes_check()


def test_a_flush_takes_the_log_of_every_process_to_the_disk(
    ledger: DatabaseWrapper, monkeypatch: pytest.MonkeyPatch
) -> None:
    flushed: list[str] = []

    def note(file: int) -> None:
        flushed.append(str(Path(f"/proc/self/fd/{file}").readlink()))

    monkeypatch.setattr(os, "fsync", note)
    with ledger.cursor() as cursor:
        cursor.execute("INSERT INTO told VALUES ('before')")
    durability.flush()
    assert flushed == [f"{ledger.settings_dict['NAME']}-wal"]
    ledger.close()  # the last one to close moves the log into the database, flushed, and removes it
    durability.flush()
    assert len(flushed) == 1


def test_a_claims_flush_goes_beside_and_only_where_commits_are_flushed(
    ledger: DatabaseWrapper, monkeypatch: pytest.MonkeyPatch
) -> None:
    flushed: list[str] = []
    monkeypatch.setattr(os, "fsync", lambda file: flushed.append(str(Path(f"/proc/self/fd/{file}").readlink())))
    with durability.reaches_disk_later(), ledger.cursor() as cursor:
        cursor.execute("INSERT INTO told VALUES ('claim')")

    durability.flush_begin().wait()

    assert flushed == [f"{ledger.settings_dict['NAME']}-wal"]
    with ledger.cursor() as cursor:
        cursor.execute("PRAGMA synchronous=OFF")
    assert durability.flush_begin().wait() == 0
    assert len(flushed) == 1
