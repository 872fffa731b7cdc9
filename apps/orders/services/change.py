"""From a wish to amend or decrease a resting order to a committed change. Nothing is sent here."""

import uuid
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from django.db import IntegrityError, transaction
from django.db.models import F

from apps.audit import services as audit
from apps.core import killpoints
from apps.core.errors import DeskError
from apps.core.money import cents_text, count_text, dollars_text
from apps.core.permissions import Actor, Permission
from apps.core.timestamps import utc_now
from apps.orders import events, queue
from apps.orders.access import order_for, require_on, require_somewhere
from apps.orders.costs import cost_estimate
from apps.orders.models import BookSide, ChangeIntent, Order
from apps.orders.services.ask_again import ask_again_check
from apps.orders.services.checks import (
    account_check,
    count_check,
    exchange_check,
    grid_check,
    holding_of,
    market_check,
)
from apps.orders.services.gate import gate_check
from apps.orders.services.limit_rows import InForce
from apps.orders.services.limits import limits_check
from apps.orders.services.order_approval import approval_refuse
from apps.orders.services.pauses import pause_check
from apps.orders.services.shown import shown_check, shown_of
from apps.orders.tickets import OrderTicket

Kind = ChangeIntent.Kind
State = ChangeIntent.State
OPEN_CHANGES = (State.COMMITTED, State.SENDING, State.UNKNOWN)


@dataclass(frozen=True, slots=True)
class Seen:
    """An order as the person saw it when they changed it. Price: YES leg. count: filled and left together."""

    price: Decimal
    count: Decimal
    filled: Decimal


@dataclass(frozen=True, slots=True)
class Wish:
    """What a person wants of an order.

    count: of an amend the new total, filled contracts included, so that a fill in between makes the rest
    smaller and never the total larger; of a decrease the new rest.
    price: YES leg; None for a decrease.
    """

    kind: ChangeIntent.Kind
    count: Decimal
    price: Decimal | None
    seen: Seen
    idempotency_key: uuid.UUID
    shown: str = ""  # of `order.preview` for what would rest, see services.shown


def change_submit(actor: Actor, order: Order, wish: Wish, *, now: datetime | None = None) -> ChangeIntent:
    """Check a wish, commit it with its audit row, then queue it. The same key gives the same change.

    Raises:
        NotAllowed, NotFound: role, or another desk's order.
        DeskError: `order_done`, `order_changed` (somebody else changed it), `change_open`, `no_change`,
            what is wrong with price and count, a limit or a pause. Nothing was stored.
    """
    needed = Permission.ORDER_PLACE if wish.kind == Kind.AMEND else Permission.ORDER_CANCEL
    require_somewhere(actor, needed)
    now = now or utc_now()
    order = order_for(actor, order.order_id, account_id=order.account_id)
    require_on(actor, needed, order.account_id, order.subaccount)
    known = _known(actor, order, wish)
    if known is not None:
        return known
    _order_check(order, wish)
    if wish.kind == Kind.AMEND:
        held = amend_check(actor, order, price=_price(order, wish), count=wish.count, now=now, shown=wish.shown)
        ask_again_check(actor, *held)
    try:
        with transaction.atomic():
            return _known(actor, order, wish) or _commit(actor, order, wish, now=now)
    except IntegrityError:
        known = _known(actor, order, wish)
        if known is not None:
            return known
        raise _open() from None


def _known(actor: Actor, order: Order, wish: Wish) -> ChangeIntent | None:
    """Return the change of this key. Raises DeskError when it is a different one."""
    known = ChangeIntent.objects.filter(requested_by_id=actor.user_id, idempotency_key=wish.idempotency_key).first()
    if known is None:
        return None
    asked = (order.pk, wish.kind.value, wish.count)
    if (known.order_id, known.kind, known.count) != asked or wish.price not in (None, known.price):
        raise DeskError("idempotency_mismatch", "This change was sent already with other values. Start it anew.")
    return known


def _order_check(order: Order, wish: Wish) -> None:
    if order.status != Order.Status.RESTING:
        text = f"There is nothing to change: the order is {order.get_status_display().lower()}."
        raise DeskError("order_done", text)
    # Not the count that it began with: a decrease leaves that as it is, and an amend to it would undo the decrease.
    in_all = order.filled_count + order.remaining_count
    if (wish.seen.price, wish.seen.count) != (order.price, in_all):
        is_now = f"{count_text(in_all)} in all at {cents_text(order.price)} YES"
        raise DeskError("order_changed", f"The order was changed meanwhile: it is {is_now} now. Look, then try again.")
    if order.changes.filter(state__in=OPEN_CHANGES).exists():
        raise _open()
    if wish.kind == Kind.DECREASE:
        _decrease_check(order, wish.count)


