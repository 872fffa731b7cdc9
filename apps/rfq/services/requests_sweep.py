"""What makes requests and received quotes true again: readings, and the sweep that queues them."""

import logging
from collections.abc import Iterable
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import F, Q

from apps.audit import services as audit
from apps.core.errors import DeskError, WireFormatError
from apps.core.rfq import QuoteState, RfqState
from apps.core.timestamps import utc_now
from apps.exchange.clients import client_for
from apps.exchange.wire.api import communications as api
from apps.exchange.wire.client import ExchangeClient
from apps.exchange.wire.errors import ExchangeError, Refused
from apps.rfq import queue, reports
from apps.rfq.events import requests as events
from apps.rfq.models import Quote, Rfq
from apps.rfq.services.combos_send import resolutions_sweep
from apps.rfq.services.quotes_send import join_or_apply, quote_resolve
from apps.rfq.services.requests_apply import received_apply, rfq_apply, rfq_closed
from apps.rfq.services.requests_send import rfqs_expire, rfqs_interrupted, rfqs_time_out

logger = logging.getLogger(__name__)

# A request that was not listed this long after its send never arrived, as far as anybody can tell.
SEEN_WITHIN = timedelta(seconds=30)
MAX_BACKOFF_SECONDS = 30
NOT_FOUND = 404


def rfq_resolve(rfq_pk: int, *, now: datetime | None = None) -> Rfq:
    """Read what became of one request, with its quotes. Reading only.

    In doubt and not listed SEEN_WITHIN after its send: NOT_SEEN, which any later evidence takes back.
    """
    now = now or utc_now()
    rfq = Rfq.objects.select_related("account").get(pk=rfq_pk)
    try:
        client = client_for(rfq.account_id, write=False)
        if rfq.rfq_id:
            rfq_read(client, rfq)
        elif rfq.state in (RfqState.UNKNOWN, RfqState.NOT_SEEN):
            for record in api.get_rfqs(client, own=True, ticker=rfq.ticker or None):
                rfq_apply(rfq.account_id, reports.rfq_from_rest(record))
            found = Rfq.objects.select_related("account").get(pk=rfq_pk)
            if found.rfq_id:
                rfq_read(client, found)
            else:
                _missing(found, now=now)
    except (ExchangeError, DeskError, WireFormatError) as exc:
        logger.warning("request %s could not be looked up: %s", rfq.pk, exc)
        _look_again(rfq, now=now)
    rfq.refresh_from_db()
    return rfq


def rfq_read(client: ExchangeClient, rfq: Rfq) -> None:
    """Read one request and all quotes on it. Raises ExchangeError, WireFormatError."""
    assert rfq.rfq_id
    for quote in api.get_quotes(client, rfq_id=rfq.rfq_id, on_own_rfqs=True):
        received_apply(rfq, reports.quote_from_rest(quote))
    try:
        report = reports.rfq_from_rest(api.get_rfq(client, rfq.rfq_id))
    except Refused as exc:
        if exc.status != NOT_FOUND:
            raise
        # Closed requests are forgotten by the exchange after a while.
        rfq_closed(rfq, reason="no longer at the exchange")
        return
    rfq_apply(rfq.account_id, report)


def account_read(account_id: int) -> None:
    """Read what is open of one account, requests and quotes, and what the desk thinks is.

    Raises ExchangeError, DeskError, WireFormatError: read again later.
    """
    client = client_for(account_id, write=False)
    listed = [reports.rfq_from_rest(record) for record in api.get_rfqs(client, own=True, status="open")]
    for report in listed:
        rfq_read(client, rfq_apply(account_id, report))
    here = Rfq.objects.select_related("account").filter(account_id=account_id)
    # Not listed as open: closed meanwhile, or closed with an accept that still runs.
    gone = here.filter(state=RfqState.OPEN).exclude(rfq_id__in=[report.rfq_id for report in listed])
    waiting = here.filter(accepts__state__in=["sending", "unknown", "awaiting", "executing"])
    for rfq in {*gone, *waiting}:
        if rfq.rfq_id:
            rfq_read(client, rfq)
    own_quotes_read(client, account_id)


def own_quotes_read(client: ExchangeClient, account_id: int) -> None:
    """Read our live quotes, and those that the desk thinks are live. Raises ExchangeError, WireFormatError."""
    seen = set()
    for status in ("open", "accepted", "confirmed"):
        for record in api.get_quotes(client, own=True, status=status):
            seen.add(record.id)
            join_or_apply(account_id, reports.quote_from_rest(record))
    unsettled = [QuoteState.OPEN, QuoteState.ACCEPTED, QuoteState.CONFIRMED]
    for quote in Quote.objects.filter(account_id=account_id, state__in=unsettled).exclude(quote_id__in=seen):
        quote_resolve(quote.pk)


def requests_sweep(*, now: datetime | None = None) -> None:
    """Expire, hand over again, look up. Everything here is safe to run at any time, and twice."""
    now = now or utc_now()
    rfqs_expire(now=now)
    rfqs_interrupted(now=now)
    rfqs_time_out(now=now)
    resolutions_sweep(now=now)
    due = Q(next_look_at=None) | Q(next_look_at__lte=now)
    _enqueue(queue.RFQ_SEND, Rfq.objects.filter(state=RfqState.COMMITTED, close_wanted_at=None))
    _enqueue(queue.RFQ_RESOLVE, Rfq.objects.filter(due, state=RfqState.UNKNOWN))
    wanted = Rfq.objects.filter(due, close_wanted_at__isnull=False, state__in=[RfqState.OPEN, RfqState.COMMITTED])
    _enqueue(queue.RFQ_CLOSE, wanted)


def _enqueue(task: str, rows: Iterable[Rfq]) -> None:
    for row in rows:
        queue.enqueue(task, row.pk)


def _missing(rfq: Rfq, *, now: datetime) -> None:
    """Not among the own requests. Too early to say, or NOT_SEEN."""
    last = rfq.answered_at or rfq.claimed_at or rfq.created_at
    if now - last < SEEN_WITHIN:
        _look_again(rfq, now=now, within=last + SEEN_WITHIN - now + timedelta(seconds=1))
        return
    with transaction.atomic():
        changed = Rfq.objects.filter(pk=rfq.pk, state=RfqState.UNKNOWN).update(
            state=RfqState.NOT_SEEN, next_look_at=None, version=F("version") + 1
        )
        if changed:
            rfq.refresh_from_db()
            events.rfq_publish(rfq)
            audit.record(
                "rfq.rfq.not_seen",
                actor_id=None,
                desk_id=rfq.desk_id,
                environment=rfq.account.environment,
                target=f"rfq:{rfq.pk}",
                data={"ticker": rfq.ticker},
            )


def _look_again(rfq: Rfq, *, now: datetime, within: timedelta = timedelta.max) -> None:
    pause = min(within, timedelta(seconds=min(MAX_BACKOFF_SECONDS, 2 ** min(rfq.looks, 5))))
    Rfq.objects.filter(pk=rfq.pk).update(looks=F("looks") + 1, next_look_at=now + pause)
