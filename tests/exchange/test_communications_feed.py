"""The gateway's communications: accepted quotes pass the stream, and both connections deliver."""

import asyncio
import threading
from typing import Any

import msgspec
import pytest
from websockets.asyncio.server import ServerConnection, serve

from apps.core import ports
from apps.core.ports import FeedContext
from apps.exchange.gateway import reconciling
from apps.exchange.gateway.communications_feed import LANE, CommunicationsFeed
from apps.exchange.gateway.inbox import Inbox
from apps.exchange.gateway.threads import Threads
from apps.exchange.wire.events import Connected, Output
from apps.exchange.wire.schemas.decode import Message, decode
from apps.exchange.wire.session import Session
from tests.support.desk import PATIENCE

pytestmark = pytest.mark.django_db(transaction=True)


def message(kind: str, **fields: str) -> Message:
    found = decode(msgspec.json.encode({"type": kind, "sid": 1, "msg": fields}))
    assert isinstance(found, Message)
    return found


def rfq(number: int) -> Message:
    return message("rfq_created", id=f"r{number}", market_ticker="T")


ACCEPTED = message(
    "quote_accepted", quote_id="q", rfq_id="r", market_ticker="T", yes_bid_dollars="1", no_bid_dollars="0"
)
EXECUTED = message("quote_executed", quote_id="q", rfq_id="r", market_ticker="T", order_id="o")


