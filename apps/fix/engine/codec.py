"""Bytes to messages and back: framing, body length, checksum, data fields. Knows no sessions and no time.

A byte stream may be cut anywhere, carry two messages at once, or be garbled; the result does not depend on how.
Garbled input is dropped up to the next possible beginning and reported; it never raises.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from apps.fix.engine.errors import NotEncodable

SOH: Final = "\x01"
BEGIN_STRING: Final = "FIXT.1.1"
# Larger than any message that the exchange documents; what claims more is garbled.
MAX_BODY_BYTES: Final = 1_048_576
SECRET_TAGS: Final = frozenset({96, 553, 554})
REDACTED: Final = "<redacted>"
DATA_LENGTHS: Final = {95: 96, 93: 89}  # RawDataLength, SignatureLength
_DATA_TAGS: Final = frozenset(DATA_LENGTHS.values())

# "8=FIX" followed by BodyLength: text that merely speaks of FIX does not match.
_BEGIN = re.compile(rb"8=FIX[^\x01=]{0,12}\x019=")
_HEAD = re.compile(rb"8=FIX[^\x01=]{0,12}\x019=([0-9]{1,9})\x01")
_TRAILER = re.compile(rb"10=([0-9]{3})\x01")
_LONGEST_HEAD = 8 + 12 + 3 + 9 + 1
_TRAILER_BYTES = 7
_TAG_NUMBERS = {str(tag): tag for tag in range(1, 30_000)}
_TAG = re.compile(r"[1-9][0-9]{0,8}")

Fields = list[tuple[int, str]]


class Message:
    """One message: its fields in order, and the bytes that it came in.

    Text is UTF-8; bytes that are not (in data fields) survive as surrogate escapes. A part that is no field
    (no "=", or no tag number) is kept under tag 0.
    """

    __slots__ = ("_first", "checked", "fields", "raw")

    def __init__(self, fields: Fields, raw: bytes = b"") -> None:
        self.fields = fields
        self.raw = raw
        self.checked: object = None  # `validate` keeps the body here, so that it is read once
        # Of repeated tags the first counts.
        self._first = dict(reversed(fields))

    @property
    def msg_type(self) -> str:
        return self._first.get(35, "")

    def get(self, tag: int) -> str | None:
        return self._first.get(tag)

    def text(self, tag: int) -> str:
        """Return a field, "" when it is not there."""
        return self._first.get(tag, "")

    def is_set(self, tag: int) -> bool:
        """Say whether a flag is there and Y."""
        return self._first.get(tag) == "Y"

    def whole(self, tag: int) -> int | None:
        """Return a field of digits; None when it is missing or something else."""
        value = self._first.get(tag, "")
        return int(value) if value.isascii() and value.isdigit() and len(value) <= 18 else None

    def __contains__(self, tag: int) -> bool:
        return tag in self._first

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Message) and self.fields == other.fields

    def __hash__(self) -> int:
        return hash(tuple(self.fields))

    def __repr__(self) -> str:
        return f"<Message {readable(self.fields)}>"


@dataclass(frozen=True, slots=True)
class Garbled:
    """Bytes that were dropped, and why."""

    count: int
    why: str


def readable(fields: Iterable[tuple[int, str]]) -> str:
    """Return fields with "|" between them and secrets taken out, for logs and pages."""
    return "".join(f"{tag}={REDACTED if tag in SECRET_TAGS else value}|" for tag, value in fields)


def redacted(fields: Iterable[tuple[int, str]]) -> Fields:
    """Return the fields without what may not be stored or shown (signature, user name, password)."""
    return [(tag, REDACTED if tag in SECRET_TAGS else value) for tag, value in fields]


def encode(fields: Iterable[tuple[int, str]]) -> bytes:
    """Return the whole message for fields that begin with MsgType; 8, 9 and 10 are added.

    Raises:
        NotEncodable: a value is empty or holds a delimiter, or a tag is not a positive integer.
    """
    parts: list[bytes] = []
    for tag, value in fields:
        if not isinstance(tag, int) or tag <= 0:
            raise NotEncodable(f"no tag number: {tag!r}")
        if not isinstance(value, str) or not value:
            raise NotEncodable(f"tag {tag} has no value")
        if SOH in value and tag not in _DATA_TAGS:
            raise NotEncodable(f"tag {tag} holds a field delimiter")
        try:
            parts.append(f"{tag}={value}\x01".encode("utf-8", "surrogateescape"))
        except UnicodeEncodeError as exc:
            raise NotEncodable(f"tag {tag} holds text that is not Unicode") from exc
    body = b"".join(parts)
    head = f"8={BEGIN_STRING}\x019={len(body)}\x01".encode("ascii") + body
    return head + b"10=%03d\x01" % (sum(head) & 0xFF)


def decode(raw: bytes) -> Message:
    """Return the fields of one framed message. Never raises; what is no field is kept under tag 0."""
    if b"\x0195=" in raw or b"\x0193=" in raw:
        return Message(_with_data(raw), raw)
    fields: Fields = []
    append = fields.append
    for part in raw.decode("utf-8", "surrogateescape").split(SOH)[:-1]:
        tag, equals, value = part.partition("=")
        number = _TAG_NUMBERS.get(tag)
        if number is None:
            number = int(tag) if _TAG.fullmatch(tag) else 0
        append((number, value) if number and equals else (0, part))
    return Message(fields, raw)


def _with_data(raw: bytes) -> Fields:
    """As `decode`, for messages with data fields, which may hold delimiters."""
    fields: Fields = []
    at, size = 0, len(raw)
    data_tag, data_length = 0, 0
    while at < size:
        end = -1
        if data_tag and raw.startswith(b"%d=" % data_tag, at):
            # The length counts; unless it points nowhere, and then the field is read like any other.
            stop = at + len(str(data_tag)) + 1 + data_length
            if raw[stop : stop + 1] == b"\x01":
                end = stop
        if end < 0:
            end = raw.find(b"\x01", at)
            end = size if end < 0 else end
        part = raw[at:end].decode("utf-8", "surrogateescape")
        tag, equals, value = part.partition("=")
        number = int(tag) if equals and _TAG.fullmatch(tag) else 0
        fields.append((number, value) if number else (0, part))
        is_length = number in DATA_LENGTHS and value.isascii() and value.isdigit() and len(value) < 10
        data_tag, data_length = (DATA_LENGTHS[number], int(value)) if is_length else (0, 0)
        at = end + 1
    return fields


class Framer:
    """Cuts a byte stream into messages. `feed` returns what became complete, in order."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    @property
    def waiting(self) -> int:
        """Bytes of a message that is not complete yet."""
        return len(self._buffer)

    def feed(self, chunk: bytes) -> Iterator[Message | Garbled]:
        """Take bytes; yield complete messages and dropped parts. Consume it before the next call."""
        self._buffer += chunk
        while self._buffer:
            found = self._next()
            if found is None:
                return
            yield found

    def _next(self) -> Message | Garbled | None:
        buffer = self._buffer
        begin = _BEGIN.search(buffer)
        if begin is None:
            return self._drop_all_but_a_beginning()
        if begin.start():
            return self._drop(begin.start(), "bytes between two messages")
        head = _HEAD.match(buffer)
        if head is None:
            if len(buffer) < _LONGEST_HEAD and re.fullmatch(rb"[0-9]{0,9}", buffer[begin.end() :]):
                return None
            return self._drop_to_next("BodyLength is not a number")
        length = int(head[1])
        if length > MAX_BODY_BYTES:
            return self._drop_to_next(f"BodyLength says {length} bytes")
        end = head.end() + length
        if len(buffer) < end + _TRAILER_BYTES:
            return None
        trailer = _TRAILER.fullmatch(buffer, end, end + _TRAILER_BYTES)
        if trailer is None:
            return self._drop_to_next("there is no CheckSum where BodyLength says")
        if buffer[end - 1] != 1:
            return self._drop_to_next("BodyLength ends inside a field")
        raw = bytes(buffer[: end + _TRAILER_BYTES])
        if sum(memoryview(raw)[:end]) & 0xFF != int(trailer[1]):
            return self._drop(len(raw), "the CheckSum is wrong")
        if not raw.startswith(b"35=", head.end()):
            return self._drop(len(raw), "MsgType is not the third field")
        del buffer[: len(raw)]
        return decode(raw)

    def _drop_all_but_a_beginning(self) -> Garbled | None:
        """Keep only what a message may begin with: the rest of it may not have arrived."""
        buffer = self._buffer
        keep = 0
        at = buffer.rfind(b"8", max(0, len(buffer) - _LONGEST_HEAD))
        while at >= 0:
            if _may_begin(bytes(buffer[at:])):
                keep = len(buffer) - at
            at = buffer.rfind(b"8", max(0, len(buffer) - _LONGEST_HEAD), at)
        count = len(buffer) - keep
        return self._drop(count, "bytes between two messages") if count else None

    def _drop_to_next(self, why: str) -> Garbled:
        following = _BEGIN.search(self._buffer, 1)
        if following is not None:
            return self._drop(following.start(), why)
        # Not one byte more than the wrong beginning: the rest is looked at anew.
        return self._drop(1, why)

    def _drop(self, count: int, why: str) -> Garbled:
        del self._buffer[:count]
        return Garbled(count, why)


_MAY_BEGIN = re.compile(rb"8=FIX[^\x01=]{0,12}(?:\x019?)?")


def _may_begin(tail: bytes) -> bool:
    return b"8=FIX".startswith(tail) or _MAY_BEGIN.fullmatch(tail) is not None
