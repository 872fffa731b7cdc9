"""The one door for fills. Each is stored once, whichever source tells it first."""

from collections.abc import Iterable

from django.db import transaction

from apps.audit import services as audit
from apps.core import killpoints
from apps.core.timestamps import utc_now
from apps.orders import events, group_events, queue
from apps.orders.models import Fill, Order, OrderIntent
from apps.orders.reports import FillReport, Source, uuid_or_none
from apps.orders.services.apply import cancels_close, fills_follow, fills_link, intent_acknowledge
from apps.orders.services.changes_close import changes_close
from apps.orders.services.fee_check import fees_predict


def fills_record(account_id: int, fills: Iterable[FillReport], *, source: Source) -> int:
    """Store fills, bring their orders up to them, and return how many were new.

    A fill is (trade id, order id): both sides of a self-trade carry one trade id. Orders that the
    desk has not seen yet are read from the exchange.
    """
    reports = _unknown(account_id, list(fills))
    if not reports:
        return 0
    with transaction.atomic():
        new = [fill for fill in (_store(account_id, report, source=source) for report in reports) if fill is not None]
        if not new:
            return 0
        touched = {fill.order_id_text for fill in new}
        orders = Order.objects.select_for_update().filter(account_id=account_id, order_id__in=touched)
        for order in orders.order_by("pk"):
            is_ahead = fills_follow(order)
            if is_ahead:
                cancels_close(order)
                changes_close(order)
            if fees_predict(order) or is_ahead:
                events.order_publish(order)
        if any(fill.order_id is None for fill in new):
            queue.enqueue_on_commit(queue.ACCOUNT_SYNC, account_id)
        events.fills_publish(account_id, new)
        group_events.groups_filled(account_id, {fill.order.order_group_id for fill in new if fill.order})
        killpoints.reach("fills.stored")
    return len(new)


def fill_correct(account_id: int, report: FillReport) -> bool:
    """Give a stored fill what the exchange lists now; returns whether that changed it.

    A fill never changes by itself: this is for a person who adopts the exchange's record (reconciliation).
    """
    with transaction.atomic():
        rows = Fill.objects.select_for_update().filter(account_id=account_id, trade_id=report.trade_id)
        fill = rows.filter(order_id_text=report.order_id).select_related("account").first()
        if fill is None:
            return False
        names = ("ticker", "book_side", "yes_price", "count", "is_taker", "fee", "traded_at", "subaccount")
        changes = {name: getattr(report, name) for name in names if getattr(fill, name) != getattr(report, name)}
        if not changes:
            return False
        was = {name: str(getattr(fill, name)) for name in changes}
        for name, value in changes.items():
            setattr(fill, name, value)
        fill.save(update_fields=list(changes))
        if fill.order_id is not None:
            fees_predict(Order.objects.select_for_update().get(pk=fill.order_id))
        audit.record(
            "orders.fill.corrected",
            actor_id=None,
            desk_id=fill.account.desk_id,
            environment=fill.account.environment,
            target=f"fill:{fill.pk}",
            data={"was": was, "is": {name: str(value) for name, value in changes.items()}},
        )
        events.fills_publish(account_id, [fill])
    return True


def _unknown(account_id: int, reports: list[FillReport]) -> list[FillReport]:
    """Leave out what is stored and has its order, without the write lock: a sync lists mostly that."""
    stored = Fill.objects.filter(account_id=account_id, trade_id__in={one.trade_id for one in reports})
    known = set(stored.exclude(order=None).values_list("trade_id", "order_id_text"))
    return [one for one in reports if (one.trade_id, one.order_id) not in known]


def _store(account_id: int, report: FillReport, *, source: Source) -> Fill | None:
    """Return the new row, or None when it was known. The unique constraint decides between two sources."""
    order = Order.objects.filter(account_id=account_id, order_id=report.order_id).first()
    fill, is_new = Fill.objects.get_or_create(
        account_id=account_id,
        trade_id=report.trade_id,
        order_id_text=report.order_id,
        defaults={
            "order": order,
            "subaccount": report.subaccount,
            "ticker": report.ticker,
            "book_side": report.book_side,
            "yes_price": report.yes_price,
            "count": report.count,
            "is_taker": report.is_taker,
            "fee": report.fee,
            "traded_at": report.traded_at,
            "seen_at": utc_now(),
            "source": source,
        },
    )
    if not is_new:
        if fill.order_id is None and order is not None:
            fills_link(order)  # the two were stored at the same moment, each before it saw the other
        return None
    if order is None and report.client_order_id:
        _evidence(account_id, report)
    return fill


def _evidence(account_id: int, report: FillReport) -> None:
    """A fill that names our client order id proves that the order exists, before its own report came."""
    client_order_id = uuid_or_none(report.client_order_id)
    if client_order_id is None:
        return
    intent = OrderIntent.objects.filter(account_id=account_id, client_order_id=client_order_id).first()
    if intent is not None and intent_acknowledge(intent, order_id=report.order_id, evidence=f"fill {report.trade_id}"):
        intent.refresh_from_db()
        events.intent_publish(intent)
