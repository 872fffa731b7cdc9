"""Several orders at once: a dry run that says what is wrong with which line, and one commit for all or none.

Each line is an intent of its own, with its own key and its own one send. They leave in requests of a few
(BatchCreateOrdersV2): one request that is lost makes only its own lines UNKNOWN. Cost: 10 tokens per line.
"""

import logging
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from django.db import IntegrityError, transaction

from apps.accounts.models import ExchangeAccount
from apps.core.durability import reaches_disk_later
from apps.core.errors import DeskError, not_sent
from apps.core.money import dollars_text
from apps.core.permissions import Actor, Permission
from apps.core.timestamps import utc_now
from apps.exchange.clients import client_for
from apps.exchange.models import AccountLimits
from apps.exchange.wire import api
from apps.exchange.wire.api.orders import CREATE_COST
from apps.exchange.wire.errors import ExchangeError, Refused
from apps.exchange.wire.limits import RESERVE
from apps.exchange.wire.schemas.rest import OrderAck
from apps.orders import events, queue, spill
from apps.orders.access import require_somewhere
from apps.orders.costs import CostEstimate
from apps.orders.models import OrderIntent
from apps.orders.services import send
from apps.orders.services.ask_again import ask_again_check
from apps.orders.services.checks import account_check, holding_of, market_check, order_check
from apps.orders.services.gate import gate_note
from apps.orders.services.limit_rows import InForce
from apps.orders.services.order_approval import approval_refuse
from apps.orders.services.routes import route_of
from apps.orders.services.shown import shown_of
from apps.orders.services.submit import intent_commit, known_intent, may_trade_check
from apps.orders.tickets import OrderTicket

logger = logging.getLogger(__name__)

TOKENS_PER_ORDER = CREATE_COST
# The exchange names no largest batch; it scales with the write budget. Few lines per request also
# mean few lines in doubt when one is lost.
LINES_PER_REQUEST = 20
BASIC_WRITE_CAPACITY = 100  # docs:rate_limits, the lowest tier


@dataclass(frozen=True, slots=True)
class BatchLine:
    """One line of a dry run. number: from 1. Dollars; None where it cannot be said."""

    number: int
    error: DeskError | None
    cost: Decimal | None = None
    fee: Decimal | None = None
    worst_case: Decimal | None = None
    estimate: CostEstimate | None = None
    shown: str = ""  # for `order.batch`, see services.shown
    ask_again: DeskError | None = None  # its author has to prove who they are before it is sent


def batch_check(
    actor: Actor,
    tickets: Mapping[int, OrderTicket],
    *,
    faults: Mapping[int, DeskError],
    now: datetime | None = None,
) -> list[BatchLine]:
    """Check every line as if the good ones before it were placed. Stores and sends nothing.

    Raises NotAllowed, NotFound, DeskError `no_key`: then no line could be sent.
    """
    require_somewhere(actor, Permission.DESK_VIEW)
    now = now or utc_now()
    lines = [BatchLine(number, error) for number, error in faults.items()]
    before: list[OrderTicket] = []
    spent = Decimal(0)
    keys: set[uuid.UUID] = set()
    for number, ticket in sorted(tickets.items()):
        try:
            if ticket.idempotency_key.int and ticket.idempotency_key in keys:
                raise DeskError("key_twice", "Two lines carry the same key. Paste the table again.")
            estimate, shown, force = _line_check(actor, ticket, before=before, spent=spent, now=now)
        except DeskError as exc:
            lines.append(BatchLine(number, exc))
            continue
        keys.add(ticket.idempotency_key)
        before.append(ticket)
        spent += estimate.cost + (estimate.fee_one_fill or Decimal(0))
        worst = (estimate.fee_worst_split, estimate.worst_case)
        lines.append(BatchLine(number, None, estimate.cost, *worst, estimate, shown, _asks_again(actor, force, ticket)))
    return sorted(lines, key=lambda line: line.number)


def _line_check(
    actor: Actor, ticket: OrderTicket, *, before: Sequence[OrderTicket], spent: Decimal, now: datetime
) -> tuple[CostEstimate, str, InForce]:
    account = account_check(actor, ticket.account_id, ticket.subaccount)
    force = may_trade_check(actor, ticket, account=account, now=now, before=before)
    approval_refuse(actor, force, ticket, now=now, before=before)
    estimate = order_check(actor, ticket, account=account, now=now)
    holding = holding_of(ticket.account_id, ticket.subaccount, ticket.ticker)
    needed = estimate.cost + (estimate.fee_one_fill or Decimal(0))
    if holding.cash is not None and needed and spent + needed > holding.cash:
        total, cash = dollars_text(spent + needed), dollars_text(holding.cash)
        text = f"With the lines before it this needs {total}; the balance is {cash}."
        raise DeskError("insufficient_funds", text, fields={"count": text})
    market = market_check(actor, account.environment, ticket.ticker, now=now)
    return estimate, shown_of(market, estimate), force


def _asks_again(actor: Actor, force: InForce, ticket: OrderTicket) -> DeskError | None:
    try:
        ask_again_check(actor, force, ticket)
    except DeskError as exc:
        return exc
    return None


