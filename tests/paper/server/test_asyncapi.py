"""Every message of a scripted day is what the published AsyncAPI file says, and every message of the file occurs."""

import json
from collections import defaultdict
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx
import jsonschema
import pytest

from apps.paper.engine.ids import market_uuid
from apps.paper.testing import DAY_MS, DECI, EVENT, LINEAR, LINEAR_2, TAPERED, InProcessPaper, InProcessSocket
from tests.paper.server.asyncapi import (
    check_frame,
    documented_channels,
    documented_fields,
    example_commands,
    fields_of,
    kind_of,
    payloads,
)
from tests.paper.server.combos import COLLECTION, PAIR, list_collection
from tests.paper.server.orders import create

RFQS, QUOTES = "/communications/rfqs", "/communications/quotes"
GROUPS = "/portfolio/order_groups"

# Fields of the file that no message of this exchange has.
NEVER = {
    ("multivariate_market_lifecycle", field)
    for field in (
        # Steps that this channel does not tell (docs: market_lifecycle).
        "msg.floor_strike",
        "msg.yes_sub_title",
        # A combo has legs in place of a strike, and a grid that is none of the three that the file knows.
        "msg.additional_metadata.floor_strike",
        "msg.additional_metadata.cap_strike",
        "msg.price_level_structure",
    )
}


class Day:
    """Two members on all channels, a market maker, and what they were told."""

    def __init__(self) -> None:
        self.paper = InProcessPaper()
        self.sockets: dict[str, InProcessSocket] = {}
        self.told: dict[str, list[dict[str, Any]]] = defaultdict(list)

    @property
    def frames(self) -> list[dict[str, Any]]:
        return [frame for frames in self.told.values() for frame in frames]

    def take(self) -> None:
        for name, socket in self.sockets.items():
            self.told[name] += socket.take()

    def send(self, name: str, cmd: str, **params: Any) -> None:
        if name not in self.sockets:
            self.sockets[name] = self.paper.socket(name)
        self.told[name] += self.sockets[name].send(cmd, **params)

    def wait(self, seconds: int) -> None:
        self.paper.clock.step(seconds * 1000)
        self.paper.server.run_due()


def _subscribe(day: Day) -> None:
    markets = [LINEAR, DECI, TAPERED]
    for name in ("trader-1", "maker"):
        channels = [channel for channel in day.paper.server.hub.channels if channel != "ticker"]
        day.send(name, "subscribe", channels=channels, market_tickers=markets)
        ids = [market_uuid(ticker) for ticker in markets]
        day.send(name, "subscribe", channels=["ticker"], market_ids=ids, send_initial_snapshot=True)


def _commands(day: Day) -> None:
    """On a socket of its own: everything that a command can be answered with."""
    name = "trader-2"
    day.send(name, "subscribe", channels=["orderbook_delta", "nonsense"], market_ticker=LINEAR)
    day.send(name, "subscribe", channels=["ticker"], market_ids=[market_uuid(LINEAR)])
    day.send(name, "update_subscription", sid=1, action="add_markets", market_tickers=[DECI])
    day.send(name, "update_subscription", sid=1, action="get_snapshot", market_tickers=[DECI])
    day.send(name, "update_subscription", sid=2, action="add_markets", market_ids=[market_uuid(DECI)])
    day.send(name, "update_subscription", sid=1, action="delete_markets", market_tickers=["NONE"])
    day.send(name, "update_subscription", sid=2, action="add_markets", market_ids=[market_uuid("NONE")])
    day.send(name, "list_subscriptions")
    day.send(name, "unsubscribe", sids=[1, 2])
    day.told[name] += day.sockets[name].send_text("no json")


