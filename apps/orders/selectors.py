"""What pages and topics read. Callers pass querysets of `access` where a person asks."""

from collections.abc import Iterable

from django.db.models import Prefetch, Q, QuerySet

from apps.core.permissions import Actor
from apps.core.timestamps import utc_now
from apps.orders import events
from apps.orders.access import fills_visible_to, intents_visible_to, orders_visible_to
from apps.orders.models import AccountSync, CancelIntent, ChangeIntent, Fill, Order, OrderIntent

ENDED_AT_MOST = 500
_OPEN_INTENTS = (
    OrderIntent.State.COMMITTED,
    OrderIntent.State.SENDING,
    OrderIntent.State.UNKNOWN,
)


def working_orders(actor: Actor, *, account_id: int, ticker: str | None = None) -> list[events.Row]:
    """Return rows of what may still fill, newest first: resting orders and intents without an answer."""
    rows = rows_of(account_id, ticker=ticker, visible_to=actor, only_working=True)
    return sorted(rows.values(), key=lambda row: row["created_ms"] or 0, reverse=True)


def recent_orders(actor: Actor, *, account_id: int, ticker: str | None = None) -> list[events.Row]:
    """Return rows of working orders and of everything of the last 24 hours, newest first."""
    rows = rows_of(account_id, ticker=ticker, visible_to=actor)
    return sorted(rows.values(), key=lambda row: row["created_ms"] or 0, reverse=True)


def fills_recent(actor: Actor, *, account_id: int, ticker: str | None = None, limit: int = 100) -> QuerySet[Fill]:
    """Return fills of an account (of one market), newest first."""
    scope = {"account_id": account_id} | ({"ticker": ticker} if ticker else {})
    return fills_visible_to(actor).filter(**scope).select_related("order").order_by("-traded_at", "-pk")[:limit]


def working_tickers(account_id: int) -> list[str]:
    """Return the markets with resting orders of an account."""
    resting = Order.objects.filter(account_id=account_id, status=Order.Status.RESTING)
    return sorted(set(resting.values_list("ticker", flat=True)))


def environment_working_tickers(environment: str) -> set[str]:
    """Return the markets with resting orders of any active account; the gateway keeps their books."""
    resting = Order.objects.filter(
        account__environment=environment, account__is_active=True, status=Order.Status.RESTING
    )
    return set(resting.values_list("ticker", flat=True))


def sync_of(account_id: int) -> AccountSync | None:
    return AccountSync.objects.filter(account_id=account_id).first()


def rows_of(
    account_id: int, *, ticker: str | None = None, visible_to: Actor | None = None, only_working: bool = False
) -> dict[str, events.Row]:
    """Return `orders` rows by key: everything working, and unless `only_working` what ended in the last 24 hours.

    What works is always complete; of what ended, the newest 500.

    visible_to: None for the topic's state, whose access was checked by account.
    """
    scope = {"account_id": account_id} | ({"ticker": ticker} if ticker else {})
    intents = (intents_visible_to(visible_to) if visible_to else OrderIntent.objects.all()).filter(order=None, **scope)
    orders = (orders_visible_to(visible_to) if visible_to else Order.objects.all()).filter(**scope)
    is_open = Q(state__in=_OPEN_INTENTS) | Q(state=OrderIntent.State.ACKED)
    orders = with_marks(orders).order_by("-pk")
    told = list(orders.filter(status=Order.Status.RESTING))
    waiting = list(intents.filter(is_open))
    if not only_working:
        since = utc_now() - events.RECENT
        ended = Q(created_at__gte=since) | Q(created_at=None, seen_at__gte=since)
        told += orders.filter(ended).exclude(status=Order.Status.RESTING)[:ENDED_AT_MOST]
        waiting += intents.filter(created_at__gte=since).exclude(is_open).order_by("-pk")[:ENDED_AT_MOST]
    found: dict[str, events.Row] = {}
    for order in told:
        _put(found, order)
    for intent in waiting:
        row = events.intent_row(intent, None)
        found[row["key"]] = row
    return found


def with_marks(orders: QuerySet[Order]) -> QuerySet[Order]:
    """Read with each order its intent, and its cancels and changes, newest first, for `events`."""
    return orders.select_related("intent").prefetch_related(
        Prefetch("cancels", CancelIntent.objects.order_by("-pk"), to_attr="cancels_newest_first"),
        Prefetch("changes", ChangeIntent.objects.order_by("-pk"), to_attr="changes_newest_first"),
    )


def _put(found: dict[str, events.Row], order: Order) -> None:
    cancels: Iterable[CancelIntent] = getattr(order, "cancels_newest_first", ())
    cancel = next(iter(cancels), None)
    row = events.intent_row(order.intent, order, cancel) if order.intent else events.external_row(order, cancel)
    found[row["key"]] = row


def fill_rows_of(account_id: int) -> dict[str, events.Row]:
    """Return `fills` rows by key: the last 24 hours, the newest 500."""
    fills = (
        Fill.objects.filter(account_id=account_id, traded_at__gte=utc_now() - events.RECENT)
        .select_related("order")
        .order_by("-traded_at", "-pk")[:ENDED_AT_MOST]
    )
    return {
        events.fill_key(fill): events.fill_row(fill, fill.order.intent_id if fill.order else None) for fill in fills
    }
