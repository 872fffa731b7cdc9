"""Take, once, the first quote at or below a request's own limit: only what its person wrote down beforehand."""

import logging
import uuid
from datetime import datetime

from apps.core.errors import DeskError
from apps.core.rfq import Outcome, QuoteState, RfqState
from apps.core.timestamps import utc_now
from apps.orders.access import actor_of
from apps.rfq.events import requests as events
from apps.rfq.models import Accept, ReceivedQuote, Rfq
from apps.rfq.services.accepts import REARM, accept_submit

logger = logging.getLogger(__name__)

# One key per request: whoever runs this, and however often, the click is the same.
_KEYS = uuid.UUID("7c1f8f0e-6a52-4a52-9b0f-2f6b7f3a1d10")


def auto_accepts_fire(*, rfq_pk: int | None = None, now: datetime | None = None) -> int:
    """Fire what is due; returns how many accepts were committed. Safe to call at any time, and twice."""
    now = now or utc_now()
    waiting = Rfq.objects.filter(state=RfqState.OPEN, close_wanted_at=None).exclude(auto_accept="")
    if rfq_pk is not None:
        waiting = waiting.filter(pk=rfq_pk)
    fired = 0
    for rfq in waiting.exclude(accepts__is_auto=True).select_related("account"):
        try:
            fired += _fire(rfq, now=now) is not None
        except DeskError as exc:
            logger.info("request %s took nothing by itself: %s", rfq.pk, exc)
    return fired


def best_within_limit(rfq: Rfq, buys: Outcome, *, now: datetime) -> ReceivedQuote | None:
    """Return the cheapest open quote for `buys` at or below the request's limit, the first received of equals."""
    limit = rfq.limit_yes if buys is Outcome.YES else rfq.limit_no
    if limit is None:
        return None
    priced = [
        (price, quote.seen_at, quote.pk, quote)
        for quote in rfq.quotes.filter(state=QuoteState.OPEN, changed_at__lte=now - REARM)
        if (price := events.prices_of(quote).requester_price(buys)) is not None and price <= limit
    ]
    return min(priced)[3] if priced else None


def _fire(rfq: Rfq, *, now: datetime) -> Accept | None:
    buys = Outcome(rfq.auto_accept)
    began = rfq.answered_at or rfq.created_at
    if rfq.auto_after is not None and now - began < rfq.auto_after:
        return None
    if rfq.quotes.filter(state=QuoteState.OPEN).count() < rfq.auto_min_quotes:
        return None
    quote = best_within_limit(rfq, buys, now=now)
    person_id = rfq.owner_id or rfq.placed_by_id
    if quote is None or person_id is None:
        return None
    actor = actor_of(user_id=person_id, desk_id=rfq.desk_id)
    price = events.prices_of(quote).requester_price(buys)
    if actor is None or price is None:
        return None
    return accept_submit(
        actor,
        rfq,
        quote_id=quote.quote_id,
        buys=buys,
        price_seen=price,
        idempotency_key=uuid.uuid5(_KEYS, str(rfq.pk)),
        is_auto=True,
        now=now,
    )
