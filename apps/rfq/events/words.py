"""What rows of requests, quotes and confirmations share: people, markets, times, names of makers."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from decimal import Decimal
from hashlib import sha256
from typing import Any

from apps.accounts.models import User
from apps.core.money import format_count, format_dollars, format_price
from apps.core.timestamps import to_unix_ms
from apps.markets.models import Market
from apps.rfq import stored

Row = dict[str, Any]
FEW = 4  # markets that are read one by one, by statements that are written once


def ms(moment: datetime | None) -> int | None:
    return None if moment is None else to_unix_ms(moment)


def price(value: Decimal | None) -> str | None:
    return None if value is None else format_price(value)


def count(value: Decimal | None) -> str | None:
    return None if value is None else format_count(value)


def dollars(value: Decimal | None) -> str | None:
    return None if value is None else format_dollars(value)


def person(user: User | None) -> Row | None:
    return None if user is None else {"id": user.pk, "name": user.display_name or user.username}


def maker_alias(pseudonym: str) -> str:
    """Return a short name for a maker's pseudonym: the same today and tomorrow, for people to talk about."""
    return f"mk-{sha256(pseudonym.encode()).hexdigest()[:4]}" if pseudonym else "unknown maker"


def titles_of(environment: str, tickers: Iterable[str]) -> dict[str, str]:
    """Return what markets are called; a market that the catalogue lacks is called by its ticker."""
    tickers = set(tickers)
    found: Iterable[Market | None]
    if len(tickers) <= FEW:
        found = [stored.market_with_event(environment, ticker) for ticker in tickers]
    else:
        found = Market.objects.filter(environment=environment, ticker__in=tickers).select_related("event")
    known = {market.ticker: title_of(market) for market in found if market is not None}
    return {ticker: known.get(ticker, ticker) for ticker in tickers}


def title_of(market: Market) -> str:
    """Return "event: outcome" for a market of an event, or the market's own title."""
    outcome = market.yes_sub_title
    title = market.event.title if market.event_id else market.title
    return f"{title}: {outcome}" if outcome and title else (title or market.title or market.ticker)


def legs_rows(legs: Iterable[Mapping[str, str]], titles: Mapping[str, str]) -> list[Row]:
    return [
        {
            "event_ticker": leg.get("event_ticker", ""),
            "market_ticker": leg["market_ticker"],
            "side": leg["side"],
            "title": titles.get(leg["market_ticker"], leg["market_ticker"]),
        }
        for leg in legs
    ]
