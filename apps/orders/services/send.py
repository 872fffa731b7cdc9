"""Send an intent to the exchange: at most once, ever. See docs/adr/0007-at-most-one-send.md.

The claim is one conditional UPDATE (COMMITTED -> SENDING). Whoever gets it makes the one attempt;
nothing ever puts an intent back to COMMITTED, so a redelivered task, a second worker or a restart
finds nothing to claim.
"""

import contextlib
import logging
import time
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, Literal, cast

from django.db import DatabaseError, InterfaceError, transaction
from django.db.models import F

from apps.accounts.models import ExchangeAccount
from apps.audit import services as audit
from apps.core import killpoints
from apps.core.durability import Flushing, flush_begin, reaches_disk_later
from apps.core.errors import DeskError, NotAllowed, WireFormatError, not_sent
from apps.core.money import format_count, format_price, parse_count
from apps.core.ports import OrderRoute
from apps.core.prepared import Prepared
from apps.core.prepared_writes import PreparedUpdate
from apps.core.timestamps import from_unix_ms, to_unix_seconds, unix_ms_now, utc_now
from apps.exchange.clients import client_for
from apps.exchange.wire import api
from apps.exchange.wire.errors import ExchangeError, NotSent, OutcomeUnknown, RateLimited, Refused
from apps.exchange.wire.schemas.rest import OrderAck
from apps.orders import events, queue, spill
from apps.orders.access import actor_of
from apps.orders.models import BookSide, Order, OrderIntent
from apps.orders.reports import OrderReport
from apps.orders.services.ahead import AskedAhead, sign_ahead
from apps.orders.services.apply import order_apply
from apps.orders.services.checks import account_check_again, order_check
from apps.orders.services.gate import gate_check, gate_note
from apps.orders.services.limits import limits_check
from apps.orders.services.order_approval import approval_check_again
from apps.orders.services.pauses import pause_check
from apps.orders.services.quotes import QuotesAsked
from apps.orders.services.routes import route_of
from apps.orders.tickets import FILL_OR_KILL, GOOD_TILL_CANCELED, OrderTicket

logger = logging.getLogger(__name__)

State = OrderIntent.State
TimeInForce = Literal["fill_or_kill", "good_till_canceled", "immediate_or_cancel"]
SelfTradePrevention = Literal["taker_at_cross", "maker"]

# An intent that nobody could claim for this long is not sent any more: the trader meant that
# moment's market. It becomes REFUSED, and certainly nothing left the desk.
GOOD_FOR = timedelta(seconds=15)
# Who claimed an intent and stood still for longer than this does not send it any more.
SENDS_WITHIN = timedelta(seconds=8)
# So nothing of it leaves later than this after the claim: the wait for tokens (1 s), for a connection of the pool
# (2 s), two hosts to connect to (3 s each) and the writing (5 s) come on top. See exchange.wire.client.
LEFT_WITHIN = SENDS_WITHIN + timedelta(seconds=14)
# Seconds. Who waited longer for the disk than this asks everything again: a pause may have come meanwhile.
CHECKED_AGAIN_AFTER = 0.05
# A 409 is a question, but for this one: the exchange says in its own words why it killed a
# fill-or-kill order, and our client order id is new with every intent.
KILLED = "fill_or_kill_insufficient_resting_volume"
WARM_FOR = 0.02  # seconds; what was asked a moment ago need not be asked ahead
_last: tuple[OrderIntent | None, float] = None, 0.0
_intents = Prepared(lambda pk: OrderIntent.objects.filter(pk=pk))
_accounts = Prepared(lambda pk: ExchangeAccount.objects.filter(pk=pk))
_claims = PreparedUpdate(
    lambda pk, after, now: (
        OrderIntent.objects.filter(pk=pk, state=State.COMMITTED, created_at__gt=after),
        {"state": State.SENDING, "claimed_at": now, "version": F("version") + 1},
    )
)
NOT_ON_DISK = "The desk's disk did not take the note that it leaves. Nothing reached the exchange."
TOO_LATE = "Not sent: the desk could not send it in time. Nothing reached the exchange."


