"""Frames that arrive together: the same books as one by one, and no failure without notice."""

import asyncio
import random
from collections.abc import Iterator

import msgspec
import pytest
from websockets.asyncio.server import Server, ServerConnection

from apps.core.book import OrderBook
from apps.core.errors import WireFormatError
from apps.core.money import count_units_from_wire
from apps.exchange.wire.events import BooksStale, Output
from apps.exchange.wire.session import Session
from apps.exchange.wire.transport import Feed
from apps.exchange.wire.units import LEVEL_PRICES, SIGNED_COUNTS, Remembered
from tests.exchange.wire.lab import Lab
from tests.exchange.wire.test_transport import Exchange, play, until

TICKERS = [f"T{number}" for number in range(5)]


def deltas(lab: Lab, count: int, *, seed: int) -> Iterator[bytes]:
    """Changes that add to levels, take from them, and empty them."""
    draw = random.Random(seed)
    for _ in range(count):
        ticker, side = draw.choice(TICKERS), draw.choice(["yes", "no"])
        price = f"0.{draw.randint(1, 40):02d}00"
        resting = lab.books[ticker][side].get(price, 0.0)
        change = -resting if resting and draw.random() < 0.4 else draw.randint(1, 900) / 100
        yield lab.delta(ticker, side, price, f"{change:.2f}")


@pytest.mark.parametrize("most", [1, 7, 500])
def test_frames_in_batches_of_any_size_make_the_exchanges_books(most: int) -> None:
    lab = Lab().connect(TICKERS)
    frames = list(deltas(lab, 500, seed=most))

    for start in range(0, len(frames), most):
        lab.session.receive_all(frames[start : start + most], recv_ms=lab.recv_ms)
    lab.pump()

    lab.assert_true(*TICKERS)
    assert lab.changed == set(TICKERS)
    assert not lab.session.counters


def test_the_written_out_way_of_a_delta_is_the_order_books_own() -> None:
    lab = Lab().connect(TICKERS)
    plain = {ticker: OrderBook(ticker) for ticker in TICKERS}
    for _ in range(300):
        frame = next(deltas(lab, 1, seed=lab.seq))
        lab.session.receive_all([frame], recv_ms=lab.recv_ms)
        body = msgspec.json.decode(frame)["msg"]
        plain[body["market_ticker"]].apply_delta(
            body["side"], LEVEL_PRICES[body["price_dollars"]], SIGNED_COUNTS[body["delta_fp"]]
        )

    for ticker, book in plain.items():
        view = lab.session.book(ticker)
        assert view is not None
        assert (view.book.yes, view.book.no) == (book.yes, book.no)


def test_a_gap_in_the_middle_of_a_batch_leaves_no_book_of_it_live_or_changed() -> None:
    lab = Lab().connect(["T1", "T2"])
    lab.answers = False
    before = lab.delta("T1", "yes", "0.1000", "5.00")
    lab.delta("T2", "yes", "0.1000", "5.00")  # lost on the way
    after = lab.delta("T1", "yes", "0.1000", "5.00")
    lab.changed.clear()

    lab.session.receive_all([before, after], recv_ms=lab.recv_ms)
    lab.pump()

    assert lab.stale() == [BooksStale(("T1", "T2"), "gap")]
    assert lab.changed == set()
    assert lab.session.counters == {"gap": 1, "delta_without_book": 1}


def test_a_frame_that_is_no_delta_in_a_batch_is_taken_in_its_turn() -> None:
    lab = Lab().connect()
    first = lab.delta("T1", "yes", "0.1000", "5.00")
    whole = lab.snapshot("T1")
    last = lab.delta("T1", "yes", "0.1000", "1.00")

    lab.session.receive_all([first, b"\xff not a frame", whole, last], recv_ms=lab.recv_ms)
    lab.pump()

    lab.assert_true("T1")
    assert lab.session.counters == {"unusable_json": 1}


def test_c7_a_batch_is_as_old_as_its_last_frame() -> None:
    lab = Lab().connect()
    lab.give(lab.delta("T1", "yes", "0.4200", "1.00"))
    old = lab.delta("T1", "yes", "0.4200", "1.00", ts_ms=lab.recv_ms - 9_000)
    young = lab.delta("T1", "yes", "0.4200", "1.00")

    lab.session.receive_all([old, young], recv_ms=lab.recv_ms)
    assert lab.session.trouble == ""
    young = lab.delta("T1", "yes", "0.4200", "1.00")
    old = lab.delta("T1", "yes", "0.4200", "1.00", ts_ms=lab.recv_ms - 9_000)
    lab.session.receive_all([young, old], recv_ms=lab.recv_ms)
    assert lab.session.trouble == "late"


@pytest.mark.parametrize("raw", ["0.0000", "1.0000", "1.5", "-0.1", "0.00001", "x", ""])
def test_c4_a_delta_at_no_level_costs_the_book(raw: str) -> None:
    lab = Lab().connect()
    lab.answers = False
    body = {"market_ticker": "T1", "price_dollars": raw, "delta_fp": "1.00", "side": "yes"}

    lab.give(lab.frame("orderbook_delta", body))

    assert lab.stale() == [BooksStale(("T1",), "corrupt")]


def test_what_was_parsed_is_remembered_within_bounds_and_what_was_refused_is_not() -> None:
    asked: list[str] = []

    def parse(raw: str) -> int:
        asked.append(raw)
        return count_units_from_wire(raw)

    table = Remembered(parse, most=3)
    assert [table[raw] for raw in ("1.00", "1.00", "2.5")] == [100, 100, 250]
    assert asked == ["1.00", "2.5"]
    for number in range(10):
        table[f"{number}.00"]
        assert len(table) <= 3
    for _ in range(2):
        with pytest.raises(WireFormatError):
            table["-1.00"]
    assert asked.count("-1.00") == 2


def test_all_that_has_arrived_is_applied_at_once_in_its_order() -> None:
    batches: list[int] = []

    async def burst(exchange: Exchange, socket: ServerConnection) -> None:
        for number in range(2_000):
            body = {"price_dollars": "0.4200", "delta_fp": "1.00" if number % 2 else "2.00", "side": "yes"}
            await exchange.send(socket, "orderbook_delta", "T1", body)

    exchange = Exchange(burst)

    async def script(feed: Feed, session: Session, server: Server) -> None:
        original = session.receive_all
        session.receive_all = lambda frames, **more: (batches.append(len(frames)), original(frames, **more))[1]  # type: ignore[method-assign,func-returns-value]
        feed.want("orderbook_delta", ["T1"])
        await until(lambda: (view := session.book("T1")) is not None and view.book.yes == {4200: 300_100})
        assert not session.counters

    play(exchange, script)

    assert sum(batches) == 2_002
    assert len(batches) < 2_002


def test_a_delivery_that_fails_ends_the_feed() -> None:
    exchange = Exchange()

    async def script(feed: Feed, session: Session, server: Server) -> None:
        def fail(output: Output) -> None:
            if output.changed:
                raise RuntimeError("the board is broken")

        other = Feed(Session(), hosts=feed._hosts, signer=feed._signer, deliver=fail, pace=60.0)
        other.want("orderbook_delta", ["T1"])
        async with asyncio.timeout(10):
            with pytest.raises(RuntimeError, match="the board is broken"):
                await other.run()

    play(exchange, script)
