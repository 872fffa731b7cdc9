"""Send a change: an amend at most once, then it is looked up; a decrease until the exchange shows it.

A decrease names an absolute rest, so its repeat is harmless; an amend in doubt is answered by reading the
order: it either has the new price and total, or it ended, or the exchange's data reaches past the send and
still shows the old ones (NOT_SEEN, which any later evidence turns into DONE). RELIABILITY 3a, A14.
"""

import logging
import random
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.db.models import F, Q

from apps.audit import services as audit
from apps.core import killpoints
from apps.core.errors import DeskError, NotAllowed, WireFormatError, not_sent
from apps.core.money import format_count, format_price, parse_count
from apps.core.permissions import Permission
from apps.core.timestamps import from_unix_ms, parse_rfc3339, utc_now
from apps.exchange.clients import client_for
from apps.exchange.wire import api
from apps.exchange.wire.errors import (
    AlreadyExists,
    ExchangeError,
    NotExecuted,
    NotSent,
    OutcomeUnknown,
    RateLimited,
    Refused,
)
from apps.exchange.wire.schemas.rest import OrderAck
from apps.orders import queue
from apps.orders.access import actor_of
from apps.orders.models import BookSide, ChangeIntent, Order
from apps.orders.reports import OrderReport
from apps.orders.services.apply import order_apply
from apps.orders.services.change import OPEN_CHANGES, amend_check, order_touch
from apps.orders.services.changes_close import outcome_of
from apps.orders.services.lookup import arrives_by, order_lookup
from apps.orders.services.routes import route_of
from apps.orders.services.send import GOOD_FOR, LEFT_WITHIN, SENDS_WITHIN, TOO_LATE

logger = logging.getLogger(__name__)

Kind = ChangeIntent.Kind
State = ChangeIntent.State
CLAIM_FOR = timedelta(seconds=30)  # a decrease in SENDING for longer lost its worker
MAX_BACKOFF_SECONDS = 30


def change_send(change_id: int) -> ChangeIntent | None:
    """Make the one attempt of an amend, or one attempt of a decrease. None when nothing was due.

    Safe to call twice, late, or never. Cost: 10 write tokens.
    Source: docs:api-reference/orders/amend-order-v2, decrease-order-v2.
    """
    if not _claim(change_id):
        changes_expire(change_id=change_id)
        return None
    killpoints.reach("change.claimed")
    change = ChangeIntent.objects.select_related("order__account").get(pk=change_id)
    with transaction.atomic():
        order_touch(change.order_id)
    if change.order.status != Order.Status.RESTING:
        return _end(change, state=State.ENDED)
    try:
        _check_again(change)
    except DeskError as exc:
        return _end(change, state=State.REFUSED, code=exc.code, text=not_sent(exc.text))
    killpoints.reach("change.checked")
    return _amend(change) if change.kind == Kind.AMEND else _decrease(change)


def _claim(change_id: int) -> bool:
    """One conditional UPDATE: an amend leaves COMMITTED once, ever."""
    now = utc_now()
    amend = Q(kind=Kind.AMEND, state=State.COMMITTED, created_at__gt=now - GOOD_FOR)
    waiting = Q(state__in=[State.COMMITTED, State.UNKNOWN]) & (Q(next_attempt_at=None) | Q(next_attempt_at__lte=now))
    abandoned = Q(state=State.SENDING, sent_at__lte=now - CLAIM_FOR)
    due = ChangeIntent.objects.filter(amend | (Q(kind=Kind.DECREASE) & (waiting | abandoned)), pk=change_id)
    return due.update(state=State.SENDING, attempts=F("attempts") + 1, sent_at=now) == 1


def _check_again(change: ChangeIntent) -> None:
    """Ask once more for the person's right, and for an amend for everything else. Raises DeskError."""
    order = change.order
    actor = actor_of(user_id=change.requested_by_id, desk_id=order.account.desk_id)
    needed = Permission.ORDER_PLACE if change.kind == Kind.AMEND else Permission.ORDER_CANCEL
    if actor is None or not actor.may_on(needed, order.account_id, order.subaccount):
        raise NotAllowed("The person's roles no longer allow this.")
    if change.kind == Kind.AMEND:
        amend_check(actor, order, price=change.price, count=change.count, now=utc_now(), shown=change.shown)


