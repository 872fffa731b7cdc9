"""The files of the paper exchange's memory: whole at any instant, refused in words when they are not, private."""

import errno
import os
import stat
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest

from apps.paper import keeping
from apps.paper.engine.exchange import PaperExchange
from apps.paper.keeping import Keeper, KeepError
from tests.paper.engine.support import DAY_MS, NOON_MS, FixedClock, make_exchange, place
from tests.paper.test_snapshot import MEMBERS, answers, keep, member_answers, take_up
from tests.support.paper import PATIENCE, PaperProcess, Start, paper_process, paper_processes

__all__ = ["paper_process", "paper_processes"]

API = "/trade-api/v2"


def reopened(folder: Path, *, now_ms: int = NOON_MS, seed: int = 7, markets: int | None = None) -> PaperExchange:
    """What a new process would have; leaves the files as they are."""
    exchange = PaperExchange(clock=FixedClock(now_ms), seed=seed)
    keeper = Keeper(folder, exchange, seed=seed, markets=markets)
    try:
        state = keeper.open()
        assert state is not None
        keeper.restore(state)
    finally:
        keeper.release()
    return exchange


def killed_with_orders(folder: Path) -> PaperExchange:
    """An exchange that placed two orders and was killed: a state and a journal of two lines."""
    exchange = make_exchange()
    keeper = keep(exchange, folder)
    place(exchange, "m0", "bid", 4_000)
    place(exchange, "m1", "ask", 4_000, 4)
    keeper.release()
    return exchange


def rewrite(path: Path, change: Callable[[dict[str, Any]], None]) -> None:
    state = msgspec.json.decode(path.read_bytes())
    change(state)
    path.write_bytes(msgspec.json.encode(state))


# --- refused in words ----------------------------------------------------------------------------
def _cut(folder: Path) -> None:
    path = folder / "state.json"
    path.write_bytes(path.read_bytes()[:-200])


def _later_version(folder: Path) -> None:
    rewrite(folder / "state.json", lambda state: state.update(version=99))


def _no_state_of_ours(folder: Path) -> None:
    (folder / "state.json").write_text('{"members": {}}')


def _money_from_nowhere(folder: Path) -> None:
    def enrich(state: dict[str, Any]) -> None:
        state["exchange"]["members"]["m2"]["accounts"]["0"][2] += 1_000_000

    rewrite(folder / "state.json", enrich)


def _foreign_position(folder: Path) -> None:
    def lose_market(state: dict[str, Any]) -> None:
        state["exchange"]["markets"].popitem()
        state["exchange"]["markets"].popitem()

    rewrite(folder / "state.json", lose_market)


def _damaged_line(folder: Path) -> None:
    path = folder / "journal-1.jsonl"
    path.write_bytes(b"\0" * 64 + path.read_bytes()[64:])


def _lost_state(folder: Path) -> None:
    (folder / "state.json").unlink()


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (_cut, "state.json is damaged"),
        (_later_version, "another version of the paper exchange (paper-exchange, version 99; this one reads 1)"),
        (_no_state_of_ours, "another version of the paper exchange (no format"),
        (_money_from_nowhere, "the money in it does not add up"),
        (_foreign_position, "is damaged"),
        (_damaged_line, "journal-1.jsonl is damaged (line 1"),
        (_lost_state, "has lost its state.json"),
    ],
)
def test_what_cannot_be_used_is_refused_with_what_to_do_and_left_alone(
    tmp_path: Path, damage: Callable[[Path], None], words: str
) -> None:
    killed_with_orders(tmp_path)
    damage(tmp_path)
    files = {path.name: path.read_bytes() for path in tmp_path.iterdir()}

    with pytest.raises(KeepError) as caught:
        reopened(tmp_path)

    assert words in str(caught.value)
    assert "move" in str(caught.value)
    assert str(tmp_path) in str(caught.value)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == files


