"""Send an accept at most once, and follow it to its end: the maker's window, the execution, or a lapse.

The exchange tells no lapse: an accepted quote that is neither confirmed nor executed when its window is well over is
read, and what the reading says counts (docs/rfq.md).
"""

import logging
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.db.models import F, Q

from apps.audit import services as audit
from apps.core.errors import DeskError, NotAllowed, WireFormatError, not_sent
from apps.core.permissions import Permission
from apps.core.rfq import Outcome, QuoteState, accepted_side_for
from apps.core.timestamps import utc_now
from apps.exchange.clients import client_for
from apps.exchange.models import ExchangeStatus
from apps.exchange.wire.api import communications as api
from apps.exchange.wire.client import ExchangeClient
from apps.exchange.wire.errors import ExchangeError, NotSent, RateLimited, Refused
from apps.orders.access import actor_of
from apps.rfq import queue, reports
from apps.rfq.events import requests as events
from apps.rfq.events.requests import UNVERIFIED
from apps.rfq.models import Accept, ReceivedQuote, Rfq
from apps.rfq.reports import QuoteReport
from apps.rfq.services.accepts import accept_check
from apps.rfq.services.requests_apply import received_apply
from apps.rfq.services.routes import request_route_of
from apps.rfq.services.verify_request import ended_at_least, execution_find, execution_record, fills_look, reaches
from apps.rfq.windows import windows_of

logger = logging.getLogger(__name__)

State = Accept.State
# An accept that nobody could claim for this long is not sent any more: its price was of that moment.
GOOD_FOR = timedelta(seconds=5)
INTERRUPTED_AFTER = timedelta(seconds=15)
# How long after its send an accept that the exchange does not show is given up as never arrived.
SEEN_WITHIN = timedelta(seconds=20)
# After a window's end the exchange still has to write down what became of it.
GRACE = timedelta(seconds=2)
# A lapsed quote may be shown as accepted for ever (seen on demo): so long after its window it is called lapsed.
LAPSED_AFTER = timedelta(seconds=5)
FOLLOWED = (State.UNKNOWN, State.AWAITING, State.EXECUTING)
FOLLOWED_OR_SENT = (State.SENDING, *FOLLOWED)
TOO_LATE = "Not sent: the desk could not send it in time. Nothing was taken."


def accept_send(accept_pk: int) -> Accept | None:
    """Send one committed accept. Returns it afterwards, or None when there was nothing to claim.

    Safe to call twice, late, or never. Source: docs:api-reference/communications/accept-quote.
    """
    if not _claim(accept_pk):
        accepts_expire(accept_pk=accept_pk)
        return None
    accept = _load(accept_pk)
    rfq, buys = accept.rfq, Outcome(accept.buys)
    try:
        actor = actor_of(user_id=accept.accepted_by_id, desk_id=rfq.desk_id)
        if actor is None or not actor.may_on(Permission.RFQ_TRADE, rfq.account_id, rfq.subaccount):
            raise NotAllowed("The person who took it may no longer trade requests on this desk.")
        accept_check(
            actor,
            rfq,
            quote_id=accept.quote.quote_id,
            buys=buys,
            price_seen=accept.price_seen,
            now=utc_now(),
            is_stored=True,
        )
        route = request_route_of(rfq.account_id)
        if route is None:
            client = client_for(rfq.account_id, write=True)
        elif route.prefers_better and rfq.contracts is not None:  # a target cost gives each quote another size
            Accept.objects.filter(pk=accept.pk).update(prefers_better=True)
            accept.prefers_better = True
    except DeskError as exc:
        return accept_move(accept, State.REFUSED, code=exc.code, text=not_sent(exc.text))
    try:
        if route is None:
            api.accept_quote(client, accept.quote.quote_id, side=accepted_side_for(buys).value)
        else:
            accept = taken_instead(accept, route.accept(accept))
    except Refused as exc:
        return accept_move(accept, State.REFUSED, code=exc.code, text=exc.text)
    except NotSent as exc:
        return accept_move(accept, State.REFUSED, code=exc.code, text=f"It never left the desk. {exc.text}")
    except (RateLimited, DeskError) as exc:
        return accept_move(accept, State.REFUSED, code=exc.code, text=not_sent(exc.text))
    except ExchangeError as exc:
        return accept_move(accept, State.UNKNOWN, code=exc.code, text=exc.text)
    # The answer carries no time: the exchange's own follows with the reading or the message.
    return accept_move(accept, State.AWAITING, accepted_at=utc_now())


