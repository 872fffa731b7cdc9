"""The only door to balances and positions for a person: those of the accounts of their own desk."""

from django.db.models import Q, QuerySet

from apps.accounts.grants import within
from apps.core.permissions import Actor, Permission
from apps.orders.access import require_somewhere
from apps.portfolio.models import Balance, Position

# Something happened in it, by any of the figures: the WebSocket does not tell what was traded in all.
WAS_TRADED = Q(total_traded__gt=0) | ~Q(realized_pnl=0) | Q(fees_paid__gt=0)


def balances_visible_to(actor: Actor) -> QuerySet[Balance]:
    """Raises NotAllowed."""
    reach = require_somewhere(actor, Permission.DESK_VIEW)
    return Balance.objects.filter(within(reach), account__desk_id=actor.desk_id)


def positions_visible_to(actor: Actor) -> QuerySet[Position]:
    """Raises NotAllowed."""
    reach = require_somewhere(actor, Permission.DESK_VIEW)
    return Position.objects.filter(within(reach), account__desk_id=actor.desk_id)
