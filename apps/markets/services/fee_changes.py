"""Keep the dated changes of fees of one environment as the exchange lists them."""

import logging
from collections.abc import Iterable
from datetime import datetime

from django.db import transaction
from django.db.models import F

from apps.core.errors import WireFormatError
from apps.core.timestamps import parse_rfc3339, utc_now
from apps.exchange.clients import environment_client
from apps.exchange.wire.api.markets import get_fee_changes
from apps.exchange.wire.client import ExchangeClient
from apps.exchange.wire.schemas.rest import SeriesFeeChange as WireChange
from apps.markets.models import Series, SeriesFeeChange
from apps.markets.rows import fee_change_row
from apps.markets.services.catalogue import series_ensure

logger = logging.getLogger(__name__)

_TOLD = ("series", "fee_type", "fee_multiplier", "scheduled_at", "seen_at")
_BEFORE = ("before_type", "before_multiplier")


def fee_changes_sync(environment: str, *, client: ExchangeClient | None = None, now: datetime | None = None) -> int:
    """Store every change that the exchange lists, past ones too; return how many.

    What held before a change is noted while it is still ahead. A change that is listed no more is forgotten, unless it
    was still listed when its moment had come: then it happened.

    Raises:
        ExchangeError: the list or a series could not be read; nothing was changed but series.
    """
    reader = client or environment_client(environment)
    told = get_fee_changes(reader, show_historical=True)
    now = now or utc_now()
    series_ensure(environment, reader, {change.series_ticker for change in told})
    built = _built(environment, told, now=now)
    ahead = [row for row in built if row.scheduled_at > now]
    past = [row for row in built if row.scheduled_at <= now]
    with transaction.atomic():
        for rows, fields in ((ahead, (*_TOLD, *_BEFORE)), (past, _TOLD)):
            SeriesFeeChange.objects.bulk_create(
                rows, update_conflicts=True, unique_fields=["environment", "exchange_id"], update_fields=fields
            )
        unlisted = SeriesFeeChange.objects.filter(environment=environment, seen_at__lt=now)
        unlisted.filter(scheduled_at__gt=F("seen_at")).delete()
    return len(built)


def _built(environment: str, told: Iterable[WireChange], *, now: datetime) -> list[SeriesFeeChange]:
    told = list(told)
    names = {change.series_ticker for change in told}
    series = {row.ticker: row for row in Series.objects.filter(environment=environment, ticker__in=names)}
    built: dict[str, SeriesFeeChange] = {}
    for change in told:
        own = series.get(change.series_ticker)
        if own is None:
            logger.warning("a fee change names the unknown series %s", change.series_ticker[:80])
            continue
        try:
            row = fee_change_row(environment, change, series=own, at=parse_rfc3339(change.scheduled_ts), seen_at=now)
        except WireFormatError as exc:
            logger.warning("a fee change of %s was left out: %s", change.series_ticker[:80], exc)
            continue
        built[row.exchange_id] = row
    return [built[name] for name in sorted(built)]
