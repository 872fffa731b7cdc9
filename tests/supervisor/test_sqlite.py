"""The write lock is waited for by looking often, as long as the settings say, and only outside of a transaction."""

import math
import sqlite3
import threading
from pathlib import Path
from typing import Any

import pytest
from django.db import OperationalError, connection

from kalshi_desk.sqlite import base
from kalshi_desk.sqlite.base import DatabaseWrapper


@pytest.fixture
def wrapper(tmp_path: Path, django_db_blocker: Any) -> Any:
    settings = {
        **connection.settings_dict,
        "CONN_MAX_AGE": None,
        "CONN_HEALTH_CHECKS": False,
        "ENGINE": "kalshi_desk.sqlite",
        "NAME": str(tmp_path / "lock.sqlite3"),
        "OPTIONS": {"init_command": "PRAGMA journal_mode=WAL", "transaction_mode": "IMMEDIATE", "timeout": 20},
    }
    wrapper = DatabaseWrapper(settings, alias="lock")
    wrapper.inc_thread_sharing()
    with django_db_blocker.unblock():
        with wrapper.cursor() as cursor:
            cursor.execute("CREATE TABLE number (value INTEGER)")
            cursor.execute("INSERT INTO number VALUES (%s)", [1])
        yield wrapper
        wrapper.close()


@pytest.fixture
def holder(wrapper: DatabaseWrapper) -> Any:
    held = sqlite3.connect(wrapper.settings_dict["NAME"], isolation_level=None, check_same_thread=False)
    yield held
    held.close()


def test_a_statement_waits_until_the_lock_is_free(wrapper: Any, holder: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    holder.execute("BEGIN IMMEDIATE")
    looks = 0

    def look(seconds: float) -> None:
        nonlocal looks
        looks += 1
        if looks == 3:
            holder.execute("COMMIT")

    monkeypatch.setattr(base.time, "sleep", look)
    with wrapper.cursor() as cursor:
        cursor.execute("UPDATE number SET value = value + %s", [1])
        cursor.execute("SELECT value FROM number")
        assert cursor.fetchone() == (2,)
    assert looks == 3


def test_a_lock_that_stays_is_an_error_after_the_timeout(
    wrapper: Any, holder: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    holder.execute("BEGIN IMMEDIATE")
    slept: list[float] = []
    monkeypatch.setattr(base.time, "sleep", slept.append)
    # Adds up exactly, whatever this machine's clock says.
    monkeypatch.setattr(base.time, "monotonic", lambda: math.fsum(slept))

    with pytest.raises(OperationalError, match="locked"), wrapper.cursor() as cursor:
        cursor.execute("UPDATE number SET value = 0")

    assert 20 <= math.fsum(slept) < 20.01
    assert slept[0] == base.LOOK_EVERY


def test_within_a_transaction_it_does_not_wait(wrapper: Any, holder: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_wait(seconds: float) -> None:
        raise AssertionError("it waited")

    monkeypatch.setattr(base.time, "sleep", no_wait)
    with wrapper.cursor() as cursor:
        cursor.execute("BEGIN DEFERRED")
        cursor.execute("SELECT value FROM number")
        holder.execute("UPDATE number SET value = 7")
        # What was read is old by now: waiting could never help.
        with pytest.raises(OperationalError, match="locked"):
            cursor.execute("UPDATE number SET value = 8")
        cursor.execute("ROLLBACK")


def test_other_errors_are_not_tried_again(wrapper: Any) -> None:
    with pytest.raises(OperationalError, match="no such table"), wrapper.cursor() as cursor:
        cursor.execute("UPDATE nowhere SET value = 0")


def test_many_values_are_all_there_on_the_second_try(
    wrapper: Any, holder: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    holder.execute("BEGIN IMMEDIATE")
    monkeypatch.setattr(base.time, "sleep", lambda _: holder.execute("COMMIT"))
    with wrapper.cursor() as cursor:
        cursor.executemany("INSERT INTO number VALUES (%s)", ([value] for value in (2, 3)))
        cursor.execute("SELECT value FROM number ORDER BY value")
        assert cursor.fetchall() == [(1,), (2,), (3,)]


def test_eight_writers_at_once_lose_nothing(wrapper: Any) -> None:
    errors: list[BaseException] = []
    # On a slow disk one of them may wait for all the others.
    patient = {**wrapper.settings_dict, "OPTIONS": {**wrapper.settings_dict["OPTIONS"], "timeout": 300}}

    def write() -> None:
        own = DatabaseWrapper(patient, alias="lock")
        try:
            for _ in range(25):
                with own.cursor() as cursor:
                    cursor.execute("UPDATE number SET value = value + 1")
        except BaseException as exc:
            errors.append(exc)
        finally:
            own.close()

    threads = [threading.Thread(target=write) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert errors == []
    with wrapper.cursor() as cursor:
        cursor.execute("SELECT value FROM number")
        assert cursor.fetchone() == (201,)
