"""The process: builds the exchange, listens, ends on SIGTERM or SIGINT."""

import asyncio
import errno
import logging
import os
import signal
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from apps.paper.bots import BotPool
from apps.paper.clock import Clock, ManualClock, SystemClock
from apps.paper.engine.exchange import PaperExchange
from apps.paper.server.listener import Listener
from apps.paper.server.members import DataError, KeyFiles, seat_members
from apps.paper.server.recording import RecordingError, check
from apps.paper.server.server import PaperServer, ReplayOptions
from apps.paper.world import build_world


@dataclass(frozen=True, slots=True)
class Options:
    """markets: how many, None for the world's own number, 0 for none. speed: see ReplayOptions."""

    data: Path
    port: int = 18080
    host: str = "127.0.0.1"
    seed: int = 1
    bots: bool = True
    markets: int | None = None
    replay: tuple[Path, ...] = ()
    speed: float = 1.0
    replay_loop: bool = False
    replay_keep_times: bool = False
    replay_start: Literal["now", "control"] = "now"
    manual_clock_ms: int | None = None


class StartError(Exception):
    """The exchange cannot start. The text says what to do."""


def run(options: Options, *, say: Callable[[str], None]) -> None:
    """Run until SIGTERM or SIGINT, which end the process; `say` gets one line when it is ready.

    Raises:
        StartError: a port in use, a replay file or a data directory that cannot be used.
    """
    try:
        asyncio.run(serve(options, say=say))
    except (RecordingError, DataError) as exc:
        raise StartError(str(exc)) from exc


async def serve(options: Options, *, say: Callable[[str], None]) -> None:
    """As `run`; does not return but ends the process with code 0 when it is told to stop."""
    # Until the handlers are in place, the signals end the process at once: there is nothing to close yet.
    paper, step = build(options)
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    files = KeyFiles(options.data, paper.core)
    files.restore()
    listener = Listener(paper, step=step)
    try:
        await listener.start(host=options.host, port=options.port)
    except OSError as exc:
        raise StartError(_port_trouble(options, exc)) from exc
    address = f"{options.host}:{listener.port}"
    path = files.announce(
        rest_url=f"http://{address}", ws_url=f"ws://{address}", control_url=f"http://{address}/control"
    )
    if paper.replay is not None and options.replay_start == "now":
        paper.replay.play()
    markets = sum(1 for _ in paper.catalogue.markets_all())
    say(f"Paper exchange ready: http://{address} ({markets} markets; members and keys: {path})")
    await stop.wait()
    await listener.stop()
    # Taking a world of 5,000 markets apart object by object takes longer than the second a stop may take,
    # and nothing of it is kept: every file was written when it changed.
    logging.shutdown()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)


def build(options: Options) -> tuple[PaperServer, Callable[[int], object] | None]:
    """Return the exchange and what its bots do per turn (None without bots).

    Raises:
        RecordingError: a replay file that cannot be played.
    """
    clock: Clock = SystemClock() if options.manual_clock_ms is None else ManualClock(options.manual_clock_ms)
    replay = None
    if options.replay:
        recordings = tuple(check(path) for path in options.replay)
        replay = ReplayOptions(
            recordings, speed=options.speed, loop=options.replay_loop, keep_times=options.replay_keep_times
        )
    exchange = PaperExchange(clock=clock, seed=options.seed)
    step: Callable[[int], object] | None = None
    if options.markets != 0:
        world = build_world(exchange, markets=options.markets, seed=options.seed)
        if options.bots:
            step = BotPool(exchange, world, seed=options.seed).step
    paper = PaperServer(exchange, clock=clock, replay=replay)
    seat_members(paper.core)
    return paper, step


def _port_trouble(options: Options, exc: OSError) -> str:
    address = f"{options.host}:{options.port}"
    if exc.errno == errno.EADDRINUSE:
        return f"Port {options.port} is in use. Stop what listens on {address}, or choose another by --port."
    return f"Cannot listen on {address} ({exc.strerror}). Choose another port by --port."
