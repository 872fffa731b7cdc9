"""Reads that need no account: series, events, markets, books, trades, candles, status."""

from collections.abc import Iterator, Sequence
from typing import Literal

import msgspec

from apps.exchange.wire.api.calls import many, one, pages, segment
from apps.exchange.wire.client import ExchangeClient
from apps.exchange.wire.errors import missing_object
from apps.exchange.wire.schemas.rest import (
    BookLevels,
    Candlestick,
    Event,
    Market,
    PublicTrade,
    Series,
    SeriesFeeChange,
    Status,
)


def get_exchange_status(client: ExchangeClient) -> Status:
    return one(Status, client.get("/exchange/status"), is_read=True)


def get_user_data_timestamp(client: ExchangeClient) -> str:
    """Return the RFC 3339 time up to which orders, fills and positions are in the reads."""
    body = client.get("/exchange/user_data_timestamp")
    moment = body.get("as_of_time")
    if not isinstance(moment, str):
        raise missing_object("user data timestamp", is_read=True, body=body)
    return moment


def get_series_list(
    client: ExchangeClient, *, category: str | None = None, include_volume: bool = False
) -> list[Series]:
    """Return all series; this list is not paged."""
    params = {"category": category, "include_volume": include_volume or None}
    return many(Series, client.get("/series", params=params), key="series")


def get_series(client: ExchangeClient, series_ticker: str) -> Series:
    return one(Series, client.get(f"/series/{segment(series_ticker)}"), is_read=True, key="series")


def get_fee_changes(
    client: ExchangeClient, *, series_ticker: str | None = None, show_historical: bool = False
) -> list[SeriesFeeChange]:
    """Return the dated changes of fees that are to come, and with `show_historical` those that were; not paged."""
    params = {"series_ticker": series_ticker, "show_historical": show_historical or None}
    return many(SeriesFeeChange, client.get("/series/fee_changes", params=params), key="series_fee_change_arr")


def get_events(
    client: ExchangeClient,
    *,
    series_ticker: str | None = None,
    status: str | None = None,
    with_nested_markets: bool = False,
    min_updated_ts: int | None = None,
) -> Iterator[Event]:
    """Yield events, page by page. status: unopened, open, closed, settled; times: Unix seconds."""
    params = {
        "series_ticker": series_ticker,
        "status": status,
        "with_nested_markets": with_nested_markets or None,
        "min_updated_ts": min_updated_ts,
        "limit": 200,
    }
    return pages(client, "/events", key="events", cls=Event, params=params)


def get_event(client: ExchangeClient, event_ticker: str) -> tuple[Event, list[Market]]:
    body = client.get(f"/events/{segment(event_ticker)}")
    return one(Event, body, is_read=True, key="event"), many(Market, {"markets": None, **body}, key="markets")


def get_markets(
    client: ExchangeClient,
    *,
    event_ticker: str | None = None,
    series_ticker: str | None = None,
    status: str | None = None,
    tickers: Sequence[str] = (),
    min_updated_ts: int | None = None,
    min_close_ts: int | None = None,
    max_close_ts: int | None = None,
) -> Iterator[Market]:
    """Yield markets, page by page.

    status (of the filter, not of the rows): unopened, open, paused, closed, settled.
    """
    params = {
        "event_ticker": event_ticker,
        "series_ticker": series_ticker,
        "status": status,
        "tickers": ",".join(tickers) or None,
        "min_updated_ts": min_updated_ts,
        "min_close_ts": min_close_ts,
        "max_close_ts": max_close_ts,
        "limit": 1000,
    }
    return pages(client, "/markets", key="markets", cls=Market, params=params)


def get_market(client: ExchangeClient, ticker: str) -> Market:
    return one(Market, client.get(f"/markets/{segment(ticker)}"), is_read=True, key="market")


def get_orderbook(client: ExchangeClient, ticker: str, *, depth: int | None = None) -> BookLevels:
    """Bids of both sides, ascending, best last. depth: levels per side, None for all."""
    body = client.get(f"/markets/{segment(ticker)}/orderbook", params={"depth": depth})
    try:
        return msgspec.convert(body["orderbook_fp"], BookLevels)
    except (KeyError, msgspec.ValidationError) as exc:
        raise missing_object("order book", is_read=True, body=body) from exc


def get_orderbooks(client: ExchangeClient, tickers: Sequence[str]) -> dict[str, BookLevels]:
    """Return the whole books of at most 100 markets by ticker; what the exchange does not know is left out."""
    body = client.get("/markets/orderbooks", params={"tickers": tickers})
    try:
        return {row["ticker"]: msgspec.convert(row["orderbook_fp"], BookLevels) for row in body["orderbooks"]}
    except (KeyError, TypeError, msgspec.ValidationError) as exc:
        raise missing_object("order books", is_read=True, body=body) from exc


def get_trades(
    client: ExchangeClient, *, ticker: str | None = None, min_ts: int | None = None, max_ts: int | None = None
) -> Iterator[PublicTrade]:
    """Yield public trades, newest first, page by page. Times: Unix seconds."""
    params = {"ticker": ticker, "min_ts": min_ts, "max_ts": max_ts, "limit": 1000}
    return pages(client, "/markets/trades", key="trades", cls=PublicTrade, params=params)


def get_candlesticks(
    client: ExchangeClient,
    *,
    series_ticker: str,
    ticker: str,
    start_ts: int,
    end_ts: int,
    period_minutes: Literal[1, 60, 1440],
) -> list[Candlestick]:
    """Return candles that end in [start_ts, end_ts], Unix seconds."""
    body = client.get(
        f"/series/{segment(series_ticker)}/markets/{segment(ticker)}/candlesticks",
        params={"start_ts": start_ts, "end_ts": end_ts, "period_interval": period_minutes},
    )
    return many(Candlestick, body, key="candlesticks")
