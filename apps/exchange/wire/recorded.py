"""Recorded production frames, played through the live session's own code.

A recording is gzipped NDJSON, `{"recv_ms": <Unix ms>, "event": <the frame as sent>}`, in receive
order. Two things differ from a live feed, and are put right here and nowhere else:

* A recorder's subscription carried several markets and a file keeps one, so `seq` rises but is
  not contiguous, and starts anew where the recorder reconnected. Frames are numbered anew.
* Commands get no answers, so this module plays the exchange that confirms them.
"""

import gzip
import heapq
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec

from apps.exchange.wire.events import Alarm, BooksStale
from apps.exchange.wire.schemas.ws import ANSWER_TYPES
from apps.exchange.wire.session import Session
from apps.exchange.wire.subscriptions import BOOK_CHANNEL

_BOOK_TYPES = frozenset({"orderbook_snapshot", "orderbook_delta"})
_BOOK_SID = 1
_OTHER_SID = 2


class RecordingUnusable(Exception):
    """A recorded file cannot be used. The text names file and line, and says what to do."""


class _Ticker(msgspec.Struct):
    market_ticker: str = ""


class _Head(msgspec.Struct):
    type: str
    msg: msgspec.Raw = msgspec.Raw(b"{}")


class _Line(msgspec.Struct):
    recv_ms: int
    event: _Head


class Frame(msgspec.Struct, order=True, frozen=True):
    """One recorded frame, ordered as it was received; `file` and `line` say where it is from."""

    recv_ms: int
    file: int
    line: int
    path: Path
    type: str
    ticker: str
    msg: bytes


_decode_line = msgspec.json.Decoder(_Line).decode
_decode_ticker = msgspec.json.Decoder(_Ticker).decode


def read_frames(path: Path, *, file: int = 0) -> Iterator[Frame]:
    """Yield the frames of one file. Raises RecordingUnusable at the first byte that is wrong."""
    number = 0
    try:
        with gzip.open(path, "rb") as lines:
            for number, line in enumerate(lines, start=1):
                yield _frame(path, file, number, line)
    except FileNotFoundError as exc:
        raise RecordingUnusable(f"{path}: there is no such file. Check the path.") from exc
    except EOFError as exc:
        raise RecordingUnusable(
            f"{path}: the file is cut off after line {number}. Fetch it again; nothing of it was used."
        ) from exc
    except (gzip.BadGzipFile, zlib.error) as exc:
        where = "is not a gzip file" if number == 0 else f"is damaged after line {number}"
        raise RecordingUnusable(f"{path}: {where}. Give the recorded .ndjson.gz file as it was received.") from exc
    except OSError as exc:
        raise RecordingUnusable(
            f"{path}: cannot be read ({exc.strerror}). Check the path and its permissions."
        ) from exc
    if number == 0:
        raise RecordingUnusable(f"{path}: the file has no frames. Fetch it again.")


def _frame(path: Path, file: int, number: int, line: bytes) -> Frame:
    try:
        row = _decode_line(line)
        ticker = _decode_ticker(row.event.msg).market_ticker
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as exc:
        raise RecordingUnusable(
            f"{path}, line {number}: not a recorded frame ({exc}). "
            'Each line is {"recv_ms": ..., "event": {...}}; remove the line or fetch the file again.'
        ) from exc
    return Frame(row.recv_ms, file, number, path, row.event.type, ticker, bytes(row.event.msg))


class Fold:
    """Recorded files folded into books by the live session, up to any instant.

    Files of one market go on from each other; frames are taken in receive order over all files.
    """

    def __init__(self, paths: Sequence[Path]) -> None:
        self.tickers: dict[Path, list[str]] = {path: [] for path in paths}
        self.ends: dict[Path, int] = dict.fromkeys(paths, 0)  # recv_ms of the last frame so far
        self._session = Session()
        self._seq = {_BOOK_SID: 0, _OTHER_SID: 0}
        self._wanted: set[str] = set()
        self._frames = heapq.merge(*(read_frames(path, file=file) for file, path in enumerate(paths)))
        self._next: Frame | None = None
        self._session.connected(0.0)
        self._answer_commands()
        self._advance()

    def fold_to(self, instant: int | None) -> None:
        """Apply all frames received at `instant` (Unix ms) or earlier; None applies all."""
        while self._next is not None and (instant is None or self._next.recv_ms <= instant):
            self._apply(self._next)
            self._advance()
        self._check(self._next)

    @property
    def position(self) -> int | None:
        """recv_ms of the next frame, None after the last."""
        return None if self._next is None else self._next.recv_ms

    def book(self, ticker: str) -> tuple[list[list[str]], list[list[str]]]:
        """Return YES and NO levels as strings, ascending; empty before the first snapshot."""
        view = self._session.book(ticker)
        if view is None or not view.is_live:
            return [], []
        return view.book.wire_levels("yes"), view.book.wire_levels("no")

    def _advance(self) -> None:
        self._next = next(self._frames, None)

    def _apply(self, frame: Frame) -> None:
        self.ends[frame.path] = frame.recv_ms
        if frame.type in ANSWER_TYPES:
            return  # to the recorder's commands, not to ours
        seen = self.tickers[frame.path]
        if frame.ticker and frame.ticker not in seen:
            seen.append(frame.ticker)
            if frame.ticker not in self._wanted:
                self._wanted.add(frame.ticker)
                self._session.want(BOOK_CHANNEL, self._wanted)
                self._answer_commands()
        sid = _BOOK_SID if frame.type in _BOOK_TYPES else _OTHER_SID
        self._seq[sid] += 1
        head = b'{"type":%b,"sid":%d,"seq":%d,"msg":' % (msgspec.json.encode(frame.type), sid, self._seq[sid])
        unusable = self._session.counters["unusable_schema"]
        self._session.receive(head + frame.msg + b"}", recv_ms=frame.recv_ms)
        if self._session.counters["unusable_schema"] != unusable:
            raise RecordingUnusable(
                f"{frame.path}, line {frame.line}: the {frame.type} lacks a field or has a wrong one. Remove the line."
            )
        if self._session.has_output:
            self._check(frame)

    def _check(self, frame: Frame | None) -> None:
        """Refuse to go on when the session found the book impossible: the file is not whole."""
        for event in self._session.poll().events:
            if isinstance(event, Alarm) and event.code == "corrupt":
                where = f"{frame.path}, line {frame.line}" if frame is not None else "at the end"
                raise RecordingUnusable(f"{where}: {event.text}. Frames before it are missing or damaged.")
            assert not isinstance(event, BooksStale) or event.why == "late", event

    def _answer_commands(self) -> None:
        """Play the exchange: confirm each command of the session."""
        commands = self._session.poll().commands
        while commands:
            for command in commands:
                self._session.receive(_confirmation(msgspec.json.decode(command)), recv_ms=0)
            commands = self._session.poll().commands


def _confirmation(command: dict[str, Any]) -> bytes:
    if command["cmd"] == "subscribe":
        answer: dict[str, Any] = {"type": "subscribed", "msg": {"channel": BOOK_CHANNEL, "sid": _BOOK_SID}}
    else:
        answer = {"type": "ok", "sid": _BOOK_SID, "msg": {}}
    return msgspec.json.encode({"id": command["id"], **answer})
