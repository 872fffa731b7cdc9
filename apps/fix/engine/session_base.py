"""What every part of a session stands on: its state, its numbers, and the way a message leaves. See `session`."""

from collections import deque
from dataclasses import dataclass, field
from enum import StrEnum

from apps.fix.engine.codec import Fields, Framer, Message, encode, readable
from apps.fix.engine.dictionary import Dictionary, kalshi
from apps.fix.engine.errors import SendRefused
from apps.fix.engine.logon import LogonFlags, Signer
from apps.fix.engine.outputs import Deliver, End, Ended, Noted, Output, Transmit
from apps.fix.engine.rules import ADMIN, Kind, rules_of
from apps.fix.engine.store import Sent, Store
from apps.fix.engine.validate import Problem
from apps.fix.engine.values import timestamp_write


class State(StrEnum):
    DISCONNECTED = "disconnected"
    LOGON_SENT = "logon_sent"
    ACTIVE = "active"
    LOGOUT_SENT = "logout_sent"


@dataclass(frozen=True, slots=True)
class SessionConfig:
    """One session.

    peer_comp_ids: who may speak to us. The documentation says "Kalshi", its market data examples the session's own
        name; both are taken unless this says otherwise.
    resend_to_infinity: end a ResendRequest with 0; False names the last missing number.
    custom_tags_pass: see `validate.check`.
    """

    kind: Kind
    sender_comp_id: str
    flags: LogonFlags = field(default_factory=LogonFlags)
    heartbeat: int = 30
    peer_comp_ids: frozenset[str] = frozenset()
    resend_to_infinity: bool = True
    custom_tags_pass: bool = True
    with_data_length: bool = True

    def __post_init__(self) -> None:
        self.flags.check(self.kind)
        if not self.peer_comp_ids:
            object.__setattr__(self, "peer_comp_ids", frozenset({"Kalshi", self.kind.value}))


class SessionBase:
    """State and writing. Attributes without an underscore are for reading."""

    def __init__(
        self, config: SessionConfig, store: Store, signer: Signer, *, dictionary: Dictionary | None = None
    ) -> None:
        self.config = config
        rules = rules_of(config.kind, is_margin=config.flags.is_margin)
        assert rules is not None, "checked with the flags"
        self.rules = rules
        self.store = store
        self.state = State.DISCONNECTED
        self.heartbeat_ms = config.heartbeat * 1000
        self.rtt_ms: int | None = None
        self.rejects_sent = 0
        self.rejects_received = 0
        self.last_received_at = 0
        self.last_sent_at = 0
        # Set it before `connected` to reset a session with retained messages (141=Y): what it missed is lost to it.
        self.reset_next = False
        self.next_in = store.next_in
        self._signer = signer
        self._dictionary = dictionary or kalshi()
        self._framer = Framer()
        self._outputs: list[Output] = []
        self._unapplied: deque[int] = deque()
        self._held: dict[int, Message] = {}
        self._gap_end = 0
        self._gap_progress_at = 0
        self._asked: tuple[int, int] = (0, 0)  # first number of our last ResendRequest, how often
        self._was_reset = False
        self._was_asked: tuple[int, int] = (0, 0)  # the same of theirs
        self._tested: tuple[str, int] | None = None  # TestReqID that is waited for, and when it was sent
        self._tests = 0
        self._state_since = 0
        self._ending = Ended(End.REQUESTED, "")

    @property
    def next_out(self) -> int:
        return self.store.next_out

    @property
    def gap(self) -> tuple[int, int] | None:
        """Return the missing numbers that were asked for, None when nothing is missing."""
        return (self.next_in, self._gap_end) if self._gap_end >= self.next_in else None

    def _header(self, msg_type: str, seq: int, now: int) -> Fields:
        return [
            (35, msg_type),
            (49, self.config.sender_comp_id),
            (56, self.config.kind.value),
            (34, str(seq)),
            (52, timestamp_write(now)),
        ]

    def _send(self, msg_type: str, body: Fields, now: int) -> int:
        """Store a new message, then hand it out. Raises NotEncodable before anything is stored."""
        if self.config.flags.listener and msg_type not in ADMIN:
            raise SendRefused("fix_listener", "This is a listener session: it reads and never sends.")
        seq = self.store.next_out
        fields = [*self._header(msg_type, seq, now), *body]
        raw = encode(fields)
        # Session messages are never sent again, and a Logon carries a signature: only their number is kept.
        self.store.put_sent(Sent(seq, now, msg_type, b"" if msg_type in ADMIN else raw))
        self._transmit(fields, seq, msg_type, now, raw)
        return seq

    def _transmit(self, fields: Fields, seq: int, msg_type: str, now: int, raw: bytes = b"") -> None:
        self._outputs.append(Transmit(raw or encode(fields), seq, msg_type, fields))
        self.last_sent_at = now

    def _reject(self, message: Message, seq: int, problem: Problem, now: int) -> None:
        self.rejects_sent += 1
        self._note("rejected", f"{problem.text} (tag {problem.tag}): {readable(message.fields)[:400]}", is_alarm=True)
        kind = message.msg_type
        body: Fields = [(45, str(seq))]
        if problem.tag:
            body.append((371, str(problem.tag)))
        if kind:
            body.append((372, kind))
        self._send("3", [*body, (373, str(int(problem.reason))), (58, _plain(problem.text))], now)

    def _leave(self, end: End, text: str, now: int) -> None:
        """Say goodbye with the reason, and end at once."""
        if self.state is not State.DISCONNECTED:
            self._send("5", [(58, _plain(text))], now)
            self._end(end, text)

    def _end(self, end: End, text: str) -> None:
        if end is End.NUMBERS and self.state is State.LOGON_SENT:
            self.reset_next = True
        self._enter(State.DISCONNECTED, 0)
        self._outputs.append(Ended(end, text))

    def _enter(self, state: State, now: int) -> None:
        self.state, self._state_since = state, now

    def _consume(self, now: int, *, deliver: Message | None = None) -> None:
        seq = self.next_in
        self.next_in += 1
        self._gap_progress_at = now
        if deliver is not None:
            self._unapplied.append(seq)
            self._outputs.append(Deliver(deliver, seq, deliver.is_set(97)))
        self._keep_next_in()

    def _keep_next_in(self) -> None:
        durable = self._unapplied[0] if self._unapplied else self.next_in
        if durable != self.store.next_in:
            self.store.set_next_in(durable)

    def _note(self, code: str, text: str, *, is_alarm: bool = False) -> None:
        self._outputs.append(Noted(code, text, is_alarm))

    def _take(self) -> list[Output]:
        outputs, self._outputs = self._outputs, []
        return outputs


def _plain(text: str) -> str:
    return text.replace("\x01", " ")[:200] or "?"
