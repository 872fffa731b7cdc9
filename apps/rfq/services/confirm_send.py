"""Send a decided confirmation again and again until the exchange says what became of it, or it is too late.

A repeated confirmation is harmless, a missing one costs the trade: so whoever holds the lease repeats every 300 ms
without waiting for the answer before, and whoever comes when the lease has run out goes on. Each attempt is stored
before it is sent, by a statement that finds nothing once the confirmation is over or its time has passed.
"""

import logging
import queue as thread_queue
import threading
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from django.db import transaction
from django.db.models import F, Q, Value
from django.db.models.functions import Coalesce

from apps.core import killpoints
from apps.core.durability import reaches_disk_later
from apps.core.errors import DeskError, WireFormatError
from apps.core.ports import Confirmed
from apps.core.rfq import ConfirmationState, Decision, QuoteState
from apps.core.timestamps import utc_now
from apps.exchange.clients import client_for
from apps.exchange.wire.api import communications as api
from apps.exchange.wire.client import ExchangeClient
from apps.exchange.wire.errors import ExchangeError, Refused
from apps.orders.services.pauses import pause_check
from apps.rfq import queue, reports, stored
from apps.rfq.events import confirmations as events
from apps.rfq.models import Confirmation
from apps.rfq.reports import QuoteReport
from apps.rfq.services.confirm_apply import SETTLED_AFTER, confirmation_move, quote_move
from apps.rfq.services.confirmations import confirmations_expire, decider_problem
from apps.rfq.services.quotes_apply import quote_apply
from apps.rfq.services.routes import quote_route_of

logger = logging.getLogger(__name__)

State = ConfirmationState
REPEAT_EVERY: Final = timedelta(milliseconds=300)
# Longer than a repetition, so that it is renewed in time; short, because a dead holder costs a window.
LEASE: Final = timedelta(milliseconds=500)
# With less left than this everything goes quicker: two who send the same confirmation do no harm, one who died does.
HURRY: Final = timedelta(milliseconds=1200)
LEAST_LEASE: Final = timedelta(milliseconds=100)
LEAST_REPEAT: Final = timedelta(milliseconds=50)
MOST_IN_FLIGHT: Final = 8
ROUTE_LOOK_SECONDS: Final = 0.01  # how often an attempt by FIX is asked for its answer
MAX_BACKOFF_SECONDS: Final = 10
NOT_FOUND: Final = 404


@dataclass(frozen=True, slots=True)
class Answer:
    """What one attempt, or one reading, brought."""

    sent_at: datetime
    is_confirmed: bool = False
    is_expired: bool = False
    is_attempt: bool = True
    report: QuoteReport | None = None
    text: str = ""


def confirm_send(pk: int, *, by: str = "worker", is_stopped: Callable[[], bool] = lambda: False) -> Confirmation | None:
    """Confirm one quote if that is decided and nobody is at it. Returns the row afterwards, None when nothing was due.

    Safe to call twice, at the same moment, late, or never. by: who holds the lease. is_stopped: give the lease back
    and leave it to the next.
    """
    killpoints.reach("confirm.started")
    holder = f"{by}:{uuid.uuid4().hex}"
    leased = _leased(pk, holder)
    if leased is None:
        confirmations_expire(pk=pk)
        return None
    confirmation = leased
    killpoints.reach("confirm.leased")
    try:
        problem = decider_problem(confirmation)
        if problem:
            _refuse(confirmation, reason="right", text=problem)
            return confirmation
        try:
            pause_check(user_id=_person(confirmation), desk_id=confirmation.quote.desk_id)
        except DeskError as exc:
            _refuse(confirmation, reason="paused", text=exc.text)
            return confirmation
        client = client_for(confirmation.quote.account_id, write=True)
        killpoints.reach("confirm.ready")
        _repeat(confirmation, client, holder, is_stopped)
    except DeskError as exc:  # no key now: whoever comes next tries again
        logger.warning("confirmation %s cannot be sent yet: %s", pk, exc)
        Confirmation.objects.filter(pk=pk).update(error_text=exc.text[:400], version=F("version") + 1)
    finally:
        if Confirmation.objects.filter(pk=pk, lease_holder=holder).exclude(lease_until=None).exists():
            Confirmation.objects.filter(pk=pk, lease_holder=holder).update(lease_until=None)
    confirmations_expire(pk=pk)
    stored.confirmation_refresh(confirmation)
    return confirmation


