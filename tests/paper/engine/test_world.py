"""The world: believable, coherent, reproducible, quick to build."""

import re

import pytest

from apps.paper.engine.catalogue import Market
from apps.paper.engine.exchange import PaperExchange
from apps.paper.engine.grids import on_grid
from apps.paper.world import World, build_world
from tests.paper.engine.support import DAY_MS, NOON_MS, FixedClock


def _world(**options: int) -> tuple[PaperExchange, World]:
    exchange = PaperExchange(clock=FixedClock(), seed=1)
    return exchange, build_world(exchange, **options)


def _plain(exchange: PaperExchange) -> dict[str, Market]:
    """All but combos, which have a test of their own."""
    return {ticker: market for ticker, market in exchange.markets.items() if not market.is_combo}


def test_the_default_world_is_varied_and_complete() -> None:
    exchange, world = _world()

    assert 60 <= world.market_count == len(_plain(exchange)) <= 130
    assert len(exchange.series) >= 12
    assert len({series.category for series in exchange.series.values()}) >= 8
    assert {m.price_level_structure for m in _plain(exchange).values()} == {
        "linear_cent", "deci_cent", "tapered_deci_cent",
    }  # fmt: skip
    assert {m.status for m in exchange.markets.values()} == {"active", "initialized", "finalized"}
    assert {s.fees.fee_type for s in exchange.series.values()} == {"quadratic", "quadratic_with_maker_fees"}
    assert {str(s.fees.multiplier) for s in exchange.series.values()} == {"0", "0.5", "1"}
    for market in exchange.markets.values():
        assert re.fullmatch(r"[A-Z0-9.-]+", market.ticker)
        assert market.rules_primary
        assert "..." not in exchange.events[market.event_ticker].title
        assert "{" not in market.rules_primary + market.title + market.yes_sub_title
        assert market.open_ms < market.close_ms <= market.expected_expiration_ms < market.latest_expiration_ms
        if market.status == "active":
            assert market.open_ms <= NOON_MS < NOON_MS + 3_600_000 <= market.close_ms


def test_tickers_and_short_titles_name_the_strike() -> None:
    exchange, _ = _world()
    fed = next(m for m in exchange.markets.values() if m.series_ticker == "KXFED")
    assert re.fullmatch(r"KXFED-\d\d[A-Z]{3}-T\d\.\d\d", fed.ticker)
    assert fed.yes_sub_title == f"Above {fed.floor_strike}%"
    titles = {(m.event_ticker, m.yes_sub_title) for m in exchange.markets.values()}
    assert len(titles) == len(exchange.markets)


def test_exclusive_events_have_three_to_eight_markets_that_sum_to_about_one() -> None:
    _, world = _world()
    exclusive = [listed for listed in world.events if listed.event.mutually_exclusive]
    assert len(exclusive) >= 8
    for listed in exclusive:
        assert 2 <= len(listed.markets) <= 8
        assert 0.75 <= sum(listed.model.probabilities()) <= 1.03
    assert sum(3 <= len(listed.markets) <= 8 for listed in exclusive) >= 6


def test_settled_events_have_one_winner() -> None:
    _, world = _world()
    assert world.settled
    for listed in world.settled:
        assert all(market.settled_ms and market.settled_ms < NOON_MS for market in listed.markets)
        assert sum(market.result == "yes" for market in listed.markets) <= 1
        if len(listed.markets) > 1:
            assert sum(market.result == "yes" for market in listed.markets) == 1


def test_the_past_agrees_in_tape_candles_and_market_figures() -> None:
    exchange, _ = _world()
    now = NOON_MS // 1000
    for ticker, market in _plain(exchange).items():
        trades = exchange.trades(ticker=ticker)
        if market.status == "initialized":
            assert trades == []
            continue
        assert len(trades) >= 100
        assert all(on_grid(market.price_ranges, trade.price) and trade.ts_ms < NOON_MS for trade in trades)
        assert market.volume == sum(trade.count for trade in trades)
        assert market.last_price == trades[0].price
        days = exchange.candlesticks(ticker, start_ts=now - 12 * 86_400, end_ts=now + 86_400, period=1440)
        hours = exchange.candlesticks(ticker, start_ts=now - 12 * 86_400, end_ts=now + 86_400, period=60)
        assert sum(c.volume for c in days) == sum(c.volume for c in hours) == market.volume
        assert len(days) >= 7
        assert all(candle.yes_bid.close < candle.yes_ask.close for candle in hours)
        statistics = exchange.statistics(ticker)
        assert 0 <= statistics.volume_24h < market.volume


def test_the_whole_tape_is_newest_first() -> None:
    exchange, _ = _world()
    trades = exchange.trades(limit=5_000)
    assert [t.ts_ms for t in trades] == sorted((t.ts_ms for t in trades), reverse=True)
    assert [t.sequence for t in trades] == sorted((t.sequence for t in trades), reverse=True)


@pytest.mark.parametrize("markets", [1, 7, 400])
def test_a_world_has_exactly_the_markets_asked_for(markets: int) -> None:
    exchange, world = _world(markets=markets)
    assert world.market_count == len(exchange.markets) == markets
    with pytest.raises(ValueError, match="at least one"):
        _world(markets=0)


def test_the_same_seed_gives_the_same_world_and_another_seed_another() -> None:
    def fingerprint(seed: int) -> list[tuple[str, int, int]]:
        exchange, _ = _world(seed=seed)
        return [(m.ticker, m.last_price, m.volume) for m in exchange.markets.values()]

    assert fingerprint(3) == fingerprint(3) != fingerprint(4)


def test_expected_times_follow_the_clock() -> None:
    exchange = PaperExchange(clock=FixedClock(NOON_MS + 400 * DAY_MS), seed=1)
    build_world(exchange)
    assert all(
        market.close_ms > NOON_MS + 400 * DAY_MS for market in exchange.markets.values() if market.status == "active"
    )
