from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.core.errors import WireFormatError
from apps.core.grid import PriceGrid


def ranges(*rows: tuple[str, str, str]) -> list[dict[str, str]]:
    return [dict(zip(("start", "end", "step"), row, strict=True)) for row in rows]


LINEAR = ranges(("0.0000", "1.0000", "0.0100"))
DECI = ranges(("0.0000", "1.0000", "0.0010"))
TAPERED = ranges(("0.0000", "0.1000", "0.0010"), ("0.1000", "0.9000", "0.0100"), ("0.9000", "1.0000", "0.0010"))
GAPS = ranges(("0.2000", "0.3000", "0.0200"), ("0.5000", "0.5005", "0.0001"))
ALL = st.sampled_from([LINEAR, DECI, TAPERED, GAPS]).map(PriceGrid.from_ranges)
PRICES = st.integers(-100, 10_100).map(lambda units: Decimal(units).scaleb(-4))


@pytest.mark.parametrize(("rows", "size"), [(LINEAR, 99), (DECI, 999), (TAPERED, 279), (GAPS, 12)])
def test_a_grid_has_every_step_between_0_and_1(rows, size):
    grid = PriceGrid.from_ranges(rows)

    assert len(grid.prices()) == len(grid.units) == size
    assert all(0 < price < 1 for price in grid.prices())


@given(ALL, PRICES)
def test_neighbours_are_what_a_search_of_all_prices_finds(grid, price):
    prices = grid.prices()

    assert grid.floor(price) == max((p for p in prices if p <= price), default=None)
    assert grid.ceil(price) == min((p for p in prices if p >= price), default=None)
    assert grid.next_up(price) == min((p for p in prices if p > price), default=None)
    assert grid.next_down(price) == max((p for p in prices if p < price), default=None)
    assert grid.nearest(price) == min(prices, key=lambda p: (abs(p - price), p))
    assert grid.contains(price) == (price in prices)


def test_prices_between_two_units_have_neighbours_too():
    grid = PriceGrid.from_ranges(LINEAR)

    assert grid.floor(Decimal("0.50009")) == Decimal("0.5")
    assert grid.ceil(Decimal("0.50001")) == Decimal("0.51")
    assert grid.next_down(Decimal("0.50001")) == Decimal("0.5")
    assert not grid.contains(Decimal("0.50001"))


def test_prices_far_outside_are_no_error():
    grid = PriceGrid.from_ranges(LINEAR)

    assert grid.nearest(Decimal("1E+20")) == Decimal("0.99")
    assert grid.nearest(Decimal("-7")) == Decimal("0.01")
    assert not grid.contains(Decimal("NaN"))


def test_the_step_changes_where_ranges_meet():
    grid = PriceGrid.from_ranges(TAPERED)

    assert [grid.step_at(Decimal(p)) for p in ("0.05", "0.099", "0.1", "0.5", "0.9", "0.99")] == [
        Decimal(s) for s in ("0.001", "0.001", "0.01", "0.01", "0.001", "0.001")
    ]
    assert grid.next_up(Decimal("0.1")) == Decimal("0.11")
    assert grid.next_down(Decimal("0.1")) == Decimal("0.099")


def test_below_all_ranges_the_step_is_that_of_the_first():
    assert PriceGrid.from_ranges(GAPS).step_at(Decimal("0.01")) == Decimal("0.02")


def test_0_and_1_are_no_order_prices():
    grid = PriceGrid.from_ranges(LINEAR)

    assert not grid.contains(Decimal(0))
    assert not grid.contains(Decimal(1))
    assert grid.contains_units(100)
    assert not grid.contains_units(10_000)


def test_equal_ranges_share_one_grid():
    assert PriceGrid.from_ranges(TAPERED) is PriceGrid.from_ranges([dict(row) for row in TAPERED])


def test_the_order_of_ranges_does_not_matter():
    assert PriceGrid.from_ranges(TAPERED[::-1]).units == PriceGrid.from_ranges(TAPERED).units


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ([], "no price ranges"),
        (ranges(("0", "1", "1")), "no price ranges"),
        (ranges(("0", "1", "0")), "not a price range"),
        (ranges(("0.5", "0.5", "0.01")), "not a price range"),
        (ranges(("0", "0.6", "0.01"), ("0.5", "1", "0.01")), "overlap"),
        (ranges(("0", "1.5", "0.01")), "outside"),
        (ranges(("0", "1", "-0.01")), "outside"),
        ([{"start": "0", "end": "1"}], "need start, end and step"),
        ([{"start": "0", "end": "1", "step": 0.01}], "decimal string"),
        (["0-1"], "need start, end and step"),
        (None, "need start, end and step"),
    ],
)
def test_impossible_ranges_say_what_is_wrong(rows, said):
    with pytest.raises(WireFormatError, match=said):
        PriceGrid.from_ranges(rows)
