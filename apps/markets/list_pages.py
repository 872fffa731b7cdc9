"""What the Markets page and its rows are filled with."""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from urllib.parse import urlencode

from django.urls import reverse

from apps.core.errors import NotFound
from apps.core.money import format_count, format_dollars, format_price
from apps.core.permissions import Actor
from apps.core.timestamps import to_unix_ms, utc_now
from apps.markets import selectors
from apps.markets.access import environment_for
from apps.markets.forms import CLOSES, CLOSES_WITHIN, PAGE_LENGTH, REWARDS, STARRED_LIST, STATUSES
from apps.markets.incentives import rewards_now
from apps.markets.models import Market, Series, Watchlist
from apps.markets.services.watchlists import SHARING, STARRED, can_edit

SERIES_SHOWN = 300
SEARCH_AT_MOST = 8
EVENTS_FOUND_AT_MOST = 3
CENT = Decimal("0.01")


@dataclass(frozen=True, slots=True)
class Lists:
    """The person's watchlists, which one is shown, and which one a star changes."""

    all: list[Watchlist]
    starred: Watchlist | None  # the person's own first list, None before their first star
    selected: Watchlist | None
    is_starred_selected: bool
    target: Watchlist | None  # None: the "Starred" list that the first star makes
    is_filling: bool  # all markets are shown, and stars fill `target`
    can_share: bool
    can_edit_selected: bool

    @property
    def target_name(self) -> str:
        return self.target.name if self.target else STARRED

    @property
    def target_tickers(self) -> frozenset[str]:
        return frozenset(self.target.tickers if self.target else ())


def lists_for(actor: Actor, environment: str, *, chosen: str, filling: str = "") -> Lists:
    """Read the person's lists.

    Args:
        chosen: "", "starred" or the row id of the list that is shown.
        filling: "" or the row id of the list that stars shall change.

    Raises:
        NotFound: a list that is not theirs to see, or to fill.
    """
    found = selectors.watchlists(actor.desk_id, environment, user_id=actor.user_id)
    starred = next((one for one in found if one.owner_id == actor.user_id and one.name == STARRED), None)
    is_starred_selected = chosen == STARRED_LIST or (starred is not None and chosen == str(starred.pk))
    selected = starred if is_starred_selected else next((one for one in found if str(one.pk) == chosen), None)
    if chosen and selected is None and not is_starred_selected:
        raise NotFound("There is no such list. It may have been removed, or it is somebody else's own.")
    can_edit_selected = selected is not None and can_edit(actor, selected)
    filled = next((one for one in found if str(one.pk) == filling and can_edit(actor, one)), None)
    if filling and filled is None:
        raise NotFound("There is no such list to fill. It may have been removed, or it is not yours to change.")
    return Lists(
        all=[one for one in found if starred is None or one.pk != starred.pk],
        starred=starred,
        selected=selected,
        is_starred_selected=is_starred_selected,
        target=selected if can_edit_selected else filled or starred,
        is_filling=filled is not None and selected is None,
        can_share=actor.may(SHARING),
        can_edit_selected=can_edit_selected,
    )


def market_filter(environment: str, chosen: Mapping[str, Any], lists: Lists) -> selectors.MarketFilter:
    """Turn the form's cleaned values into what the selector takes."""
    within = CLOSES_WITHIN.get(chosen["closes"])
    now = utc_now()
    tickers: list[str] | None = None
    if lists.selected is not None:
        tickers = list(lists.selected.tickers)
    elif lists.is_starred_selected:
        tickers = []
    # A list is shown whole unless a status is asked for: a market that closed does not vanish from it.
    status = chosen["status"] or ("all" if tickers is not None else "open")
    return selectors.MarketFilter(
        text=chosen["q"],
        category=chosen["category"],
        series=chosen["series"],
        series_in=_series_of_tag(environment, chosen["tag"]) if chosen["tag"] else None,
        status="" if status == "all" else status,
        closes_after=now if within else None,
        closes_before=now + within if within else None,
        max_spread=None if chosen["spread"] is None else chosen["spread"] * CENT,
        min_volume_24h=chosen["volume"],
        is_rewarded=chosen["rewards"] == "now",
        tickers=tickers,
        sort=chosen["sort"] or "volume",
    )


