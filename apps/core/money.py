"""Prices, counts and money: exact, from the wire to the screen. See docs/money.md.

Three kinds of number, each with one smallest unit and one integer form:

* price: dollars per contract, 0.0001 (docs:subpenny_pricing), "price units", 0..10,000
* count: contracts, 0.01 (docs:fixed_point_contracts), "count units"
* money: dollars, 0.000001 (a price times a count has six places), "money units"

A price times a count in units is money in units: no scaling, no rounding.
Pure Python without Django: the paper exchange imports this module too.
"""

import re
from decimal import Decimal
from functools import lru_cache
from typing import Final

# Re-exported: the paper exchange may import this module and `timestamps`, nothing else of core.
from apps.core.errors import WireFormatError as WireFormatError

PRICE_PLACES: Final = 4
COUNT_PLACES: Final = 2
MONEY_PLACES: Final = 6

PRICE_STEP: Final = Decimal("0.0001")
COUNT_STEP: Final = Decimal("0.01")
MONEY_STEP: Final = Decimal("0.000001")

PRICE_UNITS_PER_DOLLAR: Final = 10**PRICE_PLACES
COUNT_UNITS_PER_CONTRACT: Final = 10**COUNT_PLACES
MONEY_UNITS_PER_DOLLAR: Final = 10**MONEY_PLACES
MONEY_UNITS_PER_CENT: Final = MONEY_UNITS_PER_DOLLAR // 100
MONEY_UNITS_PER_CENTICENT: Final = MONEY_UNITS_PER_DOLLAR // 10_000

# Twelve digits before the point keep every value inside 64 bits in its smallest unit.
_PLAIN_DECIMAL = re.compile(r"(-?)([0-9]{1,12})(?:\.([0-9]{1,18}))?")


def _parse_units(raw: str, places: int) -> int:
    # A JSON number has already been through a binary float; only strings are exact.
    if not isinstance(raw, str):
        raise WireFormatError(f"expected a decimal string, was {type(raw).__name__}")
    match = _PLAIN_DECIMAL.fullmatch(raw)
    if match is None:
        raise WireFormatError(f"expected a plain decimal string, was {raw[:60]!r}")
    sign, whole, fraction = match.groups(default="")
    # The exchange writes one value with several widths ("0.96", "0.960", "0.960000").
    if len(fraction) > places:
        if fraction[places:].strip("0"):
            raise WireFormatError(f"{raw[:60]!r} is finer than {places} decimal places")
        fraction = fraction[:places]
    units = int(whole + fraction.ljust(places, "0"))
    return -units if sign else units


def _price_units_from_wire(raw: str) -> int:
    units = _parse_units(raw, PRICE_PLACES)
    if not 0 <= units <= PRICE_UNITS_PER_DOLLAR:
        raise WireFormatError(f"price outside [0, 1]: {raw!r}")
    return units


@lru_cache(maxsize=32_768)
def price_units_from_wire(raw: str) -> int:
    """Return a price as units of 1/10,000 dollar, 0..10,000. The fast path of the feed: `raw` is a str.

    Raises:
        WireFormatError: not a plain decimal string, finer than 0.0001, or outside [0, 1].
    """
    return _price_units_from_wire(raw)


def count_units_from_wire(raw: str, *, signed: bool = False) -> int:
    """Return a count as units of 1/100 contract; `signed` for deltas and positions.

    Raises:
        WireFormatError: not a plain decimal string, finer than 0.01, or negative.
    """
    units = _parse_units(raw, COUNT_PLACES)
    if units < 0 and not signed:
        raise WireFormatError(f"count below zero: {raw!r}")
    return units


def money_units_from_wire(raw: str) -> int:
    """Return signed dollars as units of 1/1,000,000 dollar. Raises WireFormatError."""
    return _parse_units(raw, MONEY_PLACES)


def parse_price(raw: str) -> Decimal:
    """Return a price in dollars, between 0 and 1 inclusive, with four places.

    Raises:
        WireFormatError: not a plain decimal string, finer than 0.0001, or outside [0, 1].
    """
    return price_from_units(_price_units_from_wire(raw))


def parse_count(raw: str, *, signed: bool = False) -> Decimal:
    """Return a count in contracts, with two places. Raises WireFormatError."""
    return count_from_units(count_units_from_wire(raw, signed=signed))


def parse_dollars(raw: str) -> Decimal:
    """Return signed dollars with six places. Raises WireFormatError."""
    return money_from_units(money_units_from_wire(raw))


