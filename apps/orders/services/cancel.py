"""Cancels: sent again until the order is terminal, because a repeat is harmless.

A cancel that is answered 404, or refused because the order is done, is a question and not an
answer: the order may have filled. It is looked up before anything is said.
"""

import logging
import random
import uuid
from datetime import timedelta
from decimal import Decimal
from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import F, Q

from apps.audit import services as audit
from apps.core import killpoints
from apps.core.durability import reaches_disk_later
from apps.core.errors import DeskError, WireFormatError
from apps.core.money import parse_count
from apps.core.permissions import Actor, Permission
from apps.core.timestamps import from_unix_ms, utc_now
from apps.exchange.clients import client_for
from apps.exchange.wire import api
from apps.exchange.wire.errors import AlreadyExists, NotExecuted, NotSent, OutcomeUnknown, RateLimited, Refused
from apps.exchange.wire.schemas.rest import CancelAck
from apps.orders import events, queue
from apps.orders.access import actor_of, order_for, require_on, require_somewhere
from apps.orders.models import CancelIntent, Order
from apps.orders.reports import OrderReport
from apps.orders.services.apply import OPEN_CANCELS, order_apply
from apps.orders.services.lookup import order_lookup
from apps.orders.services.routes import route_of

logger = logging.getLogger(__name__)

State = CancelIntent.State
# A cancel in SENDING for longer than this lost its worker; it is sent again.
CLAIM_FOR = timedelta(seconds=30)
MAX_BACKOFF_SECONDS = 30


def cancel_submit(actor: Actor, order: Order, *, idempotency_key: uuid.UUID) -> CancelIntent:
    """Commit a wish to cancel one order, then queue it. The same key, or an open wish, is returned as it is.

    Raises:
        NotAllowed, NotFound: role, or another desk's order.
        DeskError: `order_done` when it is filled or cancelled already, `idempotency_mismatch`.
    """
    require_somewhere(actor, Permission.ORDER_CANCEL)
    order = order_for(actor, order.order_id, account_id=order.account_id)
    require_on(actor, Permission.ORDER_CANCEL, order.account_id, order.subaccount)
    try:
        with reaches_disk_later(), transaction.atomic():
            return _known_cancel(actor, order, idempotency_key) or _commit(actor, order, idempotency_key)
    except IntegrityError:
        known = _known_cancel(actor, order, idempotency_key)
        if known is None:
            raise
        return known


def _known_cancel(actor: Actor, order: Order, key: uuid.UUID) -> CancelIntent | None:
    mine = CancelIntent.objects.filter(requested_by_id=actor.user_id, idempotency_key=key).first()
    if mine is not None and mine.order_id != order.pk:
        raise DeskError("idempotency_mismatch", "This key cancelled another order. Reload the page and cancel again.")
    return mine or CancelIntent.objects.filter(order=order, state__in=OPEN_CANCELS).first()


def _commit(actor: Actor, order: Order, key: uuid.UUID) -> CancelIntent:
    if order.status != Order.Status.RESTING:
        raise DeskError("order_done", f"There is nothing to cancel: the order is {order.get_status_display().lower()}.")
    now = utc_now()
    cancel = CancelIntent.objects.create(
        order=order, requested_by_id=actor.user_id, idempotency_key=key, created_at=now, next_attempt_at=now
    )
    killpoints.reach("cancel.stored")
    _order_touch(order.pk)
    queue.enqueue_on_commit(queue.CANCEL_SEND, cancel.pk)
    audit.record(
        "orders.cancel.committed",
        actor_id=actor.user_id,
        desk_id=order.account.desk_id,
        environment=order.account.environment,
        target=f"cancel_intent:{cancel.pk}",
        data={"order_id": order.order_id, "ticker": order.ticker},
    )
    return cancel


def cancel_send(cancel_id: int) -> CancelIntent | None:
    """Make one attempt. Returns the cancel afterwards, or None when nothing was due.

    Safe to call twice, late, or never. Cost: 2 write tokens, from the reserve for cancels.
    Source: docs:api-reference/orders/cancel-order-v2.
    """
    if not _claim(cancel_id):
        return None
    killpoints.reach("cancel.claimed")
    cancel = CancelIntent.objects.select_related("order__account").get(pk=cancel_id)
    order = cancel.order
    if order.status != Order.Status.RESTING:
        return _end(cancel, state=State.DONE)
    actor = actor_of(user_id=cancel.requested_by_id, desk_id=order.account.desk_id)
    if actor is None or not actor.may_on(Permission.ORDER_CANCEL, order.account_id, order.subaccount):
        return _end(cancel, state=State.REFUSED, code="not_allowed", text="The person's roles no longer allow this.")
    killpoints.reach("cancel.checked")
    try:
        # Another way than REST is tried first and once: a repeat takes a way of its own.
        route = route_of(order.account_id) if cancel.attempts == 1 else None
        if route is not None and route.cancel(cancel):
            killpoints.reach("cancel.answered")
            return _told(cancel)
        client = client_for(order.account_id, write=True)
        ack = api.cancel_order(client, order.order_id, subaccount=order.subaccount)
    except Refused as exc:
        return _refused(cancel, exc)
    except (NotSent, RateLimited) as exc:
        return _again(cancel, state=State.COMMITTED, code=exc.code, text=exc.text)
    except (AlreadyExists, NotExecuted, OutcomeUnknown) as exc:
        return _again(cancel, state=State.UNKNOWN, code=exc.code, text=exc.text)
    except DeskError as exc:
        return _again(cancel, state=State.COMMITTED, code=exc.code, text=exc.text)
    killpoints.reach("cancel.answered")
    return _answered(cancel, ack)


