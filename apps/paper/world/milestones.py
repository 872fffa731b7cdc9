"""Milestones: what happens in the world that events are about. They follow from the listed events.

Nothing is stored: the same events have the same milestones, before and after a restart.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from uuid import NAMESPACE_URL, uuid5

from apps.paper.engine.catalogue import Market, MarketEvent
from apps.paper.engine.exchange import PaperExchange
from apps.paper.world.build import BY_TICKER
from apps.paper.world.entities import target_id
from apps.paper.world.templates import Template

MINUTE_MS = 60_000


@dataclass(frozen=True, slots=True)
class Milestone:
    """One occurrence. Times in Unix milliseconds; `end_ms` is None where it has no length.

    event: what its outcome decides; `related` are the events that belong to the same occurrence, itself among them.
    """

    milestone_id: str
    template: Template
    event: MarketEvent
    markets: list[Market]
    related: list[str]
    start_ms: int
    end_ms: int | None
    updated_ms: int

    @property
    def source_id(self) -> str:
        """The name that an outside source would give it."""
        return f"paper:{self.template.milestone}:{self.event.ticker}"

    @property
    def sides(self) -> tuple[str, str] | None:
        """(home, away) of a game, by name."""
        names = [market.yes_sub_title for market in self.markets if not market.ticker.endswith("-TIE")]
        return (names[0], names[1]) if self.template.game_minutes and len(names) == 2 else None

    @property
    def details(self) -> dict[str, object]:
        """By its type: of a game, who plays; of an election, who runs."""
        kind = self.template.target
        if self.sides is not None:
            home, away = self.sides
            return {
                "home_team_id": target_id(kind, home),
                "away_team_id": target_id(kind, away),
                "home_team_name": home,
                "away_team_name": away,
                "league": self.template.metadata.get("competition", ""),
            }
        if kind:
            return {f"{kind}_ids": [target_id(kind, market.yes_sub_title) for market in self.markets]}
        return {"source": self.template.source[0], "source_url": self.template.source[1]}


def milestone_id(event_ticker: str) -> str:
    """The id of the milestone of an event."""
    return str(uuid5(NAMESPACE_URL, f"paper-exchange/milestones/{event_ticker}"))


def milestones(exchange: PaperExchange, event_tickers: Iterable[str] | None = None) -> Iterator[Milestone]:
    """All of them, or those of these events."""
    wanted = exchange.events if event_tickers is None else event_tickers
    for ticker in wanted:
        found = milestone_of(exchange, ticker)
        if found is not None:
            yield found


def milestone_of(exchange: PaperExchange, event_ticker: str) -> Milestone | None:
    """The milestone that an event is about; None for most."""
    event = exchange.events.get(event_ticker)
    template = BY_TICKER.get(event.series_ticker) if event else None
    if event is None or template is None or not template.milestone or not event.market_tickers:
        return None
    markets = [exchange.markets[ticker] for ticker in event.market_tickers]
    end_ms = markets[0].close_ms
    return Milestone(
        milestone_id=milestone_id(event.ticker),
        template=template,
        event=event,
        markets=markets,
        related=[event.ticker, *_same_occurrence(exchange, template, end_ms)],
        start_ms=end_ms - template.game_minutes * MINUTE_MS,
        end_ms=end_ms if template.game_minutes else None,
        updated_ms=max(event.updated_ms, *(market.updated_ms for market in markets)),
    )


def _same_occurrence(exchange: PaperExchange, template: Template, end_ms: int) -> list[str]:
    """Of each related series, the first event that closes at the same time or later."""
    found = []
    for series_ticker in template.related:
        closes = [
            (exchange.markets[event.market_tickers[0]].close_ms, event.ticker)
            for event in exchange.events.values()
            if event.series_ticker == series_ticker and event.market_tickers
        ]
        later = [close for close in closes if close[0] >= end_ms]
        if later:
            found.append(min(later)[1])
    return found
