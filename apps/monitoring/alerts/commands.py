"""Socket commands and the topic of alerts. Contract: docs/alerts.md."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from apps.core.errors import DeskError
from apps.core.permissions import Actor, Permission
from apps.core.ports import Command, Topic, register_command, register_topic
from apps.core.timestamps import utc_now
from apps.monitoring.alerts import inbox
from apps.monitoring.alerts.delivery import browser_shown, browser_waiting
from apps.monitoring.alerts.publish import KIND, alerts_state

Params = Mapping[str, Any]
Answer = dict[str, Any]
IDS_AT_MOST = 100


def news(actor: Actor, params: Params) -> Answer:
    """The person's own: how many are new, the newest, and what their browser is to show now."""
    waiting = browser_waiting(actor, now=utc_now()) if params.get("may_show") is True else []
    return {
        "unread": inbox.unread_count(actor),
        "newest": inbox.newest(actor),
        "show": [asdict(one) for one in waiting],
    }


def shown(actor: Actor, params: Params) -> Answer:
    return {"shown": browser_shown(actor, _ids(params), now=utc_now())}


def read(actor: Actor, params: Params) -> Answer:
    return {"read": inbox.alerts_read(actor)}


def acknowledge(actor: Actor, params: Params) -> Answer:
    return {"acknowledged": inbox.alerts_acknowledge(actor, _ids(params))}


def _ids(params: Params) -> list[int]:
    raw = params.get("ids")
    if not isinstance(raw, list) or len(raw) > IDS_AT_MOST:
        raise DeskError("bad_input", "ids is a list of at most 100 numbers.", fields={"ids": "A list of numbers."})
    if not all(isinstance(one, int) and not isinstance(one, bool) and 0 < one < 2**53 for one in raw):
        raise DeskError("bad_input", "ids is a list of numbers.", fields={"ids": "A list of numbers."})
    return raw


def register() -> None:
    register_command(Command("alert.news", Permission.DESK_VIEW, news))
    register_command(Command("alert.shown", Permission.DESK_VIEW, shown))
    register_command(Command("alert.read", Permission.DESK_VIEW, read))
    register_command(Command("alert.acknowledge", Permission.DESK_VIEW, acknowledge))
    register_topic(Topic(KIND, Permission.DESK_VIEW, scope="account", mode="whole", state=alerts_state))
