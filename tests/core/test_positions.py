from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.core.positions import NetPosition, PositionFill, position_from_fills

PRICES = st.integers(0, 10_000).map(lambda n: Decimal(n).scaleb(-4))
COUNTS = st.integers(1, 50_000).map(lambda n: Decimal(n).scaleb(-2))
FEES = st.integers(0, 10**6).map(lambda n: Decimal(n).scaleb(-6))
FILLS = st.lists(st.builds(PositionFill, st.sampled_from(["bid", "ask"]), PRICES, COUNTS, FEES), max_size=40)


def fill(side: str, price: str, count: str, fee: str = "0") -> PositionFill:
    return PositionFill(side, Decimal(price), Decimal(count), Decimal(fee))


def cash_out(fills: list[PositionFill]) -> Decimal:
    """Dollars paid, with NO bought at one dollar minus the YES price and pairs paid out at a dollar."""
    yes = sum((f.count if f.book_side == "bid" else -f.count) for f in fills)
    paid = sum((f.price * f.count if f.book_side == "bid" else -f.price * f.count) for f in fills)
    return paid + max(-yes, 0)


def test_buying_twice_averages_the_cost():
    position = position_from_fills([fill("bid", "0.40", "10", "0.17"), fill("bid", "0.50", "30", "0.53")])

    assert position == NetPosition(Decimal(40), Decimal(19), Decimal(0), Decimal("0.70"))
    assert position.average_price == Decimal("0.475")
    assert position.value_at(Decimal("0.6")) == 24
    assert position.unrealized_pnl(Decimal("0.6")) == 5
    assert position.pnl_if_yes == Decimal("20.30")
    assert position.pnl_if_no == position.worst_case == Decimal("-19.70")


def test_selling_part_realizes_its_share():
    position = position_from_fills([fill("bid", "0.40", "10"), fill("ask", "0.55", "4")])

    assert (position.contracts, position.cost, position.realized_pnl) == (6, Decimal("2.4"), Decimal("0.6"))


def test_an_ask_from_flat_buys_no():
    position = position_from_fills([fill("ask", "0.30", "10")])

    assert (position.contracts, position.cost, position.average_price) == (-10, 7, Decimal("0.7"))
    assert position.value_at(Decimal("0.3")) == 7
    assert (position.pnl_if_yes, position.pnl_if_no) == (-7, 3)
    assert position.worst_case == -7


def test_a_bid_against_no_closes_it():
    position = position_from_fills([fill("ask", "0.30", "10"), fill("bid", "0.20", "10")])

    assert (position.contracts, position.cost, position.realized_pnl) == (0, 0, 1)
    assert position.average_price is None
    assert position.worst_case == 1


@pytest.mark.parametrize(
    ("first", "second", "contracts", "cost", "realized"),
    [
        (fill("bid", "0.40", "10"), fill("ask", "0.60", "15"), -5, "2", "2"),
        (fill("ask", "0.40", "10"), fill("bid", "0.60", "15"), 5, "3", "-2"),
    ],
)
def test_a_fill_through_zero_closes_one_leg_and_opens_the_other(first, second, contracts, cost, realized):
    position = position_from_fills([first, second])

    assert (position.contracts, position.cost, position.realized_pnl) == (contracts, Decimal(cost), Decimal(realized))


def test_a_split_that_does_not_divide_loses_nothing():
    thirds = position_from_fills(
        [fill("bid", "0.3333", "0.01"), fill("bid", "0.1", "0.02"), fill("ask", "0.5", "0.01")]
    )

    assert thirds.cost - thirds.realized_pnl == Decimal("0.005333") - Decimal("0.005")
    assert thirds.cost == Decimal("0.003555")


@given(FILLS)
def test_cash_out_is_cost_less_realized_pnl(fills):
    position = position_from_fills(fills)

    assert position.contracts == sum((f.count if f.book_side == "bid" else -f.count) for f in fills)
    assert position.cost - position.realized_pnl == cash_out(fills)
    assert position.fees == sum(f.fee for f in fills)
    assert position.cost >= 0
    assert position.cost <= abs(position.contracts)


@given(FILLS, PRICES)
def test_the_total_is_what_the_fills_paid_and_the_outcome_returned(fills, outcome):
    position = position_from_fills(fills)
    paid = sum((f.price - outcome) * (f.count if f.book_side == "bid" else -f.count) + f.fee for f in fills)

    assert position.total_pnl(outcome) == -paid
    assert position.worst_case <= position.total_pnl(outcome) <= max(position.pnl_if_yes, position.pnl_if_no)


@given(FILLS)
def test_the_other_leg_is_the_mirror_image(fills):
    def mirrored(one: PositionFill) -> PositionFill:
        return PositionFill("ask" if one.book_side == "bid" else "bid", 1 - one.price, one.count, one.fee)

    position, mirror = position_from_fills(fills), position_from_fills(map(mirrored, fills))

    assert (mirror.contracts, mirror.cost, mirror.realized_pnl) == (
        -position.contracts,
        position.cost,
        position.realized_pnl,
    )
    assert (mirror.pnl_if_yes, mirror.pnl_if_no) == (position.pnl_if_no, position.pnl_if_yes)


@pytest.mark.parametrize(
    "bad",
    [
        fill("bid", "0.5", "0"),
        fill("bid", "0.5", "-1"),
        fill("bid", "1.1", "1"),
        fill("ask", "-0.1", "1"),
        fill("bid", "0.00001", "1"),
    ],
)
def test_an_impossible_fill_is_refused(bad):
    with pytest.raises(ValueError, match=r"positive|outside|finer"):
        NetPosition().after(bad)


def test_a_mark_outside_a_dollar_is_refused():
    with pytest.raises(ValueError, match="outside"):
        NetPosition().value_at(Decimal("1.01"))
