"""A socket of somebody who sees one subaccount: its rows, live, and a new beginning when that changes."""

from typing import Any

import pytest
from asgiref.sync import sync_to_async

from apps.core import ports
from apps.core.permissions import Permission, Within
from apps.web.client import FAULT
from tests.web.support import make_account
from tests.web.test_socket import Gateway, anyio_backend, gateway, member, opened, quick, registry

__all__ = ["anyio_backend", "gateway", "quick", "registry"]
pytestmark = [pytest.mark.anyio, pytest.mark.django_db(transaction=True)]


def row(subaccount: int, v: int = 1) -> dict[str, int]:
    return {"v": v, "subaccount": subaccount}


async def test_rows_of_other_subaccounts_never_reach_the_browser(registry: Any, gateway: Gateway):
    ports.topics["things"] = ports.Topic(
        "things",
        Permission.DESK_VIEW,
        "account",
        "rows",
        state=lambda topic: {"rows": dict(registry["rows"])},
        within=Within.SUBACCOUNT,
    )
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
    assert await browser.closed() == FAULT
    await browser.close()
