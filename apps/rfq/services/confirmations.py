"""From an accept of our quote to a decision: deadline, last look and policy in one transaction. Nothing is sent here.

An accept may be heard twice at once and from three sources; there is one `Confirmation` per quote. The first durable
decision wins: the policy's is stored with the row itself, so a person can only come after it (RELIABILITY E8).
"""

import logging
import time
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from django.db import transaction
from django.db.models import F

from apps.core import killpoints
from apps.core.durability import reaches_disk_later
from apps.core.errors import DeskError, NotFound
from apps.core.last_look import BINDING, WAITS, checks, first_failure, to_json
from apps.core.permissions import Actor, Permission
from apps.core.rfq import HAND_OVER, ConfirmationState, Deadline, Decision, Outcome, Policy, QuoteState
from apps.core.timestamps import to_unix_ms, utc_now
from apps.orders.access import actor_of, require_on
from apps.rfq import queue, stored
from apps.rfq.models import Confirmation, Quote
from apps.rfq.reports import QuoteReport
from apps.rfq.services import round_trips
from apps.rfq.services.confirm_apply import FROM, alarm, confirmation_follow, confirmation_move, quote_move, told
from apps.rfq.services.delays import delay_of
from apps.rfq.services.last_look import Prices, look_at, prices_for
from apps.rfq.stored import account_lock
from apps.rfq.windows import windows_of

logger = logging.getLogger(__name__)

State = ConfirmationState
# For what is not measured: our own disk, a busy machine, the exchange's gateway.
MARGIN: Final = timedelta(milliseconds=100)
# How wrong the measured offset of the exchange's clock may be.
OFFSET_ERROR: Final = timedelta(milliseconds=100)
# Heard by reading, and nothing dates it: it can have happened at any time since the reading before.
READ_EVERY: Final = timedelta(milliseconds=1500)
# Who tells by itself, so that what it takes is the way of a message.
PUSHED: Final = frozenset({"ws", "fix"})
# What was over for so long when the desk first saw a quote that others made is history, not an incident.
HISTORY: Final = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class Heard:
    """Who told of an accept, ws, fix or rest, and when (our clock)."""

    by: str
    at: datetime


def quote_told(quote: Quote, report: QuoteReport, *, heard: Heard | None = None) -> Confirmation | None:
    """Take in what the exchange says of one of our quotes, as far as accepts are concerned.

    Safe to call at the same moment from several threads and processes.
    """
    heard = heard or Heard("rest", utc_now())
    known = _load(quote)
    if known is None:
        if report.state not in _AFTER_ACCEPT and report.accepted_at is None:
            return None
        if _is_history(quote, report, now=heard.at):
            quote_move(quote, QuoteState.CANCELLED, reason="lapsed before the desk saw it", at=report.accepted_at)
            return None
        known, is_new = _open(quote, report, heard, prices_for(quote))
        if is_new:
            return known
    if report.state is QuoteState.ACCEPTED:
        _learn(known, report, heard)
    confirmation_follow(known, report, now=utc_now())
    return known


def confirmation_open(quote: Quote, report: QuoteReport, *, heard: Heard | None, prices: Prices) -> bool:
    """Begin the confirmation of a quote that was just accepted; False when that is done, or the accept is history."""
    heard = heard or Heard("rest", utc_now())
    if _is_history(quote, report, now=heard.at):
        return False
    return _open(quote, report, heard, prices)[1]


def decide(
    actor: Actor, confirmation: Confirmation, decision: Decision, *, now: datetime | None = None
) -> Confirmation:
    """Confirm an accepted quote or let it lapse, by a person. The same person saying the same again changes nothing.

    Raises:
        NotAllowed, NotFound: role, or another desk's.
        DeskError: `window_over`, `decided` (says who decided what), or what forbids to confirm: `paused`, `limit_...`.
    """
    quote = confirmation.quote
    require_on(actor, Permission.RFQ_TRADE, quote.account_id, quote.subaccount)
    if confirmation.quote.desk_id != actor.desk_id:
        raise NotFound("This confirmation does not exist, or it belongs to another desk.")
    now = now or utc_now()
    confirmation.refresh_from_db()
    if confirmation.decided_by_id == actor.user_id and confirmation.decision == decision:
        return confirmation
    _still_open(actor, confirmation, decision, now=now)
    if decision is Decision.CONFIRM:
        _binding_checks(confirmation, now=now)
    state = State.CONFIRMING if decision is Decision.CONFIRM else State.LAPSED
    with transaction.atomic():
        open_rows = Confirmation.objects.filter(pk=confirmation.pk, state=State.OPEN, decision="")
        open_rows = open_rows.filter(send_by__gt=now + _needs(decision))
        won = open_rows.update(
            decision=decision.value,
            decided_by_id=actor.user_id,
            decided_at=now,
            reason="manual",
            state=state,
            next_look_at=None if state is State.CONFIRMING else confirmation.window_ends_at,
            version=F("version") + 1,
        )
        confirmation.refresh_from_db()
        if won:
            if state is State.CONFIRMING:  # before what is told to browsers
                queue.confirm_send_on_commit(confirmation.pk)
            told(confirmation, "rfq.confirm.decided", {"decision": decision.value}, actor_id=actor.user_id)
    if not won:
        _still_open(actor, confirmation, decision, now=now)
        raise DeskError("decided", _who_decided(confirmation))
    return confirmation


