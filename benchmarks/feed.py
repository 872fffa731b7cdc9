"""What decoding and applying the feed costs, as a share of bare receive. Aim: 0.85.

Recorded production frames go over a loopback WebSocket, as fast as they can, from a sender process
to this one, which takes them in turn:

* bare: `await socket.recv(decode=False)`, nothing else
* desk: `transport.Feed`, whole, as the gateway runs it: the same call, then `Session` - decode,
  sequence check, apply to the integer book - with its timers, its pings and its deliveries. What the
  gateway does with a delivery (the board, Redis) is not part of it; that goes by changed books, at
  most 100 times a second, and not by frames.

Ratio = (bare seconds / desk seconds): 1.0 means that the desk's work costs nothing. By the wall and by
this process's CPU time, which a busy machine disturbs less. Also printed: the same loop with
`json.loads` and Decimal books, the plain alternative.

    python benchmarks/feed.py [FILE] [--repeat 7] [--frames 150000]
"""

import argparse
import asyncio
import contextlib
import json
import multiprocessing
import re
import statistics
import struct
import sys
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from decimal import Decimal
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from websockets.asyncio.client import ClientConnection, connect  # noqa: E402
from websockets.asyncio.server import ServerConnection, serve  # noqa: E402

from apps.exchange.wire.events import BookReady, Output  # noqa: E402
from apps.exchange.wire.recorded import read_frames  # noqa: E402
from apps.exchange.wire.schemas import Message  # noqa: E402
from apps.exchange.wire.session import MAX_FRAME, Session  # noqa: E402
from apps.exchange.wire.subscriptions import BOOK_CHANNEL  # noqa: E402
from apps.exchange.wire.transport import _QUEUE, Feed  # noqa: E402

RECORDED = ROOT.parent / "shared" / "data" / "kalshi-recorded" / "events"
DENSEST = RECORDED / "KXGOLD15M-26AUG102130-30" / "2026-08-11.ndjson.gz"
END = b'{"type":"end"}'
PACE = 0.01  # seconds between deliveries of changed books, as the gateway has it

Clocks = tuple[float, float]  # wall and own CPU seconds
Reader = Callable[[int], Coroutine[Any, Any, Clocks]]  # of the sender's port


def clocks() -> Clocks:
    return time.perf_counter(), time.process_time()


def since(started: Clocks) -> Clocks:
    wall, cpu = clocks()
    return wall - started[0], cpu - started[1]


def frames_of(path: Path, most: int) -> tuple[list[bytes], str]:
    """Return the book frames of a recording, numbered anew, and their ticker.

    All get one time: 15 recorded minutes pass in a second here, and with their own times each
    frame would look younger than the one before, which no live feed does.
    """
    frames: list[bytes] = []
    ticker, now = "", b'"ts_ms":%d' % (time.time_ns() // 1_000_000)
    for frame in read_frames(path):
        if not frame.type.startswith("orderbook"):
            continue
        ticker = frame.ticker
        head = f'{{"type":"{frame.type}","sid":1,"seq":{len(frames) + 1},"msg":'
        frames.append(head.encode() + re.sub(rb'"ts_ms":[0-9]+', now, frame.msg) + b"}")
        if len(frames) == most:
            break
    return frames, ticker


def on_the_wire(payload: bytes) -> bytes:
    """One unmasked text frame (RFC 6455, 5.2), as a server sends it."""
    size = len(payload)
    if size < 126:
        return struct.pack("!BB", 0x81, size) + payload
    if size < 65536:
        return struct.pack("!BBH", 0x81, 126, size) + payload
    return struct.pack("!BBQ", 0x81, 127, size) + payload


def send_for_ever(path: Path, most: int, port: Connection) -> None:
    """The sender process: each connection gets its book, then, on its word, all other frames and END.

    Frames are encoded beforehand and written in large pieces, so that the sender is never what is
    measured.
    """
    frames, _ = frames_of(path, most)
    wire = b"".join(map(on_the_wire, [*frames[1:], END]))
    pieces = [wire[start : start + 262_144] for start in range(0, len(wire), 262_144)]

    async def handle(socket: ServerConnection) -> None:
        await socket.recv()  # "subscribe" of the books
        await socket.send('{"id":1,"type":"subscribed","msg":{"sid":1}}')
        await socket.send(frames[0].decode())
        await socket.recv()  # the reader has its book
        await socket.send('{"id":2,"type":"subscribed","msg":{"sid":2}}')
        for piece in pieces:
            socket.transport.write(piece)
            # The transport has no event for "there is room again" outside its own protocol.
            while socket.transport.get_write_buffer_size() > 1_000_000:  # noqa: ASYNC110
                await asyncio.sleep(0.0005)
        await socket.wait_closed()

    async def main() -> None:
        async with serve(handle, "127.0.0.1", 0, compression=None, ping_interval=None) as server:
            port.send(server.sockets[0].getsockname()[1])
            await server.wait_closed()

    asyncio.run(main())


@contextlib.asynccontextmanager
async def with_book(port: int) -> AsyncIterator[tuple[ClientConnection, bytes]]:
    """A connection as `Feed` makes it, its snapshot, and the word to send given."""
    url = f"ws://127.0.0.1:{port}"
    async with connect(
        url, compression=None, max_size=MAX_FRAME, max_queue=_QUEUE, ping_interval=None, proxy=None
    ) as socket:
        await socket.send("subscribe")
        await socket.recv()
        snapshot = await socket.recv(decode=False)
        await socket.send("go")
        await socket.recv()
        yield socket, snapshot


async def bare(port: int) -> Clocks:
    async with with_book(port) as (socket, _):
        started, recv = clocks(), socket.recv
        while await recv(decode=False) != END:
            pass
        return since(started)


class Unsigned:
    """The sender asks for no key."""

    def headers(self, method: str, path: str, timestamp_ms: int) -> dict[str, str]:
        return {}


def desk(ticker: str) -> Reader:
    async def read(port: int) -> Clocks:
        session = Session(now=time.monotonic())
        ended: asyncio.Future[Clocks] = asyncio.get_running_loop().create_future()
        ready = asyncio.Event()
        started = clocks()

        def deliver(output: Output) -> None:
            for event in output.events:
                if isinstance(event, BookReady):
                    ready.set()
                elif isinstance(event, Message) and event.type == "end":
                    ended.set_result(since(started))

        feed = Feed(session, hosts=[f"ws://127.0.0.1:{port}"], signer=Unsigned(), deliver=deliver, pace=PACE)
        feed.want(BOOK_CHANNEL, [ticker])
        running = asyncio.create_task(feed.run())
        try:
            async with asyncio.timeout(60):
                await ready.wait()
                started = clocks()
                feed.want("ticker", None)  # the word to send
                took = await ended
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)
        view = session.book(ticker)
        assert view is not None
        assert view.book.yes or view.book.no
        assert set(session.counters) <= {"late"}, session.counters  # late: this run took over 2 s
        return took

    return read


