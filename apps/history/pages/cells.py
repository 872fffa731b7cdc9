"""Rows of a search as a page shows them: cents, contracts and times in the person's zone."""

from collections.abc import Iterable, Mapping, Set
from dataclasses import dataclass, replace
from typing import Any

from django.urls import reverse

from apps.core.money import (
    cents_text,
    count_from_units,
    count_text,
    dollars_text,
    money_from_units,
    price_from_units,
)
from apps.core.timestamps import format_rfc3339
from apps.history.search.columns import NUMBERS, Column, Kind, Names
from apps.history.search.sources import Source
from apps.rfq.templatetags.rfq_format import moment

NOT_KNOWN = "-"
_SIDE_COLUMNS = {"side", "outcome", "taker_outcome", "accepted_outcome", "result"}


@dataclass(frozen=True, slots=True)
class Cell:
    """tone: what a badge is coloured by, "" for none. href: where a click leads."""

    text: str
    css: str = ""
    title: str = ""
    href: str = ""
    tone: str = ""
    is_hidden: bool = False


@dataclass(frozen=True, slots=True)
class Head:
    """id: names the column among all kinds. is_hidden: now; is_shown_first: before anybody chose."""

    id: str
    label: str
    is_number: bool
    help: str
    is_hidden: bool
    is_shown_first: bool


def heads_of(source: Source, *, unasked: Set[str], chosen: Mapping[str, bool]) -> list[Head]:
    """Return all columns of a kind. unasked: ids that say nothing new here. chosen: whether shown, by `Head.id`.

    The first is the row's head and always there.
    """
    heads: list[Head] = []
    for place, column in enumerate(source.columns):
        name = f"{source.kind}.{column.id}"
        first = column.is_shown and column.id not in unasked
        is_shown = place == 0 or chosen.get(name, first)
        heads.append(Head(name, column.label, column.kind in NUMBERS, column.help, not is_shown, first))
    return heads


def cells_of(
    source: Source,
    heads: Iterable[Head],
    rows: Iterable[tuple[Any, ...]],
    names: Names,
    *,
    zone: str,
    titles: Mapping[str, str],
) -> list[list[Cell]]:
    """Return the rows of all columns; what is hidden is on the page, too, so that it can be shown at once."""
    columns = list(zip(source.columns, heads, strict=True))
    found: list[list[Cell]] = []
    for row in rows:
        # The first two of a raw row are its moment and its row id.
        cells = zip(columns, row[2:], strict=True)
        made = [(_cell(source, column, value, names, zone, titles), head) for (column, head), value in cells]
        found.append([replace(cell, is_hidden=True) if head.is_hidden else cell for cell, head in made])
    return found


def _cell(source: Source, column: Column, value: Any, names: Names, zone: str, titles: Mapping[str, str]) -> Cell:
    kind = column.kind
    if value is None or value == "":
        return Cell("" if kind in (Kind.TEXT, Kind.ID) else NOT_KNOWN, "number num" if kind in NUMBERS else "")
    if kind is Kind.PRICE:
        return Cell(cents_text(price_from_units(value)), "number num")
    if kind is Kind.COUNT:
        return Cell(count_text(count_from_units(value)), "number num")
    if kind is Kind.MONEY:
        return Cell(dollars_text(money_from_units(value)), "number num")
    if kind is Kind.TIME:
        return Cell(moment(value, zone), "num", format_rfc3339(value))
    if kind is Kind.TICKER:
        return Cell(value, "", titles.get(value, ""), reverse("market_detail", args=[value]))
    if kind is Kind.ACCOUNT:
        return Cell(names.accounts.get(value, NOT_KNOWN))
    if kind is Kind.PERSON:
        return Cell(names.people.get(value, NOT_KNOWN))
    if kind is Kind.FLAG:
        return Cell("yes" if value else "no")
    if kind is Kind.ID:
        is_order = column.id == "order_id"
        return Cell(str(value), "search__id", "", reverse("order_detail", args=[f"order:{value}"]) if is_order else "")
    if kind is Kind.INTEGER:
        return Cell(str(value), "num")
    return _word(source, column, str(value))


def _word(source: Source, column: Column, value: str) -> Cell:
    if column.id in _SIDE_COLUMNS:
        words = value.replace("_", " ").upper()
        return Cell(words, tone="buy" if words.endswith("YES") else "sell" if words.endswith("NO") else "muted")
    if column.id == "state":
        return Cell(source.states.get(value, value.replace("_", " ")))
    if column.id == "environment":
        return Cell(value.upper(), tone=value)
    return Cell(value, "table__text", value if len(value) > 30 else "")
