"""The invented past day: whole in itself, spread over subaccounts, and read by the page."""

from collections import Counter, defaultdict

import pytest

from apps.paper.engine.archive import FILLS, ORDERS
from apps.paper.engine.exchange import PaperExchange
from apps.paper.engine.orders import Fill, Order
from apps.paper.engine.past import PastDay, invent_day
from apps.paper.engine.units import CENT
from tests.paper.engine.support import make_exchange, money

COUNT = 3_000


@pytest.fixture(scope="module")
def day() -> tuple[PaperExchange, PastDay]:
    exchange = make_exchange(members=1)
    return exchange, invent_day(exchange, "m0", fills=COUNT, subaccounts=4)


def all_fills(exchange: PaperExchange) -> list[Fill]:
    found, before = [], None
    while page := exchange.historical_fills("m0", limit=700, before=before):
        found += page
        before = (page[-1].ts_ms, page[-1].sequence)
    return found


def test_every_fill_is_there_once_newest_first_within_the_day(day: tuple[PaperExchange, PastDay]) -> None:
    exchange, past = day
    fills = all_fills(exchange)

    assert len(fills) == len({fill.trade_id for fill in fills}) == COUNT
    places = [(fill.ts_ms, fill.sequence) for fill in fills]
    assert places == sorted(places, reverse=True)
    assert past.start_ms <= places[-1][0] <= places[0][0] < past.end_ms < exchange.cutoffs.trades_created_ms
    assert Counter(fill.subaccount for fill in fills) == dict.fromkeys(range(4), COUNT // 4)
    assert exchange.archive.count(ORDERS, owner="m0") == past.orders == COUNT // 5
    assert exchange.fills("m0") == exchange.orders("m0") == exchange.positions("m0") == []


def test_orders_and_fills_agree_and_no_position_is_left(day: tuple[PaperExchange, PastDay]) -> None:
    exchange, past = day
    fills = all_fills(exchange)
    by_order: dict[str, list[Fill]] = defaultdict(list)
    for fill in reversed(fills):
        by_order[fill.order_id].append(fill)
    orders = exchange.historical_orders("m0", limit=past.orders + 1)

    assert {order.order_id for order in orders} == set(by_order)
    for order in orders:
        check_order(order, by_order[order.order_id])
    counts: dict[tuple[int, str], int] = defaultdict(int)
    for fill in reversed(fills):
        counts[fill.subaccount, fill.ticker] += fill.count if fill.side == "bid" else -fill.count
        assert fill.post_position == counts[fill.subaccount, fill.ticker]
    assert set(counts.values()) == {0}


def check_order(order: Order, fills: list[Fill]) -> None:
    assert order.status == "executed"
    assert order.filled == order.initial_count == sum(fill.count for fill in fills)
    assert order.taker_fees + order.maker_fees == sum(fill.fee for fill in fills)
    assert (order.created_ms, order.updated_ms) == (fills[0].ts_ms, fills[-1].ts_ms)
    assert {(f.side, f.price, f.subaccount, f.ticker) for f in fills} == {
        (order.side, order.price, order.subaccount, order.ticker)
    }


def test_cash_is_still_the_sum_of_all_that_moved_it(day: tuple[PaperExchange, PastDay]) -> None:
    exchange, _ = day
    sums: dict[int, int] = defaultdict(int)
    for fill in all_fills(exchange):
        sums[fill.subaccount] += fill.balance_change
    for payment in exchange.payments("m0", kind="deposit"):
        sums[payment.subaccount] += payment.effect
    for transfer in exchange.transfers("m0"):
        sums[transfer.source] -= transfer.cents * CENT
        sums[transfer.target] += transfer.cents * CENT

    assert sums == {account.subaccount: account.cash for account in exchange.subaccounts("m0")}
    assert money(exchange) == exchange.deposited


def test_its_markets_are_historical_and_its_event_is_live(day: tuple[PaperExchange, PastDay]) -> None:
    exchange, _ = day
    tickers = {fill.ticker for fill in all_fills(exchange)}
    markets = [exchange.archive.market(ticker) for ticker in tickers]

    assert len(tickers) == 50
    for market in markets:
        assert market is not None
        assert market.status == "finalized"
        assert market.settled_ms is not None
        assert market.settled_ms < exchange.cutoffs.market_settled_ms
        assert market.ticker not in exchange.markets
        assert market.event_ticker in exchange.events


def test_the_same_seed_invents_the_same_day_and_a_second_one_lies_before_it() -> None:
    first, second = make_exchange(members=1), make_exchange(members=1)
    day = invent_day(first, "m0", fills=100)
    assert invent_day(second, "m0", fills=100) == day
    assert all_fills(first) == all_fills(second)

    earlier = invent_day(first, "m0", fills=50)

    assert earlier.end_ms == day.start_ms
    assert first.archive.count(FILLS, owner="m0") == 150


@pytest.mark.parametrize(("fills", "subaccounts"), [(0, 1), (15, 1), (-10, 1), (10, 0), (10, 34)])
def test_what_cannot_be_invented_is_refused(fills: int, subaccounts: int) -> None:
    exchange = make_exchange(members=1)

    with pytest.raises(ValueError, match="must be"):
        invent_day(exchange, "m0", fills=fills, subaccounts=subaccounts)
