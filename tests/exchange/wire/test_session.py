"""The session against a misbehaving exchange: RELIABILITY rows C1 to C7, C10, C11, C15."""

import itertools

import msgspec
import pytest

from apps.exchange.wire.events import Alarm, BooksStale, ChannelGap, Disconnected, MarketUnknown
from apps.exchange.wire.session import Session
from tests.exchange.wire.lab import Lab

MANY = [f"T{number:03d}" for number in range(200)]


def test_a_subscription_names_the_price_scale_and_its_markets() -> None:
    lab = Lab().connect(["T1", "T2"])

    assert lab.commands[0]["params"] == {
        "channels": ["orderbook_delta"],
        "market_tickers": ["T1", "T2"],
        "use_yes_price": False,
    }
    lab.assert_true("T1", "T2")
    assert lab.ready() == ["T1", "T2"]


def test_deltas_change_the_book_and_report_its_ticker_once() -> None:
    lab = Lab().connect()

    lab.give(lab.delta("T1", "yes", "0.4200", "10.00"), lab.delta("T1", "no", "0.5000", "3.50"))
    lab.give(lab.delta("T1", "yes", "0.4200", "-4.00"))

    lab.assert_true("T1")
    assert lab.changed == {"T1"}
    assert lab.session.state_of("T1") == ("live", "")


@pytest.mark.parametrize("width", ["0.96", "0.960", "0.9600", "0.96000"])
def test_c12_prices_of_any_width_are_the_same_level(width: str) -> None:
    lab = Lab().connect()
    lab.give(lab.delta("T1", "yes", "0.9600", "1.00"))

    lab.give(
        lab.frame("orderbook_delta", {"market_ticker": "T1", "price_dollars": width, "delta_fp": "2.5", "side": "yes"})
    )

    view = lab.session.book("T1")
    assert view is not None
    assert view.book.yes == {9600: 350}


# --- C1: a gap in seq of a sid with 200 markets ---------------------------------------------------


def test_c1_a_gap_makes_all_books_of_the_sid_stale_and_asks_once_per_batch() -> None:
    lab = Lab().connect(MANY)
    lab.assert_true()
    lab.delta("T007", "yes", "0.1000", "5.00")  # lost on the way

    lab.answers = False
    lab.give(lab.delta("T003", "no", "0.2000", "1.00"))

    assert lab.stale() == [BooksStale(tuple(MANY), "gap")]
    assert not any(lab.session.book(ticker).is_live for ticker in MANY)  # type: ignore[union-attr]
    asked = [command["params"]["market_tickers"] for command in lab.sent("get_snapshot")]
    assert [len(batch) for batch in asked] == [100, 100]
    assert sorted(itertools.chain(*asked)) == MANY


def test_c1_after_the_resync_every_book_is_the_exchanges_again() -> None:
    lab = Lab().connect(MANY)
    lab.delta("T007", "yes", "0.1000", "5.00")

    lab.give(lab.delta("T003", "no", "0.2000", "1.00"))

    lab.assert_true()
    lab.give(lab.delta("T007", "yes", "0.1000", "-5.00"))
    lab.assert_true()


def test_c1_gaps_in_a_row_are_no_storm_of_requests() -> None:
    lab = Lab().connect(MANY)
    for _ in range(50):
        lab.delta("T007", "yes", "0.1000", "1.00")
        lab.give(lab.delta("T003", "no", "0.2000", "1.00"))

    assert len(lab.sent("get_snapshot")) == 2

    for _ in range(8):
        lab.later(0.25)
    assert len(lab.sent("get_snapshot")) == 4
    lab.assert_true()


def test_c1_a_snapshot_lost_in_the_gap_is_asked_for_again() -> None:
    lab = Lab().connect(["T1", "T2"])
    lab.mute.add("T2")
    lab.delta("T1", "yes", "0.1000", "5.00")
    lab.give(lab.delta("T1", "yes", "0.1000", "5.00"))
    assert lab.session.state_of("T2") == ("stale", "waiting")

    lab.mute.clear()
    lab.later(5.5)

    lab.assert_true("T1", "T2")


# --- C2: duplicates and disorder ------------------------------------------------------------------


def test_c2_a_repeated_delta_is_applied_once() -> None:
    lab = Lab().connect()
    frame = lab.delta("T1", "yes", "0.4200", "10.00")

    lab.give(frame, frame, frame)

    lab.assert_true("T1")
    assert lab.session.counters["duplicate"] == 2
    assert lab.stale() == []


