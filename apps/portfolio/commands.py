"""Socket commands of subaccounts. They act on the account that is selected in the top bar.

* `transfer.send` {idempotency_key, from, to, amount (dollar string)}; answer {"action": row}
* `transfer.preview` {from, to, amount}; answer {"from": side, "to": side, "refusal": null | {"code", "text", "fields"}}
  with side {"number", "before", "after"}, dollar strings or null
* `subaccount.create` {idempotency_key, name?}, `subaccount.netting` {idempotency_key, number, is_netting};
  answer {"action": row}
"""

from collections.abc import Mapping
from typing import Any

from apps.core.errors import DeskError
from apps.core.money import format_dollars, parse_dollars
from apps.core.permissions import Actor, Permission, Within
from apps.core.ports import Command, register_command
from apps.orders.control_commands import Fields
from apps.orders.tickets import read_key
from apps.portfolio import cash_events, transfers

Params = Mapping[str, Any]
Answer = dict[str, Any]


def send(actor: Actor, params: Params) -> Answer:
    fields = Fields(params)
    key = fields.read("idempotency_key", read_key)
    source, target = fields.read("from", read_number), fields.read("to", read_number)
    amount = fields.read("amount", parse_dollars)
    fields.check("The transfer has fields that cannot be read.")
    action = transfers.transfer_submit(actor, source=source, target=target, amount=amount, idempotency_key=key)
    return {"action": cash_events.action_row(action)}


def preview(actor: Actor, params: Params) -> Answer:
    fields = Fields(params)
    source, target = fields.read("from", read_number), fields.read("to", read_number)
    amount = fields.read("amount", parse_dollars)
    fields.check("The transfer has fields that cannot be read.")
    told = transfers.transfer_preview(actor, source=source, target=target, amount=amount)
    refusal = told.refusal
    return {
        "from": _side(told.source),
        "to": _side(told.target),
        "refusal": None
        if refusal is None
        else {"code": refusal.code, "text": refusal.text, "fields": dict(refusal.fields)},
    }


def create(actor: Actor, params: Params) -> Answer:
    fields = Fields(params)
    key, name = fields.read("idempotency_key", read_key), fields.maybe("name", str) or ""
    fields.check("The subaccount has fields that cannot be read.")
    return {"action": cash_events.action_row(transfers.subaccount_create(actor, name=name, idempotency_key=key))}


def netting(actor: Actor, params: Params) -> Answer:
    fields = Fields(params)
    key, number = fields.read("idempotency_key", read_key), fields.read("number", read_number)
    fields.check("The switch has fields that cannot be read.")
    is_on = params.get("is_netting")
    if not isinstance(is_on, bool):
        raise DeskError("bad_input", "Say on or off.", fields={"is_netting": "Say on or off."})
    action = transfers.netting_set(actor, number=number, is_on=is_on, idempotency_key=key)
    return {"action": cash_events.action_row(action)}


def read_number(raw: object) -> int:
    """Read a subaccount's number from JSON or a form. Raises ValueError."""
    text = str(raw) if isinstance(raw, int) and not isinstance(raw, bool) else raw
    if not isinstance(text, str) or not text.isdecimal() or len(text) > 6:
        raise ValueError("This is not a subaccount.")
    return int(text)


def _side(side: transfers.Side) -> Answer:
    return {
        "number": side.number,
        "before": None if side.before is None else format_dollars(side.before),
        "after": None if side.after is None else format_dollars(side.after),
    }


def register() -> None:
    """Fill the registry of `core.ports`. Called once, by AppConfig.ready()."""
    register_command(Command("transfer.send", Permission.CASH_MOVE, send, Within.SUBACCOUNT))
    register_command(Command("transfer.preview", Permission.DESK_VIEW, preview, Within.SUBACCOUNT))
    register_command(Command("subaccount.create", Permission.SUBACCOUNT_MANAGE, create))
    register_command(Command("subaccount.netting", Permission.SUBACCOUNT_MANAGE, netting))
