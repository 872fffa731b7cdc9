"""Wishes for the market of some legs as rows."""

from django.db.models import Q

from apps.core.timestamps import utc_now
from apps.rfq.events.combos import resolution_key, resolution_row
from apps.rfq.events.requests import RECENT
from apps.rfq.events.words import Row
from apps.rfq.models import ComboResolution

MOST = 100  # rows of a topic


def resolution_rows_of(account_id: int) -> dict[str, Row]:
    """Return what waits, and the newest of the last 24 h, by row key."""
    shown = Q(state=ComboResolution.State.WAITING) | Q(asked_at__gte=utc_now() - RECENT)
    rows = ComboResolution.objects.filter(shown, account_id=account_id).select_related("account")
    return {resolution_key(row.pk): resolution_row(row) for row in rows.order_by("-pk")[:MOST]}
