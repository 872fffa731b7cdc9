"""How much the paper exchange does on one core: matching, book changes to subscribers, start, memory.

* matching: a seeded flow of orders over 50 markets, two fifths of them crossing; the engine alone, then with the state
  kept on disk (`Keeper`) as the process has it.
* start: `manage.py paper --markets 5000`, from the command to its ready line, by the wall and by its CPU time; memory.
* book changes: the whole process in this one - 5,000 markets, port, sockets, keeper - while a driver in the place of
  the bots changes books at a set rate, spread over all markets. A second process holds 500 subscriptions (250 sockets
  with `orderbook_delta` and `ticker` of 20 markets each) and measures how old frames are when it has them. Then
  without a rate, as fast as it goes.

The CPU share is of one core, of the exchange's process alone: above 1.0 it would fall behind.

    python benchmarks/paper.py [--markets 5000] [--rate 5000] [--seconds 8]
"""

import argparse
import asyncio
import multiprocessing
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path
from random import Random

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "kalshi_desk.settings.test")

from websockets.asyncio.client import ClientConnection, connect  # noqa: E402
from websockets.exceptions import ConnectionClosed  # noqa: E402

from apps.paper.engine.exchange import PaperExchange  # noqa: E402
from apps.paper.engine.orders import NewOrder  # noqa: E402
from apps.paper.engine.units import CONTRACT, Side  # noqa: E402
from apps.paper.server.auth import generate_pem, sign_headers  # noqa: E402
from apps.paper.server.listener import Listener  # noqa: E402
from apps.paper.server.members import MAKER  # noqa: E402
from apps.paper.server.run import Built, Options, build  # noqa: E402

SOCKETS = 250
WS_PATH = "/trade-api/ws/v2"
TS_MS = re.compile(rb'"ts_ms":([0-9]+)')
PRICES = range(3_000, 7_000, 100)
Ages = tuple[int, list[int]]  # frames received, ages in ms