def _trade(day: Day, maker: httpx.Client, trader: httpx.Client) -> None:
    group = trader.post(f"{GROUPS}/create", json={"contracts_limit": 10, "subaccount": 1}).json()["order_group_id"]
    day.paper.exchange.deposit(day.paper.user_id("trader-1"), cents=50_000, subaccount=1)
    expiry = day.paper.clock.now_ms() // 1000 + 60
    grouped = {"subaccount": 1, "order_group_id": group}
    create(maker, side="ask", price="0.5600", count="20.00")
    create(maker, price="0.4100", count="2.50")
    create(trader, price="0.5600", count="3.25", expiration_time=expiry, **grouped)
    resting = create(trader, price="0.3000", expiration_time=expiry, **grouped).json()["order_id"]
    trader.post(
        f"/portfolio/events/orders/{resting}/amend?subaccount=1",
        json={"ticker": LINEAR, "side": "bid", "price": "0.3100", "count": "12.00"},
    )
    sale = {"ticker": LINEAR, "side": "yes", "action": "sell", "count": 1, "yes_price": 41}
    assert trader.post("/portfolio/orders", json=sale).status_code == 201
    trader.put(f"{GROUPS}/{group}/limit", json={"contracts_limit": 20})
    trader.put(f"{GROUPS}/{group}/trigger?subaccount=1", json={})
    trader.put(f"{GROUPS}/{group}/reset?subaccount=1", json={})
    create(trader, price="0.2000", expiration_time=expiry, **grouped)
    day.wait(61)
    trader.delete(f"{GROUPS}/{group}?subaccount=1")


def _negotiate(day: Day, maker: httpx.Client, trader: httpx.Client, combo: str) -> None:
    def ask(**body: Any) -> str:
        answer = trader.post(RFQS, json={"rest_remainder": False} | body)
        assert answer.status_code == 201, answer.text
        return str(answer.json()["id"])

    def offer(rfq: str) -> str:
        body = {"rfq_id": rfq, "yes_bid": "0.4200", "no_bid": "0.5000", "rest_remainder": False}
        answer = maker.post(QUOTES, json=body)
        assert answer.status_code == 201, answer.text
        return str(answer.json()["id"])

    for wanted in ({"contracts": 5}, {"target_cost_dollars": "2.00"}):
        quote = offer(ask(market_ticker=TAPERED, **wanted))
        assert trader.put(f"{QUOTES}/{quote}/accept", json={"accepted_side": "yes"}).status_code == 204
        assert maker.put(f"{QUOTES}/{quote}/confirm", json={}).status_code == 204
        day.wait(20)
    for wanted in ({"contracts": 5}, {"target_cost_dollars": "2.00"}):
        assert trader.delete(f"{RFQS}/{ask(market_ticker=combo, **wanted)}").status_code == 204


def _combine(day: Day, trader: httpx.Client) -> str:
    list_collection(day.paper)
    path = f"/multivariate_event_collections/{COLLECTION}"
    combo = str(trader.post(path, json=PAIR).json()["market_ticker"])
    assert trader.put(f"{path}/lookup", json=PAIR).status_code == 200
    return combo


def _live(day: Day, trader: httpx.Client, combo: str) -> None:
    """Markets from their listing to their settlement; the combo follows its legs."""
    exchange, now = day.paper.exchange, day.paper.clock.now_ms()
    event = replace(
        exchange.events[EVENT], ticker="KXTEST-31", strike_ms=now + DAY_MS, strike_period="day", market_tickers=[]
    )
    exchange.list_event(event)
    exchange.list_market(
        replace(
            exchange.markets[LINEAR],
            ticker="KXTEST-31-T4.5",
            event_ticker="KXTEST-31",
            market_id=market_uuid("KXTEST-31-T4.5"),
            strike_type="between",
            floor_strike=Decimal("4.5"),
            cap_strike=Decimal("5.5"),
            custom_strike={"round_digits": "2"},
            created_ms=now,
        )
    )
    exchange.update_metadata(LINEAR_2, yes_sub_title="Another", floor=Decimal("7.25"))
    moved = {"action": "close_at", "close_ms": now + 60_000}
    for step in ({"action": "pause"}, {"action": "resume"}, moved):
        day.paper.control("POST", "/market", {"ticker": combo} | step)
    for step in ({"action": "close_early"}, {"action": "determine", "result": "no"}):
        day.paper.control("POST", "/market", {"ticker": DECI} | step)
    assert trader.post(RFQS, json={"rest_remainder": False, "market_ticker": combo, "contracts": 1}).status_code == 201
    for step in (
        {"action": "pause"},
        {"action": "resume"},
        {"action": "grid", "structure": "deci_cent"},
        moved,
        {"action": "close_early"},
        {"action": "determine", "result": "yes"},
        {"action": "settle"},
    ):
        day.paper.control("POST", "/market", {"ticker": LINEAR} | step)
    day.wait(2 * 3600)