def intent_send(intent_id: int) -> OrderIntent | None:
    """Send one committed intent, and record what came of it.

    Returns the intent afterwards, or None when there was nothing to claim: it was sent already, or
    it is too old (then it is REFUSED here). Safe to call twice, late, or never.

    Cost: 10 write tokens. Source: docs:api-reference/orders/create-order-v2.
    """
    killpoints.reach("send.started")
    flushing = None if spill.is_pending() else _claim_begin(intent_id)
    if flushing is None:
        # What is kept in the file goes into the database first; until then nothing new leaves.
        intents_expire(intent_id=intent_id)
        return None
    killpoints.reach("send.claimed")
    intent = _intents(intent_id)[0]
    intent.account = _accounts(intent.account_id)[0]
    global _last
    _last = intent, time.monotonic()
    with AskedAhead(intent) as ahead:
        try:
            check_again(intent, asked=ahead.quotes)
            if _on_disk(flushing, intent_id) > CHECKED_AGAIN_AFTER:
                check_again(intent)
        except DeskError as exc:
            return intent_refuse(intent, code=exc.code, text=not_sent(exc.text))
        killpoints.reach("send.checked")
        outcome = _attempt(intent, ahead)
    recorded = outcome_record(intent, outcome)
    if outcome.is_whole is not None:
        gate_note(intent.account, is_whole=outcome.is_whole)
    return recorded


def sender_warm(account_id: int) -> None:
    """Make ready for an order of this account, which is being checked elsewhere: it is signed, and the last order's
    questions are asked once more and their answers forgotten. It only reads.

    Between two orders a processor forgets this code and these rows: what takes a fifth of a millisecond right after the
    last time takes a whole one by then (docs/adr/0009).
    """
    global _last
    sign_ahead(account_id)
    last, asked_at = _last
    if last is not None and time.monotonic() - asked_at > WARM_FOR:
        _last = last, time.monotonic()  # of many announced at once, one asks
        with contextlib.suppress(DeskError):
            check_again(last)


def claim(intent_id: int) -> bool:
    """COMMITTED -> SENDING, once ever, while it is fresh: whoever gets it makes the one attempt."""
    now = utc_now()
    return _claims(intent_id, now - GOOD_FOR, now) == 1


def _claim_begin(intent_id: int) -> Flushing | None:
    """`claim`, with its flush on its way while the checks run: nothing may leave before that is through."""
    with reaches_disk_later():
        if not claim(intent_id):
            return None
    return flush_begin()


def _on_disk(flushing: Flushing, intent_id: int) -> float:
    """Return the seconds until the claim was on the disk. Raises DeskError: it is not."""
    try:
        return flushing.wait()
    except OSError as exc:
        logger.exception("the claim of intent %s did not reach the disk", intent_id)
        raise DeskError("disk", NOT_ON_DISK) from exc


def check_again(intent: OrderIntent, *, asked: QuotesAsked | None = None) -> None:
    """Ask once more for the author's right, the market and the grid: all may have changed since.

    asked: for the market's best prices, already. Raises DeskError.
    """
    actor = actor_of(user_id=intent.placed_by_id, desk_id=intent.desk_id)
    if actor is None:
        raise NotAllowed("The person who placed it is no longer an active member of this desk.")
    account = intent.account  # read after the claim
    account_check_again(actor, account, intent.subaccount)
    now, ticket = utc_now(), ticket_of(intent)
    pause_check(user_id=actor.user_id, desk_id=actor.desk_id)
    gate_check(account.pk)
    force = limits_check(actor, ticket, account=account, now=now, intent=intent, asked=asked)
    approval_check_again(intent, force, ticket, now=now)
    order_check(actor, ticket, account=account, now=now)


