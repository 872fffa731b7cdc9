"""What of an account's frames is for somebody who sees some of its subaccounts only.

Frames are made once and shared by all browsers; only for such people are they taken apart. A row without a subaccount
is of the whole account, and not for them.
"""

from collections.abc import Mapping
from typing import Any

import msgspec

from apps.web.outbox import Frame

_GONE = b"null"


class _Row(msgspec.Struct):
    subaccount: int | None = None


class _Parted(msgspec.Struct):
    subaccounts: dict[str, msgspec.Raw] = {}


_row = msgspec.json.Decoder(_Row).decode
_parted = msgspec.json.Decoder(_Parted).decode
_encode = msgspec.json.Encoder().encode


class Sieve:
    """Of one browser: the subaccounts that it gets, by topic, and which rows it was given."""

    def __init__(self) -> None:
        self._numbers: dict[str, frozenset[int]] = {}
        self._given: dict[str, set[str]] = {}

    @property
    def numbers(self) -> Mapping[str, frozenset[int]]:
        return self._numbers

    def keep_to(self, topic: str, numbers: frozenset[int] | None) -> None:
        """Let only these subaccounts of a topic through from now on; None: all of it."""
        self.forget(topic)
        if numbers is not None:
            self._numbers[topic] = numbers

    def forget(self, topic: str) -> None:
        self._numbers.pop(topic, None)
        self._given.pop(topic, None)

    def __call__(self, frame: Frame) -> Frame | None:
        """Return the frame, what of it is this browser's, or None when nothing is."""
        numbers = self._numbers.get(frame.topic)
        if numbers is None:
            return frame
        if frame.mode == "whole":
            parts = _parted(frame.data).subaccounts
            theirs = {name: part for name, part in parts.items() if name.isdecimal() and int(name) in numbers}
            return self._made(frame, {"subaccounts": theirs})
        # Kept over a whole state, too: rows that came while it was being read are shown beside it, and may go later.
        given = self._given.setdefault(frame.topic, set())
        rows: dict[str, msgspec.Raw] = {}
        for key, row in frame.rows.rows.items():
            if bytes(row) == _GONE:
                if key in given:
                    given.discard(key)
                    rows[key] = row
            elif _row(row).subaccount in numbers:
                given.add(key)
                rows[key] = row
        if not rows and not frame.rows.all:
            return None
        return self._made(frame, {"rows": rows, "all": True} if frame.rows.all else {"rows": rows})

    def _made(self, frame: Frame, value: Mapping[str, Any]) -> Frame:
        return Frame(frame.topic, frame.version, _encode(value), frame.mode)
