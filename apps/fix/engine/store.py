"""Sequence numbers and sent messages that survive kill -9. One store per session key.

What is written before a byte leaves is what a resend and the next logon rely on, so a store that does not
verify is never guessed at: it raises StoreCorrupt, and the session resets and reconciles instead.
"""

import os
import struct
import zlib
from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

from apps.fix.engine.errors import StoreCorrupt

KEPT_MESSAGES: Final = 2_000
COMPACT_BYTES: Final = 8_388_608


@dataclass(frozen=True, slots=True)
class Sent:
    """One message that left, or was about to. at_ms: its SendingTime, Unix milliseconds."""

    seq: int
    at_ms: int
    msg_type: str
    raw: bytes


class Store(Protocol):
    """Both next numbers, and the newest sent application messages."""

    @property
    def next_out(self) -> int: ...

    @property
    def next_in(self) -> int: ...

    @property
    def reset_at_ms(self) -> int: ...

    def put_sent(self, sent: Sent) -> None:
        """Keep a message and raise next_out to the number after it. Durable when this returns."""
        ...

    def set_next_in(self, seq: int) -> None: ...

    def get_sent(self, seq: int) -> Sent | None: ...

    def reset(self, at_ms: int, *, next_out: int = 1, next_in: int = 1) -> None: ...

    def close(self) -> None: ...


class MemoryStore:
    """For tests and for sessions that reset at each logon anyway."""

    def __init__(self) -> None:
        self.next_out = 1
        self.next_in = 1
        self.reset_at_ms = 0
        self._sent: OrderedDict[int, Sent] = OrderedDict()

    def put_sent(self, sent: Sent) -> None:
        self.next_out = sent.seq + 1
        self._keep(sent)

    def _keep(self, sent: Sent) -> None:
        self._sent[sent.seq] = sent
        while len(self._sent) > KEPT_MESSAGES:
            self._sent.popitem(last=False)

    def set_next_in(self, seq: int) -> None:
        self.next_in = seq

    def get_sent(self, seq: int) -> Sent | None:
        return self._sent.get(seq)

    def reset(self, at_ms: int, *, next_out: int = 1, next_in: int = 1) -> None:
        self.next_out, self.next_in, self.reset_at_ms = next_out, next_in, at_ms
        self._sent.clear()

    def close(self) -> None:
        """Nothing to give back."""


_MAGIC: Final = b"KDFIX1\n\x00"
_LENGTH: Final = struct.Struct(">IB")  # of the payload; kind
_CHECKS: Final = struct.Struct(">II")  # CRC-32 of the length and kind, and of the payload
_HEAD_BYTES: Final = _LENGTH.size + _CHECKS.size
_RESET, _SENT, _IN, _NUMBERS = 1, 2, 3, 4
_RESET_BODY: Final = struct.Struct(">QQQ")
_SENT_BODY: Final = struct.Struct(">QQB")
_IN_BODY: Final = struct.Struct(">Q")
_KINDS: Final = (_RESET, _SENT, _IN, _NUMBERS)


