"""Rows that other parts of the desk store once and never twice: fills, settlements, quotes on our requests, requests of
others that a rule's filter let through.

Read by row id. PostgreSQL gives ids before the commit, so a smaller one may appear later: the last OVERLAP ids are
read again there, and what a rule was told of already is known by its key.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from django.db import connection
from django.db.models import Max, QuerySet

from apps.core.money import cents_text, count_text, dollars_text
from apps.monitoring.alerts.matching import Happening
from apps.orders.models import BookSide, Fill
from apps.portfolio.models import Settlement
from apps.rfq.models import ReceivedQuote, StreamHit

OVERLAP = 200
AT_ONCE = 50  # in one transaction: orders wait for it
# Older than this is history being read, not news.
NEWS = timedelta(hours=24)


@dataclass(frozen=True, slots=True)
class Source:
    """kinds: what it can tell. rows: all of it. read: (row, now) -> (desk id, what it is) or None for no news."""

    name: str
    kinds: frozenset[str]
    rows: Callable[[], QuerySet[Any]]
    read: Callable[[Any, datetime], tuple[int, Happening] | None]

    def newest(self) -> int:
        return int(self.rows().aggregate(top=Max("pk"))["top"] or 0)

    def after(self, position: int) -> list[Any]:
        again = OVERLAP if connection.vendor == "postgresql" else 0
        return list(self.rows().filter(pk__gt=position - again).order_by("pk")[: AT_ONCE + again])


def _fill(row: Fill, now: datetime) -> tuple[int, Happening] | None:
    if now - row.traded_at > NEWS:
        return None
    buys = row.book_side == BookSide.BID
    cost = (row.yes_price if buys else Decimal(1) - row.yes_price) * row.count
    words = f"{'Bought' if buys else 'Sold'} {count_text(row.count)} YES at {cents_text(row.yes_price)}"
    return row.account.desk_id, Happening(
        kind="fill",
        key=f"fill:{row.pk}",
        subject=f"fill:{row.pk}",
        at=row.seen_at,
        title=f"Filled: {row.ticker}",
        text=f"{words}, fee {dollars_text(row.fee)}, {row.account.name}.",
        link=f"/orders/order:{row.order_id_text}/",
        account_id=row.account_id,
        ticker=row.ticker,
        user_id=row.order.intent.placed_by_id if row.order is not None and row.order.intent is not None else None,
        amount=cost,
    )


def _settlement(row: Settlement, now: datetime) -> tuple[int, Happening] | None:
    if now - row.settled_at > NEWS:
        return None
    held = f"{count_text(row.yes_count)} YES, {count_text(row.no_count)} NO"
    return row.account.desk_id, Happening(
        kind="settled",
        key=f"settlement:{row.pk}",
        subject=f"settlement:{row.pk}",
        at=row.first_seen_at,
        title=f"Settled {row.result.upper()}: {row.ticker}"
        + (" (corrected by the exchange)" if row.revision > 1 else ""),
        text=f"Paid {dollars_text(row.revenue)} for {held}, {row.account.name}.",
        link=f"/portfolio/market/{row.ticker}/",
        account_id=row.account_id,
        ticker=row.ticker,
        amount=row.revenue,
    )


def _quote(row: ReceivedQuote, now: datetime) -> tuple[int, Happening] | None:
    if now - row.seen_at > timedelta(minutes=10):
        return None
    sides = [
        f"{name} {cents_text(Decimal(1) - bid)}"
        for name, bid in (("YES", row.no_bid), ("NO", row.yes_bid))
        if bid  # what the maker does not bid for cannot be bought
    ]
    return row.rfq.desk_id, Happening(
        kind="rfq.quoted",
        key=f"received_quote:{row.pk}",
        subject=f"received_quote:{row.pk}",
        at=row.seen_at,
        title=f"Quote: {row.rfq.ticker}",
        text=f"Buy {' or '.join(sides) or 'nothing'}.",
        link="/rfq/",
        account_id=row.rfq.account_id,
        ticker=row.rfq.ticker,
        user_id=row.rfq.owner_id or row.rfq.placed_by_id,
    )


def _hit(row: StreamHit, now: datetime) -> tuple[int, Happening] | None:
    if now - row.seen_at > timedelta(minutes=10):
        return None
    asked = f"{dollars_text(row.target_cost)} to spend" if row.target_cost is not None else ""
    asked = asked or (f"{count_text(row.contracts)} contracts" if row.contracts is not None else "size not told")
    what = f"combo of {row.legs} legs, {asked}" if row.legs else asked
    others = f"{what}; the largest of {row.count:,} requests" if row.count > 1 else what
    return row.desk_id, Happening(
        kind="rfq.incoming",
        key=f"stream_hit:{row.pk}",
        subject=f"stream_hit:{row.pk}",
        at=row.seen_at,
        title=f"Request: {row.ticker}",
        text=f"{others[:1].upper()}{others[1:]}, {row.environment}.",
        link="/rfq/",
        ticker=row.ticker,
        for_rule=row.watch,
        count=row.count,
    )


SOURCES = (
    Source("fill", frozenset({"fill"}), lambda: Fill.objects.select_related("account", "order__intent").all(), _fill),
    Source(
        "settlement",
        frozenset({"settled"}),
        lambda: Settlement.objects.select_related("account").all(),
        _settlement,
    ),
    Source("received_quote", frozenset({"rfq.quoted"}), lambda: ReceivedQuote.objects.select_related("rfq"), _quote),
    Source("stream_hit", frozenset({"rfq.incoming"}), lambda: StreamHit.objects.all(), _hit),
)


def happenings_of(source: Source, rows: list[Any], *, now: datetime) -> Iterator[tuple[int, Happening]]:
    for row in rows:
        found = source.read(row, now)
        if found is not None:
            yield found
