"""Statements as CSV, Parquet and PDF. The libraries are heavy, so each is imported where it is used."""

import csv
import textwrap
from collections.abc import Iterator, Mapping
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

from apps.core.money import dollars_text, format_dollars
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
PDF_LINES_AT_MOST = 20_000  # some four hundred pages; a file for machines has no such limit
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


# --- PDF ------------------------------------------------------------------------------------------

_MARGIN = 40
_TOP, _BOTTOM = 555, 46  # points; A4 on its side is 842 x 595
_LEADING = 11.5
# Column -> (x of its left edge, or of its right edge for amounts; whether it is an amount; characters at most)
_PDF_COLUMNS: Mapping[str, tuple[int, bool, int]] = {
    "Time (UTC)": (_MARGIN, False, 19),
    "Sub": (160, True, 5),
    "What": (168, False, 44),
    "Market": (392, False, 32),
    "Amount": (640, True, 18),
    "Fee": (700, True, 14),
    "Balance": (802, True, 20),
}


def pdf_write(statement: Statement, path: Path) -> None:
    """Write pages of A4, one line a movement. Raises ValueError beyond `PDF_LINES_AT_MOST` lines."""
    from reportlab.lib.pagesizes import A4, landscape
    from reportlab.pdfgen.canvas import Canvas

    if statement.totals.lines > PDF_LINES_AT_MOST:
        raise ValueError(f"a PDF takes at most {PDF_LINES_AT_MOST:,} lines; take CSV or Parquet, or a shorter period")
    canvas = Canvas(str(path), pagesize=landscape(A4), pageCompression=1)
    canvas.setTitle(f"Statement of {statement.account_name}")
    canvas.setAuthor("Kalshi Desk")
    page = _Page(canvas, statement)
    page.summary()
    page.heads()
    page.row(
        _moment(statement.since), "", "Opening balance", "", "", "", dollars_text(statement.opening), is_strong=True
    )
    for line in statement.lines():
        one = line.movement
        page.row(
            _moment(one.at),
            str(one.subaccount),
            one.text,
            one.ticker,
            dollars_text(one.gross),
            dollars_text(one.fee) if one.fee else "",
            dollars_text(line.balance),
        )
    page.row(
        _moment(statement.until), "", "Closing balance", "", "", "", dollars_text(statement.closing), is_strong=True
    )
    page.finish()


class _Page:
    """Draws downwards and begins the next page when one is full."""

    def __init__(self, canvas: Any, statement: Statement) -> None:
        self._canvas, self._statement = canvas, statement
        self._y = float(_TOP)

    def summary(self) -> None:
        made, canvas = self._statement, self._canvas
        canvas.setFont("Helvetica-Bold", 15)
        canvas.drawString(_MARGIN, self._y, f"Statement of account {made.account_name}")
        canvas.setFont("Helvetica", 9)
        where = "all subaccounts" if made.subaccount is None else f"subaccount {made.subaccount}"
        lines = [
            f"{made.environment.upper()}, {where}, {_moment(made.since)} to before {_moment(made.until)} UTC",
            f"Made {_moment(made.made_at)} UTC, {made.totals.lines:,} movements. Amounts in dollars.",
        ]
        sums = [("Opening balance", made.opening), *made.totals.rows, ("Fees", -made.totals.fees)]
        sums.append(("Closing balance", made.closing))
        self._y -= 16
        for text in lines:
            canvas.drawString(_MARGIN, self._y, text)
            self._y -= 12
        self._y -= 6
        for words, amount in sums:
            canvas.setFont("Helvetica-Bold" if "balance" in words else "Helvetica", 9)
            canvas.drawString(_MARGIN, self._y, words)
            canvas.drawRightString(300, self._y, dollars_text(amount))
            self._y -= 12
        canvas.setFont("Helvetica", 9)
        self._y -= 4
        for part in _wrapped(f"Check: {made.check.words}", 150):
            canvas.drawString(_MARGIN, self._y, part)
            self._y -= 12
        self._y -= 8

    def heads(self) -> None:
        self._canvas.setFont("Helvetica-Bold", 8)
        for words, (x, is_amount, _) in _PDF_COLUMNS.items():
            (self._canvas.drawRightString if is_amount else self._canvas.drawString)(x, self._y, words)
        self._canvas.setLineWidth(0.5)
        self._canvas.line(_MARGIN, self._y - 3, 802, self._y - 3)
        self._y -= _LEADING + 2

    def row(self, *cells: str, is_strong: bool = False) -> None:
        if self._y < _BOTTOM:
            self._end()
            self._y = float(_TOP)
            self.heads()
        self._canvas.setFont("Helvetica-Bold" if is_strong else "Helvetica", 8)
        for text, (x, is_amount, most) in zip(cells, _PDF_COLUMNS.values(), strict=True):
            shown = text if len(text) <= most else f"{text[: most - 1]}…"
            (self._canvas.drawRightString if is_amount else self._canvas.drawString)(x, self._y, shown)
        self._y -= _LEADING

    def finish(self) -> None:
        self._end()
        self._canvas.save()

    def _end(self) -> None:
        self._canvas.setFont("Helvetica", 7)
        self._canvas.drawString(_MARGIN, 26, f"Kalshi Desk, {self._statement.name}")
        self._canvas.drawRightString(802, 26, f"Page {self._canvas.getPageNumber()}")
        self._canvas.showPage()


def _moment(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M:%S}"


def _wrapped(text: str, width: int) -> list[str]:
    return textwrap.wrap(text, width)
