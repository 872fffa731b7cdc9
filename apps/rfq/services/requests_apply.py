"""Facts about own requests and the quotes on them, whoever tells: one door, duplicates change nothing."""

import logging
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta

from django.db import IntegrityError, transaction
from django.db.models import F

from apps.accounts.models import ExchangeAccount
from apps.core.rfq import QuoteState, RfqState, quote_may_go
from apps.core.timestamps import utc_now
from apps.rfq.events import requests as events
from apps.rfq.models import ReceivedQuote, Rfq
from apps.rfq.reports import QuoteReport, RfqReport
from apps.rfq.services.requests_send import rfq_opened

logger = logging.getLogger(__name__)

# A request made at most this long before our send can be the one that we sent: clocks differ.
CLOCK_MARGIN = timedelta(minutes=1)
_IN_DOUBT = (RfqState.SENDING, RfqState.UNKNOWN, RfqState.NOT_SEEN)


def rfq_apply(account_id: int, report: RfqReport) -> Rfq:
    """Take in what the exchange holds of one of our requests, and return the row.

    A request that no row of ours can have made appears as made elsewhere.
    """
    rfq = Rfq.objects.select_related("account").filter(account_id=account_id, rfq_id=report.rfq_id).first()
    if rfq is None:
        rfq = _joined(account_id, report) or _external(account_id, report)
    if report.is_open is False:
        rfq_closed(rfq, reason=report.reason, at=report.closed_at)
    if rfq.opened_at is None and report.created_at is not None:
        Rfq.objects.filter(pk=rfq.pk, opened_at=None).update(opened_at=report.created_at, version=F("version") + 1)
        rfq.refresh_from_db()
        events.rfq_publish(rfq)
    return rfq


def rfq_closed(rfq: Rfq, *, reason: str = "", at: datetime | None = None) -> bool:
    """OPEN -> CLOSED; False when it was closed already. Its open quotes end with it."""
    now = utc_now()
    with transaction.atomic():
        changed = Rfq.objects.filter(pk=rfq.pk, state=RfqState.OPEN).update(
            state=RfqState.CLOSED, closed_at=at or now, closing_reason=reason[:200], version=F("version") + 1
        )
        if not changed:
            if reason:
                # A deletion is told without its reason; the reading that follows has it.
                Rfq.objects.filter(pk=rfq.pk, state=RfqState.CLOSED, closing_reason="").update(
                    closing_reason=reason[:200], version=F("version") + 1
                )
            return False
        ReceivedQuote.objects.filter(rfq=rfq, state=QuoteState.OPEN).update(
            state=QuoteState.CANCELLED,
            cancellation_reason="the request was closed",
            ended_at=now,
            version=F("version") + 1,
        )
        rfq.refresh_from_db()
        events.rfq_publish(rfq)
    return True


def received_apply(rfq: Rfq, report: QuoteReport, *, now: datetime | None = None) -> ReceivedQuote | None:
    """Take in one quote on one of our requests. A newer one of the same maker replaces the older.

    Returns the row, or None when the report says nothing new that this desk understands.
    """
    now = now or utc_now()
    if report.state is None:
        logger.warning("a quote on request %s has a state that this desk does not know", rfq.pk)
        return None
    with transaction.atomic():
        quote = ReceivedQuote.objects.select_for_update().filter(rfq=rfq, quote_id=report.quote_id).first()
        if quote is None:
            try:
                with transaction.atomic():
                    quote = _new(rfq, report, now=now)
            except IntegrityError:  # the other connection told the same
                return ReceivedQuote.objects.get(rfq=rfq, quote_id=report.quote_id)
        elif not _changed(quote, report, now=now):
            return quote
        _touch(rfq)
    return quote


def _new(rfq: Rfq, report: QuoteReport, *, now: datetime) -> ReceivedQuote:
    assert report.state is not None
    quote = ReceivedQuote.objects.create(
        rfq=rfq,
        quote_id=report.quote_id,
        maker=report.maker,
        yes_bid=report.prices.yes_bid,
        no_bid=report.prices.no_bid,
        yes_contracts=report.yes_contracts,
        no_contracts=report.no_contracts,
        state=report.state,
        created_at=report.created_at,
        seen_at=now,
        changed_at=now,
        ended_at=report.cancelled_at if report.state == QuoteState.CANCELLED else None,
        cancellation_reason=report.reason[:200],
    )
    _replace_others(quote, report, now=now)
    return quote


