"""What viewers of the wall cost the traders: the time of an order without and with 200 of them, in turn in one run.

    .venv/bin/python -m benchmarks.wall [--viewers 200] [--orders 40] [--rounds 2]

Real parts: the embedded set as `make run` starts it (no bots), a trader at the socket, and viewers who do what the page
does: one socket each with the topics of the wall, which the desk sends each 2 s, and its panels read each 30 s (spread
over them). They run in this process, on the same machine, so their own work counts against the traders, too.

Printed: ms from the command to its answer and to the row "resting", without and with viewers; how many readings the
viewers made, and how long those took.
"""

import argparse
import asyncio
import json
import random
import re
import statistics
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

import httpx
from websockets.asyncio.client import connect

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from tests.support.desk import RunningDesk, running_desk  # noqa: E402 - after the path is set
from tests.support.trader import SocketTrader  # noqa: E402

KINDS = ("wall", "kill", "trading")
EVERY = 30.0  # seconds, as static/js/monitor/ has it
PAUSE = 0.12


class Viewers:
    """So many tabs of the wall, in a thread with a loop of its own."""

    def __init__(self, desk: RunningDesk, cookie: str, account: str, count: int) -> None:
        self.took: list[float] = []
        self._desk, self._cookie, self._account, self._count = desk, cookie, account, count
        self._loop = asyncio.new_event_loop()
        self._open = 0
        self._thread = threading.Thread(target=self._loop.run_until_complete, args=(self._all(),), daemon=True)
        self._stop = asyncio.Event()

    def __enter__(self) -> "Viewers":
        self._thread.start()
        end = time.monotonic() + 120
        while self._open < self._count and time.monotonic() < end:
            time.sleep(0.1)
        if self._open < self._count:
            raise SystemExit(f"only {self._open} of {self._count} viewers were let in")
        return self

    def __exit__(self, *exc: object) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(60)

    async def _all(self) -> None:
        limits = httpx.Limits(max_connections=60, max_keepalive_connections=60)
        async with httpx.AsyncClient(base_url=self._desk.url, timeout=60, limits=limits) as http:
            tabs = [asyncio.create_task(self._tab(http)) for _ in range(self._count)]
            await self._stop.wait()
            for tab in tabs:
                tab.cancel()
            await asyncio.gather(*tabs, return_exceptions=True)

    async def _tab(self, http: httpx.AsyncClient) -> None:
        address = f"{self._desk.url.replace('http', 'ws', 1)}/ws/"
        headers = {"Cookie": self._cookie}
        async with connect(
            address, additional_headers=headers, origin=self._desk.url, open_timeout=60, ping_interval=None
        ) as socket:
            topics = [f"{kind}:{self._account}" for kind in KINDS]
            await socket.send(json.dumps({"id": 1, "cmd": "subscribe", "topics": topics}))
            reader = asyncio.create_task(self._hear(socket))
            self._open += 1
            try:
                await asyncio.sleep(random.uniform(0, EVERY))
                while True:
                    began = time.perf_counter()
                    answer = await http.get("/monitor/panels/", headers=headers)
                    assert answer.status_code == 200, answer.status_code
                    self.took.append((time.perf_counter() - began) * 1000)
                    await asyncio.sleep(EVERY)
            finally:
                reader.cancel()

    async def _hear(self, socket: Any) -> None:
        async for text in socket:
            heard = json.loads(text)
            for part in heard if isinstance(heard, list) else [heard]:
                if "hb" in part:
                    await socket.send(json.dumps({"ack": part["hb"]}))


def orders(trader: SocketTrader, ticker: str, count: int) -> tuple[list[float], list[float]]:
    """Place orders one by one; return ms to the answer and to the row "resting"."""
    answers, rows = [], []
    for number in range(count):
        ticket = trader.ticket(ticker, price="0.0100", count=1 + number % 5)
        began = time.perf_counter()
        answer = trader.ask("order.place", params=ticket)
        assert "ok" in answer, answer
        answers.append((time.perf_counter() - began) * 1000)
        key = ticket["idempotency_key"]
        while not any(row["idempotency_key"] == key and row["state"] == "resting" for row in trader.rows.values()):
            trader.hear(0.5)
            if time.perf_counter() - began > 60:
                raise SystemExit("an order did not come to rest within a minute")
        rows.append((time.perf_counter() - began) * 1000)
        time.sleep(PAUSE)
    return answers, rows


def words(values: list[float]) -> str:
    cut = statistics.quantiles(values, n=100, method="inclusive")
    return f"p50 {cut[49]:7.1f}   p99 {cut[98]:7.1f}   max {max(values):7.1f}   ({len(values)})"


def run(viewers: int, count: int, rounds: int) -> None:
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
        account = found[1]
        trader.open()
        trader.subscribe(f"orders:{account}")
        with httpx.Client(base_url=f"{desk.paper['rest_url']}/trade-api/v2") as public:
            ticker = public.get("/markets", params={"status": "open", "limit": 1}).json()["markets"][0]["ticker"]
        orders(trader, ticker, 5)  # the first after a start pays for keys and connections
        alone: tuple[list[float], list[float]] = ([], [])
        watched: tuple[list[float], list[float]] = ([], [])
        read: list[float] = []
        for _ in range(rounds):
            for kept, more in zip(alone, orders(trader, ticker, count), strict=True):
                kept += more
            with Viewers(desk, watcher._cookie, account, viewers) as watching:
                for kept, more in zip(watched, orders(trader, ticker, count), strict=True):
                    kept += more
            read += watching.took
        trader.close()
    print(f"to the answer, alone      {words(alone[0])}")
    print(f"to the answer, {viewers:3} look   {words(watched[0])}")
    print(f"to the row, alone         {words(alone[1])}")
    print(f"to the row, {viewers:3} look      {words(watched[1])}")
    print(f"readings of the viewers   {words(read)}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--viewers", type=int, default=200)
    parser.add_argument("--orders", type=int, default=40, help="in each round, with and without viewers")
    parser.add_argument("--rounds", type=int, default=2)
    given = parser.parse_args()
    run(given.viewers, given.orders, given.rounds)


if __name__ == "__main__":
    main()
