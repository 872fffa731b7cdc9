"""A small exchange catalogue behind httpx's own mock transport: the real client, no sockets."""

from collections.abc import Callable
from typing import Any

import httpx

from apps.exchange.wire.client import ExchangeClient


def raw_market(ticker: str, event: str, **over: Any) -> dict[str, Any]:
    """One market as GET /markets writes it (API 3.18.0); override what matters."""
    return {
        "ticker": ticker,
        "event_ticker": event,
        "market_type": "binary",
        "title": "Will it?",
        "yes_sub_title": "Yes, it will",
        "no_sub_title": "No",
        "created_time": "2026-11-01T00:00:00Z",
        "updated_time": "2026-11-01T00:00:00Z",
        "open_time": "2026-11-01T00:00:00Z",
        "close_time": "2026-12-01T00:00:00Z",
        "latest_expiration_time": "2026-12-02T00:00:00Z",
        "settlement_timer_seconds": 60,
        "status": "active",
        "yes_bid_dollars": "0.4500",
        "yes_bid_size_fp": "300.00",
        "yes_ask_dollars": "0.5300",
        "yes_ask_size_fp": "150.00",
        "no_bid_dollars": "0.4700",
        "no_ask_dollars": "0.5500",
        "last_price_dollars": "0.4800",
        "volume_fp": "33896.00",
        "volume_24h_fp": "120.50",
        "open_interest_fp": "20422.00",
        "notional_value_dollars": "1.0000",
        "previous_price_dollars": "0.4700",
        "result": "",
        "expiration_value": "",
        "can_close_early": True,
        "rules_primary": "If it does, it resolves to Yes.",
        "rules_secondary": "",
        "price_level_structure": "linear_cent",
        "price_ranges": [{"start": "0.0000", "end": "1.0000", "step": "0.0100"}],
        **over,
    }


def raw_event(ticker: str, series: str, **over: Any) -> dict[str, Any]:
    return {
        "event_ticker": ticker,
        "series_ticker": series,
        "sub_title": "Soon",
        "title": f"Event {ticker}",
        "collateral_return_type": "",
        "mutually_exclusive": True,
        "category": "Climate",
        "available_on_brokers": True,
        "product_metadata": None,
        **over,
    }


def raw_series(ticker: str, **over: Any) -> dict[str, Any]:
    return {
        "ticker": ticker,
        "frequency": "daily",
        "title": f"Series {ticker}",
        "category": "Climate",
        "tags": ["Weather"],
        "settlement_sources": [{"name": "NWS", "url": "https://weather.example"}],
        "contract_url": "",
        "contract_terms_url": "",
        "fee_type": "quadratic",
        "fee_multiplier": 0.5,
        "additional_prohibitions": [],
        **over,
    }


class CatalogueExchange:
    """Answers the catalogue's reads in pages, as the exchange does. `requests` holds what was asked."""

    def __init__(self, *, page: int = 2) -> None:
        self.page = page
        self.series: dict[str, dict[str, Any]] = {}
        self.events: dict[str, dict[str, Any]] = {}
        self.markets: dict[str, dict[str, Any]] = {}
        self.event_status: dict[str, str] = {}
        self.others: dict[str, Callable[[httpx.Request], httpx.Response]] = {}
        self.requests: list[httpx.Request] = []

    def add(self, series: str, event: str, *tickers: str, status: str = "open", **over: Any) -> None:
        self.series.setdefault(series, raw_series(series))
        self.events.setdefault(event, raw_event(event, series))
        self.event_status[event] = status
        for ticker in tickers:
            self.markets[ticker] = raw_market(ticker, event, **over)

    def client(self) -> ExchangeClient:
        return ExchangeClient(["http://127.0.0.1:1"], None, None, httpx.MockTransport(self._handle))

    def paths(self) -> list[str]:
        return [request.url.path.removeprefix("/trade-api/v2") for request in self.requests]

    def _handle(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        path = request.url.path.removeprefix("/trade-api/v2")
        if path in self.others:
            return self.others[path](request)
        match path.strip("/").split("/"):
            case ["series"]:
                return httpx.Response(200, json={"series": list(self.series.values())})
            case ["events"]:
                return self._paged(request, "events", self._listed_events(request))
            case ["events", ticker] if ticker in self.events:
                return httpx.Response(200, json={"event": self._with_markets(self.events[ticker]), "markets": []})
            case ["markets"]:
                return self._paged(request, "markets", self._listed_markets(request))
            case ["markets", ticker] if ticker in self.markets:
                return httpx.Response(200, json={"market": self.markets[ticker]})
        return httpx.Response(404, json={"code": "not_found", "message": "not found"})

    def _with_markets(self, event: dict[str, Any]) -> dict[str, Any]:
        nested = [market for market in self.markets.values() if market["event_ticker"] == event["event_ticker"]]
        return {**event, "markets": nested}

    def _listed_events(self, request: httpx.Request) -> list[dict[str, Any]]:
        status = request.url.params.get("status")
        chosen = [self.events[t] for t, own in self.event_status.items() if status in (None, own)]
        return [self._with_markets(event) for event in chosen]

    def _listed_markets(self, request: httpx.Request) -> list[dict[str, Any]]:
        wanted = request.url.params.get("tickers")
        return [m for t, m in self.markets.items() if wanted is None or t in wanted.split(",")]

    def _paged(self, request: httpx.Request, key: str, items: list[dict[str, Any]]) -> httpx.Response:
        start = int(request.url.params.get("cursor") or 0)
        following = str(start + self.page) if start + self.page < len(items) else ""
        return httpx.Response(200, json={key: items[start : start + self.page], "cursor": following})
