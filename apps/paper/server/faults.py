"""Misbehaviour of single WebSocket frames, on demand."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from apps.paper.server.channels import Subscription

FrameFaultKind = Literal["lose", "drop", "repeat", "reorder", "delay", "corrupt"]


def _negative(text: str) -> str:
    """A delta that takes more than any level holds; other frames lose their last brace."""
    changed = re.sub(r'"delta_fp":"[^"]*"', '"delta_fp":"-99999999.00"', text)
    return changed if changed != text else text[:-1]


CORRUPTIONS: dict[str, Callable[[str], str]] = {
    "truncate": lambda text: text[: len(text) // 2],
    "garbage": lambda text: "\u0000{]" + text[::-1],
    "unknown_type": lambda text: re.sub(r'"type":"[a-z_]+"', '"type":"not_known_yet"', text, count=1),
    "unknown_field": lambda text: text[:-1] + ',"not_known_yet":{"a":[1,2,3]}}',
    "unknown_enum": lambda text: re.sub(r'"(side|status|taker_book_side)":"[a-z]+"', r'"\1":"sideways"', text),
    "negative": _negative,
    "not_a_number": lambda text: re.sub(r'"(delta_fp|price_dollars|count_fp)":"[^"]*"', r'"\1":NaN', text),
    "wide_price": lambda text: re.sub(r'"(\w*price_dollars)":"(\d\.\d+)"', r'"\1":"\g<2>00"', text),
    "deep": lambda text: text[:-1] + ',"deep":' + "[" * 20_000 + "]" * 20_000 + "}",
    "huge": lambda text: text[:-1] + ',"padding":"' + "x" * 10_000_000 + '"}',
}


@dataclass(slots=True)
class FrameFault:
    """Hits the next `left` data frames that match. Empty channel, type, ticker or user_id match all."""

    kind: FrameFaultKind
    left: int
    channel: str = ""
    ticker: str = ""
    user_id: str = ""
    delay_ms: int = 0
    how: str = "truncate"
    type: str = ""

    def matches(self, subscription: "Subscription", ticker: str, message_type: str) -> bool:
        return (
            self.left > 0
            and self.channel in ("", subscription.channel)
            and self.type in ("", message_type)
            and self.ticker in ("", ticker)
            and self.user_id in ("", subscription.session.key.user_id)
        )


class FrameFaults:
    """Applied after `seq` was given, so that a client can notice what it noticed in production; `lose` before."""

    def __init__(self) -> None:
        self._faults: list[FrameFault] = []
        self._held: dict[Subscription, str] = {}
        self.applied = 0

    @property
    def armed(self) -> bool:
        return bool(self._faults or self._held)

    def arm(self, fault: FrameFault) -> None:
        self._faults.append(fault)

    def clear(self) -> None:
        """Disarm everything; a frame held for reordering is dropped."""
        self._faults.clear()
        self._held.clear()

    def forget(self, subscription: "Subscription") -> None:
        self._held.pop(subscription, None)

    def pending(self) -> list[FrameFault]:
        return list(self._faults)

    def loses(self, subscription: "Subscription", ticker: str, message_type: str) -> bool:
        """Whether this frame never comes into being: no trace of it is left, not even a gap in `seq`."""
        lossy = (fault for fault in self._faults if fault.kind == "lose")
        fault = next((fault for fault in lossy if fault.matches(subscription, ticker, message_type)), None)
        if fault is not None:
            self._use(fault)
        return fault is not None

    def _use(self, fault: FrameFault) -> None:
        self.applied += 1
        fault.left -= 1
        if fault.left == 0:
            self._faults.remove(fault)

    def apply(self, subscription: "Subscription", ticker: str, message_type: str, text: str) -> list[tuple[str, int]]:
        """Return what goes out in place of this frame: (text, milliseconds to hold it)."""
        others = (fault for fault in self._faults if fault.kind != "lose")
        fault = next((fault for fault in others if fault.matches(subscription, ticker, message_type)), None)
        held = self._held.pop(subscription, None)
        behind = [] if held is None else [(held, 0)]
        if fault is None:
            return [(text, 0), *behind]
        self._use(fault)
        match fault.kind:
            case "drop" | "lose":
                return behind
            case "repeat":
                return [(text, 0), (text, 0), *behind]
            case "reorder":
                # Sent right after the next frame of the same subscription.
                self._held[subscription] = text
                return behind
            case "delay":
                return [(text, fault.delay_ms), *behind]
            case "corrupt":
                return [(CORRUPTIONS[fault.how](text), 0), *behind]


@dataclass(slots=True)
class CommandFault:
    """Refuses the next `left` commands that match with an error code. Empty cmd or user_id match all.

    when: `before`, nothing is done; `after`, it is done and only its answer is lost.
    """

    code: int
    left: int
    cmd: str = ""
    user_id: str = ""
    when: Literal["before", "after"] = "before"


class CommandFaults:
    """Codes that no command of a client can bring about: 9, 10, 17, 18."""

    def __init__(self) -> None:
        self._faults: list[CommandFault] = []

    def arm(self, fault: CommandFault) -> None:
        self._faults.append(fault)

    def clear(self) -> None:
        self._faults.clear()

    def pending(self) -> int:
        return len(self._faults)

    def take(self, cmd: str, *, user_id: str) -> CommandFault | None:
        """The fault that this command meets, used once."""
        fault = next((f for f in self._faults if f.cmd in ("", cmd) and f.user_id in ("", user_id)), None)
        if fault is not None:
            fault.left -= 1
            if not fault.left:
                self._faults.remove(fault)
        return fault
