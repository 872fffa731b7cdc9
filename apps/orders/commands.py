"""Socket commands and topics of orders. Each is a thin way into one service or selector.

* `order.place`: see `tickets.ticket_from_params`; answer {"intent": row}
* `order.preview`: as `order.place`; answer: see `preview`
* `order.cancel` {idempotency_key, order_id}; answer {"cancel": {"id", "state"}}
* `order.cancel_market` {ticker}, `order.cancel_all` {}; answer {"cancels", "withdrawn", "unresolved"}
"""

import uuid
from collections.abc import Mapping
from decimal import Decimal
from fractions import Fraction
from typing import Any

from apps.accounts.access import account_seen
from apps.accounts.four_eyes import ApprovalNeeded
from apps.core.errors import DeskError
from apps.core.money import format_count, format_dollars, format_price
from apps.core.permissions import Actor, Permission, Within
from apps.core.ports import Command, Topic, register_command, register_topic
from apps.core.timestamps import format_rfc3339, utc_now
from apps.core.topics import TopicName
from apps.exchange.news import maintenance_words
from apps.orders import events, selectors, services
from apps.orders.access import order_for
from apps.orders.control_commands import limit_text
from apps.orders.costs import FeeDetails
from apps.orders.models import Order, OrderIntent
from apps.orders.services.order_approval import order_asked
from apps.orders.tickets import GOOD_TILL_CANCELED, OrderTicket, read_key, ticket_from_params

Params = Mapping[str, Any]
Answer = dict[str, Any]


def place(actor: Actor, params: Params) -> Answer:
    try:
        intent = services.intent_submit(actor, ticket_from_params(actor, params))
    except ApprovalNeeded as needed:
        raise order_asked(actor, needed) from None
    # A repeat of an old key answers with what has become of it; what waits to be sent has no order.
    is_new = intent.state == OrderIntent.State.COMMITTED
    order = None if is_new else Order.objects.filter(intent=intent).first()
    return {"intent": events.intent_row(intent, order)}


def preview(actor: Actor, params: Params) -> Answer:
    """Return dollars and counts as strings; what is not known is null, with its reason in words.

    {"cost", "proceeds", "fee", "fee_worst", "fee_trade", "fee_rounding" (of one fill), "rebate" (given back when it
    fills contract by contract), "fee_maker", "fee_maker_worst", "fee_free_until" (RFC 3339: no fee before it),
    "fee_change" (the next dated one: {"at", "taker", "maker" (rates from then on, null: not known), "taker_before",
    "maker_before", "fee_maker", "fee_maker_worst" (of what may rest that long, else null)} or null),
    "maintenance" (the next within a day that it may rest into: {"text", "cancels" (whether the order is cancelled when
    trading pauses)} or null),
    "fee_now": null | {"price" (the best now, in the side's prices), "fee", "fee_worst"} (of what takes at a price
    better than its limit), "worst_case", "payout", "opening", "closing", "position_after", "balance_after",
    "tokens": {"cost", "left", "capacity", "rate", "degraded"}, "shown" (give it to `order.place`),
    "reasons": {part: words}, "limits": [{"name", "limit", "use" (with this order), "ok", "text",
    "within" ("in <series>"), "share" (thousandths of the limit)}] (use and share null: not known),
    "refusal": null | {"code", "text", "fields"}}
    """
    # A preview is asked for on each keystroke, before there is a key.
    ticket = ticket_from_params(actor, {"idempotency_key": str(uuid.UUID(int=0)), **params})
    told = services.order_preview(actor, ticket)
    estimate, refusal = told.estimate, told.refusal
    return {
        "cost": format_dollars(estimate.cost),
        "proceeds": format_dollars(estimate.proceeds),
        "fee": _dollars(estimate.fee_one_fill),
        "fee_worst": _dollars(estimate.fee_worst_split),
        **_fee_details(estimate.fees, ticket),
        "maintenance": None
        if told.maintenance is None
        else {"text": maintenance_words(told.maintenance, now=utc_now()), "cancels": ticket.cancel_on_pause},
        "fee_now": _fee_now(told.fee_now),
        "worst_case": _dollars(estimate.worst_case),
        "payout": format_dollars(estimate.payout),
        "opening": format_count(estimate.opening),
        "closing": format_count(estimate.closing),
        "position_after": None if told.position_after is None else format_count(told.position_after),
        "balance_after": _dollars(told.balance_after),
        "tokens": {
            "cost": services.TOKENS_PER_ORDER,
            "left": int(told.tokens.tokens),
            "capacity": int(told.tokens.capacity),
            "rate": int(told.tokens.rate),
            "degraded": told.tokens.degraded,
        },
        "shown": told.shown,
        "reasons": told.reasons,
        "limits": [_limit(one) for one in told.limits],
        "refusal": None
        if refusal is None
        else {"code": refusal.code, "text": refusal.text, "fields": dict(refusal.fields)},
    }


