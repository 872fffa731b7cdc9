"""The only door to orders and fills for a person: those of the accounts of their own desk."""

from django.db.models import QuerySet

from apps.accounts.access import account_is_visible, actor_from
from apps.accounts.grants import within
from apps.accounts.models import Membership
from apps.core.errors import NotAllowed, NotFound
from apps.core.permissions import Actor, Permission, Reach
from apps.core.prepared import Prepared
from apps.orders.models import Fill, Order, OrderIntent

_memberships = Prepared(
    lambda user_id, desk_id: Membership.objects.filter(
        user_id=user_id, desk_id=desk_id, is_active=True, user__is_active=True
    )
)


def actor_of(*, user_id: int, desk_id: int) -> Actor | None:
    """Return what a person may do on a desk now; None when they are suspended or no longer a member.

    The sender asks this for the author of an intent right before it sends (RELIABILITY I15).
    """
    membership = _memberships.first(user_id, desk_id)
    if membership is None:
        return None
    return actor_from(membership)


def require(actor: Actor, permission: Permission) -> None:
    """Raises NotAllowed unless the actor may, on all of the desk."""
    if not actor.may(permission):
        raise NotAllowed


def require_on(actor: Actor, permission: Permission, account_id: int | None, subaccount: int | None) -> None:
    """Raises NotAllowed unless the actor may, on this subaccount (None: on the whole account)."""
    if not actor.may_on(permission, account_id, subaccount):
        raise NotAllowed


def require_somewhere(actor: Actor, permission: Permission) -> Reach:
    """Return where the actor may, for a list that keeps to it. Raises NotAllowed for nowhere."""
    reach = actor.reach(permission)
    if not reach:
        raise NotAllowed
    return reach


def intents_visible_to(actor: Actor, permission: Permission = Permission.DESK_VIEW) -> QuerySet[OrderIntent]:
    reach = require_somewhere(actor, permission)
    return OrderIntent.objects.filter(within(reach), desk_id=actor.desk_id)


def orders_visible_to(actor: Actor, permission: Permission = Permission.DESK_VIEW) -> QuerySet[Order]:
    reach = require_somewhere(actor, permission)
    return Order.objects.filter(within(reach), account__desk_id=actor.desk_id)


def fills_visible_to(actor: Actor) -> QuerySet[Fill]:
    reach = require_somewhere(actor, Permission.DESK_VIEW)
    return Fill.objects.filter(within(reach), account__desk_id=actor.desk_id)


def order_for(actor: Actor, order_id: str, *, account_id: int | None = None) -> Order:
    """Return an order by the exchange's id, in the actor's selected account unless another is named.

    Raises NotAllowed, NotFound (a foreign order looks exactly like none).
    """
    account_id = actor.account_id if account_id is None else account_id
    order = orders_visible_to(actor).filter(account_id=account_id, order_id=order_id).first()
    if order is None:
        raise NotFound("This order does not exist, or it belongs to another desk.")
    return order


def account_of_topic(actor: Actor, scope: str) -> int:
    """Return the account id in a topic's scope. Raises NotFound for anything but one of the desk's."""
    if not scope.isdecimal() or not account_is_visible(actor, int(scope)):
        raise NotFound("This account does not exist, or it belongs to another desk.")
    return int(scope)