def _replace_others(quote: ReceivedQuote, report: QuoteReport, *, now: datetime) -> None:
    """A maker has one open quote on a request: the newest."""
    if report.state != QuoteState.OPEN or not report.maker:
        return
    others = ReceivedQuote.objects.filter(rfq_id=quote.rfq_id, maker=report.maker, state=QuoteState.OPEN)
    others = others.exclude(pk=quote.pk)
    newer = others.filter(created_at__gt=report.created_at) if report.created_at else others.none()
    if newer.exists():  # heard late: the newer one stands
        ReceivedQuote.objects.filter(pk=quote.pk).update(state=QuoteState.REPLACED, ended_at=now)
        quote.refresh_from_db()
    else:
        others.update(state=QuoteState.REPLACED, ended_at=now, version=F("version") + 1)


def _changed(quote: ReceivedQuote, report: QuoteReport, *, now: datetime) -> bool:
    """Bring a row up to date; False when the report tells nothing new."""
    assert report.state is not None
    before = _told(quote)
    is_named = not quote.maker and bool(report.maker)  # FIX does not say who quotes
    if is_named:
        quote.maker, quote.created_at = report.maker, report.created_at or quote.created_at
    if report.state != quote.state and quote_may_go(QuoteState(quote.state), report.state):
        quote.state = report.state
        if report.state == QuoteState.CANCELLED:
            quote.ended_at = report.cancelled_at or now
            quote.cancellation_reason = report.reason[:200]
    if (quote.yes_bid, quote.no_bid) != (report.prices.yes_bid, report.prices.no_bid):
        quote.yes_bid, quote.no_bid = report.prices.yes_bid, report.prices.no_bid
        quote.changed_at = now
    quote.yes_contracts = report.yes_contracts if report.yes_contracts is not None else quote.yes_contracts
    quote.no_contracts = report.no_contracts if report.no_contracts is not None else quote.no_contracts
    if before == _told(quote):
        return False
    quote.version += 1
    quote.save()
    if is_named:
        _replace_others(quote, report, now=now)
    return True


def _told(quote: ReceivedQuote) -> tuple[object, ...]:
    return quote.state, quote.yes_bid, quote.no_bid, quote.yes_contracts, quote.no_contracts, quote.maker


def _touch(rfq: Rfq) -> None:
    """Its quotes are part of a request's row, so the row is newer too."""
    Rfq.objects.filter(pk=rfq.pk).update(version=F("version") + 1)
    events.rfq_publish(rfq)


def _joined(account_id: int, report: RfqReport) -> Rfq | None:
    """Return the row of ours in doubt that this request must be: one market has one open request at a time."""
    candidates = Rfq.objects.select_related("account").filter(
        account_id=account_id,
        rfq_id=None,
        state__in=_IN_DOUBT,
        claimed_at__isnull=False,
        ticker__in=["", report.ticker],
        contracts=report.contracts,
        target_cost=report.target_cost,
    )
    if report.created_at is not None:
        candidates = candidates.filter(claimed_at__lte=report.created_at + CLOCK_MARGIN)
    # One that left with legs alone has no ticker yet.
    fitting = (one for one in candidates.order_by("-claimed_at") if one.ticker or _legs(one.legs) == _legs(report.legs))
    rfq = next(fitting, None)
    if rfq is None or rfq.claimed_at is None:
        return None
    if report.created_at is not None and report.created_at < rfq.claimed_at - CLOCK_MARGIN:
        return None  # older than our send: another one
    return rfq_opened(rfq, report.rfq_id, ticker=report.ticker)


def _legs(legs: Iterable[Mapping[str, str]]) -> set[tuple[str, str]]:
    return {(leg["market_ticker"], leg["side"]) for leg in legs}


def _external(account_id: int, report: RfqReport) -> Rfq:
    account = ExchangeAccount.objects.get(pk=account_id)
    now = utc_now()
    defaults = {
        "desk_id": account.desk_id,
        "subaccount": report.subaccount,
        "ticker": report.ticker,
        "collection_ticker": report.collection,
        "legs": list(report.legs),
        "contracts": report.contracts,
        # The exchange tells one of the two; a report with neither still is a request.
        "target_cost": report.target_cost if report.contracts is None else None,
        "rest_remainder": bool(report.rest_remainder),
        "state": RfqState.OPEN,
        "created_at": now,
        "answered_at": now,
        "opened_at": report.created_at,
    }
    if defaults["contracts"] is None and defaults["target_cost"] is None:
        defaults["target_cost"] = 0
    with transaction.atomic():
        rfq, made = Rfq.objects.get_or_create(account_id=account_id, rfq_id=report.rfq_id, defaults=defaults)
        if made:
            events.rfq_publish(rfq)
    return rfq
