"""Locks, positions, fees and the sum of all money."""

from decimal import Decimal

import pytest

from apps.paper.engine.errors import ExchangeError
from apps.paper.engine.fees import FeeSchedule
from tests.paper.engine.support import DAY_MS, NOON_MS, OTHER, TICKER, make_exchange, money, place

START = 1_000_000_000  # micro-dollars every member begins with


def test_buying_yes_locks_price_and_buying_no_locks_one_minus_price() -> None:
    exchange = make_exchange()
    place(exchange, "m0", "bid", 4_200, 10)
    place(exchange, "m1", "ask", 4_500, 10)

    assert exchange.balance("m0").available == START - 4_200_000
    assert exchange.balance("m1").available == START - 5_500_000
    assert exchange.resting_order_value("m0") == 4_200_000


def test_a_resting_order_locks_the_maker_fee_where_there_is_one() -> None:
    exchange = make_exchange(fee_type="quadratic_with_maker_fees")
    place(exchange, "m0", "bid", 5_000, 100)

    assert exchange.balance("m0").available == START - 50_000_000 - 437_500


def test_a_trade_moves_cost_fee_and_collateral() -> None:
    exchange = make_exchange()
    place(exchange, "m0", "bid", 4_200, 10)
    result = place(exchange, "m1", "ask", 4_200, 10)

    # 0.07 x 10 x 0.42 x 0.58 = 0.170520, up to 0.1706, and the balance down to a whole cent
    taker = exchange.fills("m1")[0]
    assert (taker.trade_fee, taker.rounding_fee, taker.fee) == (170_600, 9_400, 180_000)
    assert result.average_fee_paid == 18_000
    assert exchange.balance("m0").available == START - 4_200_000
    assert exchange.balance("m1").available == START - 5_800_000 - 180_000
    assert exchange.collateral == 10_000_000
    assert exchange.fees == 180_000
    assert money(exchange) == exchange.deposited
    assert exchange.markets[TICKER].open_interest == 1_000


def test_buying_no_while_holding_yes_closes() -> None:
    exchange = make_exchange(multiplier="0")
    place(exchange, "m0", "bid", 4_000, 10)
    place(exchange, "m1", "ask", 4_000, 10)
    place(exchange, "m2", "bid", 5_000, 4)

    place(exchange, "m0", "ask", 5_000, 4)

    position = exchange.positions("m0")[0]
    assert (position.count, position.cost, position.realized_pnl) == (600, 2_400_000, 400_000)
    assert position.total_traded == 4_000_000 + 2_000_000
    assert exchange.balance("m0").available == START - 4_000_000 + 2_000_000
    assert exchange.markets[TICKER].open_interest == 1_000
    place(exchange, "m2", "bid", 3_000, 16)
    place(exchange, "m0", "ask", 3_000, 16)  # six to close, ten to open
    assert (position.count, position.cost) == (-1_000, 7_000_000)
    assert position.realized_pnl == 400_000 - 600_000
    assert exchange.collateral == 10_000_000 * 2
    assert money(exchange) == exchange.deposited


def test_orders_that_only_close_lock_nothing() -> None:
    exchange = make_exchange(multiplier="0")
    place(exchange, "m1", "ask", 5_000, 10)
    place(exchange, "m0", "bid", 5_000, 10)
    free = exchange.balance("m0").available

    place(exchange, "m0", "ask", 6_000, 6)
    assert exchange.balance("m0").available == free
    far = place(exchange, "m0", "ask", 7_000, 6).order  # four more to close, two to open
    assert exchange.balance("m0").available == free - 2 * 300_000
    place(exchange, "m0", "ask", 5_500, 2)  # trades first, so two of the far one are uncovered now
    assert exchange.balance("m0").available == free - 4 * 300_000
    exchange.cancel_order("m0", far.order_id)
    assert exchange.balance("m0").available == free


def test_money_that_is_locked_cannot_be_used_twice() -> None:
    exchange = make_exchange()
    place(exchange, "m0", "bid", 5_000, 1_900)

    with pytest.raises(ExchangeError) as refusal:
        place(exchange, "m0", "bid", 5_000, 101, ticker=OTHER)

    assert refusal.value.code == "available_balance_too_low"
    place(exchange, "m0", "bid", 5_000, 100, ticker=OTHER)
    assert exchange.balance("m0").available == 0


def test_a_taker_needs_its_fee_too() -> None:
    exchange = make_exchange()
    place(exchange, "m1", "ask", 5_000, 1_500)
    exchange.members["m0"].accounts[0].cash = 10_000_000
    exchange.deposited -= START - 10_000_000

    with pytest.raises(ExchangeError) as refusal:
        place(exchange, "m0", "bid", 5_000, 20)

    assert refusal.value.code == "available_balance_too_low"
    assert place(exchange, "m0", "bid", 5_000, 19).fill_count == 1_900
    assert exchange.balance("m0").available == 10_000_000 - 9_500_000 - 340_000
    assert money(exchange) == exchange.deposited


