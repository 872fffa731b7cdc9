"""What the catalogue says of the markets in the stream: read in one query for many, kept for a while, bounded."""

import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from apps.markets.models import Market
from apps.rfq.events.words import title_of

KEPT_SECONDS = 30.0
UNKNOWN_KEPT_SECONDS = 5.0  # a combo's market appears in the catalogue a moment after its request
MOST = 20_000
CHUNK = 400  # names in one query: SQLite takes 999 parameters at least


@dataclass(frozen=True, slots=True)
class MarketFacts:
    """One market; status "" and everything empty: the catalogue does not know it (yet)."""

    ticker: str
    title: str
    status: str = ""
    category: str = ""
    event_ticker: str = ""
    closes_at: datetime | None = None
    ranges: tuple[dict[str, str], ...] = ()


@dataclass(slots=True)
class FactsCache:
    """Facts of one environment. Used by one thread."""

    environment: str
    _kept: dict[str, tuple[float, MarketFacts]] = field(default_factory=dict)

    def read(self, tickers: Iterable[str], *, now: float | None = None) -> None:
        """Have the facts of these markets. now: monotonic seconds."""
        now = time.monotonic() if now is None else now
        missing = sorted({ticker for ticker in tickers if self._is_due(ticker, now)})
        for start in range(0, len(missing), CHUNK):
            part = missing[start : start + CHUNK]
            rows = Market.objects.filter(environment=self.environment, ticker__in=part).select_related("event")
            known = {market.ticker: _facts(market) for market in rows.defer("rules_primary", "rules_secondary")}
            for ticker in part:
                facts = known.get(ticker)
                kept = UNKNOWN_KEPT_SECONDS if facts is None else KEPT_SECONDS
                self._kept.pop(ticker, None)
                self._kept[ticker] = (now + kept, facts or MarketFacts(ticker, ticker))
        while len(self._kept) > MOST:
            del self._kept[next(iter(self._kept))]

    def of(self, ticker: str) -> MarketFacts:
        """Facts that were read; a market that was not is one that nothing is known of."""
        kept = self._kept.get(ticker)
        return MarketFacts(ticker, ticker) if kept is None else kept[1]

    def _is_due(self, ticker: str, now: float) -> bool:
        kept = self._kept.get(ticker)
        return kept is None or kept[0] <= now


def _facts(market: Market) -> MarketFacts:
    ranges: list[Any] = market.price_ranges or []
    return MarketFacts(
        ticker=market.ticker,
        title=title_of(market),
        status=market.status,
        category=market.event.category,
        event_ticker=market.event.ticker,
        closes_at=market.close_time,
        ranges=tuple(ranges),
    )
