"""Socket commands and topics of the auto-quote grid (docs/rfq.md)."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from apps.core import ports
from apps.core.errors import DeskError, WireFormatError
from apps.core.permissions import Actor, Permission, Within
from apps.core.ports import Command, Topic, register_command, register_topic
from apps.core.timestamps import from_unix_ms, utc_now
from apps.core.topics import TopicName
from apps.orders.access import require
from apps.rfq.access import row_number
from apps.rfq.events.rules import rule_row
from apps.rfq.models import QuoteRule
from apps.rfq.selectors.rules import decision_rows_of, rule_rows_of, version_rows_of
from apps.rfq.services import rule_job, rule_queue, rules
from apps.rfq.services.replay import rule_replay

Params = Mapping[str, Any]
Answer = dict[str, Any]
DAY = timedelta(hours=24)


def save(actor: Actor, params: Params) -> Answer:
    """{"rule"? (row key), "name", "terms", "why"}. Answer: {"rule": row}."""
    terms = params.get("terms")
    if not isinstance(terms, dict):
        raise DeskError("bad_terms", "A rule has terms.", fields={"terms": "This is needed."})
    rule = None if params.get("rule") is None else _rule(actor, params)
    saved = rules.rule_save(actor, terms=terms, why=_text(params, "why"), name=_text(params, "name"), rule=rule)
    return {"rule": rule_row(saved)}


def state(actor: Actor, params: Params) -> Answer:
    """{"rule", "state" off|shadow|armed, "why"?}. Arming takes `rfq.manage`, which the service asks for."""
    wanted = params.get("state")
    if wanted not in QuoteRule.State.values:
        raise DeskError("bad_input", "Say which state.", fields={"state": "off, shadow or armed."})
    changed = rules.rule_state(actor, _rule(actor, params), QuoteRule.State(wanted), why=_text(params, "why"))
    return {"rule": rule_row(changed)}


def order(actor: Actor, params: Params) -> Answer:
    """{"rules": all row keys of the desk, first one first}."""
    keys = params.get("rules")
    if not isinstance(keys, list) or len(keys) > rules.MOST:
        raise DeskError("bad_input", "Give the rules in their order.", fields={"rules": "A list of row keys."})
    ordered = rules.rule_order(actor, [row_number(key, kind="rule") for key in keys])
    return {"rules": [f"rule:{rule.pk}" for rule in ordered]}


def remove(actor: Actor, params: Params) -> Answer:
    rule = _rule(actor, params)
    rules.rule_remove(actor, rule)
    return {"removed": f"rule:{rule.pk}"}


def versions(actor: Actor, params: Params) -> Answer:
    """{"rule"}. Answer: {"versions": newest first, at most 100}."""
    require(actor, Permission.DESK_VIEW)
    return {"versions": version_rows_of(_rule(actor, params))}


def replay(actor: Actor, params: Params) -> Answer:
    """{"rule", "terms"? (else its present ones), "from_ms"?, "to_ms"?}: the last 24 hours unless said."""
    rule = _rule(actor, params)
    terms = params.get("terms")
    if terms is None:
        version = rule.versions.order_by("-number").first()
        terms = {} if version is None else version.terms
    if not isinstance(terms, dict):
        raise DeskError("bad_terms", "A rule has terms.", fields={"terms": "This is needed."})
    now = utc_now()
    end = _moment(params, "to_ms", now)
    start = _moment(params, "from_ms", end - DAY)
    return {"replay": rule_replay(actor, rule, terms=terms, start=start, end=end)}


def rules_state(topic: TopicName) -> Answer:
    return {"all": True, "rows": rule_rows_of(int(topic.scope))}


def decisions_state(topic: TopicName) -> Answer:
    return {"all": True, "rows": decision_rows_of(int(topic.scope))}


def _rule(actor: Actor, params: Params) -> QuoteRule:
    return rules.rule_for(actor, row_number(params.get("rule"), kind="rule"))


def _moment(params: Params, name: str, default: datetime) -> datetime:
    raw = params.get(name)
    if raw is None:
        return default
    try:
        return from_unix_ms(raw)
    except WireFormatError as exc:
        raise DeskError("bad_input", "Some fields cannot be read.", fields={name: "A time in Unix ms."}) from exc


def _text(params: Params, name: str) -> str:
    value = params.get(name) or ""
    if not isinstance(value, str):
        raise DeskError("bad_input", "Some fields cannot be read.", fields={name: "This is text."})
    return value


def register() -> None:
    """Fill the registries of `core.ports`. Called once, by AppConfig.ready()."""
    register_command(Command("rule.save", Permission.RFQ_TRADE, save))
    register_command(Command("rule.order", Permission.RFQ_TRADE, order))
    register_command(Command("rule.remove", Permission.RFQ_TRADE, remove))
    register_command(Command("rule.versions", Permission.DESK_VIEW, versions))
    register_command(Command("rule.replay", Permission.RFQ_TRADE, replay))
    register_command(Command("rule.state", Permission.RFQ_PULL, state))
    register_topic(
        Topic("rules", Permission.DESK_VIEW, scope="account", mode="rows", state=rules_state, within=Within.ACCOUNT)
    )
    register_topic(
        Topic(
            "decisions",
            Permission.DESK_VIEW,
            scope="account",
            mode="rows",
            state=decisions_state,
            within=Within.ACCOUNT,
        )
    )
    ports.register_stream_taker("rfq_created", rule_queue.queue.created)
    ports.register_stream_taker("rfq_deleted", rule_queue.queue.deleted)
    ports.gateway_jobs["rfq-rules"] = rule_job.rule_job
