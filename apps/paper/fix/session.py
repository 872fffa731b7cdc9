"""One FIX session: a key on one target. Sequence numbers, session messages, retransmission; applications are elsewhere.

Sessions with retransmission (RT, PT) live on without a connection: what they are to be told is numbered and kept, so
that the member can ask for it after logging on again. The others exist only while they are connected.
"""

import logging
from collections.abc import Callable
from typing import TYPE_CHECKING

from apps.paper.fix.codec import BEGIN_STRING, Fields, Message, encode
from apps.paper.fix.dictionary import OUTBOUND, RETRANSMITS, SPECS
from apps.paper.fix.doors import Door
from apps.paper.fix.execution import Style
from apps.paper.fix.validation import (
    COMP_ID,
    INVALID_TYPE,
    REQUIRED_MISSING,
    SENDING_TIME,
    WRONG_VALUE,
    Body,
    SessionReject,
    check,
    format_time,
    parse_time,
)

if TYPE_CHECKING:
    from apps.paper.fix.gateway import Gateway
    from apps.paper.fix.peer import Peer

logger = logging.getLogger(__name__)
HOUR_MS = 3_600_000
MAX_QUEUED = 10_000  # messages ahead of a gap
INCOMING = frozenset({"ignore", "unread"})


class Session:
    """flags: the logon's optional fields by tag. next_in, next_out: the numbers expected and given next."""

    def __init__(self, gateway: "Gateway", *, door: Door, key_id: str, user_id: str) -> None:
        self.gateway = gateway
        self.door = door
        self.target = door.target
        self.key_id = key_id
        self.user_id = user_id
        self.next_in = self.next_out = 1
        self.pruned = 0
        self.flags: dict[str, str] = {}
        self.peer: Peer | None = None
        self.style = Style()
        self.scopes: tuple[str, ...] = ()
        self._queue: dict[int, Message] = {}
        self._answered: set[int] = set()  # requests ahead of a gap that were answered at once
        self._asked = False

    @property
    def session_id(self) -> str:
        return self.door.name + self.key_id

    @property
    def retransmits(self) -> bool:
        return self.target in RETRANSMITS

    @property
    def is_margin(self) -> bool:
        return self.door.is_margin

    @property
    def is_listener(self) -> bool:
        return self.flag(20126)

    def flag(self, tag: int, *, default: bool = False) -> bool:
        """A Y/N flag of the last logon."""
        value = self.flags.get(str(tag))
        return default if value is None else value == "Y"

    # --- life ------------------------------------------------------------------------------------
    def attach(self, peer: "Peer", *, flags: dict[str, str], reset: bool) -> None:
        """A connection has logged on."""
        self.peer = peer
        self.flags = flags
        self.style = self.gateway.style_of(self)
        self._queue.clear()
        self._answered.clear()
        self._asked = False
        if reset:
            self.reset()
        self.keep()

    def reset(self) -> None:
        """Both directions begin at 1; nothing of before can be asked for."""
        self.next_in = self.next_out = 1
        self.pruned = 0
        self._queue.clear()
        if self.retransmits:
            self.gateway.store.drop_sent(self.session_id)

    def keep(self) -> None:
        """Write numbers and flags down."""
        if self.retransmits:
            self.gateway.store.save_session(
                self.session_id, next_in=self.next_in, next_out=self.next_out, pruned=self.pruned, flags=self.flags
            )

    def detach(self) -> None:
        """The connection is gone."""
        self.peer = None
        self.gateway.session_ended(self)

    def end(self, text: str = "") -> None:
        """Send a Logout and close."""
        peer = self.peer
        if peer is not None:
            self.send("5", [(58, text)] if text else [])
            peer.close()

    # --- out -------------------------------------------------------------------------------------
    def send(self, msg_type: str, body: Fields, *, extra: Fields | None = None) -> None:
        """Send a message under the next number; kept for retransmission where there is one."""
        faults = self.gateway.faults
        about = {"session": self.door.name, "user_id": self.user_id, "msg_type": msg_type}
        if msg_type not in ("A", "5"):
            if faults.take(frozenset({"lose"}), **about):
                return
            gap = faults.take(frozenset({"gap"}), **about)
            if gap is not None:
                self.next_out += gap.size
        seq, ms = self.next_out, self.gateway.now_ms()
        self.next_out += 1
        if self.retransmits:
            is_kept = msg_type == "3" or not (msg_type in SPECS and SPECS[msg_type].admin)
            self.gateway.store.save_sent(self.session_id, seq, ms=ms, msg_type=msg_type, body=body if is_kept else None)
        if self.peer is not None:
            self.gateway.note(self, "out", msg_type, seq)
            self.peer.put(encode(msg_type, self._header(seq, ms) + (extra or []), body), msg_type=msg_type)
        if msg_type not in ("A", "5") and extra is None:
            if faults.take(frozenset({"poss_resend"}), **about):
                self.send(msg_type, body, extra=[(97, "Y")])
            elif faults.take(frozenset({"conflict"}), **about):
                self.send(msg_type, [(tag, "1" if tag in (31, 44) else text) for tag, text in body], extra=[])

    def _header(self, seq: int, ms: int, *, dup_of: int | None = None) -> Fields:
        mine = self.target if self.gateway.rules.sender_comp_id == "session" else "Kalshi"
        header = [(49, mine), (56, self.key_id), (34, str(seq)), (52, format_time(ms))]
        return header if dup_of is None else [*header, (43, "Y"), (122, format_time(dup_of))]

    def reject(self, ref_seq: int, msg_type: str, reason: int, tag: int, text: str) -> None:
        """A session-level Reject (35=3)."""
        fields: Fields = [(45, str(ref_seq))]
        if tag > 0:
            fields.append((371, str(tag)))
        self.send("3", [*fields, (372, msg_type), (373, str(reason)), (58, text)])

    def refuse(self, body: Body, reason: int, text: str, *, ref_id: str = "") -> None:
        """A BusinessMessageReject (35=j)."""
        fields: Fields = [(45, str(body.seq)), (372, body.msg_type), (380, str(reason)), (58, text)]
        self.send("j", [*fields, (379, ref_id)] if ref_id else fields)

    # --- in --------------------------------------------------------------------------------------
    def receive(self, message: Message) -> None:
        """One message of the member, whatever its number."""
        msg_type = message.msg_type
        hit = self.gateway.faults.take(INCOMING, session=self.door.name, user_id=self.user_id, msg_type=msg_type)
        if hit is not None and hit.kind == "unread":
            return
        number = message.first(34)
        if message.fields[0][1] != BEGIN_STRING:
            self.end("Incorrect BeginString")
            return
        if number is None or not number.isdigit() or len(number) > 15:
            self.end("MsgSeqNum is missing")
            return
        seq = int(number)
        self.gateway.note(self, "in", msg_type, seq)
        if hit is not None:
            self._advance(seq)
        elif msg_type == "A":
            self._log_on_again(message, seq)
        elif msg_type == "4" and message.first(123) != "Y":
            self._reset_sequence(message, seq)
        else:
            self._in_sequence(message, seq)

    def _in_sequence(self, message: Message, seq: int) -> None:
        """A message that its number puts before, at or after its turn."""
        is_dup = message.first(43) == "Y"
        if is_dup and not self._duplicate_is_fine(message, seq):
            return
        if seq < self.next_in:
            if not is_dup:
                self.end(f"MsgSeqNum too low, expecting {self.next_in} but received {seq}")
            return
        if seq > self.next_in:
            self._ahead(message, seq)
            return
        self._take(message, seq)
        while self.peer is not None and (waiting := self._queue.pop(self.next_in, None)) is not None:
            self._take(waiting, self.next_in)
        if not self._queue:
            self._asked = False

    def _advance(self, seq: int) -> None:
        if seq == self.next_in:
            self._count()

    def _count(self) -> None:
        self.next_in += 1
        if self.retransmits:
            self.gateway.store.save_next_in(self.session_id, self.next_in)

    def _duplicate_is_fine(self, message: Message, seq: int) -> bool:
        """A possible duplicate must say when it was first sent."""
        original = parse_time(message.first(122) or "")
        if original is None:
            self._advance(seq)
            self.reject(seq, message.msg_type, REQUIRED_MISSING, 122, "Required tag missing")
            return False
        if original > (parse_time(message.first(52) or "") or 0):
            self._advance(seq)
            self.reject(seq, message.msg_type, SENDING_TIME, 122, "SendingTime accuracy problem")
            self.end("OrigSendingTime is later than SendingTime")
            return False
        return True

    def _ahead(self, message: Message, seq: int) -> None:
        """A message after a gap: asked for again where that can be, the end of the session where not."""
        if message.msg_type == "5":
            self.end()
            return
        if not self.retransmits:
            self.end(f"MsgSeqNum too high, expecting {self.next_in} but received {seq}")
            return
        if message.msg_type == "2" and seq not in self._answered:
            # Two sides that ask each other would wait for ever if this one waited for its turn.
            self._answered.add(seq)
            self._check_and(message, seq, self._session_message)
        if len(self._queue) < MAX_QUEUED:
            self._queue[seq] = message
        if not self._asked:
            self.ask_again()

    def ask_again(self, begin: int | None = None, end: int = 0) -> None:
        """Send a ResendRequest for what is missing (or for a range, on demand of a test)."""
        self._asked = True
        self.send("2", [(7, str(begin or self.next_in)), (16, str(end))])

    def _take(self, message: Message, seq: int) -> None:
        """A message in its turn."""
        self._count()
        if seq in self._answered:
            self._answered.discard(seq)
            return
        self._check_and(message, seq, self._dispatch)

    def _check_and(self, message: Message, seq: int, act: Callable[[Body], None]) -> None:
        msg_type = message.msg_type
        try:
            self._check_header(message)
            spec = self.door.specs.get(msg_type)
            if spec is None and msg_type not in OUTBOUND:
                raise SessionReject(INVALID_TYPE, 35, "Invalid MsgType")
            if spec is None:
                self.refuse(Body(msg_type, seq), 3, "Unsupported Message Type")
                return
            body = check(message, spec)
        except SessionReject as wrong:
            self.reject(seq, msg_type, wrong.reason, wrong.tag, wrong.text)
            if wrong.reason == COMP_ID:
                self.end("CompID problem")
            return
        act(body)

    def _check_header(self, message: Message) -> None:
        for tag, expected in ((49, self.key_id), (56, self.target)):
            given = message.first(tag)
            if given is None:
                raise SessionReject(REQUIRED_MISSING, tag, "Required tag missing")
            if given != expected:
                raise SessionReject(COMP_ID, tag, "CompID problem")
        self.gateway.check_time(message)

    def _dispatch(self, body: Body) -> None:
        if self.door.specs[body.msg_type].admin:
            self._session_message(body)
        else:
            self.gateway.application(self, body)

    # --- session messages ------------------------------------------------------------------------
    def _session_message(self, body: Body) -> None:
        match body.msg_type:
            case "1":
                self.send("0", [(112, body.text(112))])
            case "2":
                self._resend(body)
            case "4":
                self._fill_gap(body)
            case "5":
                self.end()
            case _:
                pass  # heartbeats and rejects need no answer

    def _resend(self, body: Body) -> None:
        """Send again what is kept; session messages are passed over by gap fills."""
        if not self.retransmits:
            self.reject(body.seq, "2", INVALID_TYPE, 35, f"ResendRequest is not supported on {self.target}")
            return
        begin, end = body.whole(7) or 0, body.whole(16) or 0
        self.prune()
        if begin < 1 or begin >= self.next_out or (end and end < begin):
            self.reject(body.seq, "2", WRONG_VALUE, 7, "BeginSeqNo is out of range")
            return
        if begin <= self.pruned:
            self.reject(body.seq, "2", WRONG_VALUE, 7, "BeginSeqNo is beyond the lookback window")
            return
        last = min(end or self.next_out - 1, self.next_out - 1)
        at = begin
        for seq, ms, msg_type, fields in self.gateway.store.sent(self.session_id, begin, last):
            if seq > at:
                self._send_gap(at, seq)
            self._put_again(msg_type, seq, ms, fields)
            at = seq + 1
        if at <= last:
            self._send_gap(at, last + 1)

    def _send_gap(self, seq: int, new_seq: int) -> None:
        now = self.gateway.now_ms()
        if self.peer is not None:
            header = self._header(seq, now, dup_of=now)
            self.peer.put(encode("4", header, [(123, "Y"), (36, str(new_seq))]), msg_type="4")

    def _put_again(self, msg_type: str, seq: int, ms: int, fields: Fields) -> None:
        if self.peer is not None:
            header = self._header(seq, self.gateway.now_ms(), dup_of=ms)
            self.peer.put(encode(msg_type, header, fields), msg_type=msg_type)

    def prune(self) -> None:
        """Forget messages older than the retention asked for at logon."""
        if self.retransmits:
            hours = int(self.flags.get("20200", "24"))
            dropped = self.gateway.store.forget_sent(self.session_id, before_ms=self.gateway.now_ms() - hours * HOUR_MS)
            if dropped > self.pruned:
                self.pruned = dropped
                self.keep()

    def _fill_gap(self, body: Body) -> None:
        """SequenceReset-GapFill, in its turn: the numbers up to NewSeqNo are used up."""
        if not self.retransmits:
            self.reject(body.seq, "4", INVALID_TYPE, 35, f"SequenceReset is not supported on {self.target}")
            return
        new = body.whole(36) or 0
        if new < self.next_in:
            self.reject(body.seq, "4", WRONG_VALUE, 36, f"NewSeqNo is too low, expecting {self.next_in}")
            return
        self._set_next_in(new)

    def _reset_sequence(self, message: Message, seq: int) -> None:
        """SequenceReset-Reset: whatever its own number is."""

        def act(body: Body) -> None:
            new = body.whole(36) or 0
            if not self.retransmits:
                self._advance(seq)
                self.reject(seq, "4", INVALID_TYPE, 35, f"SequenceReset is not supported on {self.target}")
            elif new < self.next_in:
                self.reject(seq, "4", WRONG_VALUE, 36, f"NewSeqNo is too low, expecting {self.next_in}")
            else:
                self._set_next_in(new)

        self._check_and(message, seq, act)

    def _set_next_in(self, new: int) -> None:
        self.next_in = new
        self._queue = {seq: message for seq, message in self._queue.items() if seq >= new}
        self._asked = bool(self._queue) and self._asked
        if self.retransmits:
            self.gateway.store.save_next_in(self.session_id, new)

    def _log_on_again(self, message: Message, seq: int) -> None:
        """A Logon in a session that is logged on: a reset of both directions, or against the rules."""
        if message.first(141) != "Y" or seq != 1:
            self.end("already logged on")
            return

        def act(body: Body) -> None:
            if not self.gateway.is_signed(message, self.key_id):
                self.end("signature verification failed")
                return
            self.reset()
            self.next_in = 2
            self.keep()
            self.send("A", [(98, "0"), (108, body.text(108)), (141, "Y"), (1137, "9")])

        self._check_and(message, seq, act)
