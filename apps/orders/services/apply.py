"""The one door for what the exchange says about an order: answer, WebSocket and REST alike.

The same fact arrives up to three times, in any order, and late. Progress is monotone at the
exchange (fills only add up, a terminal order stays terminal), so a report is judged by its
progress first and by the exchange's clock second; duplicates and late reports change nothing.
"""

import logging
from datetime import timedelta
from decimal import Decimal
from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import F, Max, Sum

from apps.accounts.models import ExchangeAccount
from apps.audit import services as audit
from apps.audit.models import AuditEntry
from apps.core import killpoints, order_state
from apps.core.prepared import Prepared
from apps.core.prepared_writes import PreparedInsert, PreparedUpdate
from apps.core.timestamps import utc_now
from apps.orders import events
from apps.orders.models import CancelIntent, Fill, Order, OrderIntent
from apps.orders.reports import OrderReport, Source, uuid_or_none
from apps.orders.services.changes_close import changes_close
from apps.orders.services.fee_check import fees_predict

logger = logging.getLogger(__name__)

State = OrderIntent.State
# Evidence of an order ends each of these. COMMITTED too (claimed and answered in one step): a
# database restored from an old backup must not send what is already there.
ENDED_BY_EVIDENCE = (State.COMMITTED, State.SENDING, State.UNKNOWN, State.NOT_SEEN)
OPEN_CANCELS = (CancelIntent.State.COMMITTED, CancelIntent.State.SENDING, CancelIntent.State.UNKNOWN)
FIX_STAMPED_AFTER = timedelta(seconds=5)  # at most; the paper exchange's are milliseconds apart
_DETAILS = frozenset(
    {"fill_cost", "fees", "client_order_id", "order_group_id", "expires_at", "created_at", "updated_at"}
)
_TERMS = frozenset({"price", "initial_count"})
_INITIAL = frozenset({"initial_count"})
_orders = Prepared(lambda account_id, order_id: Order.objects.filter(account_id=account_id, order_id=order_id))
_orders_locked = Prepared(
    lambda account_id, order_id: Order.objects.select_for_update().filter(account_id=account_id, order_id=order_id)
)
_intents = Prepared(lambda pk: OrderIntent.objects.filter(pk=pk))
_accounts = Prepared(lambda pk: ExchangeAccount.objects.filter(pk=pk))
# Of intents whose order the desk has not seen yet.
_by_client_order_id = Prepared(
    lambda account_id, client_order_id: OrderIntent.objects.filter(
        account_id=account_id, client_order_id=client_order_id, order=None
    )
)
_by_order_id = Prepared(
    lambda account_id, order_id: OrderIntent.objects.filter(
        account_id=account_id, exchange_order_id=order_id, order=None
    )
)
_early_fills = Prepared(
    lambda account_id, order_id: Fill.objects.filter(account_id=account_id, order=None, order_id_text=order_id)[:1]
)
_store = PreparedInsert(Order)
_FOUND_BY = {
    "answer": "the answer",
    "ws": "its order message",
    "rest": "a look at the order list",
    "fix": "its execution report",
}


def _ending(at: str) -> PreparedUpdate[OrderIntent]:
    """Return the change that ends an intent by evidence; `at` is the column that says when."""
    return PreparedUpdate(
        lambda pk, order_id, evidence, now: (
            OrderIntent.objects.filter(pk=pk, state__in=ENDED_BY_EVIDENCE),
            {
                "state": State.ACKED,
                "version": F("version") + 1,
                "exchange_order_id": order_id,
                "error_code": "",
                "error_text": "",
                "evidence": evidence,
                "next_look_at": None,
                at: now,
            },
        )
    )


_end_by_answer, _end_by_look = _ending("answered_at"), _ending("resolved_at")


def order_apply(account_id: int, report: OrderReport, *, source: Source) -> Order | None:
    """Store what the exchange reports about one order; join it to its intent; publish once.

    Creates the order when it is new, with or without an intent of ours. Returns the order, or
    None for a status that this desk does not know yet (kept out, logged, read again later).
    """
    if report.status not in Order.Status.values:
        logger.warning("order %s has the unknown status %r; left as it was", report.order_id, report.status[:40])
        return None
    known = _known(account_id, report)
    if known is not None:
        return known
    try:
        with transaction.atomic():
            return _apply(account_id, report, source=source)
    except IntegrityError:
        # Two sources told a new order at the same moment; the row is there now.
        with transaction.atomic():
            return _apply(account_id, report, source=source)