def _open() -> DeskError:
    return DeskError("change_open", "Another change of this order has no outcome yet. Wait, or cancel the order.")


def _decrease_check(order: Order, rest: Decimal) -> None:
    if rest <= 0:
        raise _field("use_cancel", "remaining", "To leave nothing, cancel the order.")
    if rest >= order.remaining_count:
        text = f"Only {count_text(order.remaining_count)} rest: give fewer. To make it larger, amend it."
        raise _field("not_smaller", "remaining", text)


def amend_check(
    actor: Actor, order: Order, *, price: Decimal, count: Decimal, now: datetime, shown: str = ""
) -> tuple[InForce, OrderTicket]:
    """May this order become this now? Asked when the change is submitted, and again before it is sent.

    Returns the limits that hold, and what would rest. Raises DeskError.
    """
    if count <= order.filled_count:
        text = f"{count_text(order.filled_count)} are filled already: the total must be larger."
        raise _field("count_filled", "count", text)
    if (price, count) == (order.price, order.filled_count + order.remaining_count):
        raise DeskError("no_change", "The order is like this already.")
    account = account_check(actor, order.account_id, order.subaccount)
    pause_check(user_id=actor.user_id, desk_id=actor.desk_id)
    gate_check(account.pk)
    market = market_check(actor, account.environment, order.ticker, now=now)
    exchange_check(account.environment, now=now)
    ticket = amended_ticket(order, price=price, count=count)
    if shown:
        holding = holding_of(order.account_id, order.subaccount, order.ticker)
        estimate = cost_estimate(market, ticket, position=holding.position or Decimal(0), now=now)
        shown_check(shown, shown_of(market, estimate))
    grid_check(market, ticket)
    count_check(market, count)
    _funds_check(order, price=price, rest=ticket.count)
    force = limits_check(actor, ticket, account=account, now=now, instead_of=order)
    approval_refuse(actor, force, ticket, now=now, instead_of=order)
    return force, ticket


def amended_ticket(order: Order, *, price: Decimal, count: Decimal) -> OrderTicket:
    """Return what would rest after an amend as if it were a new order, on the YES leg."""
    return OrderTicket(
        idempotency_key=uuid.UUID(int=0),
        account_id=order.account_id,
        subaccount=order.subaccount,
        ticker=order.ticker,
        side="buy_yes" if order.book_side == BookSide.BID else "sell_yes",
        price=price,
        count=count - order.filled_count,
    )


def _funds_check(order: Order, *, price: Decimal, rest: Decimal) -> None:
    """The rest of the order is paid for already; what is needed is the difference."""
    holding = holding_of(order.account_id, order.subaccount, order.ticker)
    if holding.cash is None or holding.position:
        return  # against a position part of it closes: the exchange decides
    old, new = (p if order.book_side == BookSide.BID else 1 - p for p in (order.price, price))
    more = new * rest - old * order.remaining_count
    if more > holding.cash:
        text = f"This needs {dollars_text(more)} more; the balance is {dollars_text(holding.cash)}."
        raise _field("insufficient_funds", "count", text)


def _price(order: Order, wish: Wish) -> Decimal:
    return order.price if wish.price is None else wish.price


def _commit(actor: Actor, order: Order, wish: Wish, *, now: datetime) -> ChangeIntent:
    change = ChangeIntent.objects.create(
        order=order,
        requested_by_id=actor.user_id,
        idempotency_key=wish.idempotency_key,
        kind=wish.kind,
        price=_price(order, wish),
        count=wish.count,
        seen_filled=wish.seen.filled,
        shown=wish.shown,
        created_at=now,
        next_attempt_at=now,
    )
    killpoints.reach("change.stored")
    order_touch(order.pk)
    queue.enqueue_on_commit(queue.CHANGE_SEND, change.pk)
    audit.record(
        "orders.change.committed",
        actor_id=actor.user_id,
        desk_id=order.account.desk_id,
        environment=order.account.environment,
        target=f"change_intent:{change.pk}",
        data={
            "order_id": order.order_id,
            "ticker": order.ticker,
            "kind": wish.kind.value,
            "price": change.price,
            "count": wish.count,
            "was": {"price": order.price, "count": order.initial_count, "filled": order.filled_count},
        },
    )
    return change


def order_touch(order_pk: int) -> None:
    """Publish an order's row again because its change or cancel changed. Inside a transaction."""
    Order.objects.filter(pk=order_pk).update(version=F("version") + 1)
    events.order_publish(Order.objects.select_related("intent").get(pk=order_pk))


def _field(code: str, field: str, text: str) -> DeskError:
    return DeskError(code, text, fields={field: text})
