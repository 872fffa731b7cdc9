"""Collections of the world, one of each kind of rules, and some combos in them that the bots quote."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from random import Random

from apps.paper.engine.catalogue import Leg, Market, MarketEvent, Series
from apps.paper.engine.combos import AssociatedEvent, Collection
from apps.paper.engine.errors import ExchangeError
from apps.paper.engine.exchange import PaperExchange
from apps.paper.engine.fees import FeeSchedule
from apps.paper.engine.units import Outcome
from apps.paper.world.listing import DAY_MS

SEEDED = 2  # combos per open collection in the default world
ATTEMPTS = 20  # draws for one combo; some contradict themselves


@dataclass(frozen=True, slots=True)
class CollectionTemplate:
    """A collection over all open events of some series; no series named: of all.

    yes_only: series whose markets can be selected with yes only. required: series of whose first event one market has
    to be among the legs. opens_days, closes_days: from the start of the world.
    """

    ticker: str
    title: str
    functional_description: str
    series: tuple[str, ...] = ()
    yes_only: tuple[str, ...] = ()
    required: str = ""
    event_size_max: int | None = None
    size_min: int = 2
    size_max: int = 6
    is_ordered: bool = False
    is_single_market_per_event: bool = False
    is_all_yes: bool = False
    fee_type: str = "quadratic"
    opens_days: int = -30
    closes_days: int = 3_650

    @property
    def series_ticker(self) -> str:
        """The series of the combos."""
        return self.ticker.rsplit("-", 1)[0]


GAMES = ("KXNBAGAME", "KXEPLGAME")
EVERY = "Resolves to Yes if every selected market resolves to the selected side."
COLLECTIONS = (
    CollectionTemplate(
        "KXMVESPORTS-R", "Games combo", EVERY, GAMES, is_single_market_per_event=True, size_max=8,
        fee_type="quadratic_with_maker_fees",
    ),
    CollectionTemplate(
        "KXMVECROSSCATEGORY-R", "Combo of anything", EVERY, event_size_max=2, size_max=10,
        yes_only=("KXPRESPARTY", "KXSB", "KXTOPFILM"),
    ),
    CollectionTemplate(
        "KXMVEWEATHER-R", "Weather combo", EVERY, ("KXHIGHNY", "KXRAINNYC"), yes_only=("KXHIGHNY",), event_size_max=1,
        size_max=4,
    ),
    CollectionTemplate(
        "KXMVESWEEP-R", "Clean sweep", "Resolves to Yes if every selected market resolves to Yes.",
        ("KXPRESPARTY", "KXSB", "KXTOPFILM", "KXTOPMODEL"), is_all_yes=True, is_single_market_per_event=True,
    ),
    CollectionTemplate(
        "KXMVERATES-R", "Rates and prices", EVERY, ("KXFED", "KXCPIYOY", "KXGDPNOM", "KXGAS"), required="KXFED",
        size_max=3,
    ),
    CollectionTemplate(
        "KXMVEORDERED-R", "Winners in order", f"{EVERY} Another order of the same markets is another market.", GAMES,
        is_ordered=True, is_all_yes=True, is_single_market_per_event=True, size_max=2,
    ),
    CollectionTemplate("KXMVESPORTS-PAST", "Games combo of last season", EVERY, GAMES, opens_days=-90, closes_days=-1),
    CollectionTemplate("KXMVESPORTS-NEXT", "Games combo of next season", EVERY, GAMES, opens_days=7),
)  # fmt: skip


def list_collections(exchange: PaperExchange) -> None:
    """List every collection that is not there yet, and bring the events of all of them up to date."""
    now = exchange.clock.now_ms()
    events = [event for event in exchange.events.values() if _takes_part(exchange, event)]
    for template in COLLECTIONS:
        if template.series_ticker not in exchange.series:
            exchange.list_series(_series(template, now))
        collection = exchange.collections.get(template.ticker)
        rows = _associated(template, events)
        if collection is None:
            exchange.keep_collection(_collection(template, rows, now))
        elif collection.status(now) != "closed" and collection.events != rows:
            collection.events = rows
            exchange.keep_collection(collection)


def _takes_part(exchange: PaperExchange, event: MarketEvent) -> bool:
    """Until all its markets have closed."""
    if event.collection_ticker is not None:
        return False
    return any(exchange.markets[t].status in ("initialized", "active", "inactive") for t in event.market_tickers)


def _associated(template: CollectionTemplate, events: Iterable[MarketEvent]) -> dict[str, AssociatedEvent]:
    rows: dict[str, AssociatedEvent] = {}
    required = template.required
    for event in events:
        if template.series and event.series_ticker not in template.series:
            continue
        rows[event.ticker] = AssociatedEvent(
            event.ticker,
            is_yes_only=event.series_ticker in template.yes_only,
            size_min=1 if event.series_ticker == required else None,
            size_max=template.event_size_max,
        )
        if event.series_ticker == required:
            required = ""
    return rows


def _series(template: CollectionTemplate, now_ms: int) -> Series:
    return Series(
        ticker=template.series_ticker,
        title=template.title,
        category="Exotics",
        frequency="custom",
        tags=["Combos"],
        settlement_sources=[],
        contract_url=f"https://example.com/contracts/{template.series_ticker}.pdf",
        contract_terms_url=f"https://example.com/terms/{template.series_ticker}.pdf",
        fees=FeeSchedule(template.fee_type, Decimal(1)),
        updated_ms=now_ms,
    )


def _collection(template: CollectionTemplate, rows: dict[str, AssociatedEvent], now_ms: int) -> Collection:
    return Collection(
        ticker=template.ticker,
        series_ticker=template.series_ticker,
        title=template.title,
        description=f"{template.title}: {template.size_min} to {template.size_max} markets in one.",
        functional_description=template.functional_description,
        open_ms=now_ms + template.opens_days * DAY_MS,
        close_ms=now_ms + template.closes_days * DAY_MS,
        events=rows,
        size_min=template.size_min,
        size_max=template.size_max,
        is_ordered=template.is_ordered,
        is_single_market_per_event=template.is_single_market_per_event,
        is_all_yes=template.is_all_yes,
    )


def seed_combos(exchange: PaperExchange, *, seed: int) -> list[Market]:
    """Create a few combos in every open collection. The same seed and world give the same ones."""
    random = Random(f"combos:{seed}")
    made: list[Market] = []
    for collection in list(exchange.collections.values()):
        if collection.status(exchange.clock.now_ms()) == "open":
            made += [market for _ in range(SEEDED) if (market := draw_combo(exchange, collection, random))]
    return made


def top_up_combos(exchange: PaperExchange, *, random: Random) -> None:
    """Create new combos of the exchange's own in place of those that are over; nothing in a world without any."""
    own = [m for m in exchange.markets.values() if m.is_combo and not m.created_by]
    if not own:
        return
    alive = Counter(market.collection_ticker for market in own if market.status == "active")
    for collection in list(exchange.collections.values()):
        if collection.status(exchange.clock.now_ms()) == "open":
            for _ in range(SEEDED - alive[collection.ticker]):
                draw_combo(exchange, collection, random)


