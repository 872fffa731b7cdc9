"""The quotes on one of our requests as a stack: which of them is the best to take. Pure."""

from collections.abc import Iterable
from datetime import datetime
from decimal import Decimal

from apps.core.rfq import Outcome, QuotePrices, QuoteState
from apps.rfq.models import ReceivedQuote, Rfq


def prices_of(quote: ReceivedQuote) -> QuotePrices:
    return QuotePrices(yes_bid=quote.yes_bid, no_bid=quote.no_bid)


def limit_of(rfq: Rfq, buys: Outcome) -> Decimal | None:
    """Return the most that the request's person wants to pay for one contract; None: they did not say."""
    limit: Decimal | None = rfq.limit_yes if buys is Outcome.YES else rfq.limit_no
    return limit


def best_of(
    quotes: Iterable[ReceivedQuote],
    buys: Outcome,
    *,
    limit: Decimal | None,
    unchanged_since: datetime | None = None,
) -> ReceivedQuote | None:
    """Return the cheapest open quote for `buys`, the first received of equals.

    Args:
        limit: the most that one contract may cost, dollars; None: anything.
        unchanged_since: only quotes whose price has stood since then.
    """
    priced = [
        (cost, quote.seen_at, quote.pk, quote)
        for quote in quotes
        if quote.state == QuoteState.OPEN
        and (unchanged_since is None or quote.changed_at <= unchanged_since)
        and (cost := prices_of(quote).requester_price(buys)) is not None
        and (limit is None or cost <= limit)
    ]
    return min(priced)[3] if priced else None
