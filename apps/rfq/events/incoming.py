"""Frames of the topic `incoming:<account>:<filter>`: what of the stream of requests a filter shows."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from apps.core.errors import WireFormatError
from apps.core.rfq import QuotePrices
from apps.core.topics import TopicName, parse_topic
from apps.rfq.events.words import Row, count, dollars, legs_rows, ms, price
from apps.rfq.reports import RfqReport
from apps.rfq.services.fair import Fair, Touch

KIND = "incoming"
_TICK = Decimal("0.0001")


def incoming_topic(account_id: int, filter_id: int) -> str:
    return str(TopicName(KIND, str(account_id), str(filter_id)))


def incoming_of(raw: str) -> tuple[int, int] | None:
    """Return (account, filter) of a topic of this kind, None for any other."""
    try:
        name = parse_topic(raw)
    except WireFormatError:
        return None
    numbers = (name.scope, name.name)
    if name.kind != KIND or not all(one.isdecimal() and len(one) <= 15 for one in numbers):
        return None
    return int(name.scope), int(name.name)


@dataclass(frozen=True, slots=True)
class Shown:
    """What is known of one request beyond the request itself, for one account."""

    title: str
    titles: Mapping[str, str]
    event_ticker: str
    touch: Touch
    fair: Fair
    position: Decimal | None
    suggested: QuotePrices | None
    rule: str = ""
    quote: str | None = None
    closes_at: datetime | None = None


def incoming_row(report: RfqReport, seen_ms: int, shown: Shown) -> Row:
    return {
        "rfq_id": report.rfq_id,
        "ticker": report.ticker,
        "title": shown.title,
        "event_ticker": report.event_ticker or shown.event_ticker,
        "collection": report.collection,
        "legs": legs_rows(report.legs, shown.titles),
        "is_combo": bool(report.legs),
        "contracts": count(report.contracts),
        "target_cost": dollars(report.target_cost),
        "created_ms": ms(report.created_at),
        "seen_ms": seen_ms,
        "closes_ms": ms(shown.closes_at),
        "book_bid": price(shown.touch.bid),
        "book_ask": price(shown.touch.ask),
        "fair": fair_text(shown.fair.value),
        "fair_source": shown.fair.source if shown.fair.value is not None else "",
        "fair_why": shown.fair.why,
        "position": count(shown.position),
        "suggested_yes": None if shown.suggested is None else price(shown.suggested.yes_bid),
        "suggested_no": None if shown.suggested is None else price(shown.suggested.no_bid),
        "rule": shown.rule,
        "quote": shown.quote,
        "requester": report.requester,
    }


def fair_text(value: Decimal | None) -> str | None:
    """A value is not a price: it is rounded to be shown."""
    return None if value is None else price(value.quantize(_TICK))
