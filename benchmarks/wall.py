"""What viewers of the wall cost the traders: the time of an order without, while they open, and with 200 of them.

    .venv/bin/python -m benchmarks.wall [--viewers 200] [--orders 150] [--rounds 2] [--read-every 30] [--no-floor]

Real parts: the embedded set as `make run` starts it (no bots), a trader at the socket, and viewers who do what the page
does (benchmarks/wall_viewers.py): each with an own session, who opens the page, then one socket with the topics of the
wall. They all open at the same moment, which is a row of its own. While its socket brings the panels the page reads
nothing; --read-every says how often it does so all the same, as when no worker makes them.

The viewers are a process on the same machine, so their own work counts against the traders, too. How much that is says
the floor: the same viewers at a server that does nothing but send the same bytes as often.

Printed: ms from the command to its answer and to the row "resting"; how long the viewers' pages and readings took.
"""

import argparse
import json
import re
import secrets
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import httpx

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from tests.support.desk import RunningDesk, free_port, running_desk  # noqa: E402 - after the path is set
from tests.support.trader import SocketTrader  # noqa: E402

PAUSE = 0.12
WAIT = 150.0  # seconds for all viewers to be in
Times = tuple[list[float], list[float]]


class Viewers:
    """So many tabs of the wall in a process of their own; `took` holds ms of their pages and readings at the end."""

    def __init__(self, **what: object) -> None:
        self.took: dict[str, list[float]] = {"pages": [], "readings": []}
        self._process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.wall_viewers"],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(what) + "\n")
        self._process.stdin.flush()

    def wait(self) -> None:
        """Until all are in."""
        assert self._process.stdout is not None
        said = self._process.stdout.readline()
        if said.strip() != "open":
            raise SystemExit(f"not all viewers were let in: {said!r}")

    def end(self) -> None:
        told, _ = self._process.communicate("", timeout=60)
        for name, values in json.loads(told.splitlines()[-1]).items():
            self.took[name] += values


class Sink:
    """Server of the floor: the same bytes as often, and nothing else."""

    def __init__(self, text: str) -> None:
        self.port = free_port()
        self._process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.wall_viewers", "--serve", str(self.port)],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(text + "\n")
        self._process.stdin.flush()
        assert self._process.stdout.readline().strip() == "ready"

    def end(self) -> None:
        self._process.communicate("", timeout=60)


def sessions(desk: RunningDesk, cookie: str, count: int) -> list[str]:
    """Copy the session of a signed-in browser: as many people at as many browsers. Returns their cookies."""
    with closing(sqlite3.connect(desk.data / "desk.sqlite3", timeout=60)) as database, database:
        keys = [row[0] for row in database.execute("SELECT session_key FROM django_session")]
        key = next(one for one in keys if f"={one}" in cookie)
        made = [secrets.token_hex(16) for _ in range(count)]
        for table in ("django_session", "accounts_signin"):
            columns = [row[1] for row in database.execute(f"PRAGMA table_info({table})") if row[1] != "id"]
            taken = ", ".join("?" if name == "session_key" else name for name in columns)
            database.executemany(
                f"INSERT INTO {table} ({', '.join(columns)}) SELECT {taken} FROM {table} WHERE session_key = ?",
                [(new, key) for new in made],
            )
    return [cookie.replace(key, new) for new in made]


def order(trader: SocketTrader, ticker: str, number: int, times: Times) -> None:
    """Place one order; note ms to the answer and to the row "resting"."""
    ticket = trader.ticket(ticker, price="0.0100", count=1 + number % 5)
    began = time.perf_counter()
    answer = trader.ask("order.place", params=ticket)
    assert "ok" in answer, answer
    times[0].append((time.perf_counter() - began) * 1000)
    key = ticket["idempotency_key"]
    while not any(row["idempotency_key"] == key and row["state"] == "resting" for row in trader.rows.values()):
        trader.hear(0.5)
        if time.perf_counter() - began > 60:
            raise SystemExit("an order did not come to rest within a minute")
    times[1].append((time.perf_counter() - began) * 1000)
    # Pages of the trader are as quick as before however many orders there were.
    trader.rows = {name: row for name, row in trader.rows.items() if row["idempotency_key"] == key}
    paused_until = time.perf_counter() + PAUSE
    while time.perf_counter() < paused_until:
        trader.hear(max(0.001, paused_until - time.perf_counter()))


