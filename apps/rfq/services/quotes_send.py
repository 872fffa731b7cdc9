"""Send our quote at most once, and its deletion until it is gone. What is in doubt is looked up, never repeated.

A quote that arrives late replaces a newer price, so one per request is in flight (a constraint in SQL), and one that
was given up and then shows up after all is pulled at once (RELIABILITY E10).
"""

import logging
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.db.models import F, Q

from apps.core.durability import reaches_disk_later
from apps.core.errors import DeskError, NotAllowed, WireFormatError, not_sent
from apps.core.money import format_price
from apps.core.permissions import Permission
from apps.core.rfq import Policy, QuotePrices, QuoteState
from apps.core.timestamps import utc_now
from apps.exchange.clients import client_for
from apps.exchange.wire.api import communications as api
from apps.exchange.wire.client import ExchangeClient
from apps.exchange.wire.errors import ExchangeError, NotSent, RateLimited, Refused
from apps.orders.access import actor_of
from apps.rfq import queue, reports
from apps.rfq.events import quotes as events
from apps.rfq.models import Quote
from apps.rfq.offers import Offer
from apps.rfq.services.confirmations import Heard
from apps.rfq.services.last_look import MARKED, prices_read, reference_of
from apps.rfq.services.quotes import IN_FLIGHT, LIVE, pull_want, quote_check
from apps.rfq.services.quotes_apply import quote_apply
from apps.rfq.services.routes import quote_route_of
from apps.rfq.services.unsent import look_again, refuse_unsent, row_record

logger = logging.getLogger(__name__)

GOOD_FOR = timedelta(seconds=5)
INTERRUPTED_AFTER = timedelta(seconds=15)
SEEN_WITHIN = timedelta(seconds=30)
TOO_LATE = "Not sent: the desk could not send it in time. Nothing reached the exchange."
NOT_FOUND = 404


def quote_send(quote_pk: int) -> Quote | None:
    """Send one committed quote. Returns it afterwards, or None when there was nothing to claim.

    Safe to call twice, late, or never. Source: docs:api-reference/communications/create-quote.
    """
    if not _claim(quote_pk):
        quotes_expire(quote_pk=quote_pk)
        return None
    quote = _load(quote_pk)
    try:
        actor = None if quote.placed_by_id is None else actor_of(user_id=quote.placed_by_id, desk_id=quote.desk_id)
        if actor is None or not actor.may_on(Permission.RFQ_TRADE, quote.account_id, quote.subaccount):
            raise NotAllowed("The person who quoted may no longer trade requests on this desk.")
        quote_check(actor, _offer_of(quote), quote.incoming, now=utc_now(), is_stored=True)
        route = quote_route_of(quote.account_id)
        client = client_for(quote.account_id, write=route is None)
    except DeskError as exc:
        return quote_end(quote, state=QuoteState.REFUSED, code=exc.code, text=not_sent(exc.text))
    _reference_read(quote, client)
    quote_id = ""
    try:
        if route is not None:
            route.quote(quote)
        else:
            quote_id = api.create_quote(
                client,
                rfq_id=quote.incoming.rfq_id,
                yes_bid=format_price(quote.yes_bid),
                no_bid=format_price(quote.no_bid),
                rest_remainder=quote.rest_remainder,
                post_only=quote.post_only,
                subaccount=quote.subaccount,
            )
    except Refused as exc:
        return quote_end(quote, state=QuoteState.REFUSED, code=exc.code, text=exc.text)
    except NotSent as exc:
        return quote_end(quote, state=QuoteState.REFUSED, code=exc.code, text=f"It never left the desk. {exc.text}")
    except (RateLimited, DeskError) as exc:
        return quote_end(quote, state=QuoteState.REFUSED, code=exc.code, text=not_sent(exc.text))
    except ExchangeError as exc:
        return quote_end(quote, state=QuoteState.UNKNOWN, code=exc.code, text=exc.text)
    return quote_opened(quote, quote_id) if quote_id else id_read(quote, client)


