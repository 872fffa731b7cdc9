"""Two events with open markets, and collections over them; override what matters."""

from decimal import Decimal
from typing import Any

from apps.paper.engine.catalogue import Leg, Market, MarketEvent, Series
from apps.paper.engine.combos import AssociatedEvent, Collection
from apps.paper.engine.exchange import PaperExchange
from apps.paper.engine.fees import FeeSchedule
from apps.paper.engine.units import Outcome
from tests.paper.engine.support import DAY_MS, NOON_MS, make_exchange, make_market

MVE = "KXMVETEST"
COLLECTION = "KXMVETEST-R"
GAME = "KXTEST-GAME"  # markets -A and -B exclude each other
RAIN = "KXTEST-RAIN"  # markets -1 to -4 do not


def market_of(event_ticker: str, suffix: str, **over: Any) -> Market:
    return make_market(f"{event_ticker}-{suffix}", event_ticker=event_ticker, yes_sub_title=suffix, **over)


def list_legs(exchange: PaperExchange) -> None:
    """GAME with two markets, RAIN with four; RAIN-4 closes a day after the others."""
    for ticker, exclusive in ((GAME, True), (RAIN, False)):
        exchange.list_event(MarketEvent(ticker, "KXTEST", f"About {ticker}", "Soon", "Tests", exclusive))
    for suffix in ("A", "B"):
        exchange.list_market(market_of(GAME, suffix))
    for suffix in ("1", "2", "3"):
        exchange.list_market(market_of(RAIN, suffix, settlement_timer_seconds=60))
    exchange.list_market(market_of(RAIN, "4", close_ms=NOON_MS + 2 * DAY_MS))


def make_collection(**over: Any) -> Collection:
    fields: dict[str, Any] = {
        "ticker": COLLECTION,
        "series_ticker": MVE,
        "title": "Test combos",
        "description": "Combinations of test markets",
        "functional_description": "Yes if every selected side comes true",
        "open_ms": NOON_MS - DAY_MS,
        "close_ms": NOON_MS + 30 * DAY_MS,
        "events": {ticker: AssociatedEvent(ticker) for ticker in (GAME, RAIN)},
        "size_min": 2,
        "size_max": 4,
    }
    return Collection(**(fields | over))


def combo_exchange(*, fee_type: str = "quadratic", members: int = 3, **over: Any) -> PaperExchange:
    """Legs, a series for combos, and one collection (`over` changes it)."""
    exchange = make_exchange(members=members)
    exchange.list_series(Series(MVE, "Combos", "Exotics", "custom", [], [], "", "", FeeSchedule(fee_type, Decimal(1))))
    list_legs(exchange)
    exchange.keep_collection(make_collection(**over))
    return exchange


def leg(name: str, side: Outcome = "yes") -> Leg:
    """`name`: A, B of the game, 1 to 4 of the rain."""
    event_ticker = GAME if name in "AB" else RAIN
    return Leg(event_ticker, f"{event_ticker}-{name}", side)


def legs(text: str) -> list[Leg]:
    """`A !1`: yes on A, no on 1."""
    return [leg(word.lstrip("!"), "no" if word.startswith("!") else "yes") for word in text.split()]


def make_combo(exchange: PaperExchange, text: str, *, user_id: str = "m0", collection: str = COLLECTION) -> Market:
    return exchange.create_combo(user_id, collection, legs(text))


def end_leg(exchange: PaperExchange, name: str, result: Any, value: int | None = None) -> None:
    """Close a leg early and give it a result."""
    ticker = leg(name).market_ticker
    if exchange.market(ticker).status in ("active", "inactive"):
        exchange.close_early(ticker)
    exchange.determine(ticker, result=result, value=value)
