"""A session's missing messages, on both sides: asking for them, answering, and filling. See `session`."""

from typing import Final

from apps.fix.engine.codec import Fields, Message, decode
from apps.fix.engine.outputs import End, Missed
from apps.fix.engine.rules import may_resend
from apps.fix.engine.session_base import SessionBase, State
from apps.fix.engine.store import Sent
from apps.fix.engine.validate import Problem, RejectReason, check
from apps.fix.engine.values import timestamp_write

SAME_REQUESTS: Final = 3
MOST_HELD: Final = 50_000


class SessionGaps(SessionBase):
    """Resend and gap fill. Only KalshiRT and KalshiPT have them; elsewhere a gap ends the session."""

    def _process(self, message: Message, seq: int, now: int) -> None:
        raise NotImplementedError

    def _on_high(self, message: Message, kind: str, seq: int, now: int) -> None:
        """A number is ahead: what lies between was lost on the way."""
        if not self.rules.is_retained:
            first, last = self.next_in, seq - 1
            self.next_in = seq
            self._outputs.append(Missed(first, last))
            self._process(message, seq, now)
            return self._leave(End.GAP, f"MsgSeqNum too high, expecting {first} but received {seq}", now)
        if kind == "2":
            # Both sides miss something: theirs is answered at once, or each would wait for the other.
            self._on_resend_request(message, seq, now)
        if self.state is not State.ACTIVE:
            return None
        if len(self._held) < MOST_HELD:
            self._held[seq] = message
        if self.gap is None:
            self._ask(seq - 1, now)
        return None

    def _ask(self, last: int, now: int) -> None:
        first = self.next_in
        times = self._asked[1] + 1 if self._asked[0] == first else 1
        self._asked = (first, times)
        self._gap_end, self._gap_progress_at = max(last, self._gap_end), now
        if times > SAME_REQUESTS:
            text = f"Messages {first} to {last} did not come after {SAME_REQUESTS} requests"
            self._note("resend_loop", text, is_alarm=True)
            return self._leave(End.LOOP, text, now)
        self._note("gap", f"Messages {first} to {self._gap_end} are missing and were asked for.")
        end = 0 if self.config.resend_to_infinity else self._gap_end
        self._send("2", [(7, str(first)), (16, str(end))], now)
        return None

    def _drain(self, now: int) -> None:
        """Process what waited for the messages before it, and ask for what is still missing."""
        while self.state is State.ACTIVE or self.state is State.LOGOUT_SENT:
            message = self._held.pop(self.next_in, None)
            if message is None:
                break
            kind = message.msg_type
            if kind in ("A", "2"):
                self._consume(now)  # both had their effect when they came
            else:
                self._process(message, self.next_in, now)
        for seq in [seq for seq in self._held if seq < self.next_in]:
            del self._held[seq]
        if self._held and self.gap is None and self.state is State.ACTIVE:
            self._ask(min(self._held) - 1, now)

    def _on_gap_fill(self, message: Message, seq: int, now: int) -> None:
        new = message.whole(36) or 0
        if new <= seq:
            problem = Problem(RejectReason.INCORRECT_VALUE, 36, f"NewSeqNo {new} is not above MsgSeqNum {seq}")
            self._reject(message, seq, problem, now)
            self._consume(now)
            return None
        if not self.rules.is_retained:
            # Nothing was asked for: what it skips was never seen.
            self._outputs.append(Missed(seq, new - 1))
            self.next_in = new
            return self._leave(End.GAP, f"The exchange skipped to {new}", now)
        self.next_in = new
        self._gap_progress_at = now
        self._keep_next_in()
        return None

    def _on_reset(self, message: Message, seq: int, now: int) -> None:
        """SequenceReset without GapFillFlag: its own number does not count."""
        problem = check(message, self._dictionary, custom_tags_pass=self.config.custom_tags_pass)
        new = message.whole(36) or 0
        if problem is None and new < self.next_in:
            problem = Problem(RejectReason.INCORRECT_VALUE, 36, f"NewSeqNo {new} is below the expected {self.next_in}")
        if problem is not None:
            return self._reject(message, seq, problem, now)
        if new == self.next_in:
            return self._note("reset_equal", f"The exchange set the next number to {new}, which it was.")
        self._outputs.append(Missed(self.next_in, new - 1))
        self._note("sequence_reset", f"The exchange skipped from {self.next_in} to {new}.", is_alarm=True)
        self.next_in = new
        if not self.rules.is_retained:
            return self._leave(End.GAP, f"The exchange skipped to {new}", now)
        self._keep_next_in()
        return self._drain(now)

    def _on_resend_request(self, message: Message, seq: int, now: int) -> None:
        """Answer with what may be sent again, which is little; fill the rest (RELIABILITY D25)."""
        first, last = message.whole(7), message.whole(16)
        newest = self.next_out - 1
        if not self.rules.is_retained:
            return self._leave(End.PROTOCOL, f"{self.config.kind} has no ResendRequest", now)
        if first is None or last is None or first == 0 or first > newest or (last and last < first):
            problem = Problem(RejectReason.INCORRECT_VALUE, 7, f"There are no messages {first} to {last}")
            return self._reject(message, seq, problem, now)
        times = self._was_asked[1] + 1 if self._was_asked[0] == first else 1
        self._was_asked = (first, times)
        if times > SAME_REQUESTS:
            text = f"The exchange asked {times} times for messages from {first} on"
            self._note("resend_loop", text, is_alarm=True)
            return self._leave(End.LOOP, text, now)
        last = newest if last == 0 else min(last, newest)
        fill_from = first
        for number in range(first, last + 1):
            sent = self.store.get_sent(number)
            if sent is None or not sent.raw or not may_resend(sent.msg_type, now - sent.at_ms):
                continue
            if fill_from < number:
                self._fill(fill_from, number, now)
            self._send_again(sent, now)
            fill_from = number + 1
        if fill_from <= last:
            self._fill(fill_from, last + 1, now)
        return None

    def _fill(self, first: int, new: int, now: int) -> None:
        header = self._header("4", first, now)
        self._transmit([*header, (43, "Y"), (122, timestamp_write(now)), (123, "Y"), (36, str(new))], first, "4", now)

    def _send_again(self, sent: Sent, now: int) -> None:
        skipped = self._dictionary.header | self._dictionary.trailer
        body: Fields = [pair for pair in decode(sent.raw).fields if pair[0] not in skipped]
        header = self._header(sent.msg_type, sent.seq, now)
        fields = [*header, (43, "Y"), (122, timestamp_write(sent.at_ms)), *body]
        self._transmit(fields, sent.seq, sent.msg_type, now)