def id_read(quote: Quote, client: ExchangeClient) -> Quote:
    """Find the id of a quote that the exchange has by a name of ours; UNKNOWN, and read again, until it is listed."""
    quote.refresh_from_db()
    if quote.quote_id is None:  # else a message has told it meanwhile
        try:
            for record in api.get_quotes(client, own=True, rfq_id=quote.incoming.rfq_id):
                join_or_apply(quote.account_id, reports.quote_from_rest(record))
        except (ExchangeError, DeskError, WireFormatError) as exc:
            logger.warning("the id of quote %s could not be read: %s", quote.pk, exc)
        quote.refresh_from_db()
    if quote.quote_id is None:
        text = "The exchange has it by FIX and does not list it yet. Looking it up."
        return quote_end(quote, state=QuoteState.UNKNOWN, code="unnamed", text=text)
    return quote


def _reference_read(quote: Quote, client: ExchangeClient) -> None:
    """A move is measured from what one YES was worth at the send: without live prices the book is read for it."""
    if quote.max_move is None or reference_of(quote) is not None or quote.book_at_send.get("fair_source") in MARKED:
        return
    try:
        book = prices_read(client, [quote.incoming], why="")[quote.incoming_id].as_book()
    except (ExchangeError, DeskError, WireFormatError) as exc:
        logger.warning("quote %s goes without a price that moves are measured from: %s", quote.pk, exc)
        return
    Quote.objects.filter(pk=quote.pk).update(book_at_send={**quote.book_at_send, **book}, version=F("version") + 1)
    quote.refresh_from_db(fields=["book_at_send", "version"])


@reaches_disk_later()
def quote_opened(quote: Quote, quote_id: str) -> Quote:
    """The exchange has it. Our older open quote on the same request is replaced by it. A repeat changes nothing.

    It does not wait for the disk: a quote that was claimed and has no id is looked up.
    """
    now = utc_now()
    with transaction.atomic():
        was_given_up = quote.state == QuoteState.NOT_SEEN
        changed = Quote.objects.filter(pk=quote.pk, quote_id=None).update(
            quote_id=quote_id,
            state=QuoteState.OPEN,
            answered_at=now,
            error_code="",
            error_text="",
            version=F("version") + 1,
        )
        quote.refresh_from_db()
        if changed:
            _replace_older(quote, now=now)
            events.quote_publish(quote)
            row_record("open", quote, {"quote_id": quote_id})
            if was_given_up:
                pull_want(quote, actor_id=None, why="it showed up after it had been given up", now=now)
            elif quote.pull_wanted_at is not None:
                queue.enqueue_on_commit(queue.QUOTE_PULL, quote.pk)
    return quote


def quote_end(quote: Quote, *, state: QuoteState, code: str = "", text: str = "") -> Quote:
    """SENDING -> REFUSED or UNKNOWN; loses against evidence of the quote, as it should."""
    now = utc_now()
    changes: dict[str, Any] = {"error_code": code[:60], "error_text": text[:400], "answered_at": now}
    if state == QuoteState.UNKNOWN:
        changes["next_look_at"] = now
    with transaction.atomic():
        changed = Quote.objects.filter(pk=quote.pk, state=QuoteState.SENDING).update(
            state=state, version=F("version") + 1, **changes
        )
        quote.refresh_from_db()
        if changed:
            events.quote_publish(quote)
            row_record(state.value, quote, {"code": code[:60], "text": text[:400]})
            if state == QuoteState.UNKNOWN:
                queue.enqueue_on_commit(queue.QUOTE_RESOLVE, quote.pk)
    return quote


