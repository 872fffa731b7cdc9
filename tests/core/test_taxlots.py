"""Lots: first in first out, nothing lost, whatever the order of buying, netting and settling."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from apps.core.money import count_from_units, money_from_units, money_units, price_from_units
from apps.core.positions import PositionFill, position_from_fills
from apps.core.rfq import Outcome
from apps.core.taxlots import ClosedHow, ClosedLot, LotBook, LotFill, LotSettlement

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
AMOUNTS = st.tuples(st.booleans(), st.integers(0, 10_000), st.integers(1, 50_000), st.integers(-(10**4), 10**6))
LISTS = st.lists(AMOUNTS, max_size=40)


def fill(number: int, is_bid: bool, price: int, count: int, fee: int = 0) -> LotFill:
    return LotFill(NOON + timedelta(minutes=number), f"t{number}", is_bid, price, count, fee)


def fills_of(amounts: list[tuple[bool, int, int, int]]) -> list[LotFill]:
    return [fill(number, *one) for number, one in enumerate(amounts)]


def folded(fills: list[LotFill]) -> tuple[LotBook, list[ClosedLot]]:
    book = LotBook()
    return book, [closed for one in fills for closed in book.fill(one)]


def end(value: int | None, **told: int) -> LotSettlement:
    return LotSettlement(NOON + timedelta(days=30), "end", value, **told)


def test_the_oldest_lot_closes_first():
    book, closed = folded([fill(1, True, 4000, 1000), fill(2, True, 5000, 1000), fill(3, False, 6000, 1500)])

    assert [(lot.opened_by, lot.count, lot.cost, lot.proceeds) for lot in closed] == [
        ("t1", 1000, 4_000_000, 6_000_000),
        ("t2", 500, 2_500_000, 3_000_000),
    ]
    [rest] = book.open_lots
    assert (rest.opened_by, rest.count, rest.cost) == ("t2", 500, 2_500_000)


def test_buying_no_against_yes_closes_it_and_the_rest_opens_no():
    book, closed = folded([fill(1, True, 4000, 1000), fill(2, False, 6000, 1500)])

    [lot] = closed
    assert (lot.outcome, lot.count, lot.proceeds - lot.cost, lot.how) == (
        Outcome.YES,
        1000,
        2_000_000,
        ClosedHow.TRADE,
    )
    [rest] = book.open_lots
    assert (rest.outcome, rest.count, rest.cost) == (Outcome.NO, 500, 2_000_000)
    assert book.open_count == -500


def test_buying_yes_against_no_closes_it_at_one_dollar_minus_its_price():
    _, [lot] = folded([fill(1, False, 3000, 1000), fill(2, True, 2000, 1000)])

    assert (lot.outcome, lot.cost, lot.proceeds) == (Outcome.NO, 7_000_000, 8_000_000)


def test_a_fee_is_split_over_what_a_fill_closes_and_opens():
    book, closed = folded([fill(1, True, 5000, 300), fill(2, True, 5000, 300), fill(3, False, 5000, 700, 10)])

    assert [lot.close_fee for lot in closed] == [4, 4]
    assert [lot.open_fee for lot in book.open_lots] == [2]


@pytest.mark.parametrize(("value", "gain"), [(10_000, 6_000_000), (0, -4_000_000), (5500, 1_500_000)])
def test_a_settlement_closes_what_is_left_at_its_value(value: int, gain: int):
    book, _ = folded([fill(1, True, 4000, 1000)])

    [lot] = book.settle(end(value))

    assert (lot.gain, lot.how, lot.closed_by) == (gain, ClosedHow.SETTLEMENT, "end")
    assert book.open_lots == []


def test_no_gains_what_yes_loses():
    book, _ = folded([fill(1, False, 4000, 1000)])

    [lot] = book.settle(end(0))

    assert lot.gain == 4_000_000


def test_the_cent_that_a_payout_was_floored_by_is_its_fee():
    # docs/money.md: 10.60 contracts at $0.5970 are $6.3282, paid $6.32. The exchange tells the value as 59 cents.
    book, _ = folded([fill(1, True, 4000, 530, 100), fill(2, True, 4000, 530, 100)])
    settlement = end(5900, count=1060, revenue=6_320_000, all_fees=8_400)

    assert book.settlement_doubt(settlement) == ""
    closed = book.settle(settlement)

    assert [(lot.proceeds, lot.close_fee) for lot in closed] == [(3_164_100, 4_100), (3_164_100, 4_100)]
    assert sum(lot.proceeds - lot.close_fee for lot in closed) == 6_320_000


def test_another_number_of_contracts_than_ours_is_a_doubt_and_closes_at_the_value():
    book, _ = folded([fill(1, True, 4000, 1000)])
    settlement = end(10_000, count=2000, revenue=20_000_000)

    assert book.settlement_doubt(settlement) == "count"
    assert [lot.proceeds for lot in book.settle(settlement)] == [10_000_000]


def test_a_payout_that_the_value_does_not_explain_is_a_doubt():
    book, _ = folded([fill(1, True, 4000, 1000)])

    assert book.settlement_doubt(end(10_000, count=1000, revenue=9_000_000)) == "paid"
    assert book.settlement_doubt(end(5900, count=1000, revenue=5_970_000)) == ""
    assert book.settlement_doubt(end(10_000)) == ""


def test_a_void_market_gives_back_the_cost_of_each_lot():
    book, _ = folded([fill(1, True, 4000, 1000, 70), fill(2, True, 6000, 500)])

    closed = book.settle(end(None, count=1500, revenue=7_000_000))

    assert [(lot.how, lot.proceeds - lot.cost) for lot in closed] == [(ClosedHow.VOID, 0), (ClosedHow.VOID, 0)]
    assert sum(lot.gain for lot in closed) == -70


def test_a_void_market_that_cost_nothing_gives_nothing():
    book, _ = folded([fill(1, True, 0, 1000)])

    assert [lot.gain for lot in book.settle(end(None, count=1000, revenue=0))] == [0]


@pytest.mark.parametrize(("price", "count"), [(-1, 100), (10_001, 100), (5000, 0), (5000, -1)])
def test_a_fill_that_cannot_be_is_refused(price: int, count: int):
    with pytest.raises(ValueError, match=r"price|count"):
        LotBook().fill(fill(1, True, price, count))


@settings(deadline=None)
@given(LISTS)
def test_contracts_cash_and_fees_are_conserved(amounts: list[tuple[bool, int, int, int]]):
    fills = fills_of(amounts)
    book, closed = folded(fills)

    reference = position_from_fills(
        PositionFill(
            "bid" if one.is_bid else "ask",
            price_from_units(one.price),
            count_from_units(one.count),
            money_from_units(one.fee),
        )
        for one in fills
    )
    still_open = book.open_lots

    assert count_from_units(book.open_count) == reference.contracts
    bought = sum(one.count for one in fills)
    # Each closing used one contract that was bought and one that was held.
    assert 2 * sum(lot.count for lot in closed) + sum(lot.count for lot in still_open) == bought
    cash_out = sum(lot.cost for lot in still_open) - sum(lot.proceeds - lot.cost for lot in closed)
    assert cash_out == money_units(reference.cost) - money_units(reference.realized_pnl)
    fees = sum(lot.open_fee + lot.close_fee for lot in closed) + sum(lot.open_fee for lot in still_open)
    assert fees == sum(one.fee for one in fills)


@settings(deadline=None)
@given(LISTS, st.integers(0, 10_000))
def test_after_a_settlement_the_gains_are_the_whole_result(amounts: list[tuple[bool, int, int, int]], value: int):
    fills = fills_of(amounts)
    book, closed = folded(fills)
    closed += book.settle(end(value))

    reference = position_from_fills(
        PositionFill(
            "bid" if one.is_bid else "ask",
            price_from_units(one.price),
            count_from_units(one.count),
            money_from_units(one.fee),
        )
        for one in fills
    )

    assert book.open_lots == []
    assert money_from_units(sum(lot.gain for lot in closed)) == reference.total_pnl(price_from_units(value))


@settings(deadline=None)
@given(LISTS, st.one_of(st.none(), st.integers(0, 10_000)), st.integers(0, 10**9), st.integers(0, 9_999))
def test_what_a_settlement_paid_and_its_fee_are_split_without_a_rest(
    amounts: list[tuple[bool, int, int, int]], value: int | None, revenue: int, fee: int
) -> None:
    fills = fills_of(amounts)
    book, _ = folded(fills)
    if not book.open_count:
        return
    told = {"count": book.open_count, "revenue": revenue, "all_fees": sum(one.fee for one in fills) + fee}

    closed = book.settle(end(value, **told))

    assert sum(lot.close_fee for lot in closed) == fee
    assert sum(lot.proceeds - lot.close_fee for lot in closed) == revenue


@settings(deadline=None)
@given(LISTS)
def test_lots_close_in_the_order_in_which_they_were_opened(amounts: list[tuple[bool, int, int, int]]):
    _, closed = folded(fills_of(amounts))

    opened = [lot.opened_at for lot in closed]

    assert opened == sorted(opened)
    assert all(lot.opened_at < lot.closed_at and lot.count > 0 for lot in closed)


def test_amounts_are_in_the_units_of_money():
    _, [lot] = folded([fill(1, True, 4000, 100), fill(2, False, 5000, 100)])

    assert money_from_units(lot.cost) == Decimal("0.40")
    assert money_from_units(lot.gain) == Decimal("0.10")
