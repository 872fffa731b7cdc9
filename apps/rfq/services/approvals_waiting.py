"""What waits for a second person on the RFQ desk, for the desk's one list of approvals (Team)."""

from django.urls import reverse

from apps.accounts.four_eyes import Elsewhere
from apps.core.permissions import Actor, Permission
from apps.core.timestamps import utc_now
from apps.rfq.models import Approval

_TITLES = {"rfq": "A request for quotes", "accept": "Taking a quote", "quote": "A quote"}


def approvals_waiting(actor: Actor) -> list[Elsewhere]:
    """Everything for who may approve or audits, else one's own; the first to expire first."""
    rows = Approval.objects.filter(desk_id=actor.desk_id, state=Approval.State.OPEN, expires_at__gt=utc_now())
    if not (actor.may(Permission.RFQ_MANAGE) or actor.may(Permission.AUDIT_VIEW)):
        rows = rows.filter(asked_by_id=actor.user_id)
    return [
        Elsewhere(
            f"{_TITLES.get(row.kind, row.kind)}: {row.words}", row.asked_by_id, row.expires_at, reverse("rfq_desk")
        )
        for row in rows.order_by("expires_at")[:50]
    ]