async def naive(port: int) -> Clocks:
    """The plain alternative: json.loads, Decimal levels, a sequence check."""
    async with with_book(port) as (socket, snapshot):
        return await fold_naively(socket, json.loads(snapshot))


async def fold_naively(socket: ClientConnection, frame: Any) -> Clocks:
    sides: dict[str, dict[Decimal, Decimal]] = {"yes": {}, "no": {}}
    started, last = clocks(), 0
    while frame["type"] != "end":
        msg = frame["msg"]
        assert last in (0, frame["seq"] - 1)
        last = frame["seq"]
        if frame["type"] == "orderbook_snapshot":
            for side in sides:
                sides[side] = {Decimal(p): Decimal(c) for p, c in msg.get(f"{side}_dollars_fp", [])}
        else:
            levels, price = sides[msg["side"]], Decimal(msg["price_dollars"])
            size = levels.pop(price, Decimal(0)) + Decimal(msg["delta_fp"])
            if size:
                levels[price] = size
        frame = json.loads(await socket.recv())
    return since(started)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", nargs="?", type=Path, default=DENSEST)
    parser.add_argument("--repeat", type=int, default=7)
    parser.add_argument("--frames", type=int, default=150_000)
    options = parser.parse_args()
    if not options.file.exists():
        parser.error(f"{options.file} does not exist: give a recorded .ndjson.gz file")
    frames, ticker = frames_of(options.file, options.frames)
    receiver, sender = multiprocessing.Pipe(duplex=False)
    process = multiprocessing.Process(target=send_for_ever, args=(options.file, options.frames, sender), daemon=True)
    process.start()
    times: dict[str, list[Clocks]] = {"bare": [], "desk": [], "naive": []}
    try:
        port = receiver.recv()
        readers: dict[str, Reader] = {"bare": bare, "desk": desk(ticker), "naive": naive}
        for turn in range(options.repeat):
            # Neighbours in time see the same machine; turning the order about evens out the rest.
            for name in list(readers) if turn % 2 else list(reversed(readers)):
                times[name].append(asyncio.run(readers[name](port)))
    finally:
        process.terminate()
        process.join()
    print(f"{len(frames):,} frames of {ticker}, {options.repeat} repetitions")
    for name, taken in times.items():
        rates = [len(frames) / wall for wall, _ in taken]
        costs = [cpu / len(frames) * 1e6 for _, cpu in taken]
        print(
            f"{name:6} messages/s median {statistics.median(rates):>9,.0f}  best {max(rates):>9,.0f}   "
            f"CPU us/message median {statistics.median(costs):.2f}  least {min(costs):.2f}"
        )
    for name in ("desk", "naive"):
        for clock, label in enumerate(("wall", "CPU")):
            ratios = [one[clock] / other[clock] for one, other in zip(times["bare"], times[name], strict=True)]
            best = min(taken[clock] for taken in times["bare"]) / min(taken[clock] for taken in times[name])
            print(
                f"{name:6} as a share of bare receive, {label:4}: median {statistics.median(ratios):.3f}  "
                f"min {min(ratios):.3f}  max {max(ratios):.3f}  best against best {best:.3f}"
            )


if __name__ == "__main__":
    main()
