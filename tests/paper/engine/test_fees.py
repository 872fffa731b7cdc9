"""Fee model and rounding, against the docs' worked examples and the fee notes' check values."""

import json
from decimal import ROUND_CEILING, Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.paper.engine.fees import FeeSchedule, fill_fees

DOLLAR = Decimal(1_000_000)


def _micros(dollars: str) -> int:
    return int(Decimal(dollars) * DOLLAR)


# docs:getting_started/fee_rounding: revenue and trade fee are inputs, then per fill
# (rounding fee, accumulator before its rebate, rebate, net fee, balance change).
WORKED = [
    pytest.param(
        "-0.0550", "0.0085",
        [("0.0065", "0.0065", "0", "0.0150", "-0.07"), ("0.0065", "0.0130", "0.01", "0.0050", "-0.07"),
         ("0.0065", "0.0095", "0", "0.0150", "-0.07")],
        id="subpenny prices",
    ),
    pytest.param(
        "-0.1500", "0.0041",
        [("0.0059", "0.0059", "0", "0.0100", "-0.16"), ("0.0059", "0.0118", "0.01", "0.0000", "-0.16"),
         ("0.0059", "0.0077", "0", "0.0100", "-0.16")],
        id="fractional contracts",
    ),
    pytest.param(
        "-0.009903", "0.0005",
        [("0.009597", "0.009597", "0", "0.010097", "-0.02"), ("0.009597", "0.019194", "0.01", "0.000097", "-0.02"),
         ("0.009597", "0.018791", "0.01", "0.000097", "-0.02")],
        id="both",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("revenue", "trade_fee", "fills"), WORKED)
def test_worked_examples_of_the_docs(revenue: str, trade_fee: str, fills: list[tuple[str, ...]]) -> None:
    accumulator = 0
    for rounding, accumulated, rebate, net, balance in fills:
        fees = fill_fees(revenue=_micros(revenue), trade_fee=_micros(trade_fee), accumulator=accumulator)
        accumulator = fees.accumulator

        assert fees.rounding_fee == _micros(rounding)
        assert fees.accumulator + fees.rebate == _micros(accumulated)
        assert fees.rebate == _micros(rebate)
        assert fees.net_fee == _micros(net)
        # The docs' column is the floored change; the rebate comes on top of it.
        assert fees.balance_change - fees.rebate == _micros(balance)


def test_an_accumulator_of_exactly_one_cent_gives_nothing_back() -> None:
    fees = fill_fees(revenue=_micros("-0.0950"), trade_fee=_micros("0.0200"), accumulator=_micros("0.0050"))

    assert fees.accumulator == _micros("0.01")
    assert fees.rebate == 0
    one_more = fill_fees(revenue=_micros("-0.0950"), trade_fee=_micros("0.0200"), accumulator=_micros("0.005001"))
    assert one_more.rebate == _micros("0.01")


def test_a_rebate_never_makes_the_net_fee_negative() -> None:
    fees = fill_fees(revenue=_micros("-0.0999"), trade_fee=0, accumulator=_micros("0.0100"))

    assert fees.rebate == 0
    assert fees.net_fee == _micros("0.0001")
    assert fees.accumulator == _micros("0.0101")


def test_check_values_of_the_fee_notes(reference: Path) -> None:
    values = json.loads((reference / "kalshi-fee-model.json").read_text())["known_values"]
    assert len(values) >= 7
    for value in values:
        maker = value["rate"] == "0.0175"
        fee = FeeSchedule("quadratic_with_maker_fees").trade_fee(
            price=int(Decimal(value["P"]) * 10_000), count=int(Decimal(value["C"]) * 100), is_taker=not maker
        )
        model = Decimal(value.get("model_fee") or value["trade_fee_up_to_0.0001"])
        assert Decimal(fee) / DOLLAR == model.quantize(Decimal("0.0001"), rounding=ROUND_CEILING), value


@pytest.mark.parametrize(
    ("fee_type", "multiplier", "is_taker", "fee"),
    [
        ("quadratic", "1", True, "0.0175"),
        ("quadratic", "1", False, "0"),
        ("quadratic", "0.5", True, "0.0088"),  # 0.00875 up to a centicent
        ("quadratic", "0", True, "0"),
        ("quadratic_with_maker_fees", "1", False, "0.0044"),  # 0.004375
        ("quadratic_with_maker_fees", "0.5", False, "0.0022"),  # 0.0021875
    ],
)
def test_fee_types_and_multipliers(fee_type: str, multiplier: str, is_taker: bool, fee: str) -> None:
    schedule = FeeSchedule(fee_type, Decimal(multiplier))

    assert schedule.trade_fee(price=5_000, count=100, is_taker=is_taker) == _micros(fee)


@pytest.mark.parametrize(("fee_type", "multiplier"), [("flat", "1"), ("quadratic", "-1")])
def test_a_schedule_that_cannot_be_computed_is_refused(fee_type: str, multiplier: str) -> None:
    with pytest.raises(ValueError, match=r"fee"):
        FeeSchedule(fee_type, Decimal(multiplier))


@given(
    price=st.integers(1, 9_999),
    count=st.integers(1, 10**8),
    multiplier=st.decimals("0", "3", places=3),
    is_taker=st.booleans(),
)
def test_the_trade_fee_is_the_model_rounded_up(price: int, count: int, multiplier: Decimal, is_taker: bool) -> None:
    rate = Decimal("0.07") if is_taker else Decimal("0.0175")
    p = Decimal(price) / 10_000
    model = rate * multiplier * count / 100 * p * (1 - p)

    fee = FeeSchedule("quadratic_with_maker_fees", multiplier).trade_fee(price=price, count=count, is_taker=is_taker)

    assert fee % 100 == 0
    assert 0 <= fee / DOLLAR - model < Decimal("0.0001")


@given(
    fills=st.lists(st.tuples(st.integers(-(10**7), 10**7), st.integers(0, 3_000).map(lambda c: c * 100)), min_size=1)
)
def test_rounding_keeps_cents_whole_and_loses_nothing(fills: list[tuple[int, int]]) -> None:
    accumulator = paid = rounded = rebated = 0
    for revenue, trade_fee in fills:
        fees = fill_fees(revenue=revenue, trade_fee=trade_fee, accumulator=accumulator)
        accumulator = fees.accumulator
        paid += fees.net_fee - trade_fee
        rounded += fees.rounding_fee
        rebated += fees.rebate

        assert fees.balance_change % 10_000 == 0
        assert fees.balance_change == revenue - fees.net_fee
        assert 0 <= fees.rounding_fee < 10_000
        assert fees.rebate % 10_000 == 0
        assert fees.net_fee >= 0
    assert accumulator == rounded - rebated == paid
