from datetime import UTC, datetime, timedelta
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.core.fees import (
    FeeAccumulator,
    FeeChange,
    FeeNotKnown,
    FeeSchedule,
    fee_preview,
    fees_in_force,
    model_fee,
    schedule_for_market,
    settle,
)

CENT = Decimal("0.01")
NOON = datetime(2026, 5, 14, 12, tzinfo=UTC)
PLAIN = FeeSchedule.of("quadratic", "1")
MAKER = FeeSchedule.of("quadratic_with_maker_fees", "1")

# docs:fee_rounding, edition 2026-03-20: revenue and trade fee of each of three equal fills, then per
# fill: rounding fee, accumulator before the rebate, rebate, net fee, balance change.
WORKED_EXAMPLES = {
    "subpenny price": (
        ("-0.0550", "0.0085"),
        [
            ("0.0065", "0.0065", "0", "0.0150", "-0.07"),
            ("0.0065", "0.0130", "0.0100", "0.0050", "-0.07"),
            ("0.0065", "0.0095", "0", "0.0150", "-0.07"),
        ],
    ),
    "fractional contracts": (
        ("-0.1500", "0.0041"),
        [
            ("0.0059", "0.0059", "0", "0.0100", "-0.16"),
            ("0.0059", "0.0118", "0.0100", "0.0000", "-0.16"),
            ("0.0059", "0.0077", "0", "0.0100", "-0.16"),
        ],
    ),
    "both": (
        ("-0.009903", "0.0005"),
        [
            ("0.009597", "0.009597", "0", "0.010097", "-0.02"),
            ("0.009597", "0.019194", "0.0100", "0.000097", "-0.02"),
            ("0.009597", "0.018791", "0.0100", "0.000097", "-0.02"),
        ],
    ),
}

units = st.integers(-2_000_000, 2_000_000).map(lambda n: Decimal(n).scaleb(-6))
fees = st.integers(0, 2_000).map(lambda n: Decimal(n).scaleb(-4))
prices = st.integers(1, 9_999).map(lambda n: Decimal(n).scaleb(-4))


@pytest.mark.parametrize("name", WORKED_EXAMPLES)
def test_the_worked_examples_come_out_to_the_last_digit(name):
    (revenue, trade_fee), rows = WORKED_EXAMPLES[name]
    order = FeeAccumulator()

    for rounding, accumulated, rebate, net, balance in rows:
        fill = order.apply(revenue=Decimal(revenue), trade_fee=Decimal(trade_fee))

        assert fill.trade_fee == Decimal(trade_fee)
        assert fill.rounding_fee == Decimal(rounding)
        assert order.accumulated + fill.rebate == Decimal(accumulated)
        assert fill.rebate == Decimal(rebate)
        assert fill.net_fee == Decimal(net)
        assert fill.balance_change == Decimal(balance)


def test_exactly_one_cent_accumulated_is_not_more_than_a_cent():
    order = FeeAccumulator()

    fills = [order.apply(revenue=Decimal("-0.0550"), trade_fee=Decimal("0.0100")) for _ in range(3)]

    assert [fill.rebate for fill in fills] == [0, 0, CENT]


def test_a_rebate_that_would_make_the_net_fee_negative_waits_for_a_fill_that_can_carry_it():
    order = FeeAccumulator()

    free = [order.apply(revenue=Decimal("-0.0550"), trade_fee=Decimal(0)) for _ in range(6)]
    charged = order.apply(revenue=Decimal("-0.50"), trade_fee=Decimal("0.0175"))

    assert [fill.rebate for fill in free] == [0] * 6
    assert charged.rebate == 2 * CENT
    assert charged.net_fee == 0
    assert order.accumulated == Decimal("0.0125")


def test_a_finer_trade_fee_is_rounded_up_first():
    assert FeeAccumulator().apply(
        revenue=Decimal(0), trade_fee=Decimal("0.00363825").quantize(Decimal("0.000001"))
    ).trade_fee == Decimal("0.0037")


def test_an_order_taken_up_in_the_middle_goes_on_where_it_was():
    order = FeeAccumulator(Decimal("0.0065"))

    assert order.apply(revenue=Decimal("-0.0550"), trade_fee=Decimal("0.0085")).rebate == CENT


def test_a_negative_trade_fee_is_refused():
    with pytest.raises(ValueError, match="never negative"):
        FeeAccumulator().apply(revenue=Decimal(0), trade_fee=Decimal("-0.01"))


@given(st.lists(st.tuples(units, fees), min_size=1, max_size=40))
def test_every_fill_keeps_balances_in_cents_and_fees_at_or_above_zero(fills):
    order = FeeAccumulator()

    for revenue, trade_fee in fills:
        fill = order.apply(revenue=revenue, trade_fee=trade_fee)

        assert fill.net_fee >= 0
        assert fill.net_fee == fill.trade_fee + fill.rounding_fee - fill.rebate
        assert 0 <= fill.rounding_fee < CENT
        assert fill.rebate % CENT == 0
        assert fill.balance_change % CENT == 0
        assert fill.cash_change == revenue - fill.net_fee == fill.balance_change + fill.rebate
        assert order.accumulated >= 0


