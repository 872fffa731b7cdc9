"""What goes over the signer's socket: length-prefixed MessagePack, one answer for each question."""

import socket
import struct
from typing import TypeVar

import msgspec

MOST = 1 << 20  # bytes of one frame; the longest is the list of emergency keys
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


def receive(link: socket.socket, decoder: msgspec.msgpack.Decoder[Message]) -> Message | None:
    """Return the next message, None where the other side has ended in between.

    Raises:
        OSError: the line broke within a message, or said nothing for its time-out.
        ValueError: what came is none of ours (msgspec.DecodeError is one).
    """
    head = _exactly(link, _LENGTH.size)
    if head is None:
        return None
    (length,) = _LENGTH.unpack(head)
    if length > MOST:
        raise ValueError("a frame that is longer than any of ours")
    raw = _exactly(link, length)
    if raw is None:
        raise ConnectionResetError("the line ended within a frame")
    return decoder.decode(raw)


def _exactly(link: socket.socket, count: int) -> bytes | None:
    found = bytearray()
    while len(found) < count:
        piece = link.recv(count - len(found))
        if not piece:
            if found:
                raise ConnectionResetError("the line ended within a frame")
            return None
        found += piece
    return bytes(found)
