"""Recovery by drop copy (KalshiDC): ask for a range of execution reports, count them, deal with each reject.

No I/O and no clock: the owner sends what `next_request` says and tells what came. Source: docs:fix/drop-copy.
"""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from apps.core.errors import WireFormatError
from apps.fix.engine.codec import Fields, Message
from apps.fix.engine.values import whole_read
from apps.fix.messages.common import ExecId, body

WINDOW_MS: Final = 3 * 3_600_000
MOST_ATTEMPTS: Final = 3
BACK_OFF_MS: Final = (2_000, 8_000, 30_000)


class Reason(StrEnum):
    """EventResendRejectReason (21004)."""

    TOO_MANY = "1"
    SERVER_ERROR = "2"
    BEGIN_TOO_SMALL = "3"
    END_TOO_LARGE = "4"


REASON_TEXT: Final = {
    Reason.TOO_MANY: "too many resend requests: the desk waits, then reads over REST",
    Reason.SERVER_ERROR: "the exchange had an error: the desk tries again, then reads over REST",
    Reason.BEGIN_TOO_SMALL: "the beginning is more than three hours ago: the rest is read over REST",
    Reason.END_TOO_LARGE: "the end is ahead of the newest report: the desk asks up to the newest",
}


class Result(StrEnum):
    """How a recovery ended. COMPLETE is the only one after which nothing is missing by this way."""

    COMPLETE = "complete"
    INCOMPLETE = "incomplete"  # the count did not fit, again and again
    WINDOW_LOST = "window_lost"  # older than the exchange keeps: a hole to record
    REFUSED = "refused"


def request_fields(begin: ExecId, end: ExecId | None) -> Fields:
    """Return the body of EventResendRequest (U1). Both ends are inclusive; None: up to the newest.

    Raises:
        WireFormatError: an end that is not a report's, or before the beginning.
    """
    if not begin.is_sequenced or (end is not None and not end.is_sequenced):
        raise WireFormatError("-1;-1 stands for no report: a range names two real ones")
    if end is not None and end < begin:
        raise WireFormatError(f"the range ends ({end}) before it begins ({begin})")
    return [(21001, str(begin)), *([(21002, str(end))] if end is not None else [])]


@dataclass(slots=True)
class Recovery:
    """One range to recover. It goes on from the last durable report after a break (`resume`).

    Times: Unix milliseconds.
    """

    begin: ExecId
    end: ExecId | None = None
    result: Result | None = None
    text: str = ""
    received: int = 0  # reports of this recovery that are durable, each counted once
    attempts: int = 0
    wait_until_ms: int = 0
    _from: ExecId = field(init=False)
    _ref_seq: int = 0
    _heard: int = 0  # reports since the last request, as the exchange counts them
    _seen: set[ExecId] = field(default_factory=set)
    _newest: ExecId | None = None
    _is_ordered: bool = True

    def __post_init__(self) -> None:
        request_fields(self.begin, self.end)
        self._from = self.begin

    @property
    def is_waiting(self) -> bool:
        """Say whether a request is out and not answered."""
        return self._ref_seq != 0

    @property
    def newest(self) -> ExecId | None:
        """Return the highest report that came."""
        return self._newest

    def next_request(self, now_ms: int) -> Fields | None:
        """Return what to send now; None while one is out, a pause lasts, or it is over."""
        if self.result is not None or self._ref_seq or now_ms < self.wait_until_ms:
            return None
        return request_fields(self._from, self.end)

    def sent(self, seq: int) -> None:
        """The request left with this MsgSeqNum."""
        self._ref_seq, self._heard = seq, 0
        self.attempts += 1

    def report(self, exec_id: ExecId) -> bool:
        """A report came (apply it first); return whether it is new to this recovery."""
        self._heard += 1
        if not exec_id.is_sequenced or exec_id in self._seen:
            return False
        self._seen.add(exec_id)
        self.received += 1
        if self._newest is None or exec_id > self._newest:
            self._newest = exec_id
        else:
            self._is_ordered = False
        return True

    def answer(self, message: Message, now_ms: int) -> None:
        """Take U2 or U3. Those of another request are left. Raises WireFormatError."""
        entry = body(message, "U2", "U3")
        if not self._ref_seq or whole_read(entry.text(45)) != self._ref_seq:
            return
        self._ref_seq = 0
        if message.msg_type == "U2":
            self._completed(whole_read(entry.text(21003)), now_ms)
        else:
            self._rejected(entry.text(21004), now_ms)

    def rate_limited(self, ref_seq: int, now_ms: int) -> None:
        """BusinessMessageReject 380=8 of our request: as reject 1."""
        if ref_seq == self._ref_seq:
            self._ref_seq = 0
            self._rejected(Reason.TOO_MANY.value, now_ms)

    def lost(self) -> None:
        """The connection broke: go on from the newest report that is durable, which then comes once more."""
        self._ref_seq = 0
        # That a replay comes in the order of its ids is documented nowhere: once it did not, begin anew.
        is_past_end = self._newest is not None and self.end is not None and self._newest > self.end
        if self._newest is not None and self._is_ordered and not is_past_end:
            self._from = max(self.begin, self._newest)
        else:
            self._from = self.begin

    def _completed(self, count: int, now_ms: int) -> None:
        if count == self._heard:
            self.result, self.text = Result.COMPLETE, f"{self.received} reports"
            return
        self.text = f"the exchange counted {count} reports, {self._heard} came"
        self._from = self.begin
        self._again(Result.INCOMPLETE, now_ms)

    def _rejected(self, code: str, now_ms: int) -> None:
        try:
            reason = Reason(code)
        except ValueError:
            self.text = f"the exchange refused for the unknown reason {code[:10]}"
            self._again(Result.REFUSED, now_ms)
            return
        self.text = REASON_TEXT[reason]
        if reason is Reason.BEGIN_TOO_SMALL:
            self.result = Result.WINDOW_LOST
        elif reason is Reason.END_TOO_LARGE and self.end is not None:
            self.end = None
            self._again(Result.REFUSED, now_ms, pause=False)
        else:
            self._again(Result.REFUSED, now_ms)

    def _again(self, at_last: Result, now_ms: int, *, pause: bool = True) -> None:
        if self.attempts >= MOST_ATTEMPTS:
            self.result = at_last
        elif pause:
            self.wait_until_ms = now_ms + BACK_OFF_MS[self.attempts - 1]