def _amend(change: ChangeIntent) -> ChangeIntent:
    """Make the one attempt, outside any transaction: a rollback would forget it."""
    order = change.order
    try:
        if change.sent_at is None or utc_now() - change.sent_at > SENDS_WITHIN:
            return _end(change, state=State.REFUSED, code="too_late", text=TOO_LATE)
        route = route_of(order.account_id)
        if route is not None:
            route.amend(change)
            return _told(change)
        client = client_for(order.account_id, write=True)
        if utc_now() - change.sent_at > SENDS_WITHIN:
            return _end(change, state=State.REFUSED, code="too_late", text=TOO_LATE)
        killpoints.reach("amend.client_ready")
        ack = api.amend_order(
            client,
            order.order_id,
            ticker=order.ticker,
            side="bid" if order.book_side == BookSide.BID else "ask",
            price=format_price(change.price),
            count=format_count(change.count),
            subaccount=order.subaccount,
        )
    except Refused as exc:
        return _refused(change, exc)
    except (NotSent, RateLimited) as exc:
        return _end(change, state=State.REFUSED, code=exc.code, text=not_sent(exc.text))
    except DeskError as exc:
        return _end(change, state=State.REFUSED, code=exc.code, text=not_sent(exc.text))
    except (AlreadyExists, NotExecuted, OutcomeUnknown) as exc:
        return _unknown(change, code=exc.code, text=exc.text)
    killpoints.reach("amend.answered")
    if ack.order_id != order.order_id:
        return _unknown(change, code="schema", text="The exchange's answer names another order.")
    _amended(change, ack)
    killpoints.reach("amend.applied")
    return _end(change, state=State.DONE)


def _told(change: ChangeIntent) -> ChangeIntent:
    """The exchange's word is stored: it has ended the change, or the order is read."""
    change.refresh_from_db()
    if change.state not in OPEN_CHANGES:
        return change
    order = Order.objects.get(pk=change.order_id)
    if order.status != Order.Status.RESTING:
        return _end(change, state=State.ENDED)
    if change.kind == Kind.DECREASE:
        if order.remaining_count <= change.count:
            return _end(change, state=State.DONE)
        return _again(change, state=State.UNKNOWN, code="not_confirmed", text="More rests than was asked for.")
    return _unknown(change, code="not_confirmed", text="The exchange answered, and the order does not show it yet.")


def _amended(change: ChangeIntent, ack: OrderAck) -> None:
    """Show the accepted amend at once; what the answer leaves open is read."""
    order = Order.objects.get(pk=change.order_id)
    try:
        rest = (
            parse_count(ack.remaining_count) if ack.remaining_count is not None else change.count - order.filled_count
        )
        moment = from_unix_ms(ack.ts_ms) if ack.ts_ms is not None else None
    except WireFormatError:
        order_lookup(order.pk)
        return
    if not 0 < rest <= change.count or order.status != Order.Status.RESTING:
        order_lookup(order.pk)  # filled, or taken off by self-trade prevention: the order itself says which
        return
    report = OrderReport(
        order_id=order.order_id,
        ticker=order.ticker,
        book_side=order.book_side,
        price=change.price,
        status=Order.Status.RESTING,
        initial_count=change.count,
        filled_count=max(order.filled_count, change.count - rest),
        remaining_count=rest,
        client_order_id=order.client_order_id,
        subaccount=order.subaccount,
        updated_at=moment,
    )
    order_apply(order.account_id, report, source="answer")


def _decrease(change: ChangeIntent) -> ChangeIntent:
    order = change.order
    if order.remaining_count <= change.count:
        return _end(change, state=State.DONE)  # fills did it
    try:
        route = route_of(order.account_id)
        if route is not None:
            route.decrease(change)
            return _told(change)
        client = client_for(order.account_id, write=True)
        killpoints.reach("decrease.client_ready")
        ack = api.decrease_order(
            client, order.order_id, reduce_to=format_count(change.count), subaccount=order.subaccount
        )
        rest = parse_count(ack.remaining_count)
    except Refused as exc:
        return _refused(change, exc)
    except (NotSent, RateLimited, DeskError) as exc:
        return _again(change, state=State.COMMITTED, code=exc.code, text=exc.text)
    except (AlreadyExists, NotExecuted, OutcomeUnknown) as exc:
        return _again(change, state=State.UNKNOWN, code=exc.code, text=exc.text)
    except WireFormatError as exc:
        return _again(change, state=State.UNKNOWN, code="schema", text=f"The answer is not a decrease: {exc}")
    killpoints.reach("decrease.answered")
    if rest > change.count:
        return _again(change, state=State.UNKNOWN, code="not_confirmed", text="More rests than was asked for.")
    order_lookup(order.pk)
    killpoints.reach("decrease.looked")
    return _end(change, state=State.DONE)


def _refused(change: ChangeIntent, exc: Refused) -> ChangeIntent:
    """A no may mean that the order is gone, or that fills were faster: ask what it is now."""
    if exc.status in (401, 403):
        return _end(change, state=State.REFUSED, code=exc.code, text=exc.text)
    order = order_lookup(change.order_id)
    if order is not None and order.status != Order.Status.RESTING:
        return _end(change, state=State.ENDED)
    if order is not None and change.kind == Kind.DECREASE and order.remaining_count <= change.count:
        return _end(change, state=State.DONE)
    return _end(change, state=State.REFUSED, code=exc.code, text=exc.text)


