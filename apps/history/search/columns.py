"""What a column of a record holds, and how it is written for machines.

Rows are read as plain tuples with prices, counts and money as integers of their units (docs/money.md): a million of
them goes through without a Decimal each. Column ids are stable: files and the data API are read by programs.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from functools import lru_cache
from typing import Any

from django.db.models import BigIntegerField, ExpressionWrapper, F

from apps.core.money import (
    COUNT_PLACES,
    MONEY_PLACES,
    MONEY_UNITS_PER_DOLLAR,
    PRICE_PLACES,
    format_count_units,
    format_price_units,
)
from apps.core.timestamps import format_rfc3339


class Kind(StrEnum):
    TEXT = "text"
    ID = "id"  # text that nobody reads aloud
    TICKER = "ticker"
    TIME = "time"
    PRICE = "price"  # price units
    COUNT = "count"  # count units
    MONEY = "money"  # money units
    INTEGER = "integer"
    FLAG = "flag"
    ACCOUNT = "account"  # row id of an ExchangeAccount
    PERSON = "person"  # row id of a User


PLACES: Mapping[Kind, int] = {Kind.PRICE: PRICE_PLACES, Kind.COUNT: COUNT_PLACES, Kind.MONEY: MONEY_PLACES}
NUMBERS = frozenset(PLACES)


@dataclass(frozen=True, slots=True)
class Column:
    """id: stable, with its unit. read: a field's path, or an expression whose value has the kind's raw form.

    is_shown: on the page, too; files and the data API have every column.
    """

    id: str
    label: str
    kind: Kind
    read: Any
    help: str = ""
    is_shown: bool = True


@dataclass(frozen=True, slots=True)
class Names:
    """What row ids are called: accounts and people of the actor's desk."""

    accounts: Mapping[int, str]
    people: Mapping[int, str]


def units(path: str) -> "ExpressionWrapper[Any]":
    """A fixed-point field as the integer that SQL holds."""
    return ExpressionWrapper(F(path), output_field=BigIntegerField())


def dollars_of(amount: int) -> str:
    """Six places always, so that a column of a file has one width."""
    whole, fraction = divmod(abs(amount), MONEY_UNITS_PER_DOLLAR)
    return f"{'-' if amount < 0 else ''}{whole}.{fraction:06d}"


# A million rows hold few different prices and sizes.
_price_text = lru_cache(maxsize=16_384)(format_price_units)
_count_text = lru_cache(maxsize=16_384)(format_count_units)


def moment_text(at: datetime) -> str:
    """As `format_rfc3339`, at once for what the database gives: times in UTC."""
    text = at.isoformat()
    return f"{text[:-6]}Z" if text.endswith("+00:00") else format_rfc3339(at)


Writer = Callable[[Any], Any]


def writers(columns: tuple[Column, ...], names: Names) -> list[Writer]:
    """Return, per column, what turns a raw value that is not None into text, a whole number or a flag."""
    by_kind: dict[Kind, Writer] = {
        Kind.TIME: moment_text,
        Kind.PRICE: _price_text,
        Kind.COUNT: _count_text,
        Kind.MONEY: dollars_of,
        Kind.ACCOUNT: lambda pk: names.accounts.get(pk, ""),
        Kind.PERSON: lambda pk: names.people.get(pk, ""),
        Kind.FLAG: bool,
        Kind.INTEGER: int,
        Kind.ID: str,  # some are stored as UUIDs
    }
    return [by_kind.get(column.kind, _same) for column in columns]


def plain_row(values: tuple[Any, ...], columns: tuple[Column, ...], write: list[Writer]) -> dict[str, Any]:
    """Return a row for JSON: decimals and times as text, None where nothing is known."""
    return {
        column.id: None if value is None else one(value)
        for column, value, one in zip(columns, values, write, strict=True)
    }


def _same(value: Any) -> Any:
    return value
