"""The world as data: what it will list next, and what it holds fair. Its events and markets are the exchange's."""

from heapq import heapify
from random import Random

import msgspec

from apps.paper.engine.exchange import PaperExchange
from apps.paper.world.build import BY_TICKER, World
from apps.paper.world.listing import ListedEvent
from apps.paper.world.models import NumberState, RaceState


class ListedState(msgspec.Struct):
    event_ticker: str
    popularity: int
    model: NumberState | RaceState


class WorldState(msgspec.Struct):
    """random: as `Random.getstate` gives it. events: those still open; others have no more to say."""

    start_ms: int
    random: tuple[int, list[int], float | None]
    made: dict[str, int]
    closings: list[tuple[int, str]]
    events: list[ListedState]


def take(world: World, *, now_ms: int) -> WorldState:
    version, internal, gauss = world.random.getstate()
    return WorldState(
        start_ms=world.start_ms,
        random=(version, list(internal), gauss),
        made=dict(world.made),
        closings=list(world.closings),
        events=[
            ListedState(listed.event.ticker, listed.popularity, listed.model.state())
            for listed in world.events
            if listed.markets[0].close_ms > now_ms
        ],
    )


def opinions(world: World, *, now_ms: int) -> dict[str, list[float]]:
    """What moves all the time: per open event, where its model is."""
    return {e.event.ticker: e.model.moved() for e in world.events if e.markets[0].close_ms > now_ms}


def restore(exchange: PaperExchange, state: WorldState) -> World:
    """The world on an exchange that is restored already. Series that have left the templates get no new events.

    Raises:
        KeyError, ValueError: the state does not fit the exchange.
    """
    version, internal, gauss = state.random
    random = Random()
    random.setstate((version, tuple(internal), gauss))
    world = World(start_ms=state.start_ms, random=random)
    world.made = dict.fromkeys(BY_TICKER, 0) | state.made
    world.closings = [closing for closing in state.closings if closing[1] in BY_TICKER]
    heapify(world.closings)
    for listed in state.events:
        event = exchange.events[listed.event_ticker]
        markets = [exchange.markets[ticker] for ticker in event.market_tickers]
        model = listed.model.model()
        if len(model.probabilities()) != len(markets):
            raise ValueError(f"{event.ticker} has {len(markets)} markets and another number of chances")
        world.events.append(ListedEvent(event, markets, model, listed.popularity))
    return world


def move(state: WorldState, moved: dict[str, list[float]]) -> None:
    """Bring the models of a state to where `moved` says."""
    for listed in state.events:
        if listed.event_ticker in moved:
            listed.model.move_to(moved[listed.event_ticker])