def ticket_of(intent: OrderIntent) -> OrderTicket:
    return OrderTicket(
        idempotency_key=intent.idempotency_key,
        account_id=intent.account_id,
        subaccount=intent.subaccount,
        ticker=intent.ticker,
        # On the YES leg, whatever the person said: the stored price is of that leg.
        side="buy_yes" if intent.book_side == BookSide.BID else "sell_yes",
        price=intent.price,
        count=intent.count,
        time_in_force=intent.time_in_force,
        expires_at=intent.expires_at,
        is_post_only=intent.is_post_only,
        is_reduce_only=intent.is_reduce_only,
        cancel_on_pause=intent.cancel_on_pause,
        self_trade_prevention=intent.self_trade_prevention,
        order_group_id=intent.order_group_id,
        shown=intent.shown,
    )


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of one send, before it is written down. report: the order of an accepted one."""

    kind: Literal["answer", "told", "refused", "unknown"]  # told: stored already, by the way that it came
    code: str = ""
    text: str = ""
    report: OrderReport | None = None
    is_whole: bool | None = None  # of an answer 2xx: with the order that it promises? None: there was none


def _attempt(intent: OrderIntent, ahead: AskedAhead) -> Outcome:
    """Make the one attempt, outside any transaction: a rollback would forget a live order.

    Whatever is not listed below escapes and leaves SENDING behind, which the sweep turns into
    UNKNOWN: an error we did not foresee is no proof that nothing happened.
    """
    try:
        client = ahead.client  # by REST, as was asked after the claim
        if client is None:
            route = route_of(intent.account_id)
            if route is not None:
                return attempt_by(route, intent)
            client = client_for(intent.account_id, write=True)
        if is_stale(intent):
            return Outcome("refused", "too_late", TOO_LATE)
        killpoints.reach("send.client_ready")
        ack = api.create_order(
            client,
            new_order(intent),
            on_sent=lambda: events.intent_sending_publish(intent),
            ahead=ahead.request,
        )
    except (ExchangeError, DeskError) as exc:
        return failure_read(intent, exc)
    killpoints.reach("send.answered")
    return answer_read(intent, ack)


def attempt_by(route: OrderRoute, intent: OrderIntent) -> Outcome:
    """Make the one attempt by another way than REST. Never raises ExchangeError or DeskError."""
    if is_stale(intent):
        return Outcome("refused", "too_late", TOO_LATE)
    try:
        events.intent_sending_publish(intent)
        route.create(intent)
    except (ExchangeError, DeskError) as exc:
        return failure_read(intent, exc)
    killpoints.reach("send.answered")
    return Outcome("told")


def answer_read(intent: OrderIntent, ack: OrderAck) -> Outcome:
    try:
        return Outcome("answer", report=report_from_answer(intent, ack), is_whole=True)
    except WireFormatError as exc:
        return Outcome("unknown", "schema", f"The exchange's answer is not an order: {exc}", is_whole=False)


def failure_read(intent: OrderIntent, exc: ExchangeError | DeskError) -> Outcome:
    """Say what a failed create proves; what it does not prove is "unknown"."""
    match exc:
        case Refused():
            return Outcome("refused", exc.code, exc.text)
        case NotSent():
            return Outcome("refused", exc.code, f"It never left the desk. {exc.text}")
        case RateLimited() | DeskError():
            # A DeskError is raised by the vault, the host table or the signer, all before the first byte.
            return Outcome("refused", exc.code, not_sent(exc.text))
    if exc.code == KILLED and intent.time_in_force == FILL_OR_KILL:
        return Outcome("refused", exc.code, "Killed: too little was on offer to fill all of it at once.")
    return Outcome("unknown", exc.code, exc.text, is_whole=False if _is_empty(exc) else None)


def _is_empty(exc: ExchangeError) -> bool:
    """Was it a 2xx without the order that it promises?"""
    if not isinstance(exc, OutcomeUnknown):
        return False
    return bool(exc.body) if exc.status is None else 200 <= exc.status < 300


@reaches_disk_later()
def outcome_record(intent: OrderIntent, outcome: Outcome) -> OrderIntent:
    """Write down what came of a send; what the database does not take is kept in a file for the sweep."""
    try:
        if outcome.kind == "answer" and outcome.report is not None:
            order_apply(intent.account_id, outcome.report, source="answer")
            killpoints.reach("send.applied")
            intent.refresh_from_db()
        elif outcome.kind == "refused":
            intent_refuse(intent, code=outcome.code, text=outcome.text)
        elif outcome.kind == "told":
            intent.refresh_from_db()
            if intent.state == State.SENDING:
                intent_unknown(intent, code="not_joined", text="The answer could not be joined to this order.")
        else:
            intent_unknown(intent, code=outcome.code, text=outcome.text)
    except (DatabaseError, InterfaceError):
        logger.exception("the outcome of intent %s could not be written", intent.pk)
        spill.write(
            spill.Record(
                intent_id=intent.pk,
                account_id=intent.account_id,
                outcome="unknown" if outcome.kind == "told" else outcome.kind,
                at_ms=unix_ms_now(),
                code=outcome.code,
                text=outcome.text,
                report=outcome.report,
            )
        )
    return intent


def is_stale(intent: OrderIntent) -> bool:
    """Say whether this process stood still between the claim and now: by then nobody wants the order."""
    return intent.claimed_at is None or utc_now() - intent.claimed_at > SENDS_WITHIN


def new_order(intent: OrderIntent) -> api.NewOrder:
    """Return the create request of an intent."""
    return api.NewOrder(
        ticker=intent.ticker,
        client_order_id=str(intent.client_order_id),
        side="bid" if intent.book_side == BookSide.BID else "ask",
        count=format_count(intent.count),
        price=format_price(intent.price),
        time_in_force=cast(TimeInForce, intent.time_in_force),
        self_trade_prevention_type=cast(SelfTradePrevention, intent.self_trade_prevention),
        expiration_time=to_unix_seconds(intent.expires_at) if intent.expires_at else None,
        post_only=intent.is_post_only,
        reduce_only=intent.is_reduce_only,
        cancel_order_on_pause=intent.cancel_on_pause,
        subaccount=intent.subaccount,
        order_group_id=intent.order_group_id or None,
    )


def report_from_answer(intent: OrderIntent, ack: OrderAck) -> OrderReport:
    """Read the answer to a create.

    Raises:
        WireFormatError: a 2xx that does not say what became of this order. The order may exist.
    """
    if not ack.order_id:
        raise WireFormatError("no order id")
    if ack.client_order_id not in (None, "", str(intent.client_order_id)):
        raise WireFormatError("it names another client order id")
    if ack.fill_count is None or ack.remaining_count is None:
        raise WireFormatError("no counts")
    filled, remaining = parse_count(ack.fill_count), parse_count(ack.remaining_count)
    moment = from_unix_ms(ack.ts_ms) if ack.ts_ms is not None else None
    return OrderReport(
        order_id=ack.order_id,
        ticker=intent.ticker,
        book_side=intent.book_side,
        price=intent.price,
        status=_status_of_answer(intent, filled=filled, remaining=remaining),
        initial_count=intent.count,
        filled_count=filled,
        remaining_count=remaining if intent.time_in_force == GOOD_TILL_CANCELED else Decimal(0),
        client_order_id=str(intent.client_order_id),
        subaccount=intent.subaccount,
        order_group_id=intent.order_group_id,
        # The answer has only rounded averages of cost and fee; the order message brings exact ones.
        expires_at=intent.expires_at,
        created_at=moment,
        updated_at=moment,
    )


def _status_of_answer(intent: OrderIntent, *, filled: Decimal, remaining: Decimal) -> str:
    if filled == intent.count:
        return Order.Status.EXECUTED
    if remaining and intent.time_in_force == GOOD_TILL_CANCELED:
        return Order.Status.RESTING
    return Order.Status.CANCELED  # what did not fill at once is gone


def intent_refuse(intent: OrderIntent, *, code: str, text: str) -> OrderIntent:
    """SENDING -> REFUSED: certainly no order. Loses against evidence of an order, as it should."""
    return _end_sending(intent, state=State.REFUSED, code=code, text=text)


def intent_unknown(intent: OrderIntent, *, code: str, text: str, gone_at: datetime | None = None) -> OrderIntent:
    """SENDING -> UNKNOWN: look it up by reading, never send again.

    gone_at: the last moment at which a byte of it may have left us; now when not given.
    """
    return _end_sending(intent, state=State.UNKNOWN, code=code, text=text, answered_at=gone_at)


def _end_sending(
    intent: OrderIntent, *, state: OrderIntent.State, code: str, text: str, answered_at: datetime | None = None
) -> OrderIntent:
    now = utc_now()
    changes: dict[str, Any] = {"error_code": code[:60], "error_text": text[:400], "answered_at": answered_at or now}
    if state == State.UNKNOWN:
        changes["next_look_at"] = now
    with transaction.atomic():
        row = OrderIntent.objects.filter(pk=intent.pk, state=State.SENDING)
        # The WebSocket may have shown the order before the answer came (RELIABILITY A10).
        if row.update(state=state, version=F("version") + 1, **changes):
            killpoints.reach("end.stored")
            ended_record(intent, state=state, code=code, text=text)
            if state == State.UNKNOWN:
                queue.enqueue_on_commit(queue.INTENT_RESOLVE, intent.pk)
    intent.refresh_from_db()
    return intent


def ended_record(intent: OrderIntent, *, state: OrderIntent.State, code: str, text: str) -> None:
    """Publish and audit an intent's new state. Inside the transaction that changed it."""
    account: ExchangeAccount = intent.account
    fresh = OrderIntent.objects.get(pk=intent.pk)
    events.intent_publish(fresh)
    audit.record(
        f"orders.intent.{state.value}",
        actor_id=None,
        desk_id=intent.desk_id,
        environment=account.environment,
        target=f"order_intent:{intent.pk}",
        data={"code": code[:60], "text": text[:400]},
    )
    killpoints.reach("end.audited")


