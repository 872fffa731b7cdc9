"""What a session tells its owner after each call: bytes to send, messages to apply, and why it ended."""

import re
from dataclasses import dataclass
from enum import StrEnum

from apps.fix.engine.codec import Fields, Message


class End(StrEnum):
    """Why a connection ended; `reconnect.plan` says what follows."""

    REQUESTED = "requested"
    PEER_LOGOUT = "peer_logout"
    LOST = "lost"
    SILENT = "silent"  # no answer to a TestRequest
    LOGON_TIMEOUT = "logon_timeout"
    ALREADY_EXISTS = "already_exists"  # another connection holds the key
    CLOCK = "clock"  # SendingTime further off than the exchange allows
    SIGNATURE = "signature"
    REFUSED = "refused"  # a logon refused for another reason
    MAINTENANCE = "maintenance"  # the exchange says so; the weekly window is known without its words
    NUMBERS = "numbers"  # the two sides' sequence numbers do not fit: reset and reconcile
    GAP = "gap"  # messages are missing, and this kind of session cannot ask for them
    LOOP = "loop"  # the same messages were asked for again and again
    PROTOCOL = "protocol"  # the other side does not keep to FIX


@dataclass(frozen=True, slots=True)
class Transmit:
    """Bytes to write, in this order. They are in the store already."""

    raw: bytes
    seq: int
    msg_type: str
    fields: Fields


@dataclass(frozen=True, slots=True)
class Deliver:
    """A message to apply, in sequence. Call `Session.applied(seq)` once it is durable.

    It may have been applied before (after a crash, or with possible_resend): the ExecID decides.
    """

    message: Message
    seq: int
    possible_resend: bool = False


@dataclass(frozen=True, slots=True)
class Seen:
    """A session message came (logon, logout, test, resend, fill; not heartbeats): for the log, nothing to apply."""

    message: Message


@dataclass(frozen=True, slots=True)
class LoggedOn:
    """The exchange answered our Logon. was_reset: both sides began at 1."""

    was_reset: bool


@dataclass(frozen=True, slots=True)
class Missed:
    """Messages of these numbers will not come on this session: recover them another way."""

    first: int
    last: int


@dataclass(frozen=True, slots=True)
class Noted:
    """For log and console. is_alarm: somebody should look."""

    code: str
    text: str
    is_alarm: bool = False


@dataclass(frozen=True, slots=True)
class Ended:
    """Close the transport after writing what came before this."""

    end: End
    text: str


Output = Transmit | Deliver | Seen | LoggedOn | Missed | Noted | Ended

_LOGOUT_WORDS = [
    (re.compile(r"maintenance", re.I), End.MAINTENANCE),
    (re.compile(r"rate limit|too many", re.I), End.PEER_LOGOUT),
    (re.compile(r"already (exists|logged|connected)|duplicate (session|connection)", re.I), End.ALREADY_EXISTS),
    (re.compile(r"sendingtime|sending time|clock", re.I), End.CLOCK),
    (re.compile(r"signature|rawdata|authenticat|unauthor", re.I), End.SIGNATURE),
    (re.compile(r"msgseqnum|seq(uence)?\s?num|resetseqnum|too (low|high)", re.I), End.NUMBERS),
]


def end_of_logout(text: str, *, while_logging_on: bool) -> End:
    """Say what a Logout means by its text; the exchange documents only "already exists"."""
    for words, end in _LOGOUT_WORDS:
        if words.search(text) and (while_logging_on or end is not End.SIGNATURE):
            return end
    return End.REFUSED if while_logging_on else End.PEER_LOGOUT
