"""The door for pages of history: the same rules as `order_apply` and `fills_record`, a page at a time.

What a single report may do besides being stored (end an intent, close a cancel, be news for browsers) still goes by
the single doors; only what nobody waits for, orders and fills of long ago, is stored in bulk.
"""

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import TypeVar

from django.db import IntegrityError, transaction
from django.db.models import Q, Sum

from apps.core.timestamps import utc_now
from apps.orders import events, group_events, queue
from apps.orders.models import Fill, Order, OrderIntent
from apps.orders.reports import FillReport, OrderReport, uuid_or_none
from apps.orders.services.apply import (
    ENDED_BY_EVIDENCE,
    cancels_close,
    columns_of,
    fills_follow,
    is_told,
    order_apply,
)
from apps.orders.services.changes_close import changes_close
from apps.orders.services.fee_check import fees_predict

T = TypeVar("T")

RECENT = timedelta(hours=24)  # what is older is no news for anybody's screen


def orders_store(account_id: int, reports: Iterable[OrderReport], *, is_news: bool = True) -> list[OrderReport]:
    """Store a page of orders of REST and return those that were not known. At most some hundreds at once.

    is_news: publish those of the last 24 hours; False for the first read of an account.
    """
    latest = {report.order_id: report for report in reports}
    return _retried(lambda: _orders(account_id, latest, is_news=is_news)) if latest else []


def fills_store(account_id: int, reports: Iterable[FillReport], *, is_news: bool = True) -> list[FillReport]:
    """Store a page of fills of REST, bring their orders up to them, and return those that were not known.

    is_news: as in `orders_store`.
    """
    unique = {(report.trade_id, report.order_id): report for report in reports}
    return _retried(lambda: _fills(account_id, unique, is_news=is_news)) if unique else []


def _retried(work: Callable[[], list[T]]) -> list[T]:
    try:
        with transaction.atomic():
            return work()
    except IntegrityError:
        # Two sources told a new row at the same moment; it is there now.
        with transaction.atomic():
            return work()


def _orders(account_id: int, latest: dict[str, OrderReport], *, is_news: bool) -> list[OrderReport]:
    rows = Order.objects.filter(account_id=account_id, order_id__in=latest).select_related("intent")
    known = {order.order_id: order for order in rows}
    wanted = _wanted(account_id, latest.values())
    new: list[OrderReport] = []
    fresh: list[OrderReport] = []
    for order_id, report in latest.items():
        order = known.get(order_id)
        if order is None and report.status in Order.Status.values:
            new.append(report)
        if order is None and order_id not in wanted and report.status in (Order.Status.CANCELED, Order.Status.EXECUTED):
            fresh.append(report)
        elif order is None or order_id in wanted or _is_open(order) or not is_told(order, report):
            order_apply(account_id, report, source="rest")
    _orders_create(account_id, fresh, is_news=is_news)
    return new


def _wanted(account_id: int, reports: Iterable[OrderReport]) -> set[str]:
    """Return the order ids that an intent of ours waits for."""
    by_client_id = {client_id: one.order_id for one in reports if (client_id := uuid_or_none(one.client_order_id))}
    waiting = OrderIntent.objects.filter(account_id=account_id, order=None).filter(
        Q(client_order_id__in=by_client_id) | Q(exchange_order_id__in=[one.order_id for one in reports])
    )
    found = set()
    for client_order_id, exchange_order_id in waiting.values_list("client_order_id", "exchange_order_id"):
        found |= {by_client_id.get(client_order_id), exchange_order_id}
    return {order_id for order_id in found if order_id}


def _is_open(order: Order) -> bool:
    return order.intent is not None and order.intent.state in ENDED_BY_EVIDENCE


