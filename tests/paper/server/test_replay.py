"""Recorded frames through the exchange equal a plain fold of the file, at every instant asked for."""

import asyncio
import gzip
import json
import zlib
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from apps.paper.server.recording import RecordingError, check, windows
from apps.paper.server.replay import BATCH
from apps.paper.server.server import ReplayOptions
from apps.paper.testing import LINEAR, InProcessPaper
from tests.paper.server.orders import ORDERS, order_body
from tests.paper.server.recordings import (
    SMALL,
    START_MS,
    TICKER,
    Sides,
    delta,
    fold,
    read,
    snapshot,
    step,
    trade,
    write,
)
from tests.support.loop import WatchingLoop, run_watched, until


def playing(*paths: Path, **options: Any) -> InProcessPaper:
    return InProcessPaper(replay=ReplayOptions(tuple(check(path) for path in paths), **options))


@pytest.fixture
def small(tmp_path: Path) -> InProcessPaper:
    return playing(write(tmp_path / "events" / TICKER / "2026-08-12.ndjson.gz", SMALL))


def advance(paper: InProcessPaper, at_ms: int | None) -> None:
    assert paper.server.replay is not None
    paper.server.replay.advance(None if at_ms is None else START_MS + at_ms)


def rest_book(paper: InProcessPaper, ticker: str = TICKER) -> Sides:
    with paper.client() as client:
        book = client.get(f"/markets/{ticker}/orderbook").json()["orderbook_fp"]
    return {side: {Decimal(price): Decimal(size) for price, size in book[f"{side}_dollars"]} for side in ("yes", "no")}


def folded(frames: list[dict[str, Any]]) -> Sides | None:
    sides: Sides | None = None
    for frame in frames:
        if frame["type"].startswith("orderbook_"):
            sides = step(sides, frame)
    return sides


@pytest.mark.parametrize("at_ms", [100, 199, 200, 300, 500, 699, 700, 900, None])
def test_the_book_at_an_instant_is_the_fold_up_to_it(small: InProcessPaper, at_ms: int | None) -> None:
    socket = small.socket("trader-1")
    frames = socket.send("subscribe", channels=["orderbook_delta"], market_ticker=TICKER)

    advance(small, at_ms)
    frames += socket.take()

    expected = fold(SMALL, until_ms=None if at_ms is None else START_MS + at_ms)
    assert rest_book(small) == expected
    assert folded(frames[1:]) == expected


def test_frames_are_numbered_anew_per_subscription(small: InProcessPaper) -> None:
    early, late = small.socket("trader-1"), small.socket("trader-2")
    frames = early.send("subscribe", channels=["orderbook_delta", "trade"], market_ticker=TICKER)
    advance(small, 400)
    late_frames = late.send("subscribe", channels=["orderbook_delta"], market_ticker=TICKER)
    advance(small, None)
    frames += early.take()
    late_frames += late.take()

    books = [frame["seq"] for frame in frames if frame["type"].startswith("orderbook_")]
    trades = [frame["seq"] for frame in frames if frame["type"] == "trade"]
    assert (books, trades) == ([1, 2, 3, 4, 5, 6, 7, 8], [1])
    # Who comes later begins with the present state, at 1.
    assert [frame["seq"] for frame in late_frames[1:]] == [1, 2, 3, 4]
    assert folded(late_frames[1:]) == folded(frames[2:])


def test_use_yes_price_applies_to_replayed_frames_too(small: InProcessPaper) -> None:
    socket = small.socket("trader-1")
    advance(small, 100)
    frames = socket.send("subscribe", channels=["orderbook_delta"], market_ticker=TICKER, use_yes_price=True)
    advance(small, 300)
    frames += socket.take()

    assert frames[1]["msg"]["no_dollars_fp"] == [["0.5000", "7.00"]]
    assert [(frame["msg"]["side"], frame["msg"]["price_dollars"]) for frame in frames[2:]] == [
        ("yes", "0.4300"),
        ("no", "0.5000"),
        ("yes", "0.4300"),
    ]
    advance(small, 500)
    assert socket.take()[0]["msg"]["price_dollars"] == "0.4900"


