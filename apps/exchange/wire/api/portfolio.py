"""Reads of one account: orders, fills, positions, balance, queue, limits, keys.

`subaccount` left out means the primary one for balance, positions and queue, and all of them for
orders and fills.
"""

from collections.abc import Iterator, Sequence

from apps.exchange.wire.api.calls import many, one, pages, segment
from apps.exchange.wire.client import ExchangeClient
from apps.exchange.wire.schemas.rest import (
    AccountLimits,
    ApiKeyRecord,
    Balance,
    EndpointCosts,
    FillRecord,
    Order,
    PositionRecord,
    QueuePosition,
)

_PAGE = 1000


def get_order(client: ExchangeClient, order_id: str) -> Order:
    """Raises Refused with status 404 when the exchange does not know the order (any more)."""
    return one(Order, client.get(f"/portfolio/orders/{segment(order_id)}"), is_read=True, key="order")


def get_orders(
    client: ExchangeClient,
    *,
    ticker: str | None = None,
    event_ticker: str | None = None,
    status: str | None = None,
    min_ts: int | None = None,
    max_ts: int | None = None,
    subaccount: int | None = None,
) -> Iterator[Order]:
    """Yield orders, page by page. status: resting, canceled, executed; times: Unix seconds."""
    params = {
        "ticker": ticker,
        "event_ticker": event_ticker,
        "status": status,
        "min_ts": min_ts,
        "max_ts": max_ts,
        "subaccount": subaccount,
        "limit": _PAGE,
    }
    return pages(client, "/portfolio/orders", key="orders", cls=Order, params=params)


def get_fills(
    client: ExchangeClient,
    *,
    ticker: str | None = None,
    order_id: str | None = None,
    min_ts: int | None = None,
    max_ts: int | None = None,
    subaccount: int | None = None,
) -> Iterator[FillRecord]:
    """Yield fills, newest first, page by page. Times: Unix seconds."""
    params = {
        "ticker": ticker,
        "order_id": order_id,
        "min_ts": min_ts,
        "max_ts": max_ts,
        "subaccount": subaccount,
        "limit": _PAGE,
    }
    return pages(client, "/portfolio/fills", key="fills", cls=FillRecord, params=params)


def get_positions(
    client: ExchangeClient,
    *,
    ticker: str | None = None,
    event_ticker: str | None = None,
    count_filter: str | None = None,
    subaccount: int | None = None,
) -> Iterator[PositionRecord]:
    """Yield market positions of one subaccount. count_filter: "position", "total_traded"."""
    params = {
        "ticker": ticker,
        "event_ticker": event_ticker,
        "count_filter": count_filter,
        "subaccount": subaccount,
        "limit": _PAGE,
    }
    return pages(client, "/portfolio/positions", key="market_positions", cls=PositionRecord, params=params)


def get_balance(client: ExchangeClient, *, subaccount: int | None = None) -> Balance:
    return one(Balance, client.get("/portfolio/balance", params={"subaccount": subaccount}), is_read=True)


def get_queue_positions(
    client: ExchangeClient,
    *,
    market_tickers: Sequence[str] = (),
    event_ticker: str | None = None,
    subaccount: int | None = None,
) -> list[QueuePosition]:
    params = {
        "market_tickers": ",".join(market_tickers) or None,
        "event_ticker": event_ticker,
        "subaccount": subaccount,
    }
    return many(QueuePosition, client.get("/portfolio/orders/queue_positions", params=params), key="queue_positions")


def get_limits(client: ExchangeClient) -> AccountLimits:
    return one(AccountLimits, client.get("/account/limits"), is_read=True)


def get_endpoint_costs(client: ExchangeClient) -> EndpointCosts:
    return one(EndpointCosts, client.get("/account/endpoint_costs"), is_read=True)


def get_api_keys(client: ExchangeClient) -> list[ApiKeyRecord]:
    return many(ApiKeyRecord, client.get("/api_keys"), key="api_keys")
