"""`manage.py fold_book FILE... [--at RECV_MS ...]`: books from recorded frames, as JSON lines."""

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

import msgspec
from django.core.management.base import BaseCommand, CommandError

from apps.exchange.wire.recorded import Fold, RecordingUnusable


class Command(BaseCommand):
    help = (
        "Fold recorded frames into order books with the code of the live feed and print one JSON line per instant "
        "and ticker. An instant is the state after all lines with that recv_ms or an earlier one."
    )
    # It needs no database, no Redis and no key, so their checks must not stop it.
    requires_system_checks = []
    requires_migrations_checks = False

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("files", nargs="+", type=Path, metavar="FILE", help="recorded frames, .ndjson.gz")
        parser.add_argument(
            "--at",
            nargs="+",
            action="extend",
            type=int,
            metavar="RECV_MS",
            help="instants, Unix milliseconds; without it the end of each file",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        paths: list[Path] = list(dict.fromkeys(options["files"]))
        try:
            lines = _at_instants(paths, options["at"]) if options["at"] else _at_ends(paths)
        except RecordingUnusable as exc:
            raise CommandError(str(exc), returncode=2) from exc
        # Printed only now: an error further down a file must not leave half an answer behind.
        for line in lines:
            self.stdout.write(line)


def _at_instants(paths: list[Path], instants: list[int]) -> list[str]:
    """Lines in the order of `instants`, tickers in the order of the files."""
    fold = Fold(paths)
    books: dict[int, dict[str, str]] = {}
    for instant in sorted(set(instants)):
        fold.fold_to(instant)
        books[instant] = {ticker: _line(fold, instant, ticker) for ticker in _tickers(fold)}
    fold.fold_to(None)  # to the end: a file that breaks later is not to be trusted earlier
    return [
        books[instant].get(ticker) or _line_of([], [], instant, ticker)
        for instant in instants
        for ticker in _tickers(fold)
    ]


def _at_ends(paths: list[Path]) -> list[str]:
    ends = Fold(paths)
    ends.fold_to(None)
    fold = Fold(paths)
    books: dict[Path, list[str]] = {}
    for path in sorted(paths, key=ends.ends.__getitem__):
        end = ends.ends[path]
        fold.fold_to(end)
        books[path] = [_line(fold, end, ticker) for ticker in ends.tickers[path]]
    return [line for path in paths for line in books[path]]


def _tickers(fold: Fold) -> list[str]:
    return list(dict.fromkeys(ticker for tickers in fold.tickers.values() for ticker in tickers))


def _line(fold: Fold, instant: int, ticker: str) -> str:
    yes, no = fold.book(ticker)
    return _line_of(yes, no, instant, ticker)


def _line_of(yes: list[list[str]], no: list[list[str]], instant: int, ticker: str) -> str:
    parts = [msgspec.json.encode(part).decode() for part in (instant, ticker, yes, no)]
    return '{{"at": {}, "ticker": {}, "yes": {}, "no": {}}}'.format(*parts)