def test_times_are_as_old_as_they_were_on_todays_clock_or_as_recorded(tmp_path: Path) -> None:
    path = write(tmp_path / "a.ndjson.gz", SMALL)
    seen = []
    for keep_times in (False, True):
        paper = playing(path, keep_times=keep_times)
        socket = paper.socket("trader-1")
        socket.send("subscribe", channels=["orderbook_delta"], market_ticker=TICKER)
        paper.clock.step(5_000)
        advance(paper, 200)
        seen.append((socket.take()[-1]["msg"]["ts_ms"], paper.clock.now_ms()))

    assert seen[0][0] == seen[0][1] - 10
    assert seen[1][0] == START_MS + 190


def test_a_replayed_market_is_in_rest_with_quote_trades_and_candles(small: InProcessPaper) -> None:
    advance(small, 500)
    now = small.clock.now_ms() // 1000
    with small.client() as client:
        market = client.get(f"/markets/{TICKER}").json()["market"]
        listed = [row["ticker"] for row in client.get("/markets?status=open").json()["markets"]]
        trades = client.get(f"/markets/trades?ticker={TICKER}").json()["trades"]
        candles = client.get(
            f"/markets/candlesticks?market_tickers={TICKER}&start_ts={now - 60}&end_ts={now + 60}&period_interval=1"
        ).json()["markets"][0]["candlesticks"]

    assert (market["yes_bid_dollars"], market["yes_ask_dollars"], market["last_price_dollars"]) == (
        "0.4200",
        "0.4900",
        "0.4300",
    )
    assert (TICKER in listed, LINEAR in listed) == (True, True)
    assert [(row["count_fp"], row["taker_book_side"]) for row in trades] == [("5.00", "ask")]
    assert sum(Decimal(row["volume_fp"]) for row in candles) == Decimal("5.00")


def test_a_replayed_market_takes_no_orders(small: InProcessPaper) -> None:
    advance(small, 200)
    with small.client("trader-1") as client:
        answer = client.post(ORDERS, json=order_body(ticker=TICKER))

    assert (answer.status_code, answer.json()["code"]) == (400, "market_inactive")
    assert "replay" in answer.json()["message"]


def test_the_event_record_beside_the_files_names_the_market(tmp_path: Path) -> None:
    path = write(tmp_path / "events" / TICKER / "2026-08-12.ndjson.gz", SMALL)
    record = {
        "response": {
            "event": {"title": "Recorded event", "series_ticker": "KXREC", "category": "Commodities"},
            "markets": [{"ticker": TICKER, "title": "Recorded market", "floor_strike": 12.5, "result": "yes"}],
        }
    }
    (tmp_path / "metadata").mkdir()
    (tmp_path / "metadata" / "KXREC-26AUG01.json").write_text(json.dumps(record))

    with playing(path).client() as client:
        event = client.get("/events/KXREC-26AUG01?with_nested_markets=true").json()["event"]

    market = event["markets"][0]
    assert (event["title"], market["title"], market["floor_strike"]) == ("Recorded event", "Recorded market", 12.5)
    # It is being played: open, and its outcome is not told.
    assert (market["status"], market["result"]) == ("active", "")


def test_several_files_play_by_the_time_of_their_frames(tmp_path: Path) -> None:
    other = "KXREC-26AUG01-15"
    first = write(
        tmp_path / "a.ndjson.gz", [snapshot(0, [["0.1000", "1.00"]], []), delta(400, "yes", "0.1000", "1.00")]
    )
    second = write(
        tmp_path / "b.ndjson.gz",
        [
            snapshot(200, [["0.2000", "1.00"]], [], ticker=other),
            delta(600, "yes", "0.2000", "1.00", ticker=other),
        ],
    )
    paper = playing(second, first)
    socket = paper.socket("trader-1")
    socket.send("subscribe", channels=["orderbook_delta"], market_tickers=[TICKER, other])
    advance(paper, None)

    frames = socket.take()

    assert [(frame["seq"], frame["msg"]["market_ticker"]) for frame in frames] == [
        (3, TICKER),
        (4, other),
        (5, TICKER),
        (6, other),
    ]


