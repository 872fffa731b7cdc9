"""Combos: what several legs together can be worth, and which legs contradict each other. Pure.

A combo pays $1 when every leg ends on its side. Bounds: Fréchet; the product assumes independence.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from math import prod
from typing import Literal

Side = Literal["yes", "no"]
ONE = Decimal(1)


@dataclass(frozen=True, slots=True)
class Leg:
    """One condition of a combo: this market ends on this side."""

    event_ticker: str
    market_ticker: str
    side: Side


@dataclass(frozen=True, slots=True)
class Bounds:
    """Chances of a combo, from the chances of its legs. lowest <= product <= highest."""

    lowest: Decimal
    product: Decimal
    highest: Decimal


def bounds(chances: Sequence[Decimal]) -> Bounds:
    """Return what the chances of the legs allow for all of them together.

    Args:
        chances: of each leg on its side, 0 to 1.

    Raises:
        ValueError: no leg, or a chance outside 0 to 1.
    """
    if not chances or any(not 0 <= chance <= 1 for chance in chances):
        raise ValueError("a combo has legs with chances from 0 to 1")
    lowest = max(Decimal(0), sum(chances, start=Decimal(0)) - (len(chances) - 1))
    return Bounds(lowest=lowest, product=prod(chances, start=ONE), highest=min(chances))


@dataclass(frozen=True, slots=True)
class Contradiction:
    """Legs that cannot stand together. code: as the exchange names it. tickers: to be marked."""

    code: Literal["duplicated_legs", "conflicting_leg_outcomes", "invalid_market_combination"]
    text: str
    tickers: tuple[str, ...]


def contradictions(legs: Iterable[Leg], *, exclusive_events: Mapping[str, bool]) -> list[Contradiction]:
    """Return what is wrong with a set of legs by logic alone; the collection's own rules come on top.

    Args:
        exclusive_events: event ticker -> at most one of its markets can end YES.
    """
    legs = list(legs)
    found: list[Contradiction] = []
    by_market: defaultdict[str, list[Leg]] = defaultdict(list)
    by_event: defaultdict[str, list[Leg]] = defaultdict(list)
    for leg in legs:
        by_market[leg.market_ticker].append(leg)
        by_event[leg.event_ticker].append(leg)
    for ticker, same in by_market.items():
        if len(same) < 2:
            continue
        if len({leg.side for leg in same}) > 1:
            text = f"{ticker} cannot end YES and NO: this combo can never pay."
            found.append(Contradiction("conflicting_leg_outcomes", text, (ticker,)))
        else:
            found.append(Contradiction("duplicated_legs", f"{ticker} is there twice: remove one.", (ticker,)))
    for event, same in by_event.items():
        winners = tuple(sorted({leg.market_ticker for leg in same if leg.side == "yes"}))
        if exclusive_events.get(event) and len(winners) > 1:
            text = f"Only one market of {event} can end YES: {', '.join(winners)} cannot win together."
            found.append(Contradiction("conflicting_leg_outcomes", text, winners))
    return found