def draw_combo(exchange: PaperExchange, collection: Collection, random: Random, *, user_id: str = "") -> Market | None:
    """Create (or find) a random combo of a collection for a member; None when its rules let nothing drawn pass."""
    for _ in range(ATTEMPTS):
        legs = _draw_legs(exchange, collection, random)
        if legs is None:
            return None
        try:
            return exchange.create_combo(user_id, collection.ticker, legs)
        except ExchangeError as refusal:
            if refusal.details not in ("CONFLICTING_LEGS", "EVENT_SIZE"):
                raise
    return None


def _draw_legs(exchange: PaperExchange, collection: Collection, random: Random) -> list[Leg] | None:
    """Two or three legs of different events where there are enough that trade now."""
    markets = {
        ticker: [m for t in exchange.events[ticker].market_tickers if (m := exchange.markets[t]).status == "active"]
        for ticker in collection.events
    }
    events = [ticker for ticker, found in markets.items() if found]
    required = [ticker for ticker in events if collection.events[ticker].size_min]
    size = min(len(events), random.randint(collection.size_min, min(3, collection.size_max)))
    if size < collection.size_min:
        return None
    others = random.sample([ticker for ticker in events if ticker not in required], size - len(required))
    return [_draw_leg(collection, ticker, random.choice(markets[ticker]), random) for ticker in (*required, *others)]


def _draw_leg(collection: Collection, event_ticker: str, market: Market, random: Random) -> Leg:
    yes_only = collection.is_all_yes or collection.events[event_ticker].is_yes_only
    side: Outcome = "yes" if yes_only or random.random() < 0.6 else "no"
    return Leg(event_ticker, market.ticker, side)
