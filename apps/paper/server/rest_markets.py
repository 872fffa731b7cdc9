"""Operations on series, events, markets, books and trades."""

from collections.abc import Sequence
from itertools import islice

from apps.paper.engine.catalogue import Market, MarketEvent
from apps.paper.engine.orders import Trade
from apps.paper.server import params
from apps.paper.server.core import Call, Core, Operation
from apps.paper.server.http import ApiError, Response
from apps.paper.server.params import Query
from apps.paper.server.shapes import Json, event_json, levels_json, market_json, series_json, trade_json

# Filter word -> market statuses (docs: market_lifecycle).
MARKET_FILTERS: dict[str, tuple[str, ...]] = {
    "unopened": ("initialized",),
    "open": ("active",),
    "paused": ("inactive",),
    "closed": ("closed", "determined", "disputed", "amended"),
    "settled": ("finalized",),
}
# Time filters that go together, and the status filters they go with (GetMarkets).
TIME_FILTERS: list[tuple[tuple[str, ...], tuple[str | None, ...]]] = [
    (("min_created_ts", "max_created_ts"), ("unopened", "open", None)),
    (("min_close_ts", "max_close_ts"), ("closed", None)),
    (("min_settled_ts", "max_settled_ts"), ("settled", None)),
    (("min_updated_ts",), (None,)),
]


def market_shape(core: Core, market: Market) -> Json:
    statistics = core.catalogue.statistics(market.ticker, now_ms=core.clock.now_ms())
    return market_json(market, statistics=statistics)


def market_or_404(core: Core, ticker: str) -> Market:
    market = core.catalogue.market(ticker)
    if market is None:
        raise ApiError(404, "market_not_found", f"market {ticker[:80]} not found")
    return market


def series_list(core: Core, call: Call) -> Response:
    query = call.request.query
    category, tags = params.text(query, "category"), params.names(query, "tags", most=50)
    min_updated = params.whole(query, "min_updated_ts")
    with_volume, with_metadata = params.flag(query, "include_volume"), params.flag(query, "include_product_metadata")
    rows = [
        series_json(
            series,
            now_ms=core.clock.now_ms(),
            volume=_series_volume(core, series.ticker) if with_volume else None,
            with_metadata=with_metadata,
        )
        for series in core.catalogue.series_all()
        if category in (None, series.category)
        and (not tags or set(tags) & set(series.tags))
        and (min_updated is None or series.updated_ms >= min_updated * 1000)
    ]
    return Response.json({"series": rows})


def series_one(core: Core, call: Call) -> Response:
    series = core.catalogue.series(call.path["series_ticker"])
    if series is None:
        raise ApiError(404, "series_not_found", "series not found")
    with_volume = params.flag(call.request.query, "include_volume")
    volume = _series_volume(core, series.ticker) if with_volume else None
    return Response.json({"series": series_json(series, now_ms=core.clock.now_ms(), volume=volume)})


def _series_volume(core: Core, ticker: str) -> int:
    return sum(market.volume for market in core.catalogue.markets_all() if market.series_ticker == ticker)


def events_list(core: Core, call: Call) -> Response:
    query = call.request.query
    status = params.choice(query, "status", ("unopened", "open", "closed", "settled"))
    series_ticker = params.text(query, "series_ticker")
    min_close, min_updated = params.whole(query, "min_close_ts"), params.whole(query, "min_updated_ts")
    size = params.limit(query, default=200, maximum=200)
    nested = params.flag(query, "with_nested_markets")

    def wanted(event: MarketEvent) -> bool:
        if series_ticker not in (None, event.series_ticker):
            return False
        if min_updated is not None and event.updated_ms < min_updated * 1000:
            return False
        markets = _markets_of(core, event)
        if min_close is not None and not any(market.close_ms > min_close * 1000 for market in markets):
            return False
        return status is None or _event_status(markets) == status

    rows, cursor = params.page([event for event in core.catalogue.events_all() if wanted(event)], query, size=size)
    shapes = [event_json(event, markets=_nested(core, event) if nested else None) for event in rows]
    return Response.json({"events": shapes, "cursor": cursor})


def event_one(core: Core, call: Call) -> Response:
    event = core.catalogue.event(call.path["event_ticker"])
    if event is None:
        raise ApiError(404, "event_not_found", "event not found")
    markets = _nested(core, event)
    if params.flag(call.request.query, "with_nested_markets"):
        return Response.json({"event": event_json(event, markets=markets), "markets": []})
    return Response.json({"event": event_json(event), "markets": markets})


def _markets_of(core: Core, event: MarketEvent) -> list[Market]:
    return [market for ticker in event.market_tickers if (market := core.catalogue.market(ticker))]


def _nested(core: Core, event: MarketEvent) -> list[Json]:
    return [market_shape(core, market) for market in _markets_of(core, event)]


def _event_status(markets: list[Market]) -> str:
    """An event is open while one of its markets trades or may trade again."""
    words = {word for market in markets for word, statuses in MARKET_FILTERS.items() if market.status in statuses}
    if words & {"open", "paused"}:
        return "open"
    return next((word for word in ("unopened", "closed") if word in words), "settled")


