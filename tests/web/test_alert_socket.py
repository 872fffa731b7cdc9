"""Alerts over the real socket: a tab hears that something changed, and asks for what is its person's own."""

from typing import Any

import pytest
from asgiref.sync import sync_to_async

from apps.accounts.access import presence_load
from apps.monitoring.alerts import inbox
from tests.web.support import Browser, make_account, make_member, sign_in

pytestmark = [pytest.mark.anyio, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


async def tab_of(member: Any) -> Browser:
    tab = Browser(member.user, await sync_to_async(sign_in)(member.user))
    await tab.open()
    return tab


async def test_a_tab_hears_of_a_change_and_each_person_gets_their_own(live_redis: Any) -> None:
    tess: Any = await sync_to_async(make_member)(name="tess")
    vera: Any = await sync_to_async(make_member)(name="vera", roles=("viewer",))
    away: Any = await sync_to_async(make_member)(name="away", desk="south")
    account: Any = await sync_to_async(make_account)()
    topic = f"alerts:{account.pk}"
    mine, hers, foreign = [await tab_of(member) for member in (tess, vera, away)]
    for tab in (mine, hers):
        assert "ok" in await tab.ask(cmd="subscribe", topics=[topic])
        assert (await tab.frame(topic))["d"] == {"changed_ms": 0}
    assert (await foreign.ask(cmd="subscribe", topics=[topic]))["error"]["code"] == "not_found"

    presence = await sync_to_async(presence_load)(tess.user.pk, {})
    assert presence is not None
    alert: Any = await sync_to_async(inbox.trial_send)(presence.actor)

    for tab in (mine, hers):
        assert set((await tab.frame(topic))["d"]) == {"changed_ms"}
    news = (await mine.ask(cmd="alert.news", params={"may_show": True}))["ok"]
    assert (news["unread"], news["newest"][0]["title"], news["show"][0]["title"]) == (1, "Test alert", "Test alert")
    assert (await hers.ask(cmd="alert.news", params={}))["ok"]["unread"] == 0
    ids = {"ids": [alert.pk]}
    assert (await hers.ask(cmd="alert.acknowledge", params=ids))["error"]["code"] == "not_found"
    assert (await mine.ask(cmd="alert.acknowledge", params=ids))["ok"] == {"acknowledged": 1}
    for tab in (mine, hers, foreign):
        await tab.close()
