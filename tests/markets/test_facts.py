"""The topic `market:<env>:<ticker>`: told when a page would have to draw its market otherwise, and only then."""

from collections.abc import Callable
from typing import Any

import pytest

from apps.core.ports import topics
from apps.core.topics import TopicName
from apps.exchange import live
from apps.exchange.wire.schemas import MarketLifecycle
from apps.markets import services
from apps.markets.models import Market
from tests.support.catalogue import CatalogueExchange

pytestmark = pytest.mark.django_db
TICKER = "KXRAIN-26NOV-T1"
TENTHS = [{"start": "0.0000", "end": "1.0000", "step": "0.0010"}]
Frames = list[tuple[str, dict[str, Any]]]


@pytest.fixture
def world() -> CatalogueExchange:
    exchange = CatalogueExchange()
    exchange.add("KXRAIN", "KXRAIN-26NOV", TICKER)
    services.event_save("paper", exchange.events["KXRAIN-26NOV"])
    services.markets_save("paper", exchange.markets.values())
    return exchange


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> Frames:
    frames: Frames = []
    monkeypatch.setattr(live, "publish", lambda topic, frame, version=None: frames.append((topic, dict(frame))))
    return frames


def test_a_new_grid_that_a_reading_brings_is_told_once(
    world: CatalogueExchange, told: Frames, django_capture_on_commit_callbacks: Callable[..., Any]
) -> None:
    changed = {**world.markets[TICKER], "price_level_structure": "deci_cent", "price_ranges": TENTHS}
    for _ in range(2):
        with django_capture_on_commit_callbacks(execute=True):
            services.markets_save("paper", [changed])

    assert [(topic, frame["price_ranges"]) for topic, frame in told] == [(f"market:paper:{TICKER}", TENTHS)]


def test_prices_alone_and_markets_that_were_not_stored_are_not_told(
    world: CatalogueExchange, told: Frames, django_capture_on_commit_callbacks: Callable[..., Any]
) -> None:
    known = world.markets[TICKER]
    with django_capture_on_commit_callbacks(execute=True):
        services.markets_save("paper", [{**known, "last_price_dollars": "0.9100"}, {**known, "ticker": f"{TICKER}9"}])

    assert Market.objects.count() == 2
    assert told == []


def test_a_lifecycle_message_is_told_with_what_it_brings(
    world: CatalogueExchange, told: Frames, django_capture_on_commit_callbacks: Callable[..., Any]
) -> None:
    message = MarketLifecycle(market_ticker=TICKER, event_type="determined", result="scalar", settlement_value="0.3700")
    with django_capture_on_commit_callbacks(execute=True):
        services.lifecycle_apply("paper", [message])

    [(topic, frame)] = told
    assert topic == f"market:paper:{TICKER}"
    assert (frame["status"], frame["result"], frame["settlement_value"]) == ("determined", "scalar", "0.3700")


def test_who_subscribes_is_told_what_is_stored(world: CatalogueExchange) -> None:
    state = topics["market"].state
    assert state is not None
    frame = state(TopicName("market", "paper", TICKER))
    stored = Market.objects.get()
    assert frame is not None
    assert (frame["status"], frame["price_ranges"]) == (stored.status, stored.price_ranges)
    assert state(TopicName("market", "paper", "NONE")) is None
