"""The exchange's memory on disk: a snapshot, and a journal of what changed since.

FOLDER/state.json holds everything as of a moment. FOLDER/journal-N.jsonl holds one line per change since, each with all
that changed after the line before. A line that concerns a member is on the disk (fsync) before anybody hears of it, so
nothing acknowledged is lost by a kill or a power cut; what only bots did is written every few seconds.

state.json of number N goes with the journals N and later. A new state is written to another name and renamed, so that
at any instant one whole state with all its journals is there. One process at a time: state.lock is locked.
"""

import fcntl
import logging
import os
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import IO

import msgspec

from apps.paper.engine import snapshot
from apps.paper.engine.changes import ChangeLog
from apps.paper.engine.events import Event, MarketLifecycle
from apps.paper.engine.exchange import PaperExchange
from apps.paper.engine.snapshot import Changes, ExchangeSnapshot, SnapshotError
from apps.paper.world import World
from apps.paper.world import snapshot as world_snapshot
from apps.paper.world.snapshot import WorldState

logger = logging.getLogger(__name__)

STATE_FILE = "state.json"
LOCK_FILE = "state.lock"
FORMAT = "paper-exchange"
VERSION = 1
JOURNAL_LIMIT = 32 * 1024 * 1024  # bytes; then a new snapshot is written
# Ids told after the last line of a killed process may be in somebody's hands: this many are never drawn again.
IDS_SKIPPED = 10_000_000
CLOCK_SLACK_MS = 60_000


class KeepError(Exception):
    """The memory cannot be read or written. The text names the file and says what to do."""


class StateHead(msgspec.Struct):
    """format and version say whether the rest can be read. closed: written at the end, nothing came after."""

    format: str = ""
    version: int = 0


class State(msgspec.Struct):
    """What state.json holds. seed, markets: the world's, as given at the first start."""

    format: str
    version: int
    number: int
    closed: bool
    seed: int
    markets: int | None
    exchange: ExchangeSnapshot
    world: WorldState | None


class Line(msgspec.Struct, omit_defaults=True):
    """One line of a journal."""

    changes: Changes
    opinions: dict[str, list[float]] = {}
    world: WorldState | None = None


_line_decoder = msgspec.json.Decoder(Line)


