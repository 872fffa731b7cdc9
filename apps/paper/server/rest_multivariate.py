"""Combos: multivariate events, their collections, the creation and the (deprecated) look-up of markets in them.

Source: kalshi-openapi.yaml 3.18.0. Creating answers 400 for a collection that does not exist, because the file has no
404 there; what may be combined is checked by `engine/combos.py`.
"""

from typing import Literal

import msgspec

from apps.paper.engine.catalogue import Leg, Market, MarketEvent
from apps.paper.engine.combos import AssociatedEvent, Collection
from apps.paper.server import params
from apps.paper.server.buckets import LOOKUP_COST
from apps.paper.server.core import Call, Core, Operation
from apps.paper.server.http import Response
from apps.paper.server.order_requests import decode
from apps.paper.server.rest_markets import market_shape
from apps.paper.server.shapes import Json, event_json, time_text

MOST_LEGS = 100  # of one request; collections allow far fewer
MOST_COLLECTIONS = 200


class Selected(msgspec.Struct):
    """TickerPair of the file."""

    market_ticker: str
    event_ticker: str
    side: Literal["yes", "no"]

    def leg(self) -> Leg:
        return Leg(event_ticker=self.event_ticker, market_ticker=self.market_ticker, side=self.side)


class SelectionBody(msgspec.Struct):
    selected_markets: list[Selected]

    def legs(self) -> list[Leg]:
        """Raises ApiError 400 for more than any collection could take."""
        if len(self.selected_markets) > MOST_LEGS:
            raise params.invalid("selected_markets", f"at most {MOST_LEGS} markets")
        return [row.leg() for row in self.selected_markets]


class CreateMarketBody(SelectionBody):
    with_market_payload: bool = False


def events_multivariate(core: Core, call: Call) -> Response:
    query = call.request.query
    size = params.limit(query, default=100, maximum=200)
    series_ticker, collection_ticker = params.text(query, "series_ticker"), params.text(query, "collection_ticker")
    nested = params.flag(query, "with_nested_markets")
    if series_ticker is not None and collection_ticker is not None:
        raise params.invalid("collection_ticker", "given without series_ticker")

    def wanted(event: MarketEvent) -> bool:
        return (
            event.collection_ticker is not None
            and series_ticker in (None, event.series_ticker)
            and collection_ticker in (None, event.collection_ticker)
        )

    rows = [event for event in core.catalogue.events_all() if wanted(event)]
    shown, cursor = params.page_by_key(rows, query, size=size, key=lambda event: event.ticker)
    shapes = [event_json(event, markets=_markets(core, event) if nested else None) for event in shown]
    return Response.json({"events": shapes, "cursor": cursor})


def _markets(core: Core, event: MarketEvent) -> list[Json]:
    found = (core.catalogue.market(ticker) for ticker in event.market_tickers)
    return [market_shape(core, market) for market in found if market is not None]


def collections_list(core: Core, call: Call) -> Response:
    query = call.request.query
    status = params.choice(query, "status", ("unopened", "open", "closed"))
    event_ticker, series_ticker = params.text(query, "associated_event_ticker"), params.text(query, "series_ticker")
    size = params.limit(query, default=MOST_COLLECTIONS, maximum=MOST_COLLECTIONS)
    now = core.clock.now_ms()
    rows = [
        collection
        for collection in core.exchange.collections.values()
        if status in (None, collection.status(now))
        and series_ticker in (None, collection.series_ticker)
        and (event_ticker is None or event_ticker in collection.events)
    ]
    shown, cursor = params.page_by_key(rows, query, size=size, key=lambda collection: collection.ticker)
    contracts = [collection_json(collection) for collection in shown]
    return Response.json({"multivariate_contracts": contracts, "cursor": cursor})


def collection_one(core: Core, call: Call) -> Response:
    collection = core.exchange.collection(params.ticker(call.path["collection_ticker"], "collection_ticker"))
    return Response.json({"multivariate_contract": collection_json(collection)})


def collection_create_market(core: Core, call: Call) -> Response:
    """The same legs give the same market, and only a new one counts against the weekly limit."""
    body = decode(call.request.body, CreateMarketBody)
    market = core.exchange.create_combo(call.user_id, call.path["collection_ticker"], body.legs())
    answer = _tickers(market)
    if body.with_market_payload:
        answer["market"] = market_shape(core, market)
    return Response.json(answer)


def collection_look_up(core: Core, call: Call) -> Response:
    body = decode(call.request.body, SelectionBody)
    return Response.json(_tickers(core.exchange.look_up_combo(call.path["collection_ticker"], body.legs())))


def collection_lookups(core: Core, call: Call) -> Response:
    seconds = params.whole(call.request.query, "lookback_seconds")
    if seconds is None:
        raise params.invalid("lookback_seconds", "given")
    found = core.exchange.combo_lookups(call.path["collection_ticker"], lookback_seconds=seconds)
    points = [
        _tickers(market)
        | {"selected_markets": selected_json(market), "last_queried_ts": time_text(market.looked_up_ms or 0)}
        for market in found
    ]
    return Response.json({"lookup_points": points})


def _tickers(market: Market) -> Json:
    return {"event_ticker": market.event_ticker, "market_ticker": market.ticker}


def selected_json(market: Market) -> list[Json]:
    """The legs of a combo as they were selected."""
    return [
        {"event_ticker": leg.event_ticker, "market_ticker": leg.market_ticker, "side": leg.side} for leg in market.legs
    ]


def collection_json(collection: Collection) -> Json:
    """MultivariateEventCollection, with its deprecated fields."""
    return {
        "collection_ticker": collection.ticker,
        "series_ticker": collection.series_ticker,
        "title": collection.title,
        "description": collection.description,
        "open_date": time_text(collection.open_ms),
        "close_date": time_text(collection.close_ms),
        "associated_events": [_associated_json(collection, rules) for rules in collection.events.values()],
        "associated_event_tickers": list(collection.events),
        "is_ordered": collection.is_ordered,
        "is_single_market_per_event": collection.is_single_market_per_event,
        "is_all_yes": collection.is_all_yes,
        "size_min": collection.size_min,
        "size_max": collection.size_max,
        "functional_description": collection.functional_description,
    }


def _associated_json(collection: Collection, rules: AssociatedEvent) -> Json:
    """What the deprecated flags of the collection ask for is told by event, too: that is what replaces them."""
    return {
        "ticker": rules.ticker,
        "is_yes_only": collection.is_all_yes or rules.is_yes_only,
        "size_max": 1 if collection.is_single_market_per_event else rules.size_max,
        "size_min": rules.size_min,
        "active_quoters": list(rules.active_quoters),
    }


COLLECTION = "/multivariate_event_collections/{collection_ticker}"

OPERATIONS = [
    Operation("GET", "/events/multivariate", events_multivariate, access="public"),
    Operation("GET", "/multivariate_event_collections", collections_list, access="public"),
    Operation("GET", COLLECTION, collection_one, access="public"),
    Operation("POST", COLLECTION, collection_create_market, access="write"),
    Operation("PUT", f"{COLLECTION}/lookup", collection_look_up, access="write", cost=LOOKUP_COST),
    Operation("GET", f"{COLLECTION}/lookup", collection_lookups, access="public"),
]
