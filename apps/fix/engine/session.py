"""A FIXT.1.1 session as initiator, without sockets: bytes and times in, outputs out.

One object per session key, kept over reconnects. Every call takes `now`, Unix milliseconds, which never runs
backwards within a connection, and returns what to do, in order. Source: FIXT 1.1 session protocol; docs:fix/*.
"""

from typing import Final

from apps.core.errors import WireFormatError
from apps.fix.engine.codec import BEGIN_STRING, Fields, Framer, Garbled, Message
from apps.fix.engine.errors import SendRefused
from apps.fix.engine.logon import logon_fields, pre_hash
from apps.fix.engine.outputs import End, Ended, LoggedOn, Missed, Output, Seen, end_of_logout
from apps.fix.engine.rules import ADMIN, MARGIN_LACKS
from apps.fix.engine.session_base import SessionConfig, State
from apps.fix.engine.session_gaps import SessionGaps
from apps.fix.engine.validate import Problem, RejectReason, check, check_body
from apps.fix.engine.values import timestamp_read, timestamp_write

__all__ = ["Session", "SessionConfig", "State"]

CLOCK_TOLERANCE_MS: Final = 30_000
LOGON_TIMEOUT_MS: Final = 10_000
LOGOUT_TIMEOUT_MS: Final = 5_000
# Silence after which a TestRequest is sent, and again until the connection is given up: 2.4 intervals in all.
SILENCE: Final = 1.2
GAP_PATIENCE_MS: Final = 15_000


