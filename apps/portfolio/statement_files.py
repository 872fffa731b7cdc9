"""Statements as CSV and Parquet; `statement_pdf` draws them. Arrow is heavy, so it is imported where it is used."""

import csv
from collections.abc import Iterator
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

from apps.core.money import format_dollars
from apps.core.timestamps import format_rfc3339
from apps.orders.pages.export import safe_cell
from apps.portfolio.statements import Line, Statement

COLUMNS = (
    "at_utc",
    "kind",
    "subaccount",
    "market",
    "description",
    "gross_dollars",
    "fee_dollars",
    "cash_dollars",
    "balance_dollars",
    "reference",
)
_ROWS_AT_ONCE = 5_000


class _Echo:
    """A file that hands back each line instead of keeping it."""

    def write(self, line: str) -> str:
        return line


def csv_lines(statement: Statement) -> Iterator[str]:
    """Yield RFC 4180 lines: heads, the opening balance, the movements, the closing balance, the check."""
    writer = csv.writer(_Echo())
    yield writer.writerow(COLUMNS)
    yield writer.writerow(_edge(statement.since, "opening", statement.opening, "Opening balance"))
    for line in statement.lines():
        yield writer.writerow(_cells(line))
    yield writer.writerow(_edge(statement.until, "closing", statement.closing, "Closing balance"))
    told = statement.closing_by_exchange
    check = _edge(statement.made_at, "check", told, safe_cell(statement.check.words))
    yield writer.writerow(check)


def _edge(at: datetime, kind: str, balance: Decimal | None, text: str) -> list[str]:
    amount = "" if balance is None else format_dollars(balance)
    return [format_rfc3339(at), kind, "", "", text, "", "", "", amount, ""]


def _cells(line: Line) -> list[str]:
    one = line.movement
    # Amounts are numbers, whatever sign they begin with; only words could be taken for a formula.
    return [
        format_rfc3339(one.at),
        one.kind,
        str(one.subaccount),
        safe_cell(one.ticker),
        safe_cell(one.text),
        format_dollars(one.gross),
        format_dollars(one.fee),
        format_dollars(one.cash),
        format_dollars(line.balance),
        safe_cell(one.reference),
    ]


def parquet_write(statement: Statement, path: Path) -> None:
    """Write the movements with exact decimals, some thousand at a time; balances and check are in the metadata."""
    import pyarrow as pa
    from pyarrow import parquet

    money = pa.decimal128(18, 6)
    schema = pa.schema(
        [
            ("at", pa.timestamp("us", tz="UTC")),
            ("kind", pa.string()),
            ("subaccount", pa.int32()),
            ("market", pa.string()),
            ("description", pa.string()),
            ("gross", money),
            ("fee", money),
            ("cash", money),
            ("balance", money),
            ("reference", pa.string()),
        ],
        metadata={
            "account": statement.account_name,
            "environment": statement.environment,
            "since": format_rfc3339(statement.since),
            "until": format_rfc3339(statement.until),
            "opening": format_dollars(statement.opening),
            "closing": format_dollars(statement.closing),
            "check": statement.check.words,
        },
    )
    with parquet.ParquetWriter(path, schema, compression="zstd") as writer:
        for rows in _batches(statement.lines()):
            writer.write_table(pa.Table.from_pylist(rows, schema=schema))


def _batches(lines: Iterator[Line]) -> Iterator[list[dict[str, Any]]]:
    rows: list[dict[str, Any]] = []
    for line in lines:
        one = line.movement
        rows.append(
            {
                "at": one.at,
                "kind": one.kind,
                "subaccount": one.subaccount,
                "market": one.ticker,
                "description": one.text,
                "gross": one.gross,
                "fee": one.fee,
                "cash": one.cash,
                "balance": line.balance,
                "reference": one.reference,
            }
        )
        if len(rows) == _ROWS_AT_ONCE:
            yield rows
            rows = []
    yield rows
