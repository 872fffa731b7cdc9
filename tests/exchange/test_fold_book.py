"""fold_book against an independent plain fold, and against files that are not whole."""

import gzip
import json
import os
import re
import subprocess
import sys
from decimal import Decimal
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

ROOT = Path(__file__).resolve().parent.parent.parent
INSTANTS = 500
SHOWN = re.compile(
    r'\{"at": \d+, "ticker": "[^"]+", '
    r'"yes": \[(\["0\.\d{4}","\d+\.\d\d"\],?)*\], "no": \[(\["0\.\d{4}","\d+\.\d\d"\],?)*\]\}'
)


def fold_book(*files: Path, at: list[int] | None = None) -> list[dict[str, Any]]:
    out = StringIO()
    call_command("fold_book", *map(str, files), at=at, stdout=out)
    lines = out.getvalue().splitlines()
    for line in lines:
        assert SHOWN.fullmatch(line), line[:200]
    return [json.loads(line) for line in lines]


def plain_fold(path: Path, instants: list[int]) -> list[dict[str, list[list[str]]]]:
    """The book at each instant (ascending), by dictionaries and Decimal alone."""
    sides: dict[str, dict[Decimal, Decimal]] = {"yes": {}, "no": {}}
    books, left, has_snapshot = [], list(instants), False

    def shown() -> dict[str, list[list[str]]]:
        return {
            side: [[f"{price:.4f}", f"{count:.2f}"] for price, count in sorted(levels.items()) if count]
            for side, levels in sides.items()
        }

    with gzip.open(path, "rt") as lines:
        for line in lines:
            row = json.loads(line)
            while left and row["recv_ms"] > left[0]:
                books.append(shown())
                left.pop(0)
            event, msg = row["event"], row["event"]["msg"]
            if event["type"] == "orderbook_snapshot":
                has_snapshot = True
                for side in sides:
                    sides[side] = {Decimal(p): Decimal(c) for p, c in msg.get(f"{side}_dollars_fp", [])}
            elif event["type"] == "orderbook_delta" and has_snapshot:
                levels, price = sides[msg["side"]], Decimal(msg["price_dollars"])
                levels[price] = levels.get(price, Decimal(0)) + Decimal(msg["delta_fp"])
    return books + [shown() for _ in left]


def received(path: Path) -> list[int]:
    with gzip.open(path, "rt") as lines:
        return [int(line[11 : line.index(",")]) for line in lines]


