"""CSV (RFC 4180), UTF-8. Numbers and times are written plainly; a text never starts as a formula does."""

import csv
from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import Any

from apps.history.exports.tables import Table, batches
from apps.history.search.columns import NUMBERS, Column, Kind, Names, Writer, writers
from apps.orders.pages.export import safe_cell

_LINES_AT_ONCE = 1_000
# Written by us from a number, a time or a flag: nobody else's text is in it.
_OURS = NUMBERS | {Kind.TIME, Kind.INTEGER, Kind.FLAG}


class _Lines:
    """A file that hands back what was written since it was last asked."""

    def __init__(self) -> None:
        self._parts: list[str] = []

    def write(self, text: str) -> int:
        self._parts.append(text)
        return len(text)

    def taken(self) -> bytes:
        text = "".join(self._parts)
        self._parts.clear()
        return text.encode()


def csv_chunks(table: Table) -> Iterator[bytes]:
    """Yield the file; its heads are the column ids."""
    lines = _Lines()
    writer = csv.writer(lines)
    writer.writerow([column.id for column in table.columns])
    cells = cell_writers(table.columns, table.names)
    for batch in batches(table.rows, _LINES_AT_ONCE):
        # Column by column: one loop in C for each, instead of a call for each cell of each row.
        written = [[*map(one, column)] for one, column in zip(cells, zip(*batch, strict=True), strict=True)]
        writer.writerows(zip(*written, strict=True))
        yield lines.taken()
    rest = lines.taken()
    if rest:
        yield rest


def cell_writers(columns: tuple[Column, ...], names: Names) -> list[Callable[[Any], Any]]:
    return [_cell_writer(column, one) for column, one in zip(columns, writers(columns, names), strict=True)]


def _cell_writer(column: Column, write: Writer) -> Callable[[Any], Any]:
    if column.kind is Kind.FLAG:
        return lambda value: "" if value is None else "yes" if value else "no"
    if column.kind in _OURS:
        return lambda value: "" if value is None else write(value)
    if column.kind is Kind.ID:
        return lambda value: "" if value is None else safe_cell(write(value))
    # Tickers, states and names come again and again.
    return lru_cache(maxsize=4_096)(lambda value: "" if value is None else safe_cell(write(value)))
