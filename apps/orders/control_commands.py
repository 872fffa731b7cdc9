"""Socket commands beside the single order: changes, several orders at once, pauses and limits.

Contract with params and answers: docs/realtime.md.
"""

import uuid
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

from apps.accounts.access import account_seen
from apps.core.errors import DeskError, WireFormatError
from apps.core.money import format_count, format_dollars, format_price, parse_count, parse_dollars, parse_price
from apps.core.permissions import Actor, Permission, Within
from apps.core.ports import Command, Topic, register_command, register_topic
from apps.core.topics import TopicName
from apps.orders import events, services, trading_events
from apps.orders.access import order_for, require
from apps.orders.models import ChangeIntent, Order, RiskLimit, TradingPause
from apps.orders.services.limit_rows import DEFAULTS, DOLLARS, NAMES, WHOLE
from apps.orders.tickets import OrderTicket, read_key, read_shown, ticket_from_params

Params = Mapping[str, Any]
Answer = dict[str, Any]
BATCH_AT_MOST = 100


def amend(actor: Actor, params: Params) -> Answer:
    return _change(actor, params, ChangeIntent.Kind.AMEND)


def decrease(actor: Actor, params: Params) -> Answer:
    return _change(actor, params, ChangeIntent.Kind.DECREASE)


def _change(actor: Actor, params: Params, kind: ChangeIntent.Kind) -> Answer:
    order = order_for(actor, str(params.get("order_id") or ""))
    fields = Fields(params)
    is_amend = kind == ChangeIntent.Kind.AMEND
    price = fields.read("price", parse_price) if is_amend else None
    count = fields.read("count" if is_amend else "remaining", parse_count)
    key = fields.read("idempotency_key", read_key)
    shown = fields.maybe("shown", read_shown)
    raw = params.get("seen")
    seen = Fields(raw if isinstance(raw, Mapping) else {}, faults=fields.faults, prefix="seen.")
    was = (seen.read("price", parse_price), seen.read("count", parse_count), seen.read("filled", parse_count))
    fields.check("The change has fields that cannot be read.")
    wish = services.Wish(
        kind=kind, count=count, price=price, seen=services.Seen(*was), idempotency_key=key, shown=shown or ""
    )
    change = services.change_submit(actor, order, wish)
    return {"change": {"id": change.pk, "state": change.state}}


def cancel_many(actor: Actor, params: Params) -> Answer:
    keys = params.get("keys")
    if not isinstance(keys, list) or not 0 < len(keys) <= services.SELECTED_AT_MOST:
        text = f"Select between one and {services.SELECTED_AT_MOST} rows."
        raise DeskError("bad_input", text, fields={"keys": text})
    done = services.cancel_many(actor, account_id=_account(actor), keys=[str(key) for key in keys])
    return {
        "cancels": done.cancels,
        "withdrawn": done.withdrawn,
        "unresolved": done.unresolved,
        "done": done.done,
    }


def batch_preview(actor: Actor, params: Params) -> Answer:
    """Say for each line what is wrong with it, as if the lines before it were placed. Nothing is stored."""
    tickets, faults = _tickets(actor, params, needs_keys=False)
    checked = services.batch_check(actor, tickets, faults=faults)
    lines = [
        {
            "line": line.number,
            "ok": line.error is None,
            "cost": None if line.cost is None else format_dollars(line.cost),
            "fee": None if line.fee is None else format_dollars(line.fee),
            "worst_case": None if line.worst_case is None else format_dollars(line.worst_case),
            "error": None if line.error is None else _error(line.error),
            "shown": line.shown,
        }
        for line in checked
    ]
    total = {
        name: format_dollars(sum((getattr(line, name) or Decimal(0) for line in checked), Decimal(0)))
        for name in ("cost", "fee", "worst_case")
    }
    tokens = services.TOKENS_PER_ORDER * len(checked)
    return {"ok": all(line["ok"] for line in lines), "lines": lines, "total": {**total, "tokens": tokens}}


def batch(actor: Actor, params: Params) -> Answer:
    try:
        key = read_key(params.get("batch_key"))
    except ValueError as exc:
        raise DeskError("bad_input", str(exc), fields={"batch_key": str(exc)}) from exc
    tickets, faults = _tickets(actor, params, needs_keys=True)
    intents = services.batch_submit(actor, tickets, batch_key=key, faults=faults)
    orders = {order.intent_id: order for order in Order.objects.filter(intent__in=intents)}
    return {"intents": [events.intent_row(intent, orders.get(intent.pk)) for intent in intents]}


