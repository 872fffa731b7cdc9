"""Messages of the gateway about our requests, the quotes on them, and our quotes on requests of others."""

import logging
import threading
from datetime import datetime, timedelta
from typing import Any

from apps.core.errors import WireFormatError
from apps.core.ports import FeedContext
from apps.core.rfq import QuoteState, RfqState
from apps.core.timestamps import from_unix_ms, parse_rfc3339, utc_now
from apps.rfq import queue, reports
from apps.rfq.models import Quote, ReceivedQuote, Rfq
from apps.rfq.services import guard
from apps.rfq.services.accepts_send import accept_move, accept_report
from apps.rfq.services.auto_accept import auto_accepts_fire
from apps.rfq.services.confirm_apply import execution_told
from apps.rfq.services.confirmations import Heard
from apps.rfq.services.quotes_apply import quote_apply, quote_known
from apps.rfq.services.quotes_send import join_or_apply
from apps.rfq.services.requests_apply import received_apply
from apps.rfq.services.verify_request import executions_publish

logger = logging.getLogger(__name__)

# A request without an id that is older than this has been looked up many times: its frames would have come by now.
DOUBT_LASTS = timedelta(minutes=10)
_turns = [threading.Lock() for _ in range(16)]
_IN_DOUBT = (RfqState.SENDING, RfqState.UNKNOWN, RfqState.NOT_SEEN)


def quotes_received(context: FeedContext, messages: list[Any]) -> None:
    """quote_created is told to both sides: on our request it joins the stack, on another's it is our own quote."""
    for message in messages:
        rfq = _own(context, message.rfq_id)
        try:
            report = reports.quote_from_ws(message)
        except WireFormatError as exc:
            _read_instead(context, exc)
            continue
        if rfq is None:
            join_or_apply(context.account_id, report)
            continue
        received_apply(rfq, report)
        if rfq.auto_accept:
            auto_accepts_fire(rfq_pk=rfq.pk)


def accept_heard(context: FeedContext, message: Any) -> None:
    """quote_accepted: one of our quotes was taken, its window runs; or what we took, here or elsewhere with our key."""
    try:
        report = reports.quote_from_ws(message)
    except WireFormatError as exc:
        _read_instead(context, exc)
        return
    with in_turn(message.quote_id):
        if (quote := _our_quote(context, message)) is not None:
            _confirmation_begun(context, report, quote)
            return
    rfq = _own(context, message.rfq_id)
    if rfq is None:
        if not _has_unnamed(context.account_id):  # else the reading that was queued tells whose it is
            _confirmation_begun(context, report)
        return
    received_apply(rfq, report)
    accept_report(rfq, report)


def executions_received(context: FeedContext, messages: list[Any]) -> None:
    """quote_executed: the order id is that of our own order, whichever side we are."""
    for message in messages:
        rfq = _own(context, message.rfq_id)
        if rfq is None:
            _ours_executed(context, message)
            continue
        quote = ReceivedQuote.objects.filter(rfq=rfq, quote_id=message.quote_id).first()
        accept = None if quote is None else quote.accepts.select_related("rfq__account").order_by("pk").last()
        facts: dict[str, Any] = {"order_id": message.order_id}
        if (executed_at := _executed_at(message)) is not None:
            facts["executed_at"] = executed_at
        if accept is not None:
            accept_move(accept, "executed", **facts)
        if quote is not None:
            ReceivedQuote.objects.filter(pk=quote.pk).update(state=QuoteState.EXECUTED, order_id=message.order_id)
        queue.enqueue(queue.RFQ_RESOLVE, rfq.pk)


def fills_received(context: FeedContext, messages: list[Any]) -> None:
    """Fills, stored by apps.orders before: the requests that they execute show what was got and paid."""
    executions_publish(context.account_id, {message.order_id for message in messages})


def deletions_received(context: FeedContext, rfq_ids: list[str]) -> None:
    """rfq_deleted of our own: the reason and what executed are read."""
    for rfq in Rfq.objects.filter(account_id=context.account_id, rfq_id__in=rfq_ids):
        queue.enqueue(queue.RFQ_RESOLVE, rfq.pk)


def in_turn(quote_id: str) -> threading.Lock:
    """Two connections tell of the same accept at the same moment: the second finds what the first has stored."""
    return _turns[hash(quote_id) % len(_turns)]


def _our_quote(context: FeedContext, message: Any) -> Quote | None:
    """Return our quote of a message: by its id, or one on this request whose answer is still under way."""
    quote = quote_known(context.account_id, message.quote_id)
    if quote is not None:
        return quote
    unnamed = Quote.objects.filter(account_id=context.account_id, quote_id=None, incoming__rfq_id=message.rfq_id)
    return unnamed.first()


def _confirmation_begun(context: FeedContext, report: reports.QuoteReport, quote: Quote | None = None) -> None:
    heard = Heard("ws", from_unix_ms(context.recv_ms))
    if quote is not None and quote.quote_id:
        quote_apply(context.account_id, report, heard=heard, known=quote)
    else:
        join_or_apply(context.account_id, report, heard=heard)
    guard.wake()


def _ours_executed(context: FeedContext, message: Any) -> None:
    quote = Quote.objects.filter(account_id=context.account_id, quote_id=message.quote_id).first()
    if quote is not None:
        execution_told(quote, order_id=message.order_id, executed_at=_executed_at(message))


def _executed_at(message: Any) -> datetime | None:
    try:
        return parse_rfc3339(message.executed_ts) if message.executed_ts else None
    except WireFormatError as exc:
        logger.warning("an execution carries no readable time: %s", exc)
        return None


def _own(context: FeedContext, rfq_id: str) -> Rfq | None:
    rows = Rfq.objects.select_related("account")
    rfq = rows.filter(account_id=context.account_id, rfq_id=rfq_id).first()
    if rfq is None and _has_unnamed(context.account_id):
        # It may be ours with its answer still under way: the reading joins it.
        queue.enqueue(queue.ACCOUNT_READ, context.account_id)
    return rfq


def _has_unnamed(account_id: int) -> bool:
    """Is there a request of ours that may be at the exchange under an id that we do not know yet?"""
    since = utc_now() - DOUBT_LASTS
    return Rfq.objects.filter(account_id=account_id, rfq_id=None, state__in=_IN_DOUBT, created_at__gte=since).exists()


def _read_instead(context: FeedContext, exc: WireFormatError) -> None:
    """A message that cannot be used says that something happened: read what it was."""
    logger.warning("a message for account %s cannot be used, reading instead: %s", context.account_id, exc)
    queue.enqueue(queue.ACCOUNT_READ, context.account_id)