def change_resolve(change_id: int) -> ChangeIntent:
    """Look what became of an amend in doubt; reading only. Anything unclear keeps UNKNOWN and looks again."""
    change = ChangeIntent.objects.select_related("order__account").get(pk=change_id)
    if change.kind == Kind.AMEND and change.state == State.SENDING:
        order_lookup(change.order_id)  # its sender may have died; an order that shows the change ends it
        change.refresh_from_db()
        return change
    if change.kind != Kind.AMEND or change.state != State.UNKNOWN:
        return change
    killpoints.reach("amend.look_started")
    try:
        client = client_for(change.order.account_id, write=False)
        # Asked before the order: what the order does not show then, was not there at this time.
        data_as_of = parse_rfc3339(api.get_user_data_timestamp(client))
    except (ExchangeError, DeskError, WireFormatError) as exc:
        return _again(change, state=State.UNKNOWN, code=change.error_code, text=f"The last look failed: {exc}")
    killpoints.reach("amend.look_dated")
    order = order_lookup(change.order_id)  # applying it closes the change when the order shows it
    killpoints.reach("amend.looked")
    change.refresh_from_db()
    if change.state != State.UNKNOWN or order is None:
        return change if order is not None else _again(change, state=State.UNKNOWN, code="", text="Could not be read.")
    environment = change.order.account.environment
    last_moment = change.answered_at or change.sent_at or change.created_at
    missing = arrives_by(environment, last_moment) - data_as_of
    if missing >= timedelta(0):
        within = missing + timedelta(seconds=1)
        return _again(change, state=State.UNKNOWN, code=change.error_code, text=change.error_text, within=within)
    return _end(change, state=State.NOT_SEEN, code=change.error_code, text=change.error_text)


def changes_expire(*, change_id: int | None = None, now: datetime | None = None) -> None:
    """An amend that could not be claimed in time is REFUSED: the trader meant that moment's market."""
    now = now or utc_now()
    late = ChangeIntent.objects.filter(kind=Kind.AMEND, state=State.COMMITTED, created_at__lte=now - GOOD_FOR)
    for change in late if change_id is None else late.filter(pk=change_id):
        _store(change, [State.COMMITTED], state=State.REFUSED, error_code="too_late", error_text=TOO_LATE)


def changes_interrupted(*, older_than: timedelta, now: datetime | None = None) -> None:
    """An amend whose worker died or hangs is UNKNOWN; it is never sent again."""
    now = now or utc_now()
    text = "The desk was interrupted while sending."
    for change in ChangeIntent.objects.filter(kind=Kind.AMEND, state=State.SENDING, sent_at__lte=now - older_than):
        _unknown(change, code="interrupted", text=text, gone_at=change.sent_at and change.sent_at + LEFT_WITHIN)


def _unknown(change: ChangeIntent, *, code: str, text: str, gone_at: datetime | None = None) -> ChangeIntent:
    """gone_at: the last moment at which a byte of it may have left us; now when not given."""
    now = utc_now()
    return _store(
        change,
        [State.SENDING],
        state=State.UNKNOWN,
        error_code=code[:60],
        error_text=text[:400],
        answered_at=gone_at or now,
        next_attempt_at=now,
    )


def _again(
    change: ChangeIntent, *, state: ChangeIntent.State, code: str, text: str, within: timedelta = timedelta.max
) -> ChangeIntent:
    """Leave it open; the sweep looks or sends again after a growing, slightly random pause.

    within: when it can be decided at the latest, so that nobody waits longer than that.
    """
    seconds = min(MAX_BACKOFF_SECONDS, 2 ** min(change.attempts, 5)) * random.uniform(0.8, 1.2)  # noqa: S311 - jitter
    pause = min(within, timedelta(seconds=seconds))
    return _store(
        change,
        OPEN_CHANGES,
        state=state,
        attempts=F("attempts") + int(change.kind == Kind.AMEND),
        error_code=code[:60],
        error_text=text[:400],
        next_attempt_at=utc_now() + pause,
    )


def _end(change: ChangeIntent, *, state: ChangeIntent.State, code: str = "", text: str = "") -> ChangeIntent:
    now = utc_now()
    order = Order.objects.get(pk=change.order_id)
    return _store(
        change,
        OPEN_CHANGES,
        state=state,
        error_code=code[:60],
        error_text=text[:400],
        answered_at=change.answered_at or now,
        resolved_at=now,
        outcome=outcome_of(change, order, state=state)[:200],
    )


def _store(change: ChangeIntent, states: Any, **changes: Any) -> ChangeIntent:
    """Write, publish and audit, unless another source has ended it meanwhile."""
    with transaction.atomic():
        if ChangeIntent.objects.filter(pk=change.pk, state__in=states).update(**changes):
            killpoints.reach("change.noted")
            order_touch(change.order_id)
            order = Order.objects.select_related("account").get(pk=change.order_id)
            if changes["state"] != change.state:
                audit.record(
                    f"orders.change.{changes['state']}",
                    actor_id=None,
                    desk_id=order.account.desk_id,
                    environment=order.account.environment,
                    target=f"change_intent:{change.pk}",
                    data={"code": changes.get("error_code", ""), "text": changes.get("error_text", "")},
                )
            if changes["state"] == State.UNKNOWN and change.kind == Kind.AMEND and "answered_at" in changes:
                queue.enqueue_on_commit(queue.CHANGE_RESOLVE, change.pk)
    change.refresh_from_db()
    return change
