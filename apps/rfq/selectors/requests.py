"""Requests of one account as rows."""

from django.db.models import Q

from apps.core.rfq import RfqState
from apps.core.timestamps import utc_now
from apps.rfq.events.requests import RECENT, rfq_key, rfq_row
from apps.rfq.events.words import Row
from apps.rfq.models import Rfq
from apps.rfq.services.requests import LIVE

MOST = 300  # rows of a topic: what is live, and the newest of what has ended


def rfq_rows_of(account_id: int) -> dict[str, Row]:
    """Return everything live and what ended in the last 24 h, by row key."""
    shown = Q(state__in=LIVE) | Q(state=RfqState.NOT_SEEN) | Q(created_at__gte=utc_now() - RECENT)
    rows = Rfq.objects.filter(shown, account_id=account_id).select_related("account", "owner", "placed_by")
    rows = rows.prefetch_related("quotes").order_by("-pk")[:MOST]
    return {rfq_key(rfq.pk): rfq_row(rfq) for rfq in rows}