def _fee_now(now: services.FeeNow | None) -> Answer | None:
    if now is None:
        return None
    price = format_price(now.price)
    return {"price": price, "fee": _dollars(now.one_fill), "fee_worst": _dollars(now.worst_split)}


def _fee_details(fees: FeeDetails | None, ticket: OrderTicket) -> Answer:
    free_until = fees.waived_until if fees else None
    maker, maker_worst = fees.as_maker if fees else (None, None)
    return {
        "fee_trade": _dollars(fees.trade if fees else None),
        "fee_rounding": _dollars(fees.rounding if fees else None),
        "rebate": _dollars(fees.rebate if fees else None),
        "fee_maker": _dollars(maker),
        "fee_maker_worst": _dollars(maker_worst),
        "fee_free_until": None if free_until is None or free_until <= utc_now() else format_rfc3339(free_until),
        "fee_change": _fee_change(fees, ticket) if fees else None,
    }


def _fee_change(fees: FeeDetails, ticket: OrderTicket) -> Answer | None:
    change = fees.ahead
    if change is None:
        return None
    ends = ticket.expires_at
    may_rest = ticket.time_in_force == GOOD_TILL_CANCELED and (ends is None or ends > change.at)
    then = change.schedule
    maker, maker_worst = fees.as_maker_by(then) if then is not None and may_rest else (None, None)
    return {
        "at": format_rfc3339(change.at),
        "taker_before": _rate(change.before.taker_rate),
        "maker_before": _rate(change.before.maker_rate),
        "taker": None if then is None else _rate(then.taker_rate),
        "maker": None if then is None else _rate(then.maker_rate),
        "fee_maker": _dollars(maker),
        "fee_maker_worst": _dollars(maker_worst),
    }


def _rate(rate: Fraction) -> str:
    """Of a multiplier in decimals, so it ends."""
    return f"{(Decimal(rate.numerator) / rate.denominator).normalize():f}"


def _limit(one: services.LimitUse) -> Answer:
    limit, use = limit_text(one.name, one.limit), limit_text(one.name, one.use)
    told = {"name": one.name, "limit": limit, "use": use, "ok": one.is_kept, "text": one.text}
    return told | {"within": one.within, "share": one.share}


def cancel(actor: Actor, params: Params) -> Answer:
    order = order_for(actor, str(params.get("order_id") or ""))
    try:
        key = read_key(params.get("idempotency_key"))
    except ValueError as exc:
        raise DeskError("bad_input", str(exc), fields={"idempotency_key": str(exc)}) from exc
    wish = services.cancel_submit(actor, order, idempotency_key=key)
    return {"cancel": {"id": wish.pk, "state": wish.state}}


def cancel_market(actor: Actor, params: Params) -> Answer:
    ticker = params.get("ticker")
    if not isinstance(ticker, str) or not ticker:
        raise DeskError("bad_input", "Say which market.", fields={"ticker": "This is needed."})
    return _cancel_all(actor, ticker=ticker)


def cancel_everything(actor: Actor, params: Params) -> Answer:
    return _cancel_all(actor, ticker=None)


def _cancel_all(actor: Actor, *, ticker: str | None) -> Answer:
    if actor.account_id is None:
        raise DeskError("no_account", "Choose an account in the top bar first.")
    account = account_seen(actor, actor.account_id)
    done = services.cancel_all(actor, account_id=account.pk, ticker=ticker)
    return {"cancels": done.cancels, "withdrawn": done.withdrawn, "unresolved": done.unresolved}


def orders_state(topic: TopicName) -> Answer:
    return {"all": True, "rows": selectors.rows_of(int(topic.scope))}


def fills_state(topic: TopicName) -> Answer:
    return {"all": True, "rows": selectors.fill_rows_of(int(topic.scope))}


def _dollars(amount: Decimal | None) -> str | None:
    return None if amount is None else format_dollars(amount)


def register() -> None:
    """Fill the registries of `core.ports`. Called once, by AppConfig.ready()."""
    register_command(Command("order.place", Permission.ORDER_PLACE, place, Within.SUBACCOUNT))
    register_command(Command("order.preview", Permission.DESK_VIEW, preview, Within.SUBACCOUNT))
    register_command(Command("order.cancel", Permission.ORDER_CANCEL, cancel, Within.SUBACCOUNT))
    register_command(Command("order.cancel_market", Permission.ORDER_CANCEL, cancel_market, Within.SUBACCOUNT))
    register_command(Command("order.cancel_all", Permission.ORDER_CANCEL, cancel_everything, Within.SUBACCOUNT))
    register_topic(
        Topic(
            "orders", Permission.DESK_VIEW, scope="account", mode="rows", state=orders_state, within=Within.SUBACCOUNT
        )
    )
    register_topic(
        Topic("fills", Permission.DESK_VIEW, scope="account", mode="rows", state=fills_state, within=Within.SUBACCOUNT)
    )
