"""I14 with real processes: the whole desk is dead, its database is gone, and the kill switch still cancels."""

import os
import signal
import subprocess
from contextlib import suppress
from pathlib import Path

import httpx
import pytest

from tests.support.desk import PATIENCE, RunningDesk, eventually, start_desk
from tests.support.manage import manage
from tests.support.trader import SocketTrader

pytestmark = [pytest.mark.long, pytest.mark.process, pytest.mark.xdist_group("faults-processes")]


def kill(desk: RunningDesk, *arguments: str) -> subprocess.CompletedProcess[str]:
    variables = {"DESK_DATA": str(desk.data), "DESK_PAPER_PORT": desk.paper["rest_url"].rsplit(":", 1)[1]}
    return manage("kill", "--why", "all is down", *arguments, within=10 * PATIENCE, **variables)


def resting(desk: RunningDesk) -> int:
    truth = httpx.get(f"{desk.paper['control_url']}/truth", timeout=PATIENCE).json()
    orders = [order for member in truth["members"].values() for order in member["orders"]]
    return sum(1 for order in orders if order["status"] == "resting")


def test_i14_nothing_but_two_files_and_the_exchange(tmp_path: Path) -> None:
    desk = start_desk(tmp_path / "data", DESK_PAPER_OPTIONS="--no-bots")
    try:
        login = desk.logins["trader"]
        trader = SocketTrader(desk.url, login["username"], login["password"])
        trader.open()
        with httpx.Client(base_url=f"{desk.paper['rest_url']}/trade-api/v2", timeout=PATIENCE) as public:
            ticker = public.get("/markets", params={"status": "open", "limit": 1}).json()["markets"][0]["ticker"]
        for count in range(1, 6):
            assert "ok" in trader.ask("order.place", params=trader.ticket(ticker, price="0.0200", count=count))
        eventually(lambda: resting(desk) == 5, what="five resting orders")
        eventually((desk.data / "run" / "emergency-keys.json").exists, what="the file of sealed keys")
        trader.close()
        # The supervisor would start them again.
        desk.process.send_signal(signal.SIGSTOP)
        for name, pid in desk.children().items():
            if name != "paper":
                os.kill(pid, signal.SIGKILL)
        (desk.data / "desk.sqlite3").rename(desk.data / "gone.sqlite3")

        done = kill(desk)

        assert done.returncode == 0, done.stdout + done.stderr
        assert "No database" in done.stderr
        assert "Nothing is left at the exchange." in done.stdout
        assert resting(desk) == 0
        assert (desk.data / "run" / "killed.json").exists()
    finally:
        with suppress(ProcessLookupError):
            desk.process.send_signal(signal.SIGCONT)
        desk.stop(signal.SIGTERM)
