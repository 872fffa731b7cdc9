"""The historical tier: cutoffs, and what is older than they are. Source: kalshi-openapi.yaml 3.18.0, historical/*.

Cursors here say where the last row stands, so that what is archived between two pages shifts nothing.
"""

import base64
import binascii
from collections.abc import Callable, Sequence
from typing import TypeVar

from apps.core.money import format_count_units, format_price_units
from apps.paper.engine.archive import Place
from apps.paper.engine.candles import Candle, Quad
from apps.paper.engine.catalogue import Market, MarketStatistics
from apps.paper.engine.orders import Fill, Order, Trade
from apps.paper.engine.reads import MAX_CANDLES, PERIODS
from apps.paper.server import params
from apps.paper.server.core import Call, Core, Operation
from apps.paper.server.http import ApiError, Response
from apps.paper.server.params import Query
from apps.paper.server.shapes import Json, fill_json, market_json, order_json, time_text, trade_json

MOST_TICKERS = 1000
LAST_SECOND = 253_402_300_799
Row = TypeVar("Row", Fill, Order, Trade)


def cutoff(core: Core, call: Call) -> Response:
    cutoffs = core.exchange.cutoffs
    body = {
        "market_settled_ts": time_text(cutoffs.market_settled_ms),
        "trades_created_ts": time_text(cutoffs.trades_created_ms),
        "orders_updated_ts": time_text(cutoffs.orders_updated_ms),
    }
    return Response.json(body)


def fills(core: Core, call: Call) -> Response:
    """Of all subaccounts: the file names no filter."""
    query = call.request.query
    size = params.limit(query, default=100, maximum=1000)
    rows = core.exchange.historical_fills(
        call.user_id,
        ticker=_known_ticker(core, query),
        max_ts=params.whole(query, "max_ts"),
        before=_place(query),
        limit=size + 1,
        view=core.view,
    )
    shown, following = _page(rows, size, lambda fill: (fill.ts_ms, fill.sequence))
    return Response.json({"fills": [fill_json(fill) for fill in shown], "cursor": following})


def orders(core: Core, call: Call) -> Response:
    query = call.request.query
    size = params.limit(query, default=100, maximum=1000)
    rows = core.exchange.historical_orders(
        call.user_id,
        ticker=params.text(query, "ticker"),
        max_ts=params.whole(query, "max_ts"),
        before=_place(query),
        limit=size + 1,
        view=core.view,
    )
    shown, following = _page(rows, size, lambda order: (order.created_ms, order.sequence))
    return Response.json({"orders": [order_json(order) for order in shown], "cursor": following})


def trades(core: Core, call: Call) -> Response:
    query = call.request.query
    size = params.limit(query, default=100, maximum=1000, minimum=0)
    rows = core.exchange.historical_trades(
        ticker=_known_ticker(core, query),
        min_ts=params.whole(query, "min_ts"),
        max_ts=params.whole(query, "max_ts"),
        before=_place(query),
        limit=size + 1,
    )
    shown, following = _page(rows, size, lambda trade: (trade.ts_ms, trade.sequence))
    return Response.json(
        {"trades": [trade_json(trade, later=core.edition == "3.28") for trade in shown], "cursor": following}
    )


def markets(core: Core, call: Call) -> Response:
    """Archived last first. The filters exclude each other."""
    query = call.request.query
    size = params.limit(query, default=100, maximum=1000, minimum=0)
    tickers = params.names(query, "tickers", most=MOST_TICKERS)
    event_ticker, series_ticker = params.text(query, "event_ticker"), params.text(query, "series_ticker")
    without_combos = params.choice(query, "mve_filter", ("exclude",)) is not None
    if event_ticker is not None and "," in event_ticker:
        raise params.invalid("event_ticker", "a single one")
    if sum(map(bool, (tickers, event_ticker, series_ticker, without_combos))) > 1:
        raise ApiError(
            400, "invalid_parameters", "tickers, event_ticker, series_ticker and mve_filter exclude each other"
        )
    rows = core.exchange.archive.markets(
        tickers=tickers,
        event_ticker=event_ticker,
        series_ticker=series_ticker,
        combos=not without_combos,
        before=params.cursor(query),
        limit=size + 1,
    )
    following = params.make_cursor(rows[size - 1][0]) if len(rows) > size else ""
    return Response.json({"markets": [_market_json(market) for _, market in rows[:size]], "cursor": following})