def quote_delete(quote_pk: int) -> Quote | None:
    """Make one attempt to delete a quote that somebody wants gone. None when nothing was due.

    A 404 is no proof that it is gone: an accepted quote answers so, too. It is read.
    """
    quote = Quote.objects.select_related("account", "incoming").filter(pk=quote_pk).first()
    if quote is None or quote.pull_wanted_at is None:
        return None
    if quote.state == QuoteState.COMMITTED:
        return quote if refuse_unsent(quote, code="withdrawn", text="Pulled before it was sent.") else None
    if quote.state != QuoteState.OPEN or not quote.quote_id:
        return None  # its outcome comes first; the sweep comes back
    try:
        route = quote_route_of(quote.account_id)
        if route is None or not route.withdraw(quote):
            api.delete_quote(client_for(quote.account_id, write=True), quote.quote_id)
    except (NotSent, RateLimited, DeskError) as exc:
        look_again(quote, why=str(exc))
        return quote
    except ExchangeError as exc:
        logger.info("the deletion of quote %s is in doubt, reading: %s", quote.pk, exc)
    look_again(quote, why="")
    queue.enqueue(queue.QUOTE_RESOLVE, quote.pk)
    return quote


def quote_resolve(quote_pk: int, *, now: datetime | None = None) -> Quote:
    """Read what became of one quote. In doubt and not listed SEEN_WITHIN after its send: NOT_SEEN."""
    now = now or utc_now()
    quote = _load(quote_pk)
    try:
        client = client_for(quote.account_id, write=False)
        if quote.quote_id:
            try:
                quote_apply(quote.account_id, reports.quote_from_rest(api.get_quote(client, quote.quote_id)))
            except Refused as exc:
                if exc.status != NOT_FOUND:
                    raise
                _gone(quote)
        elif quote.state in (QuoteState.UNKNOWN, QuoteState.NOT_SEEN):
            for record in api.get_quotes(client, own=True, rfq_id=quote.incoming.rfq_id):
                join_or_apply(quote.account_id, reports.quote_from_rest(record))
            last = quote.answered_at or quote.claimed_at or quote.created_at
            quote = _load(quote_pk)
            if quote.quote_id is None and now - last >= SEEN_WITHIN:
                _not_seen(quote)
    except (ExchangeError, DeskError, WireFormatError) as exc:
        logger.warning("quote %s could not be looked up: %s", quote.pk, exc)
    quote = _load(quote_pk)
    if quote.state == QuoteState.UNKNOWN or (quote.state == QuoteState.OPEN and quote.pull_wanted_at is not None):
        look_again(quote, why=quote.error_text)
    return quote


def join_or_apply(account_id: int, report: reports.QuoteReport, *, heard: Heard | None = None) -> Quote | None:
    """Take in one of our quotes as the exchange has it; one in doubt with the same prices is recognised as it.

    heard: who told, and when, if it was no reading of now.
    """
    known = Quote.objects.filter(account_id=account_id, quote_id=report.quote_id).exists()
    if not known:
        waiting = Quote.objects.select_related("account", "incoming").filter(
            account_id=account_id,
            quote_id=None,
            incoming__rfq_id=report.rfq_id,
            yes_bid=report.prices.yes_bid,
            no_bid=report.prices.no_bid,
            state__in=[QuoteState.SENDING, QuoteState.UNKNOWN, QuoteState.NOT_SEEN],
        )
        quote = waiting.order_by("claimed_at").last()
        if quote is not None:
            quote_opened(quote, report.quote_id)
    return quote_apply(account_id, report, heard=heard)


def quotes_expire(*, quote_pk: int | None = None, now: datetime | None = None) -> int:
    """COMMITTED and older than GOOD_FOR -> REFUSED; returns how many. Nothing of them was sent."""
    now = now or utc_now()
    late = Quote.objects.select_related("account", "incoming").filter(
        state=QuoteState.COMMITTED, created_at__lte=now - GOOD_FOR
    )
    if quote_pk is not None:
        late = late.filter(pk=quote_pk)
    return sum(refuse_unsent(quote, code="too_late", text=TOO_LATE) for quote in late)


