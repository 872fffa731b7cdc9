"""Misbehaviour of the FIX side on demand: single messages that go missing, come twice, late, damaged or not at all."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from apps.paper.fix.codec import SOH, checksum

FixFaultKind = Literal[
    "lose", "swallow", "gap", "repeat", "poss_dup", "poss_resend", "reorder", "delay", "corrupt", "conflict",
    "old_seq", "cut_before", "cut_after", "ignore", "unread", "hold", "refuse_logon", "drop_copy", "miscount",
]  # fmt: skip
SENT = frozenset({
    "swallow", "repeat", "poss_dup", "reorder", "delay", "corrupt", "old_seq", "cut_before", "cut_after",
})  # fmt: skip


def _rewrap(raw: bytes, change: Callable[[bytes], bytes]) -> bytes:
    """Change the part that BodyLength counts, with a right length and checksum."""
    head, _, rest = raw.partition(SOH)
    inner = change(rest.partition(SOH)[2][:-7])
    message = head + SOH + b"9=%d" % len(inner) + SOH + inner
    return message + b"10=" + checksum(message) + SOH


def _length(raw: bytes, by: int) -> bytes:
    return re.sub(rb"\x019=(\d+)", lambda match: b"\x019=%d" % (int(match[1]) + by), raw, count=1)


def _field(raw: bytes, tag: int, value: bytes) -> bytes:
    return re.sub(rb"\x01%d=[^\x01]*" % tag, b"\x01%d=%s" % (tag, value), raw, count=1)


CORRUPTIONS: dict[str, Callable[[bytes], bytes]] = {
    "checksum": lambda raw: raw[:-4] + (b"000" if raw[-4:-1] != b"000" else b"001") + SOH,
    "short_length": lambda raw: _length(raw, -5),
    "long_length": lambda raw: _length(raw, 5),
    "garbage": lambda raw: b"\x00\xff" + raw[::-1],
    "truncate": lambda raw: raw[: len(raw) // 2],
    "soh": lambda raw: _rewrap(raw, lambda inner: inner + b"58=a" + SOH + b"b" + SOH),
    "huge": lambda raw: _rewrap(raw, lambda inner: inner + b"58=" + b"x" * 1_000_000 + SOH),
    "repeated_tag": lambda raw: _rewrap(raw, lambda inner: inner + b"58=one" + SOH + b"58=two" + SOH),
    "unknown_tag": lambda raw: _rewrap(raw, lambda inner: inner + b"333333=test" + SOH),
    "no_value": lambda raw: _rewrap(raw, lambda inner: inner + b"58=" + SOH),
    "begin_string": lambda raw: _rewrap(raw.replace(b"8=FIXT.1.1", b"8=FIX.4.4", 1), lambda inner: inner),
    "comp_id": lambda raw: _rewrap(raw, lambda inner: _field(inner, 49, b"Somebody")),
    "no_seq": lambda raw: _rewrap(raw, lambda inner: re.sub(rb"\x0134=[^\x01]*", b"", inner, count=1)),
    "old_time": lambda raw: _rewrap(raw, lambda inner: _field(inner, 52, b"20200101-00:00:00.000")),
    "msg_type": lambda raw: _rewrap(raw, lambda inner: re.sub(rb"^35=[^\x01]*", b"35=ZZ", inner)),
}


def renumbered(raw: bytes, seq: int) -> bytes:
    """The message under another sequence number."""
    return _rewrap(raw, lambda inner: _field(inner, 34, b"%d" % seq))


def as_duplicate(raw: bytes, *, sent: str) -> bytes:
    """The message once more, marked as a possible duplicate of one sent at `sent`."""
    return _rewrap(raw, lambda inner: inner.replace(SOH + b"52=", SOH + b"43=Y" + SOH + b"122=" + sent.encode() + SOH
                                                    + b"52=", 1))  # fmt: skip


@dataclass(slots=True)
class FixFault:
    """Hits the next `left` messages that match, after letting `skip` of them pass. Empty fields match all.

    session: KalshiNR and so on. msg_type: tag 35; logons are hit by refuse_logon only. size: numbers that a gap skips.
    """

    kind: FixFaultKind
    left: int
    session: str = ""
    user_id: str = ""
    msg_type: str = ""
    skip: int = 0
    how: str = ""
    delay_ms: int = 0
    size: int = 1
    text: str = ""


class FixFaults:
    """The armed faults. applied: how many messages were hit."""

    def __init__(self) -> None:
        self._faults: list[FixFault] = []
        self.applied = 0

    def arm(self, fault: FixFault) -> None:
        """Arm one more; the first armed that matches wins."""
        self._faults.append(fault)

    def clear(self) -> None:
        """Disarm all."""
        self._faults.clear()

    def pending(self) -> list[FixFault]:
        return list(self._faults)

    def take(self, kinds: frozenset[str], *, session: str, user_id: str, msg_type: str) -> FixFault | None:
        """The fault of these kinds that a message meets, used once."""
        for fault in self._faults:
            if (
                fault.kind in kinds
                and fault.session in ("", session)
                and fault.user_id in ("", user_id)
                and fault.msg_type in ("", msg_type)
            ):
                if fault.skip:
                    fault.skip -= 1
                    continue
                fault.left -= 1
                if not fault.left:
                    self._faults.remove(fault)
                self.applied += 1
                return fault
        return None