class FileStore(MemoryStore):
    """An append-only file of checked records, rewritten when it grows large.

    A record is in the page cache when `put_sent` returns, which outlives the process; with `sync` it is on
    the disk, which outlives the machine. A last record that was cut short was never sent and is dropped
    (`was_torn`); anything else that does not verify is StoreCorrupt.

    Args:
        sync: call fsync after each sent message (0.2 ms on a local disk).

    Raises:
        StoreCorrupt: the file does not verify. It is left as it is; `set_aside` makes room for a new one.
        OSError: the file cannot be read or written.
    """

    def __init__(self, path: Path, *, sync: bool = False, compact_bytes: int = COMPACT_BYTES) -> None:
        super().__init__()
        self.was_torn = False
        self._path = path
        self._sync = sync
        self._compact_bytes = compact_bytes
        path.parent.mkdir(parents=True, exist_ok=True)
        data = path.read_bytes() if path.exists() else b""
        good = self._load(data)
        self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        if good < len(data):
            self.was_torn = True
            os.ftruncate(self._descriptor, good)
        self._size = good
        os.lseek(self._descriptor, good, os.SEEK_SET)
        if good == 0:
            self._write(_MAGIC)

    def put_sent(self, sent: Sent) -> None:
        kind = sent.msg_type.encode("ascii")
        self._append(_SENT, _SENT_BODY.pack(sent.seq, sent.at_ms, len(kind)) + kind + sent.raw)
        if self._sync:
            os.fsync(self._descriptor)
        super().put_sent(sent)
        if self._size > self._compact_bytes:
            self._compact()

    def set_next_in(self, seq: int) -> None:
        self._append(_IN, _IN_BODY.pack(seq))
        super().set_next_in(seq)
        if self._size > self._compact_bytes:
            self._compact()

    def reset(self, at_ms: int, *, next_out: int = 1, next_in: int = 1) -> None:
        super().reset(at_ms, next_out=next_out, next_in=next_in)
        self._compact()

    def close(self) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def _append(self, kind: int, payload: bytes) -> None:
        self._write(_record(kind, payload))

    def _write(self, data: bytes) -> None:
        view = memoryview(data)
        try:
            while view:
                view = view[os.write(self._descriptor, view) :]
        except OSError:
            # What was written of it would make the next record unreadable.
            os.ftruncate(self._descriptor, self._size)
            os.lseek(self._descriptor, self._size, os.SEEK_SET)
            raise
        self._size += len(data)

    def _compact(self) -> None:
        """Write the present state to a new file and put it in the old one's place, in one step."""
        parts = [_MAGIC, _record(_RESET, _RESET_BODY.pack(self.reset_at_ms, self.next_out, self.next_in))]
        kept = list(self._sent.values())
        size = 0
        for sent in reversed(kept):  # the newest half of what the file may hold
            size += len(sent.raw) + 64
            if size > self._compact_bytes // 2:
                kept = [one for one in kept if one.seq > sent.seq]
                break
        for sent in kept:
            kind = sent.msg_type.encode("ascii")
            parts.append(_record(_SENT, _SENT_BODY.pack(sent.seq, sent.at_ms, len(kind)) + kind + sent.raw))
        # The kept messages raise next_out on reading; it may be ahead of them.
        parts.append(_record(_NUMBERS, _RESET_BODY.pack(self.reset_at_ms, self.next_out, self.next_in)))
        data = b"".join(parts)
        beside = self._path.with_suffix(".new")
        descriptor = os.open(beside, os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o600)
        try:
            view = memoryview(data)
            while view:
                view = view[os.write(descriptor, view) :]
            os.fsync(descriptor)
            beside.replace(self._path)
        except OSError:
            os.close(descriptor)
            raise
        os.close(self._descriptor)
        self._descriptor, self._size = descriptor, len(data)

    def _load(self, data: bytes) -> int:
        """Read the records; return how many bytes of the file are whole."""
        if len(data) < len(_MAGIC):
            if not _MAGIC.startswith(data):
                raise StoreCorrupt(f"{self._path.name} is not a session store")
            return 0
        if not data.startswith(_MAGIC):
            raise StoreCorrupt(f"{self._path.name} is not a session store")
        at = len(_MAGIC)
        while at < len(data):
            if len(data) - at < _HEAD_BYTES:
                return at
            length, kind = _LENGTH.unpack_from(data, at)
            head_check, check = _CHECKS.unpack_from(data, at + _LENGTH.size)
            start = at + _HEAD_BYTES
            # Checked by itself: a damaged length would make the rest of the file look cut off.
            if zlib.crc32(data[at : at + _LENGTH.size]) != head_check or kind not in _KINDS:
                raise StoreCorrupt(f"{self._path.name} has no record at byte {at}")
            payload = data[start : start + length]
            if len(payload) < length:
                return at
            if zlib.crc32(payload) != check:
                raise StoreCorrupt(f"{self._path.name} is damaged at byte {at}")
            self._replay(kind, payload)
            at = start + length
        return at

    def _replay(self, kind: int, payload: bytes) -> None:
        if kind == _SENT:
            seq, at_ms, size = _SENT_BODY.unpack_from(payload)
            rest = payload[_SENT_BODY.size :]
            MemoryStore.put_sent(self, Sent(seq, at_ms, rest[:size].decode("ascii"), rest[size:]))
        elif kind == _IN:
            (self.next_in,) = _IN_BODY.unpack(payload)
        else:
            at_ms, next_out, next_in = _RESET_BODY.unpack(payload)
            if kind == _RESET:
                self._sent.clear()
            self.reset_at_ms, self.next_out, self.next_in = at_ms, next_out, next_in


def _record(kind: int, payload: bytes) -> bytes:
    length = _LENGTH.pack(len(payload), kind)
    return length + _CHECKS.pack(zlib.crc32(length), zlib.crc32(payload)) + payload


def set_aside(path: Path, at_ms: int) -> Path:
    """Move a damaged store out of the way, kept for whoever wants to look; return where it is now."""
    kept = path.with_name(f"{path.stem}.damaged-{at_ms}{path.suffix}")
    path.replace(kept)
    return kept
