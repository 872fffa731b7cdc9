"""The socket command and the topic of accepted quotes (docs/rfq.md)."""

from collections.abc import Mapping
from typing import Any

from apps.core.errors import DeskError
from apps.core.permissions import Actor, Permission, Within
from apps.core.ports import Command, Topic, register_command, register_topic
from apps.core.rfq import Decision
from apps.core.topics import TopicName
from apps.rfq.access import confirmation_for
from apps.rfq.events import confirmations as events
from apps.rfq.selectors.confirmations import confirmation_rows_of
from apps.rfq.services import confirmations

Params = Mapping[str, Any]
Answer = dict[str, Any]


def decide(actor: Actor, params: Params) -> Answer:
    """{"confirm": row key, "decision": "confirm"|"lapse"}. Answer: {"confirm": row}."""
    confirmation = confirmation_for(actor, params.get("confirm"))
    decision = params.get("decision")
    if decision not in tuple(Decision):
        raise DeskError("bad_input", "Say confirm or lapse.", fields={"decision": "confirm or lapse"})
    return {"confirm": events.confirmation_row(confirmations.decide(actor, confirmation, Decision(str(decision))))}


def confirms_state(topic: TopicName) -> Answer:
    return {"all": True, "rows": confirmation_rows_of(int(topic.scope))}


def register() -> None:
    """Fill the registries of `core.ports`. Called once, by AppConfig.ready()."""
    register_command(Command("confirm.decide", Permission.RFQ_TRADE, decide, Within.SUBACCOUNT))
    register_topic(
        Topic(
            "confirms", Permission.DESK_VIEW, scope="account", mode="rows", state=confirms_state, within=Within.ACCOUNT
        )
    )
