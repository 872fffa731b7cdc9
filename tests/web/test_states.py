"""Tabs that open at once share the reading of a state, and none gets one that began before it was subscribed."""

import asyncio

import pytest

from apps.core.topics import TopicName
from apps.web.hub import Hub
from apps.web.outbox import Frame

pytestmark = pytest.mark.anyio
NAME = TopicName("kill", "1")


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


class Readings:
    """Readings of a state that end when the test says so; the n-th gives version n."""

    def __init__(self) -> None:
        self.begun = 0
        self.go = asyncio.Event()

    async def __call__(self, name: TopicName) -> Frame | None:
        self.begun += 1
        mine = self.begun
        await self.go.wait()
        return Frame.of(str(name), mine, {}, "whole")


async def settle() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


async def test_who_comes_during_a_reading_shares_the_next(monkeypatch: pytest.MonkeyPatch) -> None:
    hub, readings = Hub("redis://unused"), Readings()
    monkeypatch.setattr(hub, "_state", readings)

    first = [asyncio.create_task(hub._state_shared(NAME)) for _ in range(3)]
    await settle()
    later = [asyncio.create_task(hub._state_shared(NAME)) for _ in range(3)]
    await settle()
    assert readings.begun == 1
    later[0].cancel()  # that tab was closed
    readings.go.set()
    frames = await asyncio.gather(*first, *later[1:])

    assert [frame.version for frame in frames if frame] == [1, 1, 1, 2, 2]
    last = await hub._state_shared(NAME)
    assert last is not None
    assert last.version == 3
    assert not hub._states
    assert not hub._next_states
