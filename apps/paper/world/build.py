"""Builds the world: lists series, events and markets on an exchange, with their past."""

from dataclasses import dataclass, field
from random import Random

from apps.paper.engine.candles import Tick
from apps.paper.engine.exchange import PaperExchange
from apps.paper.world.beyond import SETTLED, UNOPENED, settled_event, unopened_event
from apps.paper.world.history import Past, past_of_event
from apps.paper.world.listing import ListedEvent, make_event, make_series
from apps.paper.world.templates import TEMPLATES, Template

FULL_PAST = Past(hours=168, steps=168, trades=300)
SHORT_PAST = Past(hours=168, steps=42, trades=30)
FULL_PAST_MARKETS = 250  # worlds with more markets get the short past
FILLER = "KXRAINNYC"  # single-market series that brings a world to an exact size


@dataclass(slots=True)
class World:
    """What the bots need to know of the world: every event with its fair model; `settled` ones are over."""

    events: list[ListedEvent] = field(default_factory=list)
    settled: list[ListedEvent] = field(default_factory=list)

    @property
    def market_count(self) -> int:
        """Markets in all events."""
        return sum(len(listed.markets) for listed in (*self.events, *self.settled))


def build_world(exchange: PaperExchange, *, markets: int | None = None, seed: int = 1) -> World:
    """List a world; `markets` asks for an exact number of markets (default: about a hundred).

    The same seed, number and clock give the same world.

    Raises:
        ValueError: fewer than one market asked for.
    """
    if markets is not None and markets < 1:
        raise ValueError("a world needs at least one market")
    random = Random(f"world:{seed}")
    start_ms = exchange.clock.now_ms()
    world = World(events=_choose(markets, start_ms=start_ms, random=random))
    templates = {template.ticker: template for template in TEMPLATES}
    if markets is None:
        world.settled = [settled_event(templates[t], start_ms=start_ms, random=random) for t in SETTLED]
        world.events.append(unopened_event(templates[UNOPENED], start_ms=start_ms, random=random))
    past = FULL_PAST if world.market_count <= FULL_PAST_MARKETS else SHORT_PAST
    ticks: dict[str, list[Tick]] = {}
    for listed in (*world.settled, *world.events):
        ticks |= _list(exchange, listed, templates[listed.event.series_ticker], past=past, random=random)
    exchange.adopt_past(ticks)
    return world


def _list(
    exchange: PaperExchange, listed: ListedEvent, template: Template, *, past: Past, random: Random
) -> dict[str, list[Tick]]:
    """Put an event with its markets on the exchange; return the markets' past."""
    now = exchange.clock.now_ms()
    if template.ticker not in exchange.series:
        exchange.list_series(make_series(template, now_ms=now))
    exchange.list_event(listed.event)
    history: dict[str, list[Tick]] = {}
    if listed.markets[0].open_ms < now:
        until = min(now, listed.markets[0].close_ms)
        history = past_of_event(listed, past=past, start_ms=until, random=random)
    for market in listed.markets:
        exchange.list_market(market, history=history.get(market.ticker, ()))
    return history


def _choose(markets: int | None, *, start_ms: int, random: Random) -> list[ListedEvent]:
    """The default events, or exactly as many markets as asked for."""
    chosen: list[ListedEvent] = []
    tickers: set[str] = set()
    count = 0
    made = {template.ticker: 0 for template in TEMPLATES}

    def add(template: Template, room: int | None) -> int:
        index = made[template.ticker]
        made[template.ticker] += 1
        listed = make_event(template, index=index, start_ms=start_ms, random=random)
        if listed.event.ticker in tickers or (room is not None and len(listed.markets) > room):
            return 0
        tickers.add(listed.event.ticker)
        chosen.append(listed)
        return len(listed.markets)

    for round_number in range(max(template.events for template in TEMPLATES)):
        for template in TEMPLATES:
            if round_number < template.events:
                count += add(template, None if markets is None else markets - count)
    if markets is None:
        return chosen
    repeating = [template for template in TEMPLATES if template.repeats]
    for _ in range(markets):
        if count > markets * 9 // 10:
            break
        for template in repeating:
            count += add(template, markets - count)
    filler = next(template for template in TEMPLATES if template.ticker == FILLER)
    while count < markets:
        count += add(filler, markets - count)
    return chosen