def confirmations_expire(*, pk: int | None = None, now: datetime | None = None) -> int:
    """What nobody decided lapses; what was decided and did not get through in time is missed. Returns how many."""
    now = now or utc_now()
    over = Confirmation.objects.select_related("quote__account", "quote__incoming").filter(
        state__in=[State.OPEN, State.CONFIRMING], send_by__lte=now
    )
    if pk is not None:
        over = over.filter(pk=pk)
    moved = 0
    for confirmation in over:
        if confirmation.state == State.CONFIRMING:
            moved += confirmation_move(confirmation, State.MISSED, now=now, reason="too_late")
        else:
            reason = confirmation.reason or "size" if confirmation.policy == Policy.AUTO else "no_decision"
            moved += confirmation_move(confirmation, State.LAPSED, now=now, reason=reason)
    return moved


def deadline_of(quote: Quote, report: QuoteReport, heard: Heard) -> Deadline:
    """Until when a confirmation must have left us, from the earliest moment at which the accept can have been."""
    environment = quote.account.environment
    status = stored.status_of(environment)
    offset = (
        None if status is None or status.clock_offset_ms is None else timedelta(milliseconds=status.clock_offset_ms)
    )
    if report.accepted_at is not None and offset is not None:
        earliest = report.accepted_at - offset - OFFSET_ERROR
    elif heard.by in PUSHED:
        earliest = heard.at - delay_of(environment).most(at=time.monotonic())
    else:
        earliest = heard.at - READ_EVERY
        if report.accepted_at is not None:
            earliest = min(earliest, report.accepted_at)
    earliest = min(earliest, heard.at)
    if quote.claimed_at is not None:  # our clock: nobody accepts what was not sent
        earliest = max(earliest, min(quote.claimed_at, heard.at))
    span = windows_of(quote.ticker, is_combo=bool(quote.incoming.legs))
    return Deadline.of(earliest, windows=span, round_trip=round_trips.high(environment), margin=MARGIN)


# --- hearing ---------------------------------------------------------------------------------------

_AFTER_ACCEPT = (QuoteState.ACCEPTED, QuoteState.CONFIRMED, QuoteState.EXECUTED)


def _load(quote: Quote) -> Confirmation | None:
    return stored.confirmation_of(quote)


def _is_history(quote: Quote, report: QuoteReport, *, now: datetime) -> bool:
    return (
        quote.placed_by_id is None
        and report.accepted_at is not None
        and now - report.accepted_at > HISTORY
        and report.state in (QuoteState.ACCEPTED, QuoteState.CANCELLED)
    )


def _open(quote: Quote, report: QuoteReport, heard: Heard, prices: Prices) -> tuple[Confirmation, bool]:
    """Return the row and whether this call made it, with deadline, last look and the policy's decision."""
    killpoints.reach("accept.heard")
    deadline = deadline_of(quote, report, heard)
    # The lease, which is taken before the first byte leaves, flushes what is decided here.
    with reaches_disk_later(), transaction.atomic(savepoint=False):
        account_lock(quote)
        side, contracts = report.accepted_side, report.accepted_contracts
        look = look_at(quote, side=side, contracts=contracts, prices=prices, now=utc_now())
        made = checks(look)
        values: dict[str, Any] = {
            "accepted_side": "" if side is None else side.value,
            "contracts": contracts,
            "heard_by": heard.by,
            "heard_at": heard.at,
            "accepted_at": deadline.accepted_at,
            "window_ends_at": deadline.window_ends_at,
            "send_by": deadline.send_by,
            "policy": quote.policy,
            "checks": [check.as_json() for check in made],
            "inputs": {"look": to_json(look)},
        }
        failing = first_failure(made)
        now = utc_now()
        verdict = _verdict(quote, report, deadline, failing=failing.name if failing else "", heard=heard, now=now)
        known = stored.confirmation_of(quote)  # under the account's lock: nobody stores another meanwhile
        if known is not None:
            return known, False
        confirmation = stored.confirmation_store(Confirmation(quote=quote, **values | verdict))
        hand_over(confirmation)
        told(confirmation, "rfq.confirm.heard", heard_data(confirmation))
        if confirmation.state == State.MISSED:
            alarm(confirmation)
        killpoints.reach("accept.stored")
    return confirmation, True


