"""Series, events, markets, books, trades and candlesticks."""

from tests.paper.server.contract.world import Ask

REQUESTS = [
    Ask("GET", "/series", 200, "/series?include_volume=true&include_product_metadata=true"),
    Ask("GET", "/series/{series_ticker}", 200, "/series/{series}?include_volume=true"),
    Ask("GET", "/events", 200, "/events?with_nested_markets=true&status=open"),
    Ask("GET", "/events/{event_ticker}", 200, "/events/{event}"),
    Ask("GET", "/events/{event_ticker}", 200, "/events/{event}?with_nested_markets=true"),
    Ask("GET", "/events/{event_ticker}", 404, "/events/NONE"),
    Ask("GET", "/markets", 200, "/markets?limit=2"),
    Ask("GET", "/markets/{ticker}", 200, "/markets/{linear}"),
    Ask("GET", "/markets/{ticker}", 404, "/markets/NONE"),
    Ask("GET", "/markets/{ticker}/orderbook", 200, "/markets/{linear}/orderbook"),
    Ask("GET", "/markets/orderbooks", 200, "/markets/orderbooks?tickers={linear}&tickers={deci}"),
    Ask("GET", "/markets/trades", 200, "/markets/trades?ticker={linear}"),
    Ask("GET", "/markets/candlesticks", 200, "/markets/candlesticks?market_tickers={linear},{settled}&{span}"),
    Ask(
        "GET",
        "/series/{series_ticker}/markets/{ticker}/candlesticks",
        200,
        "/series/{series}/markets/{linear}/candlesticks?{span}&include_latest_before_start=true",
    ),
    Ask(
        "GET",
        "/series/{series_ticker}/events/{ticker}/candlesticks",
        200,
        "/series/{series}/events/{event}/candlesticks?{span}",
    ),
]
