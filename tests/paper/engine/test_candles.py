"""Candles: periods agree with each other and with the trades."""

import pytest

from apps.paper.engine.candles import CandleStore, Quad, Tick, period_end
from apps.paper.engine.errors import ExchangeError
from tests.paper.engine.support import NOON_MS, TICKER, make_exchange, place

MINUTE_S = 60


def test_a_period_ends_inclusively() -> None:
    assert period_end(60_000, 60) == 60
    assert period_end(60_001, 60) == 120
    assert period_end(59_999, 60) == 60


def test_live_candles_follow_trades_and_quotes() -> None:
    exchange = make_exchange()
    exchange.clock.ms = NOON_MS + 1
    place(exchange, "m0", "bid", 4_000, 10)
    place(exchange, "m0", "ask", 5_000, 10)
    place(exchange, "m1", "bid", 5_000, 4)
    exchange.clock.ms = NOON_MS + 61_000
    place(exchange, "m1", "ask", 4_000, 2)
    exchange.clock.ms = NOON_MS + 125_000

    start = NOON_MS // 1000 + 60
    first, second, third = exchange.candlesticks(TICKER, start_ts=start, end_ts=start + 120, period=1)

    assert (first.end_s, first.price, first.volume) == (start, Quad(5_000, 5_000, 5_000, 5_000), 400)
    assert (first.yes_bid.close, first.yes_ask.close, first.open_interest) == (4_000, 5_000, 400)
    assert (second.price, second.previous, second.volume) == (Quad(4_000, 4_000, 4_000, 4_000), 5_000, 200)
    assert second.open_interest == 200
    assert (third.price, third.previous, third.volume) == (None, 4_000, 0)
    assert third.yes_bid == Quad(4_000, 4_000, 4_000, 4_000)


def test_hours_and_days_are_sums_of_minutes_and_of_the_past() -> None:
    ticks = [
        Tick(ts_ms=NOON_MS - 5 * 3_600_000 + n * 97_000, price=4_000 + 100 * (n % 7), count=100 + n, yes_bid=3_900,
             yes_ask=4_700, open_interest=n)
        for n in range(150)
    ]  # fmt: skip
    store = CandleStore(history=ticks)
    store.trade(ts_ms=NOON_MS + 5_000, price=4_500, count=300, open_interest=500)

    window = {"start_s": 0, "end_s": NOON_MS // 1000 + 86_400, "now_ms": NOON_MS + 10_000}
    minutes = store.candles(period_s=60, **window)
    hours = store.candles(period_s=3_600, **window)
    days = store.candles(period_s=86_400, **window)

    volume = sum(tick.count for tick in ticks) + 300
    for candles in (minutes, hours, days):
        assert sum(candle.volume for candle in candles) == volume
        assert [c.end_s for c in candles] == sorted({c.end_s for c in candles})
        assert min(c.price.low for c in candles if c.price) == 4_000
        assert max(c.price.high for c in candles if c.price) == 4_600
        assert candles[-1].price is not None
        assert candles[-1].price.close == 4_500
        assert candles[-1].open_interest == 500
    assert len(minutes) == (minutes[-1].end_s - minutes[0].end_s) // 60 + 1
    assert store.volume_24h(NOON_MS) == volume
    assert sum(c.value for c in hours) == sum(c.value for c in minutes)


def test_mean_is_volume_weighted() -> None:
    store = CandleStore()
    store.trade(ts_ms=NOON_MS + 1, price=4_000, count=300, open_interest=0)
    store.trade(ts_ms=NOON_MS + 2, price=5_000, count=100, open_interest=0)

    (candle,) = store.candles(start_s=NOON_MS // 1000, end_s=NOON_MS // 1000 + 60, period_s=60, now_ms=NOON_MS + 2)

    assert candle.mean == 4_250


def test_the_latest_before_the_start_is_projected() -> None:
    exchange = make_exchange()
    place(exchange, "m0", "bid", 4_000, 10)
    place(exchange, "m1", "ask", 4_000, 10)
    exchange.clock.ms += 3_600_000
    start = NOON_MS // 1000 + 1_810

    candles = exchange.candlesticks(
        TICKER, start_ts=start, end_ts=start + 5, period=1, include_latest_before_start=True
    )

    assert [(c.end_s, c.price, c.previous, c.volume) for c in candles] == [(NOON_MS // 1000 + 1_860, None, 4_000, 0)]


@pytest.mark.parametrize(
    "arguments",
    [
        {"start_ts": 0, "end_ts": 60, "period": 5},
        {"start_ts": 60, "end_ts": 0, "period": 1},
        {"start_ts": 0, "end_ts": 10_001 * 60, "period": 1},
    ],
)
def test_impossible_windows_are_refused(arguments: dict[str, int]) -> None:
    with pytest.raises(ExchangeError) as refusal:
        make_exchange().candlesticks(TICKER, **arguments)
    assert refusal.value.code == "invalid_parameters"


def test_a_market_without_anything_has_no_candles() -> None:
    assert make_exchange().candlesticks(TICKER, start_ts=0, end_ts=600, period=1) == []