def _verdict(
    quote: Quote, report: QuoteReport, deadline: Deadline, *, failing: str, heard: Heard, now: datetime
) -> dict[str, Any]:
    """Return the columns that say what the policy decided."""
    if report.state is QuoteState.EXECUTED or report.state is QuoteState.CONFIRMED:
        state = State.EXECUTED if report.state is QuoteState.EXECUTED else State.CONFIRMED
        times = {"confirmed_at": report.confirmed_at, "executed_at": report.executed_at}
        return {"state": state, "reason": "elsewhere", "order_id": report.maker_order_id, "next_look_at": now, **times}
    if quote.policy == Policy.LAPSE:
        return _decided(Decision.LAPSE, "policy", deadline, now=now)
    if now >= deadline.send_by or report.state is QuoteState.CANCELLED:
        reason = "not_heard" if report.state is QuoteState.CANCELLED else "late"
        return {"state": State.MISSED, "reason": reason, "next_look_at": now}
    if quote.policy == Policy.MANUAL:
        return {}
    if failing == "size" and heard.by in PUSHED:
        return {"next_look_at": now}  # the reading that follows tells which side, and how many
    return auto_verdict(failing, deadline, now=now)


def auto_verdict(failing: str, deadline: Deadline, *, now: datetime) -> dict[str, Any]:
    """Return the columns that say what the automatic policy makes of a last look. failing: its first failure, or ""."""
    if failing in WAITS:
        return {"reason": failing}
    if failing:
        return _decided(Decision.LAPSE, failing, deadline, now=now)
    if now >= deadline.decide_by:
        return _decided(Decision.LAPSE, "no_time", deadline, now=now)
    return _decided(Decision.CONFIRM, "last_look", deadline, now=now)


def _decided(decision: Decision, reason: str, deadline: Deadline, *, now: datetime) -> dict[str, Any]:
    is_confirm = decision is Decision.CONFIRM
    return {
        "decision": decision.value,
        "decided_at": now,
        "reason": reason,
        "state": State.CONFIRMING if is_confirm else State.LAPSED,
        "next_look_at": None if is_confirm else max(now, deadline.window_ends_at),
    }


def hand_over(confirmation: Confirmation) -> None:
    """What follows the commit: the send, or the reading that tells what is missing.

    Asked for before anything is told to browsers: what waits for a commit runs in this order.
    """
    pk = confirmation.pk

    def run() -> None:
        killpoints.reach("accept.committed")
        if is_decided:
            queue.confirm_send_now(pk)
        else:
            queue.enqueue(queue.CONFIRM_LOOK, pk)
        killpoints.reach("accept.queued")

    is_decided = confirmation.state == State.CONFIRMING
    if is_decided or (confirmation.next_look_at is not None and confirmation.state != State.LAPSED):
        transaction.on_commit(run)


def _learn(confirmation: Confirmation, report: QuoteReport, heard: Heard) -> None:
    """An accept is told again: what was missing is filled in, and a deadline only ever moves to the front."""
    quote = confirmation.quote
    changes: dict[str, Any] = {}
    if not confirmation.accepted_side and report.accepted_side is not None:
        changes["accepted_side"] = report.accepted_side.value
    if confirmation.contracts is None and report.accepted_side is not None and report.accepted_contracts is not None:
        changes["contracts"] = report.accepted_contracts
    # What is decided is being sent already: less time would only stop it, and the exchange says itself when it is over.
    if confirmation.state == State.OPEN and not confirmation.decision and report.accepted_at is not None:
        deadline = deadline_of(quote, report, Heard(heard.by, confirmation.heard_at))
        earlier = deadline.accepted_at - confirmation.accepted_at
        if earlier < timedelta():  # the rest stays as it was measured when it was heard
            changes |= {
                "accepted_at": deadline.accepted_at,
                "window_ends_at": confirmation.window_ends_at + earlier,
                "send_by": confirmation.send_by + earlier,
            }
    if not changes:
        return
    prices = prices_for(quote)
    with transaction.atomic():
        account_lock(quote)
        confirmation = (
            Confirmation.objects.select_for_update(of=("self",))
            .select_related("quote__account")
            .get(pk=confirmation.pk)
        )
        now = utc_now()
        if confirmation.state == State.OPEN and not confirmation.decision and "contracts" in changes:
            changes |= _looked_again(confirmation, report, prices, now=now)
        Confirmation.objects.filter(pk=confirmation.pk).update(version=F("version") + 1, **changes)
        confirmation.refresh_from_db()
        if changes.get("decision") == Decision.CONFIRM:
            hand_over(confirmation)
        told(confirmation, "rfq.confirm.learned", heard_data(confirmation))


