"""The socket and the hub over a real Redis: who may, what arrives, what an outage looks like."""

import asyncio
import json
import threading
import time
from dataclasses import replace
from typing import Any

import pytest
from asgiref.sync import sync_to_async

from apps.core import ports
from apps.core.errors import DeskError
from apps.core.permissions import Permission
from apps.exchange import live
from apps.web import client as client_module
from apps.web import consumers, hub
from tests.web.support import Browser, eventually, make_account, make_member, sign_in

pytestmark = [pytest.mark.anyio, pytest.mark.django_db(transaction=True)]
BOOK = "book:paper:KX-1"


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same rules at a shorter beat, so that no test waits for seconds."""
    monkeypatch.setattr(hub, "WATCH_SECONDS", 0.02)
    monkeypatch.setattr(hub, "BEAT_SECONDS", 0.05)
    monkeypatch.setattr(hub, "INTEREST_SECONDS", 0.1)
    monkeypatch.setattr(consumers, "RECHECK_SECONDS", 0.1)


@pytest.fixture
def registry(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Topics and commands of this test only; `rows` is the state of the topic things:<account>."""
    state: dict[str, Any] = {"rows": {}, "calls": []}

    def echo(actor: Any, params: Any) -> dict[str, Any]:
        state["calls"].append((actor, params))
        if params.get("refuse"):
            raise DeskError("off_grid", "Use 52 cents.", fields={"price": "52 or 53"})
        if params.get("fail"):
            raise RuntimeError("secret detail")
        return {"said": params.get("say")}

    monkeypatch.setattr(
        ports,
        "topics",
        {
            "book": ports.Topic("book", Permission.DESK_VIEW, "environment", "whole"),
            "status": ports.Topic("status", Permission.DESK_VIEW, "environment", "whole"),
            "tickers": ports.Topic("tickers", Permission.DESK_VIEW, "environment", "rows"),
            "things": ports.Topic(
                "things", Permission.DESK_VIEW, "account", "rows", state=lambda topic: {"rows": dict(state["rows"])}
            ),
            "secrets": ports.Topic("secrets", Permission.VAULT_VIEW, "account", "whole"),
        },
    )
    monkeypatch.setattr(ports, "commands", {"echo": ports.Command("echo", Permission.ORDER_PLACE, echo)})
    return state


