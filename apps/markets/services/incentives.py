"""Keep the incentive programs of one environment that run or are to come."""

import logging
from collections.abc import Iterable
from datetime import datetime
from decimal import Decimal

from django.db import transaction

from apps.core.errors import WireFormatError
from apps.core.money import parse_count
from apps.core.timestamps import parse_rfc3339, utc_now
from apps.exchange.clients import environment_client
from apps.exchange.wire.api.notices import get_incentive_programs
from apps.exchange.wire.client import ExchangeClient
from apps.exchange.wire.schemas.rest import IncentiveProgram as WireProgram
from apps.markets.models import IncentiveProgram

logger = logging.getLogger(__name__)

CENTI_CENTS_PER_DOLLAR = 10_000
CHUNK = 500
_REWARD_AT_MOST = 10**15  # centi-cents: what the column holds
_NEVER_CHANGED = ("id", "environment", "exchange_id")


def incentives_sync(environment: str, *, client: ExchangeClient | None = None, now: datetime | None = None) -> int:
    """Store what runs and what is to come, forget what does neither any more; return how many there are.

    Raises:
        ExchangeError: it could not all be read; what was known stays.
    """
    reader = client or environment_client(environment)
    # Upcoming first: one that begins meanwhile is then in the second answer.
    told = [*get_incentive_programs(reader, status="upcoming"), *get_incentive_programs(reader, status="active")]
    now = now or utc_now()
    built = _built(environment, told, now=now)
    fields = [one.name for one in IncentiveProgram._meta.concrete_fields if one.name not in _NEVER_CHANGED]
    for first in range(0, len(built), CHUNK):
        IncentiveProgram.objects.bulk_create(
            built[first : first + CHUNK],
            update_conflicts=True,
            unique_fields=["environment", "exchange_id"],
            update_fields=fields,
        )
    with transaction.atomic():
        IncentiveProgram.objects.filter(environment=environment, seen_at__lt=now).delete()
    return len(built)


def _built(environment: str, told: Iterable[WireProgram], *, now: datetime) -> list[IncentiveProgram]:
    built: dict[str, IncentiveProgram] = {}
    for one in told:
        try:
            built[one.id] = _row(environment, one, now=now)
        except WireFormatError as exc:
            logger.warning("an incentive program of %s was left out: %s", environment, exc)
    return [built[name] for name in sorted(built)]


def _row(environment: str, raw: WireProgram, *, now: datetime) -> IncentiveProgram:
    """Raises WireFormatError."""
    if not (0 < len(raw.id) <= 80 and 0 < len(raw.market_ticker) <= 120) or "\x00" in raw.id + raw.market_ticker:
        raise WireFormatError(f"no id or no ticker: {raw.id[:60]!r}, {raw.market_ticker[:60]!r}")
    if not 0 <= raw.period_reward <= _REWARD_AT_MOST:
        raise WireFormatError(f"not a reward: {raw.period_reward}")
    bps = raw.discount_factor_bps
    return IncentiveProgram(
        environment=environment,
        exchange_id=raw.id,
        market_ticker=raw.market_ticker,
        kind=raw.incentive_type.replace("\x00", "")[:20],
        description=(raw.incentive_description or "").replace("\x00", "")[:300],
        starts_at=parse_rfc3339(raw.start_date),
        ends_at=parse_rfc3339(raw.end_date),
        reward=Decimal(raw.period_reward) / CENTI_CENTS_PER_DOLLAR,
        target_size=None if raw.target_size_fp is None else parse_count(raw.target_size_fp),
        discount_bps=bps if bps is not None and 0 <= bps <= 1_000_000 else None,
        is_paid_out=raw.paid_out,
        seen_at=now,
    )
