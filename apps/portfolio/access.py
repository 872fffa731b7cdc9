"""The only door to balances and positions for a person: those of the accounts of their own desk."""

from django.db.models import Q, QuerySet

from apps.core.errors import NotAllowed
from apps.core.permissions import Actor, Permission
from apps.portfolio.models import Balance, Position

# Something happened in it, by any of the figures: the WebSocket does not tell what was traded in all.
WAS_TRADED = Q(total_traded__gt=0) | ~Q(realized_pnl=0) | Q(fees_paid__gt=0)


def balances_visible_to(actor: Actor) -> QuerySet[Balance]:
    """Raises NotAllowed."""
    _require_view(actor)
    return Balance.objects.filter(account__desk_id=actor.desk_id)


def positions_visible_to(actor: Actor) -> QuerySet[Position]:
    """Raises NotAllowed."""
    _require_view(actor)
    return Position.objects.filter(account__desk_id=actor.desk_id)


def _require_view(actor: Actor) -> None:
    if not actor.may(Permission.DESK_VIEW):
        raise NotAllowed