def taken_instead(accept: Accept, quote_id: str) -> Accept:
    """The exchange took this quote of the request for us: the named one, or a better one where that was asked for."""
    if accept.prefers_better and quote_id and quote_id != accept.quote.quote_id:
        other = ReceivedQuote.objects.filter(rfq=accept.rfq, quote_id=quote_id).first()
        if other is None:
            logger.warning("accept %s took quote %s, which the desk has not heard of yet", accept.pk, quote_id)
            queue.enqueue(queue.RFQ_RESOLVE, accept.rfq_id)
        else:
            Accept.objects.filter(pk=accept.pk).update(quote=other)
            accept.quote = other
    return accept


def accept_report(rfq: Rfq, report: QuoteReport) -> Accept | None:
    """Bring the accept of a quote in line with what the exchange says of that quote; None when there is none."""
    accepts = Accept.objects.filter(rfq=rfq).select_related("rfq__account", "quote").order_by("pk")
    accept = accepts.filter(quote__quote_id=report.quote_id).exclude(state=State.EXECUTED).last()
    if accept is None and report.state in (QuoteState.ACCEPTED, QuoteState.CONFIRMED, QuoteState.EXECUTED):
        # Only we take quotes of our request, and one at a time: it was the better one that was asked for.
        accept = accepts.filter(prefers_better=True, state__in=FOLLOWED_OR_SENT).last()
        accept = accept and taken_instead(accept, report.quote_id)
    if accept is None or accept.quote.quote_id != report.quote_id:
        return None
    times: dict[str, Any] = {
        name: moment
        for name, moment in (
            ("accepted_at", report.accepted_at),
            ("confirmed_at", report.confirmed_at),
            ("executed_at", report.executed_at),
        )
        if moment is not None
    }
    if report.requester_order_id:
        times["order_id"] = report.requester_order_id
    match report.state:
        case QuoteState.EXECUTED:
            return accept_move(accept, State.EXECUTED, **times)
        case QuoteState.CONFIRMED:
            return accept_move(accept, State.EXECUTING, **times)
        case QuoteState.ACCEPTED:
            return accept_move(accept, State.AWAITING, **times)
        case QuoteState.CANCELLED if accept.state in (State.AWAITING, State.EXECUTING):
            return _called_over(accept, report, times)
    return accept


def accept_resolve(accept_pk: int, *, now: datetime | None = None) -> Accept:
    """Read the quote of an accept that is in doubt, or whose window is over, and then its fills. Reading only."""
    now = now or utc_now()
    accept = _load(accept_pk)
    if accept.state not in (*FOLLOWED, State.EXECUTED):
        return accept
    try:
        client = client_for(accept.rfq.account_id, write=False)
        if accept.state == State.EXECUTED:
            return _fills_follow(accept, is_done=fills_look(client, accept, now=now), now=now)
        if accept.prefers_better and accept.rfq.rfq_id:
            _instead_read(accept, client, now=now)
            accept = _load(accept_pk)
        report = reports.quote_from_rest(api.get_quote(client, accept.quote.quote_id))
        received_apply(accept.rfq, report, now=now)
        accept_report(accept.rfq, report)
        accept = _load(accept_pk)
        if _is_said_to_be_over(accept, report, now=now):
            return _settle(accept, report, client, now=now)
    except (ExchangeError, DeskError, WireFormatError) as exc:
        logger.warning("accept %s could not be looked up: %s", accept.pk, exc)
    return _look_again(accept, now=now)


def _instead_read(accept: Accept, client: ExchangeClient, *, now: datetime) -> None:
    """Another quote of the request may have been taken. Raises ExchangeError, WireFormatError."""
    for record in api.get_quotes(client, rfq_id=accept.rfq.rfq_id, on_own_rfqs=True):
        report = reports.quote_from_rest(record)
        received_apply(accept.rfq, report, now=now)
        accept_report(accept.rfq, report)


def accepts_expire(*, accept_pk: int | None = None, now: datetime | None = None) -> int:
    """COMMITTED and older than GOOD_FOR -> REFUSED; returns how many. Nothing of them was sent."""
    now = now or utc_now()
    late = Accept.objects.filter(state=State.COMMITTED, created_at__lte=now - GOOD_FOR)
    if accept_pk is not None:
        late = late.filter(pk=accept_pk)
    moved = [accept_move(_load(accept.pk), State.REFUSED, code="too_late", text=TOO_LATE) for accept in late]
    return len(moved)


