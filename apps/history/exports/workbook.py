"""XLSX, one row in memory at a time. Numbers are numbers, as far as a spreadsheet keeps every digit of them."""

import tempfile
from collections.abc import Iterator
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from apps.core.money import from_units
from apps.history.exports.tables import Table
from apps.history.search.columns import PLACES, Kind, moment_text, writers

if TYPE_CHECKING:
    import xlsxwriter

ROWS_PER_SHEET = 1_048_575  # beside the heads; the format allows no more
_DIGITS_KEPT = 15  # of a number in a spreadsheet, which is a binary float
_READ_AT_ONCE = 256 * 1024
_WIDTHS = {Kind.TIME: 27, Kind.TICKER: 30, Kind.ID: 38, Kind.ACCOUNT: 18, Kind.PERSON: 18}

_number = lru_cache(maxsize=16_384)(from_units)


def workbook_chunks(table: Table, *, rows_per_sheet: int = ROWS_PER_SHEET) -> Iterator[bytes]:
    """Yield the file. A sheet that is full is followed by another one."""
    import xlsxwriter

    with tempfile.TemporaryFile() as file:
        # Texts stay texts: nothing that came from outside becomes a formula or a link.
        options = {
            "constant_memory": True,
            "in_memory": False,
            "strings_to_formulas": False,
            "strings_to_urls": False,
            "strings_to_numbers": False,
        }
        with xlsxwriter.Workbook(file, options) as book:
            _fill(book, table, rows_per_sheet)
        file.seek(0)
        while chunk := file.read(_READ_AT_ONCE):
            yield chunk


def _fill(book: "xlsxwriter.Workbook", table: Table, rows_per_sheet: int) -> None:
    bold = book.add_format({"bold": True})
    formats = [
        book.add_format({"num_format": "0." + "0" * PLACES[column.kind]}) if column.kind in PLACES else None
        for column in table.columns
    ]
    write = writers(table.columns, table.names)
    sheet: Any = None
    line = rows_per_sheet
    number = 0
    for row in table.rows:
        if line == rows_per_sheet:
            number += 1
            sheet, line = _sheet(book, table, number, bold), 0
        line += 1
        for place, value in enumerate(row):
            if value is not None:
                _cell(sheet, line, place, value, table.columns[place].kind, formats[place], write[place])
    if sheet is None:
        _sheet(book, table, 1, bold)


def _sheet(book: "xlsxwriter.Workbook", table: Table, number: int, bold: Any) -> Any:
    sheet = book.add_worksheet(table.name[:25] if number == 1 else f"{table.name[:25]} {number}")
    sheet.freeze_panes(1, 0)
    for place, column in enumerate(table.columns):
        sheet.set_column(place, place, _WIDTHS.get(column.kind, 14))
        sheet.write_string(0, place, column.id, bold)
    return sheet


def _cell(sheet: Any, line: int, place: int, value: Any, kind: Kind, form: Any, write: Any) -> None:
    if kind in PLACES:
        if abs(value) < 10**_DIGITS_KEPT:
            # Written digit by digit from the Decimal; a spreadsheet keeps all fifteen.
            sheet.write_number(line, place, _number(value, PLACES[kind]), form)
        else:
            sheet.write_string(line, place, str(write(value)))
    elif kind is Kind.INTEGER:
        sheet.write_number(line, place, value)
    elif kind is Kind.FLAG:
        sheet.write_boolean(line, place, bool(value))
    elif kind is Kind.TIME:
        # As text: a spreadsheet's own times have no zone and lose the microseconds.
        sheet.write_string(line, place, moment_text(value))
    else:
        sheet.write_string(line, place, str(write(value)))