def intents_expire(*, intent_id: int | None = None, now: datetime | None = None) -> int:
    """COMMITTED and older than GOOD_FOR -> REFUSED; returns how many. Nothing of them was sent."""
    now = now or utc_now()
    late = OrderIntent.objects.filter(state=State.COMMITTED, created_at__lte=now - GOOD_FOR)
    if intent_id is not None:
        late = late.filter(pk=intent_id)
    count = 0
    for intent in late.select_related("account"):
        with transaction.atomic():
            changed = OrderIntent.objects.filter(pk=intent.pk, state=State.COMMITTED).update(
                state=State.REFUSED,
                version=F("version") + 1,
                answered_at=now,
                error_code="too_late",
                error_text=TOO_LATE,
            )
            if changed:
                ended_record(intent, state=State.REFUSED, code="too_late", text=TOO_LATE)
                count += 1
    return count


def intents_interrupted(*, older_than: timedelta, now: datetime | None = None) -> int:
    """SENDING without an answer for `older_than` -> UNKNOWN; returns how many.

    The worker died, or hangs. It is never sent again: the exchange may have it.
    """
    now = now or utc_now()
    text = "The desk was interrupted while sending. Looking it up at the exchange."
    stuck = OrderIntent.objects.filter(state=State.SENDING, claimed_at__lte=now - older_than).select_related("account")
    ended = 0
    for intent in stuck:
        gone_at = intent.claimed_at and intent.claimed_at + LEFT_WITHIN
        known = intent_unknown(intent, code="interrupted", text=text, gone_at=gone_at)
        ended += int(known.state == State.UNKNOWN)
    return ended
