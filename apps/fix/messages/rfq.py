"""Requests for quotes by FIX, both sides. Source: docs:fix/rfq-messages.

The requester works on KalshiRT (R, UA, UE out; b, S, UC, UB, AG in), the maker on KalshiRFQ (S, Z, U7 out; R, AI,
U9, U8, AG in).
"""

from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from apps.core.errors import WireFormatError
from apps.fix.engine.codec import Fields, Message
from apps.fix.engine.values import decimal_read, decimal_write
from apps.fix.messages.common import (
    BUY,
    SELL,
    Prices,
    account_fields,
    body,
    count_write,
    decimal_or_none,
    integer_or_none,
)

_DOLLARS: Final = Prices(in_dollars=True)
QUOTE_STATUS: Final = {"0": "accepted", "5": "rejected", "10": "pending", "17": "cancelled"}


@dataclass(frozen=True, slots=True)
class Leg:
    """One leg of a combo. side: "yes" or "no"."""

    event_ticker: str
    ticker: str
    side: str


@dataclass(frozen=True, slots=True)
class NewRequest:
    """QuoteRequest (R) of a requester: a market or legs of a collection; contracts or dollars."""

    request_id: str
    ticker: str = ""
    collection: str = ""
    legs: tuple[Leg, ...] = ()
    count: Decimal | None = None
    cost: Decimal | None = None
    rest_remainder: bool = False
    replace_existing: bool = False
    subaccount: int = 0

    def fields(self) -> Fields:
        """Raises WireFormatError unless exactly one of market and legs, and of contracts and dollars, is given."""
        if bool(self.ticker) == bool(self.legs) or bool(self.legs) != bool(self.collection):
            raise WireFormatError("a request names a market, or a collection with its legs")
        if (self.count is None) == (self.cost is None):
            raise WireFormatError("a request names contracts or dollars, not both")
        if self.count is not None and self.count != self.count.to_integral_value():
            raise WireFormatError("a request by FIX takes whole contracts")
        return [
            (131, self.request_id),
            (146, "1"),
            *([(55, self.ticker)] if self.ticker else []),
            *([(38, count_write(self.count))] if self.count is not None else []),
            *([(152, decimal_write(self.cost))] if self.cost is not None else []),
            *([(21015, "Y")] if self.rest_remainder else []),
            *([(21016, "Y")] if self.replace_existing else []),
            *_legs(self.collection, self.legs),
            *account_fields(self.subaccount),
        ]


def _legs(collection: str, legs: tuple[Leg, ...]) -> Fields:
    if not legs:
        return []
    fields: Fields = [(20180, collection), (20181, str(len(legs)))]
    for leg in legs:
        if leg.side not in ("yes", "no"):
            raise WireFormatError(f"a leg is yes or no, was {leg.side!r}")
        fields += [(20182, leg.event_ticker), (20183, leg.ticker), (20184, leg.side)]
    return fields


def accept_fields(
    quote_id: str, *, takes_yes: bool, count: Decimal | None = None, client_order_id: str = "", best: bool = False
) -> Fields:
    """AcceptQuote (UA). takes_yes: BUY, which accepts the maker's NO quote; best: PreferBetterQuote."""
    return [
        (117, quote_id),
        (54, BUY if takes_yes else SELL),
        *([(38, count_write(count))] if count is not None else []),
        *([(11, client_order_id)] if client_order_id else []),
        *([(21022, "Y")] if best else []),
    ]


def cancel_request_fields(*, request_id: str = "", rfq_id: str = "") -> Fields:
    """RFQCancel (UE) by our own id or the exchange's. Raises WireFormatError for neither."""
    if not request_id and not rfq_id:
        raise WireFormatError("a cancel names the request by one of its ids")
    return [*([(131, request_id)] if request_id else []), *([(21023, rfq_id)] if rfq_id else [])]


@dataclass(frozen=True, slots=True)
class NewQuote:
    """Quote (S) of a maker. yes_bid, no_bid: dollars, None or 0 for no quote on that side; not both."""

    quote_id: str
    rfq_id: str
    ticker: str
    yes_bid: Decimal | None = None
    no_bid: Decimal | None = None
    subaccount: int = 0
    rest_remainder: bool = False

    def fields(self, prices: Prices) -> Fields:
        if not self.yes_bid and not self.no_bid:
            raise WireFormatError("a quote has a price on at least one side")
        return [
            (117, self.quote_id),
            (131, self.rfq_id),
            (55, self.ticker),
            *([(132, prices.write(self.yes_bid))] if self.yes_bid else []),
            *([(133, prices.write(self.no_bid))] if self.no_bid else []),
            *account_fields(self.subaccount),
            *([(21015, "Y")] if self.rest_remainder else []),
        ]


