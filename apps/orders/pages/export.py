"""The blotter as CSV: every order of the choice, older ones included, written while it is read."""

import csv
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping
from decimal import ROUND_HALF_UP, Decimal
from itertools import islice
from typing import Any

from asgiref.sync import sync_to_async

from apps.core.cells import safe_cell as safe_cell
from apps.core.timestamps import format_rfc3339, from_unix_ms
from apps.orders.events import Row
from apps.orders.pages.filters import SIDE_WORDS, entered_side

_LINES_AT_ONCE = 500

COLUMNS = (
    "placed_at_utc",
    "market",
    "side",
    "outcome_bought",
    "outcome_price_dollars",
    "yes_price_dollars",
    "count",
    "filled",
    "remaining",
    "average_price_dollars",
    "fees_dollars",
    "time_in_force",
    "post_only",
    "reduce_only",
    "state",
    "reason",
    "placed_by",
    "subaccount",
    "expires_at_utc",
    "updated_at_utc",
    "order_id",
    "client_order_id",
    "order_group_id",
)


class _Echo:
    """A file that hands back each line instead of keeping it."""

    def write(self, line: str) -> str:
        return line


def export_lines(rows: Iterable[Row], *, people: Mapping[int, str]) -> Iterator[str]:
    """Yield the lines of a CSV file (RFC 4180), its heads first."""
    writer = csv.writer(_Echo())
    yield writer.writerow(COLUMNS)
    for row in rows:
        yield writer.writerow([safe_cell(value) for value in _values(row, people)])


async def export_chunks(lines: Iterator[str]) -> AsyncIterator[str]:
    """Yield the same lines for an ASGI server, some at a time: it would read a plain iterator to its end first."""
    while chunk := await sync_to_async(lambda: "".join(islice(lines, _LINES_AT_ONCE)))():
        yield chunk


def _values(row: Row, people: Mapping[int, str]) -> list[Any]:
    return [
        _moment(row["created_ms"]),
        row["ticker"],
        SIDE_WORDS[entered_side(row["entered_as"], row["book_side"])],
        row["outcome_side"],
        row["outcome_price"],
        row["price"],
        row["count"],
        row["filled"],
        row["remaining"],
        average_price(row),
        row["fees"],
        row["time_in_force"],
        _yes_no(row["post_only"]),
        _yes_no(row["reduce_only"]),
        row["state_text"],
        _reason(row),
        "placed elsewhere" if row["is_external"] else people.get(row["placed_by"], ""),
        row["subaccount"],
        _moment(row["expires_ms"]),
        _moment(row["updated_ms"]),
        row["order_id"],
        row["client_order_id"],
        row["order_group_id"] or "",
    ]


def _reason(row: Row) -> str:
    """What the grid says: evidence of what is not known, else how it ended."""
    evidence = row["evidence"] if row["state"] in ("unknown", "not_seen") else ""
    return str(row["error"] or evidence or row["ended"] or "")


def average_price(row: Mapping[str, Any]) -> str:
    """Dollars per contract of the outcome bought, half up at six places; "" before the first fill or cost."""
    filled = Decimal(row["filled"])
    if not filled or row["fill_cost"] is None or not Decimal(row["fill_cost"]):
        return ""
    return f"{(Decimal(row['fill_cost']) / filled).quantize(Decimal('0.000001'), rounding=ROUND_HALF_UP):f}"


def _moment(milliseconds: int | None) -> str:
    return "" if milliseconds is None else format_rfc3339(from_unix_ms(milliseconds))


def _yes_no(flag: bool | None) -> str:
    return {True: "yes", False: "no", None: ""}[flag]
