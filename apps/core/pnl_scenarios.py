"""What the open positions of one event can still bring, over everything that may happen to it.

At most one market of a mutually exclusive event resolves YES, and perhaps none (OpenAPI: EventData.mutually_exclusive).
Markets of other events resolve on their own. Scalar and void results are not guessed: a contract then brings something
between its ends, so that worst and best case still hold for each market alone; one that has its result brings that.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal

from apps.core.money import (
    PRICE_UNITS_PER_DOLLAR,
    count_units,
    money_from_units,
    money_units,
    price_units,
)
from apps.core.pnl import worth_of


@dataclass(frozen=True, slots=True)
class Leg:
    """Open contracts of one market (of one subaccount): positive YES, negative NO; `cost` in dollars.

    value: what a YES contract pays, when the market has its result; None: open. `is_void`: they pay their cost.
    """

    ticker: str
    contracts: Decimal
    cost: Decimal
    value: Decimal | None = None
    is_void: bool = False


@dataclass(frozen=True, slots=True)
class Outcome:
    """P&L of the open contracts, dollars, when `winner` resolves YES and its siblings NO; None: all resolve NO."""

    winner: str | None
    pnl: Decimal


@dataclass(frozen=True, slots=True)
class EventScenarios:
    """Worst and best P&L of the open contracts, dollars, before fees. `outcomes`: of exclusive events, by P&L."""

    worst: Decimal
    best: Decimal
    outcomes: tuple[Outcome, ...] = ()


@dataclass(slots=True)
class _Market:
    """One market's P&L if it resolves YES and if NO, money units, over all subaccounts."""

    if_yes: int = 0
    if_no: int = 0
    is_open: bool = True
    is_won: bool = False


def event_scenarios(legs: Iterable[Leg], *, is_exclusive: bool) -> EventScenarios:
    """Return worst and best case of one event's positions. Linear in the number of legs.

    Raises:
        ValueError: a value outside [0, 1] dollar.
    """
    markets: dict[str, _Market] = {}
    for leg in legs:
        _add(markets.setdefault(leg.ticker, _Market()), leg)
    if not is_exclusive:
        worst = sum(min(market.if_yes, market.if_no) for market in markets.values())
        best = sum(max(market.if_yes, market.if_no) for market in markets.values())
        return EventScenarios(money_from_units(worst), money_from_units(best))
    nobody = sum(market.if_no for market in markets.values())
    decided = any(market.is_won for market in markets.values())
    pnls: list[tuple[str | None, int]] = [(None, nobody)]
    if not decided:
        # Of a market with a result `if_yes` and `if_no` are the same, and it cannot win any more.
        pnls += [
            (ticker, nobody - market.if_no + market.if_yes) for ticker, market in markets.items() if market.is_open
        ]
    pnls.sort(key=lambda one: (one[1], one[0] or ""))
    outcomes = tuple(Outcome(winner, money_from_units(pnl)) for winner, pnl in pnls)
    return EventScenarios(outcomes[0].pnl, outcomes[-1].pnl, outcomes)


def _add(market: _Market, leg: Leg) -> None:
    contracts, cost = count_units(leg.contracts), money_units(leg.cost)
    if leg.is_void:
        market.is_open = False
        return
    if leg.value is None:
        market.if_yes += worth_of(contracts, PRICE_UNITS_PER_DOLLAR) - cost
        market.if_no += worth_of(contracts, 0) - cost
        return
    value = price_units(leg.value)
    if not 0 <= value <= PRICE_UNITS_PER_DOLLAR:
        raise ValueError(f"a contract pays between 0 and 1 dollar, not {leg.value}")
    market.is_open = False
    market.is_won = market.is_won or value == PRICE_UNITS_PER_DOLLAR
    pnl = worth_of(contracts, value) - cost
    market.if_yes += pnl
    market.if_no += pnl
