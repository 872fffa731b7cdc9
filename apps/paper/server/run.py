"""The process: builds the exchange, listens, ends on SIGTERM or SIGINT."""

import asyncio
import errno
import gc
import logging
import os
import signal
import sqlite3
import sys
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

from apps.paper.bots import BotPool
from apps.paper.bots.rfq import RfqBots
from apps.paper.clock import Clock, ManualClock, SystemClock
from apps.paper.engine.archive import FILLS, Archive
from apps.paper.engine.exchange import PaperExchange
from apps.paper.engine.historical import AGE_MS as HISTORY_AGE_MS
from apps.paper.engine.past import invent_day
from apps.paper.engine.state import Maintenance
from apps.paper.fix.acceptor import Acceptor, AcceptorError, FixOptions
from apps.paper.fix.certificate import own_certificate
from apps.paper.fix.doors import DOORS
from apps.paper.fix.gateway import Gateway
from apps.paper.fix.store import Store
from apps.paper.keeping import Keeper, KeepError
from apps.paper.server.core import Edition
from apps.paper.server.listener import Listener
from apps.paper.server.members import TRADER_1, DataError, KeyFiles, seat_members
from apps.paper.server.recording import RecordingError, check
from apps.paper.server.server import PaperServer, ReplayOptions
from apps.paper.world import World, build_world

ARCHIVE_FILE = "archive.sqlite3"
FIX_FILE = "fix.sqlite3"
KEEP_SECONDS = 2.0  # what bots did is at most that much older on the disk


@dataclass(frozen=True, slots=True)
class Options:
    """markets: how many, None for the world's own number, 0 for none. speed: see ReplayOptions.

    determine_after_seconds: from a market's close to its result; None: only by control.
    history_age_seconds: what is older leaves the live tier. history_fills, history_subaccounts: a past day of
    trader-1, made once.
    """

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
    determine_after_seconds: int | None = 60
    edition: Edition = "3.18"
    maintenance: Maintenance = "off"
    history_age_seconds: int = HISTORY_AGE_MS // 1000
    history_fills: int = 0
    history_subaccounts: int = 1
    fix: FixOptions | None = field(default_factory=FixOptions)


@dataclass(frozen=True, slots=True)
class Built:
    """step: what the bots do per turn (None without bots). keeper: of the exchange, keeping already.

    fix: what the FIX side remembers, None without FIX.
    """

    paper: PaperServer
    step: Callable[[int], object] | None
    keeper: Keeper
    fix: Store | None


class StartError(Exception):
    """The exchange cannot start, or cannot go on. The text says what to do."""


def run(options: Options, *, say: Callable[[str], None]) -> None:
    """Run until SIGTERM or SIGINT, which end the process; `say` gets one line when it is ready.

    Raises:
        StartError: a port in use, a replay file or a data directory that cannot be used (or no more).
    """
    try:
        asyncio.run(serve(options, say=say))
    except (RecordingError, DataError, KeepError, AcceptorError) as exc:
        raise StartError(str(exc)) from exc


async def serve(options: Options, *, say: Callable[[str], None]) -> None:
    """As `run`; does not return but ends the process with code 0 when it is told to stop."""
    # Until the handlers are in place, the signals end the process at once: there is nothing to close yet.
    gc.disable()  # nothing of what is built now is garbage, and looking for some doubles the time
    built = build(options)
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    built.keeper.on_failure = stop.set
    try:
        listener, acceptor = await _open(built, options, say=say)
        keeping = asyncio.create_task(_keep(built.keeper))
        stopping = asyncio.create_task(stop.wait())
        await asyncio.wait((keeping, stopping), return_when=asyncio.FIRST_COMPLETED)
        if acceptor is not None:
            await acceptor.stop()
        await listener.stop()
        if keeping.done():
            keeping.result()
        keeping.cancel()
        built.keeper.close()
        built.paper.exchange.archive.close()
        if built.fix is not None:
            built.fix.close()
    finally:
        built.keeper.release()
    if built.keeper.failure is not None:
        raise StartError(built.keeper.failure)
    # Taking a world of 5,000 markets apart object by object takes longer than the second a stop may take,
    # and nothing of it is needed: every file is written.
    logging.shutdown()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)


async def _open(built: Built, options: Options, *, say: Callable[[str], None]) -> tuple[Listener, Acceptor | None]:
    """Listen, and tell where."""
    paper = built.paper
    files = KeyFiles(options.data, paper.core)
    files.restore()
    listener = Listener(paper, step=built.step)
    try:
        await listener.start(host=options.host, port=options.port)
    except OSError as exc:
        raise StartError(_port_trouble(options, exc)) from exc
    acceptor = await _open_fix(built, options)
    address = f"{options.host}:{listener.port}"
    path = files.announce(
        rest_url=f"http://{address}",
        ws_url=f"ws://{address}",
        control_url=f"http://{address}/control",
        fix=None if acceptor is None else _fix_announced(acceptor, options),
    )
    if paper.replay is not None and options.replay_start == "now":
        paper.replay.play()
    # What is there now stays: the collector need not look at it again and again.
    gc.collect()
    gc.freeze()
    gc.enable()
    markets = sum(1 for _ in paper.catalogue.markets_all())
    ports = "" if acceptor is None else f"; FIX: {', '.join(f'{name} {port}' for name, port in acceptor.ports.items())}"
    say(f"Paper exchange ready: http://{address} ({markets} markets; members and keys: {path}{ports})")
    return listener, acceptor


