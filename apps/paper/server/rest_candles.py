"""Candlestick operations: one market, many markets, one event."""

from apps.core.money import format_count_units, format_price_units
from apps.paper.engine.candles import Candle, Quad
from apps.paper.engine.reads import MAX_CANDLES, PERIODS
from apps.paper.server import params
from apps.paper.server.core import Call, Core, Operation
from apps.paper.server.http import ApiError, Response
from apps.paper.server.params import Query
from apps.paper.server.rest_markets import market_or_404
from apps.paper.server.shapes import Json


def market_candlesticks(core: Core, call: Call) -> Response:
    market = market_or_404(core, call.path["ticker"])
    if market.series_ticker != call.path["series_ticker"]:
        raise ApiError(404, "market_not_found", "the market belongs to another series")
    start, end, period = _span(call.request.query)
    _check_total((end - start) // PERIODS[period])
    latest = params.flag(call.request.query, "include_latest_before_start")
    candles = _candles(core, market.ticker, start, end, period, with_latest=latest)
    return Response.json({"ticker": market.ticker, "candlesticks": candles})


def batch_candlesticks(core: Core, call: Call) -> Response:
    query = call.request.query
    tickers = list(dict.fromkeys(params.names(query, "market_tickers", most=100)))
    if not tickers:
        raise params.invalid("market_tickers", "given: 1 to 100 tickers")
    start, end, period = _span(query)
    _check_total((end - start) // PERIODS[period] * len(tickers))
    latest = params.flag(query, "include_latest_before_start")
    rows = [
        {"market_ticker": ticker, "candlesticks": _candles(core, ticker, start, end, period, with_latest=latest)}
        for ticker in tickers
        if core.catalogue.market(ticker)
    ]
    return Response.json({"markets": rows})


def event_candlesticks(core: Core, call: Call) -> Response:
    """At most 10,000 candles in all: where the span holds more, `adjusted_end_ts` says where this answer ends."""
    event = core.catalogue.event(call.path["ticker"])
    if event is None or event.series_ticker != call.path["series_ticker"]:
        # The file has no 404 here.
        raise ApiError(400, "event_not_found", "event not found in this series")
    start, end, period = _span(call.request.query)
    tickers = [ticker for ticker in event.market_tickers if core.catalogue.market(ticker)]
    most = MAX_CANDLES // max(1, len(tickers)) * PERIODS[period]
    end = min(end, start + most)
    candles = [_candles(core, ticker, start, end, period, with_latest=False) for ticker in tickers]
    body = {"market_tickers": tickers, "market_candlesticks": candles, "adjusted_end_ts": end}
    return Response.json(body)


def _span(query: Query) -> tuple[int, int, int]:
    values = []
    for name in ("start_ts", "end_ts", "period_interval"):
        value = params.whole(query, name, maximum=253_402_300_799)
        if value is None:
            raise params.invalid(name, "given")
        values.append(value)
    start, end, period = values
    if period not in PERIODS:
        raise params.invalid("period_interval", "1, 60 or 1440")
    if end < start:
        raise params.invalid("end_ts", "at or after start_ts")
    return start, end, period


def _check_total(candles: int) -> None:
    if candles > MAX_CANDLES:
        raise params.invalid("end_ts", f"near enough to start_ts for at most {MAX_CANDLES} candlesticks")


def _candles(core: Core, ticker: str, start: int, end: int, period: int, *, with_latest: bool) -> list[Json]:
    store = core.catalogue.candle_store(ticker)
    candles = store.candles(start_s=start, end_s=end, period_s=PERIODS[period], now_ms=core.clock.now_ms())
    if with_latest:
        latest = store.projected(start_s=start, period_s=PERIODS[period])
        if latest is not None:
            candles.insert(0, latest)
    return [_candle_json(candle) for candle in candles]


def _candle_json(candle: Candle) -> Json:
    return {
        "end_period_ts": candle.end_s,
        "yes_bid": _quad_json(candle.yes_bid),
        "yes_ask": _quad_json(candle.yes_ask),
        "price": _price_json(candle),
        "volume_fp": format_count_units(candle.volume),
        "open_interest_fp": format_count_units(candle.open_interest),
    }


def _quad_json(quad: Quad) -> Json:
    return {
        "open_dollars": format_price_units(quad.open),
        "low_dollars": format_price_units(quad.low),
        "high_dollars": format_price_units(quad.high),
        "close_dollars": format_price_units(quad.close),
    }


def _price_json(candle: Candle) -> Json:
    """All null but `previous_dollars` where nothing traded."""
    previous = None if candle.previous is None else format_price_units(candle.previous)
    if candle.price is None or candle.mean is None:
        names = ("open_dollars", "low_dollars", "high_dollars", "close_dollars", "mean_dollars")
        return dict.fromkeys((*names, "min_dollars", "max_dollars")) | {"previous_dollars": previous}
    return {
        **_quad_json(candle.price),
        "mean_dollars": format_price_units(candle.mean),
        "min_dollars": format_price_units(candle.price.low),
        "max_dollars": format_price_units(candle.price.high),
        "previous_dollars": previous,
    }


OPERATIONS = [
    Operation("GET", "/markets/candlesticks", batch_candlesticks, access="public"),
    Operation("GET", "/series/{series_ticker}/markets/{ticker}/candlesticks", market_candlesticks, access="public"),
    Operation("GET", "/series/{series_ticker}/events/{ticker}/candlesticks", event_candlesticks, access="public"),
]
