"""A collection over the small world's event, for tests of the server."""

from decimal import Decimal
from typing import Any

from apps.paper.engine.catalogue import Series
from apps.paper.engine.combos import AssociatedEvent, Collection
from apps.paper.engine.fees import FeeSchedule
from apps.paper.testing import DECI, EVENT, LINEAR, TAPERED, InProcessPaper

MVE = "KXMVETEST"
COLLECTION = "KXMVETEST-R"
DAY_MS = 86_400_000


def list_collection(paper: InProcessPaper, **over: Any) -> Collection:
    """List a series of combos (once) and a collection that is open; `over` changes it."""
    if MVE not in paper.exchange.series:
        fees = FeeSchedule("quadratic_with_maker_fees", Decimal(1))
        paper.exchange.list_series(Series(MVE, "Combos", "Exotics", "custom", [], [], "", "", fees))
    now = paper.clock.now_ms()
    fields: dict[str, Any] = {
        "ticker": COLLECTION,
        "series_ticker": MVE,
        "title": "Test combos",
        "description": "Combinations of test markets",
        "functional_description": "Yes if every selected side comes true",
        "open_ms": now - DAY_MS,
        "close_ms": now + DAY_MS,
        "events": {EVENT: AssociatedEvent(EVENT, size_max=3, active_quoters=["maker"])},
        "size_max": 3,
    }
    collection = Collection(**(fields | over))
    paper.exchange.keep_collection(collection)
    return collection


def selected(*tickers: str, side: str = "yes") -> list[dict[str, str]]:
    return [{"market_ticker": ticker, "event_ticker": EVENT, "side": side} for ticker in tickers]


PAIR = {"selected_markets": selected(LINEAR, DECI, side="no")}
TRIPLE = {"selected_markets": selected(LINEAR, DECI, TAPERED, side="no")}