async def _open_fix(built: Built, options: Options) -> Acceptor | None:
    """Open the FIX ports. After the keys are there and the listener has taken its part of their removal."""
    if built.fix is None or options.fix is None:
        return None
    paper, fix = built.paper, _with_certificate(options, options.fix)
    gateway = paper.fix = Gateway(paper.core, built.fix)
    acceptor = Acceptor(gateway)
    gateway.start()
    await acceptor.start(host=options.host, options=fix)
    gateway.ports, gateway.tls = acceptor.ports, fix.cert is not None
    close_sockets = paper.core.keys.on_removed

    def removed(key_id: str) -> None:
        if close_sockets is not None:
            close_sockets(key_id)
        gateway.key_removed(key_id)

    paper.core.keys.on_removed = removed
    return acceptor


def _with_certificate(options: Options, fix: FixOptions) -> FixOptions:
    if not fix.own_cert:
        return fix
    try:
        cert, key = own_certificate(options.data, host=options.host)
    except OSError as exc:
        raise StartError(f"--fix-tls: a certificate cannot be made in {options.data} ({exc.strerror}).") from exc
    return replace(fix, cert=cert, key=key)


def _fix_announced(acceptor: Acceptor, options: Options) -> dict[str, object]:
    """What paper.json says: where the sessions listen, and what their certificate can be checked with."""
    fix = None if options.fix is None else _with_certificate(options, options.fix)
    cert = None if fix is None else fix.cert
    return {
        "host": options.host,
        "tls": cert is not None,
        "ca_path": None if cert is None else str(cert.resolve()),
        "sessions": {name: port for name, port in acceptor.ports.items() if not DOORS[name].is_margin},
        "margin": {
            "sessions": {DOORS[name].target: port for name, port in acceptor.ports.items() if DOORS[name].is_margin}
        },
    }


async def _keep(keeper: Keeper) -> None:
    while True:
        await asyncio.sleep(KEEP_SECONDS)
        keeper.write_due()


def build(options: Options) -> Built:
    """The exchange as it was left in the data directory, or a new one.

    Raises:
        RecordingError: a replay file that cannot be played.
        KeepError: the directory is in use, or what it keeps cannot be used.
    """
    clock: Clock = SystemClock() if options.manual_clock_ms is None else ManualClock(options.manual_clock_ms)
    replay = None
    if options.replay:
        recordings = tuple(check(path) for path in options.replay)
        replay = ReplayOptions(
            recordings, speed=options.speed, loop=options.replay_loop, keep_times=options.replay_keep_times
        )
    exchange = PaperExchange(clock=clock, seed=options.seed)
    keeper = Keeper(options.data, exchange, seed=options.seed, markets=options.markets)
    try:
        kept = keeper.open()
        exchange.use_archive(_archive(options.data, is_new=kept is None))
        fix = None if options.fix is None else _fix_store(options.data, is_new=kept is None)
        exchange.set_history(age_ms=options.history_age_seconds * 1000, step_ms=exchange.history_step_ms)
        if kept is not None:
            world = keeper.restore(kept)
        else:
            world = None if options.markets == 0 else build_world(exchange, markets=options.markets, seed=options.seed)
        if options.determine_after_seconds is not None:
            exchange.end_markets_after(options.determine_after_seconds * 1000)
        exchange.keep_maintenance(options.maintenance)
        paper = PaperServer(exchange, clock=clock, replay=replay, edition=options.edition)
        seat_members(paper.core)
        if options.history_fills:
            _invent_past(exchange, options)
        keeper.begin(world)
    except BaseException:
        keeper.release()
        raise
    step = _bots(paper, world, seed=options.seed) if world is not None and options.bots else None
    return Built(paper, step, keeper, fix)


def _bots(paper: PaperServer, world: World, *, seed: int) -> Callable[[int], object]:
    """Seat the bots; what they do per turn."""
    pool = BotPool(paper.exchange, world, seed=seed)
    rfq_bots = paper.rfq_bots = RfqBots(paper.exchange, seed=seed)
    return lambda now_ms: (pool.step(now_ms), rfq_bots.step(now_ms))


def _archive(folder: Path, *, is_new: bool) -> Archive:
    """The archive beside the state; one without its state is put aside."""
    path = folder / ARCHIVE_FILE
    if is_new and path.exists():
        path.replace(path.with_suffix(".before.sqlite3"))
    archive = Archive(path)
    try:
        os.close(os.open(path, os.O_CREAT, 0o600))  # what SQLite makes by itself, others could read
        archive.cutoffs()
    except (OSError, sqlite3.Error) as exc:
        raise KeepError(
            f"{path} cannot be used ({exc}). Restore it from a copy, or move it away with the state."
        ) from exc
    return archive


def _fix_store(folder: Path, *, is_new: bool) -> Store:
    """What FIX remembers; without the state that it belongs to it is put aside."""
    path = folder / FIX_FILE
    if is_new and path.exists():
        path.replace(path.with_suffix(".before.sqlite3"))
    try:
        os.close(os.open(path, os.O_CREAT, 0o600))
        return Store(path)
    except (OSError, sqlite3.Error) as exc:
        raise KeepError(f"{path} cannot be used ({exc}). Move it away: sequence numbers then begin at 1.") from exc


def _invent_past(exchange: PaperExchange, options: Options) -> None:
    user_id = TRADER_1.user_id
    try:
        if not exchange.archive.count(FILLS, owner=user_id):
            invent_day(exchange, user_id, fills=options.history_fills, subaccounts=options.history_subaccounts)
    except (ValueError, sqlite3.Error) as exc:
        raise KeepError(f"--history-fills cannot be done: {exc}.") from exc


def _port_trouble(options: Options, exc: OSError) -> str:
    address = f"{options.host}:{options.port}"
    if exc.errno == errno.EADDRINUSE:
        return f"Port {options.port} is in use. Stop what listens on {address}, or choose another by --port."
    return f"Cannot listen on {address} ({exc.strerror}). Choose another port by --port."
