"""The archive as a file beside the state: a start finds it, makes a past day once, and puts a left-over one aside."""

import stat
import sys
import threading
from pathlib import Path

import pytest

from apps.paper.engine.archive import FILLS, Archive
from apps.paper.keeping import KeepError
from apps.paper.server.members import TRADER_1
from apps.paper.server.run import ARCHIVE_FILE, Built, Options, build

NOW_MS = 1_790_000_000_000


def start(folder: Path, **over: object) -> Built:
    options: dict[str, object] = {"data": folder, "markets": 0, "manual_clock_ms": NOW_MS}
    return build(Options(**(options | over)))  # type: ignore[arg-type]


def stop(built: Built) -> None:
    built.keeper.close()
    built.paper.exchange.archive.close()


def test_a_past_day_is_made_at_the_first_start_and_is_there_at_the_next(tmp_path: Path) -> None:
    built = start(tmp_path, history_fills=200, history_subaccounts=3)
    fills = built.paper.exchange.historical_fills(TRADER_1.user_id, limit=300)
    stop(built)

    again = start(tmp_path, history_fills=200, history_subaccounts=3)
    exchange = again.paper.exchange
    stop(again)

    assert stat.S_IMODE((tmp_path / ARCHIVE_FILE).stat().st_mode) == 0o600
    assert len(fills) == 200
    assert {fill.subaccount for fill in fills} == {0, 1, 2}
    assert exchange.historical_fills(TRADER_1.user_id, limit=300) == fills
    exchange.archive.close()


def test_cutoffs_do_not_go_back_with_a_longer_age(tmp_path: Path) -> None:
    young = start(tmp_path, history_age_seconds=86_400)
    cutoffs = young.paper.exchange.cutoffs
    stop(young)

    old = start(tmp_path)
    stop(old)

    assert old.paper.exchange.cutoffs == cutoffs
    assert cutoffs.trades_created_ms > NOW_MS - 3 * 86_400_000


def test_an_archive_without_its_state_is_put_aside(tmp_path: Path) -> None:
    built = start(tmp_path, history_fills=20)
    stop(built)
    for path in (tmp_path / "state.json", *tmp_path.glob("journal-*.jsonl")):
        path.unlink()

    afresh = start(tmp_path)
    count = afresh.paper.exchange.archive.count(FILLS, owner=TRADER_1.user_id)
    stop(afresh)

    assert count == 0
    assert (tmp_path / "archive.before.sqlite3").exists()


def test_a_damaged_archive_and_a_day_that_cannot_be_are_refused_in_words(tmp_path: Path) -> None:
    with pytest.raises(KeepError, match="multiple of 10"):
        start(tmp_path / "odd", history_fills=15)
    stop(start(tmp_path))
    (tmp_path / ARCHIVE_FILE).write_bytes(b"this is no database, and long enough not to be taken for an empty one" * 99)

    with pytest.raises(KeepError, match=r"archive\.sqlite3 cannot be used"):
        start(tmp_path)


def test_an_archive_that_is_dropped_in_another_thread_closes_quietly(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[object] = []
    monkeypatch.setattr(sys, "unraisablehook", said.append)
    kept: list[Archive] = []

    def work() -> None:
        archive = Archive(tmp_path / ARCHIVE_FILE)
        archive.patience_ms(1)
        kept.append(archive)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    kept.clear()

    assert said == []
