"""Keep the names of structured targets that markets of the catalogue name in their strikes."""

import logging
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

from django.core.cache import cache
from django.db import transaction

from apps.core.timestamps import utc_now
from apps.exchange.clients import environment_client
from apps.exchange.wire.api.milestones import IDS_AT_MOST, get_structured_targets
from apps.exchange.wire.client import ExchangeClient
from apps.markets.models import Market, StructuredTarget

logger = logging.getLogger(__name__)

STRUCTURED = "structured"
OF_ONE_MARKET = 5
QUESTIONS_AT_MOST = 20  # in one pass; the rest comes in the next ones
OVERLAP = timedelta(minutes=2)


def target_ids(extra: Any) -> list[str]:
    """Return the ids in a market's strike, which names targets only where its type says so."""
    if not isinstance(extra, dict) or extra.get("strike_type") != STRUCTURED:
        return []
    strike = extra.get("custom_strike")
    values = strike.values() if isinstance(strike, dict) else []
    return [one for one in values if isinstance(one, str) and 0 < len(one) <= 80][:OF_ONE_MARKET]


def targets_sync(environment: str, *, client: ExchangeClient | None = None, now: datetime | None = None) -> int:
    """Read the targets of markets that changed since the last pass and are not known yet; return how many are new.

    Raises:
        ExchangeError: the exchange could not be read; the same are asked for again.
    """
    started = now or utc_now()
    key = f"targets-sync:{environment}"
    since: datetime | None = cache.get(key)
    changed = Market.objects.filter(environment=environment, extra__strike_type=STRUCTURED)
    if since is not None and StructuredTarget.objects.filter(environment=environment).exists():
        changed = changed.filter(updated_at__gte=since - OVERLAP)
    wanted = {one for extra in changed.values_list("extra", flat=True).iterator() for one in target_ids(extra)}
    known: set[str] = set()
    for part in _parts(sorted(wanted), 500):
        rows = StructuredTarget.objects.filter(environment=environment, target_id__in=part)
        known.update(rows.values_list("target_id", flat=True))
    missing = sorted(wanted - known)
    reader = client or environment_client(environment)
    stored = 0
    parts = _parts(missing, IDS_AT_MOST)
    for part in parts[:QUESTIONS_AT_MOST]:
        found = [row for row in get_structured_targets(reader, part) if row.id in part and row.name]
        with transaction.atomic():
            StructuredTarget.objects.bulk_create(
                [
                    StructuredTarget(
                        environment=environment, target_id=one.id, name=_text(one.name, 200), type=_text(one.type, 80)
                    )
                    for one in {row.id: row for row in found}.values()
                ],
                update_conflicts=True,
                unique_fields=["environment", "target_id"],
                update_fields=["name", "type", "updated_at"],
            )
        stored += len(found)
    if len(parts) <= QUESTIONS_AT_MOST:
        cache.set(key, started, timeout=None)
    if stored:
        logger.info("structured targets of %s: %d new", environment, stored)
    return stored


def _parts(items: list[str], size: int) -> list[list[str]]:
    return [items[start : start + size] for start in range(0, len(items), size)]


def targets_of(environment: str, markets: Iterable[Market]) -> dict[str, list[StructuredTarget]]:
    """Return the known targets of these markets, by ticker."""
    ids = {market.ticker: target_ids(market.extra) for market in markets}
    wanted = {one for found in ids.values() for one in found}
    if not wanted:
        return {}
    rows = StructuredTarget.objects.filter(environment=environment, target_id__in=wanted)
    names = {row.target_id: row for row in rows}
    return {ticker: [names[one] for one in found if one in names] for ticker, found in ids.items()}


def _text(raw: str, most: int) -> str:
    return raw[:most].replace("\x00", "").encode(errors="replace").decode()
