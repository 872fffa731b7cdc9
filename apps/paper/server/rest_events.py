"""Operations on events: lists with their milestones, one, metadata. Combos have lists of their own."""

from apps.paper.engine.catalogue import Market, MarketEvent
from apps.paper.server import params
from apps.paper.server.core import Call, Core, Operation
from apps.paper.server.http import ApiError, Response
from apps.paper.server.rest_markets import MARKET_FILTERS, market_shape
from apps.paper.server.rest_milestones import milestone_json
from apps.paper.server.shapes import Json, event_json
from apps.paper.world.milestones import milestones

COLORS = ("#0AC285", "#1F6FEB", "#D9467A", "#F0A202", "#7A5AF8", "#0BA5C4", "#B54708", "#667085")


def events_list(core: Core, call: Call) -> Response:
    query = call.request.query
    status = params.choice(query, "status", ("unopened", "open", "closed", "settled"))
    series_ticker = params.text(query, "series_ticker")
    min_close, min_updated = params.whole(query, "min_close_ts"), params.whole(query, "min_updated_ts")
    size = params.limit(query, default=200, maximum=200)
    nested = params.flag(query, "with_nested_markets")
    with_milestones = params.flag(query, "with_milestones")

    def wanted(event: MarketEvent) -> bool:
        if series_ticker not in (None, event.series_ticker):
            return False
        if min_updated is not None and event.updated_ms <= min_updated * 1000:
            return False
        markets = markets_of(core, event)
        if any(market.is_combo for market in markets):
            return False
        if min_close is not None and not any(market.close_ms > min_close * 1000 for market in markets):
            return False
        return status is None or _event_status(markets) == status

    rows = [event for event in core.catalogue.events_all() if wanted(event)]
    shown, cursor = params.page_by_key(rows, query, size=size, key=_place)
    shapes = [event_json(event, markets=nested_markets(core, event) if nested else None) for event in shown]
    body: Json = {"events": shapes, "cursor": cursor}
    if with_milestones:
        tickers = {event.ticker for event in shown}
        related = [m for m in milestones(core.exchange) if tickers & set(m.related)]
        body["milestones"] = [milestone_json(milestone) for milestone in related]
    return Response.json(body)


def _place(event: MarketEvent) -> str:
    return event.ticker


def event_one(core: Core, call: Call) -> Response:
    with_nested = params.flag(call.request.query, "with_nested_markets")
    event = _event(core, call)
    markets = nested_markets(core, event)
    if with_nested:
        return Response.json({"event": event_json(event, markets=markets), "markets": []})
    return Response.json({"event": event_json(event), "markets": markets})


def event_metadata(core: Core, call: Call) -> Response:
    """Pictures are paths, as the page says; nothing is served under them here."""
    event = _event(core, call)
    series = core.catalogue.series(event.series_ticker)
    details = [
        {
            "market_ticker": market.ticker,
            "image_url": f"/images/markets/{market.ticker}.webp",
            "color_code": COLORS[number % len(COLORS)],
        }
        for number, market in enumerate(markets_of(core, event))
    ]
    picture = f"/images/series/{event.series_ticker}.webp"
    sources = [] if series is None else series.settlement_sources
    body: Json = {
        "image_url": picture,
        "featured_image_url": details[0]["image_url"] if details else picture,
        "market_details": details,
        "settlement_sources": [{"name": source.name, "url": source.url} for source in sources],
    }
    for name in ("competition", "competition_scope"):
        value = (event.product_metadata or {}).get(name)
        if value is not None:
            body[name] = value
    return Response.json(body)


def _event(core: Core, call: Call) -> MarketEvent:
    ticker = params.ticker(call.path["event_ticker"], "event_ticker")
    event = core.catalogue.event(ticker)
    if event is None:
        raise ApiError(404, "event_not_found", "event not found")
    return event


def markets_of(core: Core, event: MarketEvent) -> list[Market]:
    return [market for ticker in event.market_tickers if (market := core.catalogue.market(ticker))]


def nested_markets(core: Core, event: MarketEvent) -> list[Json]:
    return [market_shape(core, market) for market in markets_of(core, event)]


def _event_status(markets: list[Market]) -> str:
    """An event is open while one of its markets trades or may trade again."""
    words = {word for market in markets for word, statuses in MARKET_FILTERS.items() if market.status in statuses}
    if words & {"open", "paused"}:
        return "open"
    return next((word for word in ("unopened", "closed") if word in words), "settled")


OPERATIONS = [
    Operation("GET", "/events", events_list, access="public"),
    Operation("GET", "/events/{event_ticker}", event_one, access="public"),
    Operation("GET", "/events/{event_ticker}/metadata", event_metadata, access="public"),
]
