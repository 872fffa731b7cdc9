"""A statement as pages of A4: a summary, every movement on a line, sums brought forward from page to page.

Nothing is cut: what is too long for its column goes on in the next line. ReportLab is heavy, so it is imported where it
is used.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from pathlib import Path
from typing import Any

from apps.core.money import dollars_text
from apps.portfolio.ledger import ZERO
from apps.portfolio.statements import Line, Statement

LINES_AT_MOST = 20_000  # some five hundred pages; a file for machines has no such limit

# Points; A4 on its side is 842 x 595.
_LEFT, _RIGHT = 40, 802
_TOP, _BOTTOM = 558, 58
_SIZE = 7.5
_LEADING = 11.5  # from row to row
_INNER = 9.0  # from line to line of one row
_TITLE_SIZE = 15
_PAGES = "pages"  # the form that says how many there are, drawn last
_PLAIN, _BOLD = "Helvetica", "Helvetica-Bold"

_Parts = list[tuple[str, ...]]  # of a row: each cell's lines


@dataclass(frozen=True, slots=True)
class _Column:
    """x: the left edge, of amounts the right one. width: in which texts are broken; amounts are never."""

    head: str
    x: int
    width: int = 0


_COLUMNS = (
    _Column("Time (UTC)", _LEFT, 100),
    _Column("Sub", 150),
    _Column("What", 158, 162),
    _Column("Market", 328, 216),
    _Column("Amount", 620),
    _Column("Fee", 700),
    _Column("Balance", _RIGHT),
)


def pdf_write(statement: Statement, path: Path) -> None:
    """Write the pages. Raises ValueError beyond `LINES_AT_MOST` movements."""
    from reportlab.lib.pagesizes import A4, landscape
    from reportlab.pdfbase.pdfmetrics import stringWidth
    from reportlab.pdfgen.canvas import Canvas

    if statement.totals.lines > LINES_AT_MOST:
        raise ValueError(f"a PDF takes at most {LINES_AT_MOST:,} lines; take CSV or Parquet, or a shorter period")
    canvas = Canvas(str(path), pagesize=landscape(A4), pageCompression=1)
    canvas.setTitle(f"Statement of {statement.account_name}")
    canvas.setAuthor("Kalshi Desk")
    pages = _Pages(canvas, statement, stringWidth)
    pages.summary()
    pages.heads()
    pages.sums(statement.since, "Opening balance", with_totals=False)
    for line in statement.lines():
        pages.line(line)
    pages.closing()


class _Pages:
    """Draws downwards and begins the next page when one is full."""

    def __init__(self, canvas: Any, statement: Statement, width_of: Callable[[str, str, float], float]) -> None:
        self._canvas, self._statement = canvas, statement
        self._y = float(_TOP)
        self._gross, self._fees, self._balance = ZERO, ZERO, statement.opening
        self._at = statement.since

        @lru_cache(maxsize=4_096)
        def broken(text: str, width: int, font: str) -> tuple[str, ...]:
            return tuple(_broken(text, width, lambda part: width_of(part, font, _SIZE)))

        self._broken = broken

    # --- what stands on them ---------------------------------------------------------------------

    def summary(self) -> None:
        made = self._statement
        self._text(_LEFT, f"Statement of account {made.account_name}", _BOLD, _TITLE_SIZE)
        self._y -= 17
        for text in (f"{self._scope()}, {self._period()}", f"{made.totals.lines:,} movements. Amounts in US dollars."):
            self._text(_LEFT, text, size=9)
            self._y -= 12
        self._y -= 6
        sums = [("Opening balance", made.opening), *made.totals.rows, ("Fees", -made.totals.fees)]
        sums.append(("Closing balance", made.closing))
        for words, amount in sums:
            is_balance = words.endswith("balance")
            if words == "Closing balance":
                self._rule(_LEFT, 300, above=9.5)
            font = _BOLD if is_balance else _PLAIN
            self._text(_LEFT, words, font, 9)
            self._text(300, dollars_text(amount), font, 9, is_right=True)
            self._y -= 12
        self._y -= 4
        for part in _broken(f"Check: {made.check.words}", 150, len):
            self._text(_LEFT, part, size=9)
            self._y -= 12
        self._y -= 10

    def heads(self) -> None:
        for column in _COLUMNS:
            self._text(column.x, column.head, _BOLD, _SIZE, is_right=not column.width)
        self._rule(_LEFT, _RIGHT, above=-3.5)
        self._y -= _LEADING + 3

    def line(self, line: Line) -> None:
        one = line.movement
        parts = self._parts(
            _moment(one.at),
            str(one.subaccount),
            one.text,
            one.ticker,
            dollars_text(one.gross),
            dollars_text(one.fee) if one.fee else "",
            dollars_text(line.balance),
        )
        # The row below stays free for the sums.
        if self._y - _height(parts) < _BOTTOM:
            self._next_page()
        self._gross += one.gross
        self._fees += one.fee
        self._balance, self._at = line.balance, one.at
        self._row(parts)

    def sums(self, at: datetime, words: str, *, with_totals: bool = True) -> None:
        """A line of the balance, and of the amounts and fees since the opening."""
        totals = (dollars_text(self._gross), dollars_text(self._fees)) if with_totals else ("", "")
        self._row(self._parts(_moment(at), "", words, "", *totals, dollars_text(self._balance), font=_BOLD), _BOLD)

    def closing(self) -> None:
        self._rule(_LEFT, _RIGHT, above=_SIZE + 1)
        self.sums(self._statement.until, "Closing balance")
        self._end()
        self._canvas.beginForm(_PAGES)
        self._canvas.setFont(_PLAIN, 7)
        self._canvas.drawString(0, 0, str(self._canvas.getPageNumber() - 1))
        self._canvas.endForm()
        self._canvas.save()

    # --- how -------------------------------------------------------------------------------------

    def _parts(self, *cells: str, font: str = _PLAIN) -> _Parts:
        return [
            self._broken(cell, column.width, font) if column.width else (cell,)
            for cell, column in zip(cells, _COLUMNS, strict=True)
        ]

    def _row(self, parts: _Parts, font: str = _PLAIN) -> None:
        for part, column in zip(parts, _COLUMNS, strict=True):
            for place, text in enumerate(part):
                self._text(column.x, text, font, is_right=not column.width, lower=place * _INNER)
        self._y -= _height(parts)

    def _next_page(self) -> None:
        self.sums(self._at, "Carried forward")
        self._end()
        self._y = float(_TOP)
        made = self._statement
        self._text(_LEFT, f"Statement of account {made.account_name}, {self._scope()}", _BOLD, 9)
        self._text(_RIGHT, self._period(), size=8, is_right=True)
        self._y -= 20
        self.heads()
        self.sums(self._at, "Brought forward")

    def _end(self) -> None:
        made, number = self._statement, self._canvas.getPageNumber()
        self._y = 34.0
        self._rule(_LEFT, _RIGHT, above=10)
        self._text(_LEFT, f"Kalshi Desk. Made {_moment(made.made_at)} UTC. {made.name}", size=7)
        self._text(_RIGHT - 14, f"Page {number} of", size=7, is_right=True)
        self._canvas.saveState()
        self._canvas.translate(_RIGHT - 12, self._y)
        self._canvas.doForm(_PAGES)
        self._canvas.restoreState()
        self._canvas.showPage()

    def _scope(self) -> str:
        made = self._statement
        where = "all subaccounts" if made.subaccount is None else f"subaccount {made.subaccount}"
        return f"{made.environment.upper()}, {where}"

    def _period(self) -> str:
        return f"{_moment(self._statement.since)} to before {_moment(self._statement.until)} UTC"

    def _text(
        self, x: float, text: str, font: str = _PLAIN, size: float = _SIZE, *, is_right: bool = False, lower: float = 0
    ) -> None:
        self._canvas.setFont(font, size)
        (self._canvas.drawRightString if is_right else self._canvas.drawString)(x, self._y - lower, text)

    def _rule(self, x: float, until: float, *, above: float) -> None:
        self._canvas.setLineWidth(0.5)
        self._canvas.line(x, self._y + above, until, self._y + above)


def _broken(text: str, width: float, width_of: Callable[[str], float]) -> list[str]:
    """Break after a space or a dash, a longer word anywhere, so that each part is within `width`."""
    if width_of(text) <= width:
        return [text]
    parts: list[str] = []
    while text:
        end = len(text)
        while end > 1 and width_of(text[:end].rstrip()) > width:
            end -= 1
        if end < len(text):
            fair = max(text.rfind(" ", 0, end), text.rfind("-", 0, end)) + 1
            # A break that leaves most of the line empty is worse than one within a word.
            end = fair if fair > end // 3 else end
        parts.append(text[:end].rstrip())
        text = text[end:].lstrip()
    return parts


def _height(parts: _Parts) -> float:
    return _LEADING + (max(len(part) for part in parts) - 1) * _INNER


def _moment(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M:%S}"
