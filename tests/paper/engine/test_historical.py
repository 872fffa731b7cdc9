"""The historical tier: what leaves the live one when, and that nothing is lost or seen twice on the way."""

import sqlite3
from pathlib import Path

import pytest

from apps.paper.engine.archive import FILLS, Archive, Cutoffs
from apps.paper.engine.exchange import PaperExchange
from apps.paper.keeping import Keeper
from tests.paper.engine.support import DAY_MS, NOON_MS, OTHER, TICKER, FixedClock, make_exchange, money, place

SECOND = 1_000


def move(exchange: PaperExchange, *, markets: int = 0, trades: int = 0, orders: int = 0) -> None:
    exchange.advance_cutoffs(Cutoffs(markets, trades, orders))


def trade(exchange: PaperExchange, ticker: str = TICKER) -> None:
    place(exchange, "m1", "ask", 4_000, 2, ticker=ticker)
    place(exchange, "m0", "bid", 4_000, 2, ticker=ticker)


def traded(times: int = 3) -> PaperExchange:
    """A trade every second."""
    exchange = make_exchange()
    for _ in range(times):
        trade(exchange)
        exchange.clock.ms += SECOND
    return exchange


def everything(exchange: PaperExchange) -> dict[str, list[str]]:
    """Ids of both tiers, live ones first."""
    fills = exchange.historical_fills("m0", limit=100)
    orders = exchange.historical_orders("m0", limit=100)
    trades = exchange.historical_trades(limit=100)
    return {
        "live fills": [fill.trade_id for fill in exchange.fills("m0")],
        "old fills": [fill.trade_id for fill in fills],
        "live orders": [order.order_id for order in exchange.orders("m0")],
        "old orders": [order.order_id for order in orders],
        "live trades": [one.trade_id for one in exchange.trades()],
        "old trades": [one.trade_id for one in trades],
    }


def test_fills_and_trades_move_at_their_own_cutoff_and_nothing_else_does() -> None:
    exchange = traded()
    before = everything(exchange)
    fills = exchange.fills("m0")

    move(exchange, trades=NOON_MS + SECOND)  # the first is older; the second happened exactly then

    after = everything(exchange)
    assert after["live fills"] + after["old fills"] == before["live fills"]
    assert after["live trades"] + after["old trades"] == before["live trades"]
    assert (len(after["old fills"]), len(after["old trades"])) == (1, 1)
    assert after["live orders"] == before["live orders"]
    assert exchange.historical_fills("m0", limit=9) == fills[-1:]
    assert exchange.trades(ticker=TICKER) == exchange.trades()
    assert exchange.historical_fills("m2", limit=9) == exchange.historical_fills("nobody", limit=9) == []


def test_orders_move_by_their_end_and_resting_ones_never_do() -> None:
    exchange = make_exchange()
    canceled = place(exchange, "m0", "bid", 1_000)
    resting = place(exchange, "m0", "bid", 1_100)
    exchange.clock.ms += SECOND
    exchange.cancel_order("m0", canceled.order_id)
    exchange.clock.ms += SECOND

    move(exchange, orders=NOON_MS + SECOND)
    assert everything(exchange)["old orders"] == []
    move(exchange, orders=NOON_MS + 2 * SECOND)

    assert everything(exchange)["old orders"] == [canceled.order_id]
    assert everything(exchange)["live orders"] == [resting.order_id]
    assert exchange.historical_orders("m0", limit=9)[0].cancel_reason == "CANCELED"
    assert canceled.order_id not in exchange.all_orders
    exchange.cancel_order("m0", resting.order_id)


def test_a_settled_market_moves_with_its_candles_and_its_event_stays() -> None:
    exchange = traded()
    start_s = NOON_MS // 1000 - 60
    candles = exchange.candlesticks(TICKER, start_ts=start_s, end_ts=start_s + 600, period=1)
    exchange.close_early(TICKER)
    exchange.determine(TICKER, result="yes")
    exchange.settle(TICKER)
    move(exchange, markets=exchange.clock.ms)
    assert not exchange.is_historical(exchange.market(TICKER))  # settled exactly then
    exchange.clock.ms += SECOND
    move(exchange, markets=exchange.clock.ms)

    assert exchange.is_historical(exchange.market(TICKER))
    assert not exchange.is_historical(exchange.market(OTHER))
    kept = exchange.archive.market(TICKER)
    assert kept == exchange.market(TICKER)
    assert list(exchange.historical_candles(kept, start_ts=start_s, end_ts=start_s + 600, period_s=60)) == candles
    assert exchange.candles[TICKER].everything() == []
    assert exchange.archive.market(OTHER) is None
    assert TICKER in exchange.events["KXTEST-26DEC"].market_tickers
    assert len(exchange.settlements("m0")) == 1


def test_cutoffs_follow_the_clock_in_steps_and_never_go_back() -> None:
    exchange = make_exchange()
    midnight = NOON_MS // DAY_MS * DAY_MS
    assert exchange.cutoffs == Cutoffs(*[midnight - 90 * DAY_MS] * 3)

    exchange.clock.ms += DAY_MS
    exchange.expire_due()
    assert exchange.cutoffs.trades_created_ms == midnight - 89 * DAY_MS
    exchange.set_history(age_ms=10 * SECOND, step_ms=SECOND)
    young = exchange.cutoffs
    assert young.orders_updated_ms == exchange.clock.ms // SECOND * SECOND - 10 * SECOND
    exchange.set_history(age_ms=90 * DAY_MS, step_ms=DAY_MS)
    exchange.expire_due()
    assert exchange.cutoffs == young
    exchange.set_history(age_ms=None, step_ms=DAY_MS)
    exchange.clock.ms += 300 * DAY_MS
    exchange.expire_due()
    assert exchange.cutoffs == young