def rows_context(actor: Actor, environment: str, chosen: Mapping[str, Any]) -> dict[str, Any]:
    """Return one page of rows as JSON. Raises NotAllowed, NotFound."""
    environment_for(actor, environment)
    lists = lists_for(actor, environment, chosen=chosen["list"], filling=chosen["star"])
    page = selectors.markets_list(
        environment,
        filters=market_filter(environment, chosen, lists),
        limit=chosen["limit"] or PAGE_LENGTH,
        offset=chosen["offset"] or 0,
    )
    starred = lists.target_tickers
    rewards = rewards_now(environment, [market.ticker for market in page.markets])
    return {
        "rows": [
            {
                **row_data(market, is_starred=market.ticker in starred),
                "reward": None if market.ticker not in rewards else format_dollars(rewards[market.ticker]),
            }
            for market in page.markets
        ],
        "total": page.total,
        "offset": page.offset,
        "list": {"id": lists.target.pk if lists.target else None, "name": lists.target_name},
    }


def row_data(market: Market, *, is_starred: bool) -> dict[str, Any]:
    """Return one market as the grid takes it; prices, sizes and status are overlaid by the topic `tickers`.

    `v` compares with the version of a live row: the newer of both is shown.
    """
    outcome = selectors.outcome_of(market)
    return {
        "ticker": market.ticker,
        "url": reverse("market_detail", args=[market.ticker]),
        "title": market.yes_sub_title or market.title or market.ticker,
        "event": market.event.title,
        "event_url": reverse("event_detail", args=[market.event.ticker]),
        "category": market.event.category,
        "step": finest_step(market),
        "v": to_unix_ms(market.updated_at) * 1_000,
        "bid": None if outcome.bid is None else format_price(outcome.bid),
        "ask": None if outcome.ask is None else format_price(outcome.ask),
        "bid_size": _count(market.yes_bid_size),
        "ask_size": _count(market.yes_ask_size),
        "last": format_price(market.last_price) if market.last_price else None,
        "previous": format_price(market.previous_price) if market.previous_price else None,
        "volume": _count(market.volume),
        "volume_24h": _count(market.volume_24h),
        "open_interest": _count(market.open_interest),
        "status": market.status,
        "close_ms": to_unix_ms(market.close_time) if market.close_time else None,
        "starred": is_starred,
    }


def finest_step(market: Market) -> str:
    """Return the finest tick of the market's grid, dollars; one cent where the exchange gave none."""
    steps = [str(one["step"]) for one in market.price_ranges if isinstance(one, dict) and one.get("step")]
    return min(steps, key=Decimal, default="0.0100")


def list_context(actor: Actor, environment: str, chosen: Mapping[str, Any]) -> dict[str, Any]:
    """Return the template context of the Markets page. Raises NotAllowed, NotFound."""
    environment_for(actor, environment)
    lists = lists_for(actor, environment, chosen=chosen["list"], filling=chosen["star"])
    page = selectors.markets_list(
        environment, filters=market_filter(environment, chosen, lists), offset=chosen["offset"] or 0, limit=PAGE_LENGTH
    )
    query = {key: value for key, value in chosen.items() if value not in (None, "") and key not in ("offset", "limit")}
    return {
        **choices_context(environment, chosen),
        "environment": environment,
        "page": page,
        "rows": page.markets,
        "first": page.offset + 1 if page.markets else 0,
        "last": page.offset + len(page.markets),
        "previous_query": urlencode({**query, "offset": max(0, page.offset - PAGE_LENGTH)}) if page.offset else "",
        "next_query": urlencode({**query, "offset": page.offset + PAGE_LENGTH}) if page.has_more else "",
        "has_filters": any(key not in ("list", "star", "sort") for key in query),
        "lists": lists,
        "starred_tickers": lists.target_tickers,
        "columns": COLUMNS,
        "problems": {},
    }