@pytest.mark.parametrize(
    ("over", "words"),
    [
        ({"seed": 8}, "was made with --seed 7. Start with that"),
        ({"markets": 12}, "was made with no --markets. Start with that"),
        ({"now_ms": NOON_MS - DAY_MS}, "is of a later time than the clock shows"),
    ],
)
def test_other_switches_or_a_clock_set_back_are_refused(tmp_path: Path, over: dict[str, int], words: str) -> None:
    killed_with_orders(tmp_path)

    with pytest.raises(KeepError, match=words):
        reopened(tmp_path, **over)


def test_two_exchanges_cannot_keep_one_folder(tmp_path: Path) -> None:
    keeper = keep(make_exchange(), tmp_path)

    with pytest.raises(KeepError, match="Another paper exchange uses"):
        reopened(tmp_path)

    keeper.close()
    reopened(tmp_path)


# --- whole at any instant ------------------------------------------------------------------------
def test_a_line_that_was_cut_while_it_was_written_was_told_to_nobody(tmp_path: Path) -> None:
    exchange = make_exchange()
    keeper = keep(exchange, tmp_path)
    place(exchange, "m0", "bid", 4_000)
    before = answers(exchange)
    place(exchange, "m1", "ask", 4_000, 4)
    keeper.release()
    journal = tmp_path / "journal-1.jsonl"
    whole = journal.read_bytes()
    last = len(whole.splitlines(keepends=True)[-1])

    for cut in (1, last // 2, last - 1):
        journal.write_bytes(whole[:-cut])
        found = answers(reopened(tmp_path))
        assert found["members"] == before["members"]
        assert found["books"] == before["books"]
        assert found["money"] == before["money"]


def test_a_torn_line_does_not_stop_the_start_after_a_start_that_was_killed_too(tmp_path: Path) -> None:
    killed_with_orders(tmp_path)
    journal = tmp_path / "journal-1.jsonl"
    journal.write_bytes(journal.read_bytes()[:-5])
    (tmp_path / "journal-2.jsonl").touch()  # begun, and killed before its state was written

    assert len(reopened(tmp_path).orders("m0")) == 1


@pytest.mark.parametrize(
    "point", ["before the state is written", "before it is renamed", "before journals are dropped"]
)
def test_a_kill_while_a_new_state_is_written_loses_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, point: str
) -> None:
    exchange = make_exchange()
    keeper = keep(exchange, tmp_path)
    place(exchange, "m0", "bid", 4_000)
    with monkeypatch.context() as patched:
        patched.setattr(keeping, "JOURNAL_LIMIT", 0)
        if point == "before the state is written":
            patched.setattr(keeper, "_replace", lambda data: None)
        elif point == "before it is renamed":
            patched.setattr(Path, "replace", lambda self, target: None)
        else:
            patched.setattr(Path, "unlink", lambda self: None)
        keeper.write_due()
        place(exchange, "m1", "ask", 4_000, 4)
        place(exchange, "m0", "bid", 3_000)
        keeper.release()

    restored, keeper, _ = take_up(tmp_path, NOON_MS)
    keeper.release()

    assert answers(restored) == answers(exchange)
    assert sorted(path.name for path in tmp_path.glob("journal-*")) == ["journal-3.jsonl"]


def test_a_grown_journal_gives_way_to_a_new_state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keeping, "JOURNAL_LIMIT", 5_000)
    exchange = make_exchange()
    keeper = keep(exchange, tmp_path)
    for number in range(60):
        place(exchange, MEMBERS[number % 3], "bid", 3_000 + number * 10 // 100 * 100)
        keeper.write_due()
    keeper.release()

    journals = list(tmp_path.glob("journal-*"))
    assert sum(path.stat().st_size for path in journals) < 20_000
    assert answers(reopened(tmp_path)) == answers(exchange)


def test_a_full_disk_stops_the_exchange_before_anything_is_acknowledged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    exchange = make_exchange()
    keeper = keep(exchange, tmp_path)
    place(exchange, "m0", "bid", 4_000)
    before = member_answers(exchange, "m0")
    stopped: list[bool] = []
    keeper.on_failure = lambda: stopped.append(True)

    def full(*_: object) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(tmp_path / "journal-1.jsonl"))

    monkeypatch.setattr(keeping, "_write", full)
    for _ in range(2):
        with pytest.raises(KeepError, match="No space left on device"):
            place(exchange, "m0", "bid", 4_100)
    monkeypatch.undo()
    keeper.close()

    assert stopped == [True]
    assert keeper.failure is not None
    assert "Make room" in keeper.failure
    assert member_answers(reopened(tmp_path), "m0") == before


