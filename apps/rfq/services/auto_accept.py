"""Take, once, the first quote at or below a request's own limit: only what its person wrote down beforehand."""

import logging
import uuid
from datetime import datetime

from django.db import transaction
from django.db.models import F

from apps.audit import services as audit
from apps.core.errors import DeskError, NotFound
from apps.core.permissions import Actor, Permission
from apps.core.rfq import Outcome, QuoteState, RfqState
from apps.core.timestamps import utc_now
from apps.orders.access import actor_of, require_on
from apps.rfq.asks import AutoAccept
from apps.rfq.events import requests as events
from apps.rfq.models import Accept, ReceivedQuote, Rfq
from apps.rfq.services.accepts import REARM, accept_submit
from apps.rfq.services.requests import LIVE
from apps.rfq.services.team import owner_check
from apps.rfq.stack import best_of, limit_of, prices_of

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
    limit = limit_of(rfq, buys)
    if limit is None:
        return None
    return best_of(rfq.quotes.all(), buys, limit=limit, unchanged_since=now - REARM)


def auto_set(actor: Actor, rfq: Rfq, auto: AutoAccept | None) -> Rfq:
    """Let an open request take a quote by itself, once, or no longer (None). Audited; the same again changes nothing.

    It fires with the rights of the request's owner.

    Raises:
        NotAllowed, NotFound: role, another desk's request.
        DeskError: `not_owner`, `rfq_over`, `auto_needs_limit`, `auto_fired` (it took one already).
    """
    require_on(actor, Permission.RFQ_TRADE, rfq.account_id, rfq.subaccount)
    if rfq.desk_id != actor.desk_id:
        raise NotFound("This request does not exist, or it belongs to another desk.")
    with transaction.atomic():
        rfq = Rfq.objects.select_for_update(of=("self",)).select_related("account").get(pk=rfq.pk)
        owner_check(actor, rfq.owner_id, what="request")
        if rfq.state not in LIVE or rfq.close_wanted_at is not None:
            raise DeskError("rfq_over", "This request is no longer open: there is nothing to take.")
        if rfq.accepts.filter(is_auto=True).exists():
            raise DeskError("auto_fired", "It has taken a quote by itself already: that is done once.")
        if auto is not None and limit_of(rfq, auto.buys) is None:
            text = f"Taking {auto.buys.upper()} by itself needs a limit for {auto.buys.upper()}."
            raise DeskError("auto_needs_limit", text, fields={"auto": text})
        terms = {
            "auto_accept": auto.buys.value if auto else "",
            "auto_min_quotes": auto.min_quotes if auto else 1,
            "auto_after": auto.after if auto else None,
        }
        if all(getattr(rfq, name) == value for name, value in terms.items()):
            return rfq
        Rfq.objects.filter(pk=rfq.pk).update(version=F("version") + 1, **terms)
        rfq.refresh_from_db()
        events.rfq_publish(rfq)
        audit.record(
            "rfq.auto.set" if auto else "rfq.auto.unset",
            actor_id=actor.user_id,
            desk_id=rfq.desk_id,
            environment=rfq.account.environment,
            target=f"rfq:{rfq.pk}",
            data={**terms, "auto_after": int(auto.after.total_seconds()) if auto else None},
        )
    return rfq


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
    price = prices_of(quote).requester_price(buys)
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