def market_one(core: Core, call: Call) -> Response:
    return Response.json({"market": _market_json(_archived(core, call.path["ticker"]))})


def candlesticks(core: Core, call: Call) -> Response:
    market = _archived(core, call.path["ticker"])
    start, end, period = (_required(call.request.query, name) for name in ("start_ts", "end_ts", "period_interval"))
    if period not in PERIODS:
        raise params.invalid("period_interval", "1, 60 or 1440")
    if not start <= end <= start + MAX_CANDLES * PERIODS[period]:
        raise params.invalid("end_ts", f"after start_ts by at most {MAX_CANDLES} periods")
    found = core.exchange.historical_candles(market, start_ts=start, end_ts=end, period_s=PERIODS[period])
    return Response.json({"ticker": market.ticker, "candlesticks": [_candle_json(candle) for candle in found]})


def _archived(core: Core, ticker: str) -> Market:
    market = core.exchange.archive.market(ticker)
    if market is None:
        raise ApiError(404, "market_not_found", f"market {ticker[:80]} is not in the historical database")
    return market


def _known_ticker(core: Core, query: Query) -> str | None:
    """The filter by market; 404 for a market that there never was."""
    ticker = params.text(query, "ticker")
    if ticker is not None and core.catalogue.market(ticker) is None and core.exchange.archive.market(ticker) is None:
        raise ApiError(404, "market_not_found", f"market {ticker[:80]} not found")
    return ticker


def _required(query: Query, name: str) -> int:
    value = params.whole(query, name, maximum=LAST_SECOND)
    if value is None:
        raise params.invalid(name, "given")
    return value


def _page(rows: list[Row], size: int, place: Callable[[Row], Place]) -> tuple[Sequence[Row], str]:
    """Of rows asked for with one more than `size`: a page, and the cursor of the next ("" on the last)."""
    if len(rows) <= size:
        return rows, ""
    ts_ms, sequence = place(rows[size - 1])
    return rows[:size], base64.urlsafe_b64encode(f"{ts_ms}.{sequence}".encode()).decode()


def _place(query: Query) -> Place | None:
    raw = params.text(query, "cursor")
    if raw is None:
        return None
    try:
        ts_ms, _, sequence = base64.urlsafe_b64decode(raw.encode()).decode().partition(".")
        place = int(ts_ms), int(sequence)
    except (binascii.Error, ValueError) as exc:
        raise params.invalid("cursor", "a cursor of an earlier answer") from exc
    if not all(0 <= part < 2**62 for part in place):
        raise params.invalid("cursor", "a cursor of an earlier answer")
    return place


def _market_json(market: Market) -> Json:
    """Nothing happens in it any more: what it was a day ago is what it is."""
    return market_json(market, statistics=MarketStatistics(0, market.yes_bid, market.yes_ask, market.last_price))


def _candle_json(candle: Candle) -> Json:
    """Names without suffixes, unlike the live tier's."""
    previous = None if candle.previous is None else format_price_units(candle.previous)
    price: Json = dict.fromkeys(("open", "low", "high", "close", "mean"))
    if candle.price is not None and candle.mean is not None:
        price = _quad_json(candle.price) | {"mean": format_price_units(candle.mean)}
    return {
        "end_period_ts": candle.end_s,
        "yes_bid": _quad_json(candle.yes_bid),
        "yes_ask": _quad_json(candle.yes_ask),
        "price": price | {"previous": previous},
        "volume": format_count_units(candle.volume),
        "open_interest": format_count_units(candle.open_interest),
    }


def _quad_json(quad: Quad) -> Json:
    return {name: format_price_units(getattr(quad, name)) for name in ("open", "low", "high", "close")}


OPERATIONS = [
    Operation("GET", "/historical/cutoff", cutoff, access="public"),
    Operation("GET", "/historical/fills", fills),
    Operation("GET", "/historical/orders", orders),
    Operation("GET", "/historical/trades", trades, access="public"),
    Operation("GET", "/historical/markets", markets, access="public"),
    Operation("GET", "/historical/markets/{ticker}", market_one, access="public"),
    Operation("GET", "/historical/markets/{ticker}/candlesticks", candlesticks, access="public"),
]