class Keeper:
    """Keeps one exchange in a folder: `open`, `restore` (or build a new one), `begin`, `write_due` ..., `close`.

    on_failure: called when something could not be written; the exchange must then stop, because it could not keep
    what it acknowledges.
    """

    def __init__(self, folder: Path, exchange: PaperExchange, *, seed: int, markets: int | None) -> None:
        self._folder = folder
        self._exchange = exchange
        self._world: World | None = None
        self._seed = seed
        self._markets = markets
        self._log = ChangeLog(exchange)
        self._world_changed = False
        self._number = 0
        self._lock: IO[bytes] | None = None
        self._journal: IO[bytes] | None = None
        self._journal_size = 0
        self._writer = ThreadPoolExecutor(max_workers=1, thread_name_prefix="paper-state")
        self._writing: Future[None] | None = None
        self.on_failure: Callable[[], None] | None = None
        self.failure: str | None = None

    @property
    def path(self) -> Path:
        """The snapshot."""
        return self._folder / STATE_FILE

    # --- start -----------------------------------------------------------------------------------
    def open(self) -> State | None:
        """Lock the folder and read what is kept, with the journals; None when nothing is.

        Raises:
            KeepError: another process keeps this folder, or what is there cannot be used.
        """
        try:
            self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._lock = _private(self._folder / LOCK_FILE, os.O_RDWR)
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return self._read()
        except BlockingIOError as exc:
            raise KeepError(
                f"Another paper exchange uses {self._folder}. Stop it, or give another directory by --data."
            ) from exc
        except OSError as exc:
            raise self._trouble(exc) from exc

    def restore(self, state: State) -> World | None:
        """Put what was read into the fresh exchange, and do what came due in the meantime; returns the world.

        Raises:
            KeepError: it does not fit together, was made with other switches, or is of the future.
        """
        for name, kept, given in (("seed", state.seed, self._seed), ("markets", state.markets, self._markets)):
            if kept != given:
                start = f"--{name} {kept}" if kept is not None else f"no --{name}"
                raise KeepError(f"{self.path} was made with {start}. Start with that, or {self._move_away()}")
        now = self._exchange.clock.now_ms()
        if state.exchange.totals.now_ms > now + CLOCK_SLACK_MS:
            raise KeepError(
                f"{self.path} is of a later time than the clock shows. Set the clock, or {self._move_away()}"
            )
        try:
            snapshot.forget_closed(state.exchange, before_ms=now - snapshot.KEPT_CLOSED_MS)
            snapshot.restore(self._exchange, state.exchange)
            if state.world is not None:
                state.world.events = [e for e in state.world.events if e.event_ticker in self._exchange.events]
                self._world = world_snapshot.restore(self._exchange, state.world)
        except (SnapshotError, KeyError, ValueError, TypeError) as exc:
            raise self._broken(self.path, exc) from exc
        if not state.closed:
            self._exchange.ids.drawn += IDS_SKIPPED
        self._exchange.expire_due()
        return self._world

    def begin(self, world: World | None) -> None:
        """Write what there is now and keep every change from here on.

        Raises:
            KeepError: it cannot be written.
        """
        self._world = world
        try:
            data = self._turn_over(closed=False)
            self._replace(data)
        except OSError as exc:
            raise self._trouble(exc) from exc
        self._exchange.on_whole = self._hear

    # --- running ---------------------------------------------------------------------------------
    def write_due(self) -> None:
        """Write what bots did since the last line; call every few seconds. Starts a new snapshot when it is time."""
        if self.failure is not None:
            return
        try:
            self._write_line(sure=False)
            if self._writing is not None and self._writing.done():
                self._writing.result()
                self._writing = None
            if self._journal_size > JOURNAL_LIMIT and self._writing is None:
                self._writing = self._writer.submit(self._replace, self._turn_over(closed=False))
        except OSError as exc:
            self._fail(exc)

    def close(self) -> None:
        """Write the last snapshot and let go of the folder.

        Raises:
            KeepError: it could not be written; what the journal has stays.
        """
        self._exchange.on_whole = None
        try:
            self._writer.shutdown(wait=True)
            if self._journal is not None and self.failure is None:
                self._replace(self._turn_over(closed=True))
        except OSError as exc:
            raise self._trouble(exc) from exc
        finally:
            self.release()

    def release(self) -> None:
        """Let go of files and folder as they are, as a killed process does."""
        self._exchange.on_whole = None
        self._writer.shutdown(wait=True)
        for file in (self._journal, self._lock):
            if file is not None:
                file.close()
        self._journal = self._lock = None

    def _hear(self, told: Sequence[Event]) -> None:
        self._world_changed |= any(_lists(event) for event in told)
        if not self._log.hear(told):
            return
        if self.failure is not None:
            raise KeepError(self.failure)
        try:
            self._write_line(sure=True)
        except OSError as exc:
            self._fail(exc)
            raise KeepError(str(self._trouble(exc))) from exc

    def _write_line(self, *, sure: bool) -> None:
        """Append what changed; `sure`: on the disk when this returns, with all lines before."""
        changes = self._log.drain()
        if changes is None:
            return
        line = Line(changes)
        now = self._exchange.clock.now_ms()
        if self._world is not None and self._world_changed:
            line.world = world_snapshot.take(self._world, now_ms=now)
            self._world_changed = False
        elif self._world is not None and not sure:
            line.opinions = world_snapshot.opinions(self._world, now_ms=now)
        assert self._journal is not None
        data = msgspec.json.encode(line) + b"\n"
        _write(self._journal, data)
        self._journal_size += len(data)
        if sure:
            os.fdatasync(self._journal.fileno())

    def _fail(self, exc: OSError) -> None:
        self.failure = str(self._trouble(exc))
        if self.on_failure is not None:
            self.on_failure()

    # --- files -----------------------------------------------------------------------------------
    def _turn_over(self, *, closed: bool) -> bytes:
        """Begin the next journal; return the state it follows."""
        self._number += 1
        now = self._exchange.clock.now_ms()
        data = msgspec.json.encode(
            State(
                format=FORMAT,
                version=VERSION,
                number=self._number,
                closed=closed,
                seed=self._seed,
                markets=self._markets,
                exchange=snapshot.take(self._exchange),
                world=None if self._world is None else world_snapshot.take(self._world, now_ms=now),
            )
        )
        following = _private(self._journal_path(self._number), os.O_WRONLY | os.O_TRUNC)
        if self._journal is not None:
            # What the new state may yet fail to replace must not be less sure than a line of its own would be.
            os.fdatasync(self._journal.fileno())
            self._journal.close()
        self._journal, self._journal_size = following, 0
        self._log.clear()
        self._world_changed = False
        return data

    def _replace(self, data: bytes) -> None:
        """Put a new state in the old one's place, then drop the journals that came before it."""
        number = self._number
        temporary = self._folder / f".{STATE_FILE}.new"
        with _private(temporary, os.O_WRONLY | os.O_TRUNC) as file:
            _write(file, data)
            os.fsync(file.fileno())
        temporary.replace(self.path)
        _sync_folder(self._folder)
        for path in self._journals():
            if _journal_number(path) < number:
                path.unlink()

    def _read(self) -> State | None:
        journals = self._journals()
        if not self.path.exists():
            if journals:
                raise KeepError(f"{journals[0]} has lost its {STATE_FILE}. Put that back, or move the journals away.")
            return None
        data = self.path.read_bytes()
        try:
            head = msgspec.json.decode(data, type=StateHead)
            if (head.format, head.version) != (FORMAT, VERSION):
                raise KeepError(
                    f"{self.path} was written by another version of the paper exchange ({head.format or 'no format'}, "
                    f"version {head.version}; this one reads {VERSION}). Start that version, or {self._move_away()}"
                )
            state = msgspec.json.decode(data, type=State)
        except (msgspec.DecodeError, UnicodeDecodeError, ValueError) as exc:
            raise self._broken(self.path, exc) from exc
        self._number = state.number
        for path in journals:
            number = _journal_number(path)
            if number >= state.number:
                self._number = max(self._number, number)
                if self._read_journal(path, state):
                    state.closed = False
        return state

    def _read_journal(self, path: Path, state: State) -> int:
        """Bring `state` up to date; return how many lines there were."""
        lines = path.read_bytes().split(b"\n")
        torn = lines.pop()
        if torn:
            # The write was cut in the middle, so nobody was ever told of this change.
            later = [other for other in self._journals() if _journal_number(other) > _journal_number(path)]
            if any(other.stat().st_size for other in later):
                raise self._broken(path, "it ends in the middle of a line")
            logger.warning("%s: the last line was cut off and is left out", path)
        for number, text in enumerate(lines, start=1):
            try:
                line = _line_decoder.decode(text)
                snapshot.apply(state.exchange, line.changes)
                if line.world is not None:
                    state.world = line.world
                elif state.world is not None:
                    world_snapshot.move(state.world, line.opinions)
            except (msgspec.DecodeError, UnicodeDecodeError, KeyError, ValueError) as exc:
                raise self._broken(path, f"line {number}: {exc}") from exc
        return len(lines) + bool(torn)

    def _journal_path(self, number: int) -> Path:
        return self._folder / f"journal-{number}.jsonl"

    def _journals(self) -> list[Path]:
        return sorted(self._folder.glob("journal-*.jsonl"), key=_journal_number)

    def _move_away(self) -> str:
        return f"move {self.path} and {self._folder / 'journal-*.jsonl'} away to start afresh."

    def _broken(self, path: Path, why: object) -> KeepError:
        return KeepError(f"{path} is damaged ({str(why)[:200]}). Restore it from a copy, or {self._move_away()}")

    def _trouble(self, exc: OSError) -> KeepError:
        name = exc.filename or self._folder
        return KeepError(
            f"The paper exchange cannot keep its state: {name}: {exc.strerror}. Make room or set the rights, then "
            "start again; or give another directory by --data."
        )


def _lists(event: Event) -> bool:
    """Whether the world has listed something. Combos are not of its making."""
    return isinstance(event, MarketLifecycle) and event.type == "created" and not event.market.is_combo


def _journal_number(path: Path) -> int:
    text = path.stem.removeprefix("journal-")
    return int(text) if text.isdigit() else 0


def _private(path: Path, flags: int) -> IO[bytes]:
    """Open a file, made readable by its owner only, without a buffer."""
    return os.fdopen(os.open(path, flags | os.O_CREAT, 0o600), "r+b" if flags & os.O_RDWR else "wb", buffering=0)


def _write(file: IO[bytes], data: bytes) -> None:
    """Write all of it: an unbuffered file may take less at a time."""
    view = memoryview(data)
    while view:
        view = view[file.write(view) :]


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