def _tickets(actor: Actor, params: Params, *, needs_keys: bool) -> tuple[dict[int, OrderTicket], dict[int, DeskError]]:
    """Read each line by its number, from 1; lines that cannot be read come with what is wrong."""
    items = params.get("items")
    if not isinstance(items, list) or not 0 < len(items) <= BATCH_AT_MOST:
        text = f"Give between one and {BATCH_AT_MOST} orders."
        raise DeskError("bad_input", text, fields={"items": text})
    tickets: dict[int, OrderTicket] = {}
    faults: dict[int, DeskError] = {}
    spare = {} if needs_keys else {"idempotency_key": str(uuid.UUID(int=0))}
    for number, item in enumerate(items, start=1):
        try:
            if not isinstance(item, Mapping):
                raise DeskError("bad_input", "This line is not an order.")
            tickets[number] = ticket_from_params(actor, {**spare, **item})
        except DeskError as exc:
            if exc.code in ("no_account", "account_changed"):
                raise
            faults[number] = exc
    return tickets, faults


def pause(actor: Actor, params: Params) -> Answer:
    scope = params.get("scope")
    if scope not in ("me", "person", "desk"):
        raise DeskError("bad_input", "Say whom: me, person or desk.", fields={"scope": "me, person or desk"})
    user_id = params.get("user_id") if scope == "person" else None
    if scope == "person" and not isinstance(user_id, int):
        raise DeskError("bad_input", "Say which person.", fields={"user_id": "This is needed."})
    kind = TradingPause.Scope.DESK if scope == "desk" else TradingPause.Scope.PERSON
    row = services.pause_set(actor, scope=kind, user_id=user_id, why=str(params.get("why") or ""))
    cancels = 0
    if params.get("cancel") is True:
        accounts = services.desk_account_ids(actor) if scope == "desk" else [_account(actor)]
        cancels = sum(services.cancel_all(actor, account_id=account_id).cancels for account_id in accounts)
    return {"pause": trading_events.pause_row(row), "cancels": cancels}


def resume(actor: Actor, params: Params) -> Answer:
    row = services.pause_release(actor, _id(params, "pause_id"))
    return {"pause": trading_events.pause_row(row)}


def open_gate(actor: Actor, params: Params) -> Answer:
    services.gate_open(actor, _account(actor))
    return {"gate": None}


def limit_set(actor: Actor, params: Params) -> Answer:
    fields = Fields(params)
    values: dict[str, Decimal | int | None] = {name: fields.maybe(name, _reader(name)) for name in NAMES}
    user_id, account_id = fields.maybe("user_id", _whole), fields.maybe("account_id", _whole)
    series, ticker, reason, stale = (
        str(params.get(name) or "") for name in ("series", "ticker", "reason", "loss_if_stale")
    )
    fields.check("The limits have fields that cannot be read.")
    row = services.limit_set(
        actor,
        values,
        reason=reason,
        user_id=user_id,
        account_id=account_id,
        series=series,
        ticker=ticker,
        loss_if_stale=stale or RiskLimit.Stale.REFUSE,
    )
    return {"limit": limit_row(row)}


def _reader(name: str) -> Callable[[Any], Any]:
    if name in WHOLE:
        return _whole
    return {"price_band": parse_price, **dict.fromkeys(DOLLARS, parse_dollars)}.get(name, parse_count)


def limit_remove(actor: Actor, params: Params) -> Answer:
    limit_id = _id(params, "limit_id")
    services.limit_remove(actor, limit_id, reason=str(params.get("reason") or ""))
    return {"removed": limit_id}


def limit_list(actor: Actor, params: Params) -> Answer:
    """The desk's rows, what holds without one for everybody, and what holds for oneself here."""
    require(actor, Permission.DESK_VIEW)
    rows = RiskLimit.objects.filter(desk_id=actor.desk_id).order_by("pk")
    mine = services.limits_of(actor.desk_id, user_id=actor.user_id, account_id=_account(actor))
    return {
        "limits": [limit_row(row) for row in rows],
        "defaults": {name: limit_text(name, value) for name, value in DEFAULTS.items()},
        "mine": {name: limit_text(name, value) for name, value in mine.items()},
    }