def refused_context(
    actor: Actor, environment: str, typed: Mapping[str, str], problems: Mapping[str, str]
) -> dict[str, Any]:
    """The Markets page for filters that do not read: nothing listed, what was typed kept, and why."""
    environment_for(actor, environment)
    values = {name: typed.get(name, "")[:120] for name in FILTER_NAMES}
    return {
        **choices_context(environment, values),
        "environment": environment,
        "page": selectors.MarketPage([], 0, PAGE_LENGTH, 0),
        "rows": [],
        "first": 0,
        "last": 0,
        "has_filters": True,
        "lists": lists_for(actor, environment, chosen=""),
        "starred_tickers": frozenset(),
        "columns": COLUMNS,
        "problems": problems,
    }


FILTER_NAMES = (
    "q",
    "category",
    "series",
    "tag",
    "status",
    "closes",
    "spread",
    "volume",
    "rewards",
    "list",
    "star",
    "sort",
)
# Column id -> words; what may be hidden. static/js/markets/columns.js defines what each shows.
COLUMNS = (
    ("bid_size", "Bid size"),
    ("ask_size", "Ask size"),
    ("spread", "Spread"),
    ("last", "Last"),
    ("change", "Change"),
    ("volume_24h", "Volume 24 h"),
    ("volume", "Volume"),
    ("open_interest", "Open interest"),
    ("position", "My position"),
    ("reward", "Reward"),
    ("close_ms", "Closes"),
    ("status", "Status"),
    ("category", "Category"),
)


def choices_context(environment: str, chosen: Mapping[str, Any]) -> dict[str, Any]:
    """What the filter's fields offer: two queries."""
    every = selectors.series_list(environment)
    category = chosen["category"]
    series = [one for one in every if not category or one.category == category]
    return {
        "chosen": {**chosen, "status": chosen["status"] or ("all" if chosen["list"] else "open")},
        "categories": selectors.categories(environment),
        "series_choices": _with_chosen(series, every, chosen["series"]),
        "has_more_series": len(series) > SERIES_SHOWN,
        "tags": sorted({str(tag) for one in series for tag in one.tags} | ({chosen["tag"]} - {""})),
        "statuses": STATUSES,
        "closes": CLOSES,
        "rewards": REWARDS,
    }


def _with_chosen(series: list[Series], every: list[Series], ticker: str) -> list[Series]:
    shown = series[:SERIES_SHOWN]
    if ticker and all(one.ticker != ticker for one in shown):
        shown += [one for one in every if one.ticker == ticker]
    return shown


def search_results(actor: Actor, environment: str, text: str) -> list[dict[str, str]]:
    """Return what the command palette shows for a text: events with several hits, then markets, open ones first."""
    environment_for(actor, environment)
    if not text.strip():
        return []
    found = selectors.markets_list(environment, filters=selectors.MarketFilter(text=text), limit=SEARCH_AT_MOST).markets
    if len(found) < SEARCH_AT_MOST:
        known = {market.pk for market in found}
        others = selectors.MarketFilter(text=text, status="")
        rest = selectors.markets_list(environment, filters=others, limit=SEARCH_AT_MOST).markets
        found += [market for market in rest if market.pk not in known]
    events: dict[str, int] = {}
    for market in found:
        events[market.event.ticker] = events.get(market.event.ticker, 0) + 1
    titles = {market.event.ticker: market.event.title for market in found}
    several = [ticker for ticker, count in events.items() if count > 1][:EVENTS_FOUND_AT_MOST]
    rows = [
        {"ticker": ticker, "title": f"{titles[ticker]} · all outcomes", "url": reverse("event_detail", args=[ticker])}
        for ticker in several
    ]
    rows += [
        {
            "ticker": market.ticker,
            "title": f"{market.yes_sub_title or market.title} · {market.event.title}",
            "url": reverse("market_detail", args=[market.ticker]),
        }
        for market in found
    ]
    # Who types a whole ticker wants that one.
    rows.sort(key=lambda row: row["ticker"].casefold() != text.strip().casefold())
    return rows[:SEARCH_AT_MOST]


def _series_of_tag(environment: str, tag: str) -> list[str]:
    # Tags are a JSON list: SQLite and PostgreSQL have no common way to look into one.
    return [one.ticker for one in selectors.series_list(environment) if tag in map(str, one.tags)]


def _count(value: Decimal | None) -> str | None:
    return None if value is None else format_count(value)
