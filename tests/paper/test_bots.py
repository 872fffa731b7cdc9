"""Bots: alive, bounded, coherent, and the same every time."""

from typing import Any

from apps.paper.bots import BotPool
from apps.paper.engine.events import BookDelta, Event, MarketLifecycle
from apps.paper.engine.exchange import PaperExchange
from apps.paper.engine.orders import NewOrder, Trade
from apps.paper.world import World, build_world
from tests.paper.engine.support import FixedClock, add_member, listen, money


def _market(*, seed: int = 1, markets: int | None = None, **options: Any) -> tuple[PaperExchange, World, BotPool]:
    exchange = PaperExchange(clock=FixedClock(), seed=seed)
    world = build_world(exchange, markets=markets, seed=seed)
    return exchange, world, BotPool(exchange, world, seed=seed, **options)


def _run(exchange: PaperExchange, pool: BotPool, *, seconds: int, every_ms: int = 100) -> int:
    turns = 0
    for _ in range(seconds * 1000 // every_ms):
        exchange.clock.ms += every_ms
        exchange.expire_due()
        turns += pool.step(exchange.clock.now_ms())
    return turns


def test_books_are_deep_from_the_start_and_stay_so() -> None:
    exchange, _, pool = _market()

    def depths() -> list[int]:
        return [
            max(len(exchange.books[t].yes.prices), len(exchange.books[t].no.prices))
            for t, market in exchange.markets.items()
            if market.status == "active"
        ]

    assert all(8 <= depth <= 20 for depth in depths())
    _run(exchange, pool, seconds=120)
    later = depths()
    assert all(5 <= depth <= 22 for depth in later)  # a few are caught between two moves
    assert sum(8 <= depth <= 20 for depth in later) > 0.9 * len(later)


def test_a_minute_brings_trades_and_book_changes_all_over() -> None:
    exchange, world, pool = _market()
    events: list[Event] = listen(exchange)

    _run(exchange, pool, seconds=60)

    assert sum(isinstance(event, BookDelta) for event in events) > 1_000
    assert sum(isinstance(event, Trade) for event in events) > 50
    assert len({event.ticker for event in events if isinstance(event, BookDelta)}) > world.market_count * 0.9
    assert money(exchange) == exchange.deposited


def test_the_same_seed_and_clock_give_the_same_day() -> None:
    def day(seed: int) -> list[str]:
        exchange, _, pool = _market(seed=seed, markets=40)
        told: list[str] = []
        exchange.subscribe(lambda event: told.append(repr(event)))
        _run(exchange, pool, seconds=60)
        return told

    first = day(5)
    assert len(first) > 2_000
    assert first == day(5)
    assert first != day(6)


def test_a_step_is_bounded_however_long_it_was_away() -> None:
    exchange, _, pool = _market(markets=20, actions_per_second=50, max_turns=8)
    exchange.clock.ms += 3_600_000

    assert pool.step(exchange.clock.now_ms()) == 8
    assert pool.step(exchange.clock.now_ms()) == 0  # what was missed is not made up for
    exchange.clock.ms += 100
    assert pool.step(exchange.clock.now_ms()) == 5


def test_a_large_world_opens_its_books_step_by_step() -> None:
    exchange, _, pool = _market(markets=600, opening_orders=500)
    assert 0 < sum(bool(book.yes.prices) for book in exchange.books.values()) < 50

    _run(exchange, pool, seconds=60)

    assert all(book.yes.prices or book.no.prices for book in exchange.books.values())


def test_a_resting_order_at_a_good_price_gets_filled() -> None:
    exchange, world, pool = _market()
    add_member(exchange, "trader")
    market = next(m for listed in world.events for m in listed.markets if 3_000 < m.yes_bid < 6_000)
    price = market.yes_ask - 100 if market.yes_ask - market.yes_bid > 100 else market.yes_bid
    order = exchange.create_order(
        "trader", NewOrder(ticker=market.ticker, client_order_id="a", side="bid", price=price, count=5_000)
    ).order

    _run(exchange, pool, seconds=1_200)

    assert order.filled > 0
    assert exchange.positions("trader")[0].count > 0


def test_a_foolish_price_is_taken_by_the_makers() -> None:
    exchange, world, _ = _market()
    add_member(exchange, "trader")
    market = next(m for listed in world.events for m in listed.markets if 3_000 < m.yes_bid < 6_000)

    result = exchange.create_order(
        "trader", NewOrder(ticker=market.ticker, client_order_id="a", side="bid", price=9_000, count=1_000)
    )

    assert result.fill_count == 1_000
    assert result.average_fill_price is not None
    assert result.average_fill_price < 700_000


def test_news_moves_the_event_and_exclusive_outcomes_stay_coherent() -> None:
    exchange, world, pool = _market()
    listed = next(e for e in world.events if e.event.mutually_exclusive and len(e.markets) >= 5)
    before = pool.fair_prices(listed.event.ticker)

    pool.news(listed.event.ticker)

    after = pool.fair_prices(listed.event.ticker)
    assert max(abs(a - b) for a, b in zip(after, before, strict=True)) > 150
    assert 7_500 <= sum(after) <= 10_300
    _run(exchange, pool, seconds=300)
    for market, fair in zip(listed.markets, pool.fair_prices(listed.event.ticker), strict=True):
        assert market.yes_bid <= fair + 800
        assert market.yes_ask >= fair - 800


def test_a_closed_event_is_followed_by_the_next_of_its_series() -> None:
    exchange, world, pool = _market()
    hourly = [e.event.ticker for e in world.events if e.event.series_ticker == "KXETHH"]
    created = listen(exchange)
    exchange.clock.ms = min(e.markets[0].close_ms for e in world.events if e.event.ticker in hourly)
    exchange.expire_due()

    _run(exchange, pool, seconds=60)

    (follower,) = (t for t, e in exchange.events.items() if e.series_ticker == "KXETHH" and t not in hourly)
    market = exchange.markets[exchange.events[follower].market_tickers[0]]
    assert market.status == "active"
    assert market.close_ms > exchange.clock.now_ms()
    assert exchange.book(market.ticker).yes
    listed = [e.market for e in created if isinstance(e, MarketLifecycle)]
    assert [one.ticker for one in listed if one.series_ticker == "KXETHH"] == [market.ticker]
    exchange.clock.ms += 30 * 86_400_000  # a month asleep: only what is still open is listed
    exchange.expire_due()
    _run(exchange, pool, seconds=60)
    alive = [m for m in exchange.markets.values() if m.status == "active"]
    assert len({m.series_ticker for m in alive}) >= 15
    assert all(m.close_ms > exchange.clock.now_ms() for m in alive)


def test_bots_leave_no_dead_orders_behind() -> None:
    exchange, _, pool = _market(markets=30)
    _run(exchange, pool, seconds=600)

    resting = sum(
        len(level.orders) for b in exchange.books.values() for side in (b.yes, b.no) for level in side.levels.values()
    )
    assert len(exchange.all_orders) == resting
    assert all(not member.fills and not member.orders for member in exchange.members.values())
    assert sum(len(member.client_order_ids) for member in exchange.members.values()) == resting


def test_bots_stand_aside_while_trading_is_paused() -> None:
    exchange, _, pool = _market(markets=30)
    exchange.set_exchange_status(exchange_active=True, trading_active=False)
    events = listen(exchange)

    _run(exchange, pool, seconds=20)

    assert not any(isinstance(event, Trade) for event in events)
