"""Every public error code of the WebSocket, from the condition that the documents name for it."""

import json
import uuid
from typing import Any

import pytest

from apps.paper.engine.events import TickerChanged
from apps.paper.engine.ids import market_uuid
from apps.paper.server.auth import AccessKey
from apps.paper.server.channels import Channel, check_shards
from apps.paper.server.hub import Hub
from apps.paper.server.messages import ERROR_TEXTS
from apps.paper.testing import DECI, LINEAR, LINEAR_2, InProcessPaper
from tests.paper.server.orders import create

# code -> the message that brings it about in the socket below: sid 1 a book of LINEAR, sid 2 fills, sid 3 RFQ-like.
PROVOKED: list[tuple[int, str, dict[str, Any]]] = [
    (1, "subscribe", {"channels": "ticker"}),
    (1, "subscribe", {"channels": ["ticker"], "shard_factor": "2"}),
    (1, "update_subscription", {"sid": "1", "action": "add_markets"}),
    (3, "subscribe", {}),
    (3, "subscribe", {"channels": []}),
    (4, "unsubscribe", {}),
    (4, "unsubscribe", {"sids": []}),
    (5, "", {"channels": ["ticker"]}),
    (5, "dance", {}),
    (6, "subscribe", {"channels": ["orderbook_delta"], "market_ticker": DECI}),
    (7, "unsubscribe", {"sids": [1, 99]}),
    (7, "update_subscription", {"sid": 99, "action": "add_markets", "market_ticker": DECI}),
    (8, "subscribe", {"channels": ["rumours"]}),
    (11, "subscribe", {"channels": ["ticker"], "market_id": "short"}),
    (11, "subscribe", {"channels": ["ticker"], "market_id": "z" * 36}),
    (11, "subscribe", {"channels": ["ticker"], "market_id": str(uuid.UUID(int=1)), "market_ticker": LINEAR}),
    (11, "subscribe", {"channels": ["ticker"], "market_id": str(uuid.UUID(int=1)), "market_ids": []}),
    (11, "subscribe", {"channels": ["ticker"], "market_ticker": LINEAR, "market_tickers": [DECI]}),
    (11, "subscribe", {"channels": ["market_positions"], "market_ids": [str(uuid.UUID(int=1))]}),
    (12, "update_subscription", {"action": "add_markets", "market_ticker": DECI}),
    (12, "update_subscription", {"sids": [1, 2], "action": "add_markets", "market_ticker": DECI}),
    (12, "update_subscription", {"sid": 1, "sids": [1], "action": "add_markets", "market_ticker": DECI}),
    (13, "update_subscription", {"sid": 1, "action": "explode", "market_ticker": DECI}),
    (13, "update_subscription", {"sid": 2, "action": "get_snapshot", "market_tickers": [LINEAR]}),
    (13, "update_subscription", {"sid": 2, "action": "add_markets", "market_ticker": LINEAR}),
    (14, "subscribe", {"channels": ["test_book"]}),
    (14, "update_subscription", {"sid": 1, "action": "add_markets"}),
    (14, "update_subscription", {"sid": 1, "action": "get_snapshot"}),
    (14, "update_subscription", {"sid": 1, "action": "get_snapshot", "market_ticker": LINEAR}),
    (15, "update_subscription", {"sid": 1}),
    (16, "subscribe", {"channels": ["ticker"], "market_ticker": "NONE"}),
    (16, "subscribe", {"channels": ["ticker"], "market_ids": [str(uuid.UUID(int=1))]}),
    (16, "update_subscription", {"sid": 1, "action": "add_markets", "market_tickers": [DECI, "NONE"]}),
    (19, "subscribe", {"channels": ["test_shards"], "shard_factor": 0}),
    (19, "subscribe", {"channels": ["test_shards"], "shard_factor": -1, "shard_key": 0}),
    (20, "subscribe", {"channels": ["test_shards"], "shard_key": 0}),
    (21, "subscribe", {"channels": ["test_shards"], "shard_factor": 4, "shard_key": 4}),
    (21, "subscribe", {"channels": ["test_shards"], "shard_factor": 4, "shard_key": -1}),
    (22, "subscribe", {"channels": ["test_shards"], "shard_factor": 101}),
]
# 2, 9, 10, 17 and 18 have tests of their own below; 25 is test_ws_connection: a reader that does not read.
ELSEWHERE = {2, 9, 10, 17, 18, 25}


