"""What requests and quotes of ours share from the click to the answer: refused unsent, looked at again, on record."""

from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.db.models import F

from apps.audit import services as audit
from apps.core.rfq import QuoteState, RfqState
from apps.core.timestamps import utc_now
from apps.rfq.events.quotes import quote_publish
from apps.rfq.events.requests import rfq_publish
from apps.rfq.models import Quote, Rfq

MAX_BACKOFF_SECONDS = 10


def row_publish(row: Rfq | Quote) -> None:
    """Tell the browsers after the commit."""
    if isinstance(row, Quote):
        quote_publish(row)
    else:
        rfq_publish(row)


def row_record(action: str, row: Rfq | Quote, data: dict[str, Any]) -> None:
    """Write down what the desk itself did to a row. action: "refused", "open", ..."""
    name = "quote" if isinstance(row, Quote) else "rfq"
    audit.record(
        f"rfq.{name}.{action}",
        actor_id=None,
        desk_id=row.desk_id,
        environment=row.account.environment,
        target=f"rfq_quote:{row.pk}" if isinstance(row, Quote) else f"rfq:{row.pk}",
        data=data,
    )


def refuse_unsent(row: Rfq | Quote, *, code: str, text: str, now: datetime | None = None) -> bool:
    """COMMITTED -> REFUSED, once: nothing of it was sent. False when it went another way."""
    states: Any = QuoteState if isinstance(row, Quote) else RfqState
    with transaction.atomic():
        changed = (
            type(row)
            .objects.filter(pk=row.pk, state=states.COMMITTED)
            .update(
                state=states.REFUSED,
                error_code=code,
                error_text=text,
                answered_at=now or utc_now(),
                version=F("version") + 1,
            )
        )
        row.refresh_from_db()
        if changed:
            row_publish(row)
            row_record("refused", row, {"code": code, "text": text})
    return bool(changed)


def look_again(row: Rfq | Quote, *, why: str) -> None:
    """Come back later, each time a little later, and show why."""
    pause = timedelta(seconds=min(MAX_BACKOFF_SECONDS, 2 ** min(row.looks, 4)))
    type(row).objects.filter(pk=row.pk).update(
        looks=F("looks") + 1, next_look_at=utc_now() + pause, error_text=why[:400], version=F("version") + 1
    )
    row.refresh_from_db()
    row_publish(row)
