"""Bounds of combos against all joint distributions, and contradictions of legs."""

from decimal import Decimal
from itertools import product as joint
from typing import cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.core import combos
from apps.core.combos import Leg, Side


def leg(market: str, side: str = "yes", event: str = "E") -> Leg:
    return Leg(event_ticker=event, market_ticker=market, side=cast(Side, side))


def test_two_legs() -> None:
    found = combos.bounds([Decimal("0.6"), Decimal("0.7")])

    assert (found.lowest, found.product, found.highest) == (Decimal("0.3"), Decimal("0.42"), Decimal("0.6"))


@given(weights=st.lists(st.integers(0, 50), min_size=8, max_size=8).filter(any))
def test_no_joint_distribution_of_three_legs_leaves_the_bounds(weights: list[int]) -> None:
    total = sum(weights)
    worlds = list(zip(joint((0, 1), repeat=3), weights, strict=True))
    chances = [Decimal(sum(w for world, w in worlds if world[i])) / total for i in range(3)]
    all_win = Decimal(weights[-1]) / total

    found = combos.bounds(chances)

    tiny = Decimal("1e-20")
    assert found.lowest - tiny <= all_win <= found.highest + tiny
    assert found.lowest - tiny <= found.product <= found.highest + tiny


@pytest.mark.parametrize("chances", [[], [Decimal("1.1")], [Decimal("-0.1")]])
def test_chances_that_are_none_are_refused(chances: list[Decimal]) -> None:
    with pytest.raises(ValueError, match="chances"):
        combos.bounds(chances)


def test_contradictions_are_explained_and_their_markets_named() -> None:
    legs = [leg("A"), leg("A", "no"), leg("B"), leg("C", event="F"), leg("C", event="F"), leg("D", "no")]

    found = combos.contradictions(legs, exclusive_events={"E": True})

    assert [(item.code, item.tickers) for item in found] == [
        ("conflicting_leg_outcomes", ("A",)),
        ("duplicated_legs", ("C",)),
        ("conflicting_leg_outcomes", ("A", "B")),
    ]
    assert all(item.text.endswith((".", "together.")) or ":" in item.text for item in found)


def test_markets_that_do_not_exclude_each_other_may_both_win() -> None:
    assert combos.contradictions([leg("A"), leg("B")], exclusive_events={}) == []
