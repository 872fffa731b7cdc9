"""Four eyes on orders above a threshold, alone or with those just before: `approve_count`, `approve_notional` and
`approve_within` of the limits that match.

Asking stores the ticket in a request that is bound to its hash and good for ten minutes; the approver sees the book
and the position then and now. Carrying it out submits that ticket with its author's rights of that moment: limits,
band, funds and grid are asked at the price of now, and the sender asks them once more.
"""

import uuid
from collections.abc import Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from apps.accounts.four_eyes import ApprovalNeeded, Kind, Params, change_ask, gate, kinds
from apps.accounts.models import ChangeRequest, ExchangeAccount
from apps.core.errors import DeskError
from apps.core.money import cents_text, count_text, dollars_text
from apps.core.permissions import Actor, Permission
from apps.markets.models import Market
from apps.orders.models import Order, OrderIntent
from apps.orders.services.ask_again import ask_again_check
from apps.orders.services.checks import holding_of
from apps.orders.services.limit_rows import InForce
from apps.orders.services.limits import notional_of
from apps.orders.services.quotes import quotes_of
from apps.orders.services.split_orders import Lately, lately_of
from apps.orders.tickets import OrderTicket

KIND = "order"
GOOD_FOR = timedelta(minutes=10)
_SIDES = {"buy_yes": "Buy YES", "sell_yes": "Sell YES", "buy_no": "Buy NO", "sell_no": "Sell NO"}


def approval_why(force: InForce, ticket: OrderTicket, lately: Lately) -> str:
    """Return in words what of this order is above its threshold, alone or with those before it; "" when nothing is."""
    most, dearest = force.of_one.get("approve_count"), force.of_one.get("approve_notional")
    if most is not None and ticket.count > most:
        return f"{count_text(ticket.count)} contracts are more than {count_text(Decimal(most))}"
    cost = notional_of(ticket)
    if dearest is not None and cost > dearest:
        return f"{dollars_text(cost)} are more than {dollars_text(Decimal(dearest))}"
    if not lately.orders:
        return ""
    count, cost = ticket.count + lately.count, cost + lately.cost
    if most is not None and count > most:
        return f"{count_text(count)} contracts, {lately.words}, are more than {count_text(Decimal(most))}"
    if dearest is not None and cost > dearest:
        return f"{dollars_text(cost)}, {lately.words}, are more than {dollars_text(Decimal(dearest))}"
    return ""


def approval_gate(
    actor: Actor, ticket: OrderTicket, force: InForce, *, approval: ChangeRequest | None, now: datetime
) -> None:
    """Let it pass below the threshold, or with the approval of exactly this ticket.

    Raises as `four_eyes.gate`; DeskError `ask_again` where nobody else is asked, but the author is.
    """
    if approval is not None:
        gate(actor.desk_id, KIND, "", params_of(ticket), approval=approval)
        return
    lately = lately_of(force, ticket, user_id=actor.user_id, desk_id=actor.desk_id, now=now)
    if approval_why(force, ticket, lately):
        together = f", {lately.words}" if not approval_why(force, ticket, Lately()) else ""
        raise ApprovalNeeded(KIND, f"{_title(ticket)}{together}"[:200], params_of(ticket))
    ask_again_check(actor, force, ticket)


def approval_refuse(
    actor: Actor,
    force: InForce,
    ticket: OrderTicket,
    *,
    now: datetime,
    before: Sequence[OrderTicket] = (),
    instead_of: Order | None = None,
) -> None:
    """Where nobody can be asked (a line of a batch, an amend): raises DeskError `approval_needed`.

    before: lines of the same batch. instead_of: the order that is amended.
    """
    lately = lately_of(
        force, ticket, user_id=actor.user_id, desk_id=actor.desk_id, now=now, before=before, instead_of=instead_of
    )
    why = approval_why(force, ticket, lately)
    if why:
        raise DeskError("approval_needed", f"{why}: a second person has to approve it. Place it alone, as a new order.")


