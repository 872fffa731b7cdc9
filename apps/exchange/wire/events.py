"""What a WebSocket session tells its owner. Plain values, no behaviour."""

from dataclasses import dataclass, field
from typing import Literal

from apps.exchange.wire.schemas import Message

# gap: frames are missing. corrupt: an impossible level, a crossed book or an unreadable frame.
# late: frames come, but seconds old. silent: nothing comes. down: no connection.
# renewed: the subscription is being made anew.
StaleReason = Literal["gap", "corrupt", "late", "silent", "down", "renewed"]


@dataclass(frozen=True, slots=True)
class Connected:
    """A connection stands; subscriptions follow by themselves."""


@dataclass(frozen=True, slots=True)
class Disconnected:
    """refused: the exchange did not accept the handshake (key, clock or scope)."""

    reason: str
    retry_in: float  # seconds
    refused: bool


@dataclass(frozen=True, slots=True)
class BookReady:
    """The book is whole and current: after its snapshot, or again after it was late or silent."""

    ticker: str


@dataclass(frozen=True, slots=True)
class BooksStale:
    """These books are not known to be the exchange's any more; BookReady takes it back."""

    tickers: tuple[str, ...]
    why: StaleReason


@dataclass(frozen=True, slots=True)
class ChannelGap:
    """Frames of a channel without books are missing: reconcile by reading."""

    channel: str


@dataclass(frozen=True, slots=True)
class MarketUnknown:
    """The exchange knows no such market; it is asked for again after a minute."""

    ticker: str


@dataclass(frozen=True, slots=True)
class Alarm:
    """Something that a person should know. code is stable: no_snapshot, error_<n>, overflow."""

    code: str
    text: str


Event = Connected | Disconnected | BookReady | BooksStale | ChannelGap | MarketUnknown | Alarm | Message


@dataclass(slots=True)
class Output:
    """Everything since the last poll.

    commands: frames to send, in order. changed: tickers of live books that differ from the last
    poll. close: close the connection with this reason, or None.
    """

    commands: list[bytes] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)
    changed: set[str] = field(default_factory=set)
    close: str | None = None
