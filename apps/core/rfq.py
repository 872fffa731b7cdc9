"""RFQs and quotes as pure rules: direction, sizes, windows, states. No I/O, no clock.

Sources: docs:getting_started/rfqs; API-wide direction: accepted_side names the maker's bid that is hit.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import ROUND_DOWN, Decimal
from enum import StrEnum
from typing import Final

ONE = Decimal(1)


class Outcome(StrEnum):
    """What is owned: YES or NO contracts."""

    YES = "yes"
    NO = "no"

    @property
    def other(self) -> "Outcome":
        return Outcome.NO if self is Outcome.YES else Outcome.YES


@dataclass(frozen=True, slots=True)
class Windows:
    """How long a maker may confirm, and how long after that the orders enter the book."""

    confirm: timedelta
    execution: timedelta


STANDARD: Final = Windows(confirm=timedelta(seconds=30), execution=timedelta(seconds=15))
# High volatility markets: all combos; no field says so of any other market.
HIGH_VOLATILITY: Final = Windows(confirm=timedelta(seconds=3), execution=timedelta(seconds=1))


def windows(*, is_combo: bool) -> Windows:
    return HIGH_VOLATILITY if is_combo else STANDARD


@dataclass(frozen=True, slots=True)
class QuotePrices:
    """A maker's two bids, dollars per contract; 0: no price on that side."""

    yes_bid: Decimal
    no_bid: Decimal

    def problem(self) -> str | None:
        """Say in words why the exchange would refuse this pair, grid apart; None when it would not."""
        if self.yes_bid < 0 or self.no_bid < 0:
            return "A bid cannot be negative."
        if not self.yes_bid and not self.no_bid:
            return "Give a price on at least one side: both are 0."
        if self.yes_bid >= ONE or self.no_bid >= ONE:
            return "A bid must be below $1."
        if self.yes_bid + self.no_bid > ONE:
            over = self.yes_bid + self.no_bid - ONE
            return f"YES and NO bid together are ${over} over $1: whoever takes both sides earns that."
        return None

    @property
    def width(self) -> Decimal:
        """What a taker of both sides would lose: 1 - yes_bid - no_bid, dollars."""
        return ONE - self.yes_bid - self.no_bid

    def requester_price(self, buys: Outcome) -> Decimal | None:
        """What the requester pays for one contract of `buys`; None when the maker does not offer it."""
        bid = self.no_bid if buys is Outcome.YES else self.yes_bid
        return ONE - bid if bid else None

    def maker_price(self, accepted_side: Outcome) -> Decimal | None:
        """What the maker pays for one contract of the accepted side; None when it was not quoted."""
        bid = self.yes_bid if accepted_side is Outcome.YES else self.no_bid
        return bid or None


def accepted_side_for(buys: Outcome) -> Outcome:
    """Return the `accepted_side` to send so that the requester owns `buys`: the maker's other bid is hit."""
    return buys.other


def requester_gets(accepted_side: Outcome) -> Outcome:
    return accepted_side.other


def maker_gets(accepted_side: Outcome) -> Outcome:
    return accepted_side


def worst_contracts(*, target_cost: Decimal, bid: Decimal) -> Decimal | None:
    """Return the most contracts that a request by target cost can put on the maker at this bid.

    Args:
        target_cost: dollars that the requester spends, at 1 - bid a contract.
        bid: the maker's own bid on the side that is hit; None is returned for 0 (not quoted).

    The exchange's rounding is not documented; this is not rounded down, so that risk is never understated.
    """
    if not bid or bid >= ONE:
        return None
    # Either reading bounds it: cost at the requester's price, or at the maker's own bid.
    return target_cost / min(bid, ONE - bid)


def whole_contracts(count: Decimal) -> Decimal:
    return count.to_integral_value(rounding=ROUND_DOWN)


# A decision is stored, handed over, claimed, and sent by somebody else when who claimed it dies: what is decided with
# less than this left may be missed, so it is not decided any more.
HAND_OVER: Final = timedelta(milliseconds=500)


@dataclass(frozen=True, slots=True)
class Deadline:
    """Until when a confirmation must have left us, to arrive within the exchange's window.

    accepted_at: the earliest moment, by the exchange's clock moved to ours, at which the quote can
    have been accepted. Everything is on our clock.
    """

    accepted_at: datetime
    window_ends_at: datetime
    send_by: datetime

    @classmethod
    def of(cls, accepted_at: datetime, *, windows: Windows, round_trip: timedelta, margin: timedelta) -> "Deadline":
        """round_trip: a high percentile of a signed request's; margin: for what is not measured."""
        ends = accepted_at + windows.confirm
        return cls(accepted_at=accepted_at, window_ends_at=ends, send_by=ends - round_trip - margin)

    @property
    def decide_by(self) -> datetime:
        """Until when it makes sense to decide to confirm."""
        return self.send_by - HAND_OVER