class Driver:
    """Makes book changes: a new order at a free price, or a cancel of the oldest one. `rate` 0: as many as fit."""

    def __init__(self, exchange: PaperExchange, *, rate: int, tick_changes: int = 400) -> None:
        self._exchange = exchange
        exchange.add_member(name="driver", user_id="driver", cash_cents=10**11, keeps_history=False)
        self._tickers = [market.ticker for market in exchange.markets.values() if market.status == "active"]
        self._resting: list[str] = []
        self._ordered = 0
        self._random = Random(1)
        self.rate = rate
        self._tick_changes = tick_changes
        self._started = self._last = time.perf_counter()
        self.changes = 0
        self.behind = 0.0

    def begin(self, rate: int) -> None:
        self.rate, self.changes, self.behind = rate, 0, 0.0
        self._started = time.perf_counter()

    def step(self, now_ms: int) -> None:
        """The changes that are due, as the bots' step is called."""
        if self.rate:
            elapsed = time.perf_counter() - self._started
            due = int(elapsed * self.rate) - self.changes
            self.behind = max(self.behind, due / self.rate)
            # Never more than half a second's worth at once: the loop must live.
            for _ in range(min(due, self.rate // 2)):
                self.change()
        else:
            for _ in range(self._tick_changes):
                self.change()

    def change(self) -> None:
        self.changes += 1
        random = self._random
        ticker = self._tickers[self.changes % len(self._tickers)]
        if len(self._resting) > 2 * len(self._tickers):
            self._exchange.cancel_order("driver", self._resting.pop(random.randrange(len(self._resting))))
            return
        self._ordered += 1
        side: Side = "bid" if random.random() < 0.5 else "ask"
        price = random.choice(PRICES) // 2 if side == "bid" else 5_000 + random.choice(PRICES) // 2
        price = price // 100 * 100
        request = NewOrder(
            ticker=ticker,
            client_order_id=f"d{self._ordered}",
            side=side,
            price=price,
            count=random.randrange(1, 200) * CONTRACT,
            self_trade_prevention_type="maker",
        )
        self._resting.append(self._exchange.create_order("driver", request).order.order_id)


def matching(orders: int, *, keep: bool) -> tuple[float, int]:
    """Seconds of CPU for a flow of orders, and how many trades it made."""
    with tempfile.TemporaryDirectory() as folder:
        built = build(Options(data=Path(folder), bots=False, markets=50))
        exchange = built.paper.exchange
        if not keep:
            exchange.on_whole = None
        for name in ("a", "b"):
            exchange.add_member(name=name, user_id=name, cash_cents=10**11, keeps_history=False)
        tickers = [market.ticker for market in exchange.markets.values()]
        random = Random(1)
        before = len(exchange.all_trades)
        started = time.process_time()
        for number in range(orders):
            side: Side = "bid" if random.random() < 0.5 else "ask"
            away = random.randrange(-6, 24) * 100
            request = NewOrder(
                ticker=random.choice(tickers),
                client_order_id=f"m{number}",
                side=side,
                price=5_000 - away if side == "bid" else 5_000 + away,
                count=random.randrange(1, 100) * CONTRACT,
                self_trade_prevention_type="maker",
            )
            exchange.create_order("a" if random.random() < 0.5 else "b", request)
        spent = time.process_time() - started
        trades = len(exchange.all_trades) - before
        built.keeper.close()
        built.keeper.release()
    return spent, trades


def start(markets: int) -> tuple[float, float, float]:
    """Wall seconds to the ready line, CPU seconds until then, resident megabytes."""
    environment = os.environ | {
        "DESK_SECRET_KEY": "only-for-a-benchmark",
        "DJANGO_SETTINGS_MODULE": "kalshi_desk.settings.base",
    }
    with tempfile.TemporaryDirectory() as folder:
        begun = time.perf_counter()
        command = [sys.executable, "manage.py", "paper", "--data", folder, "--port", "0", "--markets", str(markets)]
        process = subprocess.Popen(
            command, cwd=ROOT, env=environment | {"DESK_DATA": folder}, stdout=subprocess.PIPE, text=True
        )
        assert process.stdout is not None
        line = process.stdout.readline()
        wall = time.perf_counter() - begun
        assert line.startswith("Paper exchange ready"), line
        fields = Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()
        cpu = (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
        resident = re.search(r"VmRSS:\s+(\d+)", Path(f"/proc/{process.pid}/status").read_text())
        process.terminate()
        process.wait(60)
        process.stdout.close()
    return wall, cpu, int(resident[1]) / 1024 if resident else 0.0


def reader(port: int, key_id: str, pem: str, tickers: list[str], pipe: Connection) -> None:
    """The subscribers' process: says "ready", then for every "count" how many frames came and how old they were."""
    asyncio.run(_read(port, key_id, pem, tickers, pipe))


async def _read(port: int, key_id: str, pem: str, tickers: list[str], pipe: Connection) -> None:
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

    key = serialization.load_pem_private_key(pem.encode(), password=None)
    assert isinstance(key, RSAPrivateKey)
    frames, ages = 0, list[int]()

    async def listen(socket: ClientConnection) -> None:
        nonlocal frames
        try:
            while True:
                data = await socket.recv(decode=False)
                frames += 1
                found = TS_MS.search(data)
                if found and frames % 16 == 0:
                    ages.append(time.time_ns() // 1_000_000 - int(found[1]))
        except ConnectionClosed:
            return

    each = -(-len(tickers) // SOCKETS)
    tasks = []
    for number in range(SOCKETS):
        headers = sign_headers(key, key_id=key_id, timestamp_ms=time.time_ns() // 1_000_000, method="GET", path=WS_PATH)
        socket = await connect(
            f"ws://127.0.0.1:{port}{WS_PATH}", additional_headers=dict(headers), compression=None, ping_interval=None,
            max_queue=None,
        )  # fmt: skip
        mine = tickers[number * each : (number + 1) * each] or tickers[:each]
        names = ",".join(f'"{ticker}"' for ticker in mine)
        await socket.send(
            f'{{"id":1,"cmd":"subscribe","params":{{"channels":["orderbook_delta","ticker"],"market_tickers":[{names}]}}}}'
        )
        tasks.append(asyncio.create_task(listen(socket)))
    await asyncio.sleep(2)
    pipe.send("ready")
    loop = asyncio.get_running_loop()
    while True:
        word = await loop.run_in_executor(None, pipe.recv)
        if word == "end":
            break
        pipe.send((frames, sorted(ages)))
        frames = 0
        ages.clear()
    for task in tasks:
        task.cancel()


async def book_changes(markets: int, rate: int, seconds: float, say: Callable[[str], None]) -> None:
    """The exchange as a process has it, with the driver in the place of the bots."""
    with tempfile.TemporaryDirectory() as folder:
        built = build(Options(data=Path(folder), bots=False, markets=markets))
        driver = Driver(built.paper.exchange, rate=1)
        listener = Listener(built.paper, step=driver.step)
        listener.set_bots_active(False)
        await listener.start(host="127.0.0.1", port=0)
        key, pem = generate_pem()
        access = built.paper.core.keys.add(key.public_key(), user_id=MAKER.user_id, name="reader")
        here, there = multiprocessing.get_context("spawn").Pipe()
        tickers = [market.ticker for market in built.paper.exchange.markets.values()]
        arguments = (listener.port, access.key_id, pem, tickers, there)
        child = multiprocessing.get_context("spawn").Process(target=reader, args=arguments, daemon=True)
        child.start()
        loop = asyncio.get_running_loop()
        assert await loop.run_in_executor(None, here.recv) == "ready"
        try:
            for wanted in (rate, 0):
                await _measure(built, listener, driver, wanted, seconds, here, say)
        finally:
            here.send("end")
            child.join(20)
            await listener.stop()
            built.keeper.close()
            built.keeper.release()


async def _measure(
    built: Built,
    listener: Listener,
    driver: Driver,
    rate: int,
    seconds: float,
    pipe: Connection,
    say: Callable[[str], None],
) -> None:
    loop = asyncio.get_running_loop()

    async def count() -> Ages:
        pipe.send("count")
        found: Ages = await loop.run_in_executor(None, pipe.recv)
        return found

    await count()
    sent = built.paper.hub.frames_sent
    driver.begin(rate)
    wall, cpu = time.perf_counter(), time.process_time()
    listener.set_bots_active(True)
    end = wall + seconds
    while time.perf_counter() < end:
        await asyncio.sleep(0.5 if rate else 0)
        if not rate:
            driver.step(0)
    listener.set_bots_active(False)
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    changes, sent = driver.changes, built.paper.hub.frames_sent - sent
    frames, ages = 0, list[int]()
    for _ in range(40):
        await asyncio.sleep(0.5)
        more, some = await count()
        frames, ages = frames + more, sorted([*ages, *some])
        if frames >= sent:
            break
    say(f"{rate:,} changes a second:" if rate else "as fast as it goes:")
    say(f"  {changes / wall:,.0f} changes/s, {sent / wall:,.0f} frames/s to 500 subscriptions")
    say(
        f"  CPU {cpu / wall:.2f} of a core, {cpu / max(1, changes) * 1e6:.0f} us per change: {changes / cpu:,.0f}/s fit"
    )
    say(f"  at most {driver.behind * 1000:.0f} ms behind its time")
    middle, late = ages[len(ages) // 2], ages[len(ages) * 99 // 100]
    lost = "" if frames >= sent else f"; {sent - frames:,} frames not arrived"
    say(f"  frames on arrival: median {middle} ms old, 99 % under {late} ms{lost}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--markets", type=int, default=5_000)
    parser.add_argument("--rate", type=int, default=5_000)
    parser.add_argument("--seconds", type=float, default=8.0)
    parser.add_argument("--orders", type=int, default=20_000)
    chosen = parser.parse_args()
    for keep in (False, True):
        spent, trades = matching(chosen.orders, keep=keep)
        kept = "state kept" if keep else "engine alone"
        print(f"matching, {kept}: {chosen.orders / spent:,.0f} orders/s with {trades / spent:,.0f} trades/s")
    wall, cpu, megabytes = start(chosen.markets)
    print(f"start with {chosen.markets:,} markets: {wall:.2f} s ({cpu:.2f} s of CPU), {megabytes:.0f} MB")
    asyncio.run(book_changes(chosen.markets, chosen.rate, chosen.seconds, print))


if __name__ == "__main__":
    main()