def test_the_files_are_for_their_owner_only(tmp_path: Path) -> None:
    old = os.umask(0)
    try:
        killed_with_orders(tmp_path / "new")
    finally:
        os.umask(old)

    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "new").iterdir()}
    assert modes == {"state.json": 0o600, "journal-1.jsonl": 0o600, "state.lock": 0o600}
    assert stat.S_IMODE((tmp_path / "new").stat().st_mode) == 0o700


# --- the process ---------------------------------------------------------------------------------
def signed(running: PaperProcess, name: str, method: str, path: str, **options: Any) -> Any:
    headers = running.headers(name, method, f"{API}{path}", timestamp_ms=time.time_ns() // 1_000_000)
    answer = httpx.request(method, f"{running.rest_url}{API}{path}", headers=headers, timeout=PATIENCE, **options)
    assert answer.is_success, answer.text
    return answer.json()


def listed(running: PaperProcess, query: str) -> list[str]:
    rows = httpx.get(f"{running.rest_url}{API}/markets?{query}", timeout=PATIENCE).json()["markets"]
    return [row["ticker"] for row in rows]


def send(running: PaperProcess, name: str, ticker: str, *, side: str, price: str, count: str) -> Any:
    body = {
        "ticker": ticker,
        "client_order_id": f"{name}-{time.monotonic_ns()}",
        "side": side,
        "price": price,
        "count": count,
        "time_in_force": "good_till_canceled",
        "self_trade_prevention_type": "taker_at_cross",
    }
    return signed(running, name, "POST", "/portfolio/events/orders", json=body)


@pytest.mark.process
@pytest.mark.parametrize("number", [9, pytest.param(15, marks=pytest.mark.long)], ids=["killed", "stopped"])
def test_an_order_rests_on_after_the_process_ended_and_fills_then(
    paper_processes: Start, tmp_path: Path, number: int
) -> None:
    data = tmp_path / "kept"
    switches = ("--no-bots", "--markets", "12")
    first = paper_processes(*switches, data=data)
    ticker = listed(first, "status=open&limit=1")[0]
    resting = send(first, "trader-1", ticker, side="bid", price="0.3000", count="10.00")
    send(first, "trader-2", ticker, side="ask", price="0.3000", count="4.00")
    truth = first.control("GET", "/truth")
    tickers = listed(first, "limit=100")
    first.stop(number=number)

    second = paper_processes(*switches, data=data)
    after = second.control("GET", "/truth")
    assert {key: after[key] for key in ("members", "books")} == {key: truth[key] for key in ("members", "books")}
    assert set(listed(second, "limit=100")) == set(tickers)
    order = signed(second, "trader-1", "GET", f"/portfolio/orders/{resting['order_id']}")["order"]
    assert (order["status"], order["fill_count_fp"], order["remaining_count_fp"]) == ("resting", "4.00", "6.00")
    send(second, "trader-2", ticker, side="ask", price="0.3000", count="6.00")

    order = signed(second, "trader-1", "GET", f"/portfolio/orders/{resting['order_id']}")["order"]
    fills = signed(second, "trader-1", "GET", "/portfolio/fills")["fills"]
    assert order["status"] == "executed"
    assert [fill["count_fp"] for fill in fills] == ["6.00", "4.00"]
    assert len({fill["trade_id"] for fill in fills}) == 2
    position = signed(second, "trader-1", "GET", f"/portfolio/positions?ticker={ticker}")["market_positions"][0]
    assert position["position_fp"] == "10.00"


@pytest.mark.long
@pytest.mark.process
def test_a_damaged_memory_ends_the_start_with_code_2(paper_processes: Start, tmp_path: Path) -> None:
    data = tmp_path / "kept"
    paper_processes("--markets", "0", data=data).stop()
    (data / "state.json").write_text("{")

    with pytest.raises(AssertionError, match=r"state\.json is damaged .* to start afresh"):
        paper_processes("--markets", "0", data=data)
