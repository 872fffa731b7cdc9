"""What one browser still has to get: at most one frame per topic, newest wins. No I/O, no clock.

A browser that is slow therefore skips frames instead of queueing them, and its memory here is bounded
by the topics it subscribes to.
"""

from dataclasses import dataclass
from typing import Literal

import msgspec

Mode = Literal["whole", "rows"]
_GONE = b"null"


class _Rows(msgspec.Struct):
    rows: dict[str, msgspec.Raw]
    all: bool = False


class _Versioned(msgspec.Struct):
    v: int = 0


_decode_rows = msgspec.json.Decoder(_Rows).decode
_decode_version = msgspec.json.Decoder(_Versioned).decode
_encode = msgspec.json.Encoder(decimal_format="string").encode


class Frame:
    """One frame of one topic. `data` is its JSON as it came from Redis; nothing is decoded unless rows must merge.

    The text for browsers is made once and shared by all of them.
    """

    __slots__ = ("_rows", "_text", "data", "mode", "topic", "version")

    def __init__(self, topic: str, version: int, data: bytes, mode: Mode) -> None:
        self.topic = topic
        self.version = version
        self.data = data
        self.mode = mode
        self._text: str | None = None
        self._rows: _Rows | None = None

    @classmethod
    def of(cls, topic: str, version: int, value: object, mode: Mode) -> "Frame":
        return cls(topic, version, _encode(value), mode)

    @property
    def text(self) -> str:
        if self._text is None:
            topic = _encode(self.topic).decode()
            self._text = f'{{"topic":{topic},"v":{self.version},"d":{self.data.decode()}}}'
        return self._text

    @property
    def rows(self) -> _Rows:
        if self._rows is None:
            self._rows = _decode_rows(self.data)
        return self._rows


def merged(first: Frame, second: Frame) -> Frame:
    """Return the frame that has the effect of both, `second` having arrived after `first`."""
    if first.mode == "whole":
        return second if second.version >= first.version else first
    if second.rows.all:
        return second
    rows = dict(first.rows.rows)
    for key, row in second.rows.rows.items():
        known = rows.get(key)
        if bytes(row) == _GONE:
            if first.rows.all:
                rows.pop(key, None)
            else:
                rows[key] = row
        elif known is None or bytes(known) == _GONE or _decode_version(known).v <= _decode_version(row).v:
            rows[key] = row
    value: dict[str, object] = {"rows": rows}
    if first.rows.all:
        value["all"] = True
    return Frame(first.topic, max(first.version, second.version), _encode(value), "rows")


@dataclass(slots=True)
class _Held:
    """A topic whose first state is being read: what comes meanwhile waits for it."""

    frame: Frame | None = None


class Outbox:
    def __init__(self) -> None:
        self._slots: dict[str, Frame] = {}
        self._held: dict[str, _Held] = {}

    def hold(self, topic: str) -> None:
        """Keep frames of `topic` back until `release`."""
        self._held[topic] = _Held()

    def release(self, topic: str, state: Frame | None) -> None:
        """Let `topic` go on from `state`; frames that came meanwhile are merged over it."""
        held = self._held.pop(topic, None)
        if held is None:
            return  # unsubscribed while the state was being read
        waiting = held.frame
        if state is not None:
            self.put(state)
        if waiting is not None:
            self.put(waiting)

    def put(self, frame: Frame) -> None:
        held = self._held.get(frame.topic)
        if held is not None:
            held.frame = frame if held.frame is None else merged(held.frame, frame)
            return
        pending = self._slots.get(frame.topic)
        self._slots[frame.topic] = frame if pending is None else merged(pending, frame)

    def forget(self, topic: str) -> None:
        self._slots.pop(topic, None)
        self._held.pop(topic, None)

    def take(self) -> list[str]:
        """Return the pending texts, oldest topic first, and forget them."""
        if not self._slots:
            return []
        slots, self._slots = self._slots, {}
        return [frame.text for frame in slots.values()]

    def __len__(self) -> int:
        return len(self._slots)
