"""How long the kill switch takes: from the pull to nothing of the desk at the exchange (RELIABILITY I14: 2 s).

    .venv/bin/python -m benchmarks.kill [--orders 20] [--rounds 5]

Real parts: the embedded set as `make run` starts it (no bots), a trader at the socket, `manage.py kill`. Three ways:
the button with everything up; the button with Redis frozen, so the gateway alone makes the passes; the command with
every process of the desk dead, which includes the start of Python and Django. The clock stops when the exchange's own
books show nothing resting, looked at each 10 ms from outside; that look is part of the figure.
"""

import argparse
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from tests.support.desk import RunningDesk, eventually, start_desk  # noqa: E402 - after the path is set
from tests.support.trader import SocketTrader  # noqa: E402

LOOK_EVERY = 0.01
LIMIT = 600.0


class Pulls:
    def __init__(self, desk: RunningDesk, orders: int) -> None:
        self.desk = desk
        self.orders = orders
        self._http = httpx.Client(timeout=60)
        login = desk.logins["trader"]
        self.trader = SocketTrader(desk.url, login["username"], login["password"])
        self.trader.open()
        listed = self._http.get(
            f"{desk.paper['rest_url']}/trade-api/v2/markets", params={"status": "open", "limit": 1}
        ).json()
        self._ticker = listed["markets"][0]["ticker"]

    def resting(self) -> int:
        truth: dict[str, Any] = self._http.get(f"{self.desk.paper['control_url']}/truth").json()
        orders = [order for member in truth["members"].values() for order in member["orders"]]
        return sum(1 for order in orders if order["status"] == "resting")

    def fill(self) -> None:
        """Let this many orders rest."""
        for number in range(self.orders):
            ticket = self.trader.ticket(self._ticker, price="0.0200", count=1 + number % 5)
            answer = self.trader.ask("order.place", params=ticket)
            if "error" in answer:
                raise SystemExit(f"an order was refused: {answer['error']}")
        eventually(lambda: self.resting() >= self.orders, within=LIMIT, what="resting orders")

    def timed(self, pull: Callable[[], object]) -> float:
        """Seconds from the pull until the exchange shows nothing."""
        began = time.perf_counter()
        pull()
        while self.resting():
            if time.perf_counter() - began > LIMIT:
                raise SystemExit("something still rests")
            time.sleep(LOOK_EVERY)
        return time.perf_counter() - began

    def button(self) -> float:
        return self.timed(lambda: self.trader.send("kill.pull", params={"why": "benchmark"}))

    def release(self) -> None:
        """As a lead does; waits until the passes have found it clean."""

        def is_released() -> bool:
            return self._manage("release", "--desk", "northlake", "--by", "lead", "--why", "benchmark").returncode == 0

        eventually(is_released, within=LIMIT, what="the release")

    def command(self) -> float:
        return self.timed(lambda: self._manage("kill", "--why", "benchmark", "--no-database"))

    def _manage(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("DESK_", "DJANGO_"))}
        kept |= {"DESK_DATA": str(self.desk.data), "DESK_PAPER_PORT": self.desk.paper["rest_url"].rsplit(":", 1)[1]}
        return subprocess.run(
            [sys.executable, "manage.py", *arguments], cwd=ROOT, env=kept, capture_output=True, text=True, check=False
        )


def told(what: str, took: list[float]) -> None:
    if not took:
        return
    each = ", ".join(f"{one:.2f}" for one in took)
    print(f"{what}: median {statistics.median(took):.2f} s, worst {max(took):.2f} s ({each})", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description="the time of a kill")
    parser.add_argument("--orders", type=int, default=20)
    parser.add_argument("--rounds", type=int, default=5, help="pulls of the button each way; 0: the command alone")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="desk-kill-") as folder:
        desk = start_desk(Path(folder) / "data", DESK_PAPER_OPTIONS="--no-bots --markets 8")
        try:
            run(Pulls(desk, options.orders), options.rounds)
        finally:
            with suppress(ProcessLookupError):
                desk.process.send_signal(signal.SIGCONT)
            desk.stop()


def run(pulls: Pulls, rounds: int) -> None:
    load = f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores"
    print(f"{pulls.orders} resting orders, {rounds} pulls each way, {load}")
    took = []
    for _ in range(rounds):
        pulls.fill()
        took.append(pulls.button())
        pulls.release()
    told("button, everything up", took)
    children = pulls.desk.children()
    frozen = children.get("valkey-server") or children["redis"]
    took = []
    for _ in range(rounds):
        pulls.fill()
        os.kill(frozen, signal.SIGSTOP)
        try:
            took.append(pulls.button())
        finally:
            os.kill(frozen, signal.SIGCONT)
        pulls.trader.close()
        pulls.trader.open()
        pulls.release()
    told("button, Redis frozen", took)
    pulls.fill()
    eventually((pulls.desk.data / "run" / "emergency-keys.json").exists, within=LIMIT, what="the sealed keys")
    pulls.trader.close()
    pulls.desk.process.send_signal(signal.SIGSTOP)  # it would start them again
    for name, pid in pulls.desk.children().items():
        if name != "paper":
            os.kill(pid, signal.SIGKILL)
    told("command, every process dead, no database, Python's start included", [pulls.command()])


if __name__ == "__main__":
    main()
