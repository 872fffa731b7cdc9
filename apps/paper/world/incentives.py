"""Incentive programs: weekly rewards for resting orders or for volume on the busiest markets.

They follow from the listed markets and the clock; what was paid out is not money of this exchange.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal
from uuid import NAMESPACE_URL, uuid5

from apps.paper.engine.catalogue import Market
from apps.paper.engine.exchange import PaperExchange
from apps.paper.engine.units import CONTRACT
from apps.paper.world.build import BY_TICKER
from apps.paper.world.listing import DAY_MS

Status = Literal["upcoming", "active", "closed", "paid_out"]
Kind = Literal["liquidity", "volume"]
WEEK_MS = 7 * DAY_MS
PAID_AFTER_MS = 3 * DAY_MS
POPULAR = 7  # series at least this popular have programs
MARKETS_PER_EVENT = 2
WEEKS = range(-2, 2)  # the two before this one, this one, the next


@dataclass(frozen=True, slots=True)
class Program:
    """One program of one market and one week. reward: centi-cents for the whole period."""

    market: Market
    kind: Kind
    start_ms: int
    end_ms: int
    reward: int

    @property
    def program_id(self) -> str:
        """The same in every run."""
        return str(uuid5(NAMESPACE_URL, f"paper-exchange/incentives/{self.market.ticker}/{self.start_ms}"))

    @property
    def description(self) -> str:
        """What it rewards."""
        words = {"liquidity": "Resting orders near the best price", "volume": "Contracts traded"}
        return words[self.kind]

    @property
    def target_size(self) -> int | None:
        """Contracts on both sides that earn the whole reward, count units; only of liquidity programs."""
        return 500 * CONTRACT if self.kind == "liquidity" else None

    @property
    def discount_bps(self) -> int | None:
        """What each step away from the best price takes off, in 1/10,000; only of liquidity programs."""
        return 5_000 if self.kind == "liquidity" else None

    def status(self, now_ms: int) -> Status:
        """Where it stands."""
        if now_ms < self.start_ms:
            return "upcoming"
        if now_ms < self.end_ms:
            return "active"
        return "paid_out" if now_ms >= self.end_ms + PAID_AFTER_MS else "closed"


def programs(exchange: PaperExchange) -> Iterator[Program]:
    """All programs of the weeks around now, in the order of their markets."""
    this_week = exchange.clock.now_ms() // WEEK_MS * WEEK_MS
    for event in exchange.events.values():
        template = BY_TICKER.get(event.series_ticker)
        if template is None or template.popularity < POPULAR:
            continue
        for number, ticker in enumerate(event.market_tickers[:MARKETS_PER_EVENT]):
            market = exchange.markets[ticker]
            kind: Kind = "volume" if number else "liquidity"
            for week in WEEKS:
                start_ms = max(this_week + week * WEEK_MS, market.open_ms)
                end_ms = min(this_week + (week + 1) * WEEK_MS, market.close_ms)
                if start_ms < end_ms:
                    yield Program(market, kind, start_ms, end_ms, template.popularity * 500_000)
