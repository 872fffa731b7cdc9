"""Collections and combos of the world: every kind of rules, events that come and go, quotes of the bots."""

from collections import Counter
from random import Random

import pytest

from apps.paper.bots import BotPool
from apps.paper.engine.exchange import PaperExchange
from apps.paper.world import World, build_world
from apps.paper.world.combos import COLLECTIONS, draw_combo
from tests.paper.engine.support import DAY_MS, NOON_MS, FixedClock, money


def make_world(**options: int) -> tuple[PaperExchange, World]:
    exchange = PaperExchange(clock=FixedClock(), seed=1)
    return exchange, build_world(exchange, **options)


def test_the_default_world_has_collections_of_every_kind_and_combos_in_the_open_ones() -> None:
    exchange, _ = make_world()
    collections = exchange.collections.values()
    combos = [market for market in exchange.markets.values() if market.is_combo]

    assert {c.status(NOON_MS) for c in collections} == {"open", "closed", "unopened"}
    for flag in ("is_ordered", "is_single_market_per_event", "is_all_yes"):
        assert {getattr(c, flag) for c in collections} == {True, False}
    rows = [row for c in collections for row in c.events.values()]
    assert {row.is_yes_only for row in rows} == {True, False}
    assert any(row.size_min for row in rows)
    assert any(row.size_max for row in rows)
    assert all(len(c.events) >= c.size_min for c in collections)
    open_tickers = {c.ticker for c in collections if c.status(NOON_MS) == "open"}
    assert {market.collection_ticker for market in combos} == open_tickers
    assert {exchange.series[c.series_ticker].fees.fee_type for c in collections} == {
        "quadratic", "quadratic_with_maker_fees",
    }  # fmt: skip
    for market in combos:
        assert market.created_by == ""
        assert all(exchange.market(leg.market_ticker).event_ticker == leg.event_ticker for leg in market.legs)
    assert {m.ticker for m in make_world()[0].markets.values()} == set(exchange.markets)


@pytest.mark.parametrize("markets", [1, 7, 60])
def test_a_world_of_another_size_has_the_collections_and_no_combos(markets: int) -> None:
    exchange, _ = make_world(markets=markets)
    assert len(exchange.markets) == markets
    assert set(exchange.collections) == {template.ticker for template in COLLECTIONS}


def test_collections_leave_what_is_over_and_take_what_is_new() -> None:
    exchange, world = make_world()
    before = set(exchange.collections["KXMVEWEATHER-R"].events)
    exchange.clock.ms += 2 * DAY_MS
    exchange.expire_due()
    world.roll(exchange)
    after = set(exchange.collections["KXMVEWEATHER-R"].events)

    assert before - after
    assert after - before
    for ticker in after:
        statuses = {exchange.market(market).status for market in exchange.events[ticker].market_tickers}
        assert statuses & {"active", "initialized"}
    (required,) = [r.ticker for r in exchange.collections["KXMVERATES-R"].events.values() if r.size_min]
    assert required.startswith("KXFED-")


def test_new_combos_follow_on_those_that_are_over() -> None:
    exchange, world = make_world()
    exchange.end_markets_after(60_000)
    for _ in range(8):
        exchange.clock.ms += DAY_MS
        exchange.expire_due()
        world.roll(exchange)
    combos = [market for market in exchange.markets.values() if market.is_combo]

    alive = Counter(m.collection_ticker for m in combos if m.status == "active")
    assert set(alive) == {m.collection_ticker for m in combos}
    assert set(alive.values()) <= {1, 2}  # one that is drawn twice is the same
    assert {m.status for m in combos} > {"active"}
    small, world = make_world(markets=30)
    small.clock.ms += 3 * DAY_MS
    small.expire_due()
    assert world.roll(small)
    assert not any(market.is_combo for market in small.markets.values())


@pytest.mark.parametrize("seed", range(5))
def test_random_combos_of_every_open_collection_can_be_created(seed: int) -> None:
    exchange, _ = make_world(markets=120)
    exchange.add_member(name="m", user_id="m", cash_cents=0)
    random = Random(seed)
    for collection in list(exchange.collections.values()):
        if collection.status(NOON_MS) == "open":
            market = draw_combo(exchange, collection, random, user_id="m")
            assert market is not None, collection.ticker
            assert market.collection_ticker == collection.ticker


def test_bots_quote_and_trade_combos_near_the_product_of_their_legs() -> None:
    exchange, world = make_world()
    pool = BotPool(exchange, world, seed=1, actions_per_second=200, max_turns=200)
    for _ in range(60):
        exchange.clock.ms += 1_000
        exchange.expire_due()
        pool.step(exchange.clock.now_ms())
    combos = [market for market in exchange.markets.values() if market.is_combo]

    quoted = [market for market in combos if market.yes_bid and market.yes_ask < 10_000]
    assert len(quoted) >= len(combos) // 2
    assert any(market.last_price for market in combos)
    for market in quoted:
        assert abs((market.yes_bid + market.yes_ask) // 2 - pool.fair_of_combo(market.ticker)) < 1_000
    assert money(exchange) == exchange.deposited