def markets_list(core: Core, call: Call) -> Response:
    query = call.request.query
    size = params.limit(query, default=100, maximum=1000, minimum=0)
    status = params.choice(query, "status", tuple(MARKET_FILTERS))
    times = _market_times(query, status)
    tickers = params.names(query, "tickers", most=1000)
    event_ticker, series_ticker = params.text(query, "event_ticker"), params.text(query, "series_ticker")
    if params.choice(query, "mve_filter", ("only", "exclude")) == "only":
        return Response.json({"markets": [], "cursor": ""})

    def wanted(market: Market) -> bool:
        return (
            (status is None or market.status in MARKET_FILTERS[status])
            and event_ticker in (None, market.event_ticker)
            and series_ticker in (None, market.series_ticker)
            and all(_in_time(market, name, at * 1000) for name, at in times.items())
        )

    source = (
        [found for ticker in tickers if (found := core.catalogue.market(ticker))]
        if tickers
        else (core.catalogue.markets_all())
    )
    rows, cursor = params.page([market for market in source if wanted(market)], query, size=size)
    return Response.json({"markets": [market_shape(core, market) for market in rows], "cursor": cursor})


def _market_times(query: Query, status: str | None) -> dict[str, int]:
    """The time filters given; 400 for those that do not go together."""
    given: dict[str, int] = {}
    for names, statuses in TIME_FILTERS:
        group = {name: value for name in names if (value := params.whole(query, name)) is not None}
        if group and given:
            raise params.invalid(next(iter(group)), f"given without {next(iter(given))}")
        if group and status not in statuses:
            raise params.invalid(next(iter(group)), f"given without status={status}")
        given |= group
    return given


def _in_time(market: Market, name: str, at_ms: int) -> bool:
    word = name.split("_")[1]
    value = {
        "created": market.created_ms,
        "close": market.close_ms,
        "settled": market.settled_ms,
        "updated": max(market.updated_ms, market.created_ms),
    }[word]
    if value is None:
        return False
    return value >= at_ms if name.startswith("min") else value <= at_ms


def market_one(core: Core, call: Call) -> Response:
    return Response.json({"market": market_shape(core, market_or_404(core, call.path["ticker"]))})


def market_orderbook(core: Core, call: Call) -> Response:
    market = market_or_404(core, call.path["ticker"])
    depth = params.whole(call.request.query, "depth", maximum=100) or 0
    return Response.json({"orderbook_fp": _book(core, market.ticker, depth)})


def market_orderbooks(core: Core, call: Call) -> Response:
    tickers = [ticker for value in call.request.query.get("tickers", []) for ticker in value.split(",") if ticker]
    if not 1 <= len(tickers) <= 100:
        raise params.invalid("tickers", "given 1 to 100 times")
    known = [ticker for ticker in dict.fromkeys(tickers) if core.catalogue.market(ticker)]
    rows = [{"ticker": ticker, "orderbook_fp": _book(core, ticker, 0)} for ticker in known]
    return Response.json({"orderbooks": rows})


def _book(core: Core, ticker: str, depth: int) -> Json:
    yes, no = core.catalogue.levels(ticker)
    # Ascending, best last: the best `depth` levels are the last ones. 0 means all.
    return {"yes_dollars": levels_json(yes[-depth:]), "no_dollars": levels_json(no[-depth:])}


def trades_list(core: Core, call: Call) -> Response:
    query = call.request.query
    size = params.limit(query, default=100, maximum=1000, minimum=0)
    ticker = params.text(query, "ticker")
    min_ts, max_ts = params.whole(query, "min_ts"), params.whole(query, "max_ts")
    before = params.cursor(query)
    if ticker is not None and core.replay_markets is not None and core.replay_markets.market(ticker):
        rows = _replayed(core.replay_markets.trades(ticker), min_ts, max_ts, before, size + 1)
    else:
        rows = core.exchange.trades(ticker=ticker, min_ts=min_ts, max_ts=max_ts, before=before, limit=size + 1)
    shown, cursor = params.newest_first(rows, size=size)
    return Response.json({"trades": [trade_json(trade) for trade in shown], "cursor": cursor})


def _replayed(
    trades: Sequence[Trade], min_ts: int | None, max_ts: int | None, before: int | None, most: int
) -> list[Trade]:
    wanted = (
        trade
        for trade in reversed(trades)
        if (before is None or trade.sequence < before)
        and (min_ts is None or trade.ts_ms >= min_ts * 1000)
        and (max_ts is None or trade.ts_ms <= max_ts * 1000 + 999)
    )
    return list(islice(wanted, most))


OPERATIONS = [
    Operation("GET", "/series", series_list, access="public"),
    Operation("GET", "/series/{series_ticker}", series_one, access="public"),
    Operation("GET", "/events", events_list, access="public"),
    Operation("GET", "/events/{event_ticker}", event_one, access="public"),
    Operation("GET", "/markets", markets_list, access="public"),
    Operation("GET", "/markets/trades", trades_list, access="public"),
    Operation("GET", "/markets/orderbooks", market_orderbooks, access="public"),
    Operation("GET", "/markets/{ticker}", market_one, access="public"),
    Operation("GET", "/markets/{ticker}/orderbook", market_orderbook, access="public"),
]