class Session(SessionGaps):
    """See the module. Attributes are for reading."""

    # --- calls ------------------------------------------------------------------------------------

    def connected(self, now: int) -> list[Output]:
        """The transport is open: log on."""
        reset = self.reset_next or not self.rules.is_retained
        if reset:
            self.store.reset(now)
        self.next_in = self.store.next_in
        self._framer = Framer()
        self._unapplied.clear()
        self._held.clear()
        self._gap_end, self._asked, self._was_asked, self._tested = 0, (0, 0), (0, 0), None
        self.last_received_at = now
        self._was_reset = reset
        sending_time = timestamp_write(now)
        signature = self._signer(
            pre_hash(
                sending_time=sending_time,
                msg_seq_num=self.store.next_out,
                sender_comp_id=self.config.sender_comp_id,
                target_comp_id=self.config.kind.value,
            )
        )
        body = logon_fields(
            self.config.flags,
            signature=signature,
            heartbeat=self.config.heartbeat,
            reset=reset,
            with_data_length=self.config.with_data_length,
        )
        self._enter(State.LOGON_SENT, now)
        self._send("A", body, now)
        return self._take()

    def received(self, data: bytes, now: int) -> list[Output]:
        """Bytes arrived. What comes after the session ended is dropped."""
        for found in self._framer.feed(data):
            if self.state is State.DISCONNECTED:
                break
            if isinstance(found, Garbled):
                self._note("garbled", f"{found.count} bytes were dropped: {found.why}.")
                continue
            self.last_received_at = now
            self._on_message(found, now)
        return self._take()

    def tick(self, now: int) -> list[Output]:
        """Time passed. Call it a few times a second."""
        in_state = now - self._state_since
        if self.state is State.LOGON_SENT and in_state >= LOGON_TIMEOUT_MS:
            self._end(End.LOGON_TIMEOUT, "The exchange did not answer the Logon.")
        elif self.state is State.LOGOUT_SENT and in_state >= LOGOUT_TIMEOUT_MS:
            self._end(self._ending.end, self._ending.text)
        elif self.state is State.ACTIVE:
            self._watch(now)
        return self._take()

    def lost(self, text: str = "The connection was lost.") -> list[Output]:
        """The transport is gone."""
        if self.state is State.LOGOUT_SENT:
            self._end(self._ending.end, self._ending.text)
        elif self.state is not State.DISCONNECTED:
            self._end(End.LOST, text)
        return self._take()

    def applied(self, seq: int) -> None:
        """This message, and all delivered before it, are durable: after a crash they need not come again."""
        while self._unapplied and self._unapplied[0] <= seq:
            self._unapplied.popleft()
        self._keep_next_in()

    def send(self, msg_type: str, body: Fields, now: int) -> tuple[int, list[Output]]:
        """Send an application message; return its MsgSeqNum.

        Raises:
            SendRefused: not logged on, a listener, or not a message of this session. Nothing was written.
            NotEncodable: a value cannot be put into a message. Nothing was written.
        """
        if self.config.flags.listener:
            raise SendRefused("fix_listener", "This is a listener session: it reads and never sends.")
        if msg_type not in self.rules.sends:
            raise SendRefused("fix_not_here", f"{self.config.kind} takes no {msg_type}.")
        if self.state is not State.ACTIVE:
            raise SendRefused("fix_not_logged_on", f"The session is {self.state.value}: nothing was sent.")
        lacks = MARGIN_LACKS.get(msg_type, frozenset()) if self.config.flags.is_margin else frozenset()
        unknown = next((tag for tag, _ in body if tag in lacks), None)
        if unknown is not None:
            raise SendRefused("fix_not_on_margin", f"The margin exchange takes no tag {unknown} in {msg_type}.")
        problem = check_body(msg_type, body, self._dictionary)
        if problem is not None:
            raise SendRefused("fix_invalid", f"{problem.text} (tag {problem.tag}). Nothing was sent.")
        seq = self._send(msg_type, body, now)
        return seq, self._take()

    def logout(self, now: int, *, end: End = End.REQUESTED, text: str = "") -> list[Output]:
        """Ask for the end of the session; `Ended` follows once the exchange agrees, or after a few seconds."""
        if self.state is State.ACTIVE:
            self._ending = Ended(end, text)
            self._send("5", [(58, text)] if text else [], now)
            self._enter(State.LOGOUT_SENT, now)
        elif self.state is State.LOGON_SENT:
            self._end(end, text)
        return self._take()

    def test(self, now: int) -> list[Output]:
        """Send a TestRequest: the answer's way and back becomes `rtt_ms`."""
        if self.state is State.ACTIVE and self._tested is None:
            self._test(now)
        return self._take()

    def ask_again(self, now: int) -> list[Output]:
        """Ask now for what is missing, without waiting for the patience of a gap to end. Nothing without a gap."""
        if self.state is State.ACTIVE and self.gap is not None:
            self._ask(self._gap_end, now)
        return self._take()

    # --- messages ---------------------------------------------------------------------------------

    def _on_message(self, message: Message, now: int) -> None:
        if message.text(8) != BEGIN_STRING:
            return self._leave(End.PROTOCOL, f"Incorrect BeginString {message.text(8)[:12]!r}", now)
        kind = message.msg_type
        if kind in _LOGGED:
            self._outputs.append(Seen(message))
        seq = message.whole(34)
        if seq is None or seq == 0:
            return self._leave(End.PROTOCOL, "Message without MsgSeqNum", now)
        problem = self._routing_problem(message, now)
        if problem is not None:
            end = _END_OF.get(problem.reason)
            if self.state is State.LOGON_SENT:
                return self._leave(end or End.PROTOCOL, problem.text, now)
            return self._refuse(message, seq, problem, now, end=end)
        if self.state is State.LOGON_SENT:
            return self._while_logging_on(message, kind, seq, now)
        if kind == "5" and (seq >= self.next_in or not message.is_set(43)):
            return self._on_logout(message, seq, now)
        if kind == "4" and not message.is_set(123):
            return self._on_reset(message, seq, now)
        if kind == "A" and message.is_set(141) and seq == 1:
            return self._on_new_numbers(now)
        if seq < self.next_in:
            return self._on_low(message, seq, now)
        if message.is_set(43):
            problem = _duplicate_problem(message)
            if problem is not None:
                end = End.PROTOCOL if problem.reason is RejectReason.SENDING_TIME else None
                return self._refuse(message, seq, problem, now, end=end)
        if seq > self.next_in:
            return self._on_high(message, kind, seq, now)
        self._process(message, seq, now)
        self._drain(now)
        return None

    def _refuse(self, message: Message, seq: int, problem: Problem, now: int, *, end: End | None) -> None:
        """Reject a message whose header is wrong; its number is used up all the same.

        Not that of a message which comes too late or too early, where the exchange keeps messages: nothing is wrong
        with what it says, and the next logon brings it again with a new SendingTime.
        """
        self._reject(message, seq, problem, now)
        comes_again = end is End.CLOCK and self.rules.is_retained
        if seq == self.next_in and not comes_again:
            self._consume(now)
            self._drain(now)
        if end is not None:
            self._leave(end, problem.text, now)

    def _routing_problem(self, message: Message, now: int) -> Problem | None:
        """Check who speaks to whom, and when."""
        if message.text(49) not in self.config.peer_comp_ids:
            return Problem(RejectReason.COMP_ID, 49, "CompID problem: SenderCompID")
        if message.text(56) != self.config.sender_comp_id:
            return Problem(RejectReason.COMP_ID, 56, "CompID problem: TargetCompID")
        sending_time = message.get(52)
        if sending_time is None:
            return Problem(RejectReason.REQUIRED_MISSING, 52, "Required tag missing")
        try:
            sent_at = timestamp_read(sending_time)
        except WireFormatError:
            return Problem(RejectReason.INCORRECT_FORMAT, 52, "Incorrect data format for value")
        if abs(now - sent_at) > CLOCK_TOLERANCE_MS:
            return Problem(RejectReason.SENDING_TIME, 52, "SendingTime accuracy problem")
        return None

    def _while_logging_on(self, message: Message, kind: str, seq: int, now: int) -> None:
        if kind == "5":
            text = message.text(58)
            return self._end(end_of_logout(text, while_logging_on=True), text or "The exchange refused the Logon.")
        if kind == "3":
            reason = message.whole(373)
            end = _END_OF_REJECT.get(reason if reason is not None else -1, End.REFUSED)
            self.rejects_received += 1
            return self._end(end, message.text(58) or f"The exchange rejected the Logon ({reason}).")
        if kind != "A":
            return self._leave(End.PROTOCOL, "The first message is not a Logon", now)
        problem = check(message, self._dictionary, custom_tags_pass=self.config.custom_tags_pass)
        interval = message.whole(108)
        if problem is None and interval is None:
            problem = Problem(RejectReason.INCORRECT_VALUE, 108, "HeartBtInt is negative")
        if problem is not None:
            return self._leave(End.PROTOCOL, f"{problem.text} (tag {problem.tag}) in the Logon", now)
        if message.is_set(141) and not self._was_reset:
            return self._leave(End.NUMBERS, "The exchange reset the sequence numbers", now)
        if seq < self.next_in or (seq > self.next_in and self._was_reset):
            text = f"MsgSeqNum of the Logon: expecting {self.next_in} but received {seq}"
            return self._leave(End.NUMBERS, text, now)
        self.heartbeat_ms = (interval or self.config.heartbeat) * 1000
        self.reset_next = False
        self._enter(State.ACTIVE, now)
        self._outputs.append(LoggedOn(self._was_reset))
        if seq > self.next_in:
            return self._on_high(message, "A", seq, now)
        self._consume(now)
        return None

    def _on_low(self, message: Message, seq: int, now: int) -> None:
        if not message.is_set(43):
            text = f"MsgSeqNum too low, expecting {self.next_in} but received {seq}"
            self._note("seq_too_low", text, is_alarm=True)
            return self._leave(End.NUMBERS, text, now)
        problem = _duplicate_problem(message)
        if problem is not None:
            end = End.PROTOCOL if problem.reason is RejectReason.SENDING_TIME else None
            self._refuse(message, seq, problem, now, end=end)
        return None

    def _process(self, message: Message, seq: int, now: int) -> None:
        """A message in its turn."""
        kind = message.msg_type
        if kind == "3":
            # Whatever it says: a reject is never rejected.
            self.rejects_received += 1
            self._consume(now, deliver=message)
            if message.whole(373) == RejectReason.SENDING_TIME:
                self._leave(End.CLOCK, message.text(58) or "SendingTime accuracy problem", now)
            return
        problem = check(message, self._dictionary, custom_tags_pass=self.config.custom_tags_pass)
        if problem is not None:
            self._reject(message, seq, problem, now)
            self._consume(now)
            return
        if kind == "4":
            self._on_gap_fill(message, seq, now)
            return
        if kind not in ADMIN:
            if kind in self.rules.receives:
                self._consume(now, deliver=message)
                return
            self._note("unexpected_type", f"{kind} is no message of {self.config.kind}.", is_alarm=True)
            self._consume(now)
            if not self.config.flags.listener:
                body = [(45, str(seq)), (372, kind), (380, "3"), (58, "Unsupported Message Type")]
                self._send("j", body, now)
            return
        self._consume(now)
        if kind == "1":
            self._send("0", [(112, message.text(112))], now)
        elif kind == "0" and self._tested is not None and message.text(112) == self._tested[0]:
            self.rtt_ms = now - self._tested[1]
            self._tested = None
        elif kind == "2":
            self._on_resend_request(message, seq, now)
        elif kind == "A":
            self._note("second_logon", "The exchange sent a second Logon.", is_alarm=True)

    def _on_logout(self, message: Message, seq: int, now: int) -> None:
        text = message.text(58)
        if seq == self.next_in:
            self._consume(now)
        elif seq > self.next_in and not self.rules.is_retained:
            self._outputs.append(Missed(self.next_in, seq - 1))
        if self.state is State.LOGOUT_SENT:
            return self._end(self._ending.end, self._ending.text)
        end = end_of_logout(text, while_logging_on=False)
        self._send("5", [], now)
        # A number of ours that does not fit can only be mended by beginning anew.
        self.reset_next = self.reset_next or end is End.NUMBERS
        return self._end(end, text or "The exchange logged out.")

    def _on_new_numbers(self, now: int) -> None:
        """The exchange resets a running session. It says that it never does: begin anew on our own terms."""
        self.reset_next = True
        self._leave(End.NUMBERS, "The exchange reset the sequence numbers", now)

    # --- time -------------------------------------------------------------------------------------

    def _watch(self, now: int) -> None:
        quiet = now - self.last_received_at
        if self._tested is not None and now - self._tested[1] >= SILENCE * self.heartbeat_ms:
            if quiet >= SILENCE * self.heartbeat_ms:
                self._end(End.SILENT, "The exchange did not answer a TestRequest.")
                return
            self._tested = None  # it speaks, but does not answer tests: alive all the same
        if self._tested is None and quiet >= SILENCE * self.heartbeat_ms:
            self._test(now)
        if now - self.last_sent_at >= self.heartbeat_ms:
            self._send("0", [], now)
        if self.gap is not None and now - self._gap_progress_at >= GAP_PATIENCE_MS:
            self._ask(self._gap_end, now)

    def _test(self, now: int) -> None:
        self._tests += 1
        self._tested = (f"T{self._tests}-{now}", now)
        self._send("1", [(112, self._tested[0])], now)


_LOGGED: Final = ADMIN - {"0", "3"}  # a Reject is delivered
_END_OF: Final = {RejectReason.COMP_ID: End.PROTOCOL, RejectReason.SENDING_TIME: End.CLOCK}
_END_OF_REJECT: Final[dict[int, End]] = {8: End.SIGNATURE, 9: End.REFUSED, 10: End.CLOCK}


def _duplicate_problem(message: Message) -> Problem | None:
    """Check a possible duplicate's OrigSendingTime. SendingTime was checked before."""
    original = message.get(122)
    if original is None:
        return Problem(RejectReason.REQUIRED_MISSING, 122, "Required tag missing")
    try:
        is_later = timestamp_read(original) > timestamp_read(message.text(52))
    except WireFormatError:
        return Problem(RejectReason.INCORRECT_FORMAT, 122, "Incorrect data format for value")
    if is_later:
        return Problem(RejectReason.SENDING_TIME, 122, "SendingTime accuracy problem")
    return None
