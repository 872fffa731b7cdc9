"""How many tabs one person may have open in a web process, and how many all together."""

from collections import Counter
from typing import Any

import pytest
from asgiref.sync import sync_to_async

from apps.web import consumers
from tests.web.support import Browser, make_member, sign_in

pytestmark = [pytest.mark.anyio, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


async def test_a_persons_sockets_are_counted_and_one_too_many_is_refused(
    settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.TABS_PER_PERSON = 2
    monkeypatch.setattr(consumers, "_sockets", Counter())
    tess: Any = await sync_to_async(make_member)(name="tess")
    tom: Any = await sync_to_async(make_member)(name="tom")
    session = await sync_to_async(sign_in)(tess.user)
    first, second, third = (Browser(tess.user, session) for _ in range(3))
    for tab in (first, second, third):
        await tab.open()

    assert await third.closed() == 4429
    other = Browser(tom.user, await sync_to_async(sign_in)(tom.user))
    await other.open()
    assert (await other.ask(cmd="ping", at=1))["ok"]["at"] == 1
    await first.close()
    again = Browser(tess.user, session)
    await again.open()
    assert (await again.ask(cmd="ping", at=2))["ok"]["at"] == 2
    for tab in (second, third, other, again):
        await tab.close()
    assert not consumers._sockets


async def test_f16_with_no_room_left_viewers_wait_and_a_trader_takes_the_oldest_viewers_place(
    settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.SOCKETS_AT_MOST = 3
    monkeypatch.setattr(consumers, "_sockets", Counter())  # other tests of this process may have left theirs open

    async def tab(name: str, role: str) -> Browser:
        member: Any = await sync_to_async(make_member)(name=name, roles=(role,))
        browser = Browser(member.user, await sync_to_async(sign_in)(member.user))
        await browser.open()
        return browser

    async def is_open(browser: Browser) -> bool:
        return (await browser.ask(cmd="ping", at=1))["ok"]["at"] == 1

    trader, oldest, viewer = await tab("tess", "trader"), await tab("vera", "viewer"), await tab("vic", "viewer")
    for one in (trader, oldest, viewer):
        assert await is_open(one)

    late = await tab("vito", "viewer")
    assert await late.closed() == 4429
    second = await tab("tom", "trader")
    assert await oldest.closed() == 4429
    third = await tab("tina", "trader")
    assert await viewer.closed() == 4429
    fourth = await tab("theo", "trader")
    assert await fourth.closed() == 4429, "traders do not drive out each other"
    for one in (trader, second, third):
        assert await is_open(one)
    for one in (trader, oldest, viewer, late, second, third, fourth):
        await one.close()
    assert not consumers._sockets