def quote_fields(quote_id: str) -> Fields:
    """Return the body of QuoteCancel (Z) and of QuoteConfirm (U7)."""
    return [(117, quote_id)]


@dataclass(frozen=True, slots=True)
class RequestHeard:
    """QuoteRequest (R) as a maker hears it. requester: a pseudonym."""

    rfq_id: str
    ticker: str
    count: Decimal | None
    cost: Decimal | None
    requester: str
    collection: str
    legs: tuple[Leg, ...]

    @classmethod
    def read(cls, message: Message) -> "RequestHeard":
        entry = body(message, "R")
        parties = entry.entries(453)
        return cls(
            rfq_id=entry.text(131),
            ticker=entry.text(55),
            count=decimal_or_none(entry, 38) or None,  # 0 of a request for dollars
            cost=decimal_or_none(entry, 152),
            requester=parties[0].text(448) if parties else "",
            collection=entry.text(20180),
            legs=tuple(Leg(one.text(20182), one.text(20183), one.text(20184)) for one in entry.entries(20181)),
        )


@dataclass(frozen=True, slots=True)
class RequestAcknowledged:
    """QuoteRequestAck (b). ticker: the resolved market, when legs were sent."""

    request_id: str
    rfq_id: str
    ticker: str

    @classmethod
    def read(cls, message: Message) -> "RequestAcknowledged":
        entry = body(message, "b")
        return cls(entry.text(131), entry.text(21023), entry.text(55))


@dataclass(frozen=True, slots=True)
class QuoteHeard:
    """Quote (S) as a requester hears it: in dollars whatever the session's prices are. 0: no quote on that side."""

    quote_id: str
    rfq_id: str
    ticker: str
    yes_bid: Decimal
    no_bid: Decimal
    count: Decimal | None
    yes_count: Decimal | None
    no_count: Decimal | None

    @classmethod
    def read(cls, message: Message) -> "QuoteHeard":
        entry = body(message, "S")
        yes, no = (_DOLLARS.read(entry.text(tag) or "0") for tag in (132, 133))
        if not yes and not no:
            raise WireFormatError("a quote without a price")
        sizes = [decimal_or_none(entry, tag) for tag in (38, 134, 135)]
        return cls(entry.text(117), entry.text(131), entry.text(55), yes, no, *sizes)


@dataclass(frozen=True, slots=True)
class QuoteStatus:
    """QuoteStatusReport (AI). accepted_yes: which side of ours was accepted, None unless accepted."""

    quote_id: str
    rfq_id: str
    status: str
    yes_bid: Decimal | None
    no_bid: Decimal | None
    count: Decimal | None
    accepted_yes: bool | None
    subaccount: int
    text: str
    yes_count: Decimal | None = None
    no_count: Decimal | None = None

    @classmethod
    def read(cls, message: Message, prices: Prices) -> "QuoteStatus":
        entry = body(message, "AI")
        yes, no = (entry.text(tag) for tag in (132, 133))
        side = entry.text(54)
        return cls(
            quote_id=entry.text(117),
            rfq_id=entry.text(131),
            status=QUOTE_STATUS.get(entry.text(297), f"unknown {entry.text(297)}"),
            yes_bid=prices.read(yes) if yes else None,
            no_bid=prices.read(no) if no else None,
            count=decimal_or_none(entry, 38),
            accepted_yes=side == BUY if side else None,
            subaccount=integer_or_none(entry, 79) or 0,
            text=entry.text(58),
            yes_count=decimal_or_none(entry, 134),
            no_count=decimal_or_none(entry, 135),
        )


@dataclass(frozen=True, slots=True)
class Answer:
    """The short answers: U9 to Z, U8 to U7, UC to UA, UB to UE. about: the quote, or of UB our request.

    accepted_id: of UC the quote that was really accepted, which may be a better one.
    """

    msg_type: str
    about: str
    is_done: bool
    text: str
    accepted_id: str = ""
    client_order_id: str = ""

    @classmethod
    def read(cls, message: Message) -> "Answer":
        entry = body(message, *_ANSWERS)
        about, status = _ANSWERS[message.msg_type]
        return cls(
            message.msg_type,
            about=entry.text(about),
            is_done=decimal_read(entry.text(status)) == 0,
            text=entry.text(58),
            accepted_id=entry.text(21024),
            client_order_id=entry.text(11),
        )


_ANSWERS: Final = {"U9": (117, 298), "U8": (117, 21010), "UC": (117, 21025), "UB": (131, 21013)}


@dataclass(frozen=True, slots=True)
class RequestRefused:
    """QuoteRequestReject (AG): a request was refused, or one that a maker heard of is gone."""

    request_id: str
    reason: int | None
    text: str

    @classmethod
    def read(cls, message: Message) -> "RequestRefused":
        entry = body(message, "AG")
        return cls(entry.text(131), integer_or_none(entry, 658), entry.text(58))