def test_control_pauses_at_an_instant_and_says_where_it_is(small: InProcessPaper) -> None:
    small.control("POST", "/replay", {"action": "speed", "speed": 0})
    small.control("POST", "/replay", {"action": "pause_at", "recv_ms": [START_MS + 300, START_MS + 650]})
    small.control("POST", "/replay", {"action": "play"})

    async def run() -> list[dict[str, Any]]:
        replay = small.server.replay
        assert replay is not None
        task = asyncio.create_task(replay.run(has_room=lambda: True))
        seen = []
        for expected in ("paused", "paused", "done"):
            await until(lambda expected=expected: replay.state == expected)
            seen.append((small.control("GET", "/replay"), rest_book(small)))
            if expected == "paused":
                small.control("POST", "/replay", {"action": "play"})
        task.cancel()
        return seen

    seen = run_watched(run())

    assert [row[0]["position_ms"] - START_MS for row in seen] == [300, 650, 900]
    assert [row[1] for row in seen] == [fold(SMALL, until_ms=START_MS + at) for at in (300, 650, 900)]
    assert seen[0][0]["frames_played"] == 6
    refused = small.control_response("POST", "/replay", {"action": "pause_at", "recv_ms": [START_MS + 1]})
    assert refused.status == 400


def test_an_instant_with_more_frames_than_a_batch_is_played_whole_before_the_pause(tmp_path: Path) -> None:
    event = SMALL[2]["event"]
    many = [{"recv_ms": START_MS + 200, "event": event}] * (BATCH * 2 + 50)
    rows = [*SMALL[1:2], *many, {"recv_ms": START_MS + 300, "event": event}]
    paper = playing(write(tmp_path / "many.ndjson.gz", rows))
    paper.control("POST", "/replay", {"action": "speed", "speed": 1_000})
    paper.control("POST", "/replay", {"action": "pause_at", "recv_ms": [START_MS + 200]})
    replay = paper.server.replay
    assert replay is not None

    async def run() -> None:
        task = asyncio.create_task(replay.run(has_room=lambda: True))
        replay.play()
        await until(lambda: replay.state != "playing")
        task.cancel()

    run_watched(run())

    assert (replay.state, replay.frames_played) == ("paused", 1 + len(many))


def test_the_pace_is_the_recorded_one_times_the_speed(small: InProcessPaper) -> None:
    """The loop's clock is the test's: it jumps to whatever is waited for, so the times are exact."""

    class Loop(WatchingLoop):
        shift = 0.0

        def time(self) -> float:
            return self.shift

        def _run_once(self) -> None:
            if not self._ready and self._scheduled:  # type: ignore[attr-defined]
                self.shift = max(self.shift, self._scheduled[0]._when)  # type: ignore[attr-defined]
            super()._run_once()

    loop = Loop()
    times: list[tuple[int, int]] = []
    replay = small.server.replay
    assert replay is not None
    replay.speed = 2.0
    small.server.hub.book_rebased = lambda ticker: times.append((round(loop.time() * 1000), 0))  # type: ignore[method-assign]

    async def run() -> None:
        task = asyncio.create_task(replay.run(has_room=lambda: True))
        replay.play()
        await until(lambda: replay.state == "done", within=3_600)
        task.cancel()

    try:
        loop.run_until_complete(run())
    finally:
        loop.close()

    # Snapshots at 100 and 700 ms of the recording, at twice the pace, counted from its first frame.
    assert [at for at, _ in times] == pytest.approx([50, 350], abs=3)


def test_restart_empties_the_books_and_plays_again(small: InProcessPaper) -> None:
    advance(small, None)
    small.control("POST", "/replay", {"action": "restart"})
    empty = rest_book(small)
    advance(small, 300)

    assert empty == {"yes": {}, "no": {}}
    assert rest_book(small) == fold(SMALL, until_ms=START_MS + 300)