@reaches_disk_later()
def confirmation_look(pk: int, *, now: datetime | None = None) -> Confirmation:
    """Read the quote of a confirmation, and settle what nothing will change any more. Reading only.

    What it learns the exchange says again: nothing of it waits for the disk, and nobody for it.
    """
    now = now or utc_now()
    confirmation = _load(pk)
    quote = confirmation.quote
    status: QuoteState | None = None
    try:
        report = _read(client_for(quote.account_id, write=False), _quote_id(confirmation))
        status = QuoteState.CANCELLED if report is None else report.state
        if report is None:  # forgotten by the exchange, as quotes that ended are
            quote_move(quote, QuoteState.CANCELLED, reason="no longer at the exchange", at=now)
        else:
            quote_apply(quote.account_id, report)
    except (ExchangeError, DeskError, WireFormatError) as exc:
        logger.warning("confirmation %s could not be looked up: %s", pk, exc)
    confirmation = _load(pk)
    is_over = now >= confirmation.window_ends_at + SETTLED_AFTER
    if confirmation.state in (State.MISSED, State.LAPSED) and status is not None and is_over:
        _settle(confirmation, now=now)
    elif confirmation.state == State.CONFIRMED and status is QuoteState.CANCELLED:
        # It may have been filled all the same: services.verify asks the fills.
        Confirmation.objects.filter(pk=pk).update(next_look_at=None)
    elif confirmation.next_look_at is not None:
        pause = timedelta(seconds=min(MAX_BACKOFF_SECONDS, 2 ** min(confirmation.looks, 4)))
        Confirmation.objects.filter(pk=pk).update(looks=F("looks") + 1, next_look_at=now + pause)
    confirmation.refresh_from_db()
    return confirmation


def confirmations_sweep(*, now: datetime | None = None) -> None:
    """Expire, hand over again, look up what is due. Safe at any time, and twice."""
    now = now or utc_now()
    confirmations_expire(now=now)
    for pk in confirmations_due(now=now):
        queue.enqueue(queue.CONFIRM_SEND, pk)
    due = Confirmation.objects.filter(next_look_at__lte=now).exclude(state=State.CONFIRMING)
    for pk in due.values_list("pk", flat=True)[:100]:
        queue.enqueue(queue.CONFIRM_LOOK, pk)


def confirmations_due(*, now: datetime, decided_before: datetime | None = None) -> list[int]:
    """Return what is decided, in time, and at nobody's hands.

    decided_before: what was decided since is left to whom it was handed to, unless there is hardly time left.
    """
    free = Q(lease_until=None) | Q(lease_until__lte=now)
    rows = Confirmation.objects.filter(free, state=State.CONFIRMING, decision=Decision.CONFIRM, send_by__gt=now)
    waited = Q(decided_at__lte=decided_before or now) | Q(send_by__lte=now + HURRY)
    return list(rows.filter(waited).values_list("pk", flat=True))


# --- the lease -----------------------------------------------------------------------------------


def _leased(pk: int, holder: str) -> Confirmation | None:
    """Take a free lease and note the first attempt under it; the row as it stands then, None when it is not free."""
    known = stored.confirmation_with(pk)
    if known is None:
        return None
    now = utc_now()
    until = now + lease_of(known.send_by - now)
    if not stored.lease_take(pk, holder, now=now, until=until):
        return None
    return stored.confirmation_again(known)  # it may have been judged, or tried, since


def lease_of(left: timedelta) -> timedelta:
    """Return how long a lease is worth with so much left to the last send."""
    return LEASE if left >= HURRY else max(LEAST_LEASE, min(LEASE, left / 3))


