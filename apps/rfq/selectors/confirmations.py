"""Accepts of our quotes of one account as rows."""

from apps.core.rfq import ConfirmationState
from apps.rfq.events.confirmations import confirmation_key, confirmation_row
from apps.rfq.events.words import Row
from apps.rfq.models import Confirmation

UNRESOLVED = (ConfirmationState.OPEN, ConfirmationState.CONFIRMING, ConfirmationState.CONFIRMED)
RECENT = 20  # resolved ones


def confirmation_rows_of(account_id: int) -> dict[str, Row]:
    """Return what is unresolved and the last of what is not, by row key."""
    rows = (
        Confirmation.objects.filter(quote__account_id=account_id)
        .select_related("quote__account", "quote__incoming", "quote__owner", "decided_by")
        .order_by("-pk")
    )
    found = [*rows.filter(state__in=UNRESOLVED), *rows.exclude(state__in=UNRESOLVED)[:RECENT]]
    return {confirmation_key(confirmation.pk): confirmation_row(confirmation) for confirmation in found}
