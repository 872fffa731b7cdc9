"""Our quotes of one account as rows."""

from django.db.models import Q

from apps.core.rfq import QuoteState
from apps.core.timestamps import utc_now
from apps.rfq.events.quotes import quote_key, quote_row
from apps.rfq.events.requests import RECENT
from apps.rfq.events.words import Row
from apps.rfq.models import Quote
from apps.rfq.services.quotes import LIVE

MOST = 500  # rows of a topic
UNSETTLED = (*LIVE, QuoteState.NOT_SEEN, QuoteState.ACCEPTED, QuoteState.CONFIRMED)


def quote_rows_of(account_id: int) -> dict[str, Row]:
    """Return everything that may still trade and what ended in the last 24 h, by row key."""
    shown = Q(state__in=UNSETTLED) | Q(created_at__gte=utc_now() - RECENT)
    rows = Quote.objects.filter(shown, account_id=account_id).select_related(
        "account", "incoming", "owner", "placed_by", "rule_version__rule", "confirmation"
    )
    return {quote_key(quote.pk): quote_row(quote) for quote in rows.order_by("-pk")[:MOST]}
