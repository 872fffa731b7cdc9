from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.core import money
from apps.core.errors import WireFormatError

INEXACT = [
    "",
    " 0.5",
    "0.5 ",
    "+0.5",
    ".5",
    "5.",
    "1e-2",
    "NaN",
    "Infinity",
    "-Infinity",
    "0,5",
    "1_0",
    "٠.٥",
    "0x1",
    "--1",
]


@pytest.mark.parametrize("raw", [*INEXACT, 0.5, 1, None, ["0.5"], Decimal("0.5"), True])
@pytest.mark.parametrize("parse", [money.parse_price, money.parse_count, money.parse_dollars])
def test_only_a_plain_decimal_string_is_parsed(parse, raw):
    with pytest.raises(WireFormatError):
        parse(raw)


@pytest.mark.parametrize("raw", ["0.96", "0.960", "0.9600", "0.960000", "00.96"])
def test_a_price_may_have_any_width(raw):
    price = money.parse_price(raw)

    assert price == Decimal("0.96")
    assert str(price) == "0.9600"


@pytest.mark.parametrize("raw", ["0.00001", "0.96001", "-0.0001", "1.0001", "2", "-1"])
def test_a_price_off_the_unit_or_outside_a_dollar_is_refused(raw):
    with pytest.raises(WireFormatError):
        money.parse_price(raw)


def test_the_ends_of_the_price_range_are_prices():
    assert (money.parse_price("0"), money.parse_price("1.0000")) == (0, 1)


@pytest.mark.parametrize("raw", ["0.001", "-1", "1234567890123"])
def test_a_count_too_fine_negative_or_too_long_is_refused(raw):
    with pytest.raises(WireFormatError):
        money.parse_count(raw)


def test_a_delta_and_a_position_may_be_negative():
    assert money.parse_count("-25.25", signed=True) == Decimal("-25.25")


def test_minus_nothing_is_nothing():
    assert str(money.parse_dollars("-0.000000")) == "0.000000"


def test_dollars_are_signed_with_six_places():
    assert money.parse_dollars("-12.345678") == Decimal("-12.345678")
    with pytest.raises(WireFormatError):
        money.parse_dollars("0.0000001")


@given(st.integers(0, 10_000))
def test_prices_survive_the_wire(units):
    assert money.price_units_from_wire(money.format_price_units(units)) == units
    assert money.price_units(money.price_from_units(units)) == units
    assert money.parse_price(money.format_price(money.price_from_units(units))) == money.price_from_units(units)


@given(st.integers(-(10**14) + 1, 10**14 - 1))
def test_counts_survive_the_wire(units):
    assert money.count_units_from_wire(money.format_count_units(units), signed=True) == units
    assert money.count_units(money.count_from_units(units)) == units


@given(st.integers(-(10**18) + 1, 10**18 - 1))
def test_money_survives_the_wire(units):
    text = money.format_money_units(units)

    assert money.money_units_from_wire(text) == units
    assert money.format_dollars(money.money_from_units(units)) == text
    assert 4 <= len(text.partition(".")[2]) <= 6


def test_price_times_count_in_units_is_money_in_units():
    assert money.price_units(Decimal("0.3301")) * money.count_units(Decimal("0.03")) == money.money_units(
        Decimal("0.009903")
    )


def test_wire_text_is_the_documented_one():
    assert money.format_price(Decimal("0.56")) == "0.5600"
    assert money.format_count(Decimal(10)) == "10.00"
    assert money.format_dollars(Decimal("0.56")) == "0.5600"
    assert money.format_dollars(Decimal("-0.12345")) == "-0.12345"
    assert money.format_dollars(Decimal("1234.5")) == "1234.5000"


@pytest.mark.parametrize("value", [0.5, 1, "0.5"])
def test_only_decimals_have_units(value):
    with pytest.raises(TypeError):
        money.price_units(value)


@pytest.mark.parametrize("value", ["NaN", "Infinity", "1E+19", "1E+999999", "0.00001"])
def test_what_has_no_exact_units_is_refused(value):
    with pytest.raises(ValueError, match=r"finer|finite|large"):
        money.price_units(Decimal(value))


@pytest.mark.parametrize(
    ("price", "text"),
    [("0.5600", "56¢"), ("0.561", "56.1¢"), ("0.0555", "5.55¢"), ("1", "100¢"), ("-0.0050", "-0.5¢"), ("0.1", "10¢")],
)
def test_cents_for_people(price, text):
    assert money.cents_text(Decimal(price)) == text


@pytest.mark.parametrize(
    ("dollars", "text"),
    [
        ("1234.5", "$1,234.50"),
        ("-0.07", "-$0.07"),
        ("0.009903", "$0.009903"),
        ("0.005", "$0.005"),
        ("0", "$0.00"),
        ("10", "$10.00"),
    ],
)
def test_dollars_for_people(dollars, text):
    assert money.dollars_text(Decimal(dollars)) == text


@pytest.mark.parametrize(
    ("count", "text"), [("1250", "1,250"), ("0.5", "0.5"), ("-3", "-3"), ("10.00", "10"), ("0.03", "0.03")]
)
def test_counts_for_people(count, text):
    assert money.count_text(Decimal(count)) == text