@given(
    st.integers(1, 99).map(lambda n: Decimal(n).scaleb(-2)),
    st.lists(st.integers(1, 30), min_size=1, max_size=60),
    st.booleans(),
)
def test_whole_contracts_at_whole_cents_cost_within_a_cent_of_one_fill(price, lots, is_taker):
    def net(counts: list[int]) -> Decimal:
        order = FeeAccumulator()
        return sum(
            order.apply(
                revenue=-price * n, trade_fee=MAKER.trade_fee(count=Decimal(n), price=price, is_taker=is_taker)
            ).net_fee
            for n in counts
        )

    # Besides the rounding to cents, each match has its own fee rounded up by at most $0.0001.
    assert abs(net(lots) - net([sum(lots)])) <= CENT + len(lots) * Decimal("0.0001")


@given(st.lists(st.tuples(units, fees.map(lambda fee: fee + CENT)), min_size=1, max_size=40))
def test_no_more_than_a_cent_stays_overpaid_while_fills_can_carry_rebates(fills):
    order = FeeAccumulator()
    total = net = Decimal(0)
    for revenue, trade_fee in fills:
        fill = order.apply(revenue=revenue, trade_fee=trade_fee)
        total += fill.trade_fee
        net += fill.net_fee

    assert total <= net <= total + CENT


@pytest.mark.parametrize(
    ("schedule", "count", "price", "is_taker", "model", "charged"),
    [
        (PLAIN, "1", "0.055", True, "0.00363825", "0.0037"),
        (PLAIN, "100", "0.50", True, "1.75", "1.75"),
        (PLAIN, "1", "0.50", True, "0.0175", "0.0175"),
        (PLAIN, "100", "0.10", True, "0.63", "0.63"),
        (PLAIN, "0.03", "0.3301", True, "0.000464381379", "0.0005"),
        (PLAIN, "100", "0.50", False, "0", "0"),
        (MAKER, "100", "0.50", False, "0.4375", "0.4375"),
        (MAKER, "2", "0.67", False, "0.0077385", "0.0078"),
        (MAKER, "2", "0.12", False, "0.003696", "0.0037"),
        (FeeSchedule.of("quadratic", "0.5"), "100", "0.50", True, "0.875", "0.875"),
        (FeeSchedule.of("quadratic_with_combo_maker_fees", "1"), "100", "0.50", False, "0.875", "0.875"),
        (FeeSchedule.free(), "100", "0.50", True, "0", "0"),
    ],
)
def test_the_model_gives_the_published_figures(schedule, count, price, is_taker, model, charged):
    fill = {"count": Decimal(count), "price": Decimal(price), "is_taker": is_taker}

    assert model_fee(schedule, **fill) == Fraction(model)
    assert schedule.trade_fee(**fill) == Decimal(charged)


@given(prices, st.integers(1, 10**7).map(lambda n: Decimal(n).scaleb(-2)), st.booleans())
def test_the_trade_fee_is_the_model_fee_rounded_up_and_the_same_for_both_legs(price, count, is_taker):
    charged = MAKER.trade_fee(count=count, price=price, is_taker=is_taker)
    exact = model_fee(MAKER, count=count, price=price, is_taker=is_taker)

    assert 0 <= Fraction(charged) - exact < Fraction(1, 10_000)
    assert charged % Decimal("0.0001") == 0
    assert charged == MAKER.trade_fee(count=count, price=1 - price, is_taker=is_taker)


@pytest.mark.parametrize(
    "fee", [("flat", "1"), ("", "1"), ("cubic", "1"), ("quadratic", "-1"), ("quadratic", "1e0"), ("quadratic", "")]
)
def test_a_fee_that_nobody_published_is_not_known_instead_of_zero(fee):
    with pytest.raises(FeeNotKnown):
        FeeSchedule.of(*fee)


def test_overrides_of_the_event_win_over_the_series_each_on_its_own():
    series = ("flat", "1")

    assert schedule_for_market(series, event_type="quadratic", now=NOON) == PLAIN
    assert schedule_for_market(("quadratic", "3"), event_multiplier="1", now=NOON) == PLAIN
    with pytest.raises(FeeNotKnown):
        schedule_for_market(series, event_multiplier="2", now=NOON)


def test_a_waiver_ends_at_its_time():
    series = ("quadratic", "1")

    assert schedule_for_market(series, waived_until=NOON + timedelta(seconds=1), now=NOON) == FeeSchedule.free()
    assert schedule_for_market(series, waived_until=NOON, now=NOON) == PLAIN