def repeat_after(left: timedelta) -> timedelta:
    """Return when to send again with so much left: before the lease ends, and more than once whatever is lost."""
    return REPEAT_EVERY if left >= HURRY else max(LEAST_REPEAT, min(REPEAT_EVERY, left / 4))


def _attempt_note(pk: int, holder: str, send_by: datetime) -> datetime | None:
    """Store that an attempt is about to be sent, and renew the lease; None when it may not be sent."""
    now = utc_now()
    mine = Confirmation.objects.filter(
        pk=pk, state=State.CONFIRMING, decision=Decision.CONFIRM, lease_holder=holder, send_by__gt=now
    )
    return now if mine.update(**_noted(now, send_by)) else None


def _noted(now: datetime, send_by: datetime) -> dict[str, Any]:
    return {
        "attempts": F("attempts") + 1,
        "first_sent_at": Coalesce("first_sent_at", Value(now)),
        "last_sent_at": now,
        "lease_until": now + lease_of(send_by - now),
        "version": F("version") + 1,
    }


def _refuse(confirmation: Confirmation, *, reason: str, text: str) -> None:
    """Right before the first byte: not sent after all."""
    facts: dict[str, Any] = {"reason": reason, "error_text": text[:400]}
    if confirmation.attempts == 1:  # ours, which was noted with the lease
        facts |= {"attempts": 0, "first_sent_at": None, "last_sent_at": None}
    confirmation_move(confirmation, State.LAPSED, **facts)


# --- attempts --------------------------------------------------------------------------------------


def _repeat(confirmation: Confirmation, client: ExchangeClient, holder: str, is_stopped: Callable[[], bool]) -> None:
    """Send until it is over. Each attempt has a thread of its own: one that hangs must not hold up the next."""
    answers: thread_queue.SimpleQueue[Answer] = thread_queue.SimpleQueue()
    quote_id = _quote_id(confirmation)
    in_flight = 0
    reader: ExchangeClient | None = None
    by_route: Callable[[], Confirmed | None] | None = None
    routed_at = next_at = utc_now()
    is_first = confirmation.attempts == 1
    sent_at = confirmation.last_sent_at  # the first attempt was noted with the lease
    while not is_stopped():
        now = utc_now()
        if now >= next_at and in_flight < MOST_IN_FLIGHT:
            sent_at = sent_at or _attempt_note(confirmation.pk, holder, confirmation.send_by)
            if sent_at is None:
                return
            killpoints.reach("confirm.noted")
            if is_first:
                by_route, routed_at = _by_route(confirmation), sent_at
            if not is_first or by_route is None:
                _start(_attempt, client, quote_id, answers, sent_at)
            is_first = False
            in_flight, sent_at = in_flight + 1, None
            next_at = max(next_at, now) + repeat_after(confirmation.send_by - now)
        try:
            wait = max((next_at - utc_now()).total_seconds(), 0.005)
            answer = answers.get(timeout=wait if by_route is None else min(wait, ROUTE_LOOK_SECONDS))
        except thread_queue.Empty:
            if by_route is not None and (told := by_route()) is not None:
                by_route = None
                answers.put(Answer(routed_at, is_confirmed=told.is_done, text=told.text))
            if in_flight >= MOST_IN_FLIGHT:
                next_at = utc_now() + REPEAT_EVERY
                if utc_now() >= confirmation.send_by:
                    return
            continue
        killpoints.reach("confirm.answered")
        in_flight -= answer.is_attempt
        if _is_final(confirmation, answer):
            killpoints.reach("confirm.applied")
            return
        if answer.is_attempt:
            reader = reader or client_for(confirmation.quote.account_id, write=False)
            _start(_reading, reader, quote_id, answers, answer.sent_at)


def _by_route(confirmation: Confirmation) -> Callable[[], Confirmed | None] | None:
    """Hand the first attempt to another way than REST where there is one; None: by REST, as every repetition.

    A repetition is harmless, so what this way cannot take, or might have taken, goes by REST too.
    """
    quote = confirmation.quote
    try:
        route = quote_route_of(quote.account_id)
        return None if route is None else route.confirm(quote, confirmation.send_by)
    except Exception:
        # A boundary: the other way must never cost the window.
        logger.exception("the confirmation of quote %s goes by REST", quote.pk)
        return None


