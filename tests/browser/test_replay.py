"""The densest recorded window, at the pace at which it was recorded, through everything into the ladder."""

import contextlib
import gzip
import json
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Page

from tests.browser.conftest import DENSEST
from tests.browser.pages import MarketPage
from tests.support.desk import RunningDesk, eventually

pytestmark = pytest.mark.recorded
TICKER = "KXGOLD15M-26AUG102130-30"
# Seconds of recorded time after the first frame.
INSTANTS_S = (8, 16, 24)


def plain_fold(file: Path, instants: list[int]) -> list[dict[str, dict[int, str]]]:
    """Fold the file with nothing of the desk; return the book at each instant as the ladder writes it."""
    levels: dict[str, dict[str, Decimal]] = {"yes": {}, "no": {}}
    books = []
    waiting = list(instants)
    with gzip.open(file, "rt") as lines:
        for line in lines:
            frame = json.loads(line)
            while waiting and frame["recv_ms"] > waiting[0]:
                waiting.pop(0)
                books.append(as_ladder(levels))
            if not waiting:
                break
            event = frame["event"]
            message = event.get("msg", {})
            if event["type"] == "orderbook_snapshot":
                for side in levels:
                    levels[side] = {price: Decimal(size) for price, size in message.get(f"{side}_dollars_fp", [])}
            elif event["type"] == "orderbook_delta":
                side = levels[message["side"]]
                price = message["price_dollars"]
                side[price] = side.get(price, Decimal(0)) + Decimal(message["delta_fp"])
                if not side[price]:
                    del side[price]
    return books


def as_ladder(levels: dict[str, dict[str, Decimal]]) -> dict[str, dict[int, str]]:
    def size(count: Decimal) -> str:
        return f"{count:.0f}" if count == count.to_integral_value() else f"{count:.2f}"

    return {
        "bid": {int(Decimal(price) * 10_000): size(count) for price, count in levels["yes"].items()},
        "ask": {10_000 - int(Decimal(price) * 10_000): size(count) for price, count in levels["no"].items()},
    }


def first_instant(file: Path) -> int:
    with gzip.open(file, "rt") as lines:
        return int(json.loads(next(lines))["recv_ms"])


def wait_for_book(market: MarketPage, book: dict[str, dict[int, str]]) -> None:
    with contextlib.suppress(AssertionError):
        eventually(lambda: market.ladder_book() == book)
    assert market.ladder_book() == book  # says where they differ


@pytest.mark.long
def test_the_ladder_shows_the_folds_book_at_three_instants(desk: RunningDesk, open_page: Callable[..., Page]) -> None:
    if not DENSEST.is_file():
        pytest.skip(f"the recorded frames are not on this machine (looked for {DENSEST.name})")
    start = first_instant(DENSEST)
    instants = [start + seconds * 1000 for seconds in INSTANTS_S]
    expected = plain_fold(DENSEST, instants)
    assert all(len(book["bid"]) + len(book["ask"]) > 20 for book in expected), "the instants show hardly any book"
    control = f"{desk.paper['control_url']}/replay"

    def replay(**body: object) -> dict[str, object]:
        answer = httpx.post(control, json=body, timeout=60)
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    page = open_page()
    market = MarketPage(page, TICKER)
    page.goto(f"/markets/{TICKER}/")
    replay(action="pause_at", recv_ms=instants)
    for instant, book in zip(instants, expected, strict=True):
        replay(action="play")
        eventually(
            lambda: httpx.get(control, timeout=60).json()["state"] == "paused",
            what=f"the replay's pause at {instant}",
        )
        # The ladder needs a moment for its last frames; then it must be the fold's book, and stay it.
        wait_for_book(market, book)