def to_units(value: Decimal, places: int) -> int:
    """Return `value` in units of 10**-places, exact.

    Raises:
        TypeError: not a Decimal (a float is not exact).
        ValueError: finer than the unit, not finite, or of more than 19 digits before the point.
    """
    if not isinstance(value, Decimal):
        raise TypeError(f"expected a Decimal, was {type(value).__name__}")
    if not value.is_finite():
        raise ValueError(f"not a finite number: {value}")
    # Integer arithmetic: the decimal context would round a long number silently.
    if value.adjusted() > 18:
        raise ValueError(f"number too large: {value:.6e}")
    numerator, denominator = value.as_integer_ratio()
    scale: int = 10**places
    units, rest = divmod(numerator * scale, denominator)
    if rest:
        raise ValueError(f"{value} is finer than {places} decimal places")
    return units


def price_units(price: Decimal) -> int:
    """Return `price` (dollars) in units of 1/10,000 dollar. Raises ValueError if finer."""
    return to_units(price, PRICE_PLACES)


def count_units(count: Decimal) -> int:
    """Return `count` (contracts) in units of 1/100 contract. Raises ValueError if finer."""
    return to_units(count, COUNT_PLACES)


def money_units(dollars: Decimal) -> int:
    """Return `dollars` in units of 1/1,000,000 dollar. Raises ValueError if finer."""
    return to_units(dollars, MONEY_PLACES)


def from_units(units: int, places: int) -> Decimal:
    """Return `units` of 10**-places as a Decimal with exactly `places` places."""
    # From digits, not by scaleb: that would round to the context's 28 digits.
    return Decimal((int(units < 0), tuple(map(int, str(abs(units)))), -places))


def price_from_units(units: int) -> Decimal:
    return from_units(units, PRICE_PLACES)


def count_from_units(units: int) -> Decimal:
    return from_units(units, COUNT_PLACES)


def money_from_units(units: int) -> Decimal:
    return from_units(units, MONEY_PLACES)


def _format_units(units: int, places: int) -> str:
    scale = 10**places
    whole, fraction = divmod(abs(units), scale)
    return f"{'-' if units < 0 else ''}{whole}.{fraction:0{places}d}"


def format_price_units(units: int) -> str:
    """5600 -> "0.5600"."""
    return _format_units(units, PRICE_PLACES)


def format_count_units(units: int) -> str:
    """1000 -> "10.00"."""
    return _format_units(units, COUNT_PLACES)


def format_money_units(units: int) -> str:
    """560000 -> "0.5600": four places, more (up to six) only when they are not zero."""
    text = _format_units(units, MONEY_PLACES)
    return text[:-2] if text.endswith("00") else text.removesuffix("0")


def format_price(price: Decimal) -> str:
    """Write a price for the wire: "0.5600". Raises ValueError if finer than 0.0001."""
    return format_price_units(price_units(price))


def format_count(count: Decimal) -> str:
    """Write a count for the wire: "10.00". Raises ValueError if finer than 0.01."""
    return format_count_units(count_units(count))


def format_dollars(dollars: Decimal) -> str:
    """Write dollars for the wire: "0.5600", "-12.345678". Raises ValueError if finer than 0.000001."""
    return format_money_units(money_units(dollars))


def cents_text(price: Decimal) -> str:
    """Write a price for people: "56¢", "56.1¢", "5.55¢"."""
    whole, fraction = divmod(abs(price_units(price)), 100)
    tail = f".{fraction:02d}".rstrip("0").rstrip(".")
    return f"{'-' if price < 0 else ''}{whole}{tail}¢"


def dollars_text(dollars: Decimal) -> str:
    """Write dollars for people: "$1,234.50", "-$0.07", and sub-cent digits where there are some."""
    units = money_units(dollars)
    whole, fraction = divmod(abs(units), MONEY_UNITS_PER_DOLLAR)
    digits = f"{fraction:06d}"
    tail = digits[:2] + digits[2:].rstrip("0")
    return f"{'-' if units < 0 else ''}${whole:,}.{tail}"


def count_text(count: Decimal) -> str:
    """Write a count for people: "1,250", "0.5", "-3"."""
    units = count_units(count)
    whole, fraction = divmod(abs(units), COUNT_UNITS_PER_CONTRACT)
    tail = f".{fraction:02d}".rstrip("0").rstrip(".")
    return f"{'-' if units < 0 else ''}{whole:,}{tail}"
