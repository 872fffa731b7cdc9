"""Operations on series, markets, books and trades."""

from collections.abc import Sequence
from itertools import islice

from apps.paper.engine.catalogue import Market
from apps.paper.engine.orders import Trade
from apps.paper.server import params
from apps.paper.server.core import Call, Core, Operation
from apps.paper.server.http import ApiError, Response
from apps.paper.server.params import Query
from apps.paper.server.shapes import Json, levels_json, market_json, series_json, trade_json

# Filter word -> market statuses (docs: market_lifecycle).
MARKET_FILTERS: dict[str, tuple[str, ...]] = {
    "unopened": ("initialized",),
    "open": ("active",),
    "paused": ("inactive",),
    "closed": ("closed", "determined", "disputed", "amended"),
    "settled": ("finalized",),
}
MOST_TICKERS = 1000  # the file names no limit
LONGEST_TICKER = 200
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
            volume=core.catalogue.series_volume(series.ticker) if with_volume else None,
            with_metadata=with_metadata,
        )
        for series in core.catalogue.series_all()
        if category in (None, series.category)
        and (not tags or set(tags) & set(series.tags))
        and (min_updated is None or series.updated_ms > min_updated * 1000)
    ]
    return Response.json({"series": rows})


def series_one(core: Core, call: Call) -> Response:
    """An unknown one is a 400: the file has no 404 here."""
    with_volume = params.flag(call.request.query, "include_volume")
    series = core.catalogue.series(call.path["series_ticker"])
    if series is None:
        raise ApiError(400, "series_not_found", "series not found")
    volume = core.catalogue.series_volume(series.ticker) if with_volume else None
    return Response.json({"series": series_json(series, now_ms=core.clock.now_ms(), volume=volume)})


def markets_list(core: Core, call: Call) -> Response:
    query = call.request.query
    size = params.limit(query, default=100, maximum=1000, minimum=0)
    status = params.choice(query, "status", tuple(MARKET_FILTERS))
    times = _market_times(query, status)
    tickers = params.names(query, "tickers", most=MOST_TICKERS)
    event_ticker, series_ticker = params.text(query, "event_ticker"), params.text(query, "series_ticker")
    if event_ticker is not None and "," in event_ticker:
        raise params.invalid("event_ticker", "a single one")
    combos = params.choice(query, "mve_filter", ("only", "exclude"))
    if "min_updated_ts" in times and (status or tickers or event_ticker or series_ticker or combos == "only"):
        raise params.invalid("min_updated_ts", "given without other filters but mve_filter=exclude")

    def wanted(market: Market) -> bool:
        return (
            (status is None or market.status in MARKET_FILTERS[status])
            and event_ticker in (None, market.event_ticker)
            and series_ticker in (None, market.series_ticker)
            and (combos is None or market.is_combo == (combos == "only"))
            and all(_in_time(market, name, at * 1000) for name, at in times.items())
        )

    source = (
        [found for ticker in dict.fromkeys(tickers) if (found := core.catalogue.market(ticker))]
        if tickers
        else core.catalogue.markets_all()
    )
    rows, cursor = params.page_by_key([m for m in source if wanted(m)], query, size=size, key=_place)
    return Response.json({"markets": [market_shape(core, market) for market in rows], "cursor": cursor})


def _place(market: Market) -> str:
    return market.ticker


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
    # "Updated later than", but created, closed or settled from that second on: the file says "after" of both.
    if word == "updated":
        return value > at_ms
    return value >= at_ms if name.startswith("min") else value <= at_ms


def market_one(core: Core, call: Call) -> Response:
    return Response.json({"market": market_shape(core, market_or_404(core, call.path["ticker"]))})


def market_orderbook(core: Core, call: Call) -> Response:
    market = market_or_404(core, call.path["ticker"])
    depth = params.whole(call.request.query, "depth", maximum=100) or 0
    return Response.json({"orderbook_fp": _book(core, market.ticker, depth)})


def market_orderbooks(core: Core, call: Call) -> Response:
    tickers = params.texts(call.request.query, "tickers", most=100)
    if not tickers or any(len(ticker) > LONGEST_TICKER for ticker in tickers):
        raise params.invalid("tickers", f"given 1 to 100 times, with at most {LONGEST_TICKER} characters each")
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
    return Response.json(
        {"trades": [trade_json(trade, later=core.edition == "3.28") for trade in shown], "cursor": cursor}
    )


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
    Operation("GET", "/markets", markets_list, access="public"),
    Operation("GET", "/markets/trades", trades_list, access="public"),
    Operation("GET", "/markets/orderbooks", market_orderbooks, access="public"),
    Operation("GET", "/markets/{ticker}", market_one, access="public"),
    Operation("GET", "/markets/{ticker}/orderbook", market_orderbook, access="public"),
]
