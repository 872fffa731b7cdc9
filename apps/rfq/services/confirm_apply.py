"""What becomes of a confirmation, whoever tells: one door, one table of ways; a missed window raises an alarm."""

import logging
from datetime import datetime, timedelta
from typing import Any, Final

from django.db import transaction
from django.db.models import F

from apps.audit import services as audit
from apps.core.rfq import ConfirmationState, QuoteState, quote_may_go
from apps.core.timestamps import utc_now
from apps.rfq import stored
from apps.rfq.events import confirmations as events
from apps.rfq.events import quotes as quote_events
from apps.rfq.models import Confirmation, Quote
from apps.rfq.reports import QuoteReport
from apps.rfq.windows import windows_of

logger = logging.getLogger(__name__)

State = ConfirmationState
# After a window's or a timer's end the exchange still has to write down what became of it.
GRACE: Final = timedelta(seconds=2)
# A lapsed quote may be shown as accepted for ever (seen on demo): so long after its window nothing comes any more.
SETTLED_AFTER: Final = timedelta(seconds=5)

# From where a state may be reached. What the exchange says wins over what was believed without it.
FROM: Final[dict[State, tuple[State, ...]]] = {
    State.CONFIRMING: (State.OPEN,),
    State.LAPSED: (State.OPEN, State.CONFIRMING),
    State.MISSED: (State.OPEN, State.CONFIRMING),
    State.CONFIRMED: (State.OPEN, State.CONFIRMING, State.LAPSED, State.MISSED),
    State.EXECUTED: tuple(state for state in State if state is not State.EXECUTED),
    State.FAILED: (State.CONFIRMED,),
}


def confirmation_move(confirmation: Confirmation, state: State, *, now: datetime | None = None, **facts: Any) -> bool:
    """Bring a confirmation to `state` with its audit row; False when it stands elsewhere. Reads it anew either way.

    facts: columns that are set along with it.
    """
    now = now or utc_now()
    with transaction.atomic():
        rows = Confirmation.objects.filter(pk=confirmation.pk, state__in=FROM[state])
        moved = rows.update(
            state=state, version=F("version") + 1, next_look_at=_look_at(confirmation, state, now), **facts
        )
        stored.confirmation_refresh(confirmation)
        if moved:
            told(confirmation, f"rfq.confirm.{state.value}", {"reason": confirmation.reason})
            if state is State.MISSED:
                alarm(confirmation)
    return bool(moved)


def told(confirmation: Confirmation, action: str, data: dict[str, Any], *, actor_id: int | None = None) -> None:
    """Publish the rows of a confirmation and its quote, and write one audit row; inside the caller's transaction."""
    quote = confirmation.quote
    stored.quote_version_raise(quote.pk)
    events.confirmation_publish(confirmation)
    quote_events.quote_publish(quote)
    audit.record(
        action,
        actor_id=actor_id,
        desk_id=quote.desk_id,
        environment=quote.account.environment,
        target=f"rfq_confirmation:{confirmation.pk}",
        data={"quote_id": quote.quote_id, "ticker": quote.ticker, **data},
    )


def alarm(confirmation: Confirmation) -> None:
    """A window was lost: said once in the log, beside the row and the audit entry that everybody sees."""
    late = confirmation.window_ends_at
    logger.error(
        "MISSED confirmation %s of quote %s on %s: %s; its window ended %s, %s attempts",
        *(confirmation.pk, confirmation.quote.quote_id, confirmation.quote.ticker, events.reason_text(confirmation)),
        *(late.isoformat(), confirmation.attempts),
    )


def confirmation_follow(confirmation: Confirmation, report: QuoteReport, *, now: datetime) -> None:
    """Bring a known confirmation in line with what the exchange says of its quote. A repeat changes nothing."""
    facts: dict[str, Any] = {}
    for name, value in (
        ("confirmed_at", report.confirmed_at),
        ("executed_at", report.executed_at),
        ("order_id", report.maker_order_id),
    ):
        if value and value != getattr(confirmation, name):
            facts[name] = value
    match report.state:
        case QuoteState.CONFIRMED | QuoteState.EXECUTED:
            if not confirmation.decision and confirmation.state in (State.OPEN, State.LAPSED, State.MISSED):
                facts["reason"] = "elsewhere"
            target = State.EXECUTED if report.state is QuoteState.EXECUTED else State.CONFIRMED
            if confirmation.answered_at is None:
                facts["answered_at"] = now
            # States only move along, so what stands elsewhere takes no write lock: most readings say nothing new.
            if confirmation.state in FROM[target] and confirmation_move(confirmation, target, now=now, **facts):
                return
        case QuoteState.CANCELLED if confirmation.state in (State.OPEN, State.CONFIRMING):
            _ended_before_confirmed(confirmation, now=now)
            return
    if facts and confirmation.state in (State.CONFIRMED, State.EXECUTED):
        Confirmation.objects.filter(pk=confirmation.pk).update(version=F("version") + 1, **facts)
        confirmation.refresh_from_db()
        events.confirmation_publish(confirmation)


def execution_told(quote: Quote, *, order_id: str, executed_at: datetime | None) -> None:
    """quote_executed: our order of this quote entered the book."""
    now = utc_now()
    with transaction.atomic():
        moved = (
            Quote.objects.filter(pk=quote.pk)
            .exclude(state=QuoteState.EXECUTED)
            .update(state=QuoteState.EXECUTED, ended_at=executed_at or now, version=F("version") + 1)
        )
        if moved:
            quote_events.quote_publish(quote)
    confirmation = Confirmation.objects.select_related("quote__account").filter(quote_id=quote.pk).first()
    if confirmation is not None:
        facts: dict[str, Any] = {"order_id": order_id[:80], "executed_at": executed_at or now}
        if confirmation.answered_at is None:
            facts["answered_at"] = now
        confirmation_move(confirmation, State.EXECUTED, now=now, **facts)


def quote_move(quote: Quote, state: QuoteState, *, reason: str = "", at: datetime | None = None) -> bool:
    """Move a quote along its ways; True when it moved."""
    stored.quote_refresh(quote)
    if quote.state == state or not quote_may_go(QuoteState(quote.state), state):
        return False
    changes: dict[str, Any] = {"state": state}
    if state is QuoteState.CANCELLED:
        changes |= {"ended_at": at or utc_now(), "end_reason": quote.end_reason or reason[:200]}
    moved = Quote.objects.filter(pk=quote.pk, state=quote.state).update(version=F("version") + 1, **changes)
    if moved:
        stored.quote_refresh(quote)
        quote_events.quote_publish(quote)
    return bool(moved)


def _ended_before_confirmed(confirmation: Confirmation, *, now: datetime) -> None:
    """The exchange calls the quote cancelled: withdrawn by the other side while the window ran, else lapsed."""
    if now < confirmation.window_ends_at:
        confirmation_move(confirmation, State.LAPSED, now=now, reason="withdrawn", answered_at=now)
    elif confirmation.state == State.CONFIRMING:
        confirmation_move(confirmation, State.MISSED, now=now, reason="expired", answered_at=now)
    else:
        confirmation_move(confirmation, State.LAPSED, now=now, reason="no_decision", answered_at=now)


def _look_at(confirmation: Confirmation, state: State, now: datetime) -> datetime | None:
    """When to read the quote if no message says more."""
    quote = confirmation.quote
    match state:
        case State.CONFIRMED:
            span = windows_of(quote.ticker, is_combo=bool(quote.incoming.legs))
            return now + span.execution + GRACE
        case State.MISSED:
            return now
        case State.LAPSED:
            return max(now, confirmation.window_ends_at + SETTLED_AFTER)
    return None