def _known(account_id: int, report: OrderReport) -> Order | None:
    """Return the stored order when the report tells nothing beyond it. Reading only.

    Most reports repeat what is known: a sync lists every resting order. Each of them taking SQLite's one write
    lock would leave an order that is being placed waiting behind hundreds of them.
    """
    order = _orders.first(account_id, report.order_id)
    if order is None or not is_told(order, report):
        return None
    if order.intent_id is not None:
        order.intent = _intents.first(order.intent_id)
    intent = _intent_of(order, report)
    is_ended = intent is None or (order.intent_id == intent.pk and intent.state not in ENDED_BY_EVIDENCE)
    return order if is_ended else None


def is_told(order: Order, report: OrderReport) -> bool:
    """Whether the stored order has everything that a report tells of it."""
    told = columns_of(report)
    moment = told.pop("updated_at", None)
    if moment is not None and (order.updated_at is None or moment > order.updated_at):
        return False
    return all(getattr(order, name) == value for name, value in told.items())


def _apply(account_id: int, report: OrderReport, *, source: Source) -> Order:
    order = _orders_locked.first(account_id, report.order_id)
    if order is None:
        order = _store(
            Order(
                account_id=account_id,
                order_id=report.order_id,
                seen_at=utc_now(),
                source=source,
                **{"fill_cost": Decimal(0), "fees": Decimal(0), **columns_of(report)},
            )
        )
        if fills_link(order):
            fills_follow(order)
            fees_predict(order)
        changed = True
    else:
        changed = _advance(order, report, source=source)
    killpoints.reach("apply.stored")
    if _join(order, report, source=source) or changed:
        cancels_close(order)
        changes_close(order)
        events.order_publish(order)
    killpoints.reach("apply.joined")
    return order


def _advance(order: Order, report: OrderReport, *, source: Source) -> bool:
    """Bring a stored order up to the report. Under the order's row lock; returns whether it changed."""
    current = order_state.OrderReport(
        order_state.OrderStatus(order.status), order.filled_count, order.remaining_count, order.updated_at
    )
    new = order_state.OrderReport(
        order_state.OrderStatus(report.status), report.filled_count, report.remaining_count, report.updated_at
    )
    changes = {name: value for name, value in columns_of(report).items() if getattr(order, name) != value}
    is_next = report.follows and (new.status, new.filled, new.updated_at) == (
        current.status,
        current.filled,
        current.updated_at,
    )
    if not is_next and not order_state.report_is_newer(current, new):
        if _is_later(new, current, source=source) and _is_behind(new, current):
            disputed_record(order, report, "a later report is behind what the exchange said before")
        is_same = (new.status, new.filled, new.remaining) == (current.status, current.filled, current.remaining)
        # The same progress told again: it may add details that the first source did not have.
        is_current = new.updated_at is not None and new.updated_at == current.updated_at
        # A fill of an amended order may come first, at the same instant, and it does not tell the new terms.
        details = _DETAILS | _TERMS if is_current and source == "rest" else _DETAILS
        if order.source == "fix":
            details |= _INITIAL  # what an order began as, FIX cannot tell
        changes = {name: changes[name] for name in details & changes.keys()} if is_same and source != "answer" else {}
    elif not order_state.ORDER.allows(current.status, new.status):
        disputed_record(order, report, "this move is not possible")
        return False
    if current.updated_at and new.updated_at and new.updated_at < current.updated_at:
        changes.pop("updated_at", None)
    if not changes:
        return False
    for name, value in changes.items():
        setattr(order, name, value)
    order.seen_at, order.source, order.version = utc_now(), source, order.version + 1
    order.save()
    return True


def _is_later(new: order_state.OrderReport, current: order_state.OrderReport, *, source: Source) -> bool:
    """Whether the exchange's clock says that a report came after what is stored.

    FIX stamps a report as it goes out, a few ms after the moment that the WebSocket names, and tells every step: the
    first step of an order that is over already is late, and disputes nothing.
    """
    if new.updated_at is None or current.updated_at is None:
        return False
    return new.updated_at - current.updated_at > (FIX_STAMPED_AFTER if source == "fix" else timedelta())


def _is_behind(new: order_state.OrderReport, current: order_state.OrderReport) -> bool:
    return new.filled < current.filled or (
        new.status is order_state.OrderStatus.RESTING and current.status is not order_state.OrderStatus.RESTING
    )


def columns_of(report: OrderReport) -> dict[str, Any]:
    """Return the columns that a report tells; what it does not tell stays as it is."""
    told = {
        "ticker": report.ticker,
        "book_side": report.book_side,
        "price": report.price,
        "status": report.status,
        "initial_count": report.initial_count,
        "filled_count": report.filled_count,
        "remaining_count": report.remaining_count,
        "subaccount": report.subaccount,
    }
    maybe = {
        "client_order_id": report.client_order_id,
        "order_group_id": report.order_group_id,
        "fill_cost": report.fill_cost,
        "fees": report.fees,
        "expires_at": report.expires_at,
        "created_at": report.created_at,
        "updated_at": report.updated_at,
    }
    return told | {name: value for name, value in maybe.items() if value not in (None, "")}


