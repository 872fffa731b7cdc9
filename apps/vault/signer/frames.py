"""What goes over the signer's socket: length-prefixed MessagePack, one answer for each question."""

import socket
import struct
import threading
import time
from typing import TypeVar

import msgspec

MOST = 1 << 20  # bytes of one frame; the longest is the list of emergency keys
USUAL = 1 << 14  # bytes of every other question
_LENGTH = struct.Struct(">I")


class Ask(msgspec.Struct, array_like=True):
    """One question.

    what: "ping", "missing" (what it could not give up), "open", "rest", "logon" or "emergency".
    ref: which key, "17" for a row, "e:17" for one of the emergency file.
    text: for "rest" the method and the path with a space between; for "logon" what is signed; for "emergency" the
    sealed keys as JSON. at_ms: for "rest", Unix ms.
    """

    what: str
    ref: str = ""
    text: str = ""
    at_ms: int = 0


class Answer(msgspec.Struct, array_like=True):
    """values, or the code and the words of what was refused. Never a part of a key."""

    values: list[str] = []
    code: str = ""
    text: str = ""


Message = TypeVar("Message", Ask, Answer)
_encode = msgspec.msgpack.Encoder().encode
ASKS = msgspec.msgpack.Decoder(Ask)
ANSWERS = msgspec.msgpack.Decoder(Answer)


def send(link: socket.socket, message: Ask | Answer) -> None:
    """Raises OSError."""
    raw = _encode(message)
    link.sendall(_LENGTH.pack(len(raw)) + raw)


class TooLong(ValueError):
    """A frame that is longer than any of ours."""


class TooMany(ValueError):
    """A long frame while as many as may be are being read."""


def receive(
    link: socket.socket,
    decoder: msgspec.msgpack.Decoder[Message],
    *,
    within: float | None = None,
    large: threading.Semaphore | None = None,
) -> Message | None:
    """Return the next message, None where the other side has ended in between.

    Args:
        within: seconds for all of a frame from its first byte on; between two there may be hours. None: the link's
            own time-out for each piece.
        large: gives a place to read a frame of more than USUAL bytes. None: no more than MOST is asked.

    Raises:
        OSError: the line broke within a message, or said nothing for its time (TimeoutError).
        ValueError: what came is none of ours (msgspec.DecodeError is one), TooLong, TooMany.
    """
    if within is not None:
        link.settimeout(None)
    head = bytearray(link.recv(_LENGTH.size))
    if not head:
        return None
    until = None if within is None else time.monotonic() + within
    _fill(link, head, _LENGTH.size, until)
    (length,) = _LENGTH.unpack(head)
    if length > MOST:
        raise TooLong
    place = large if large is not None and length > USUAL else None
    if place is not None and not place.acquire(blocking=False):
        raise TooMany
    try:
        raw = bytearray()
        _fill(link, raw, length, until)
    finally:
        if place is not None:
            place.release()
    return decoder.decode(raw)


def _fill(link: socket.socket, found: bytearray, count: int, until: float | None) -> None:
    """Read up to `count` bytes in all. until: of the monotonic clock, in seconds."""
    while len(found) < count:
        if until is not None:
            left = until - time.monotonic()
            if left <= 0:
                raise TimeoutError
            link.settimeout(left)
        piece = link.recv(count - len(found))
        if not piece:
            raise ConnectionResetError("the line ended within a frame")
        found += piece
