"""Answers of the exchange that the database did not take: kept in a file until it does (RELIABILITY F4).

Append-only, one JSON line each, fsynced before the sender goes on. The sweep replays the file; every record
may be replayed twice without harm. While it holds anything, no new order passes.
"""

import contextlib
import fcntl
import functools
import logging
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Literal

import msgspec
from django.conf import settings
from django.db import DatabaseError, InterfaceError

from apps.orders.reports import OrderReport

logger = logging.getLogger(__name__)


class Record(msgspec.Struct, kw_only=True):
    """What came of one send. report: with outcome "answer"."""

    intent_id: int
    account_id: int
    outcome: Literal["answer", "refused", "unknown"]
    at_ms: int
    code: str = ""
    text: str = ""
    report: OrderReport | None = None


def path() -> Path:
    return Path(settings.DATA_DIR) / "run" / "orders-spill.jsonl"


def is_pending() -> bool:
    """Say whether something waits to be written into the database."""
    try:
        return _file_in(str(settings.DATA_DIR)).stat().st_size > 0
    except FileNotFoundError:
        return False


@functools.lru_cache(maxsize=4)
def _file_in(data: str) -> Path:
    """`path`: to put it together takes longer than to look there."""
    return path()


def write(record: Record) -> None:
    """Append one record and wait for the disk. Raises OSError when even that fails."""
    file = path()
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with _locked(file) as handle:
        handle.write(msgspec.json.encode(record) + b"\n")
        handle.flush()
        os.fsync(handle.fileno())
    logger.error("intent %s: the database did not take its outcome; it is in %s", record.intent_id, file.name)


def replay(apply: Callable[[Record], None]) -> int:
    """Apply every record, then empty the file; returns how many there were.

    A database that still refuses keeps them all. A line that cannot be read, or applied for another reason,
    is kept aside in `orders-spill.rejected.jsonl`: its intent is looked up at the exchange like any other.
    """
    if not is_pending():
        return 0
    file = path()
    with _locked(file) as handle:
        handle.seek(0)
        lines = handle.read().splitlines()
        for line in lines:
            try:
                apply(msgspec.json.decode(line, type=Record))
            except (DatabaseError, InterfaceError) as exc:
                logger.warning("the database still does not take what was kept (%s)", type(exc).__name__)
                return 0
            except Exception:
                # A boundary: one bad record must not keep the desk from trading.
                logger.exception("a kept outcome cannot be applied; it is put aside")
                _put_aside(line)
        handle.truncate(0)
        os.fsync(handle.fileno())
    return len(lines)


def _put_aside(line: bytes) -> None:
    with path().with_suffix(".rejected.jsonl").open("ab") as handle:
        handle.write(line + b"\n")
        handle.flush()
        os.fsync(handle.fileno())


@contextlib.contextmanager
def _locked(file: Path) -> Iterator[IO[bytes]]:
    """Open for appending with the file to ourselves: senders and the sweep are several processes."""
    handle = os.fdopen(os.open(file, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600), "r+b")
    with handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield handle
