"""Profit and loss of one market, against the cash that really moved and against `core.positions`."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.core.fees import FeeSchedule
from apps.core.money import count_from_units, money_units, price_from_units
from apps.core.pnl import MarketPnl, SettlementFact, worth_of
from apps.core.pnl_days import day_end, day_start, trading_day
from apps.core.pnl_fees import ChargedFill, FeeParts, fee_parts
from apps.core.positions import NetPosition, PositionFill

CENT = 10_000
DOLLAR = 10_000

Fill = tuple[bool, int, int, int]  # is a bid, price, count, fee
FILLS = st.lists(
    st.tuples(st.booleans(), st.integers(0, 10_000), st.integers(1, 5_000), st.integers(0, 10**6)), max_size=30
)


def folded(fills: list[Fill]) -> MarketPnl:
    book = MarketPnl()
    for is_bid, price, count, fee in fills:
        book.fill(is_bid=is_bid, price=price, count=count, fee=fee)
    return book


def cash_in(fills: list[Fill]) -> int:
    """Money units that came in, before fees, with pairs of YES and NO paid out at a dollar at once."""
    held = cash = 0
    for is_bid, price, count, _ in fills:
        leg = price if is_bid else DOLLAR - price
        pairs = min(count, max(0, -held if is_bid else held))
        cash += pairs * DOLLAR - leg * count
        held += count if is_bid else -count
    return cash


def settlement(book: MarketPnl, result: str, value: int | None, *, fee_cost: int = 0) -> SettlementFact:
    """What the exchange would say of this position: paid in whole cents, rounded down."""
    of_yes = {"yes": DOLLAR, "no": 0}.get(result, value)
    worth = book.cost if result == "void" else worth_of(book.contracts, of_yes or 0)
    return SettlementFact(
        result=result,
        revenue=worth - worth % CENT,
        value=value,
        yes_count=max(0, book.contracts),
        yes_cost=book.cost if book.contracts > 0 else 0,
        no_count=max(0, -book.contracts),
        no_cost=book.cost if book.contracts < 0 else 0,
        fee_cost=fee_cost or book.fees + worth % CENT,
    )


@given(FILLS)
def test_cash_that_came_in_is_realised_pnl_less_what_is_still_invested(fills: list[Fill]) -> None:
    book = folded(fills)

    assert cash_in(fills) == book.realized - book.cost
    assert book.fees == sum(fee for *_, fee in fills)
    assert book.cost >= 0


@given(FILLS)
def test_it_agrees_with_the_position_of_the_ticket_but_for_the_rounding_of_partial_closes(fills: list[Fill]) -> None:
    book, position = folded(fills), NetPosition()
    for is_bid, price, count, _fee in fills:
        one = PositionFill("bid" if is_bid else "ask", price_from_units(price), count_from_units(count), Decimal(0))
        position = position.after(one)

    assert count_from_units(book.contracts) == position.contracts
    assert abs(book.cost - money_units(position.cost)) <= len(fills)
    assert book.cost - book.realized == money_units(position.cost) - money_units(position.realized_pnl)


@given(FILLS, st.sampled_from(["yes", "no", "scalar", "void"]), st.integers(0, 10_000))
def test_after_the_settlement_all_cash_is_realised_pnl_less_fees(fills: list[Fill], result: str, value: int) -> None:
    book = folded(fills)
    fact = settlement(book, result, value if result == "scalar" else None)
    fill_fees = book.fees

    told = book.settle(fact)

    assert cash_in(fills) - fill_fees + fact.revenue == book.realized - book.fees
    assert (book.contracts, book.cost) == (0, 0)
    assert told.is_as_held
    assert told.is_paid_as_computed
    assert 0 <= told.fee < CENT


@given(FILLS.filter(bool), st.integers(0, 10_000))
def test_a_scalar_value_that_is_told_in_cents_is_completed_by_the_settlement_fee(fills: list[Fill], value: int) -> None:
    exact, coarse = folded(fills), folded(fills)
    fact = settlement(exact, "scalar", value)

    known = exact.settle(fact)
    guessed = coarse.settle(SettlementFact(**{**_fields(fact), "value": None}))

    assert (known.realized, known.fee) == (guessed.realized, guessed.fee)


def _fields(fact: SettlementFact) -> dict[str, object]:
    return {name: getattr(fact, name) for name in SettlementFact.__slots__}


def test_a_void_market_realises_nothing_and_keeps_its_fees() -> None:
    book = folded([(True, 4_000, 1_000, 170_000)])

    told = book.settle(settlement(book, "void", None))

    assert (told.realized, book.realized, book.fees) == (0, 0, 170_000)


def test_a_settlement_of_other_contracts_than_ours_counts_as_the_exchange_says_and_shows_both() -> None:
    book = folded([(True, 4_000, 1_000, 0)])
    fact = SettlementFact(result="yes", revenue=15_000_000, yes_count=1_500, yes_cost=6_500_000)

    told = book.settle(fact)

    assert (told.held, told.told, told.is_as_held) == (1_000, 1_500, False)
    assert told.realized == 8_500_000


def test_a_payout_that_no_value_explains_is_taken_as_it_is_and_says_so() -> None:
    book = folded([(True, 4_000, 1_000, 0)])

    told = book.settle(SettlementFact(result="yes", revenue=9_990_000, yes_count=1_000, yes_cost=4_000_000))

    assert not told.is_paid_as_computed
    assert (told.realized, told.fee) == (5_990_000, 0)


@pytest.mark.parametrize(("price", "count"), [(10_001, 100), (-1, 100), (5_000, 0)])
def test_what_is_no_fill_is_refused(price: int, count: int) -> None:
    with pytest.raises(ValueError, match="not a fill"):
        MarketPnl().fill(is_bid=True, price=price, count=count, fee=0)


# --- days -------------------------------------------------------------------------------------------


def test_a_trading_day_ends_at_midnight_in_new_york() -> None:
    assert trading_day(datetime(2026, 7, 1, 3, 59, tzinfo=UTC)) == date(2026, 6, 30)
    assert trading_day(datetime(2026, 7, 1, 4, 0, tzinfo=UTC)) == date(2026, 7, 1)
    assert trading_day(datetime(2026, 1, 1, 4, 59, tzinfo=UTC)) == date(2025, 12, 31)


def test_days_of_the_clock_changes_are_whole_days() -> None:
    spring, autumn = date(2026, 3, 8), date(2026, 11, 1)

    assert day_end(spring) - day_start(spring) == timedelta(hours=23)
    assert day_end(autumn) - day_start(autumn) == timedelta(hours=25)


@given(st.datetimes(datetime(2020, 1, 1), datetime(2035, 1, 1), timezones=st.just(UTC)))
def test_every_moment_is_in_exactly_its_own_day(moment: datetime) -> None:
    day = trading_day(moment)

    assert day_start(day) <= moment < day_end(day)


# --- what a fee is made of --------------------------------------------------------------------------

NOW = datetime(2026, 3, 1, tzinfo=UTC)
SCHEDULE = FeeSchedule.of("quadratic", "1")


def charged(fee: str, *, count: str = "0.03", price: str = "0.3301") -> ChargedFill:
    return ChargedFill("bid", Decimal(price), Decimal(count), Decimal(fee), True, NOW)


def test_the_parts_of_the_published_example() -> None:
    """docs:fee_rounding, the three fills of docs/money.md: a rebate of a cent from the second on."""
    fills = [charged("0.010097"), charged("0.000097"), charged("0.000097")]

    assert list(fee_parts(fills, lambda _: SCHEDULE)) == [
        FeeParts(trade=500, rounding=9_597),
        FeeParts(trade=500, rounding=9_597, rebate=10_000),
        FeeParts(trade=500, rounding=9_597, rebate=10_000),
    ]


def test_a_fee_without_a_known_schedule_is_not_split() -> None:
    assert list(fee_parts([charged("0.02")], lambda _: None)) == [FeeParts(other=20_000)]


def test_a_fee_that_is_the_trade_fee_alone_has_no_rounding() -> None:
    assert list(fee_parts([charged("0.0005")], lambda _: SCHEDULE)) == [FeeParts(trade=500)]


@given(st.lists(st.integers(0, 10**6), max_size=12))
def test_the_parts_always_add_up_to_what_was_charged(fees: list[int]) -> None:
    fills = [charged(str(Decimal(fee).scaleb(-6))) for fee in fees]

    total = sum(fee_parts(fills, lambda _: SCHEDULE), FeeParts())

    assert total.net == sum(fees)