def instants_of(moments: list[int]) -> list[int]:
    """INSTANTS distinct instants: the ends, half of the others at lines, half between them."""
    first, last = moments[0], moments[-1]
    at_lines = [moments[index * (len(moments) - 1) // 250] for index in range(250)]
    between = [first + (last - first) * step // 1000 for step in range(1000)]
    distinct = list(dict.fromkeys([first - 1, last, *at_lines, *between[1::2], *between[::2]]))
    return sorted(distinct[:INSTANTS])


@pytest.mark.long
@pytest.mark.recorded
def test_every_recorded_file_folds_to_the_plain_books_at_500_instants(recorded_files: list[Path]) -> None:
    different = 0
    for path in recorded_files:
        moments = received(path)
        instants = instants_of(moments)
        assert len(instants) == INSTANTS or len(moments) < INSTANTS

        folded = fold_book(path, at=instants)

        expected = plain_fold(path, instants)
        assert [line["at"] for line in folded] == instants
        assert [{"yes": line["yes"], "no": line["no"]} for line in folded] == expected, path
        different += len({json.dumps(book) for book in expected})
    assert different > INSTANTS  # the books really differ from instant to instant


@pytest.mark.recorded
def test_without_instants_the_end_of_each_file_is_printed(recorded_files: list[Path]) -> None:
    lines = fold_book(*recorded_files[:2])

    assert [line["ticker"] for line in lines] == [path.parent.name for path in recorded_files[:2]]
    assert [line["at"] for line in lines] == [received(path)[-1] for path in recorded_files[:2]]


# --- files made here --------------------------------------------------------------------------


def snapshot(at: int, ticker: str, yes: list[list[str]], *, seq: int = 1) -> dict[str, Any]:
    msg = {"market_ticker": ticker, "market_id": "m", "yes_dollars_fp": yes}
    return {"recv_ms": at, "event": {"type": "orderbook_snapshot", "sid": 1, "seq": seq, "msg": msg}}


def delta(at: int, ticker: str, price: str, change: str, *, seq: int = 9, side: str = "yes") -> dict[str, Any]:
    msg = {"market_ticker": ticker, "price_dollars": price, "delta_fp": change, "side": side, "ts_ms": at}
    return {"recv_ms": at, "event": {"type": "orderbook_delta", "sid": 1, "seq": seq, "msg": msg}}


def write(path: Path, rows: list[dict[str, Any]]) -> Path:
    with gzip.open(path, "wt") as out:
        out.writelines(json.dumps(row, separators=(",", ":")) + "\n" for row in rows)
    return path


@pytest.fixture
def two(tmp_path: Path) -> tuple[Path, Path]:
    first = [
        delta(90, "A", "0.0500", "-1.00"),
        snapshot(100, "A", [["0.0100", "275.00"]]),
        delta(100, "A", "0.0200", "50.5"),
        delta(100, "A", "0.0300", "1.00", side="no", seq=70),
        {"recv_ms": 150, "event": {"type": "brand_new", "sid": 3, "msg": {"market_ticker": "A"}}},
        delta(200, "A", "0.0100", "-275.00", seq=7_000),
    ]
    second = [snapshot(120, "B", [["0.9600", "1.00"]]), delta(300, "A", "0.0200", "0.25", seq=2)]
    return write(tmp_path / "1.ndjson.gz", first), write(tmp_path / "2.ndjson.gz", second)


def test_an_instant_is_the_state_after_all_lines_of_that_moment_or_earlier(two: tuple[Path, Path]) -> None:
    book = {"at": 100, "ticker": "A", "yes": [["0.0100", "275.00"], ["0.0200", "50.50"]], "no": [["0.0300", "1.00"]]}
    empty = {"ticker": "A", "yes": [], "no": []}

    assert fold_book(two[0], at=[100, 99, 1, 199]) == [
        book,
        {"at": 99, **empty},
        {"at": 1, **empty},
        book | {"at": 199},
    ]
    assert fold_book(two[0], at=[200])[0]["yes"] == [["0.0200", "50.50"]]


def test_several_files_are_one_stream_and_each_has_its_own_tickers(two: tuple[Path, Path]) -> None:
    ends = fold_book(*two)
    assert [(line["at"], line["ticker"], line["yes"]) for line in ends] == [
        (200, "A", [["0.0200", "50.50"]]),
        (300, "B", [["0.9600", "1.00"]]),
        (300, "A", [["0.0200", "50.75"]]),
    ]

    assert [(line["at"], line["ticker"]) for line in fold_book(*two, at=[110, 300])] == [
        (110, "A"),
        (110, "B"),
        (300, "A"),
        (300, "B"),
    ]


def cut(path: Path, whole: bytes) -> None:
    path.write_bytes(whole[:-20])


def not_gzip(path: Path, whole: bytes) -> None:
    path.write_bytes(gzip.decompress(whole))


def bad_line(path: Path, whole: bytes) -> None:
    path.write_bytes(gzip.compress(gzip.decompress(whole) + b'{"recv_ms": 5, "event"\n'))


def bad_level(path: Path, whole: bytes) -> None:
    row = json.dumps(delta(400, "A", "0.0200", "-60.00")).encode()
    path.write_bytes(gzip.compress(gzip.decompress(whole) + row + b"\n"))


def bad_price(path: Path, whole: bytes) -> None:
    row = json.dumps(delta(400, "A", "0.02001", "1")).encode()
    path.write_bytes(gzip.compress(gzip.decompress(whole) + row + b"\n"))


def no_side(path: Path, whole: bytes) -> None:
    row = json.dumps(delta(400, "A", "0.0200", "1", side="maybe")).encode()
    path.write_bytes(gzip.compress(gzip.decompress(whole) + row + b"\n"))


def empty(path: Path, whole: bytes) -> None:
    path.write_bytes(b"")


def missing(path: Path, whole: bytes) -> None:
    path.unlink()


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (cut, r"cut off after line \d+\. Fetch it again"),
        (not_gzip, r"is not a gzip file\. Give the recorded"),
        (bad_line, r"line 7: not a recorded frame .* remove the line or fetch"),
        (bad_level, r"line 7: .*would be -9\.25.*missing or damaged"),
        (bad_price, r"line 7: .*finer than 4 decimal places"),
        (no_side, r"line 7: the orderbook_delta lacks a field or has a wrong one"),
        (empty, r"no frames|cut off"),
        (missing, r"no such file\. Check the path"),
    ],
)
@pytest.mark.parametrize("at", [None, [100]])
def test_a_file_that_is_not_whole_gives_a_clear_error_and_no_output(
    two: tuple[Path, Path], spoil: Any, says: str, at: list[int] | None
) -> None:
    spoil(two[0], two[0].read_bytes())
    out = StringIO()

    with pytest.raises(CommandError, match=says) as caught:
        call_command("fold_book", str(two[1]), str(two[0]), at=at, stdout=out)

    assert str(two[0]) in str(caught.value)
    assert caught.value.returncode == 2
    assert out.getvalue() == ""


@pytest.mark.process
def test_it_runs_as_a_program_without_database_redis_or_vault(two: tuple[Path, Path], tmp_path: Path) -> None:
    environment = {
        "PATH": os.environ["PATH"],
        "DESK_DATA": str(tmp_path / "nothing-here"),
        "DESK_SECRET_KEY": "fold-book-needs-none-but-the-settings-do",
        "DATABASE_URL": "postgres://nobody@127.0.0.1:1/none",
        "REDIS_URL": "redis://127.0.0.1:1/0",
    }

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "manage.py", "fold_book", *arguments]
        return subprocess.run(
            command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=180, check=False
        )

    good = run(str(two[0]), "--at", "100", "--at", "200")
    assert good.returncode == 0, good.stderr
    assert [json.loads(line)["at"] for line in good.stdout.splitlines()] == [100, 200]

    cut(two[0], two[0].read_bytes())
    bad = run(str(two[0]), "--at", "100")
    assert (bad.returncode, bad.stdout) == (2, "")
    assert "Traceback" not in bad.stderr
    assert "cut off" in bad.stderr