@pytest.mark.parametrize("order", list(itertools.permutations(range(4))))
def test_c2_frames_in_any_order_end_in_the_exchanges_book(order: tuple[int, ...]) -> None:
    lab = Lab().connect()
    frames = [lab.delta("T1", "yes", f"0.{n + 1}000", "10.00") for n in range(4)]

    lab.give(*(frames[index] for index in order))
    for _ in range(8):
        lab.later(1.0)

    lab.assert_true("T1")
    assert bool(lab.stale()) == (order != (0, 1, 2, 3))


# --- C3: snapshots -------------------------------------------------------------------------------


def test_c3_a_delta_before_its_snapshot_is_dropped() -> None:
    lab = Lab()
    lab.mute.add("T1")
    lab.connect(["T1"])
    lab.give(lab.delta("T1", "yes", "0.4200", "10.00"))
    view = lab.session.book("T1")
    assert view is not None
    assert view.book.is_empty

    lab.give(lab.snapshot("T1"))

    lab.assert_true("T1")


def test_c3_an_absent_side_of_a_snapshot_is_empty() -> None:
    lab = Lab().connect()
    lab.give(lab.delta("T1", "yes", "0.4200", "10.00"), lab.delta("T1", "no", "0.4200", "10.00"))

    lab.give(lab.frame("orderbook_snapshot", {"market_ticker": "T1", "no_dollars_fp": [["0.3000", "1.00"]]}))

    view = lab.session.book("T1")
    assert view is not None
    assert (view.book.yes, view.book.no) == ({}, {3000: 100})


@pytest.mark.parametrize("counts", [True, False])
def test_c3_an_answer_to_get_snapshot_may_or_may_not_take_a_number(counts: bool) -> None:
    lab = Lab(snapshots_count=counts).connect(["T1", "T2"])
    lab.give(lab.delta("T1", "yes", "0.4200", "10.00"))
    lab.delta("T1", "yes", "0.4300", "10.00")

    lab.give(lab.delta("T2", "yes", "0.4200", "10.00"))
    lab.give(lab.delta("T1", "yes", "0.4300", "-3.00"))

    lab.assert_true("T1", "T2")
    assert lab.session.counters["gap"] == 1


# --- C4: impossible books -------------------------------------------------------------------------


def test_c4_a_level_below_zero_costs_that_book_only_and_is_counted() -> None:
    lab = Lab().connect(["T1", "T2"])
    lab.give(lab.delta("T1", "yes", "0.4200", "10.00"), lab.delta("T2", "yes", "0.4200", "10.00"))
    bad = {"market_ticker": "T1", "price_dollars": "0.4200", "delta_fp": "-10.01", "side": "yes"}
    lab.answers = False

    lab.give(lab.frame("orderbook_delta", bad))

    assert lab.stale() == [BooksStale(("T1",), "corrupt")]
    assert lab.sent("get_snapshot")[0]["params"]["market_tickers"] == ["T1"]
    assert lab.session.counters["corrupt"] == 1
    lab.assert_true("T2")


def test_c4_a_crossed_book_is_dropped_and_asked_for_again() -> None:
    lab = Lab().connect()
    lab.give(lab.delta("T1", "yes", "0.6000", "10.00"))
    crossing = {"market_ticker": "T1", "price_dollars": "0.4000", "delta_fp": "1.00", "side": "no"}

    lab.give(lab.frame("orderbook_delta", crossing))

    assert lab.stale() == [BooksStale(("T1",), "corrupt")]
    lab.assert_true("T1")


@pytest.mark.parametrize("levels", [[["0.4200", "-1.00"]], [["1.0000", "1.00"]], [["0.4", "1.00"], ["0.40", "2.00"]]])
def test_c4_an_impossible_snapshot_does_not_become_a_book(levels: list[list[str]]) -> None:
    lab = Lab().connect()
    lab.answers = False

    lab.give(lab.frame("orderbook_snapshot", {"market_ticker": "T1", "yes_dollars_fp": levels}))

    assert lab.session.state_of("T1") == ("stale", "waiting")
    assert len(lab.sent("get_snapshot")) == 1


# --- C5: reconnects -------------------------------------------------------------------------------


