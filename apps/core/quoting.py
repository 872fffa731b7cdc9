"""From a fair value to two bids, and whether to make them at all. Pure: the same inputs give the same answer.

A rule's author is not there when it quotes. So what is not known makes it pass, bids are rounded down, no bid is ever
above the fair value of its side (inventory can take the edge away, never more), and caps count the worst case.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import datetime, time, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import Any, Final, get_args, get_type_hints

from apps.core.errors import WireFormatError
from apps.core.grid import PriceGrid
from apps.core.money import cents_text, count_text, dollars_text
from apps.core.rfq import Outcome, QuotePrices, worst_contracts
from apps.core.timestamps import format_rfc3339, parse_rfc3339

ZERO: Final = Decimal(0)
ONE: Final = Decimal(1)
HUNDRED: Final = Decimal(100)
_TRADES: Final = frozenset({"active", ""})  # "": the catalogue does not know the market; the exchange decides


class Sides(StrEnum):
    BOTH = "both"
    YES = "yes"
    NO = "no"


@dataclass(frozen=True, slots=True)
class Pricing:
    """How bids are made from a fair value.

    edge_yes, edge_no: what is left to us on that side, dollars, or percent of the side's value. min_width: the least
    of 1 - yes - no, dollars. skew_per_100: dollars that both bids move for each 100 contracts held (long YES moves
    YES down and NO up), at most skew_most.
    """

    edge_yes: Decimal
    edge_no: Decimal
    is_percent: bool = False
    min_width: Decimal = ZERO
    skew_per_100: Decimal = ZERO
    skew_most: Decimal = ZERO
    sides: Sides = Sides.BOTH


@dataclass(frozen=True, slots=True)
class Caps:
    """The most that a rule may do; None: no cap. Contracts, dollars.

    max_contracts: of one request, at its worst. max_position: held after a hit, either side. max_open: quotes of the
    rule at once. max_at_risk: what all of them, and this one, cost when each is hit on its dearer side.
    """

    max_contracts: Decimal | None = None
    max_position: Decimal | None = None
    max_open: int | None = None
    max_at_risk: Decimal | None = None


@dataclass(frozen=True, slots=True)
class Terms:
    """What a rule says about a request that it matches. active: hours of the day in UTC, None: always."""

    pricing: Pricing
    caps: Caps
    max_age: timedelta
    never_alone: bool = False
    active_from: time | None = None
    active_until: time | None = None


@dataclass(frozen=True, slots=True)
class Situation:
    """Everything that a decision looks at. Prices of YES, dollars; counts in contracts; None: not known.

    ranges: the market's price grid as the exchange writes it. has_book: the market, or each leg, has a bid and an
    ask. open_quotes, at_risk: of this rule, before this request (a quote that this one replaces left out).
    """

    now: datetime
    ranges: tuple[Mapping[str, str], ...] = ()
    market_status: str = ""
    closes_at: datetime | None = None
    contracts: Decimal | None = None
    target_cost: Decimal | None = None
    fair: Decimal | None = None
    fair_at: datetime | None = None
    fair_why: str = ""
    has_book: bool = False
    position: Decimal | None = None
    open_quotes: int = 0
    at_risk: Decimal = ZERO


@dataclass(frozen=True, slots=True)
class Ruling:
    """Quote at these prices, or pass. reason: code; text: words. prices None: pass."""

    reason: str
    text: str
    prices: QuotePrices | None = None
    worst_cost: Decimal = ZERO


def bids(pricing: Pricing, grid: PriceGrid, *, fair: Decimal, position: Decimal) -> QuotePrices:
    """Return our two bids, dollars, 0 for a side that is not offered; both 0 when nothing is left to offer.

    Args:
        fair: value of one YES, 0 to 1.
        position: contracts held, YES positive, NO negative.
    """
    skew = max(-pricing.skew_most, min(pricing.skew_most, position * pricing.skew_per_100 / HUNDRED))
    value = min(max(fair - skew, ZERO), ONE)
    edge_yes, edge_no = pricing.edge_yes, pricing.edge_no
    if pricing.is_percent:
        edge_yes, edge_no = value * edge_yes / HUNDRED, (ONE - value) * edge_no / HUNDRED
    yes, no = value - edge_yes, ONE - value - edge_no
    if pricing.sides is Sides.BOTH:
        missing = max(ZERO, pricing.min_width - (ONE - yes - no))
        yes, no = yes - missing / 2, no - missing / 2
    return QuotePrices(
        yes_bid=_down(grid, min(yes, fair), Outcome.YES) if pricing.sides is not Sides.NO else ZERO,
        no_bid=_down(grid, min(no, ONE - fair), Outcome.NO) if pricing.sides is not Sides.YES else ZERO,
    )


def decide(terms: Terms, at: Situation) -> Ruling:
    """Say whether to quote, and what; the first reason not to is the one that is given."""
    unfit = _unfit(terms, at)
    if unfit is not None:
        return unfit
    assert at.fair is not None
    assert at.position is not None
    try:
        grid = PriceGrid.from_ranges(at.ranges)
    except WireFormatError:
        return Ruling("no_grid", "The market's price steps are not known.")
    made = bids(terms.pricing, grid, fair=at.fair, position=at.position)
    if not made.yes_bid and not made.no_bid:
        return Ruling("no_price", f"At a fair value of {_cents(at.fair)} nothing is left to bid after the edge.")
    capped, problem = _sized(terms.caps, at, made)
    if capped is None:
        return problem
    worst = max(worst_cost(capped, side, contracts=at.contracts, target_cost=at.target_cost) for side in Outcome)
    caps = terms.caps
    if caps.max_open is not None and at.open_quotes >= caps.max_open:
        return Ruling("max_open", f"{at.open_quotes} quotes of this rule are open; the most is {caps.max_open}.")
    if caps.max_at_risk is not None and at.at_risk + worst > caps.max_at_risk:
        text = f"{_dollars(at.at_risk + worst)} would be at risk; the most is {_dollars(caps.max_at_risk)}."
        return Ruling("max_at_risk", text)
    if capped.problem() is not None:
        return Ruling("bad_prices", capped.problem() or "")
    return Ruling("quoted", f"Fair value {_cents(at.fair)}.", capped, worst)


def worst_count(bid: Decimal, *, contracts: Decimal | None, target_cost: Decimal | None) -> Decimal | None:
    """Return the most contracts that a hit of this bid can bring; None when it is not offered or not known."""
    if not bid:
        return None
    if contracts is not None:
        return contracts
    return None if target_cost is None else worst_contracts(target_cost=target_cost, bid=bid)


def worst_cost(
    prices: QuotePrices, side: Outcome, *, contracts: Decimal | None, target_cost: Decimal | None
) -> Decimal:
    """Return what a hit of this side can cost us, dollars; 0 when it is not offered."""
    bid = prices.yes_bid if side is Outcome.YES else prices.no_bid
    return bid * (worst_count(bid, contracts=contracts, target_cost=target_cost) or ZERO)


def _unfit(terms: Terms, at: Situation) -> Ruling | None:
    if not _is_active(terms, at.now):
        return Ruling("not_active", f"The rule does not work at {at.now:%H:%M} UTC.")
    if at.market_status not in _TRADES:
        return Ruling("market_closed", f"The market is {at.market_status}.")
    if at.closes_at is not None and at.closes_at <= at.now:
        return Ruling("market_closed", "The market has closed.")
    if at.contracts is None and at.target_cost is None:
        return Ruling("no_size", "The request does not say its size.")
    if at.fair is None:
        return Ruling("no_fair", at.fair_why or "The fair value is not known.")
    if not 0 < at.fair < 1:
        return Ruling("no_fair", "A fair value of 0 or 1 is no price.")
    if at.fair_at is None or at.now - at.fair_at > terms.max_age:
        return Ruling("fair_old", f"The fair value is older than {int(terms.max_age.total_seconds())} s.")
    if terms.never_alone and not at.has_book:
        return Ruling("alone", "Nobody else quotes this market on both sides.")
    if at.position is None:
        return Ruling("no_position", "What is held is not known.")
    return None


def _is_active(terms: Terms, now: datetime) -> bool:
    start, end = terms.active_from, terms.active_until
    if start is None or end is None:
        return True
    moment = now.time()
    # Hours over midnight: 22:00 to 06:00.
    return start <= moment < end if start <= end else moment >= start or moment < end


def _sized(caps: Caps, at: Situation, made: QuotePrices) -> tuple[QuotePrices | None, Ruling]:
    """Drop each side that would be too much of it; the reason counts when none is left."""
    assert at.position is not None
    kept: dict[Outcome, Decimal] = {}
    problem = Ruling("too_big", "The request is too large.")
    for side, bid in ((Outcome.YES, made.yes_bid), (Outcome.NO, made.no_bid)):
        count = worst_count(bid, contracts=at.contracts, target_cost=at.target_cost)
        if count is None:
            continue
        after = at.position + (count if side is Outcome.YES else -count)
        if caps.max_contracts is not None and count > caps.max_contracts:
            problem = Ruling("too_big", f"{_count(count)} contracts; the most is {_count(caps.max_contracts)}.")
        elif (
            caps.max_position is not None
            and abs(after) > max(caps.max_position, ZERO)
            and abs(after) > abs(at.position)
        ):
            text = f"{_count(abs(after))} contracts would be held; the most is {_count(caps.max_position)}."
            problem = Ruling("max_position", text)
        else:
            kept[side] = bid
    if not kept:
        return None, problem
    return QuotePrices(kept.get(Outcome.YES, ZERO), kept.get(Outcome.NO, ZERO)), problem


def _down(grid: PriceGrid, bid: Decimal, side: Outcome) -> Decimal:
    """Return the highest bid at or below this one that the grid has; 0 when there is none."""
    if bid <= 0:
        return ZERO
    if side is Outcome.YES:
        return grid.floor(bid) or ZERO
    # A NO bid at q is a YES ask at 1 - q: that price must be on the grid.
    ask = grid.ceil(ONE - bid)
    return ZERO if ask is None else ONE - ask


def _cents(price: Decimal) -> str:
    return cents_text(price.quantize(Decimal("0.0001")))


def _dollars(amount: Decimal) -> str:
    return dollars_text(amount.quantize(Decimal("0.01")))


def _count(count: Decimal) -> str:
    return count_text(count.quantize(Decimal("0.01")))


# --- kept as JSON ------------------------------------------------------------------------------------


def to_json(at: Situation) -> dict[str, Any]:
    """Write all inputs so that `from_json` gives them back exactly."""

    def plain(value: Any) -> Any:
        if isinstance(value, tuple):
            return [dict(one) for one in value]
        if isinstance(value, Decimal):
            return str(value)
        return format_rfc3339(value) if isinstance(value, datetime) else value

    return {field.name: plain(getattr(at, field.name)) for field in fields(at)}


def from_json(stored: Mapping[str, Any]) -> Situation:
    """Raises KeyError, ValueError for what `to_json` cannot have written."""
    values: dict[str, Any] = {}
    for name, kind in get_type_hints(Situation).items():
        raw = stored[name]
        kinds = get_args(kind) or (kind,)
        if name == "ranges":
            values[name] = tuple(raw)
        elif isinstance(raw, str) and datetime in kinds:
            values[name] = parse_rfc3339(raw)
        else:
            values[name] = Decimal(raw) if isinstance(raw, str) and Decimal in kinds else raw
    return Situation(**values)
