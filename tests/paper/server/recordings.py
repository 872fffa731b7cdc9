"""Small recordings for tests, and the plain fold that replays are compared with."""

import gzip
import json
from collections.abc import Iterable
from decimal import Decimal
from pathlib import Path
from typing import Any

TICKER = "KXREC-26AUG01-00"
MARKET_ID = "2ac8c32b-0ce7-4ed0-9659-1435a9c2ae5c"
START_MS = 1_786_506_340_000
Sides = dict[str, dict[Decimal, Decimal]]


def snapshot(at_ms: int, yes: list[list[str]], no: list[list[str]], *, ticker: str = TICKER) -> dict[str, Any]:
    msg: dict[str, Any] = {"market_ticker": ticker, "market_id": MARKET_ID}
    if yes:
        msg["yes_dollars_fp"] = yes
    if no:
        msg["no_dollars_fp"] = no
    return {"recv_ms": START_MS + at_ms, "event": {"type": "orderbook_snapshot", "sid": 1, "seq": 7, "msg": msg}}


def delta(at_ms: int, side: str, price: str, size: str, *, ticker: str = TICKER) -> dict[str, Any]:
    at = START_MS + at_ms
    msg = {
        "market_ticker": ticker,
        "market_id": MARKET_ID,
        "price_dollars": price,
        "delta_fp": size,
        "side": side,
        "ts": "2026-08-12T03:45:41.194977Z",
        "ts_ms": at - 10,
    }
    return {"recv_ms": at, "event": {"type": "orderbook_delta", "sid": 1, "seq": 99, "msg": msg}}


def trade(at_ms: int, price: str, count: str, *, ticker: str = TICKER) -> dict[str, Any]:
    msg = {
        "trade_id": f"00000000-0000-0000-0000-{at_ms:012d}",
        "market_ticker": ticker,
        "yes_price_dollars": price,
        "no_price_dollars": str(1 - Decimal(price)),
        "count_fp": count,
        "taker_side": "no",
        "taker_outcome_side": "no",
        "taker_book_side": "ask",
        "ts": (START_MS + at_ms) // 1000,
        "ts_ms": START_MS + at_ms - 10,
    }
    return {"recv_ms": START_MS + at_ms, "event": {"type": "trade", "sid": 2, "seq": 5, "msg": msg}}


SMALL = [
    delta(0, "yes", "0.1000", "9.00"),  # before any snapshot: there is no book to change yet
    snapshot(100, [["0.4000", "10.00"], ["0.4200", "3.00"]], [["0.5000", "7.00"]]),
    delta(200, "yes", "0.4300", "5.00"),
    delta(300, "no", "0.5000", "-7.00"),
    trade(300, "0.4300", "5.00"),
    delta(300, "yes", "0.4300", "-5.00"),
    delta(500, "no", "0.5100", "2.50"),
    snapshot(700, [["0.1000", "1.00"]], []),
    delta(900, "no", "0.2000", "4.00"),
]


def write(path: Path, frames: Iterable[dict[str, Any]]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with gzip.open(path, "wt") as lines:
        for frame in frames:
            lines.write(json.dumps(frame) + "\n")
    return path


def read(path: Path) -> list[dict[str, Any]]:
    with gzip.open(path, "rt") as lines:
        return [json.loads(line) for line in lines]


def fold(frames: Iterable[dict[str, Any]], *, until_ms: int | None = None) -> Sides | None:
    """The book after all recorded frames up to an instant; None before the first snapshot."""
    sides: Sides | None = None
    for frame in frames:
        if until_ms is not None and frame["recv_ms"] > until_ms:
            break
        sides = step(sides, frame["event"])
    return sides


def step(sides: Sides | None, event: dict[str, Any]) -> Sides | None:
    """One frame, of a recording or of a socket."""
    msg = event["msg"]
    if event["type"] == "orderbook_snapshot":
        return {
            side: {Decimal(price): Decimal(size) for price, size in msg.get(f"{side}_dollars_fp", [])}
            for side in ("yes", "no")
        }
    if event["type"] == "orderbook_delta" and sides is not None:
        levels, price = sides[msg["side"]], Decimal(msg["price_dollars"])
        levels[price] = levels.get(price, Decimal(0)) + Decimal(msg["delta_fp"])
        assert levels[price] >= 0, event
        if not levels[price]:
            del levels[price]
    return sides