def _orders_create(account_id: int, reports: Sequence[OrderReport], *, is_news: bool) -> None:
    if not reports:
        return
    now = utc_now()
    blank = {"fill_cost": Decimal(0), "fees": Decimal(0)}
    orders = Order.objects.bulk_create(
        Order(
            account_id=account_id,
            order_id=one.order_id,
            seen_at=now,
            source="rest",
            **{**blank, **columns_of(one)},
        )
        for one in reports
    )
    by_id = {order.order_id: order for order in orders}
    early = Fill.objects.filter(account_id=account_id, order=None, order_id_text__in=by_id)
    with_fills = set(early.values_list("order_id_text", flat=True).distinct())
    for order_id in sorted(with_fills):
        order = by_id[order_id]
        early.filter(order_id_text=order_id).update(order=order)
        fills_follow(order)
        fees_predict(order)
    for order in orders if is_news else ():
        if _is_recent(order.updated_at, now):
            events.order_publish(order)


def _fills(account_id: int, unique: dict[tuple[str, str], FillReport], *, is_news: bool) -> list[FillReport]:
    stored = Fill.objects.filter(account_id=account_id, trade_id__in={one.trade_id for one in unique.values()})
    known: dict[tuple[str, str], int | None]
    known = {(trade, order): pk for trade, order, pk in stored.values_list("trade_id", "order_id_text", "order_id")}
    new = [report for key, report in unique.items() if key not in known]
    names = {one.order_id for one in new} | {order for (_, order), pk in known.items() if pk is None}
    orders = dict(Order.objects.filter(account_id=account_id, order_id__in=names).values_list("order_id", "pk"))
    loose = {order for (_, order), pk in known.items() if pk is None and order in orders}
    for order_id in sorted(loose):
        early = Fill.objects.filter(account_id=account_id, order=None, order_id_text=order_id)
        early.update(order_id=orders[order_id])
    now = utc_now()
    rows = Fill.objects.bulk_create(
        Fill(
            account_id=account_id,
            order_id=orders.get(one.order_id),
            trade_id=one.trade_id,
            order_id_text=one.order_id,
            subaccount=one.subaccount,
            ticker=one.ticker,
            book_side=one.book_side,
            yes_price=one.yes_price,
            count=one.count,
            is_taker=one.is_taker,
            fee=one.fee,
            traded_at=one.traded_at,
            seen_at=now,
            source="rest",
        )
        for one in new
    )
    recent = [row for row in rows if is_news and _is_recent(row.traded_at, now)]
    touched = {row.order_id for row in rows if row.order_id} | {orders[order_id] for order_id in loose}
    _orders_follow(touched, {row.order_id for row in recent if row.order_id}, is_news=is_news)
    _news(account_id, recent)
    return new


def _orders_follow(touched: set[int], recent: set[int], *, is_news: bool) -> None:
    """Bring orders up to their fills. Most of a page are of orders that say so already."""
    if not touched:
        return
    told = Order.objects.filter(pk__in=touched).annotate(told=Sum("fills__count"))
    behind = {pk for pk, filled, count in told.values_list("pk", "filled_count", "told") if count > filled}
    # The model's fee beside the real one is shown for what was placed here, and for what is on the screens.
    ours = Order.objects.filter(pk__in=touched, intent__isnull=False).values_list("pk", flat=True)
    for order in Order.objects.select_for_update().filter(pk__in=behind | recent | set(ours)).order_by("pk"):
        is_ahead = fills_follow(order)
        if is_ahead:
            cancels_close(order)
            changes_close(order)
        if (fees_predict(order) or is_ahead) and is_news:
            events.order_publish(order)


def _news(account_id: int, recent: list[Fill]) -> None:
    if not recent:
        return
    if any(fill.order_id is None for fill in recent):
        queue.enqueue_on_commit(queue.ACCOUNT_SYNC, account_id)
    events.fills_publish(account_id, recent)
    group_events.groups_filled(account_id, {fill.order.order_group_id for fill in recent if fill.order})


def _is_recent(moment: datetime | None, now: datetime) -> bool:
    return moment is not None and moment >= now - RECENT