def test_time_in_which_no_file_runs_is_not_waited_for(tmp_path: Path) -> None:
    day = 86_400_000
    first = write(tmp_path / "a.ndjson.gz", SMALL)
    later = write(tmp_path / "b.ndjson.gz", [snapshot(day, [], []), delta(day + 50, "yes", "0.1000", "1.00")])

    assert windows([check(first), check(later)]) == [
        (START_MS, START_MS + 900),
        (START_MS + day, START_MS + day + 50),
    ]


# --- bad files -----------------------------------------------------------------------------------
def test_a_file_that_cannot_be_played_is_named_with_its_line_and_what_to_do(tmp_path: Path) -> None:
    whole = write(tmp_path / "whole.ndjson.gz", [trade(at, "0.5000", "1.00") for at in range(5_000)])
    content = whole.read_bytes()
    cut = tmp_path / "cut.ndjson.gz"
    cut.write_bytes(content[: len(content) // 2])
    plain = tmp_path / "plain.ndjson.gz"
    plain.write_text(json.dumps(SMALL[1]))
    damaged = tmp_path / "damaged.ndjson.gz"
    damaged.write_bytes(content[:1000] + bytes(200) + content[1200:])
    empty = write(tmp_path / "empty.ndjson.gz", [])
    half_line = tmp_path / "half.ndjson.gz"
    with gzip.open(half_line, "wt") as lines:
        lines.write(json.dumps(SMALL[1]) + "\n" + json.dumps(SMALL[2])[:50])
    no_price = write(tmp_path / "no-price.ndjson.gz", [SMALL[1], delta(200, "yes", "cheap", "1.00")])
    no_side = write(tmp_path / "no-side.ndjson.gz", [delta(200, "maybe", "0.1000", "1.00")])
    no_name = write(tmp_path / "no-name.ndjson.gz", [delta(200, "yes", "0.1000", "1.00", ticker='A","b":"')])
    backwards = write(tmp_path / "backwards.ndjson.gz", [SMALL[2], SMALL[1]])

    texts = {}
    missing = tmp_path / "missing.gz"
    for path in (cut, plain, damaged, empty, half_line, no_price, no_side, no_name, backwards, missing):
        with pytest.raises(RecordingError) as caught:
            check(path)
        texts[path.name] = str(caught.value)
        assert str(path) in texts[path.name]

    assert "cut off" in texts["cut.ndjson.gz"]
    assert "not gzip" in texts["plain.ndjson.gz"]
    assert "line 2" in texts["half.ndjson.gz"]
    assert "line 2" in texts["no-price.ndjson.gz"]
    assert "side must be" in texts["no-side.ndjson.gz"]
    assert "plain names" in texts["no-name.ndjson.gz"]
    assert "goes back" in texts["backwards.ndjson.gz"]
    assert "cannot be read" in texts["missing.gz"]
    assert "Leave it out" in texts["empty.ndjson.gz"]
    with pytest.raises((zlib.error, EOFError, OSError)):
        gzip.decompress(damaged.read_bytes())


# --- production frames -----------------------------------------------------------------------------
@pytest.mark.long
@pytest.mark.recorded
def test_every_recorded_file_replays_to_its_plain_fold(recorded_files: list[Path]) -> None:
    """At 500 instants spread over each file, in REST and as a subscriber folds it."""
    for path in recorded_files:
        frames = read(path)
        ticker = frames[0]["event"]["msg"]["market_ticker"]
        paper = playing(path)
        replay = paper.server.replay
        assert replay is not None
        socket = paper.socket("trader-1")
        socket.send("subscribe", channels=["orderbook_delta"], market_ticker=ticker)
        step_by = max(1, len(frames) // 500)
        instants = sorted({frames[index]["recv_ms"] for index in range(0, len(frames), step_by)})
        plain: Sides | None = None
        received: Sides | None = None
        position, last_seq = 0, 1
        for instant in instants:
            while position < len(frames) and frames[position]["recv_ms"] <= instant:
                plain = step(plain, frames[position]["event"])
                position += 1
            replay.advance(instant)
            for frame in socket.take():
                assert frame["seq"] == last_seq + 1
                last_seq = frame["seq"]
                received = step(received, frame)
            if plain is not None:
                assert received == plain, (path, instant)
                assert rest_book(paper, ticker) == plain, (path, instant)
        assert replay.frames_played == position