@pytest.fixture(scope="module")
def day() -> Day:
    day = Day()
    _subscribe(day)
    with day.paper.client("maker") as maker, day.paper.client("trader-1") as trader:
        _trade(day, maker, trader)
        combo = _combine(day, trader)
        _negotiate(day, maker, trader, combo)
        _commands(day)
        _live(day, trader, combo)
    day.take()
    return day


def test_every_message_of_the_day_is_what_the_file_says(day: Day, reference: Path) -> None:
    assert len(day.frames) > 100
    for frame in day.frames:
        check_frame(reference, frame)


def test_every_message_and_every_field_of_the_file_occurs(day: Day, reference: Path) -> None:
    seen: dict[str, set[str]] = defaultdict(set)
    for frame in day.frames:
        seen[kind_of(frame)] |= set(fields_of(frame))

    missing = {(kind, name) for kind in payloads(reference) for name in documented_fields(reference, kind) - seen[kind]}
    assert missing == NEVER


def test_every_value_of_an_enumeration_that_tells_a_step_occurs(day: Day, reference: Path) -> None:
    told: dict[str, set[str]] = defaultdict(set)
    for frame in day.frames:
        if "event_type" in frame.get("msg", ()):
            told[frame["type"]].add(frame["msg"]["event_type"])
    statuses = {frame["msg"]["status"] for frame in day.frames if frame["type"] == "user_order"}

    for kind in ("market_lifecycle_v2", "order_group_updates"):
        documented = payloads(reference)[kind]["properties"]["msg"]["properties"]["event_type"]["enum"]
        assert told[kind] == set(documented)
    assert statuses == {"resting", "canceled", "executed"}


def test_numbers_rise_by_one_on_every_numbered_subscription_and_others_have_none(day: Day) -> None:
    numbered = {"orderbook_snapshot", "orderbook_delta", "order_group_updates", "trade"}
    seqs: dict[tuple[str, int], list[int]] = defaultdict(list)
    for name, frames in day.told.items():
        for frame in frames:
            assert ("seq" in frame) == (frame["type"] in numbered or _acks(frame))
            if frame["type"] in numbered:
                seqs[name, frame["sid"]].append(frame["seq"])

    assert len(seqs) >= 5
    assert all(row == list(range(1, len(row) + 1)) for row in seqs.values())


def _acks(frame: dict[str, Any]) -> bool:
    return frame["type"] in ("ok", "unsubscribed") and "sid" in frame


def test_every_channel_of_the_file_is_offered(paper: InProcessPaper, reference: Path) -> None:
    assert set(paper.server.hub.channels) == documented_channels(reference)


def test_every_example_of_a_command_is_understood(paper: InProcessPaper, reference: Path) -> None:
    """Its markets and subscriptions are nobody's here, and that is all there is to refuse."""
    socket = paper.socket("trader-1")
    commands = example_commands(reference)
    assert {command["cmd"] for command in commands} == {
        "subscribe", "unsubscribe", "update_subscription", "list_subscriptions",
    }  # fmt: skip
    for command in commands:
        for frame in socket.send_text(json.dumps(command)):
            check_frame(reference, frame)
            assert frame["id"] == command["id"]
            if frame["type"] == "error":
                assert frame["msg"]["code"] in (6, 7, 16), (command, frame)


@pytest.mark.parametrize(
    ("kind", "spoil"),
    [
        ("fill", lambda msg: msg.pop("outcome_side")),
        ("fill", lambda msg: msg.update(trade_id="not a uuid")),
        ("user_order", lambda msg: msg.update(status="cancelled")),
        ("user_order", lambda msg: msg.update(created_ts_ms="1")),
        ("orderbook_delta", lambda msg: msg.update(ts="2026-01-01 00:00")),
        ("ticker", lambda msg: msg.update(volume=1)),
        ("market_lifecycle_v2", lambda msg: msg.update(event_type="reopened")),
        ("multivariate_market_lifecycle", lambda msg: msg.pop("market_ticker")),
        ("quote_created", lambda msg: msg.update(creator="x")),
    ],
)
def test_the_check_refuses_a_spoilt_message(day: Day, reference: Path, kind: str, spoil: Any) -> None:
    frame = json.loads(json.dumps(next(frame for frame in day.frames if frame["type"] == kind)))
    check_frame(reference, frame)

    spoil(frame["msg"])
    with pytest.raises((jsonschema.ValidationError, AssertionError)):
        check_frame(reference, frame)