class Gateway:
    """Stands for the gateway: its heartbeat and what it publishes."""

    def __init__(self, redis: Any) -> None:
        self.redis = redis

    def beat(self, *, age_ms: int = -3_600_000) -> None:
        # By default a beat of the future: it stays good for the whole test.
        self.redis.set(live.HEARTBEAT_PREFIX + "paper", time.time_ns() // 1_000_000 - age_ms)

    def book(self, yes: str, *, topic: str = BOOK) -> None:
        value = {"ticker": topic.split(":")[2], "yes": [[yes, "1.00"]], "no": [], "state": "live", "why": ""}
        version = live.next_version()
        self.redis.hset(live.STATE, topic, json.dumps([version, value]))
        self.redis.publish(live.CHANNEL, json.dumps([[topic, version, value]]))

    def rows(self, topic: str, rows: dict[str, Any]) -> None:
        self.redis.publish(live.CHANNEL, json.dumps([[topic, live.next_version(), {"rows": rows}]]))


@pytest.fixture
def gateway(live_redis: Any) -> Gateway:
    running = Gateway(live_redis)
    running.beat()
    return running


def best_bid(heard: dict[str, Any]) -> str | None:
    return heard["d"]["yes"][-1][0] if heard.get("topic") == BOOK and heard["d"]["yes"] else None


@sync_to_async
def member(**kwargs: Any) -> Any:
    membership = make_member(**kwargs)
    return membership, sign_in(membership.user)


async def opened(membership: Any, session: Any) -> Browser:
    browser = Browser(membership.user, session)
    await browser.open()
    return browser


@pytest.fixture
async def trader(registry: Any, gateway: Gateway) -> Any:
    browser = await opened(*await member())
    yield browser
    await browser.close()


# --- frames ------------------------------------------------------------------------------------
async def test_a_subscriber_gets_the_state_and_then_each_newer_frame(trader: Browser, gateway: Gateway):
    gateway.book("0.4100")

    await trader.send({"cmd": "subscribe", "topics": [BOOK]})
    first = await trader.frame(BOOK)
    gateway.book("0.4200")
    second = await trader.frame(BOOK)

    assert first["d"]["yes"] == [["0.4100", "1.00"]]
    assert second["d"]["yes"] == [["0.4200", "1.00"]]
    assert second["v"] > first["v"]


async def test_a_book_that_nobody_has_received_yet_is_stale_in_words(trader: Browser):
    await trader.send({"cmd": "subscribe", "topics": [BOOK]})

    frame = await trader.frame(BOOK)

    assert frame["d"]["state"] == "stale"
    assert "waiting" in frame["d"]["why"]


async def test_rows_start_with_everything_and_go_on_by_key(trader: Browser, registry: Any, gateway: Gateway):
    account = await sync_to_async(make_account)()
    topic = f"things:{account.pk}"
    registry["rows"] = {"a": {"v": 1}}

    await trader.send({"cmd": "subscribe", "topics": [topic]})
    first = await trader.frame(topic)
    gateway.rows(topic, {"b": {"v": 1}, "a": None})
    second = await trader.frame(topic)

    assert first["d"] == {"rows": {"a": {"v": 1}}, "all": True}
    assert second["d"] == {"rows": {"b": {"v": 1}, "a": None}}


async def test_who_asked_before_redis_was_there_gets_the_state_once(registry: Any, gateway: Gateway, monkeypatch: Any):
    account = await sync_to_async(make_account)()
    topic = f"things:{account.pk}"
    registry["rows"] = {"a": {"v": 1}}
    listen, may_listen = hub.Hub._listen, asyncio.Event()
    readings = []

    def read(name: Any) -> dict[str, Any]:
        readings.append(name)
        return {"rows": dict(registry["rows"])}

    async def late(self: hub.Hub) -> None:
        await may_listen.wait()
        await listen(self)

    ports.topics["things"] = replace(ports.topics["things"], state=read)
    monkeypatch.setattr(hub.Hub, "_listen", late)
    monkeypatch.setattr(hub, "ATTACH_SECONDS", 3_600.0)
    browser = await opened(*await member())
    await browser.send({"cmd": "subscribe", "topics": [topic]})
    kept = hub.hub_of_loop()
    await eventually(lambda: topic in kept._subscribers)
    may_listen.set()
    first = await browser.frame(topic)
    gateway.rows(topic, {"b": {"v": 1}})
    second = await browser.frame(topic)
    await browser.close()

    assert first["d"] == {"rows": {"a": {"v": 1}}, "all": True}
    assert second["d"] == {"rows": {"b": {"v": 1}}}
    assert len(readings) == 1


async def test_after_unsubscribing_nothing_more_comes(trader: Browser, gateway: Gateway):
    await trader.ask(cmd="subscribe", topics=[BOOK, "book:paper:KX-2"])
    await trader.ask(cmd="unsubscribe", topics=[BOOK])
    trader.seen.clear()

    gateway.book("0.4300")
    gateway.book("0.4400", topic="book:paper:KX-2")
    await trader.frame("book:paper:KX-2")

    assert not [heard for heard in trader.seen if heard.get("topic") == BOOK]


async def test_heartbeats_come_without_anything_else(trader: Browser):
    first = await trader.until(lambda heard: "hb" in heard)
    second = await trader.until(lambda heard: "hb" in heard)

    assert second["hb"] > first["hb"]


async def test_interest_is_announced_at_once_and_kept_up(trader: Browser, gateway: Gateway):
    listener = gateway.redis.pubsub(ignore_subscribe_messages=True)
    listener.subscribe(live.INTEREST)
    listener.get_message(timeout=60)  # that it listens

    begun = time.time() * 1000
    await trader.ask(cmd="subscribe", topics=[BOOK, "status:paper"])

    announced = await eventually(lambda: listener.get_message(timeout=0.01))
    assert announced["data"].decode() == BOOK
    score = gateway.redis.zscore(live.INTEREST, BOOK)
    assert begun - 1 <= score <= time.time() * 1000 + 1
    await eventually(lambda: gateway.redis.zscore(live.INTEREST, BOOK) > score)
    assert gateway.redis.zscore(live.INTEREST, "status:paper") is None
    listener.close()


# --- outages -----------------------------------------------------------------------------------
async def test_a_silent_gateway_is_down_within_three_seconds_and_its_return_is_seen(trader: Browser, gateway: Gateway):
    gateway.book("0.4100")
    await trader.ask(cmd="subscribe", topics=[BOOK, "status:paper"])
    gateway.beat(age_ms=hub.SILENCE_MS + 600)  # 3 s in all

    down = await trader.until(lambda heard: heard.get("topic") == BOOK and heard["d"]["state"] == "down")
    feed = await trader.until(lambda heard: heard.get("topic") == "status:paper" and heard["d"]["feed"] == "down")
    assert down["d"]["yes"] == [["0.4100", "1.00"]]
    assert "gateway" in down["d"]["why"]
    assert "gateway" in feed["d"]["why"]

    gateway.beat()
    back = await trader.until(lambda heard: heard.get("topic") == BOOK and heard["d"]["state"] == "live")
    assert back["v"] > down["v"]


async def test_an_outage_of_redis_is_said_and_afterwards_everything_is_sent_again(
    trader: Browser, gateway: Gateway, redis_process: Any, registry: Any
):
    account = await sync_to_async(make_account)()
    topic = f"things:{account.pk}"
    gateway.book("0.4100")
    await trader.ask(cmd="subscribe", topics=[BOOK, topic])

    redis_process.stop()
    await trader.until(lambda heard: heard.get("topic") == BOOK and heard["d"]["state"] == "down")
    registry["rows"] = {"missed": {"v": 1}}
    await sync_to_async(redis_process.start)()
    gateway.beat()

    again = await trader.until(lambda heard: heard.get("topic") == topic and "missed" in heard["d"]["rows"])
    assert again["d"]["all"] is True


async def test_a_slow_browser_stalls_nobody_else(
    trader: Browser, gateway: Gateway, registry: Any, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(client_module, "WINDOW", 4_000)
    monkeypatch.setattr(client_module, "PROBE", 1_000)
    # However long the machine takes for the two hundred steps, `slow` is not given up meanwhile.
    monkeypatch.setattr(client_module, "STALL_SECONDS", 3_600.0)
    slow = await opened(*await member(name="slow"))
    await slow.ask(cmd="subscribe", topics=[BOOK])
    await trader.ask(cmd="subscribe", topics=[BOOK])

    # `slow` reads nothing and acknowledges nothing while the others go on.
    for step in range(200):
        gateway.book(f"0.{1000 + step}")
        await trader.until(lambda heard, price=f"0.{1000 + step}": best_bid(heard) == price)

    sent = [await slow.socket.receive_output(1) for _ in range(slow.socket.output_queue.qsize())]
    assert sum(len(event["text"]) for event in sent) < 8_000
    heard = [json.loads(event["text"]) for event in sent]
    parts = [part for one in heard for part in (one if isinstance(one, list) else [one])]
    await slow.socket.send_json_to({"ack": max(part["hb"] for part in parts if "hb" in part)})
    await slow.until(lambda heard: best_bid(heard) == "0.1199")
    await slow.close()


# --- commands ----------------------------------------------------------------------------------
async def test_a_command_runs_as_the_person_and_answers(trader: Browser, registry: Any):
    answer = await trader.ask(cmd="echo", params={"say": "hello"})

    assert answer["ok"] == {"said": "hello"}
    [(actor, params)] = registry["calls"]
    assert actor.roles == {"trader"}
    assert params == {"say": "hello"}


async def test_i19_a_command_does_not_wait_for_what_others_read(
    trader: Browser, registry: Any, monkeypatch: pytest.MonkeyPatch
):
    reading, ran, outcome = threading.Event(), threading.Event(), []

    def long_list(topic: Any) -> dict[str, Any]:
        reading.set()
        outcome.append(ran.wait(30))  # a list of thousands of rows, read for another tab, ends after the command
        return {"rows": {}}

    def order(actor: Any, params: Any) -> dict[str, Any]:
        ran.set()
        return {}

    slow = ports.Topic("slow", Permission.DESK_VIEW, "environment", "rows", state=long_list)
    monkeypatch.setitem(ports.topics, "slow", slow)
    monkeypatch.setitem(ports.commands, "order", ports.Command("order", Permission.ORDER_PLACE, order))
    other = await opened(*await member(name="other"))

    sent = await other.send({"cmd": "subscribe", "topics": ["slow:paper"]})
    await eventually(reading.is_set)
    assert (await trader.ask(cmd="order"))["ok"] == {}
    await other.until(lambda heard: heard.get("id") == sent)

    assert set(outcome) == {True}
    await other.close()


async def test_a_refusal_comes_with_its_words(trader: Browser):
    answer = await trader.ask(cmd="echo", params={"refuse": True})

    assert answer["error"] == {"code": "off_grid", "text": "Use 52 cents.", "fields": {"price": "52 or 53"}}


async def test_a_fault_says_nothing_of_its_inside_and_the_socket_lives(trader: Browser):
    answer = await trader.ask(cmd="echo", params={"fail": True})

    assert answer["error"]["code"] == "fault"
    assert "secret" not in json.dumps(answer)
    assert (await trader.ask(cmd="echo", params={"say": 1}))["ok"] == {"said": 1}


@pytest.mark.parametrize(
    ("message", "code"),
    [
        ({"cmd": "order.steal"}, "unknown_command"),
        ({"cmd": ""}, "unknown_command"),
        ({"cmd": "subscribe", "topics": ["nonsense"]}, "bad_value"),
        ({"cmd": "subscribe", "topics": ["unknown:paper"]}, "not_found"),
        ({"cmd": "subscribe", "topics": ["book:mars:KX-1"]}, "not_found"),
        ({"cmd": "subscribe", "topics": ["things:x1"]}, "not_found"),
        ({"cmd": "subscribe", "topics": ["things:99999"]}, "not_found"),
        ({"cmd": "subscribe", "topics": [f"book:paper:K{n}" for n in range(301)]}, "too_many_topics"),
    ],
)
async def test_what_cannot_be_done_is_refused_in_words(trader: Browser, message: dict[str, Any], code: str):
    answer = await trader.ask(**message)

    assert answer["error"]["code"] == code
    assert answer["error"]["text"]


@pytest.mark.parametrize("text", [" ", "[", "[1]", '"x"', '{"id":"x"}', '{"params":3}', '{"topics":[1]}', "[" * 5_000])
async def test_unreadable_messages_are_refused_and_the_socket_lives(trader: Browser, text: str):
    await trader.socket.send_to(text_data=text)

    refused = await trader.until(lambda heard: "error" in heard)

    assert refused["error"]["code"] == "bad_message"
    assert "ok" in await trader.ask(cmd="ping", at=1)


async def test_a_ping_gives_the_servers_clock(trader: Browser):
    begun = time.time() * 1000
    answer = await trader.ask(cmd="ping", at=12.5)

    assert answer["ok"]["at"] == 12.5
    assert begun - 1 <= answer["ok"]["server_ms"] <= time.time() * 1000 + 1


async def test_a_message_too_large_closes_the_socket(trader: Browser):
    await trader.socket.send_to(text_data='{"cmd":"' + "x" * 40_000 + '"}')

    assert await trader.closed() == 1009


async def test_a_flood_closes_the_socket(trader: Browser, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(consumers, "RATE", 0.0)  # however long this machine takes to send them
    for _ in range(consumers.BURST + 50):
        await trader.socket.send_json_to({"ack": 1})

    assert await trader.closed() == 4429


# --- rights ------------------------------------------------------------------------------------
async def test_nobody_signed_in_is_told_to_sign_in(registry: Any, gateway: Gateway):
    browser = Browser(None, None)
    await browser.open()

    assert await browser.closed() == 4401
    await browser.close()


async def test_h3_a_viewer_watches_but_cannot_trade(registry: Any, gateway: Gateway):
    browser = await opened(*await member(name="vera", roles=("viewer",)))

    refused = await browser.ask(cmd="echo", params={"say": "buy"})

    assert refused["error"]["code"] == "not_allowed"
    assert registry["calls"] == []
    assert "ok" in await browser.ask(cmd="subscribe", topics=[BOOK])
    await browser.close()


async def test_another_desks_account_and_a_topic_above_ones_rights_do_not_exist(trader: Browser):
    mine = await sync_to_async(make_account)()
    theirs = await sync_to_async(make_account)(desk="south", name="Theirs")

    for topic in (f"things:{theirs.pk}", f"secrets:{mine.pk}"):
        answer = await trader.ask(cmd="subscribe", topics=[topic])
        assert answer["error"]["code"] == "not_found"


async def test_a_role_lowered_a_moment_ago_counts_for_the_next_message(registry: Any, gateway: Gateway):
    membership, session = await member(name="tom")
    browser = await opened(membership, session)
    assert "ok" in await browser.ask(cmd="echo", params={})

    membership.roles = ["viewer"]
    await membership.asave()

    assert (await browser.ask(cmd="echo", params={}))["error"]["code"] == "not_allowed"
    await browser.close()


@pytest.mark.parametrize("ended", ["session", "membership", "user"])
async def test_a_right_that_ends_while_the_tab_is_open_closes_its_socket(registry: Any, gateway: Gateway, ended: str):
    membership, session = await member(name="uma")
    browser = await opened(membership, session)
    await browser.ask(cmd="subscribe", topics=[BOOK])

    if ended == "session":
        await sync_to_async(session.flush)()
    elif ended == "membership":
        membership.is_active = False
        await membership.asave()
    else:
        membership.user.is_active = False
        await membership.user.asave()

    # Nothing is sent by the browser: the socket finds out by itself.
    assert await browser.closed() in (4401, 4403)
    await browser.close()


async def test_who_sees_no_amounts_gets_the_markets_alone_also_on_an_open_socket(
    registry: Any, gateway: Gateway, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(consumers, "RECHECK_SECONDS", 600.0)  # its own look would close it meanwhile
    ports.topics["book"] = ports.Topic("book", Permission.MARKET_VIEW, "environment", "whole")
    membership, session = await member(name="vera", roles=("viewer",))
    account = await sync_to_async(make_account)()
    own = f"things:{account.pk}"
    browser = await opened(membership, session)
    assert (await browser.ask(cmd="subscribe", topics=[BOOK, own]))["ok"]["topics"] == [BOOK, own]

    membership.desk.hides_amounts = True
    await membership.desk.asave()

    # From the next message on; and what was watched before goes at the socket's own next look, which closes it.
    assert (await browser.ask(cmd="subscribe", topics=[BOOK, own]))["ok"]["topics"] == [BOOK]
    assert "error" in await browser.ask(cmd="echo", say="hello")
    assert registry["calls"] == []
    await browser.close()