def filled_one_by_one(price: Decimal, leg: Decimal, lots: list[Decimal], *, is_taker: bool) -> Decimal:
    order = FeeAccumulator()
    return sum(
        order.apply(revenue=-leg * lot, trade_fee=MAKER.trade_fee(count=lot, price=price, is_taker=is_taker)).net_fee
        for lot in lots
    )


@given(prices, st.integers(1, 400), st.booleans(), st.sampled_from(["bid", "ask"]))
def test_the_preview_is_what_the_accumulator_gives_fill_by_fill(price, hundredths, is_taker, book_side):
    count = Decimal(hundredths).scaleb(-2)
    leg = price if book_side == "bid" else 1 - price
    whole, rest = divmod(count, 1)

    shown = fee_preview(MAKER, book_side=book_side, price=price, count=count, is_taker=is_taker)

    def expected(lots: list[Decimal]) -> Decimal:
        return filled_one_by_one(price, leg, lots, is_taker=is_taker)

    assert shown.single == expected([count])
    assert shown.by_contract == expected([Decimal(1)] * int(whole) + [rest] * bool(rest))
    assert shown.by_smallest == expected([CENT] * hundredths)
    assert shown.worst == max(shown.single, shown.by_contract, shown.by_smallest)


def test_a_preview_of_a_large_order_is_exact():
    shown = fee_preview(PLAIN, book_side="bid", price=Decimal("0.5"), count=Decimal(1_000_000), is_taker=True)

    assert shown.single == Decimal(17_500)
    assert shown.by_contract == Decimal("17500.01")


def test_an_order_of_nothing_costs_nothing():
    shown = fee_preview(PLAIN, book_side="bid", price=Decimal("0.5"), count=Decimal(0), is_taker=True)

    assert shown.worst == 0


def test_settlement_keeps_the_sub_cent_rest_as_a_fee():
    paid = settle(count=Decimal("10.60"), value=Decimal("0.5970"))

    assert (paid.payout, paid.fee) == (Decimal("6.32"), Decimal("0.0082"))


@given(
    st.integers(0, 10**9).map(lambda n: Decimal(n).scaleb(-2)),
    st.integers(0, 10_000).map(lambda n: Decimal(n).scaleb(-4)),
)
def test_settlement_loses_nothing(count, value):
    paid = settle(count=count, value=value)

    assert paid.payout % CENT == 0
    assert 0 <= paid.fee < CENT
    assert paid.payout + paid.fee == count * value


@pytest.mark.parametrize(("count", "value"), [("-1", "0.5"), ("1", "1.5"), ("1", "-0.1")])
def test_an_impossible_settlement_is_refused(count, value):
    with pytest.raises(ValueError, match="cannot settle"):
        settle(count=Decimal(count), value=Decimal(value))


OWN, HALF, DOUBLE = ("quadratic", "1"), ("quadratic", "0.5"), ("quadratic", "2")
HOUR = timedelta(hours=1)
MOMENT = timedelta(microseconds=1)


@pytest.mark.parametrize(
    ("now", "expected"),
    [
        (NOON - 3 * HOUR, OWN),
        (NOON - MOMENT, OWN),
        (NOON, HALF),
        (NOON + HOUR - MOMENT, HALF),
        (NOON + HOUR, DOUBLE),
        (NOON + 99 * HOUR, DOUBLE),
    ],
)
def test_a_dated_change_holds_from_its_very_moment_until_the_next(now, expected):
    changes = [FeeChange(NOON + HOUR, DOUBLE, OWN), FeeChange(NOON, HALF, OWN)]

    assert fees_in_force(OWN, read_at=NOON - HOUR, changes=changes, now=now) == expected
    # The series was read afterwards, with the new figures: the past stays what it was.
    assert fees_in_force(DOUBLE, read_at=NOON + 2 * HOUR, changes=changes, now=now) == expected


def test_what_the_series_says_long_after_a_change_is_newer_than_it():
    change = FeeChange(NOON, HALF, OWN)

    # An exchange that still tells the old fee a minute later is not believed, one that tells another an hour later is.
    soon, later = NOON + HOUR / 60, NOON + HOUR
    assert fees_in_force(OWN, read_at=soon, changes=[change], now=soon) == HALF
    assert fees_in_force(DOUBLE, read_at=later, changes=[change], now=later) == DOUBLE
    assert fees_in_force(DOUBLE, read_at=later, changes=[change], now=later - MOMENT) == HALF


def test_before_a_change_that_nobody_saw_coming_the_fee_is_not_known():
    change = FeeChange(NOON, HALF)

    with pytest.raises(FeeNotKnown, match="2026"):
        fees_in_force(HALF, read_at=NOON, changes=[change], now=NOON - MOMENT)
    assert fees_in_force(OWN, read_at=NOON - MOMENT, changes=[change], now=NOON - MOMENT) == OWN
    assert fees_in_force(OWN, read_at=NOON, changes=[], now=NOON) == OWN
