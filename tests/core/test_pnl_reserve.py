"""What resting orders lock: nothing for what only closes, best prices first."""

from hypothesis import given
from hypothesis import strategies as st

from apps.core.pnl_reserve import RestingOrder, resting_reserve

ORDERS = st.lists(st.builds(RestingOrder, st.booleans(), st.integers(1, 9_999), st.integers(1, 1_000)), max_size=8)


def bid(price: int, count: int) -> RestingOrder:
    return RestingOrder(is_bid=True, price=price, count=count)


def ask(price: int, count: int) -> RestingOrder:
    return RestingOrder(is_bid=False, price=price, count=count)


def test_from_flat_every_order_locks_the_price_of_its_own_leg() -> None:
    assert resting_reserve(0, [bid(4_000, 100), ask(7_000, 50)]) == 400_000 + 150_000


def test_orders_that_close_lock_nothing_the_first_to_trade_first() -> None:
    # 100 YES: of the asks the one at 0.60 (a NO price of 0.40) trades before the one at 0.70.
    assert resting_reserve(100, [ask(7_000, 100), ask(6_000, 60)]) == 60 * 3_000
    assert resting_reserve(-100, [bid(2_000, 100)]) == 0


@given(st.integers(-2_000, 2_000), ORDERS)
def test_holding_never_locks_more_than_being_flat(contracts: int, orders: list[RestingOrder]) -> None:
    flat = resting_reserve(0, orders)

    assert 0 <= resting_reserve(contracts, orders) <= flat


@given(st.integers(-2_000, 2_000), ORDERS)
def test_enough_contracts_to_close_all_of_a_side_free_that_side(contracts: int, orders: list[RestingOrder]) -> None:
    held = 10_000 if contracts >= 0 else -10_000
    others = [one for one in orders if one.is_bid == (held > 0)]

    assert resting_reserve(held, orders) == resting_reserve(0, others)