def test_reduce_only_is_capped_by_the_position_and_follows_it() -> None:
    exchange = make_exchange()
    place(exchange, "m1", "ask", 5_000, 10)
    place(exchange, "m0", "bid", 5_000, 10)

    order = place(exchange, "m0", "ask", 6_000, 50, reduce_only=True).order
    assert (order.initial_count, order.remaining) == (1_000, 1_000)
    with pytest.raises(ExchangeError) as refusal:
        place(exchange, "m0", "ask", 6_500, 1, reduce_only=True)
    assert refusal.value.details == "EXCEEDED_SELL_POSITION_FLOOR"
    place(exchange, "m1", "bid", 5_000, 7)
    place(exchange, "m0", "ask", 5_000, 7)  # sells seven elsewhere: three are left to reduce

    assert order.remaining == 300
    place(exchange, "m1", "bid", 6_000, 10)
    assert exchange.positions("m0")[0].count == 0
    assert order.status == "executed"


def test_many_small_fills_of_one_order_cost_about_what_one_fill_costs() -> None:
    one, many = make_exchange(), make_exchange()
    place(one, "m1", "bid", 5_000, 3)
    place(one, "m0", "ask", 5_000, 3)
    for _ in range(30):
        place(many, "m1", "bid", 5_000, 0.1)
    order = place(many, "m0", "ask", 5_000, 3).order

    # Each of the 30 fills is rounded up by 0.82 cents; the accumulator's rebates give back all but a cent or so.
    assert order.filled == 300
    assert 0 <= order.taker_fees - one.fills("m0")[0].fee <= 15_000
    assert order.rounding_accumulator <= 10_000
    assert money(many) == many.deposited


def test_the_accumulator_goes_with_the_order_from_taking_to_making() -> None:
    exchange = make_exchange(fee_type="quadratic_with_maker_fees")
    place(exchange, "m1", "ask", 5_000, 0.3)
    order = place(exchange, "m0", "bid", 5_000, 0.6).order
    after_taking = order.rounding_accumulator
    place(exchange, "m1", "ask", 5_000, 0.3)

    fills = exchange.fills("m0")
    assert [fill.is_taker for fill in fills] == [False, True]
    assert after_taking == fills[1].rounding_fee > 0
    assert order.rounding_accumulator == after_taking + fills[0].rounding_fee - fills[0].rebate
    assert (order.taker_fees, order.maker_fees) == (fills[1].fee, fills[0].fee)


def test_fees_change_on_their_date_and_an_event_can_have_its_own() -> None:
    exchange = make_exchange()
    exchange.series["KXTEST"].fee_changes = [
        FeeSchedule("quadratic", Decimal(0), from_ms=NOON_MS + 2_000),
        FeeSchedule("quadratic", Decimal(2), from_ms=NOON_MS + 1_000),
    ]

    def fee_of_a_trade() -> int:
        place(exchange, "m0", "bid", 5_000, 100)
        place(exchange, "m1", "ask", 5_000, 100)
        return exchange.fills("m1")[0].trade_fee

    found = []
    for _ in range(3):
        found.append(fee_of_a_trade())
        exchange.clock.ms += 1_000
    exchange.events["KXTEST-26DEC"].fee_override = FeeSchedule("quadratic", Decimal("0.5"))
    found.append(fee_of_a_trade())
    exchange.markets[TICKER].fee_waiver_until_ms = NOON_MS + DAY_MS
    found.append(fee_of_a_trade())

    assert found == [1_750_000, 3_500_000, 0, 875_000, 0]


def test_balance_values_positions_at_the_price_they_could_be_sold_at() -> None:
    exchange = make_exchange(multiplier="0")
    place(exchange, "m0", "bid", 4_000, 10)
    place(exchange, "m1", "ask", 4_000, 10)
    assert exchange.balance("m0").portfolio_value == 0

    place(exchange, "m2", "bid", 3_500, 1)
    place(exchange, "m2", "ask", 4_500, 1)

    assert exchange.balance("m0").portfolio_value == 3_500_000
    assert exchange.balance("m1").portfolio_value == 5_500_000


def test_subaccounts_have_their_own_money_and_positions() -> None:
    exchange = make_exchange()
    exchange.deposit("m0", cents=5_000, subaccount=1)
    place(exchange, "m0", "bid", 4_000, 10, subaccount=1)
    place(exchange, "m1", "ask", 4_000, 10)

    assert exchange.positions("m0") == []
    assert [p.count for p in exchange.positions("m0", subaccount=1)] == [1_000]
    assert exchange.balance("m0").available == START
    assert exchange.balance("m0", subaccount=1).available == 46_000_000
    assert [f.subaccount for f in exchange.fills("m0")] == [1]
    assert exchange.fills("m0", subaccount=0) == []