def batch_submit(
    actor: Actor,
    tickets: Mapping[int, OrderTicket],
    *,
    batch_key: uuid.UUID,
    faults: Mapping[int, DeskError],
    now: datetime | None = None,
) -> list[OrderIntent]:
    """Commit every line or none, then queue them; returns the intents in the order of the lines.

    Lines whose key is known are returned as they are, so that a repeat of the whole batch changes nothing.

    Raises:
        NotAllowed, NotFound: role, or another desk's account.
        DeskError: `batch_refused`, with what is wrong by line number; `ask_again`. Nothing was stored.
    """
    require_somewhere(actor, Permission.ORDER_PLACE)
    now = now or utc_now()
    known = {number: known_intent(actor, ticket) for number, ticket in tickets.items()}
    new = {number: ticket for number, ticket in tickets.items() if known[number] is None}
    checked = batch_check(actor, new, faults=faults, now=now)
    wrong = [line for line in checked if line.error is not None]
    if wrong:
        fields = {str(line.number): line.error.text for line in wrong if line.error}
        raise DeskError("batch_refused", f"{len(wrong)} of the lines cannot be sent, so none was.", fields=fields)
    for line in checked:
        if line.ask_again is not None:
            raise line.ask_again
    estimates = {line.number: line.estimate for line in checked if line.estimate is not None}
    try:
        with reaches_disk_later(), transaction.atomic():
            intents = [
                known_intent(actor, ticket)
                or _commit(actor, ticket, estimate=estimates[number], batch_key=batch_key, now=now)
                for number, ticket in sorted(tickets.items())
            ]
            waiting = [one.pk for one in intents if one.state == OrderIntent.State.COMMITTED]
            if waiting:
                queue.enqueue_on_commit(queue.BATCH_SEND, *waiting)
    except IntegrityError:
        # The same batch was sent twice at once, and the other one has committed it.
        known = {number: known_intent(actor, ticket) for number, ticket in tickets.items()}
        intents = [intent for _, intent in sorted(known.items()) if intent is not None]
        if len(intents) != len(tickets):
            raise
    return intents


def _commit(
    actor: Actor, ticket: OrderTicket, *, estimate: CostEstimate, batch_key: uuid.UUID, now: datetime
) -> OrderIntent:
    account = ExchangeAccount.objects.get(pk=ticket.account_id)
    return intent_commit(actor, ticket, account=account, estimate=estimate, now=now, batch_key=batch_key)


def batch_send(intent_ids: Sequence[int]) -> None:
    """Send committed intents of one account, a few per request; each at most once, ever.

    Safe to call twice, late, or never: each request claims its own lines first, and what nobody claims in
    time is refused.
    """
    first = OrderIntent.objects.filter(pk__in=intent_ids).first()
    if first is None:
        return
    size = lines_per_request(first.account_id)
    for start in range(0, len(intent_ids), size):
        _send_some(first.account_id, intent_ids[start : start + size])


def lines_per_request(account_id: int) -> int:
    """As many as the share of the write bucket that is not kept for cancels pays for at once."""
    limits = AccountLimits.objects.filter(account_id=account_id).first()
    capacity = limits.write_capacity if limits else BASIC_WRITE_CAPACITY
    return max(1, min(LINES_PER_REQUEST, int(capacity * (1 - RESERVE)) // CREATE_COST))


def _send_some(account_id: int, intent_ids: Sequence[int]) -> None:
    if spill.is_pending():
        return  # the sweep takes it from here
    claimed: list[OrderIntent] = []
    for pk in intent_ids:
        if not send.claim(pk):
            send.intents_expire(intent_id=pk)
            continue
        intent = OrderIntent.objects.select_related("account").get(pk=pk, account_id=account_id)
        try:
            send.check_again(intent)
        except DeskError as exc:
            send.intent_refuse(intent, code=exc.code, text=not_sent(exc.text))
            continue
        claimed.append(intent)
    if claimed:
        outcomes = _attempt(account_id, claimed)
        for intent, outcome in zip(claimed, outcomes, strict=True):
            send.outcome_record(intent, outcome)
        told = [outcome.is_whole for outcome in outcomes if outcome.is_whole is not None]
        if told:
            gate_note(claimed[0].account, is_whole=any(told))  # one answer, however many lines it was for


def _attempt(account_id: int, intents: Sequence[OrderIntent]) -> list[send.Outcome]:
    """Make the one attempt for all of them, outside any transaction.

    A whole request that was lost leaves every line unknown; what the exchange says of one line counts for it alone.
    """
    try:
        route = route_of(account_id)
        if route is not None:
            return [send.attempt_by(route, intent) for intent in intents]
        client = client_for(account_id, write=True)
        if any(send.is_stale(intent) for intent in intents):
            return [send.Outcome("refused", "too_late", send.TOO_LATE)] * len(intents)
        answers = api.create_orders(
            client, [send.new_order(intent) for intent in intents], on_sent=lambda: _sending_publish(intents)
        )
    except (ExchangeError, DeskError) as exc:
        return [send.failure_read(intent, exc) for intent in intents]
    return [_line_outcome(intent, answer) for intent, answer in zip(intents, answers, strict=True)]


def _sending_publish(intents: Sequence[OrderIntent]) -> None:
    for intent in intents:
        events.intent_sending_publish(intent)


def _line_outcome(intent: OrderIntent, answer: api.Outcome) -> send.Outcome:
    if isinstance(answer.ack, OrderAck):
        return send.answer_read(intent, answer.ack)
    if answer.error is not None and (answer.error.code or answer.error.message):
        words = answer.error
        if words.code in _NOT_A_REFUSAL:
            return send.Outcome("unknown", words.code, words.message)
        refused = Refused(status=400, code=words.code, message=words.message or words.code, details=words.details)
        return send.failure_read(intent, refused)
    text = "The exchange's answer says nothing about this line."
    return send.Outcome("unknown", "schema", text, is_whole=False)


# Words of an item that do not prove that there is no order: it exists already, or the exchange lost track of it.
_NOT_A_REFUSAL = frozenset(
    {"order_already_exists", "already_exists", "internal_server_error", "internal", "internal_error", "timeout",
     "service_unavailable", "unavailable"}
)  # fmt: skip
