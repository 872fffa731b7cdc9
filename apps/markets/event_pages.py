"""What the Event page is filled with: outcomes side by side, and whether the set is mispriced.

static/js/markets/event-model.js keeps the same sums live; tests on both sides hold the same cases.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from apps.core.money import cents_text, count_text
from apps.core.permissions import Actor
from apps.markets import selectors
from apps.markets.access import environment_for
from apps.markets.forecasts import is_numeric
from apps.markets.list_pages import finest_step
from apps.markets.milestone_pages import milestones_of, target_words
from apps.markets.models import Market
from apps.markets.selectors import OPEN_STATUSES, Outcome
from apps.markets.services.targets import targets_of
from apps.markets.sources import sources_shown

DOLLAR = Decimal(1)
UNLISTED = "unlisted"  # the catalogue's own word: the exchange no longer lists it
CHART_LINES = 6


@dataclass(frozen=True, slots=True)
class SetPrices:
    """Sums over the outcomes that are not over, dollars; None: an outcome has no such price.

    bids leaves out outcomes that nobody bids for: what cannot be sold brings nothing.
    """

    bids: Decimal | None
    asks: Decimal | None
    chances: Decimal | None


def set_prices(outcomes: Sequence[Outcome]) -> SetPrices:
    alive = [one for one in outcomes if one.market.status in OPEN_STATUSES]
    bids = [one.bid for one in alive if one.bid is not None]
    asks = [one.ask for one in alive if one.ask is not None]
    chances = [one.probability for one in alive if one.probability is not None]
    return SetPrices(
        bids=sum(bids, Decimal(0)) if bids else None,
        asks=sum(asks, Decimal(0)) if alive and len(asks) == len(alive) else None,
        chances=sum(chances, Decimal(0)) if alive and len(chances) == len(alive) else None,
    )


def set_mark(outcomes: Sequence[Outcome], *, is_exclusive: bool) -> dict[str, str] | None:
    """Say in words when the best prices of a mutually exclusive set do not fit together, before fees.

    The exchange promises that at most one outcome of such a set wins, not that one does. So bids above
    $1 are mispriced whatever happens, asks below $1 only if the rules leave no other outcome.
    """
    if not is_exclusive or len(outcomes) < 2 or any(one.market.result == "yes" for one in outcomes):
        return None
    tradable = [one for one in outcomes if one.market.status == "active"]
    sold = [one for one in tradable if one.bid is not None]
    bids = sum((one.bid for one in sold if one.bid is not None), Decimal(0))
    if bids > DOLLAR:
        sets = min(one.market.yes_bid_size or Decimal(0) for one in sold)
        return {
            "title": f"Bids add up to {cents_text(bids)}, more than 100¢",
            "text": f"Selling YES of these {len(sold)} outcomes brings {cents_text(bids)} a set, and at most one of "
            f"them pays out 100¢: {cents_text(bids - DOLLAR)} a set before fees, for {count_text(sets)} sets at the "
            "best bids.",
        }
    # An outcome that has lost already needs no contract; any other one that cannot be bought leaves a hole.
    needed = [one for one in outcomes if one.market.result != "no" and one.market.status != UNLISTED]
    if len(needed) < 2 or any(one.market.status != "active" or one.ask is None for one in needed):
        return None
    asks = sum((one.ask for one in needed if one.ask is not None), Decimal(0))
    if asks >= DOLLAR:
        return None
    sets = min(one.market.yes_ask_size or Decimal(0) for one in needed)
    return {
        "title": f"Asks add up to {cents_text(asks)}, less than 100¢",
        "text": f"Buying YES of all {len(needed)} outcomes costs {cents_text(asks)} a set and pays 100¢ if one of them "
        f"wins: {cents_text(DOLLAR - asks)} a set before fees, for {count_text(sets)} sets at the best asks. At most "
        "one can win; check in the rules that one must.",
    }


def event_context(actor: Actor, environment: str, ticker: str) -> dict[str, Any]:
    """Return the template context of the Event page. Raises NotAllowed, NotFound."""
    environment_for(actor, environment)
    view = selectors.event_get(environment, ticker)
    # What can still trade first, each part by its chance; what the exchange no longer lists last.
    ordered = sorted(
        view.outcomes, key=lambda one: (one.market.status == UNLISTED, one.market.status not in OPEN_STATUSES)
    )
    targets = targets_of(environment, [one.market for one in ordered])
    outcomes = [{**_outcome(one), "target": target_words(one.market, targets)} for one in ordered]
    first = view.outcomes[0].market if view.outcomes else None
    closes = [one.market.close_time for one in view.outcomes if one.market.close_time]
    return {
        "environment": environment,
        "event": view.event,
        "series": view.series,
        "outcomes": outcomes,
        "chart_lines": CHART_LINES,
        "sums": set_prices(view.outcomes),
        "mark": set_mark(view.outcomes, is_exclusive=view.event.is_mutually_exclusive),
        "closes_first": min(closes, default=None),
        "closes_last": max(closes, default=None),
        "has_one_close": len(set(closes)) <= 1,
        "rules": _rules(view.outcomes),
        "rules_secondary": first.rules_secondary if first else "",
        "has_forecast": is_numeric([one.market for one in view.outcomes]),
        "milestones": milestones_of(environment, ticker),
        "sources": sources_shown(view.series.settlement_sources if view.series else []),
    }


def _outcome(outcome: Outcome) -> dict[str, Any]:
    market = outcome.market
    return {
        "market": market,
        "bid": outcome.bid,
        "ask": outcome.ask,
        "probability": outcome.probability,
        # Of 10,000, as the bar's value: whole units, so that no locale writes a comma into it.
        "share": None if outcome.probability is None else int(outcome.probability * 10_000),
        "step": finest_step(market),
        "is_over": market.status not in OPEN_STATUSES,
        "is_listed": market.status != UNLISTED,
    }


def _rules(outcomes: Sequence[Outcome]) -> list[dict[str, Any]]:
    """Each rules text once, with the outcomes that it belongs to."""
    found: dict[str, list[Market]] = {}
    for outcome in outcomes:
        if outcome.market.rules_primary:
            found.setdefault(outcome.market.rules_primary, []).append(outcome.market)
    return [{"text": text, "markets": markets} for text, markets in found.items()]