def test_a_cutoff_in_the_future_is_refused_and_an_older_one_changes_nothing() -> None:
    exchange = traded()
    move(exchange, trades=NOON_MS + SECOND)
    before = everything(exchange)

    with pytest.raises(ValueError, match="future"):
        move(exchange, trades=exchange.clock.ms + 1)
    move(exchange, trades=NOON_MS)

    assert everything(exchange) == before
    assert exchange.cutoffs.trades_created_ms == NOON_MS + SECOND


def test_who_reads_page_by_page_while_the_cutoff_moves_loses_nothing() -> None:
    exchange = traded(9)
    all_of_them = [fill.trade_id for fill in exchange.fills("m0")]
    first = exchange.fills("m0", limit=3)
    move(exchange, trades=NOON_MS + 4 * SECOND)
    rest = exchange.fills("m0", limit=3, before=first[-1].sequence)
    assert len(rest) == 2  # the live tier ends early: what is missing is historical now

    pages, before = [], None
    for _ in range(4):
        page = exchange.historical_fills("m0", limit=2, before=before)
        pages += page
        if not page:
            break
        before = (page[-1].ts_ms, page[-1].sequence)
        move(exchange, trades=exchange.cutoffs.trades_created_ms + SECOND)  # more comes on top of what was read

    assert [fill.trade_id for fill in (*first, *rest, *pages)] == all_of_them


def test_filters_of_the_historical_reads() -> None:
    exchange = traded()
    trade(exchange, OTHER)
    exchange.clock.ms += SECOND
    move(exchange, trades=exchange.clock.ms, orders=exchange.clock.ms)
    noon_s = NOON_MS // 1000

    assert len(exchange.historical_fills("m0", limit=9)) == 4
    assert [fill.ticker for fill in exchange.historical_fills("m0", ticker=OTHER, limit=9)] == [OTHER]
    assert len(exchange.historical_fills("m0", max_ts=noon_s, limit=9)) == 1
    assert len(exchange.historical_orders("m0", max_ts=noon_s + 1, limit=9)) == 2
    assert len(exchange.historical_trades(min_ts=noon_s + 1, max_ts=noon_s + 2, ticker=TICKER, limit=9)) == 2
    assert exchange.historical_trades(ticker="NONE", limit=9) == []


def take_up(folder: Path, now_ms: int) -> tuple[PaperExchange, Keeper]:
    exchange = PaperExchange(clock=FixedClock(now_ms), seed=7)
    keeper = Keeper(folder, exchange, seed=7, markets=None)
    state = keeper.open()
    exchange.use_archive(Archive(folder / "archive.sqlite3"))
    assert state is not None
    keeper.restore(state)
    keeper.begin(None)
    return exchange, keeper


@pytest.mark.parametrize("killed", [True, False])
def test_both_tiers_are_as_they_were_after_a_restart(tmp_path: Path, killed: bool) -> None:
    exchange = traded()
    exchange.use_archive(Archive(tmp_path / "archive.sqlite3"))
    keeper = Keeper(tmp_path, exchange, seed=7, markets=None)
    keeper.open()
    keeper.begin(None)
    exchange.close_early(TICKER)
    exchange.determine(TICKER, result="no")
    exchange.settle(TICKER)
    exchange.clock.ms += SECOND
    move(exchange, markets=exchange.clock.ms, trades=NOON_MS + SECOND, orders=NOON_MS + 2 * SECOND)
    before, market = everything(exchange), exchange.archive.market(TICKER)
    if killed:
        keeper.release()  # what the journal and the state before it say is live still
    else:
        keeper.close()
    exchange.archive.close()

    restored, keeper = take_up(tmp_path, exchange.clock.ms)
    keeper.release()

    assert everything(restored) == before
    assert restored.cutoffs == exchange.cutoffs
    assert restored.archive.market(TICKER) == market
    assert restored.is_historical(restored.market(TICKER))
    assert restored.historical_trades(limit=9) == exchange.historical_trades(limit=9)
    assert money(restored) == restored.deposited
    restored.archive.close()
    exchange.archive.close()


def test_an_archive_that_cannot_be_written_moves_nothing(tmp_path: Path) -> None:
    exchange = traded()
    exchange.use_archive(Archive(tmp_path / "archive.sqlite3"))
    before = everything(exchange)
    lock = sqlite3.connect(tmp_path / "archive.sqlite3", isolation_level=None)
    lock.execute("BEGIN EXCLUSIVE")
    exchange.archive.patience_ms(0)

    with pytest.raises(sqlite3.OperationalError):
        move(exchange, trades=exchange.clock.ms)
    exchange.set_history(age_ms=0, step_ms=1)  # by the clock: it goes on, and tries again later
    lock.execute("ROLLBACK")
    lock.close()

    assert everything(exchange) == before
    exchange.clock.ms += 60 * SECOND
    exchange.expire_due()
    assert everything(exchange)["live fills"] == []
    assert everything(exchange)["old fills"] == before["live fills"]
    exchange.archive.close()


def test_what_is_archived_again_is_there_once() -> None:
    exchange = traded()
    fills = exchange.fills("m0")
    for _ in range(2):
        exchange.archive.put(cutoffs=exchange.cutoffs, fills=fills)

    assert exchange.archive.count(FILLS, owner="m0") == 3
    assert exchange.historical_fills("m0", limit=9) == fills
