"""Builds the world: lists series, events and markets on an exchange, with their past."""

from dataclasses import dataclass, field
from heapq import heappop, heappush
from random import Random

from apps.paper.engine.candles import Tick
from apps.paper.engine.exchange import PaperExchange
from apps.paper.world.beyond import SETTLED, UNOPENED, settled_event, unopened_event
from apps.paper.world.combos import list_collections, seed_combos, top_up_combos
from apps.paper.world.history import Past, past_of_event
from apps.paper.world.listing import ListedEvent, make_event, make_series
from apps.paper.world.templates import TEMPLATES, Template

FULL_PAST = Past(hours=168, steps=168, trades=300)
SHORT_PAST = Past(hours=168, steps=42, trades=30)
LEAST_PAST = Past(hours=168, steps=28, trades=12)
FULL_PAST_MARKETS = 250  # worlds with more markets get the short past,
SHORT_PAST_MARKETS = 1_000  # and with more than these the least: they are there for their number
BY_TICKER = {template.ticker: template for template in TEMPLATES}
FILLER = "KXRAINNYC"  # single-market series that brings a world to an exact size


@dataclass(slots=True)
class World:
    """What the bots need to know of the world: every event with its fair model; `settled` ones are over."""

    start_ms: int
    random: Random
    events: list[ListedEvent] = field(default_factory=list)
    settled: list[ListedEvent] = field(default_factory=list)
    made: dict[str, int] = field(default_factory=dict)  # series ticker -> events made so far
    closings: list[tuple[int, str]] = field(default_factory=list)  # heap of (ms, series ticker)

    @property
    def market_count(self) -> int:
        """Markets in all events."""
        return sum(len(listed.markets) for listed in (*self.events, *self.settled))

    def roll(self, exchange: PaperExchange) -> list[ListedEvent]:
        """List the next event of every series of which one has closed; they have no past. Returns what is new.

        Collections take the new events and leave those that are over; new combos follow on those that are.
        """
        now = exchange.clock.now_ms()
        new = []
        while self.closings and self.closings[0][0] <= now:
            series_ticker = heappop(self.closings)[1]
            listed = self._next_event(BY_TICKER[series_ticker], now)
            if listed.event.ticker in exchange.events:
                continue
            _list(exchange, listed, BY_TICKER[series_ticker], past=FULL_PAST, random=self.random)
            self.adopt(listed)
            new.append(listed)
        list_collections(exchange)
        if new:
            top_up_combos(exchange, random=self.random)
        return new

    def adopt(self, listed: ListedEvent) -> None:
        """Take in an event; when it closes, its series gets another one."""
        self.events.append(listed)
        if BY_TICKER[listed.event.series_ticker].repeats:
            heappush(self.closings, (listed.markets[0].close_ms, listed.event.series_ticker))

    def _next_event(self, template: Template, now: int) -> ListedEvent:
        while True:
            index = self.made[template.ticker]
            self.made[template.ticker] += 1
            listed = make_event(template, index=index, start_ms=self.start_ms, random=self.random)
            if listed.markets[0].close_ms > now:
                break
        for market in listed.markets:
            market.created_ms = market.updated_ms = market.open_ms = now
        return listed


def build_world(exchange: PaperExchange, *, markets: int | None = None, seed: int = 1) -> World:
    """List a world; `markets` asks for an exact number of markets (default: about a hundred, and some combos).

    The same seed, number and clock give the same world.

    Raises:
        ValueError: fewer than one market asked for.
    """
    if markets is not None and markets < 1:
        raise ValueError("a world needs at least one market")
    random = Random(f"world:{seed}")
    start_ms = exchange.clock.now_ms()
    world = World(start_ms=start_ms, random=random)
    _choose(world, markets)
    if markets is None:
        world.settled = [settled_event(BY_TICKER[t], start_ms=start_ms, random=random) for t in SETTLED]
        world.adopt(unopened_event(BY_TICKER[UNOPENED], index=world.made[UNOPENED], start_ms=start_ms, random=random))
        world.made[UNOPENED] += 1
    past = _past(world.market_count)
    ticks: dict[str, list[Tick]] = {}
    for listed in (*world.settled, *world.events):
        ticks |= _list(exchange, listed, BY_TICKER[listed.event.series_ticker], past=past, random=random)
    exchange.adopt_past(ticks)
    list_collections(exchange)
    if markets is None:
        seed_combos(exchange, seed=seed)
    return world


def _past(markets: int) -> Past:
    """How much past a world of so many markets gets, so that it starts within three seconds."""
    if markets <= FULL_PAST_MARKETS:
        return FULL_PAST
    return SHORT_PAST if markets <= SHORT_PAST_MARKETS else LEAST_PAST


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


def _choose(world: World, markets: int | None) -> None:
    """The default events, or exactly as many markets as asked for."""
    tickers: set[str] = set()
    count = 0
    world.made = dict.fromkeys(BY_TICKER, 0)

    def add(template: Template) -> int:
        index = world.made[template.ticker]
        world.made[template.ticker] += 1
        listed = make_event(template, index=index, start_ms=world.start_ms, random=world.random)
        if listed.event.ticker in tickers or (markets is not None and len(listed.markets) > markets - count):
            return 0
        tickers.add(listed.event.ticker)
        world.adopt(listed)
        return len(listed.markets)

    for round_number in range(max(template.events for template in TEMPLATES)):
        for template in TEMPLATES:
            if round_number < template.events:
                count += add(template)
    if markets is None:
        return
    repeating = [template for template in TEMPLATES if template.repeats]
    while count <= markets * 9 // 10:
        before = count
        for template in repeating:
            count += add(template)
        if count == before:
            break
    while count < markets:
        count += add(BY_TICKER[FILLER])
