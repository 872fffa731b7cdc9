"""Cancels of several orders: what they would touch, in words, and the doing of it."""

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from apps.core.errors import DeskError
from apps.core.money import count_text
from apps.core.permissions import Actor, Permission
from apps.orders import events, services
from apps.orders.access import intents_visible_to, orders_visible_to, require_somewhere
from apps.orders.models import Order, OrderIntent

CHOSEN_AT_MOST = 500


@dataclass(frozen=True, slots=True)
class Scope:
    """Working orders that a cancel would reach. gone: chosen ones that are done by now."""

    orders: list[Order]
    gone: int = 0

    @property
    def contracts(self) -> Decimal:
        return sum((order.remaining_count for order in self.orders), Decimal(0))

    @property
    def words(self) -> str:
        """For example "7 working orders in 3 markets, 2,340 contracts"."""
        return scope_words(
            len(self.orders), markets=len({order.ticker for order in self.orders}), contracts=self.contracts
        )


def scope_words(orders: int, *, markets: int, contracts: Decimal) -> str:
    return (
        f"{orders:,} working {_plural(orders, 'order')} in {markets:,} {_plural(markets, 'market')}, "
        f"{count_text(contracts)} {'contract' if contracts == 1 else 'contracts'}"
    )


def scope_chosen(actor: Actor, *, account_id: int, order_ids: Iterable[str]) -> Scope:
    """Return the working ones of chosen orders (ids of the exchange). Raises NotAllowed, DeskError."""
    require_somewhere(actor, Permission.ORDER_CANCEL)
    wanted = set(order_ids)
    if not wanted:
        raise DeskError("nothing_chosen", "Choose at least one working order.")
    if len(wanted) > CHOSEN_AT_MOST:
        raise DeskError("too_many", f"Choose at most {CHOSEN_AT_MOST} orders at once, or cancel all.")
    found = orders_visible_to(actor, Permission.ORDER_CANCEL).filter(account_id=account_id, order_id__in=wanted)
    working = [
        order for order in found.select_related("account").order_by("-pk") if order.status == Order.Status.RESTING
    ]
    return Scope(working, gone=len(wanted) - len(working))


def scope_all(actor: Actor, *, account_id: int) -> Scope:
    """Return every working order of an account. Raises NotAllowed."""
    require_somewhere(actor, Permission.ORDER_CANCEL)
    return Scope(
        list(
            orders_visible_to(actor, Permission.ORDER_CANCEL).filter(account_id=account_id, status=Order.Status.RESTING)
        )
    )


def unsent_and_unknown(actor: Actor, *, account_id: int) -> dict[str, int]:
    """Count what a cancel of everything withdraws, and what it cannot reach yet."""
    intents = intents_visible_to(actor, Permission.ORDER_CANCEL).filter(account_id=account_id, order=None)
    return {
        "unsent": intents.filter(state=OrderIntent.State.COMMITTED).count(),
        "unknown": intents.filter(state__in=[OrderIntent.State.SENDING, OrderIntent.State.UNKNOWN]).count(),
    }


def cancel_chosen(actor: Actor, scope: Scope, *, account_id: int) -> dict[str, Any]:
    """Commit a wish to cancel each order of the scope; a repeat finds the wish or the end of the order.

    Returns {"cancels": how many were wished for, "gone": how many were done before that}.
    """
    keys = [
        events.external_key(one.order_id) if one.intent_id is None else events.intent_key(one.intent_id)
        for one in scope.orders
    ]
    done = services.cancel_many(actor, account_id=account_id, keys=keys)
    return {"cancels": len(done.cancels), "gone": scope.gone + len(done.done)}


def _plural(count: int, word: str) -> str:
    return word if count == 1 else f"{word}s"
