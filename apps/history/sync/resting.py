"""Orders that rest here and ended at the exchange long ago, while nobody listened.

Listings are by creation, the historical cutoff is by end: an order that was placed before everything that a pass reads,
and that ended and was archived since, is on none of its pages. So what rests here and is older than the cutoff is asked
for by name, in both tiers.
"""

from dataclasses import replace
from datetime import timedelta

from apps.exchange.wire import api
from apps.exchange.wire.client import ExchangeClient
from apps.exchange.wire.errors import Refused
from apps.exchange.wire.schemas import rest
from apps.history.models import HistoricalCutoff
from apps.history.sync.listing import Answer, Listing, Place
from apps.orders.models import Order
from apps.orders.reports import OrderReport, order_from_rest

RESTING = "resting"
ORDERS_PER_STEP = 20
PAGES_PER_ORDER = 50  # of one market's archive


ARCHIVE = Listing("/historical/orders", "orders", rest.Order, order_from_rest, lambda report: report.created_at)


def resting_ask(client: ExchangeClient, place: Place) -> Answer:
    """Look up the next few; the cursor is the last one's row id. Raises ExchangeError."""
    cutoff = HistoricalCutoff.objects.filter(environment=place.environment).first()
    if cutoff is None:
        return Answer()
    rows = Order.objects.filter(
        account_id=place.account_id, status=Order.Status.RESTING, pk__gt=int(place.cursor or 0)
    ).exclude(created_at__gte=cutoff.orders_updated_at + timedelta(seconds=1))
    found = list(rows.order_by("pk")[:ORDERS_PER_STEP])
    answer = Answer(following=str(found[-1].pk) if len(found) == ORDERS_PER_STEP else "")
    for order in found:
        report = _present(client, place, order)
        if report is not None:
            answer.reports.append(report)
            answer.rows += 1
    return answer


def _present(client: ExchangeClient, place: Place, order: Order) -> OrderReport | None:
    try:
        return order_from_rest(api.get_order(client, order.order_id))
    except Refused as exc:
        if exc.status != 404:
            raise
    step = replace(place, cursor="", since=None)
    for _ in range(PAGES_PER_ORDER):
        page = ARCHIVE.ask(client, step, ticker=order.ticker)
        for report in page.reports:
            if report.order_id == order.order_id:
                found: OrderReport = report
                return found
        if not page.following:
            break
        step = replace(step, cursor=page.following)
    return None