def _claim(cancel_id: int) -> bool:
    now = utc_now()
    waiting = Q(state__in=[State.COMMITTED, State.UNKNOWN]) & (Q(next_attempt_at=None) | Q(next_attempt_at__lte=now))
    abandoned = Q(state=State.SENDING, sent_at__lte=now - CLAIM_FOR)
    due = CancelIntent.objects.filter(waiting | abandoned, pk=cancel_id)
    return due.update(state=State.SENDING, attempts=F("attempts") + 1, sent_at=now) == 1


def _told(cancel: CancelIntent) -> CancelIntent:
    """The exchange's word is stored: it has ended the cancel, or the order is looked up."""
    cancel.refresh_from_db()
    return cancel if cancel.state == State.DONE else _look(cancel, code="", text="")


def _answered(cancel: CancelIntent, ack: CancelAck) -> CancelIntent:
    """Apply the answer to a cancel. Only a reduction above zero proves that this order was cancelled."""
    order = Order.objects.get(pk=cancel.order_id)
    try:
        reduced = parse_count(ack.reduced_by)
        moment = from_unix_ms(ack.ts_ms) if ack.ts_ms is not None else None
    except WireFormatError as exc:
        return _again(cancel, state=State.UNKNOWN, code="schema", text=f"The exchange's answer is not a cancel: {exc}")
    if reduced > 0 and order.status == Order.Status.RESTING:
        report = OrderReport(
            order_id=order.order_id,
            ticker=order.ticker,
            book_side=order.book_side,
            price=order.price,
            status=Order.Status.CANCELED,
            initial_count=order.initial_count,
            filled_count=order.filled_count,
            remaining_count=Decimal(0),
            client_order_id=order.client_order_id,
            subaccount=order.subaccount,
            updated_at=moment,
        )
        order_apply(order.account_id, report, source="answer")
        killpoints.reach("cancel.applied")
        if reduced != order.remaining_count:
            # The rest had filled, or was decreased before and we have not seen it: only the order says which.
            order_lookup(order.pk)
        cancel.refresh_from_db()
        return cancel
    return _look(cancel, code="", text="")


def _refused(cancel: CancelIntent, exc: Refused) -> CancelIntent:
    if exc.status in (401, 403):
        return _end(cancel, state=State.REFUSED, code=exc.code, text=exc.text)
    return _look(cancel, code=exc.code, text=exc.text, may_refuse=exc.status != 404)


def _look(cancel: CancelIntent, *, code: str, text: str, may_refuse: bool = False) -> CancelIntent:
    """Ask the exchange what the order is now: a terminal one ends the cancel."""
    order = order_lookup(cancel.order_id)
    if order is not None and order.status != Order.Status.RESTING:
        cancel.refresh_from_db()  # order_apply closed it
        return cancel if cancel.state == State.DONE else _end(cancel, state=State.DONE)
    if order is not None and may_refuse:
        return _end(cancel, state=State.REFUSED, code=code, text=text)
    return _again(cancel, state=State.UNKNOWN, code=code or "not_confirmed", text=text or "Not confirmed yet.")


def _again(cancel: CancelIntent, *, state: CancelIntent.State, code: str, text: str) -> CancelIntent:
    """Leave it open; the sweep makes the next attempt after a growing, slightly random pause."""
    pause = min(MAX_BACKOFF_SECONDS, 2 ** min(cancel.attempts - 1, 5)) * random.uniform(0.8, 1.2)  # noqa: S311 - jitter
    due = utc_now() + timedelta(seconds=pause)
    return _store(cancel, state=state, error_code=code[:60], error_text=text[:400], next_attempt_at=due)


def _end(cancel: CancelIntent, *, state: CancelIntent.State, code: str = "", text: str = "") -> CancelIntent:
    return _store(cancel, state=state, error_code=code[:60], error_text=text[:400], resolved_at=utc_now())


def _store(cancel: CancelIntent, **changes: Any) -> CancelIntent:
    with transaction.atomic():
        # DONE by another source in the meantime stays DONE.
        if CancelIntent.objects.filter(pk=cancel.pk, state__in=OPEN_CANCELS).update(**changes):
            _order_touch(cancel.order_id)
    cancel.refresh_from_db()
    return cancel


def _order_touch(order_pk: int) -> None:
    """Publish an order's row again because its cancel changed. Inside a transaction."""
    Order.objects.filter(pk=order_pk).update(version=F("version") + 1)
    events.order_publish(Order.objects.select_related("intent").get(pk=order_pk))
