"""Socket commands and the topic of the requester's side. Each is a thin way into one service (docs/rfq.md)."""

from collections.abc import Mapping
from typing import Any

from apps.core.errors import DeskError, WireFormatError
from apps.core.money import parse_price
from apps.core.permissions import Actor, Permission, Within
from apps.core.ports import Command, Topic, register_command, register_topic
from apps.core.rfq import Outcome
from apps.core.topics import TopicName
from apps.orders.tickets import read_key
from apps.rfq.access import rfq_for
from apps.rfq.asks import ask_from_params, auto_from, name_from, text_of
from apps.rfq.events import requests as events
from apps.rfq.selectors.requests import rfq_rows_of
from apps.rfq.services import accepts, requests
from apps.rfq.services.approvals import asking
from apps.rfq.services.auto_accept import auto_set

Params = Mapping[str, Any]
Answer = dict[str, Any]


def send(actor: Actor, params: Params) -> Answer:
    """Returns {"rfq": row}, or {"approval": row} above the desk's threshold."""
    ask = ask_from_params(actor, params)
    return asking(actor, lambda: {"rfq": events.rfq_row(requests.rfq_submit(actor, ask))})


def close(actor: Actor, params: Params) -> Answer:
    return {"rfq": events.rfq_row(requests.rfq_close(actor, rfq_for(actor, params.get("rfq"))))}


def accept(actor: Actor, params: Params) -> Answer:
    """Returns {"accept": row}, or {"approval": row}; a repeat of the key answers with what has become of it."""
    rfq = rfq_for(actor, params.get("rfq"))
    faults: dict[str, str] = {}

    def read(name: str, reader: Any) -> Any:
        try:
            return reader(params.get(name))
        except (ValueError, WireFormatError) as exc:
            faults[name] = str(exc)
            return None

    key = read("idempotency_key", read_key)
    quote_id = read("quote_id", name_from)
    price_seen = read("price_seen", text_of(parse_price))
    buys = params.get("buys")
    if buys not in tuple(Outcome):
        faults["buys"] = "Say what you want to own: yes or no."
    if faults:
        raise DeskError("bad_input", "Some fields cannot be read: " + "; ".join(faults), fields=faults)

    def submit() -> Answer:
        taken = accepts.accept_submit(
            actor, rfq, quote_id=quote_id, buys=Outcome(str(buys)), price_seen=price_seen, idempotency_key=key
        )
        return {"accept": events.accept_row(taken.rfq, taken, events.fills_of(taken.rfq, [taken]))}

    return asking(actor, submit)


def auto(actor: Actor, params: Params) -> Answer:
    """{"rfq", "auto": {"buys", "min_quotes"?, "after_s"?} or null}: take one by itself, or no longer."""
    rfq = rfq_for(actor, params.get("rfq"))
    raw = params.get("auto")
    try:
        wanted = None if raw is None else auto_from(raw)
    except ValueError as exc:
        raise DeskError("bad_input", str(exc), fields={"auto": str(exc)}) from exc
    return {"rfq": events.rfq_row(auto_set(actor, rfq, wanted))}


def rfqs_state(topic: TopicName) -> Answer:
    return {"all": True, "rows": rfq_rows_of(int(topic.scope))}


def register() -> None:
    """Fill the registries of `core.ports`. Called once, by AppConfig.ready()."""
    register_command(Command("rfq.send", Permission.RFQ_TRADE, send, Within.SUBACCOUNT))
    register_command(Command("rfq.close", Permission.RFQ_PULL, close, Within.SUBACCOUNT))
    register_command(Command("rfq.accept", Permission.RFQ_TRADE, accept, Within.SUBACCOUNT))
    register_command(Command("rfq.auto", Permission.RFQ_TRADE, auto, Within.SUBACCOUNT))
    register_topic(
        Topic("rfqs", Permission.DESK_VIEW, scope="account", mode="rows", state=rfqs_state, within=Within.SUBACCOUNT)
    )