def test_c5_after_a_cut_500_markets_are_live_again_and_old_frames_do_not_mix_in() -> None:
    tickers = [f"T{number}" for number in range(500)]
    lab = Lab().connect(tickers)
    for number in range(1000):
        lab.give(lab.delta(tickers[number % 500], "yes", "0.4200", "1.00"))
    old = lab.delta("T1", "yes", "0.4200", "1.00")

    wait = lab.session.closed(lab.now, "cut")
    lab.pump()
    assert lab.stale()[-1].why == "down"
    assert len(lab.stale()[-1].tickers) == 500
    assert lab.session.state_of("T1") == ("down", "down")
    lab.give(old)
    assert lab.session.counters["other_sid"] == 1

    lab.now += wait
    assert wait <= 5.0
    lab.session.connected(lab.now)
    lab.pump()
    lab.assert_true()
    lab.give(old)
    lab.assert_true()
    assert lab.session.counters["other_sid"] == 2


def test_c5_back_off_grows_to_a_cap_has_jitter_and_starts_anew_after_a_good_connection() -> None:
    session = Session(draw=lambda: 1.0)
    waits = [session.closed(float(now), "no connection") for now in range(10)]
    assert waits == [0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 30.0, 30.0, 30.0, 30.0]

    session.connected(100.0)
    assert session.closed(131.0, "cut") == 0.5

    assert Session(draw=lambda: 0.0).closed(0.0, "cut") == 0.25


def test_c13_refused_handshakes_are_at_most_six_a_minute() -> None:
    session = Session(draw=lambda: 0.0)

    assert session.closed(0.0, "401", refused=True) == 10.0
    assert session.poll().events == [Disconnected(reason="401", retry_in=10.0, refused=True)]


# --- C6 and C7: silence and age -------------------------------------------------------------------


def test_c6_a_half_open_line_is_stale_after_12_and_closed_within_25_seconds() -> None:
    lab = Lab().connect()
    lab.later(0.0)
    start = lab.now
    lab.at(start + 12.1)
    assert lab.stale() == [BooksStale(("T1",), "silent")]
    assert lab.session.state_of("T1") == ("stale", "silent")
    assert lab.close is None

    lab.at(start + 25.0)

    assert lab.close is not None
    assert "nothing came" in lab.close


def test_c6_pings_keep_a_quiet_line_alive_and_bring_a_silent_one_back() -> None:
    lab = Lab().connect()
    for _ in range(10):
        lab.session.heard()
        lab.later(10.0)
    assert lab.stale() == []

    lab.later(13.0)
    assert lab.stale() == [BooksStale(("T1",), "silent")]
    lab.session.heard()
    lab.later(0.25)
    assert lab.ready() == ["T1", "T1"]
    assert lab.session.state_of("T1") == ("live", "")


@pytest.mark.parametrize("offset", [None, -300_000, 0, 7_000])
def test_c7_old_frames_make_the_feed_late_whatever_the_clocks_say(offset: int | None) -> None:
    lab = Lab().connect()
    lab.session.clock_offset_ms = offset
    skew = 123_456 if offset is None else offset

    def give_aged(age_ms: int) -> None:
        lab.later(0.1)
        lab.give(lab.delta("T1", "yes", "0.4200", "1.00", ts_ms=lab.recv_ms + skew - age_ms))

    give_aged(30)
    give_aged(1_900)
    assert lab.session.state_of("T1") == ("live", "")
    for age in (2_100, 8_000, 14_000, 20_000):
        give_aged(age)
        assert lab.session.state_of("T1") == ("stale", "late")
    give_aged(1_500)
    assert lab.session.state_of("T1") == ("stale", "late")
    give_aged(200)

    assert lab.session.state_of("T1") == ("live", "")
    assert lab.stale() == [BooksStale(("T1",), "late")]
    assert lab.ready() == ["T1", "T1"]
    lab.assert_true("T1")


# --- C10, C11, C15: answers and errors ----------------------------------------------------------


@pytest.mark.parametrize("code", [*range(1, 23), 25])
@pytest.mark.parametrize("action", ["subscribe", "add_markets", "get_snapshot"])
def test_c10_every_error_code_ends_in_live_books_or_an_alarm(code: int, action: str) -> None:
    lab = Lab()
    if action == "subscribe":
        lab.refuse[action] = code
    lab.connect(["T1", "T2"])
    lab.refuse[action] = code
    lab.want(["T1", "T2", "T3"])
    lab.session.resync(["T1"])
    lab.pump()
    lab.refuse.clear()
    for _ in range(70):
        lab.session.heard()
        lab.later(1.0)

    lab.assert_true("T1", "T2", "T3")
    assert len(lab.commands) < 20


def test_c10_an_overflow_leads_to_smaller_steps() -> None:
    lab = Lab().connect(MANY)

    lab.give(b'{"type":"error","msg":{"code":25,"msg":"overflow"}}')
    assert lab.session.state_of("T001") == ("stale", "waiting")
    for _ in range(4):
        lab.later(1.0)

    lab.assert_true()
    again = lab.commands[lab.commands.index(lab.sent("unsubscribe")[0]) :]
    assert max(len(command["params"].get("market_tickers", ())) for command in again) == 50
    assert [event.code for event in lab.events if isinstance(event, Alarm)] == ["overflow"]


