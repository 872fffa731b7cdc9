"""Which tokens a person sees: their own, and everybody's on the desk where they manage its people."""

from django.db.models import QuerySet

from apps.core.permissions import Actor, Permission
from apps.data_api.models import DataToken
from apps.orders.access import require_somewhere


def tokens_visible_to(actor: Actor) -> QuerySet[DataToken]:
    """Raises NotAllowed."""
    require_somewhere(actor, Permission.DESK_VIEW)
    rows = DataToken.objects.filter(desk_id=actor.desk_id).select_related("user")
    return rows if actor.may(Permission.PEOPLE_MANAGE) else rows.filter(user_id=actor.user_id)


def tokens_listed(actor: Actor) -> list[DataToken]:
    """Those that still open something first, then the newest. Raises NotAllowed."""
    rows = tokens_visible_to(actor).order_by("-created_at", "-pk")[:200]
    return sorted(rows, key=lambda row: row.revoked_at is not None)
