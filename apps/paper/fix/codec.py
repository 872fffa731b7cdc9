"""FIX tag=value on the wire: cut a byte stream into messages, take one apart, put one together.

A message is garbled when its first three fields, its length or its checksum are wrong. Garbled bytes are counted and
skipped: whoever sent them finds a gap later.
"""

from collections.abc import Iterable
from dataclasses import dataclass

SOH = b"\x01"
BEGIN_STRING = b"FIXT.1.1"
MAX_BODY = 65_536  # bytes; ours, the docs name no limit
_LONGEST_HEAD = 64  # bytes of "8=...|9=...|"

Fields = list[tuple[int, str]]


class Garbled(Exception):
    """Bytes that are no message. The text says why."""


@dataclass(slots=True)
class Message:
    """One message as it came: all fields in order, without BodyLength and CheckSum, which were right."""

    fields: list[tuple[int, bytes]]
    size: int = 0

    @property
    def msg_type(self) -> str:
        """Tag 35, always the second field here."""
        return self.fields[1][1].decode("latin-1")

    def first(self, tag: int) -> str | None:
        """The first value of a tag; None when it is not there."""
        return next((value.decode("latin-1") for number, value in self.fields if number == tag), None)


class Splitter:
    """Cuts a stream into messages. garbled: how many were skipped."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self.garbled = 0

    def feed(self, data: bytes) -> list[Message]:
        """Take in bytes; return the messages that are whole now."""
        self._buffer += data
        found: list[Message] = []
        while True:
            start = self._start()
            if start is None:
                return found
            try:
                end = self._end()
                if end is None:
                    return found
                found.append(decode(bytes(self._buffer[:end])))
                del self._buffer[:end]
            except Garbled:
                self.garbled += 1
                self._skip()

    def _start(self) -> int | None:
        """Drop what cannot begin a message; None when nothing can yet."""
        at = self._buffer.find(b"8=")
        if at < 0:
            del self._buffer[: max(0, len(self._buffer) - 1)]
            return None
        del self._buffer[:at]
        return 0

    def _end(self) -> int | None:
        """Where the first message ends; None while it is not whole.

        Raises:
            Garbled: it does not begin as one, or is too long.
        """
        buffer = self._buffer
        head = buffer.find(SOH)
        tail = buffer.find(SOH, head + 1) if head >= 0 else -1
        if tail < 0:
            if len(buffer) > _LONGEST_HEAD:
                raise Garbled("no BodyLength")
            return None
        length = bytes(buffer[head + 1 : tail])
        if not length.startswith(b"9=") or not length[2:].isdigit() or len(length) > 9:
            raise Garbled("BodyLength is not the second field")
        body = int(length[2:])
        if body > MAX_BODY:
            raise Garbled("the message is too long")
        end = tail + 1 + body + 7
        return end if len(buffer) >= end else None

    def _skip(self) -> None:
        """Go on at the next place that looks like a beginning."""
        at = self._buffer.find(SOH + b"8=", 1)
        if at >= 0:
            del self._buffer[: at + 1]
        else:
            del self._buffer[:2]


def decode(raw: bytes) -> Message:
    """Take one whole message apart.

    Raises:
        Garbled: lengths, checksum, order of the first three fields, or a field that is none.
    """
    trailer = raw[-7:]
    if not trailer.startswith(b"10=") or trailer[-1:] != SOH or raw[-8:-7] != SOH:
        raise Garbled("CheckSum is not where BodyLength says")
    if trailer[3:6] != checksum(raw[:-7]):
        raise Garbled("wrong CheckSum")
    fields = _split(raw[:-7])
    if [tag for tag, _ in fields[:3]] != [8, 9, 35] or not fields[2][1]:
        raise Garbled("the first three fields are not 8, 9, 35")
    del fields[1]
    return Message(fields, len(raw))


def _split(raw: bytes) -> list[tuple[int, bytes]]:
    fields: list[tuple[int, bytes]] = []
    at, data_length = 0, None
    while at < len(raw):
        equals = raw.find(b"=", at)
        end = raw.find(SOH, at)
        if equals < 0 or end < equals:
            raise Garbled("a field without a value sign")
        number = raw[at:equals]
        tag = int(number) if number.isdigit() and len(number) <= 9 else 0  # 0: not a tag number
        if tag == 96 and data_length is not None:
            # Data may hold the delimiter: its length says where it ends.
            end = equals + 1 + data_length
            if raw[end : end + 1] != SOH:
                raise Garbled("RawDataLength is wrong")
        value = raw[equals + 1 : end]
        data_length = int(value) if tag == 95 and value.isdigit() and len(value) <= 6 else None
        fields.append((tag, value))
        at = end + 1
    return fields


def checksum(raw: bytes) -> bytes:
    """Three digits: the sum of all bytes modulo 256."""
    return b"%03d" % (sum(raw) % 256)


def encode(msg_type: str, header: Iterable[tuple[int, str]], body: Iterable[tuple[int, str]]) -> bytes:
    """One whole message; `header` without 8, 9 and 35."""
    parts = [b"35=" + msg_type.encode("latin-1")]
    parts += [b"%d=%s" % (tag, _value(text)) for fields in (header, body) for tag, text in fields]
    inner = SOH.join(parts) + SOH
    message = b"8=" + BEGIN_STRING + SOH + b"9=%d" % len(inner) + SOH + inner
    return message + b"10=" + checksum(message) + SOH


def _value(text: str) -> bytes:
    """A value cannot hold the delimiter."""
    return text.replace("\x01", " ").encode("utf-8")
