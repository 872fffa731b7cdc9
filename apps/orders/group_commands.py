"""Socket commands and the topic of order groups. Contract: docs/realtime.md."""

from collections.abc import Mapping
from typing import Any

from apps.core.money import parse_count
from apps.core.permissions import Actor, Permission, Within
from apps.core.ports import Command, Topic, register_command, register_topic
from apps.core.topics import TopicName
from apps.orders import group_events, services
from apps.orders.control_commands import Fields
from apps.orders.models import GroupAction
from apps.orders.tickets import read_key

Params = Mapping[str, Any]
Answer = dict[str, Any]
Kind = GroupAction.Kind


def create(actor: Actor, params: Params) -> Answer:
    fields = Fields(params)
    key, limit = fields.read("idempotency_key", read_key), fields.read("limit", parse_count)
    name = fields.maybe("name", str) or ""
    fields.check("The group has fields that cannot be read.")
    action = services.group_create(actor, name=name, limit=limit, idempotency_key=key)
    return _answer(action) | {"group": group_events.group_row(action.group)}


def trigger(actor: Actor, params: Params) -> Answer:
    return _ask(actor, params, Kind.TRIGGER)


def reset(actor: Actor, params: Params) -> Answer:
    return _ask(actor, params, Kind.RESET)


def delete(actor: Actor, params: Params) -> Answer:
    return _ask(actor, params, Kind.DELETE)


def change_limit(actor: Actor, params: Params) -> Answer:
    return _ask(actor, params, Kind.LIMIT)


def _ask(actor: Actor, params: Params, kind: GroupAction.Kind) -> Answer:
    group = services.group_for(actor, str(params.get("group") or ""))
    fields = Fields(params)
    key = fields.read("idempotency_key", read_key)
    limit = fields.read("limit", parse_count) if kind == Kind.LIMIT else None
    fields.check("The command has fields that cannot be read.")
    return _answer(services.group_ask(actor, group, kind, idempotency_key=key, limit=limit))


def _answer(action: GroupAction) -> Answer:
    return {"action": {"id": action.pk, "state": action.state}}


def groups_state(topic: TopicName) -> Answer:
    return {"all": True, "rows": group_events.group_rows(int(topic.scope))}


def register() -> None:
    register_command(Command("group.create", Permission.ORDER_PLACE, create, Within.SUBACCOUNT))
    register_command(Command("group.trigger", Permission.ORDER_CANCEL, trigger, Within.SUBACCOUNT))
    register_command(Command("group.reset", Permission.ORDER_PLACE, reset, Within.SUBACCOUNT))
    register_command(Command("group.limit", Permission.ORDER_PLACE, change_limit, Within.SUBACCOUNT))
    register_command(Command("group.delete", Permission.ORDER_CANCEL, delete, Within.SUBACCOUNT))
    register_topic(
        Topic(
            "groups", Permission.DESK_VIEW, scope="account", mode="rows", state=groups_state, within=Within.SUBACCOUNT
        )
    )