class RfqState(StrEnum):
    """An own request, as far as it is known. Lapses and executions belong to its accepted quote."""

    DRAFT = "draft"  # awaits a second pair of eyes
    COMMITTED = "committed"
    SENDING = "sending"
    UNKNOWN = "unknown"
    REFUSED = "refused"
    NOT_SEEN = "not_seen"
    OPEN = "open"
    CLOSED = "closed"  # deleted, expired or executed: the reason stands beside it


class QuoteState(StrEnum):
    """An own quote as a maker, or a received one. The exchange's words where it has some."""

    COMMITTED = "committed"
    SENDING = "sending"
    UNKNOWN = "unknown"
    REFUSED = "refused"
    NOT_SEEN = "not_seen"
    OPEN = "open"
    REPLACED = "replaced"  # by a newer one of the same maker
    ACCEPTED = "accepted"
    CONFIRMED = "confirmed"
    EXECUTED = "executed"
    CANCELLED = "cancelled"


# Evidence moves a quote only along these ways; anything else is old news, or a contradiction to be read anew.
QUOTE_WAYS: Final[Mapping[QuoteState, frozenset[QuoteState]]] = {
    QuoteState.COMMITTED: frozenset({QuoteState.SENDING, QuoteState.REFUSED}),
    QuoteState.SENDING: frozenset(QuoteState) - {QuoteState.COMMITTED, QuoteState.SENDING},
    QuoteState.UNKNOWN: frozenset(QuoteState) - {QuoteState.COMMITTED, QuoteState.SENDING, QuoteState.UNKNOWN},
    QuoteState.NOT_SEEN: frozenset(
        {
            QuoteState.OPEN,
            QuoteState.REPLACED,
            QuoteState.ACCEPTED,
            QuoteState.CONFIRMED,
            QuoteState.EXECUTED,
            QuoteState.CANCELLED,
        }
    ),
    QuoteState.REFUSED: frozenset({QuoteState.OPEN, QuoteState.ACCEPTED, QuoteState.CONFIRMED, QuoteState.EXECUTED}),
    QuoteState.OPEN: frozenset(
        {
            QuoteState.REPLACED,
            QuoteState.ACCEPTED,
            QuoteState.CONFIRMED,
            QuoteState.EXECUTED,
            QuoteState.CANCELLED,
        }
    ),
    # A replaced quote may have been accepted before the newer one arrived.
    QuoteState.REPLACED: frozenset({QuoteState.ACCEPTED, QuoteState.CONFIRMED, QuoteState.EXECUTED}),
    QuoteState.ACCEPTED: frozenset({QuoteState.CONFIRMED, QuoteState.EXECUTED, QuoteState.CANCELLED}),
    QuoteState.CONFIRMED: frozenset({QuoteState.EXECUTED, QuoteState.CANCELLED}),
    # "Cancelled" is what a lapse, and now and then a filled quote, looks like: later evidence wins.
    QuoteState.CANCELLED: frozenset({QuoteState.CONFIRMED, QuoteState.EXECUTED}),
    QuoteState.EXECUTED: frozenset(),
}


def quote_may_go(now: QuoteState, to: QuoteState) -> bool:
    """Say whether evidence of `to` changes a quote that stands at `now`."""
    return to in QUOTE_WAYS[now]


class Policy(StrEnum):
    """What happens to an accepted quote when nobody decides."""

    MANUAL = "manual"  # a person confirms; silence lets it lapse
    AUTO = "auto"  # confirmed when every check of the last look passes
    LAPSE = "lapse"  # never confirmed


class Decision(StrEnum):
    CONFIRM = "confirm"
    LAPSE = "lapse"


class ConfirmationState(StrEnum):
    """What became of one accept of an own quote."""

    OPEN = "open"  # nobody has decided
    CONFIRMING = "confirming"  # decided, and being sent until it is answered or too late
    CONFIRMED = "confirmed"  # the exchange said so
    EXECUTED = "executed"
    LAPSED = "lapsed"  # by decision, or because nobody decided
    MISSED = "missed"  # decided in time, not confirmed in time: an incident
    FAILED = "failed"  # confirmed, and then not executed


TERMINAL: Final = frozenset(
    {ConfirmationState.EXECUTED, ConfirmationState.LAPSED, ConfirmationState.MISSED, ConfirmationState.FAILED}
)
