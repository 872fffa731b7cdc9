"""Rows of the blotter, newest first, page by page, over two tables.

An order that the exchange has shown is an `Order`, one that it has not is an `OrderIntent` alone. Both are
read in one order (time, kind, row id), and a page ends at a cursor of these three: rows that arrive
meanwhile neither repeat nor hide one.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Count, F, Q, QuerySet
from django.db.models.functions import Coalesce

from apps.core.errors import DeskError
from apps.core.permissions import Actor
from apps.core.timestamps import from_unix_ms, to_unix_ms
from apps.orders import events
from apps.orders.access import intents_visible_to, orders_visible_to
from apps.orders.models import Order, OrderIntent
from apps.orders.pages.filters import EXTERNAL, INTENT_STATES, ORDER_STATUSES, TABS, BlotterFilter
from apps.orders.selectors import with_marks

PAGE_LENGTH = 50
PAGE_AT_MOST = 500
_INTENT, _ORDER = 0, 1  # of two rows of the same instant the order comes first


@dataclass(frozen=True, slots=True)
class Cursor:
    """The last row of a page. at: when it was placed (the desk's clock), or seen for orders placed elsewhere."""

    at: datetime
    kind: int
    pk: int

    def __str__(self) -> str:
        millis = to_unix_ms(self.at)
        micros = (self.at - from_unix_ms(millis)) // timedelta(microseconds=1)
        return f"{millis}.{micros}-{self.kind}-{self.pk}"


def cursor_from(text: str) -> Cursor | None:
    """Raises DeskError for anything but "" and what `str(Cursor)` gave."""
    if not text:
        return None
    try:
        moment, kind, pk = text.split("-")
        millis, micros = moment.split(".")
        at = from_unix_ms(int(millis)) + timedelta(microseconds=int(micros))
        found = Cursor(at, int(kind), int(pk))
    except (ValueError, OverflowError) as exc:
        raise DeskError("bad_input", "This is not a page of the list. Load the page again.") from exc
    if found.kind not in (_INTENT, _ORDER) or not 0 < found.pk < 2**63:
        raise DeskError("bad_input", "This is not a page of the list. Load the page again.")
    return found


@dataclass(frozen=True, slots=True)
class BlotterPage:
    rows: list[events.Row]
    next: Cursor | None  # None: there is nothing older


def blotter_page(
    actor: Actor, *, account_id: int, chosen: BlotterFilter, after: Cursor | None = None, limit: int = PAGE_LENGTH
) -> BlotterPage:
    """Return up to `limit` rows older than `after`. Raises NotAllowed; another desk's account has no rows."""
    limit = max(1, min(limit, PAGE_AT_MOST))
    found = list(_placed(actor, account_id, chosen, after, limit + 1))
    shown = found[:limit]
    last = shown[-1][0] if len(found) > limit else None
    return BlotterPage([row for _, row in shown], last)


def blotter_rows(actor: Actor, *, account_id: int, chosen: BlotterFilter) -> Iterator[events.Row]:
    """Yield every row of a choice, newest first, reading one page at a time."""
    after: Cursor | None = None
    while True:
        page = blotter_page(actor, account_id=account_id, chosen=chosen, after=after, limit=PAGE_AT_MOST)
        yield from page.rows
        after = page.next
        if after is None:
            return


def blotter_counts(actor: Actor, *, account_id: int) -> dict[str, int]:
    """Return how many orders of an account each tab holds, whatever the filters: two queries."""
    intents = intents_visible_to(actor).filter(account_id=account_id, order=None).order_by()
    orders = orders_visible_to(actor).filter(account_id=account_id).order_by()
    by_state = dict(intents.values_list("state").annotate(Count("pk")))
    by_status = dict(orders.values_list("status").annotate(Count("pk")))
    return {
        tab: sum(by_state.get(state, 0) for state in INTENT_STATES[tab] or ())
        + sum(by_status.get(status, 0) for status in ORDER_STATUSES[tab] or ())
        for tab, _ in TABS
    }


def _placed(
    actor: Actor, account_id: int, chosen: BlotterFilter, after: Cursor | None, limit: int
) -> Iterable[tuple[Cursor, events.Row]]:
    found: list[tuple[Cursor, events.Row]] = []
    orders = _orders(actor, account_id, chosen)
    if orders is not None:
        found += [
            (Cursor(_at(order), _ORDER, order.pk), order_row(order)) for order in _cut(orders, _ORDER, after, limit)
        ]
    intents = _intents(actor, account_id, chosen)
    if intents is not None:
        found += [
            (Cursor(_at(intent), _INTENT, intent.pk), events.intent_row(intent, None))
            for intent in _cut(intents, _INTENT, after, limit)
        ]
    found.sort(key=lambda one: (one[0].at, one[0].kind, one[0].pk), reverse=True)
    return found[:limit]


def _at(row: Any) -> datetime:
    at: datetime = row.at
    return at


def order_row(order: Order) -> events.Row:
    """Return the live row of an order read with `selectors.with_marks`."""
    cancel = next(iter(getattr(order, "cancels_newest_first", ())), None)
    return events.intent_row(order.intent, order, cancel) if order.intent else events.external_row(order, cancel)


def _orders(actor: Actor, account_id: int, chosen: BlotterFilter) -> QuerySet[Any] | None:
    statuses = ORDER_STATUSES[chosen.tab]
    if statuses is None:
        return None
    found = orders_visible_to(actor).filter(account_id=account_id, status__in=statuses)
    if chosen.text:
        is_id = Q(order_id__istartswith=chosen.text) | Q(client_order_id__istartswith=chosen.text)
        found = found.filter(Q(ticker__icontains=chosen.text) | is_id)
    if chosen.side:
        unsaid = Q(intent=None) | Q(intent__entered_as="")
        of_outcome = unsaid & Q(book_side=chosen.book_side) if chosen.side.startswith("buy") else Q(pk=None)
        found = found.filter(Q(intent__entered_as=chosen.side) | of_outcome)
    if chosen.person == EXTERNAL:
        found = found.filter(intent=None)
    elif chosen.person:
        found = found.filter(intent__placed_by_id=int(chosen.person))
    if chosen.subaccount:
        found = found.filter(subaccount=int(chosen.subaccount))
    return with_marks(found).annotate(at=Coalesce("intent__created_at", "created_at", "seen_at"))


def _intents(actor: Actor, account_id: int, chosen: BlotterFilter) -> QuerySet[Any] | None:
    states = INTENT_STATES[chosen.tab]
    if states is None or chosen.person == EXTERNAL:
        return None
    found: QuerySet[OrderIntent] = intents_visible_to(actor).filter(account_id=account_id, order=None, state__in=states)
    if chosen.text:
        found = found.filter(Q(ticker__icontains=chosen.text) | Q(exchange_order_id__istartswith=chosen.text))
    if chosen.side:
        of_outcome = Q(entered_as="", book_side=chosen.book_side) if chosen.side.startswith("buy") else Q(pk=None)
        found = found.filter(Q(entered_as=chosen.side) | of_outcome)
    if chosen.person:
        found = found.filter(placed_by_id=int(chosen.person))
    if chosen.subaccount:
        found = found.filter(subaccount=int(chosen.subaccount))
    return found.annotate(at=F("created_at"))


def _cut(found: QuerySet[Any], kind: int, after: Cursor | None, limit: int) -> QuerySet[Any]:
    if after is not None:
        older = Q(at__lt=after.at)
        if kind == after.kind:
            older |= Q(at=after.at, pk__lt=after.pk)
        elif kind < after.kind:
            older |= Q(at=after.at)
        found = found.filter(older)
    return found.order_by("-at", "-pk")[:limit]
