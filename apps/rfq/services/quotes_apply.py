"""Facts about our quotes, whoever tells: one door, duplicates change nothing, states only move along."""

import logging
from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import F

from apps.accounts.models import ExchangeAccount
from apps.core.durability import reaches_disk_later
from apps.core.rfq import QuoteState, quote_may_go
from apps.core.timestamps import utc_now
from apps.rfq import stored
from apps.rfq.events import quotes as events
from apps.rfq.models import IncomingRfq, Quote
from apps.rfq.reports import QuoteReport
from apps.rfq.services.confirmations import Heard, confirmation_open, quote_told
from apps.rfq.services.last_look import prices_for

logger = logging.getLogger(__name__)


def quote_apply(
    account_id: int, report: QuoteReport, *, heard: Heard | None = None, known: Quote | None = None
) -> Quote | None:
    """Take in what the exchange says of one of our quotes; one that no row of ours is appears as made elsewhere.

    Returns the row, or None when the report's state is newer than this desk. An accept opens its confirmation, whoever
    told of it (`confirmations.quote_told`).

    known: the row, as `quote_known` has just read it.
    """
    if report.state is None:
        logger.warning("our quote %s has a state that this desk does not know", report.quote_id)
        return None
    known = known or quote_known(account_id, report.quote_id)
    if report.state is QuoteState.ACCEPTED and known is not None and not hasattr(known, "confirmation"):
        quote, is_told = _accepted(known, report, heard=heard)
        if is_told:
            return quote
    else:
        quote = _applied(account_id, report, state=report.state, known=known)
    if report.state is not QuoteState.OPEN:
        quote_told(quote, report, heard=heard)
        stored.quote_refresh(quote)
    return quote


def quote_known(account_id: int, quote_id: str) -> Quote | None:
    """Read our quote of this id with what an accept of it needs."""
    return stored.quote_of(account_id, quote_id)


def _accepted(known: Quote, report: QuoteReport, *, heard: Heard | None) -> tuple[Quote, bool]:
    """A window begins: the quote and its confirmation in one transaction, because each commit costs time of it.

    Returns the quote, and whether this call began the confirmation.
    """
    prices = prices_for(known)  # before the transaction: it asks Redis
    # Here, because what begins outside decides: the lease flushes this before the first byte of a confirmation leaves.
    with reaches_disk_later(), transaction.atomic():
        quote = _applied(known.account_id, report, state=QuoteState.ACCEPTED, known=known, is_told=False)
        # Before the browsers are told: what waits for the commit runs in this order.
        is_new = confirmation_open(quote, report, heard=heard, prices=prices)
        if not is_new:
            events.quote_publish(quote)
    return quote, is_new


def _applied(
    account_id: int, report: QuoteReport, *, state: QuoteState, known: Quote | None, is_told: bool = True
) -> Quote:
    """Bring the row in line; what says nothing new, as most readings do, takes no lock. is_told: to browsers, here."""
    if known is not None and not _changes(known, report, state):
        return known
    with transaction.atomic(savepoint=False):
        quote = stored.quote_locked(account_id, report.quote_id)
        if quote is None:
            return _external(account_id, report, state=state)
        changes = _changes(quote, report, state)
        if changes:
            if changes.keys() == {"state"}:
                stored.quote_state_write(quote.pk, changes["state"])
            else:
                Quote.objects.filter(pk=quote.pk).update(version=F("version") + 1, **changes)
            for name, value in ({"version": quote.version + 1} | changes).items():  # under the row's lock
                setattr(quote, name, value)
            if is_told:
                events.quote_publish(quote)
    return quote


def _changes(quote: Quote, report: QuoteReport, state: QuoteState) -> dict[str, Any]:
    changes: dict[str, Any] = {}
    if state != quote.state and quote_may_go(QuoteState(quote.state), state):
        changes["state"] = state
        if state in (QuoteState.CANCELLED, QuoteState.EXECUTED):
            changes["ended_at"] = report.cancelled_at or report.executed_at or utc_now()
        if report.reason and not quote.end_reason:  # ours says more
            changes["end_reason"] = report.reason[:200]
    if quote.opened_at is None and report.created_at is not None:
        changes["opened_at"] = report.created_at
    return changes


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