def _join(order: Order, report: OrderReport, *, source: Source) -> bool:
    """Join an order to the intent that it came from, and end that intent. Returns whether either changed."""
    intent = _intent_of(order, report)
    if intent is None:
        return False
    if order.intent_id is None:
        if (order.ticker, order.book_side, order.subaccount) != (intent.ticker, intent.book_side, intent.subaccount):
            disputed_record(order, report, f"it carries the client order id of intent {intent.pk} but differs from it")
            return False
        if order.version > 1:  # its row may be on screens as an external one
            events.external_row_gone(order)
        order.intent = intent
        order.version += 1
        order.save(update_fields=["intent", "version"])
        is_joined = True
    else:
        is_joined = False
    if intent.state == State.REFUSED and is_joined:
        disputed_record(order, report, f"intent {intent.pk} was refused, yet the exchange shows its order")
    # An execution report is the answer to an order that left by FIX.
    is_answer = source == "answer" or (source == "fix" and intent.state == State.SENDING)
    is_ended = intent_acknowledge(
        intent, order_id=order.order_id, evidence=f"{_FOUND_BY[source]} {order.order_id}", is_answer=is_answer
    )
    if is_ended or is_joined:
        order.intent = _intents.first(intent.pk)
    return is_ended or is_joined


def _intent_of(order: Order, report: OrderReport) -> OrderIntent | None:
    if order.intent_id is not None:
        return order.intent
    client_order_id = uuid_or_none(report.client_order_id)
    found = _by_client_order_id.first(order.account_id, client_order_id) if client_order_id else None
    return found or _by_order_id.first(order.account_id, order.order_id)


def intent_acknowledge(intent: OrderIntent, *, order_id: str, evidence: str, is_answer: bool = False) -> bool:
    """End an intent by evidence of its order: -> ACKED. Inside a transaction; returns whether it changed."""
    now = utc_now()
    was = intent.state
    end = _end_by_answer if is_answer else _end_by_look
    changed = end(intent.pk, order_id, f"Found by {evidence}"[:200], now)
    if changed:
        killpoints.reach("acknowledge.stored")
        audit.record(
            "orders.intent.acked",
            actor_id=None,
            desk_id=intent.desk_id,
            environment=_accounts(intent.account_id)[0].environment,
            target=f"order_intent:{intent.pk}",
            data={"order_id": order_id, "was": was, "evidence": evidence},
        )
    return bool(changed)


def cancels_close(order: Order) -> None:
    """A terminal order needs no cancel any more: every open one is DONE."""
    if order.status != Order.Status.RESTING:
        order.cancels.filter(state__in=OPEN_CANCELS).update(state=CancelIntent.State.DONE, resolved_at=utc_now())


def fills_link(order: Order) -> int:
    """Give fills that came before their order their row; returns how many there were."""
    if not _early_fills(order.account_id, order.order_id):
        return 0
    early = Fill.objects.filter(account_id=order.account_id, order=None, order_id_text=order.order_id)
    return early.update(order=order)


def fills_follow(order: Order) -> bool:
    """Raise an order's filled count to the sum of its fills when its own report lags behind them.

    Under the order's row lock; returns whether it changed.
    """
    told = order.fills.aggregate(count=Sum("count"), at=Max("traded_at"))
    filled: Decimal | None = told["count"]
    if filled is None or filled <= order.filled_count:
        return False
    order.remaining_count = max(Decimal(0), order.remaining_count - (filled - order.filled_count))
    order.filled_count = filled
    if order.status == Order.Status.RESTING and not order.remaining_count:
        order.status = Order.Status.EXECUTED
    if order.updated_at is None or told["at"] > order.updated_at:
        order.updated_at = told["at"]
    order.seen_at, order.version = utc_now(), order.version + 1
    order.save()
    return True


def disputed_record(order: Order, report: OrderReport, why: str) -> None:
    """Keep a report that contradicts what we know in the audit trail, once per order and reason."""
    target = f"order:{order.pk}"
    data = {"why": why, "stored": order.status, "status": report.status, "filled": str(report.filled_count)}
    logger.error("order %s: %s (%s)", order.order_id, why, data)
    known = AuditEntry.objects.filter(
        desk_id=order.account.desk_id, action="orders.order.disputed", target=target, data__why=why
    )
    if not known.exists():
        audit.record(
            "orders.order.disputed",
            actor_id=None,
            desk_id=order.account.desk_id,
            environment=order.account.environment,
            target=target,
            data=data,
        )
