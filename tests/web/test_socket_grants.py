"""A socket of somebody who sees one subaccount: its rows, live, and a new beginning when that changes."""

from collections.abc import Sequence
from typing import Any

import pytest
from asgiref.sync import sync_to_async

from apps.core import ports
from apps.core.permissions import Permission, Within
from apps.web.client import FAULT
from apps.web.consumers import LESS
from tests.web.support import make_account
from tests.web.test_socket import Gateway, anyio_backend, gateway, member, opened, quick, registry

__all__ = ["anyio_backend", "gateway", "quick", "registry"]
pytestmark = [pytest.mark.anyio, pytest.mark.django_db(transaction=True)]


def row(subaccount: int, v: int = 1) -> dict[str, int]:
    return {"v": v, "subaccount": subaccount}


def things(registry: Any) -> ports.Topic:
    return ports.Topic(
        "things",
        Permission.DESK_VIEW,
        "account",
        "rows",
        state=lambda topic: {"rows": dict(registry["rows"])},
        within=Within.SUBACCOUNT,
    )


async def test_rows_of_other_subaccounts_never_reach_the_browser(registry: Any, gateway: Gateway):
    ports.topics["things"] = things(registry)
    membership, session = await member(name="lia", roles=())
    account = await sync_to_async(make_account)()
    other = await sync_to_async(make_account)(name="Other")
    topic = f"things:{account.pk}"
    registry["rows"] = {"mine": row(2), "theirs": row(1)}
    membership.grants = [{"role": "viewer", "account": account.pk, "subaccount": 2}]
    await membership.asave()
    browser = await opened(membership, session)

    await browser.send({"cmd": "subscribe", "topics": [topic, f"things:{other.pk}"]})
    first = await browser.frame(topic)
    gateway.rows(topic, {"theirs": row(1, v=2)})
    gateway.rows(topic, {"theirs": None, "new": row(2), "more": row(1)})
    second = await browser.frame(topic)

    assert first["d"] == {"rows": {"mine": row(2)}, "all": True}
    assert second["d"] == {"rows": {"new": row(2)}}

    membership.grants = [{"role": "viewer", "account": account.pk, "subaccount": 1}]
    await membership.asave()
    assert await browser.closed() == LESS
    await browser.close()


@pytest.mark.parametrize(
    ("before", "after", "code"),
    [
        ([("first", 2), ("first", 5)], [("first", 2)], LESS),
        ([("first", None), ("first", 5)], [("first", 5)], LESS),
        ([("first", 2), ("other", None)], [("other", None)], LESS),
        ([("first", 2)], [("first", 2), ("first", 5)], FAULT),
        ([("first", 2)], [("first", None)], FAULT),
    ],
    ids=["one subaccount of two", "the whole but not a part", "one account of two", "one more", "all of it"],
)
async def test_a_page_hears_whether_less_or_more_is_theirs_now(
    registry: Any, gateway: Gateway, before: Sequence[tuple[str, int | None]], after: Any, code: int
):
    """Less: it drops what it shows and begins anew (LESS). More: it asks again for what it watches."""
    ports.topics["things"] = things(registry)
    membership, session = await member(name="lia", roles=())
    accounts = {name: await sync_to_async(make_account)(name=name) for name in ("first", "other")}

    async def give(grants: Sequence[tuple[str, int | None]]) -> None:
        membership.grants = [
            {"role": "trader", "account": accounts[name].pk, "subaccount": number} for name, number in grants
        ]
        await membership.asave()

    await give(before)
    browser = await opened(membership, session)
    topics = [f"things:{pk}" for pk in {accounts[name].pk for name, _ in before}]
    assert "ok" in await browser.ask(cmd="subscribe", topics=topics)

    await give(after)

    assert await browser.closed() == code
    await browser.close()


async def test_the_answer_says_which_subaccounts_a_topic_is_kept_to(registry: Any, gateway: Gateway):
    ports.topics["things"] = things(registry)
    membership, session = await member(name="lia", roles=())
    account, other = await sync_to_async(make_account)(), await sync_to_async(make_account)(name="Other")
    membership.grants = [
        {"role": "viewer", "account": account.pk, "subaccount": 5},
        {"role": "trader", "account": account.pk, "subaccount": 2},
        {"role": "viewer", "account": other.pk, "subaccount": None},
    ]
    await membership.asave()
    browser = await opened(membership, session)

    answer = await browser.ask(cmd="subscribe", topics=[f"things:{account.pk}", f"things:{other.pk}"])

    assert answer["ok"]["parts"] == {f"things:{account.pk}": [2, 5]}
    await browser.close()
