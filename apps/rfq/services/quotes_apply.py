"""Facts about our quotes, whoever tells: one door, duplicates change nothing, states only move along."""

import logging
from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import F

from apps.accounts.models import ExchangeAccount
from apps.core.rfq import QuoteState, quote_may_go
from apps.core.timestamps import utc_now
from apps.rfq.events import quotes as events
from apps.rfq.models import IncomingRfq, Quote
from apps.rfq.reports import QuoteReport
from apps.rfq.services.confirmations import Heard, confirmation_open, quote_told
from apps.rfq.services.last_look import prices_of

logger = logging.getLogger(__name__)


def quote_apply(account_id: int, report: QuoteReport, *, heard: Heard | None = None) -> Quote | None:
    """Take in what the exchange says of one of our quotes; one that no row of ours is appears as made elsewhere.

    Returns the row, or None when the report's state is newer than this desk. An accept opens its confirmation, whoever
    told of it (`confirmations.quote_told`).
    """
    if report.state is None:
        logger.warning("our quote %s has a state that this desk does not know", report.quote_id)
        return None
    if report.state is QuoteState.ACCEPTED:
        quote = _accepted(account_id, report, heard=heard)
    else:
        quote = _applied(account_id, report, state=report.state)
    if report.state is not QuoteState.OPEN:
        quote_told(quote, report, heard=heard)
        quote.refresh_from_db()
    return quote


def _accepted(account_id: int, report: QuoteReport, *, heard: Heard | None) -> Quote:
    """A window begins: the quote and its confirmation in one transaction, because each commit costs time of it."""
    known = Quote.objects.select_related("account", "incoming").filter(account_id=account_id, quote_id=report.quote_id)
    quote = known.filter(confirmation=None).first()
    if quote is None:
        return _applied(account_id, report, state=QuoteState.ACCEPTED)
    prices = prices_of(quote.account.environment, quote.incoming)  # before the transaction: it asks Redis
    with transaction.atomic():
        quote = _applied(account_id, report, state=QuoteState.ACCEPTED)
        confirmation_open(quote, report, heard=heard, prices=prices)
    return quote


def _applied(account_id: int, report: QuoteReport, *, state: QuoteState) -> Quote:
    with transaction.atomic():
        quote = (
            Quote.objects.select_for_update(of=("self",))
            .select_related("account", "incoming")
            .filter(account_id=account_id, quote_id=report.quote_id)
            .first()
        )
        if quote is None:
            return _external(account_id, report, state=state)
        changes: dict[str, Any] = {}
        if state != quote.state and quote_may_go(QuoteState(quote.state), state):
            changes["state"] = state
            if state in (QuoteState.CANCELLED, QuoteState.EXECUTED):
                changes["ended_at"] = report.cancelled_at or report.executed_at or utc_now()
            if report.reason and not quote.end_reason:  # ours says more
                changes["end_reason"] = report.reason[:200]
        if quote.opened_at is None and report.created_at is not None:
            changes["opened_at"] = report.created_at
        if changes:
            Quote.objects.filter(pk=quote.pk).update(version=F("version") + 1, **changes)
            quote.refresh_from_db()
            events.quote_publish(quote)
    return quote


def _external(account_id: int, report: QuoteReport, *, state: QuoteState) -> Quote:
    account = ExchangeAccount.objects.get(pk=account_id)
    now = utc_now()
    incoming, _ = IncomingRfq.objects.get_or_create(
        environment=account.environment,
        rfq_id=report.rfq_id,
        defaults={
            "ticker": report.ticker,
            "requester": report.requester,
            "contracts": report.contracts,
            "target_cost": report.target_cost,
            "seen_at": now,
        },
    )
    try:
        with transaction.atomic():
            quote = Quote.objects.create(
                desk_id=account.desk_id,
                account=account,
                incoming=incoming,
                subaccount=report.subaccount or 0,
                quote_id=report.quote_id,
                ticker=report.ticker,
                yes_bid=report.prices.yes_bid,
                no_bid=report.prices.no_bid,
                rest_remainder=bool(report.rest_remainder),
                post_only=bool(report.post_only),
                state=state,
                created_at=report.created_at or now,
                opened_at=report.created_at,
                answered_at=now,
            )
    except IntegrityError:  # the other connection told the same
        return Quote.objects.get(account_id=account_id, quote_id=report.quote_id)
    events.quote_publish(quote)
    return quote