def words(values: list[float]) -> str:
    if len(values) < 2:
        return "none"
    cut = statistics.quantiles(values, n=100, method="inclusive")
    return f"p50 {cut[49]:7.1f}   p99 {cut[98]:7.1f}   max {max(values):7.1f}   ({len(values)})"


def run(given: argparse.Namespace) -> None:
    with (
        tempfile.TemporaryDirectory() as folder,
        running_desk(Path(folder) / "data", DESK_PAPER_OPTIONS="--no-bots", DESK_TABS="1000") as desk,
    ):
        login = desk.logins["trader"]
        trader = SocketTrader(desk.url, login["username"], login["password"])
        watcher = SocketTrader(desk.url, desk.logins["viewer"]["username"], desk.logins["viewer"]["password"])
        page = httpx.get(f"{desk.url}/monitor/", headers={"Cookie": watcher._cookie}, timeout=60).text
        found = re.search(r'data-wall [^>]*data-account="(\d+)"', page)
        assert found is not None, page[:300]
        panels = httpx.get(f"{desk.url}/monitor/panels/", headers={"Cookie": watcher._cookie}, timeout=60).text
        trader.open()
        trader.subscribe(f"orders:{found[1]}")
        with httpx.Client(base_url=f"{desk.paper['rest_url']}/trade-api/v2") as public:
            ticker = public.get("/markets", params={"status": "open", "limit": 1}).json()["markets"][0]["ticker"]
        cookies = sessions(desk, watcher._cookie, given.viewers)
        what = {"account": found[1], "cookies": cookies, "read_every": given.read_every, "wait": WAIT}
        measured = rows(trader, ticker, desk, what, panels, given)
        trader.close()
    print(f"{given.viewers} viewers; a frame of the wall has {len(panels):,} characters")
    for name, values in measured.items():
        print(f"{name:34} {words(values)}")


def rows(
    trader: SocketTrader,
    ticker: str,
    desk: RunningDesk,
    what: dict[str, object],
    panels: str,
    given: argparse.Namespace,
) -> dict[str, list[float]]:
    """Place the orders of all rounds, and return the times of each row of the table."""
    kinds = ("alone", "while all open", "with viewers") + (() if given.no_floor else ("floor",))
    times: dict[str, Times] = {kind: ([], []) for kind in kinds}
    read: dict[str, list[float]] = {"pages": [], "readings": []}

    def place(kind: str, more: Callable[[int], bool]) -> None:
        number = 0
        while more(number):
            order(trader, ticker, number, times[kind])
            number += 1

    def enough(number: int) -> bool:
        return number < given.orders

    place("alone", lambda number: number < 5)  # the first after a start pays for keys and connections
    times["alone"] = ([], [])
    for _ in range(given.rounds):
        place("alone", enough)
        viewers = Viewers(url=desk.url, **what)
        end = time.monotonic() + given.opening
        place("while all open", lambda _: time.monotonic() < end)  # noqa: B023 - called here only
        viewers.wait()
        place("with viewers", enough)
        viewers.end()
        for name, values in viewers.took.items():
            read[name] += values
        if given.no_floor:
            continue
        sink = Sink(panels.replace("\n", " "))
        viewers = Viewers(url=f"http://127.0.0.1:{sink.port}", **what | {"is_floor": True})
        viewers.wait()
        place("floor", enough)
        viewers.end()
        sink.end()
    answers = {f"to the answer, {kind}": one[0] for kind, one in times.items()}
    rested = {f"to the row, {kind}": one[1] for kind, one in times.items()}
    return answers | rested | {f"{name} of the viewers": values for name, values in read.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--viewers", type=int, default=200)
    parser.add_argument("--orders", type=int, default=150, help="in each round, each way")
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--opening", type=float, default=4.0, help="seconds that count as the opening of all pages")
    parser.add_argument("--read-every", type=float, default=0, help="seconds; 0: the page reads nothing")
    parser.add_argument("--no-floor", action="store_true")
    run(parser.parse_args())


if __name__ == "__main__":
    main()