def add_channels(paper: InProcessPaper) -> None:
    """Two channels for the rules that no channel of this file's author has: shards, and a second book."""
    for channel in (Channel("test_shards", check=check_shards), Channel("test_book", markets="required")):
        paper.server.hub.channels[channel.name] = channel


@pytest.mark.parametrize(("code", "cmd", "params"), PROVOKED, ids=lambda value: str(value)[:60])
def test_a_mistake_is_answered_with_its_code_and_changes_nothing(
    paper: InProcessPaper, code: int, cmd: str, params: dict[str, Any]
) -> None:
    add_channels(paper)
    socket = paper.socket("trader-1")
    socket.send("subscribe", channels=["orderbook_delta"], market_ticker=LINEAR)
    socket.send("subscribe", channels=["fill"])
    before = socket.send("list_subscriptions")[0]["msg"]

    frames = socket.send_text(json.dumps({"id": 7, "cmd": cmd, "params": params}))
    after = socket.send("list_subscriptions")[0]["msg"]

    assert [(frame["id"], frame["type"], frame["msg"]["code"]) for frame in frames] == [(7, "error", code)]
    assert frames[0]["msg"]["msg"] == ERROR_TEXTS[code]
    assert after == before


def test_every_documented_code_is_provoked_here_or_has_its_own_test(reference: Any) -> None:
    document = json.loads((reference / "kalshi-ws-messages.json").read_text())
    documented = {row["code"]: row["msg"] for row in document["error_codes"]}

    assert documented == ERROR_TEXTS
    assert {code for code, _, _ in PROVOKED} | ELSEWHERE == set(documented)


@pytest.mark.parametrize("cmd", ["subscribe", "unsubscribe", "update_subscription"])
@pytest.mark.parametrize("params", [{}, {"params": None}])
def test_a_command_without_params_is_code_2(paper: InProcessPaper, cmd: str, params: dict[str, Any]) -> None:
    frames = paper.socket("trader-1").send_text(json.dumps({"id": 3, "cmd": cmd} | params))

    assert frames == [{"id": 3, "type": "error", "msg": {"code": 2, "msg": "Params required"}}]


@pytest.mark.parametrize("text", ["no json", "[1]", '"text"', '{"id":"4","cmd":"subscribe"}', '{"id":1.5}'])
def test_what_is_no_command_is_code_1_without_an_id(paper: InProcessPaper, text: str) -> None:
    frames = paper.socket("trader-1").send_text(text)

    assert frames == [{"type": "error", "msg": {"code": 1, "msg": "Unable to process message"}}]


def test_bytes_that_are_no_text_are_code_1(paper: InProcessPaper) -> None:
    socket = paper.socket("trader-1")
    socket.session.receive(b"\xff\xfe")

    assert [frame["msg"]["code"] for frame in socket.take()] == [1]


@pytest.mark.parametrize("command_id", [0, -4])
def test_an_id_of_zero_is_as_if_there_was_none(paper: InProcessPaper, command_id: int) -> None:
    socket = paper.socket("trader-1")

    answers = socket.send_text(json.dumps({"id": command_id, "cmd": "subscribe", "params": {"channels": ["fill"]}}))
    answers += socket.send_text(json.dumps({"id": command_id, "cmd": "dance"}))

    assert [frame["type"] for frame in answers] == ["subscribed", "error"]
    assert all("id" not in frame for frame in answers)


def test_an_error_about_a_market_names_it_as_the_command_did(paper: InProcessPaper) -> None:
    socket, unknown = paper.socket("trader-1"), str(uuid.UUID(int=1))

    by_ticker = socket.send("subscribe", channels=["ticker"], market_tickers=[LINEAR, "NONE"])[0]["msg"]
    by_id = socket.send("subscribe", channels=["ticker"], market_ids=[market_uuid(LINEAR), unknown])[0]["msg"]

    assert (by_ticker["market_ticker"], "market_id" in by_ticker) == ("NONE", False)
    assert (by_id["market_id"], "market_ticker" in by_id) == (unknown, False)


def test_a_private_channel_wants_read_access_and_a_public_one_does_not(paper: InProcessPaper) -> None:
    """No key of the exchange lacks `read` at 3.18.0; the rule is the channel's all the same."""
    key = paper.server.core.keys.get(paper.key_id("trader-1"))
    assert key is not None
    sent: list[str] = []

    def deliver(text: str, *, delay_ms: int = 0) -> None:
        sent.append(text)

    blind = AccessKey(key.key_id, key.user_id, key.name, (), key.public_key)
    session = paper.server.open_session(blind, deliver)
    private = ["orderbook_delta", "fill", "user_orders", "market_positions", "order_group_updates"]
    params = {"channels": [*private, "ticker", "trade", "market_lifecycle_v2"], "market_ticker": LINEAR}
    session.receive(json.dumps({"id": 1, "cmd": "subscribe", "params": params}))

    answers = [json.loads(text) for text in sent]
    assert [answer["msg"].get("code") for answer in answers] == [9] * 5 + [None] * 3


