"""Approvals of one account as rows, with the desk's threshold."""

from django.db.models import Q

from apps.accounts.models import ExchangeAccount
from apps.core.timestamps import utc_now
from apps.rfq.events.approvals import THRESHOLD_KEY, approval_key, approval_row, threshold_row
from apps.rfq.events.requests import RECENT
from apps.rfq.events.words import Row
from apps.rfq.models import Approval, ApprovalThreshold

MOST = 100


def approval_rows_of(account_id: int) -> dict[str, Row]:
    """Return what waits, what was decided in the last 24 h, and the threshold, by row key."""
    shown = Q(state=Approval.State.OPEN) | Q(asked_at__gte=utc_now() - RECENT)
    rows = Approval.objects.filter(shown, account_id=account_id).select_related("account", "asked_by", "decided_by")
    desks = ExchangeAccount.objects.filter(pk=account_id).values("desk_id")
    threshold = ApprovalThreshold.objects.filter(desk_id__in=desks).select_related("changed_by").first()
    found = {approval_key(row.pk): approval_row(row) for row in rows.order_by("-pk")[:MOST]}
    return {THRESHOLD_KEY: threshold_row(threshold), **found}