def limit_row(limit: RiskLimit) -> Answer:
    values = {name: limit_text(name, getattr(limit, name)) for name in NAMES}
    scope = {"user_id": limit.user_id, "account_id": limit.account_id, "series": limit.series, "ticker": limit.ticker}
    return {"id": limit.pk, **scope, **values, "loss_if_stale": limit.loss_if_stale}


def limit_text(name: str, value: Decimal | int | None) -> str | None:
    if value is None:
        return None
    if not isinstance(value, Decimal):
        return str(value)
    forms = {"price_band": format_price, **dict.fromkeys(DOLLARS, format_dollars)}
    form: Callable[[Decimal], str] = forms.get(name, format_count)
    return form(value)


def trading_state(topic: TopicName) -> Answer:
    return trading_events.trading_frame(int(topic.scope))


class Fields:
    """Reads params one by one and tells everything that is wrong at once."""

    def __init__(self, params: Params, *, faults: dict[str, str] | None = None, prefix: str = "") -> None:
        self._params = params
        self._prefix = prefix
        self.faults: dict[str, str] = {} if faults is None else faults

    def read(self, name: str, reader: Callable[[Any], Any]) -> Any:
        return self._read(name, reader, is_needed=True)

    def maybe(self, name: str, reader: Callable[[Any], Any]) -> Any:
        return self._read(name, reader, is_needed=False)

    def check(self, text: str) -> None:
        if self.faults:
            raise DeskError("bad_input", text, fields=self.faults)

    def _read(self, name: str, reader: Callable[[Any], Any], *, is_needed: bool) -> Any:
        raw = self._params.get(name)
        if raw is None or raw == "":
            if is_needed:
                self.faults[self._prefix + name] = "This is needed."
            return None
        try:
            if reader in (parse_price, parse_count, parse_dollars) and not isinstance(raw, str):
                # A JSON number has been through a binary float on its way here.
                raise WireFormatError("Give it as a decimal string.")
            return reader(raw)
        except (WireFormatError, ValueError) as exc:
            self.faults[self._prefix + name] = str(exc)
            return None


def _whole(raw: object) -> int:
    if isinstance(raw, bool) or not isinstance(raw, int | str) or not str(raw).isdecimal():
        raise ValueError("Give a whole number.")
    return int(raw)


def _id(params: Params, name: str) -> int:
    value = params.get(name)
    if isinstance(value, bool) or not isinstance(value, int):
        raise DeskError("bad_input", "Say which one.", fields={name: "This is needed."})
    return value


def _account(actor: Actor) -> int:
    if actor.account_id is None:
        raise DeskError("no_account", "Choose an account in the top bar first.")
    return account_seen(actor, actor.account_id).pk


def _error(error: DeskError) -> Answer:
    return {"code": error.code, "text": error.text, "fields": dict(error.fields)}


def register() -> None:
    register_command(Command("order.amend", Permission.ORDER_PLACE, amend, Within.SUBACCOUNT))
    register_command(Command("order.decrease", Permission.ORDER_CANCEL, decrease, Within.SUBACCOUNT))
    register_command(Command("order.cancel_many", Permission.ORDER_CANCEL, cancel_many, Within.SUBACCOUNT))
    register_command(Command("order.batch_preview", Permission.DESK_VIEW, batch_preview, Within.SUBACCOUNT))
    register_command(Command("order.batch", Permission.ORDER_PLACE, batch, Within.SUBACCOUNT))
    register_command(Command("trading.pause", Permission.ORDER_CANCEL, pause, Within.SUBACCOUNT))
    register_command(Command("trading.resume", Permission.ORDER_CANCEL, resume, Within.SUBACCOUNT))
    register_command(Command("trading.open_gate", Permission.KILL_RELEASE, open_gate))
    register_command(Command("limit.list", Permission.DESK_VIEW, limit_list))
    register_command(Command("limit.set", Permission.LIMIT_MANAGE, limit_set))
    register_command(Command("limit.remove", Permission.LIMIT_MANAGE, limit_remove))
    register_topic(Topic("trading", Permission.DESK_VIEW, scope="account", mode="whole", state=trading_state))
