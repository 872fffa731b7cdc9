"""Socket commands and topics of working together: owners, comments, who is looking, approvals (docs/rfq.md)."""

from collections.abc import Mapping
from typing import Any

from apps.core.errors import DeskError, WireFormatError
from apps.core.money import parse_count, parse_dollars
from apps.core.permissions import Actor, Permission, Within
from apps.core.ports import Command, Topic, register_command, register_topic
from apps.core.topics import TopicName
from apps.rfq.asks import text_of
from apps.rfq.events import team as events
from apps.rfq.events.approvals import approval_row, threshold_row
from apps.rfq.selectors.approvals import approval_rows_of
from apps.rfq.selectors.team import members_of, team_rows_of
from apps.rfq.services import approvals, four_eyes, team

Params = Mapping[str, Any]
Answer = dict[str, Any]


def claim(actor: Actor, params: Params) -> Answer:
    """{"subject", "note"? (needed when somebody else is on it)} -> {"team": row}."""
    subject = team.subject_for(actor, params.get("subject"))
    return {"team": events.team_row(team.claim(actor, subject, note=_text(params, "note")))}


def hand_over(actor: Actor, params: Params) -> Answer:
    """{"subject", "to" (person's id), "note"?} -> {"team": row}."""
    subject = team.subject_for(actor, params.get("subject"))
    to = params.get("to")
    if isinstance(to, bool) or not isinstance(to, int):
        raise DeskError("bad_input", "Say who takes it over.", fields={"to": "Choose a person."})
    return {"team": events.team_row(team.hand_over(actor, subject, to=to, note=_text(params, "note")))}


def comment(actor: Actor, params: Params) -> Answer:
    """{"subject", "text"} -> {"team": row}. "@username" mentions a member."""
    subject = team.subject_for(actor, params.get("subject"))
    team.comment(actor, subject, text=_text(params, "text"))
    return {"team": events.team_row(subject)}


def look(actor: Actor, params: Params) -> Answer:
    """{"subject"} -> {"until_ms"}: a browser that shows it repeats this every few seconds."""
    return {"until_ms": team.look(actor, team.subject_for(actor, params.get("subject")))}


def members(actor: Actor, params: Params) -> Answer:
    return {"members": members_of(actor)}


def approve(actor: Actor, params: Params) -> Answer:
    """{"approval" (row key), "hash" (the row's)} -> {"approval": row}: used, or declined with the reason in `words`."""
    done = approvals.approve(actor, params.get("approval"), hash_seen=_text(params, "hash"))
    return {"approval": approval_row(done)}


def decline(actor: Actor, params: Params) -> Answer:
    """{"approval", "words"?} -> {"approval": row}. A lead declines; its author withdraws."""
    return {"approval": approval_row(approvals.decline(actor, params.get("approval"), words=_text(params, "words")))}


def threshold(actor: Actor, params: Params) -> Answer:
    """{"contracts"?, "cost"?} (text; absent or null: never by this measure) -> {"threshold": row}."""
    values, faults = {}, {}
    for name, parse in (("contracts", parse_count), ("cost", parse_dollars)):
        raw = params.get(name)
        try:
            values[name] = None if raw in (None, "") else text_of(parse)(raw)
        except (ValueError, WireFormatError) as exc:
            faults[name] = str(exc)
    if faults:
        raise DeskError("bad_input", "Some fields cannot be read.", fields=faults)
    return {"threshold": threshold_row(four_eyes.threshold_set(actor, **values))}


def approvals_state(topic: TopicName) -> Answer:
    return {"all": True, "rows": approval_rows_of(int(topic.scope))}


def team_state(topic: TopicName) -> Answer:
    return {"all": True, "rows": team_rows_of(int(topic.scope))}


def _text(params: Params, name: str) -> str:
    raw = params.get(name, "")
    if raw is None:
        return ""
    if not isinstance(raw, str):
        raise DeskError("bad_input", "Some fields cannot be read.", fields={name: "Give text."})
    return raw


def register() -> None:
    """Fill the registries of `core.ports`. Called once, by AppConfig.ready()."""
    register_command(Command("team.claim", Permission.RFQ_TRADE, claim))
    # Its owner, or a lead: the service asks which.
    register_command(Command("team.hand_over", Permission.RFQ_PULL, hand_over))
    register_command(Command("team.comment", Permission.DESK_VIEW, comment))
    register_command(Command("team.look", Permission.DESK_VIEW, look))
    register_command(Command("team.members", Permission.DESK_VIEW, members))
    register_topic(
        Topic("rfqteam", Permission.DESK_VIEW, scope="account", mode="rows", state=team_state, within=Within.ACCOUNT)
    )
    register_command(Command("approval.approve", Permission.RFQ_MANAGE, approve))
    # A lead declines, its author withdraws, wherever on the desk they may pull: the service asks which.
    register_command(Command("approval.decline", Permission.RFQ_PULL, decline, Within.SUBACCOUNT))
    register_command(Command("approval.threshold", Permission.RFQ_MANAGE, threshold))
    register_topic(
        Topic(
            "approvals",
            Permission.DESK_VIEW,
            scope="account",
            mode="rows",
            state=approvals_state,
            within=Within.ACCOUNT,
        )
    )
