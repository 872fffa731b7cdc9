"""What a person has working when they are suspended, and cancelling it where that was chosen (apps.accounts.team)."""

from apps.core.permissions import Actor, Permission
from apps.orders.access import intents_visible_to, orders_visible_to, require
from apps.orders.models import Order, OrderIntent
from apps.orders.services.cancel_runs import cancel_many

_ON_THE_WAY = (OrderIntent.State.COMMITTED, OrderIntent.State.SENDING, OrderIntent.State.UNKNOWN)


def work_of_person(desk_id: int, user_id: int) -> list[str]:
    """Return what a person's orders are doing on a desk, in words."""
    working = Order.objects.filter(
        account__desk_id=desk_id, intent__placed_by_id=user_id, status=Order.Status.RESTING
    ).count()
    waiting = OrderIntent.objects.filter(desk_id=desk_id, placed_by_id=user_id, state__in=_ON_THE_WAY).count()
    found = []
    if working:
        found.append(f"{working} working order{'' if working == 1 else 's'}")
    if waiting:
        found.append(f"{waiting} order{'' if waiting == 1 else 's'} whose outcome is not known yet")
    return found


def cancel_of_person(actor: Actor, user_id: int) -> int:
    """Ask for cancels of all that a person has working on the actor's desk; returns how many. Raises NotAllowed."""
    require(actor, Permission.ORDER_CANCEL)
    keys: dict[int, list[str]] = {}
    mine = orders_visible_to(actor, Permission.ORDER_CANCEL).filter(
        intent__placed_by_id=user_id, status=Order.Status.RESTING
    )
    for account_id, intent_id in mine.values_list("account_id", "intent_id"):
        keys.setdefault(account_id, []).append(f"intent:{intent_id}")
    waiting = intents_visible_to(actor, Permission.ORDER_CANCEL).filter(
        placed_by_id=user_id, state=OrderIntent.State.COMMITTED
    )
    for account_id, intent_id in waiting.values_list("account_id", "pk"):
        keys.setdefault(account_id, []).append(f"intent:{intent_id}")
    told = [cancel_many(actor, account_id=account_id, keys=names) for account_id, names in keys.items()]
    return sum(len(one.cancels) + len(one.withdrawn) for one in told)