def _start(work: Callable[..., None], *arguments: object) -> None:
    threading.Thread(target=work, args=arguments, name="confirm-attempt", daemon=True).start()


def _attempt(
    client: ExchangeClient, quote_id: str, answers: "thread_queue.SimpleQueue[Answer]", sent_at: datetime
) -> None:
    """One confirmation, in a thread without the database."""
    try:
        api.confirm_quote(client, quote_id)
        answers.put(Answer(sent_at, is_confirmed=True))
    except Refused as exc:
        answers.put(Answer(sent_at, is_expired=exc.status == 400 and "expired" in str(exc).lower(), text=exc.text))
    except Exception as exc:
        # A boundary: whatever it was, the next attempt goes out.
        answers.put(Answer(sent_at, text=exc.text if isinstance(exc, ExchangeError) else repr(exc)))


def _reading(
    client: ExchangeClient, quote_id: str, answers: "thread_queue.SimpleQueue[Answer]", sent_at: datetime
) -> None:
    """Read the quote, in a thread without the database: an attempt without a clear answer may have worked."""
    try:
        answers.put(Answer(sent_at, is_attempt=False, report=_read(client, quote_id)))
    except Exception as exc:
        answers.put(Answer(sent_at, is_attempt=False, text=str(exc)))


def _is_final(confirmation: Confirmation, answer: Answer) -> bool:
    """Take in an answer; True when there is nothing left to send."""
    now = utc_now()
    quote = confirmation.quote
    if answer.is_confirmed:
        facts = {"answered_at": now, "last_sent_at": answer.sent_at, "error_text": "", "lease_until": None}
        with reaches_disk_later(), transaction.atomic():
            confirmation_move(confirmation, State.CONFIRMED, now=now, **facts)
            quote_move(quote, QuoteState.CONFIRMED)
        return True
    if answer.is_expired:
        facts = {"reason": "expired", "answered_at": now, "error_text": answer.text[:400]}
        confirmation_move(confirmation, State.MISSED, now=now, **facts)
        return True
    if answer.report is not None:
        quote_apply(quote.account_id, answer.report)
        confirmation.refresh_from_db()
        return confirmation.state != State.CONFIRMING
    if answer.text and answer.is_attempt:
        Confirmation.objects.filter(pk=confirmation.pk, state=State.CONFIRMING).update(
            error_text=answer.text[:400], version=F("version") + 1
        )
        events.confirmation_publish(confirmation)
    return False


def _read(client: ExchangeClient, quote_id: str) -> QuoteReport | None:
    """Return the quote as the exchange has it now, None when it has none. Raises ExchangeError, WireFormatError."""
    try:
        return reports.quote_from_rest(api.get_quote(client, quote_id))
    except Refused as exc:
        if exc.status != NOT_FOUND:
            raise
        return None


def _settle(confirmation: Confirmation, *, now: datetime) -> None:
    """Its window is long over, and the exchange shows no confirmation: that is its end."""
    Confirmation.objects.filter(pk=confirmation.pk).update(
        answered_at=Coalesce("answered_at", Value(now)), next_look_at=None, version=F("version") + 1
    )
    confirmation.refresh_from_db()
    words = "it was not confirmed in time" if confirmation.state == State.MISSED else "it was let lapse"
    quote_move(confirmation.quote, QuoteState.CANCELLED, reason=words, at=confirmation.window_ends_at)
    events.confirmation_publish(confirmation)


def _quote_id(confirmation: Confirmation) -> str:
    quote_id = confirmation.quote.quote_id
    assert quote_id, "what was accepted has an id"
    return quote_id


def _person(confirmation: Confirmation) -> int:
    return confirmation.decided_by_id or confirmation.quote.placed_by_id or 0


def _load(pk: int) -> Confirmation:
    found = stored.confirmation_with(pk)
    if found is None:
        raise Confirmation.DoesNotExist
    return found
