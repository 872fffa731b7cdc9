"""RELIABILITY C12: whatever bytes come, frames are dropped by rule and the session goes on."""

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from apps.exchange.wire.schemas import FrameUnusable, Message, decode, report_unknown_to
from apps.exchange.wire.schemas.ws import MESSAGE_TYPES, OrderbookDelta, OrderbookSnapshot
from apps.exchange.wire.session import MAX_FRAME
from tests.exchange.wire.lab import Lab

TYPES = ["orderbook_delta", "orderbook_snapshot", "ok", "error", "subscribed", "unsubscribed", *MESSAGE_TYPES, "new"]
scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.just("0.5600")
anything = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4)
)
fields = st.sampled_from(
    [
        "market_ticker",
        "price_dollars",
        "delta_fp",
        "side",
        "ts_ms",
        "code",
        "sid",
        "channel",
        "yes_dollars_fp",
        "trade_id",
    ]
)
messages = st.fixed_dictionaries(
    {},
    optional={
        "type": st.sampled_from(TYPES) | anything,
        "sid": st.sampled_from([1, 1, 2]) | anything,
        "seq": st.integers(0, 9) | anything,
        "id": st.integers(0, 4) | anything,
        "msg": st.dictionaries(fields, st.sampled_from(["T1", "yes", "0.4200", "1.00", "-1.00"]) | anything) | anything,
    },
)
frames = st.binary(max_size=64) | anything.map(json.dumps).map(str.encode) | messages.map(json.dumps).map(str.encode)


@settings(max_examples=400, deadline=None)
@given(st.lists(frames, max_size=25))
def test_c12_no_sequence_of_frames_raises_or_shows_an_impossible_book(bytes_in: list[bytes]) -> None:
    lab = Lab().connect(["T1"])
    lab.give(lab.delta("T1", "yes", "0.4200", "10.00"))

    for frame in bytes_in:
        lab.session.receive(frame, recv_ms=lab.recv_ms)
        lab.later(0.3)

    view = lab.session.book("T1")
    if view is not None and view.is_live:
        assert not view.book.is_crossed
        assert all(count > 0 for side in (view.book.yes, view.book.no) for count in side.values())


DELTA = {"market_ticker": "T1", "price_dollars": "0.4200", "delta_fp": "1.00", "side": "yes"}


def delta(**changes: Any) -> bytes:
    msg = {name: value for name, value in (DELTA | changes).items() if value is not ...}
    return json.dumps({"type": "orderbook_delta", "sid": 1, "seq": 2, "msg": msg}).encode()


@pytest.mark.parametrize(
    ("frame", "reason"),
    [
        (b"", "json"),
        (b"{", "json"),
        (b"\xff\xfe{}", "json"),
        (b'{"type": NaN}', "json"),
        (b"[" * 100_000 + b"]" * 100_000, "json"),
        (b'{"a":' * 50_000 + b"1" + b"}" * 50_000, "json"),
        (b"[]", "shape"),
        (b"5", "shape"),
        (b"{}", "shape"),
        (b'{"type": 5}', "shape"),
        (b'{"type": "trade", "sid": 3}', "shape"),
        (b'{"type": "trade", "sid": 3, "msg": {"trade_id": "x"}}', "schema"),
        (b'{"type": "error", "id": "x", "msg": 5}', "schema"),
        (delta(side="maybe"), "schema"),
        (delta(side=...), "schema"),
        (delta(price_dollars=0.42), "schema"),
        (delta(delta_fp=None), "schema"),
    ],
    ids=lambda value: str(value)[:30],
)
def test_c12_a_frame_that_cannot_be_used_has_a_reason_and_is_counted(frame: bytes, reason: str) -> None:
    with pytest.raises(FrameUnusable) as caught:
        decode(frame)
    assert caught.value.reason == reason

    lab = Lab().connect()
    lab.give(frame)
    assert lab.session.counters[f"unusable_{reason}"] == 1
    lab.give(lab.delta("T1", "yes", "0.4200", "10.00"))
    lab.later(1.0)
    lab.assert_true("T1")


@pytest.mark.parametrize("text", ["NaN", "1e3", "0x10", "１.00", " 1.00", "+1.00", "1_0.00", "0.001", "9" * 30, "-"])
def test_c12_a_number_that_is_not_plain_costs_the_book_not_the_process(text: str) -> None:
    lab = Lab().connect()
    lab.answers = False

    lab.give(lab.frame("orderbook_delta", DELTA | {"delta_fp": text}))

    assert lab.session.state_of("T1") == ("stale", "waiting")
    assert lab.session.counters["corrupt"] == 1


def test_c12_a_huge_frame_is_dropped_unread() -> None:
    lab = Lab().connect()

    lab.give(b'{"type":"trade","msg":"' + b"x" * MAX_FRAME + b'"}')

    assert lab.session.counters["unusable_size"] == 1
    lab.assert_true("T1")


def test_c12_a_line_that_sends_only_rubbish_is_closed() -> None:
    lab = Lab().connect()
    lab.give(*[b"rubbish"] * 19)
    assert lab.close is None

    lab.give(b"rubbish")

    assert lab.close == "too many unreadable frames"


def test_c12_unknown_types_are_kept_whole_and_unknown_fields_reported_once() -> None:
    reported: list[tuple[str, str]] = []
    report_unknown_to(lambda kind, field: reported.append((kind, field)))
    try:
        for _ in range(3):
            message = decode(b'{"type":"block_trade_7","sid":4,"msg":{"a":[1]}}')
            assert isinstance(message, Message)
            assert message.body.msg == {"a": [1]}  # type: ignore[attr-defined]
            decode(b'{"type":"ticker","sid":4,"msg":{"market_ticker":"T","moon_phase_7":3}}')
        lab = Lab().connect()
        for _ in range(3):
            lab.give(lab.frame("orderbook_delta", DELTA | {"colour_7": "red", "ts_ms": lab.recv_ms, "market_id": "m"}))
            lab.later(1.5)
    finally:
        report_unknown_to(lambda kind, field: None)

    assert sorted(reported) == [
        ("Ticker", "moon_phase_7"),
        ("message type", "block_trade_7"),
        ("orderbook_delta", "colour_7"),
    ]


def test_the_exchanges_own_examples_decode(reference: Any) -> None:
    described = json.loads((reference / "kalshi-ws-messages.json").read_text())["messages"]
    decoded = 0
    for name, message in described.items():
        if message["direction"] != "server_to_client" or "wire_type" not in message:
            continue
        for example in message.get("examples", ()):
            if not isinstance(example, dict) or "type" not in example:
                continue
            value = decode(msgspec.json.encode(example))
            if isinstance(value, Message) and example["type"] in MESSAGE_TYPES:
                assert type(value.body) is MESSAGE_TYPES[example["type"]], name
                assert value.body.extra == {}, name
            elif example["type"].startswith("orderbook"):
                assert isinstance(value, OrderbookDelta | OrderbookSnapshot), name
            decoded += 1
    assert decoded >= 12
