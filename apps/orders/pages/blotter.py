"""What the Orders page is filled with."""

from collections.abc import Iterable
from typing import Any

from django.urls import reverse

from apps.accounts.access import account_seen
from apps.accounts.models import ExchangeAccount, Membership
from apps.core.permissions import Actor, Permission
from apps.markets.models import Market
from apps.orders.events import Row
from apps.orders.pages import rows
from apps.orders.pages.filters import EXTERNAL, SIDE_WORDS, TABS, BlotterFilter
from apps.orders.selectors import sync_of

# Column id -> words; what may be hidden. static/js/orders/columns.js says what each shows.
COLUMNS = (
    ("created", "Time"),
    ("filled", "Filled"),
    ("remaining", "Left"),
    ("average", "Average price"),
    ("fees", "Fee"),
    ("queue", "Contracts ahead"),
    ("terms", "Terms"),
    ("reason", "Reason"),
    ("person", "Placed by"),
    ("subaccount", "Subaccount"),
    ("order_group", "Order group"),
    ("age", "Age"),
    ("order_id", "Exchange id"),
)


def people_of(actor: Actor) -> dict[int, str]:
    """Return everybody who is or was a member of the desk, by user id: who placed an order may have left."""
    members = Membership.objects.filter(desk_id=actor.desk_id).select_related("user").order_by("user__username")
    return {one.user_id: one.user.display_name or one.user.get_username() for one in members}


def titles_of(environment: str, tickers: Iterable[str]) -> dict[str, str]:
    """Return what markets are called, by ticker; those not read yet are left out."""
    found = Market.objects.filter(environment=environment, ticker__in=set(tickers)).select_related("event")
    return {one.ticker: title_of(one) for one in found}


def title_of(market: Market) -> str:
    outcome = market.yes_sub_title or market.title
    return f"{market.event.title}: {outcome}" if outcome and outcome != market.event.title else market.event.title


def blotter_context(
    actor: Actor, account: ExchangeAccount, *, chosen: BlotterFilter, after: rows.Cursor | None
) -> dict[str, Any]:
    """Return the template context of the Orders page. Raises NotAllowed, NotFound."""
    account = account_seen(actor, account.pk)
    page = rows.blotter_page(actor, account_id=account.pk, chosen=chosen, after=after)
    counts = rows.blotter_counts(actor, account_id=account.pk)
    people = people_of(actor)
    titles = titles_of(account.environment, (row["ticker"] for row in page.rows))
    sync = sync_of(account.pk)
    return {
        "account": account,
        "environment": account.environment,
        "chosen": chosen,
        "tabs": [(tab, words, counts[tab], f"?{chosen.query(tab=tab)}") for tab, words in TABS],
        "counts": counts,
        "rows": [plain_row(row, people=people, titles=titles) for row in page.rows],
        "next_query": f"{chosen.query()}&after={page.next}".lstrip("&") if page.next else "",
        "newest_query": chosen.query(),
        "is_first": after is None,
        "sides": SIDE_WORDS.items(),
        "people": people.items(),
        "external": EXTERNAL,
        "columns": COLUMNS,
        "may_cancel": actor.reach(Permission.ORDER_CANCEL).touches(account.pk),
        "may_export": actor.reach(Permission.DESK_EXPORT).touches(account.pk),
        "sync": sync,
        "page_data": {"people": {str(pk): name for pk, name in people.items()}, "titles": titles, "counts": counts},
    }


def plain_row(row: Row, *, people: dict[int, str], titles: dict[str, str]) -> Row:
    """Add to a live row what only a page without scripts needs."""
    return row | {
        "url": reverse("order_detail", args=[row["key"]]),
        "title": titles.get(row["ticker"], ""),
        "person": "placed elsewhere" if row["is_external"] else people.get(row["placed_by"], "-"),
    }


def rows_context(
    actor: Actor, account: ExchangeAccount, *, chosen: BlotterFilter, after: rows.Cursor | None, limit: int
) -> dict[str, Any]:
    """Return older rows for the live blotter, with the counts of all tabs."""
    page = rows.blotter_page(actor, account_id=account.pk, chosen=chosen, after=after, limit=limit)
    return {
        "rows": page.rows,
        "next": str(page.next) if page.next else None,
        "counts": rows.blotter_counts(actor, account_id=account.pk),
        "titles": titles_of(account.environment, (row["ticker"] for row in page.rows)),
    }
