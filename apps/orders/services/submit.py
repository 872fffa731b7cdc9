"""From a ticket to a committed intent. Nothing is sent here."""

import logging
import uuid
from collections.abc import Sequence
from datetime import datetime

from django.db import IntegrityError, transaction

from apps.accounts.models import ChangeRequest, ExchangeAccount
from apps.audit import services as audit
from apps.core import killpoints
from apps.core.durability import reaches_disk_later
from apps.core.errors import DeskError
from apps.core.permissions import Actor, Permission
from apps.core.prepared import Prepared
from apps.core.prepared_writes import PreparedInsert
from apps.core.timestamps import utc_now
from apps.orders import events, lane, queue
from apps.orders.access import require_on
from apps.orders.costs import CostEstimate
from apps.orders.models import OrderIntent
from apps.orders.services.checks import account_check, order_check
from apps.orders.services.gate import gate_check
from apps.orders.services.limit_rows import InForce
from apps.orders.services.limits import limits_check
from apps.orders.services.order_approval import approval_gate
from apps.orders.services.pauses import pause_check
from apps.orders.services.quotes import QuotesAsked
from apps.orders.services.recover import spill_check
from apps.orders.tickets import OrderTicket

logger = logging.getLogger(__name__)

_known = Prepared(lambda user_id, key: OrderIntent.objects.filter(placed_by_id=user_id, idempotency_key=key))
_store = PreparedInsert(OrderIntent)


def intent_submit(
    actor: Actor, ticket: OrderTicket, *, now: datetime | None = None, approval: ChangeRequest | None = None
) -> OrderIntent:
    """Check a ticket, commit the intent and its audit row, then queue the send.

    The same idempotency key gives the same intent, however often and from however many threads
    it is submitted, also after the market has closed in between.

    Returns:
        The intent: COMMITTED, or further on when the key was seen before.

    Raises:
        NotAllowed, NotFound: role, or another desk's account.
        DeskError: what is wrong with the ticket, in words; `idempotency_mismatch` when the key
            belongs to a different order. Nothing was stored and nothing will be sent.
        ApprovalNeeded: above a threshold, without the approval of exactly this ticket.
    """
    killpoints.reach("submit.started")
    require_on(actor, Permission.ORDER_PLACE, ticket.account_id, ticket.subaccount)
    now = now or utc_now()
    known = known_intent(actor, ticket)
    if known is not None:
        return known
    account = account_check(actor, ticket.account_id, ticket.subaccount)
    announced = lane.Announced(account.pk)  # not before it is known to be this desk's
    try:
        asked = QuotesAsked(account.environment, ticket.ticker)
        try:
            estimate = order_check(actor, ticket, account=account, now=now)
            force = may_trade_check(actor, ticket, account=account, now=now, asked=asked)
        finally:
            asked.drop()
    finally:
        announced.end()
    approval_gate(actor, ticket, force, approval=approval, now=now)
    killpoints.reach("submit.checked")
    try:
        # On the disk before the first byte leaves: the flush of its claim carries it.
        with reaches_disk_later(), transaction.atomic():
            # Two clicks that both found nothing: the unique constraint turns the second away.
            return intent_commit(actor, ticket, account=account, estimate=estimate, now=now, approval=approval)
    except IntegrityError:
        known = known_intent(actor, ticket)
        if known is None:
            raise
        return known


def may_trade_check(
    actor: Actor,
    ticket: OrderTicket,
    *,
    account: ExchangeAccount,
    now: datetime,
    before: Sequence[OrderTicket] = (),
    asked: QuotesAsked | None = None,
) -> InForce:
    """Is this person free to trade, and inside their limits? Returns what holds. Raises DeskError.

    before: earlier lines of the same batch. asked: for the best prices of the market, already.
    """
    spill_check()
    pause_check(user_id=actor.user_id, desk_id=actor.desk_id)
    gate_check(account.pk)
    return limits_check(actor, ticket, account=account, now=now, before=before, asked=asked)


def intent_commit(
    actor: Actor,
    ticket: OrderTicket,
    *,
    account: ExchangeAccount,
    estimate: CostEstimate,
    now: datetime,
    batch_key: uuid.UUID | None = None,
    approval: ChangeRequest | None = None,
) -> OrderIntent:
    """Store the intent with its audit row, and queue its send; a batch queues its lines itself."""
    intent = _store(
        OrderIntent(
            **_terms(ticket),
            desk_id=account.desk_id,
            placed_by_id=actor.user_id,
            idempotency_key=ticket.idempotency_key,
            created_at=now,
            batch_key=batch_key,
            shown=ticket.shown,
            fee_shown=estimate.fee_one_fill,
            fee_shown_worst=estimate.fee_worst_split,
            approval=approval,
        )
    )
    killpoints.reach("submit.stored")
    if batch_key is None:
        # First: nobody waits for the row as the order itself waits for its turn.
        queue.order_send_on_commit(intent.pk)
    events.intent_new_publish(intent)
    audit.record(
        "orders.intent.committed",
        actor_id=actor.user_id,
        desk_id=account.desk_id,
        environment=account.environment,
        target=f"order_intent:{intent.pk}",
        data={**_terms(ticket), "client_order_id": intent.client_order_id},
    )
    killpoints.reach("submit.audited")
    return intent


def known_intent(actor: Actor, ticket: OrderTicket) -> OrderIntent | None:
    """Return the intent of this key. Raises DeskError when it is a different order."""
    known = _known.first(actor.user_id, ticket.idempotency_key)
    if known is None:
        return None
    if known.desk_id != actor.desk_id or any(getattr(known, name) != value for name, value in _terms(ticket).items()):
        raise DeskError(
            "idempotency_mismatch",
            "This ticket was sent already with other values. Look at the blotter, then open a new ticket.",
        )
    return known


def _terms(ticket: OrderTicket) -> dict[str, object]:
    """Return the columns of an intent that say what the order is."""
    return {
        "account_id": ticket.account_id,
        "subaccount": ticket.subaccount,
        "ticker": ticket.ticker,
        "book_side": ticket.book_side,
        "entered_as": ticket.side,
        "price": ticket.yes_price,
        "count": ticket.count,
        "time_in_force": ticket.time_in_force,
        "expires_at": ticket.expires_at,
        "is_post_only": ticket.is_post_only,
        "is_reduce_only": ticket.is_reduce_only,
        "cancel_on_pause": ticket.cancel_on_pause,
        "self_trade_prevention": ticket.self_trade_prevention,
        "order_group_id": ticket.order_group_id,
    }
