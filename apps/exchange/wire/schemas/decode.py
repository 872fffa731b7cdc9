"""From the bytes of one WebSocket frame to one typed message.

The two book messages are nearly all of the traffic, so they are decoded straight into structs;
everything else is rare and goes through a plain object, which keeps unknown fields.
"""

from collections.abc import Callable
from typing import Any

import msgspec

from apps.exchange.wire.schemas.base import Wire, build, note_unknown
from apps.exchange.wire.schemas.ws import (
    ANSWER_TYPES,
    BOOK_FIELDS,
    MESSAGE_TYPES,
    Answer,
    OrderbookDelta,
    OrderbookSnapshot,
    UnknownMessage,
)


class FrameUnusable(Exception):
    """A frame that cannot be used. reason: "json", "shape" or "schema"; sid: when it names one."""

    def __init__(self, reason: str, *, sid: int | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.sid = sid


class Message(msgspec.Struct):
    """A message that is neither book nor answer. body: a struct of `schemas.ws`."""

    type: str
    body: Wire
    sid: int = 0
    seq: int | None = None


Decoded = OrderbookDelta | OrderbookSnapshot | Answer | Message

# Both raise msgspec.ValidationError for every other type; the caller then goes on to `decode`.
decode_delta: Callable[[bytes], OrderbookDelta] = msgspec.json.Decoder(OrderbookDelta).decode
_decode_book: Callable[[bytes], OrderbookDelta | OrderbookSnapshot] = msgspec.json.Decoder(
    OrderbookDelta | OrderbookSnapshot
).decode
_decode_plain = msgspec.json.Decoder().decode


def decode(frame: bytes) -> Decoded:
    """Return the message in `frame`. Raises FrameUnusable, and nothing else, whatever the bytes."""
    try:
        return _decode_book(frame)
    except msgspec.ValidationError:
        return decode_other(frame)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, ValueError) as exc:
        raise FrameUnusable("json") from exc


def decode_other(frame: bytes) -> Answer | Message:
    """Return a message that is not of the book. Raises FrameUnusable."""
    body = _plain(frame)
    kind, sid = body.get("type"), _whole(body.get("sid"))
    if not isinstance(kind, str):
        raise FrameUnusable("shape", sid=sid)
    if kind in BOOK_FIELDS:
        # It did not fit its struct: a frame of this sid is lost to us.
        raise FrameUnusable("schema", sid=sid)
    try:
        if kind in ANSWER_TYPES:
            return msgspec.convert(body, Answer)
        known = MESSAGE_TYPES.get(kind)
        if known is None:
            note_unknown("message type", kind)
            unknown = UnknownMessage(type=kind, msg=body.get("msg"))
            return Message(type=kind, body=unknown, sid=sid or 0, seq=_whole(body.get("seq")))
        msg = body.get("msg")
        if not isinstance(msg, dict):
            raise FrameUnusable("shape", sid=sid)
        return Message(type=kind, body=build(known, msg), sid=sid or 0, seq=_whole(body.get("seq")))
    except (msgspec.ValidationError, RecursionError) as exc:
        raise FrameUnusable("schema", sid=sid) from exc


def sample_fields(frame: bytes) -> None:
    """Report fields of a book message that its struct leaves out. For samples, not for every frame."""
    body = _plain(frame)
    msg = body.get("msg")
    if isinstance(msg, dict):
        for field in msg.keys() - BOOK_FIELDS.get(str(body.get("type")), frozenset()):
            note_unknown(str(body.get("type")), field)


def _plain(frame: bytes) -> dict[str, Any]:
    try:
        body = _decode_plain(frame)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, ValueError) as exc:
        raise FrameUnusable("json") from exc
    if not isinstance(body, dict):
        raise FrameUnusable("shape")
    return body


def _whole(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None