# --- what breaks down inside -------------------------------------------------------------------------
def _breaks(hub: Hub, *_: Any) -> None:
    raise RuntimeError("the channel is down")


def test_a_channel_that_cannot_start_is_code_10_and_no_subscription(paper: InProcessPaper) -> None:
    paper.server.hub.channels["test_broken"] = Channel(
        "test_broken", markets="optional", send_state=_breaks, state_at_start=True
    )
    socket = paper.socket("trader-1")

    frames = socket.send("subscribe", channels=["test_broken", "fill"])

    assert [frame["type"] for frame in frames] == ["subscribed", "error", "subscribed"]
    assert (frames[1]["id"], frames[1]["msg"]) == (1, {"code": 10, "msg": "Channel error"})
    assert socket.send("list_subscriptions")[0]["msg"] == [{"channel": "fill", "sid": 2}]


def test_a_channel_that_breaks_while_running_ends_alone_and_the_order_stands(paper: InProcessPaper) -> None:
    hub = paper.server.hub
    broken = Channel("test_broken", on={TickerChanged: _breaks})
    paper.server.hub = replacement = Hub(
        catalogue=hub.catalogue, faults=hub.faults, clock=hub.clock, channels=[*hub.channels.values(), broken]
    )
    paper.exchange.unsubscribe(hub.on_event)
    paper.exchange.subscribe(replacement.on_event)
    socket = paper.socket("trader-1")
    socket.send("subscribe", channels=["test_broken", "ticker"])

    with paper.client("maker") as maker:
        create(maker)
        create(maker, price="0.5100")
    frames = socket.take()

    assert [frame["type"] for frame in frames] == ["ticker", "error", "ticker"]
    assert frames[1]["msg"]["code"] == 10
    assert socket.send("list_subscriptions")[0]["msg"] == [{"channel": "ticker", "sid": 2}]


def test_an_unforeseen_failure_is_code_17_and_the_session_goes_on(
    paper: InProcessPaper, monkeypatch: pytest.MonkeyPatch
) -> None:
    socket = paper.socket("trader-1")
    monkeypatch.setattr(paper.server.catalogue, "market", lambda ticker: 1 // 0)

    frames = socket.send("subscribe", channels=["ticker"], market_ticker=LINEAR)
    monkeypatch.undo()

    assert frames == [{"id": 1, "type": "error", "msg": {"code": 17, "msg": "Internal error"}}]
    assert socket.send("subscribe", channels=["ticker"], market_ticker=LINEAR)[0]["type"] == "subscribed"


@pytest.mark.parametrize("code", [9, 10, 17, 18])
def test_control_makes_a_command_fail_before_or_after_it_was_done(paper: InProcessPaper, code: int) -> None:
    socket, other = paper.socket("trader-1"), paper.socket("trader-2")
    fault = {"code": code, "member": "trader-1", "cmd": "subscribe"}

    paper.control("POST", "/ws/command_fault", fault)
    untouched = other.send("subscribe", channels=["fill"])
    before = socket.send("subscribe", channels=["orderbook_delta"], market_ticker=LINEAR)
    paper.control("POST", "/ws/command_fault", fault | {"when": "after"})
    after = socket.send("subscribe", channels=["orderbook_delta"], market_ticker=LINEAR_2)

    assert [frame["type"] for frame in untouched] == ["subscribed"]
    assert [(frame["type"], frame["msg"].get("code")) for frame in before] == [("error", code)]
    # Done, but told as an error: the book comes all the same.
    assert [(frame["type"], frame["msg"].get("code")) for frame in after] == [
        ("orderbook_snapshot", None),
        ("error", code),
    ]
    assert socket.send("list_subscriptions")[0]["msg"] == [{"channel": "orderbook_delta", "sid": 1}]


def test_a_command_fault_of_an_unknown_code_is_refused(paper: InProcessPaper) -> None:
    assert paper.control_response("POST", "/ws/command_fault", {"code": 23}).status == 400
    paper.control("POST", "/ws/command_fault", {"code": 18, "count": 5})
    paper.control("POST", "/faults/clear")

    assert paper.socket("trader-1").send("subscribe", channels=["fill"])[0]["type"] == "subscribed"