def accepts_sweep(*, now: datetime | None = None) -> None:
    """Expire, hand over again, look up what is due. Safe at any time, and twice."""
    now = now or utc_now()
    accepts_expire(now=now)
    for accept in Accept.objects.filter(state=State.SENDING, claimed_at__lte=now - INTERRUPTED_AFTER):
        text = "The desk was interrupted while taking it. Looking it up at the exchange."
        accept_move(_load(accept.pk), State.UNKNOWN, code="interrupted", text=text)
    for accept in Accept.objects.filter(state=State.COMMITTED):
        queue.enqueue(queue.ACCEPT_SEND, accept.pk)
    due = Q(next_look_at=None) | Q(next_look_at__lte=now)
    followed = Q(due, state__in=FOLLOWED) | Q(state=State.EXECUTED, next_look_at__lte=now)
    for accept in Accept.objects.filter(followed):
        queue.enqueue(queue.ACCEPT_RESOLVE, accept.pk)


# From where a state may be reached. Evidence of the exchange wins over what was believed without it.
_FROM: dict[str, tuple[str, ...]] = {
    State.REFUSED: (State.COMMITTED, State.SENDING),
    State.UNKNOWN: (State.SENDING,),
    State.NOT_SEEN: (State.UNKNOWN,),
    State.AWAITING: (State.SENDING, State.UNKNOWN),
    State.EXECUTING: (State.SENDING, State.UNKNOWN, State.AWAITING, State.LAPSED, State.NOT_SEEN),
    State.EXECUTED: tuple(state for state in State if state != State.EXECUTED),
    State.LAPSED: (State.AWAITING,),
    State.FAILED: (State.EXECUTING,),
}
_RESOLVED = (State.REFUSED, State.NOT_SEEN, State.EXECUTED, State.LAPSED, State.FAILED)


def accept_move(accept: Accept, state: str, *, code: str = "", text: str = "", **facts: Any) -> Accept:
    """Move an accept along, with its audit row; a move that its state does not allow only keeps the facts."""
    now = utc_now()
    if code or text or state in _RESOLVED:
        facts |= {"error_code": code[:60], "error_text": text[:400]}
    with transaction.atomic():
        rows = Accept.objects.filter(pk=accept.pk, state__in=_FROM[state])
        changes = {"state": state, "answered_at": now, "next_look_at": _first_look(accept, state, facts, now=now)}
        if state in _RESOLVED:
            changes["resolved_at"] = now
        moved = rows.update(**changes, **facts)
        if not moved and facts:
            Accept.objects.filter(pk=accept.pk, state=state).update(**facts)
        accept.refresh_from_db()
        if moved:
            Rfq.objects.filter(pk=accept.rfq_id).update(version=F("version") + 1)
            events.rfq_publish(accept.rfq)
            audit.record(
                f"rfq.accept.{state}",
                actor_id=None,
                desk_id=accept.rfq.desk_id,
                environment=accept.rfq.account.environment,
                target=f"rfq_accept:{accept.pk}",
                data={"code": code[:60], "text": text[:400]},
            )
            if state == State.UNKNOWN:
                queue.enqueue_on_commit(queue.ACCEPT_RESOLVE, accept.pk)
    return accept


def _window_ends(accept: Accept) -> datetime:
    """Our clock. The exchange's own time of the accept, where it is known, moved by the measured offset."""
    span = windows_of(accept.rfq.ticker, is_combo=bool(accept.rfq.legs)).confirm
    sent = accept.claimed_at or accept.created_at
    if accept.accepted_at is None:
        return sent + INTERRUPTED_AFTER + span
    status = ExchangeStatus.objects.filter(environment=accept.rfq.account.environment).first()
    offset = timedelta(milliseconds=(status.clock_offset_ms or 0) if status else 0)
    # Never earlier than our own send allows, whatever the clocks say.
    return max(accept.accepted_at - offset, sent) + span


def _first_look(accept: Accept, state: str, facts: dict[str, Any], *, now: datetime) -> datetime | None:
    """When to read the quote if no message says more: when its window, or its execution timer, is over."""
    span = windows_of(accept.rfq.ticker, is_combo=bool(accept.rfq.legs))
    if state == State.AWAITING:
        return now + span.confirm + GRACE
    if state == State.EXECUTING:
        return now + span.execution + GRACE
    if state == State.EXECUTED:
        return now + GRACE  # for fills that no message brings
    return now if state == State.UNKNOWN else None


