"""What the milestone panel of the Event and Market pages is filled with before the live topic says more."""

from datetime import datetime
from typing import Any

from apps.core.errors import NotFound
from apps.core.permissions import Actor
from apps.core.timestamps import to_unix_ms, utc_now
from apps.markets.access import environment_for
from apps.markets.game_words import is_game, type_words
from apps.markets.models import Event, Market, Milestone, MilestoneEvent, StructuredTarget

SHOWN = 3
LINKS = 12


def milestones_of(environment: str, event_ticker: str, *, now: datetime | None = None) -> list[dict[str, Any]]:
    """Return at most SHOWN milestones that name this event: what its outcome decides first, then what is nearest."""
    at = now or utc_now()
    links = MilestoneEvent.objects.filter(environment=environment, event_ticker=event_ticker)
    rows = [(link.is_primary, link.milestone) for link in links.select_related("milestone")[:100]]
    rows.sort(key=lambda one: (not one[0], _distance(one[1], at), one[1].pk))
    shown = [row for _, row in rows[:SHOWN]]
    return _panels(environment, event_ticker, shown) if shown else []


def milestone_for(actor: Actor, *, environment: str, milestone_id: str) -> Milestone:
    """Raises NotAllowed, NotFound."""
    row = Milestone.objects.filter(environment=environment_for(actor, environment), milestone_id=milestone_id).first()
    if row is None:
        raise NotFound("There is no such milestone in this environment.")
    return row


def target_words(market: Market, targets: dict[str, list[StructuredTarget]]) -> str:
    """Return whom a market is about, "Boston (Basketball team)"; only the kind where the outcome has the same name."""
    words = []
    for target in targets.get(market.ticker, []):
        kind = type_words(target.type)
        if target.name.casefold() == market.yes_sub_title.casefold():
            words.append(kind or target.name)
        else:
            words.append(f"{target.name} ({kind})" if kind else target.name)
    return ", ".join(words)


def _distance(row: Milestone, at: datetime) -> float:
    """Seconds between now and when it goes on; zero while it does. Without a time: last."""
    if row.starts_at is None:
        return float("inf")
    if at < row.starts_at:
        return (row.starts_at - at).total_seconds()
    end = row.ends_at or row.starts_at
    return max(0.0, (at - end).total_seconds())


def _panels(environment: str, event_ticker: str, rows: list[Milestone]) -> list[dict[str, Any]]:
    links = MilestoneEvent.objects.filter(milestone__in=rows).values_list("milestone_id", "event_ticker", "is_primary")
    tickers: dict[int, list[tuple[bool, str]]] = {}
    for milestone, ticker, is_primary in links:
        tickers.setdefault(milestone, []).append((not is_primary, ticker))
    names = {ticker for found in tickers.values() for _, ticker in found}
    titles = dict(Event.objects.filter(environment=environment, ticker__in=names).values_list("ticker", "title"))
    panels = []
    for row in rows:
        others = [ticker for _, ticker in sorted(tickers.get(row.pk, [])) if ticker != event_ticker]
        known = [ticker for ticker in others if ticker in titles]
        panels.append(
            {
                "row": row,
                "is_game": is_game(row.type, row.details),
                "type_words": type_words(row.type),
                "starts_ms": None if row.starts_at is None else to_unix_ms(row.starts_at),
                "ends_ms": None if row.ends_at is None else to_unix_ms(row.ends_at),
                "links": [{"ticker": ticker, "title": titles[ticker]} for ticker in known[:LINKS]],
                "more": max(0, len(known) - LINKS),
                "unknown": len(others) - len(known),
            }
        )
    return panels