def test_c10_an_unknown_market_is_found_by_halving_and_the_others_live() -> None:
    lab = Lab(answers=False)
    tickers = [f"T{number}" for number in range(10)]
    lab.connect(tickers)
    lab.answers = True
    answered = 0
    while answered < len(lab.commands):
        command = lab.commands[answered]
        answered += 1
        if "T7" in command["params"]["market_tickers"]:
            error = {"id": command["id"], "type": "error", "msg": {"code": 16, "msg": "Market not found"}}
            lab.session.receive(msgspec.json.encode(error), recv_ms=0)
        else:
            lab._answer(command)
        lab.answers = False
        lab.pump()

    assert [event for event in lab.events if isinstance(event, MarketUnknown)] == [MarketUnknown("T7")]
    lab.assert_true(*(ticker for ticker in tickers if ticker != "T7"))
    assert len(lab.commands) <= 10


def test_c10_commands_that_get_no_answer_end_the_connection() -> None:
    lab = Lab(answers=False).connect()
    for _ in range(120):
        if lab.close is None:
            lab.session.heard()
            lab.later(1.0)

    assert lab.close == "orderbook_delta: a command got no answer, 5 times in a row"
    assert len(lab.commands) == 5


@pytest.mark.parametrize("acks_count", [True, False])
def test_c11_answers_that_take_a_number_and_answers_that_do_not_are_both_no_gap(acks_count: bool) -> None:
    lab = Lab(acks_count=acks_count).connect(["T1"])
    lab.give(lab.delta("T1", "yes", "0.4200", "10.00"))

    for number in range(2, 6):
        lab.want([f"T{n}" for n in range(1, number + 1)])
        lab.give(lab.delta("T1", "yes", "0.4200", "1.00"))
    lab.want(["T1"])
    lab.give(lab.delta("T1", "yes", "0.4200", "1.00"))

    lab.assert_true("T1")
    assert lab.session.counters["gap"] == 0
    lab.delta("T1", "yes", "0.4200", "1.00")
    lab.answers = False
    lab.give(lab.delta("T1", "yes", "0.4200", "1.00"))
    assert lab.session.counters["gap"] == 1


def test_c15_a_book_that_never_comes_is_subscribed_once_more_and_then_an_alarm() -> None:
    lab = Lab()
    lab.mute.add("T2")
    lab.connect(["T1", "T2"])

    for _ in range(60):
        lab.session.heard()
        lab.later(0.2)

    assert [command["params"]["market_tickers"] for command in lab.sent("delete_markets")] == [["T2"]]
    assert [event.code for event in lab.events if isinstance(event, Alarm)] == ["no_snapshot"]
    lab.assert_true("T1")


# --- what is wanted ------------------------------------------------------------------------------


def test_wanted_markets_are_added_and_taken_away_and_all_of_them_unsubscribed() -> None:
    lab = Lab().connect(["T1", "T2"])

    lab.want(["T2", "T3"])
    assert lab.sent("add_markets")[0]["params"]["market_tickers"] == ["T3"]
    assert lab.sent("delete_markets")[0]["params"]["market_tickers"] == ["T1"]
    assert lab.session.book("T1") is None
    lab.assert_true("T2", "T3")

    lab.want([])
    assert lab.sent("unsubscribe")[0]["params"]["sids"] == [1]
    assert lab.session.book("T2") is None
    lab.want(["T1"])
    lab.assert_true("T1")


def test_channels_without_books_pass_their_messages_on_and_report_gaps() -> None:
    lab = Lab()
    lab.session.want("fill", None)
    lab.session.connected(lab.now)
    lab.pump()
    assert lab.commands[0]["params"] == {"channels": ["fill"]}
    trade = {"trade_id": "t", "market_ticker": "T1", "count_fp": "1.00", "yes_price_dollars": "0.5000", "new": [1]}

    lab.give(lab.frame("trade", trade, sid=9), lab.frame("trade", trade, sid=9, seq=7), lab.frame("whatever", 5, sid=9))

    messages = [event for event in lab.events if hasattr(event, "body")]
    assert [message.type for message in messages] == ["trade", "trade", "whatever"]
    assert messages[0].body.extra == {"new": [1]}
    assert messages[2].body.msg == 5
    assert ChannelGap("trade") in lab.events
