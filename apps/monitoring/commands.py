"""Socket commands and topics of monitoring. Contract: docs/realtime.md."""

from collections.abc import Mapping
from typing import Any

from apps.accounts.four_eyes import ApprovalNeeded, change_ask
from apps.core.errors import DeskError
from apps.core.permissions import Actor, Permission
from apps.core.ports import Command, Topic, register_command, register_topic
from apps.monitoring import events
from apps.monitoring.services.kill import kill_pull, kill_release
from apps.monitoring.wall import KIND

Params = Mapping[str, Any]
Answer = dict[str, Any]


def pull(actor: Actor, params: Params) -> Answer:
    run = kill_pull(actor, why=str(params.get("why") or ""))
    return {"run": None if run is None else events.run_row(run)}


def release(actor: Actor, params: Params) -> Answer:
    try:
        run = kill_release(actor, why=str(params.get("why") or ""), although_left=params.get("although_left") is True)
    except ApprovalNeeded as needed:
        change_ask(actor, needed)
        text = "A second person was asked: it waits under Team, Approvals. The desk stays killed."
        raise DeskError("approval_asked", text) from None
    return {"released": run.pk}


def register() -> None:
    register_command(Command("kill.pull", Permission.KILL_PULL, pull))
    register_command(Command("kill.release", Permission.KILL_RELEASE, release))
    register_topic(Topic("kill", Permission.DESK_VIEW, scope="account", mode="whole", state=events.kill_state))
    register_topic(Topic(KIND, Permission.DESK_VIEW, scope="account", mode="whole", is_on_demand=True))