def approval_check_again(intent: OrderIntent, force: InForce, ticket: OrderTicket, *, now: datetime) -> None:
    """Right before it is sent: the threshold may have been lowered since, and of two at once the later one is asked.

    Raises DeskError `approval_needed`.
    """
    if intent.approval_id is None:
        user_id, desk_id = intent.placed_by_id, intent.desk_id
        lately = lately_of(force, ticket, user_id=user_id, desk_id=desk_id, now=now, intent=intent)
        why = approval_why(force, ticket, lately)
        if why:
            raise DeskError("approval_needed", f"{why}: a second person has to approve it now. Place it anew.")


def order_asked(actor: Actor, needed: ApprovalNeeded) -> DeskError:
    """Ask a second person, and return what the trader is told: nothing was placed."""
    request = change_ask(actor, needed)
    text = (
        f"{needed.title}: this is above the desk's threshold, and a second person was asked. "
        f"It waits under Team, Approvals until {request.expires_at:%H:%M:%S} UTC. Nothing was placed."
    )
    return DeskError("approval_asked", text, fields={"general": text})


def register() -> None:
    kinds[KIND] = Kind(
        "Orders above a threshold",
        Permission.ORDER_PLACE,
        _now,
        _apply,
        approved_by=Permission.LIMIT_MANAGE,
        good_for=GOOD_FOR,
        set_where="set with the limits",
        drifting=frozenset({"best bid", "best ask"}),
    )


def params_of(ticket: OrderTicket) -> dict[str, Any]:
    return {
        "idempotency_key": str(ticket.idempotency_key),
        "account_id": ticket.account_id,
        "subaccount": ticket.subaccount,
        "ticker": ticket.ticker,
        "side": ticket.side,
        "price": str(ticket.price),
        "count": str(ticket.count),
        "time_in_force": ticket.time_in_force,
        "expires_at": ticket.expires_at.isoformat() if ticket.expires_at else None,
        "is_post_only": ticket.is_post_only,
        "is_reduce_only": ticket.is_reduce_only,
        "cancel_on_pause": ticket.cancel_on_pause,
        "self_trade_prevention": ticket.self_trade_prevention,
        "order_group_id": ticket.order_group_id,
    }


def ticket_of_params(params: Params) -> OrderTicket:
    """What the author's preview showed is old by now, so `shown` is not asked for: the approver saw the rest."""
    given = dict(params)
    given["idempotency_key"] = uuid.UUID(given["idempotency_key"])
    given["price"], given["count"] = Decimal(given["price"]), Decimal(given["count"])
    given["expires_at"] = datetime.fromisoformat(given["expires_at"]) if given["expires_at"] else None
    return OrderTicket(**given)


def _title(ticket: OrderTicket) -> str:
    cost = dollars_text(notional_of(ticket))
    terms = f"{count_text(ticket.count)} {ticket.ticker} at {cents_text(ticket.price)}"
    return f"{_SIDES[ticket.side]} {terms}, {cost}"


def _now(desk_id: int, params: Params) -> dict[str, str]:
    account = ExchangeAccount.objects.filter(pk=params["account_id"], desk_id=desk_id).first()
    if account is None:
        return {"account": "not on this desk"}
    ticker = params["ticker"]
    market = Market.objects.filter(environment=account.environment, ticker=ticker).first()
    quotes = quotes_of(account.environment, ticker)
    bid, ask = (quotes.bid, quotes.ask) if quotes else (None, None)
    known = "" if quotes is None or quotes.is_live else ", last known: there is no live book"
    held = holding_of(account.pk, params["subaccount"], ticker).position
    return {
        "account": f"{account.name} ({account.environment})",
        "market": market.status if market else "not known",
        "best bid": "-" if bid is None else cents_text(bid) + known,
        "best ask": "-" if ask is None else cents_text(ask) + known,
        "position": "not known" if held is None else count_text(held),
    }


def _apply(author: Actor, request: ChangeRequest) -> None:
    from apps.orders.services.submit import intent_submit

    intent_submit(author, ticket_of_params(request.params), approval=request)