def _looked_again(confirmation: Confirmation, report: QuoteReport, prices: Prices, *, now: datetime) -> dict[str, Any]:
    quote = confirmation.quote
    look = look_at(quote, side=report.accepted_side, contracts=report.accepted_contracts, prices=prices, now=now)
    made = checks(look)
    changes: dict[str, Any] = {
        "checks": [check.as_json() for check in made],
        "inputs": {**confirmation.inputs, "look": to_json(look)},
    }
    failing = first_failure(made)
    if confirmation.policy == Policy.AUTO and now < confirmation.send_by:
        deadline = Deadline(confirmation.accepted_at, confirmation.window_ends_at, confirmation.send_by)
        changes |= auto_verdict(failing.name if failing else "", deadline, now=now)
    return changes


def heard_data(confirmation: Confirmation) -> dict[str, Any]:
    return {
        "heard_by": confirmation.heard_by,
        "side": confirmation.accepted_side,
        "contracts": None if confirmation.contracts is None else str(confirmation.contracts),
        "send_by": confirmation.send_by.isoformat(),
        "policy": confirmation.policy,
        "decision": confirmation.decision,
        "reason": confirmation.reason,
        "state": str(confirmation.state),
    }


# --- deciding by hand --------------------------------------------------------------------------------


def _still_open(actor: Actor, confirmation: Confirmation, decision: Decision, *, now: datetime) -> None:
    """Raises DeskError unless it waits for a decision. One that came too late is kept beside the one that won."""
    if confirmation.decision:
        _keep_later(actor, confirmation, decision, now=now)
        raise DeskError("decided", _who_decided(confirmation))
    decide_by = confirmation.send_by - _needs(decision)
    if confirmation.state not in FROM[State.CONFIRMING] or now >= decide_by:
        confirmations_expire(pk=confirmation.pk, now=now)
        text = f"Too late: it had to be decided by {decide_by:%H:%M:%S.%f}"[:-5]
        raise DeskError("window_over", f"{text} UTC. Nothing was sent; the quote lapses.")


def _needs(decision: Decision) -> timedelta:
    """How long before the last send a decision must be made: a lapse sends nothing."""
    return HAND_OVER if decision is Decision.CONFIRM else timedelta()


def _keep_later(actor: Actor, confirmation: Confirmation, decision: Decision, *, now: datetime) -> None:
    name = str(actor.user_id)
    with transaction.atomic():
        row = (
            Confirmation.objects.select_for_update(of=("self",))
            .select_related("quote__account")
            .get(pk=confirmation.pk)
        )
        later = [one for one in row.inputs.get("later", []) if one["by"] != actor.user_id][-9:]
        later.append({"by": actor.user_id, "decision": decision.value, "at_ms": to_unix_ms(now)})
        Confirmation.objects.filter(pk=row.pk).update(inputs={**row.inputs, "later": later}, version=F("version") + 1)
        data = {"decision": decision.value, "stands": row.decision, "person": name}
        told(row, "rfq.confirm.overtaken", data, actor_id=actor.user_id)


def _who_decided(confirmation: Confirmation) -> str:
    confirmation = Confirmation.objects.select_related("decided_by").get(pk=confirmation.pk)
    by = confirmation.decided_by
    who = "The policy" if by is None else by.display_name or by.username
    what = "confirmed" if confirmation.decision == Decision.CONFIRM else "let it lapse"
    at = f" at {confirmation.decided_at:%H:%M:%S} UTC" if confirmation.decided_at else ""
    return f"{who} {what} already{at}: the first decision stands."


def _binding_checks(confirmation: Confirmation, *, now: datetime) -> None:
    """A person may confirm against the price checks, never against a pause or a limit."""
    quote = confirmation.quote
    side = Outcome(confirmation.accepted_side) if confirmation.accepted_side else None
    prices = prices_for(quote)
    look = look_at(quote, side=side, contracts=confirmation.contracts, prices=prices, now=now)
    for check in checks(look):
        if check.name in BINDING and not check.ok:
            raise DeskError(check.name, check.text)


def decider_problem(confirmation: Confirmation) -> str:
    """Why whoever decided to confirm may not do so any more, in words; "" when they may (RELIABILITY I15)."""
    quote = confirmation.quote
    user_id = confirmation.decided_by_id or quote.placed_by_id
    if user_id is None:
        return ""
    actor = actor_of(user_id=user_id, desk_id=quote.desk_id)
    if actor is None or not actor.may_on(Permission.RFQ_TRADE, quote.account_id, quote.subaccount):
        return "Who decided may no longer trade requests on this desk."
    return ""
