"""Recorded frames: gzipped NDJSON, one `{"recv_ms": ..., "event": <frame>}` per line, in receive order."""

import gzip
import heapq
import re
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec

from apps.core.money import WireFormatError, count_units_from_wire, price_units_from_wire


class RecordingError(Exception):
    """A file cannot be replayed. The text names file and line, and says what to do."""


class RecordedMsg(msgspec.Struct):
    market_ticker: str
    market_id: str = ""
    yes_dollars_fp: list[tuple[str, str]] = []
    no_dollars_fp: list[tuple[str, str]] = []
    price_dollars: str = ""
    delta_fp: str = ""
    side: str = ""
    trade_id: str = ""
    yes_price_dollars: str = ""
    count_fp: str = ""
    taker_book_side: str = ""
    ts_ms: int | None = None


class RecordedEvent(msgspec.Struct):
    type: str
    msg: RecordedMsg


class RecordedFrame(msgspec.Struct):
    recv_ms: int
    event: RecordedEvent


REPLAYED_TYPES = frozenset({"orderbook_snapshot", "orderbook_delta", "trade"})
_PLAIN_NAME = re.compile(r"[A-Za-z0-9._-]{1,100}", re.ASCII)
_decoder = msgspec.json.Decoder(RecordedFrame)


@dataclass(frozen=True, slots=True)
class Recording:
    """One checked file: its window (recv_ms of the first and last frame) and its markets (ticker -> id)."""

    path: Path
    frames: int
    first_ms: int
    last_ms: int
    markets: dict[str, str]


def frames_of(path: Path) -> Iterator[RecordedFrame]:
    """Yield the frames of a file.

    Raises:
        RecordingError: missing, not gzip, cut off, or a line that is not a recorded frame.
    """
    number, last_ms = 0, 0
    try:
        with gzip.open(path, "rb") as lines:
            for number, line in enumerate(lines, start=1):
                frame = _decoder.decode(line)
                if frame.recv_ms < last_ms:
                    raise RecordingError(
                        f"{path}, line {number}: recv_ms goes back from {last_ms} to {frame.recv_ms}. "
                        "Sort the file by recv_ms, or leave it out."
                    )
                last_ms = frame.recv_ms
                if frame.event.type in REPLAYED_TYPES:
                    _check_values(frame.event)
                    yield frame
    except gzip.BadGzipFile as exc:
        raise RecordingError(
            f"{path} is not gzip (after line {number}). Give the recorded .ndjson.gz file itself."
        ) from exc
    except (EOFError, zlib.error) as exc:
        raise RecordingError(
            f"{path} is cut off or damaged after line {number}. Copy it again, or leave it out."
        ) from exc
    except (msgspec.DecodeError, WireFormatError, RecursionError) as exc:
        raise RecordingError(
            f"{path}, line {number} is not a recorded frame ({exc}). "
            'Each line must be {"recv_ms": ..., "event": {...}}; repair the line, or leave the file out.'
        ) from exc
    except OSError as exc:
        raise RecordingError(f"{path} cannot be read ({exc.strerror}). Check the path given to --replay.") from exc


def _check_values(event: RecordedEvent) -> None:
    """Raises WireFormatError for what could not be played."""
    msg = event.msg
    if not _PLAIN_NAME.fullmatch(msg.market_ticker) or not _PLAIN_NAME.fullmatch(msg.market_id or "-"):
        raise WireFormatError("market_ticker and market_id must be plain names")
    if event.type == "orderbook_delta":
        price_units_from_wire(msg.price_dollars)
        count_units_from_wire(msg.delta_fp, signed=True)
        if msg.side not in ("yes", "no"):
            raise WireFormatError("side must be yes or no")
    elif event.type == "trade":
        price_units_from_wire(msg.yes_price_dollars)
        count_units_from_wire(msg.count_fp)
        if msg.taker_book_side not in ("bid", "ask"):
            raise WireFormatError("taker_book_side must be bid or ask")
    else:
        for price, size in (*msg.yes_dollars_fp, *msg.no_dollars_fp):
            price_units_from_wire(price)
            count_units_from_wire(size)


def check(path: Path) -> Recording:
    """Read a file to its end, so that trouble shows at the start and not in the middle of a session.

    Raises:
        RecordingError: as `frames_of`, or a file without a frame to replay.
    """
    count, first_ms, last_ms = 0, 0, 0
    markets: dict[str, str] = {}
    for frame in frames_of(path):
        count += 1
        first_ms = first_ms or frame.recv_ms
        last_ms = frame.recv_ms
        msg = frame.event.msg
        if msg.market_id or msg.market_ticker not in markets:
            markets[msg.market_ticker] = msg.market_id
    if not count:
        raise RecordingError(f"{path} holds no order book or trade frame. Leave it out.")
    return Recording(path, count, first_ms, last_ms, markets)


def merged(recordings: Sequence[Recording]) -> Iterator[RecordedFrame]:
    """All frames of all files by recv_ms; frames of one file keep their order."""
    return heapq.merge(*(frames_of(recording.path) for recording in recordings), key=lambda frame: frame.recv_ms)


def windows(recordings: Sequence[Recording]) -> list[tuple[int, int]]:
    """Stretches of time in which at least one file runs, in order."""
    joined: list[tuple[int, int]] = []
    for first, last in sorted((r.first_ms, r.last_ms) for r in recordings):
        if joined and first <= joined[-1][1]:
            joined[-1] = (joined[-1][0], max(last, joined[-1][1]))
        else:
            joined.append((first, last))
    return joined