@pytest.fixture
def heard(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Register handlers that note what they get, and hold the inbox's handler until it is let go."""
    notes: dict[str, Any] = {
        "urgent": threading.Event(),
        "stream": [],
        "inbox": [],
        "read": [],
        "let_go": threading.Event(),
    }

    def executed(_: FeedContext, messages: list[Any]) -> None:
        notes["let_go"].wait(PATIENCE)
        notes["inbox"] += messages

    monkeypatch.setattr(ports, "urgent_handlers", {"quote_accepted": [lambda _, body: notes["urgent"].set()]})
    monkeypatch.setattr(ports, "stream_takers", {"rfq_created": [lambda _, bodies: notes["stream"].extend(bodies)]})
    monkeypatch.setattr(ports, "feed_handlers", {"quote_executed": [executed]})
    monkeypatch.setattr(ports, "communications_reconcilers", [notes["read"].append])
    return notes


class Unsigned:
    def headers(self, method: str, path: str, timestamp_ms: int) -> dict[str, str]:
        return {"KALSHI-ACCESS-KEY": "k"}


class Scene:
    """A feed without its sockets."""

    def __init__(self, *, takes_stream: bool) -> None:
        self.threads = Threads()
        self.inbox = Inbox(self.threads, on_loss=lambda account_id: None)
        self.feed = CommunicationsFeed(
            7,
            "paper",
            hosts=["ws://127.0.0.1:1"],
            signer=None,
            inbox=self.inbox,
            threads=self.threads,
            takes_stream=takes_stream,
        )


def test_an_accept_runs_while_the_inbox_is_stuck_behind_other_messages(heard: dict[str, Any]) -> None:
    async def play() -> bool:
        scene = Scene(takes_stream=True)
        inbox = asyncio.create_task(scene.inbox.run())
        scene.feed._deliver_all(Output(events=[EXECUTED, *map(rfq, range(500)), ACCEPTED]))
        passed = await asyncio.to_thread(heard["urgent"].wait, PATIENCE)
        stuck = not heard["inbox"]
        heard["let_go"].set()
        inbox.cancel()
        scene.threads.stop()
        await asyncio.to_thread(scene.threads.join)
        return passed and stuck

    assert asyncio.run(play())
    assert len(heard["stream"]) == 500


def test_an_accept_is_heard_behind_ten_thousand_requests_on_the_other_connection(heard: dict[str, Any]) -> None:
    """RELIABILITY E4: two real sockets; on the one of the stream the accept would stand behind 10,000 requests."""

    async def play() -> bool:
        behind = asyncio.Event()

        async def talk(socket: ServerConnection) -> None:
            asked = msgspec.json.decode(await socket.recv())
            is_lane = "shard_factor" in asked["params"]
            done = {"id": asked["id"], "type": "subscribed", "msg": {"channel": "communications", "sid": 1}}
            await socket.send(msgspec.json.encode(done).decode())
            if not is_lane:
                for number in range(10_000):
                    request = {"type": "rfq_created", "sid": 1, "msg": {"id": f"r{number}", "market_ticker": "T"}}
                    await socket.send(msgspec.json.encode(request).decode())
                await behind.wait()  # the accept stands behind them: here it never comes
            accepted = {"type": "quote_accepted", "sid": 1, "msg": msgspec.to_builtins(ACCEPTED.body)}
            await socket.send(msgspec.json.encode(accepted).decode())
            await behind.wait()

        async with serve(talk, "127.0.0.1", 0, ping_interval=None, close_timeout=0.1) as server:
            scene = Scene(takes_stream=True)
            port = server.sockets[0].getsockname()[1]
            scene.feed = CommunicationsFeed(
                7,
                "paper",
                hosts=[f"ws://127.0.0.1:{port}"],
                signer=Unsigned(),
                inbox=scene.inbox,
                threads=scene.threads,
                takes_stream=True,
            )
            running = asyncio.create_task(scene.feed.run())
            passed = await asyncio.to_thread(heard["urgent"].wait, PATIENCE)
            behind.set()
            running.cancel()
            await asyncio.wait([running])
            scene.threads.stop()
            await asyncio.to_thread(scene.threads.join)
            return passed

    assert asyncio.run(play())


def test_only_one_account_brings_the_stream_and_the_lane_never_does(heard: dict[str, Any]) -> None:
    async def play() -> None:
        for takes_stream in (False, True):
            scene = Scene(takes_stream=takes_stream)
            scene.feed._deliver_lane(Output(events=[rfq(1)]))
            scene.feed._deliver_all(Output(events=[rfq(2)]))
            scene.threads.stop()

    asyncio.run(play())

    assert [body.id for body in heard["stream"]] == ["r2"]


def test_a_handler_that_fails_leads_to_a_reading(heard: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_: FeedContext, body: Any) -> None:
        raise RuntimeError("on purpose")

    monkeypatch.setattr(ports, "urgent_handlers", {"quote_accepted": [fail]})

    async def play() -> bool:
        scene = Scene(takes_stream=False)
        scene.feed._deliver_lane(Output(events=[ACCEPTED]))
        async with asyncio.timeout(PATIENCE):
            await scene.feed._reconciling.wanted.wait()
        scene.threads.stop()
        return True

    assert asyncio.run(play())


def test_a_connect_is_followed_by_a_reading(heard: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reconciling, "SUBSCRIBED_WITHIN", 0)  # nobody will: there is no socket
    was_read = threading.Event()
    ports.communications_reconcilers.append(lambda account_id: was_read.set())

    async def play() -> None:
        scene = Scene(takes_stream=False)
        scene.feed._deliver_all(Output(events=[Connected()]))
        reading = asyncio.create_task(scene.feed._reconciling.run())
        assert await asyncio.to_thread(was_read.wait, PATIENCE)
        reading.cancel()
        scene.threads.stop()

    asyncio.run(play())

    assert heard["read"] == [7]


def test_the_lane_asks_for_a_hundredth_of_the_stream() -> None:
    session = Session(options=LANE)
    session.want("communications", None)
    session.connected(0.0)

    commands = [msgspec.json.decode(command) for command in session.poll().commands]

    assert [command["params"] for command in commands] == [
        {"channels": ["communications"], "shard_factor": 100, "shard_key": 0}
    ]


def test_an_overflow_of_the_only_channel_is_answered_with_a_new_subscription() -> None:
    session = Session(options=LANE)
    session.want("communications", None)
    session.connected(0.0)
    session.poll()
    session.receive(b'{"id":1,"type":"subscribed","msg":{"channel":"communications","sid":3}}', recv_ms=1)
    session.receive(b'{"type":"error","msg":{"code":25,"msg":"slow"}}', recv_ms=2)

    commands = [msgspec.json.decode(command) for command in session.poll().commands]

    assert [(command["cmd"], command["params"]) for command in commands] == [("unsubscribe", {"sids": [3]})]
