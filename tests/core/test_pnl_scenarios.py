"""Worst and best case of an event, against every outcome tried in turn."""

from decimal import Decimal
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.core.pnl_scenarios import EventScenarios, Leg, Outcome, event_scenarios

TICKERS = ["A", "B", "C", "D"]
COUNTS = st.integers(-500, 500).map(lambda n: Decimal(n).scaleb(-2))
COSTS = st.integers(0, 10**7).map(lambda n: Decimal(n).scaleb(-6))
RESULTS = st.sampled_from([None, Decimal(0), Decimal(1), Decimal("0.25")])


def worth(contracts: Decimal, value: Decimal) -> Decimal:
    return contracts * value if contracts >= 0 else -contracts * (1 - value)


def tried(legs: list[Leg], *, is_exclusive: bool) -> list[Decimal]:
    """P&L of every way in which the markets may resolve."""
    tickers = sorted({leg.ticker for leg in legs})
    known = {leg.ticker: leg.value for leg in legs}
    found = []
    for choice in product([Decimal(0), Decimal(1)], repeat=len(tickers)):
        values = dict(zip(tickers, choice, strict=True))
        if any(known[one] is not None and values[one] != (known[one] == 1) for one in tickers):
            continue  # of a market with a result only one way is tried
        winners = sum(values[one] for one in tickers)
        if is_exclusive and winners > 1:
            continue
        final = {one: values[one] if known[one] is None else known[one] for one in tickers}
        found.append(sum((worth(leg.contracts, final[leg.ticker]) - leg.cost for leg in legs), Decimal(0)))
    return found


@st.composite
def events(draw: st.DrawFn, *, is_exclusive: bool) -> list[Leg]:
    results = {ticker: draw(RESULTS) for ticker in TICKERS}
    if is_exclusive and sum(result == 1 for result in results.values()) > 1:
        results = dict.fromkeys(TICKERS)
    # Two subaccounts may hold the same market.
    names = draw(st.lists(st.sampled_from(TICKERS), min_size=1, max_size=7))
    return [Leg(name, draw(COUNTS), draw(COSTS), results[name]) for name in names]


@given(events(is_exclusive=True))
def test_exclusive_events_against_brute_force(legs: list[Leg]) -> None:
    every = tried(legs, is_exclusive=True)

    found = event_scenarios(legs, is_exclusive=True)

    assert (found.worst, found.best) == (min(every), max(every))
    assert sorted({one.pnl for one in found.outcomes}) == sorted(set(every))


@given(events(is_exclusive=False))
def test_other_events_against_brute_force(legs: list[Leg]) -> None:
    every = tried(legs, is_exclusive=False)

    found = event_scenarios(legs, is_exclusive=False)

    assert (found.worst, found.best, found.outcomes) == (min(every), max(every), ())


def test_a_set_bought_under_a_dollar_still_loses_when_nobody_wins() -> None:
    legs = [Leg("A", Decimal(10), Decimal("4.50")), Leg("B", Decimal(10), Decimal("5"))]

    found = event_scenarios(legs, is_exclusive=True)

    assert found == EventScenarios(
        Decimal("-9.50"),
        Decimal("0.50"),
        (
            Outcome(None, Decimal("-9.50")),
            Outcome("A", Decimal("0.50")),
            Outcome("B", Decimal("0.50")),
        ),
    )


def test_no_contracts_of_an_exclusive_event_lose_at_most_once() -> None:
    legs = [Leg("A", Decimal(-10), Decimal(7)), Leg("B", Decimal(-10), Decimal(6))]

    found = event_scenarios(legs, is_exclusive=True)

    assert (found.worst, found.best) == (Decimal(-3), Decimal(7))
    assert event_scenarios(legs, is_exclusive=False).worst == Decimal(-13)


def test_a_void_market_brings_its_cost_and_wins_nothing() -> None:
    legs = [Leg("A", Decimal(10), Decimal(4), is_void=True), Leg("B", Decimal(10), Decimal(3))]

    found = event_scenarios(legs, is_exclusive=True)

    assert (found.worst, found.best) == (Decimal(-3), Decimal(7))
    assert [one.winner for one in found.outcomes] == [None, "B"]


def test_a_value_beyond_a_dollar_is_refused() -> None:
    with pytest.raises(ValueError, match="between 0 and 1"):
        event_scenarios([Leg("A", Decimal(1), Decimal(1), Decimal(2))], is_exclusive=False)
