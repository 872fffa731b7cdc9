"""Accepts that the exchange calls over, held against our own fills before that is believed.

A confirmed quote was seen as cancelled although its orders were placed and filled. What counts is the account's fills,
read after the moment of the end: by market, subaccount and outcome, never by price, which may be better in the book.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Final

from django.db.models import F

from apps.core.rfq import Outcome
from apps.core.timestamps import parse_rfc3339, to_unix_seconds, utc_now
from apps.exchange.wire.api.markets import get_user_data_timestamp
from apps.exchange.wire.api.portfolio import get_fills
from apps.exchange.wire.client import ExchangeClient
from apps.orders.models import BookSide, Fill, Order
from apps.orders.reports import FillReport, fill_from_rest
from apps.orders.services.fills import fills_record
from apps.rfq.events import requests as events
from apps.rfq.models import Accept, Confirmation, Rfq

# Clocks differ, and what happens in the same instant is told in any order.
MARGIN: Final = timedelta(seconds=1)
# Fills of an execution that no message brought are read for so long.
FILLS_FOLLOWED_FOR: Final = timedelta(seconds=60)


@dataclass(frozen=True, slots=True)
class Found:
    """Fills of one order that was not placed by hand; the order is the one of the execution."""

    order_id: str
    fills: Sequence[FillReport]


def reaches(client: ExchangeClient, ended_at: datetime) -> bool:
    """Say whether the exchange's reads tell all that happened up to `ended_at` (exchange clock).

    Ask before the fills are read. Raises ExchangeError, WireFormatError.
    """
    return parse_rfc3339(get_user_data_timestamp(client)) > ended_at + MARGIN


def execution_find(client: ExchangeClient, accept: Accept) -> Found | None:
    """Return the fills that taking this quote brought, if there are any. Raises ExchangeError, WireFormatError."""
    rfq = accept.rfq
    since = (accept.accepted_at or accept.claimed_at or accept.created_at) - MARGIN
    side = BookSide.BID if accept.buys == Outcome.YES else BookSide.ASK
    listed = get_fills(client, ticker=rfq.ticker, min_ts=to_unix_seconds(since), subaccount=rfq.subaccount)
    reports = [
        report
        for report in map(fill_from_rest, listed)
        if report.ticker == rfq.ticker
        and report.subaccount == rfq.subaccount
        and report.book_side == side
        and report.traded_at >= since
    ]
    by_order: dict[str, list[FillReport]] = {}
    explained = _explained(accept, {report.order_id for report in reports})
    for report in reports:
        if report.order_id not in explained:
            by_order.setdefault(report.order_id, []).append(report)
    if not by_order:
        return None

    def differs(item: tuple[str, list[FillReport]]) -> tuple[bool, datetime]:
        count = sum((report.count for report in item[1]), Decimal(0))
        return accept.contracts is None or count != accept.contracts, min(report.traded_at for report in item[1])

    order_id, fills = min(by_order.items(), key=differs)
    return Found(order_id, fills)


def execution_record(accept: Accept, found: Found) -> datetime:
    """Store the fills; returns when the first of them happened (exchange clock)."""
    fills_record(accept.rfq.account_id, found.fills, source="rest")
    return min(report.traded_at for report in found.fills)


def fills_look(client: ExchangeClient, accept: Accept, *, now: datetime) -> bool:
    """Read the fills of an executed accept that no message has brought; False: look again.

    Raises ExchangeError, WireFormatError.
    """
    if not accept.order_id or _is_filled(accept):
        return True
    reports = [fill_from_rest(fill) for fill in get_fills(client, order_id=accept.order_id)]
    if fills_record(accept.rfq.account_id, reports, source="rest"):
        executions_publish(accept.rfq.account_id, [accept.order_id])
    return _is_filled(accept) or now - (accept.resolved_at or now) > FILLS_FOLLOWED_FOR


def executions_publish(account_id: int, order_ids: Iterable[str]) -> None:
    """Fills of these orders have arrived: the requests that they execute show them."""
    accepts = Accept.objects.filter(rfq__account_id=account_id, order_id__in=[name for name in order_ids if name])
    for rfq in Rfq.objects.filter(pk__in=accepts.values("rfq_id")).select_related("account"):
        Rfq.objects.filter(pk=rfq.pk).update(version=F("version") + 1)
        events.rfq_publish(rfq)


def _is_filled(accept: Accept) -> bool:
    fills = Fill.objects.filter(account_id=accept.rfq.account_id, order_id_text=accept.order_id)
    count = sum(fills.values_list("count", flat=True), Decimal(0))
    return bool(count) if accept.contracts is None else count >= accept.contracts


def _explained(accept: Accept, order_ids: set[str]) -> set[str]:
    """Orders that are something else: placed with a ticket, or of another accept or quote."""
    account_id = accept.rfq.account_id
    placed = Order.objects.filter(account_id=account_id, order_id__in=order_ids, intent__isnull=False)
    taken = Accept.objects.filter(rfq__account_id=account_id, order_id__in=order_ids).exclude(pk=accept.pk)
    made = Confirmation.objects.filter(quote__account_id=account_id, order_id__in=order_ids)
    return {
        *placed.values_list("order_id", flat=True),
        *taken.values_list("order_id", flat=True),
        *made.values_list("order_id", flat=True),
    }


def ended_at_least(accept: Accept, told: datetime | None) -> datetime:
    """Return the exchange's time of the end, or the latest that it can have been when it was heard."""
    return told or accept.answered_at or utc_now()