def _called_over(accept: Accept, report: QuoteReport, times: dict[str, Any]) -> Accept:
    """Cancelled, it says; it may have been filled (docs/rfq.md). An order id proves it, else the fills are read."""
    if report.requester_order_id:
        return accept_move(accept, State.EXECUTED, **times)
    if accept.state == State.AWAITING and report.confirmed_at is not None:
        accept = accept_move(accept, State.EXECUTING, **times)
    if accept.error_code == UNVERIFIED:
        return accept
    reason = report.reason or "it says no reason"
    with transaction.atomic():
        Accept.objects.filter(pk=accept.pk).update(
            error_code=UNVERIFIED,
            error_text=f"The exchange calls it cancelled: {reason}."[:400],
            next_look_at=utc_now(),
            **times,
        )
        accept.refresh_from_db()
        Rfq.objects.filter(pk=accept.rfq_id).update(version=F("version") + 1)
        events.rfq_publish(accept.rfq)
        queue.enqueue_on_commit(queue.ACCEPT_RESOLVE, accept.pk)
    return accept


def _is_said_to_be_over(accept: Accept, report: QuoteReport, *, now: datetime) -> bool:
    """Without a trade: cancelled, or open though we took it, or accepted long after the window."""
    if accept.state not in FOLLOWED:
        return False
    if report.state == QuoteState.CANCELLED:
        return True
    if accept.state == State.UNKNOWN and report.state == QuoteState.OPEN:
        return now - (accept.answered_at or accept.claimed_at or accept.created_at) > SEEN_WITHIN
    return accept.state == State.AWAITING and now > _window_ends(accept) + LAPSED_AFTER


def _settle(accept: Accept, report: QuoteReport, client: ExchangeClient, *, now: datetime) -> Accept:
    """Believe that there was no trade once our fills were read past the end and hold none; or disprove it."""
    span = windows_of(accept.rfq.ticker, is_combo=bool(accept.rfq.legs))
    if report.state == QuoteState.CANCELLED:
        is_whole = reaches(client, ended_at_least(accept, report.cancelled_at))
    elif accept.accepted_at is not None:
        # A confirmation comes within the window, or never; one that came would be shown.
        is_whole = reaches(client, accept.accepted_at + span.confirm)
    else:
        is_whole = True  # it stands open: it was not taken
    found = execution_find(client, accept)
    if found is not None:
        executed_at = execution_record(accept, found)
        ReceivedQuote.objects.filter(pk=accept.quote_id).update(state=QuoteState.EXECUTED, order_id=found.order_id)
        return accept_move(accept, State.EXECUTED, order_id=found.order_id, executed_at=executed_at)
    if not is_whole:
        return _look_again(accept, now=now)
    match accept.state:
        case State.UNKNOWN:
            text = "The exchange does not show that this quote was taken."
            return accept_move(accept, State.NOT_SEEN, code="not_seen", text=text)
        case State.EXECUTING:
            text = report.reason or "The maker confirmed, but the exchange did not execute it."
            return accept_move(accept, State.FAILED, code="not_executed", text=text)
    text = report.reason or "The maker did not confirm in time."
    if report.state != QuoteState.CANCELLED:
        text = "The maker's window is over, and the exchange shows no confirmation."
    return accept_move(accept, State.LAPSED, code="lapsed", text=text)


def _fills_follow(accept: Accept, *, is_done: bool, now: datetime) -> Accept:
    again = None if is_done else now + timedelta(seconds=5)
    Accept.objects.filter(pk=accept.pk).update(next_look_at=again)
    accept.refresh_from_db()
    return accept


def _look_again(accept: Accept, *, now: datetime) -> Accept:
    pause = timedelta(seconds=min(10, 2 ** min(accept.looks, 4)))
    rows = Accept.objects.filter(pk=accept.pk, state__in=[*FOLLOWED, State.EXECUTED])
    rows.update(looks=F("looks") + 1, next_look_at=now + pause)
    accept.refresh_from_db()
    return accept


def _claim(accept_pk: int) -> bool:
    """COMMITTED -> SENDING, once ever, while it is fresh: whoever gets it makes the one attempt."""
    now = utc_now()
    fresh = Accept.objects.filter(pk=accept_pk, state=State.COMMITTED, created_at__gt=now - GOOD_FOR)
    return fresh.update(state=State.SENDING, claimed_at=now) == 1


def _load(accept_pk: int) -> Accept:
    return Accept.objects.select_related("rfq__account", "quote").get(pk=accept_pk)
