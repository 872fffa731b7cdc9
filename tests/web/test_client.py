"""Flow control of one browser: what is on the way is bounded, and what waits is the newest."""

import asyncio
import json

import pytest

from apps.web import client as client_module
from apps.web.client import Client
from apps.web.outbox import Frame
from tests.web.support import eventually

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(autouse=True)
def without_gap(monkeypatch):
    monkeypatch.setattr(client_module, "GAP_SECONDS", 0)


class Wire:
    def __init__(self) -> None:
        self.messages: list[str] = []
        self.closed_with: int | None = None

    async def send(self, text: str) -> None:
        self.messages.append(text)

    async def close(self, code: int) -> None:
        self.closed_with = code

    def parts(self) -> list[dict]:
        found = []
        for text in self.messages:
            message = json.loads(text)
            found += message if isinstance(message, list) else [message]
        return found


async def settle() -> None:
    for _ in range(20):
        await asyncio.sleep(0)


def frame(version: int, size: int) -> Frame:
    return Frame.of("book:paper:T", version, "x" * size, "whole")


async def test_a_browser_that_does_not_read_gets_only_the_newest_when_it_reads_again(monkeypatch):
    monkeypatch.setattr(client_module, "WINDOW", 5_000)
    monkeypatch.setattr(client_module, "PROBE", 1_000)
    wire = Wire()
    client = Client(wire.send, wire.close)
    client.start()
    for version in range(1, 101):
        client.put(frame(version, 500))
        await settle()
    assert 5_000 < client.bytes_on_the_way < 8_000
    held_back = [part["v"] for part in wire.parts() if "v" in part]
    assert held_back[-1] < 20

    last_beat = max(part["hb"] for part in wire.parts() if "hb" in part)
    client.acknowledge(last_beat)
    await settle()

    versions = [part["v"] for part in wire.parts() if "v" in part]
    assert versions == [*held_back, 100]
    await client.stop()


async def test_a_browser_that_reads_nothing_cannot_say_that_it_has(monkeypatch):
    monkeypatch.setattr(client_module, "WINDOW", 1_000)
    wire = Wire()
    client = Client(wire.send, wire.close)
    client.start()
    client.put(frame(1, 2_000))
    client.beat()
    await settle()
    [beat] = [part["hb"] for part in wire.parts() if "hb" in part]
    on_the_way = client.bytes_on_the_way

    for guess in (int(beat) - 1, int(beat) + 1, beat + 1, 1e300, float("nan")):
        client.acknowledge(guess)
    assert client.bytes_on_the_way == on_the_way > 2_000
    client.acknowledge(json.loads(json.dumps(beat)))
    assert client.bytes_on_the_way == 0
    await client.stop()


async def test_a_browser_that_never_moves_is_closed(monkeypatch):
    monkeypatch.setattr(client_module, "WINDOW", 1_000)
    monkeypatch.setattr(client_module, "STALL_SECONDS", 0.05)
    wire = Wire()
    client = Client(wire.send, wire.close)
    client.start()
    client.put(frame(1, 2_000))
    await settle()
    client.put(frame(2, 10))

    await eventually(lambda: wire.closed_with)
    assert wire.closed_with == 1011
    await client.stop()


async def test_answers_are_all_sent_in_order_before_frames():
    wire = Wire()
    client = Client(wire.send, wire.close)
    client.put(frame(1, 10))
    for number in range(5):
        client.reply(json.dumps({"id": number}))

    client.start()
    await settle()

    assert [part.get("id") for part in wire.parts()] == [0, 1, 2, 3, 4, None]
    await client.stop()


async def test_frames_go_together_up_to_a_size_and_a_larger_one_alone(monkeypatch):
    monkeypatch.setattr(client_module, "TOGETHER", 1_000)
    wire = Wire()
    client = Client(wire.send, wire.close)
    for topic, size in (("a", 300), ("b", 300), ("c", 2_000), ("d", 300), ("e", 300)):
        client.put(Frame.of(topic, 1, "x" * size, "whole"))
    client.start()
    await settle()

    topics = [part["topic"] for part in wire.parts() if "topic" in part]
    assert topics == ["a", "b", "c", "d", "e"]
    assert [len(text) < 1_100 for text in wire.messages] == [True, False, True]
    await client.stop()


async def test_a_frame_that_the_server_would_drop_closes_the_socket(monkeypatch):
    monkeypatch.setattr(client_module, "MESSAGE_AT_MOST", 1_000)
    wire = Wire()
    client = Client(wire.send, wire.close)
    client.start()
    client.put(frame(1, 1_100))

    await eventually(lambda: wire.closed_with)
    assert wire.closed_with == 1011
    assert wire.messages == []
    await client.stop()


async def test_heartbeats_rise_even_within_one_millisecond():
    wire = Wire()
    client = Client(wire.send, wire.close)
    client.start()
    for _ in range(20):
        client.beat()
        await settle()

    beats = [part["hb"] for part in wire.parts()]

    assert beats == sorted(set(beats))
    assert len(beats) == 20
    await client.stop()


async def test_market_data_waits_for_the_gap_and_own_orders_do_not(monkeypatch):
    monkeypatch.setattr(client_module, "GAP_SECONDS", 60)
    wire = Wire()
    client = Client(wire.send, wire.close)
    client.start()
    client.put(frame(1, 10))
    await settle()
    client.put(frame(2, 10))
    await settle()
    assert [part["v"] for part in wire.parts()] == [1]

    client.put(Frame.of("orders:1", 3, {"rows": {}}, "rows"), is_urgent=True)
    await settle()

    assert [part["v"] for part in wire.parts()] == [1, 2, 3]
    await client.stop()
