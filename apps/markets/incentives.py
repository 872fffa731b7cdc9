"""What pages show of the exchange's incentive programs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from django.db.models import QuerySet

from apps.core.money import count_text, dollars_text
from apps.core.timestamps import utc_now
from apps.markets.models import IncentiveProgram, Market

LISTED_AT_MOST = 500
# Sort key -> columns. "-" before a key turns it round.
SORTS: Mapping[str, tuple[str, ...]] = {
    "reward": ("-reward", "ends_at", "market_ticker"),
    "ends": ("ends_at", "-reward", "market_ticker"),
    "starts": ("starts_at", "-reward", "market_ticker"),
    "market": ("market_ticker", "starts_at"),
}
KINDS = (("", "Any kind"), ("liquidity", "Liquidity"), ("volume", "Volume"))
_KIND_WORDS = {"liquidity": "Liquidity reward", "volume": "Volume reward"}


@dataclass(frozen=True, slots=True)
class ProgramRow:
    program: IncentiveProgram
    market: Market | None  # None: not in the catalogue
    is_active: bool
    reward: str
    target: str  # "" where there is none
    discount: str


def current(environment: str, *, now: datetime | None = None) -> QuerySet[IncentiveProgram]:
    """Programs that run or are to come."""
    return IncentiveProgram.objects.filter(environment=environment, ends_at__gt=now or utc_now())


def rewarded_now(environment: str, *, now: datetime | None = None) -> QuerySet[IncentiveProgram]:
    now = now or utc_now()
    return current(environment, now=now).filter(starts_at__lte=now)


def rewards_now(environment: str, tickers: Sequence[str]) -> dict[str, Decimal]:
    """Return the dollars of the programs that run, all kinds together, by market; without one a market is left out."""
    found: dict[str, Decimal] = {}
    for ticker, reward in (
        rewarded_now(environment).filter(market_ticker__in=tickers).values_list("market_ticker", "reward")
    ):
        found[ticker] = found.get(ticker, Decimal(0)) + reward
    return found


def programs_list(
    environment: str, *, sort: str = "", kind: str = "", now: datetime | None = None
) -> tuple[list[ProgramRow], int]:
    """Return at most LISTED_AT_MOST rows and how many there are."""
    now = now or utc_now()
    query = current(environment, now=now)
    if kind:
        query = query.filter(kind=kind)
    columns = SORTS.get(sort.removeprefix("-"), SORTS["reward"])
    ordered = query.order_by(*columns)
    if sort.startswith("-"):
        ordered = ordered.reverse()
    found = list(ordered[:LISTED_AT_MOST])
    tickers = {one.market_ticker for one in found}
    known = Market.objects.filter(environment=environment, ticker__in=tickers).select_related("event")
    markets = {market.ticker: market for market in known}
    return [_row(one, markets.get(one.market_ticker), now) for one in found], query.count()


def rewards_words(environment: str, ticker: str, *, now: datetime | None = None) -> list[str]:
    """Return a line per program of a market: "Liquidity reward: $120.00 for the period to 3 Dec, target size 1,000"."""
    now = now or utc_now()
    programs = current(environment, now=now).filter(market_ticker=ticker).order_by("starts_at", "kind", "exchange_id")
    return [_words(one, now) for one in programs[:8]]


def _words(one: IncentiveProgram, now: datetime) -> str:
    row = _row(one, None, now)
    name = _KIND_WORDS.get(one.kind, f"{one.kind.replace('_', ' ').capitalize() or 'Other'} reward")
    period = f"to {_day(one.ends_at)}" if row.is_active else f"from {_day(one.starts_at)} to {_day(one.ends_at)}"
    parts = [f"{name}: {row.reward} for the period {period}"]
    if row.target:
        parts.append(f"target size {row.target}")
    if row.discount:
        parts.append(f"discount {row.discount}")
    return ", ".join(parts)


def _row(one: IncentiveProgram, market: Market | None, now: datetime) -> ProgramRow:
    bps = one.discount_bps
    return ProgramRow(
        program=one,
        market=market,
        is_active=one.starts_at <= now,
        reward=dollars_text(one.reward),
        target="" if one.target_size is None else count_text(one.target_size),
        discount="" if bps is None else f"{bps // 100}.{bps % 100:02d}".rstrip("0").rstrip(".") + " %",
    )


def _day(at: datetime) -> str:
    return f"{at.day} {at:%b} {at:%H:%M} UTC"