def quotes_sweep(*, now: datetime | None = None) -> None:
    """Expire, time out, hand over again, look up what is due. Safe at any time, and twice."""
    now = now or utc_now()
    quotes_expire(now=now)
    rows = Quote.objects.select_related("account", "incoming")
    text = "The desk was interrupted while sending. Looking it up at the exchange."
    for quote in rows.filter(state=QuoteState.SENDING, claimed_at__lte=now - INTERRUPTED_AFTER):
        quote_end(quote, state=QuoteState.UNKNOWN, code="interrupted", text=text)
    for quote in rows.filter(state__in=LIVE, ends_at__lte=now, pull_wanted_at=None):
        with transaction.atomic():
            pull_want(quote, actor_id=None, why="its time-out passed", now=now)
    for quote in rows.filter(state=QuoteState.COMMITTED, pull_wanted_at=None):
        queue.enqueue(queue.QUOTE_SEND, quote.pk)
    due = Q(next_look_at=None) | Q(next_look_at__lte=now)
    for quote in rows.filter(due, state=QuoteState.UNKNOWN):
        queue.enqueue(queue.QUOTE_RESOLVE, quote.pk)
    for quote in rows.filter(due, pull_wanted_at__isnull=False, state__in=[*IN_FLIGHT, QuoteState.OPEN]):
        queue.enqueue(queue.QUOTE_PULL, quote.pk)


def _claim(quote_pk: int) -> bool:
    """COMMITTED -> SENDING, once ever, while it is fresh and still wanted."""
    now = utc_now()
    fresh = Quote.objects.filter(
        pk=quote_pk, state=QuoteState.COMMITTED, created_at__gt=now - GOOD_FOR, pull_wanted_at=None
    )
    return fresh.update(state=QuoteState.SENDING, claimed_at=now, version=F("version") + 1) == 1


def _replace_older(quote: Quote, *, now: datetime) -> None:
    older = Quote.objects.filter(account_id=quote.account_id, incoming_id=quote.incoming_id, state=QuoteState.OPEN)
    for other in older.exclude(pk=quote.pk).select_related("account"):
        Quote.objects.filter(pk=other.pk, state=QuoteState.OPEN).update(
            state=QuoteState.REPLACED, ended_at=now, end_reason="replaced by a newer quote", version=F("version") + 1
        )
        events.quote_publish(other)


def _gone(quote: Quote) -> None:
    """The exchange has forgotten it, as it does with quotes that ended; whether it was filled, the fills tell."""
    now = utc_now()
    changed = Quote.objects.filter(pk=quote.pk, state__in=[QuoteState.OPEN, QuoteState.REPLACED]).update(
        state=QuoteState.CANCELLED, ended_at=now, version=F("version") + 1
    )
    if changed:
        events.quote_publish(quote)


def _not_seen(quote: Quote) -> None:
    with transaction.atomic():
        changed = Quote.objects.filter(pk=quote.pk, state=QuoteState.UNKNOWN).update(
            state=QuoteState.NOT_SEEN, next_look_at=None, version=F("version") + 1
        )
        if changed:
            events.quote_publish(quote)
            row_record("not_seen", quote, {"ticker": quote.ticker})


def _offer_of(quote: Quote) -> Offer:
    assert quote.idempotency_key is not None
    return Offer(
        idempotency_key=quote.idempotency_key,
        account_id=quote.account_id,
        subaccount=quote.subaccount,
        rfq_id=quote.incoming.rfq_id,
        prices=QuotePrices(quote.yes_bid, quote.no_bid),
        post_only=quote.post_only,
        rest_remainder=quote.rest_remainder,
        policy=Policy(quote.policy),
        max_move=quote.max_move,
        insists=True,  # that was asked when it was submitted
    )


def _load(quote_pk: int) -> Quote:
    return Quote.objects.select_related("account", "incoming").get(pk=quote_pk)
