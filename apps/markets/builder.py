"""What the builder of combos reads: collections that are open, their events, markets with their present prices."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

import msgspec
import redis
from django.db.models import Count, Q

from apps.core.errors import NotFound, WireFormatError
from apps.core.money import parse_price
from apps.exchange import live
from apps.markets.models import Collection, Event, Market

COLLECTIONS_AT_MOST = 500
MARKETS_AT_MOST = 500


@dataclass(frozen=True, slots=True)
class Prices:
    """Best YES prices of a market, dollars; None where nobody quotes. is_live: from the feed, not the last sync."""

    bid: Decimal | None
    ask: Decimal | None
    is_live: bool = False

    @property
    def middle(self) -> Decimal | None:
        return None if self.bid is None or self.ask is None else (self.bid + self.ask) / 2


@dataclass(frozen=True, slots=True)
class MemberEvent:
    """An event of a collection. sizes: how many of its markets one combo may hold; None: no such limit."""

    event: Event
    is_yes_only: bool
    size_min: int | None
    size_max: int | None
    open_markets: int


@dataclass(frozen=True, slots=True)
class PricedMarket:
    market: Market
    prices: Prices


def collections_open(environment: str, *, text: str = "", now: datetime) -> list[Collection]:
    """Return the collections that take combos now, by title; every word of `text` occurs in ticker or title."""
    query = Collection.objects.filter(environment=environment, is_listed=True)
    query = query.filter(Q(open_time=None) | Q(open_time__lte=now), Q(close_time=None) | Q(close_time__gt=now))
    for word in text.split()[:8]:
        query = query.filter(Q(title__icontains=word) | Q(ticker__icontains=word) | Q(description__icontains=word))
    return list(query.order_by("title", "ticker")[:COLLECTIONS_AT_MOST])


def collection_get(environment: str, ticker: str) -> Collection:
    """Return one collection, open or not. Raises NotFound."""
    found = Collection.objects.filter(environment=environment, ticker=ticker).first()
    if found is None:
        raise NotFound(f"There is no collection {ticker[:120]} in this environment, as far as this desk has read.")
    return found


def collection_events(collection: Collection, *, text: str = "") -> list[MemberEvent]:
    """Return the events of a collection that the catalogue knows and that can still be legs, soonest first."""
    rules = {str(rule["ticker"]): rule for rule in collection.events}
    query = Event.objects.filter(environment=collection.environment, ticker__in=list(rules))
    for word in text.split()[:8]:
        query = query.filter(Q(title__icontains=word) | Q(sub_title__icontains=word) | Q(ticker__icontains=word))
    query = query.annotate(open_markets=Count("markets", filter=Q(markets__status="active")))
    found = []
    for event in query.filter(open_markets__gt=0).order_by("strike_date", "title", "ticker"):
        rule = rules[event.ticker]
        found.append(
            MemberEvent(
                event,
                is_yes_only=collection.is_all_yes or bool(rule.get("is_yes_only")),
                size_min=rule.get("size_min"),
                size_max=1 if collection.is_single_market_per_event else rule.get("size_max"),
                open_markets=event.open_markets,
            )
        )
    return found


def event_markets(environment: str, event_ticker: str) -> list[PricedMarket]:
    """Return the markets of an event that trade now, with their prices."""
    query = Market.objects.select_related("event").filter(
        environment=environment, event__ticker=event_ticker, status="active"
    )
    markets = list(query.order_by("ticker")[:MARKETS_AT_MOST])
    prices = prices_of(environment, markets)
    return [PricedMarket(market, prices[market.ticker]) for market in markets]


def prices_of(environment: str, markets: Iterable[Market]) -> dict[str, Prices]:
    """Return the prices of markets: of the live feed where there is one, else of the last catalogue sync."""
    markets = list(markets)
    found = _live_prices(environment, [market.ticker for market in markets])
    return {market.ticker: found.get(market.ticker) or _stored_prices(market) for market in markets}


def _live_prices(environment: str, tickers: Sequence[str]) -> dict[str, Prices]:
    """One round trip, whatever the number; nothing when the gateway is away or Redis is."""
    if not tickers:
        return {}
    try:
        with live.redis_client().pipeline(transaction=False) as pipe:
            pipe.get(live.HEARTBEAT_PREFIX + environment)
            pipe.hmget(f"{live.ROWS_PREFIX}tickers:{environment}", list(tickers))
            heartbeat, raws = pipe.execute()
    except (redis.RedisError, OSError):
        return {}
    if heartbeat is None:
        return {}
    rows = {ticker: _row_prices(raw) for ticker, raw in zip(tickers, raws, strict=True) if raw}
    return {ticker: prices for ticker, prices in rows.items() if prices is not None}


def _row_prices(raw: bytes) -> Prices | None:
    try:
        row: dict[str, Any] = msgspec.json.decode(raw)
        bid, ask = row.get("bid"), row.get("ask")
        return Prices(parse_price(bid) if bid else None, parse_price(ask) if ask else None, is_live=True)
    except (msgspec.DecodeError, WireFormatError, AttributeError):
        return None


def _stored_prices(market: Market) -> Prices:
    # Nobody quotes at 0 or 1: the exchange writes them for an empty side.
    bid, ask = (price if price is not None and 0 < price < 1 else None for price in (market.yes_bid, market.yes_ask))
    return Prices(bid, ask)
