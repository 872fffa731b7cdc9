"""The restore drill of the runbook with a real desk: backed up while it trades, lost, put back, compared, opened."""

import sqlite3
import subprocess
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from apps.operations import sealed
from tests.support.desk import PATIENCE, eventually, running_desk
from tests.support.manage import manage as manage_py
from tests.support.trader import SocketTrader

pytestmark = [pytest.mark.long, pytest.mark.process, pytest.mark.xdist_group("desk-faults")]

OPTIONS = "--no-bots --markets 8"
LONG = 4 * PATIENCE
PRIVATE, PUBLIC = sealed.key_make()


def manage(data: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return manage_py(*arguments, within=LONG, DESK_DATA=str(data), DESK_BACKUP_TO=PUBLIC)


def rows(data: Path, query: str) -> list[tuple[Any, ...]]:
    with closing(sqlite3.connect(f"file:{data / 'desk.sqlite3'}?mode=ro", uri=True, timeout=60)) as read:
        return read.execute(query).fetchall()


def person(desk: Any, role: str) -> SocketTrader:
    login = desk.logins[role]
    found = SocketTrader(desk.url, login["username"], login["password"])
    found.open()
    return found


def place(trader: SocketTrader, ticker: str, count: int) -> dict[str, Any]:
    return trader.ask("order.place", within=LONG, params=trader.ticket(ticker, price="0.0200", count=count))


def acked(data: Path) -> int:
    return int(rows(data, "SELECT COUNT(*) FROM orders_order WHERE status = 'resting'")[0][0])


def test_the_drill(tmp_path: Path) -> None:
    data, to, key = tmp_path / "data", tmp_path / "backups", tmp_path / "key"
    key.write_text(PRIVATE)
    with running_desk(data, DESK_PAPER_OPTIONS=OPTIONS) as desk:
        port, paper_port = desk.port, urlsplit(desk.paper["rest_url"]).port
        ((ticker,),) = rows(data, "SELECT ticker FROM markets_market WHERE status = 'active' ORDER BY ticker LIMIT 1")
        trader = person(desk, "trader")
        assert "ok" in place(trader, ticker, 1)
        eventually(lambda: acked(data) == 1, within=LONG, what="the first order")
        made = manage(data, "backup", "--to", str(to))
        assert made.returncode == 0, made.stderr
        trader.close()
        trader.open()
        for count in (2, 3):
            assert "ok" in place(trader, ticker, count)
        eventually(lambda: acked(data) == 3, within=LONG, what="two orders after the backup")
        trader.close()
    (file,) = to.glob("*.kdb")
    verified = manage(data, "backup", "--verify", str(file), "--key", str(key))
    assert "Whole. Made" in verified.stdout, verified.stderr

    done = manage(data, "restore", str(file), "--key", str(key), "--replace", "--accept", "the drill")

    assert done.returncode == 0, done.stderr
    assert "Trading is closed" in done.stdout
    assert acked(data) == 1
    again = {"DESK_PAPER_OPTIONS": OPTIONS, "DESK_PAPER_PORT": str(paper_port)}
    with running_desk(data, port=port, **again) as desk:
        trader = person(desk, "trader")
        refused = place(trader, ticker, 4)
        assert refused["error"]["code"] == "paused", refused
        trader.close()
        eventually(
            lambda: rows(data, "SELECT 1 FROM operations_restoration WHERE reconciled_at IS NOT NULL"),
            within=2 * LONG,
            what="the comparison with the exchange",
        )
        # Ours of after the backup: the database that knew their intents is gone, so they are there as others' are.
        assert acked(data) == 3
        assert rows(data, "SELECT COUNT(*) FROM orders_order WHERE intent_id IS NULL") == [(2,)]
        ((pause,),) = rows(data, "SELECT pause_id FROM operations_restoration")
        lead = person(desk, "lead")
        assert "ok" in lead.ask("trading.resume", within=LONG, params={"pause_id": pause})
        lead.close()
        trader.open()
        assert "ok" in place(trader, ticker, 5)
        eventually(lambda: acked(data) == 4, within=LONG, what="an order of the restored desk")
        trader.close()
    trail = manage(data, "audit_verify")
    assert trail.returncode == 0, trail.stdout + trail.stderr
