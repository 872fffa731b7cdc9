"""Events of the exchange's own world for tests that need only one of them."""

from random import Random

from apps.paper.engine.exchange import PaperExchange
from apps.paper.world.build import BY_TICKER
from apps.paper.world.history import Past, past_of_event
from apps.paper.world.listing import ListedEvent, make_event, make_series


def list_template(exchange: PaperExchange, series_ticker: str, *, index: int = 0) -> ListedEvent:
    """List one event of a series of the world, with two days of past."""
    template = BY_TICKER[series_ticker]
    now_ms = exchange.clock.now_ms()
    random = Random(f"{series_ticker}{index}")
    listed = make_event(template, index=index, start_ms=now_ms, random=random)
    past = past_of_event(listed, past=Past(hours=48, steps=48, trades=80), start_ms=now_ms, random=random)
    if series_ticker not in exchange.series:
        exchange.list_series(make_series(template, now_ms=now_ms))
    exchange.list_event(listed.event)
    for market in listed.markets:
        exchange.list_market(market, history=past[market.ticker])
    return listed
