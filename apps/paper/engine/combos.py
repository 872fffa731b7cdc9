"""Multivariate collections: which markets may be combined, what a combination is called, and what it pays.

Source: kalshi-openapi.yaml (MultivariateEventCollection, AssociatedEvent, TickerPair). The documentation names the
rules and no error codes; those here are ours, all with status 400.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from math import prod
from typing import Literal

from apps.paper.engine.catalogue import Leg, Market, MarketEvent, MarketResult
from apps.paper.engine.errors import ExchangeError
from apps.paper.engine.units import DOLLAR_PRICE, Outcome

MVE_PREFIX = "KXMVE"  # by it the lifecycle channels tell combos from other markets (docs: market_lifecycle)
WEEK_MS = 7 * 86_400_000
LOOKBACK_SECONDS = (10, 60, 300, 3600)

VoidLeg = Literal["void", "drop"]
ScalarLeg = Literal["product", "lost"]


@dataclass(slots=True)
class ComboRules:
    """What the documentation leaves open; switches of the control endpoint.

    void_leg: a combo with a voided leg is void itself, or goes on without that leg.
    scalar_leg: a combo is worth the product of its legs' values, or a leg that is neither yes nor no counts as lost.
    grid: price grid of combos created from now on. creations_per_week: per member, over any seven days.
    """

    void_leg: VoidLeg = "void"
    scalar_leg: ScalarLeg = "product"
    grid: str = "center_deci_edge_centi_cent"
    creations_per_week: int = 5_000


@dataclass(slots=True)
class AssociatedEvent:
    """An event whose markets may be legs; sizes count its legs in one combination (None: no limit)."""

    ticker: str
    is_yes_only: bool = False
    size_min: int | None = None
    size_max: int | None = None
    active_quoters: list[str] = field(default_factory=list)


@dataclass(slots=True)
class Collection:
    """A multivariate event collection; `events` by ticker, sizes inclusive, instants in Unix milliseconds."""

    ticker: str
    series_ticker: str
    title: str
    description: str
    functional_description: str
    open_ms: int
    close_ms: int
    events: dict[str, AssociatedEvent] = field(default_factory=dict)
    size_min: int = 2
    size_max: int = 10
    is_ordered: bool = False
    is_single_market_per_event: bool = False
    is_all_yes: bool = False

    def __post_init__(self) -> None:
        if not self.series_ticker.startswith(MVE_PREFIX) or not self.ticker.startswith(self.series_ticker):
            raise ValueError(f"collection {self.ticker} and its series must begin with {MVE_PREFIX}")
        if not 1 <= self.size_min <= self.size_max:
            raise ValueError(f"collection {self.ticker} takes {self.size_min} to {self.size_max} markets")

    def status(self, now_ms: int) -> Literal["unopened", "open", "closed"]:
        """Whether it can be interacted with: from `open_ms` on, until `close_ms`."""
        if now_ms < self.open_ms:
            return "unopened"
        return "open" if now_ms < self.close_ms else "closed"


@dataclass(frozen=True, slots=True)
class Decision:
    """What a combo is determined as; `value` of its YES contract in price units, None when void."""

    result: MarketResult
    value: int | None


# --- what may be combined ------------------------------------------------------------------------
def check_selection(
    collection: Collection,
    legs: Sequence[Leg],
    *,
    markets: Mapping[str, Market],
    events: Mapping[str, MarketEvent],
) -> None:
    """Refuse legs that a collection does not take.

    Raises:
        ExchangeError: 400 `invalid_selected_markets`; details say which rule.
    """
    if not collection.size_min <= len(legs) <= collection.size_max:
        raise _refused("SIZE", f"{collection.ticker} takes {collection.size_min} to {collection.size_max} markets")
    for leg in legs:
        _check_leg(collection, leg, markets)
    _check_together(legs, events)
    _check_sizes(collection, Counter(leg.event_ticker for leg in legs))


def _check_leg(collection: Collection, leg: Leg, markets: Mapping[str, Market]) -> None:
    rules = collection.events.get(leg.event_ticker)
    if rules is None:
        raise _refused("EVENT_NOT_IN_COLLECTION", f"event {leg.event_ticker[:80]} is not in {collection.ticker}")
    market = markets.get(leg.market_ticker)
    if market is None or market.event_ticker != leg.event_ticker:
        raise _refused("MARKET_NOT_IN_EVENT", f"no market {leg.market_ticker[:80]} in event {leg.event_ticker}")
    if leg.side == "no" and (collection.is_all_yes or rules.is_yes_only):
        raise _refused("SIDE_NOT_ALLOWED", f"{leg.market_ticker} can only be selected with side yes")


def _check_together(legs: Sequence[Leg], events: Mapping[str, MarketEvent]) -> None:
    sides: dict[str, Outcome] = {}
    for leg in legs:
        other = sides.setdefault(leg.market_ticker, leg.side)
        if other != leg.side:
            raise _refused("CONFLICTING_LEGS", f"{leg.market_ticker} is selected with both sides")
    if len(sides) < len(legs):
        raise _refused("DUPLICATE_LEG", "a market is selected twice")
    winners = Counter(leg.event_ticker for leg in legs if leg.side == "yes")
    for ticker, count in winners.items():
        if count > 1 and events[ticker].mutually_exclusive:
            raise _refused("CONFLICTING_LEGS", f"only one market of {ticker} can resolve to yes")


def _check_sizes(collection: Collection, counts: Mapping[str, int]) -> None:
    """An event with a minimum has to be there: 0 is less than it, too."""
    for rules in collection.events.values():
        count = counts.get(rules.ticker, 0)
        most = 1 if collection.is_single_market_per_event else rules.size_max
        if most is not None and count > most:
            raise _refused("EVENT_SIZE", f"at most {most} market(s) of event {rules.ticker}")
        if rules.size_min is not None and count < rules.size_min:
            raise _refused("EVENT_SIZE", f"at least {rules.size_min} market(s) of event {rules.ticker}")


def check_open(market: Market) -> None:
    """Only what trades now can become a leg.

    Raises:
        ExchangeError: 400 `invalid_selected_markets`.
    """
    if market.status != "active":
        raise _refused("MARKET_NOT_OPEN", f"market {market.ticker} is {market.status}")


def _refused(details: str, message: str) -> ExchangeError:
    return ExchangeError("invalid_selected_markets", message, 400, details=details)


# --- what it is called ---------------------------------------------------------------------------
def in_order(collection: Collection, legs: Sequence[Leg]) -> tuple[Leg, ...]:
    """The legs in the order that names the combination: as given where order matters, else sorted."""
    return tuple(legs if collection.is_ordered else sorted(legs, key=lambda leg: (leg.market_ticker, leg.side)))


def event_ticker_of(collection: Collection, legs: Sequence[Leg]) -> str:
    """Combinations of markets of the same events share an event."""
    return f"{collection.series_ticker}-S{_digest(collection.ticker, *(leg.event_ticker for leg in legs))}"


def market_ticker_of(collection: Collection, legs: Sequence[Leg]) -> str:
    """The same legs have the same ticker in every run."""
    parts = (part for leg in legs for part in (leg.market_ticker, leg.side))
    return f"{event_ticker_of(collection, legs)}-{_digest(*parts)}"


def _digest(*parts: str) -> str:
    return blake2b("\n".join(parts).encode(), digest_size=6).hexdigest()[:11].upper()


# --- what it pays --------------------------------------------------------------------------------
def decide(legs: Sequence[Leg], *, market: Callable[[str], Market], rules: ComboRules) -> Decision | None:
    """The result that follows from the legs as they stand; None while it is open.

    One lost leg decides at once, whatever the others do. A leg under dispute has no result.
    """
    values: list[int] = []
    unknown = voided = 0
    for leg in legs:
        found = market(leg.market_ticker)
        if found.status not in ("determined", "amended", "finalized"):
            unknown += 1
        elif found.settlement_value is None:
            voided += 1
        else:
            values.append(_value(found.settlement_value, leg.side, rules))
    if 0 in values:
        return Decision("no", 0)
    if unknown:
        return None
    if voided and (rules.void_leg == "void" or not values):
        return Decision("void", None)
    # Below the smallest price there is nothing to pay: rounded down.
    worth = prod(values) // DOLLAR_PRICE ** (len(values) - 1)
    if worth in (0, DOLLAR_PRICE):
        return Decision("yes" if worth else "no", worth)
    return Decision("scalar", worth)


def _value(yes_value: int, side: Outcome, rules: ComboRules) -> int:
    value = yes_value if side == "yes" else DOLLAR_PRICE - yes_value
    return 0 if rules.scalar_leg == "lost" and value != DOLLAR_PRICE else value
