"""Pricing by rule: on the grid, inside the caps, never more than a dollar, and inventory pushes the right way."""

from dataclasses import replace
from datetime import UTC, datetime, time, timedelta
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.core.grid import PriceGrid
from apps.core.quoting import (
    Caps,
    Pricing,
    Sides,
    Situation,
    Terms,
    bids,
    decide,
    from_json,
    to_json,
    worst_cost,
    worst_count,
)
from apps.core.rfq import Outcome, QuotePrices

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
CENT = ({"start": "0.0000", "end": "1.0000", "step": "0.0100"},)
# Finer at the ends, as combos are.
EDGED = (
    {"start": "0.0000", "end": "0.0100", "step": "0.0001"},
    {"start": "0.0100", "end": "0.9900", "step": "0.0010"},
    {"start": "0.9900", "end": "1.0000", "step": "0.0001"},
)
UNEVEN = (
    {"start": "0.0000", "end": "0.1000", "step": "0.0010"},
    {"start": "0.1000", "end": "1.0000", "step": "0.0100"},
)


def dollars(least: str, most: str) -> st.SearchStrategy[Decimal]:
    return st.decimals(Decimal(least), Decimal(most), places=4)


prices = dollars("0.0001", "0.9999")
positions = st.decimals(-5_000, 5_000, places=2)
grids = st.sampled_from([CENT, EDGED, UNEVEN])
pricings = st.builds(
    Pricing,
    edge_yes=dollars("0", "0.2"),
    edge_no=dollars("0", "0.2"),
    is_percent=st.just(False),
    min_width=dollars("0", "0.3"),
    skew_per_100=dollars("0", "0.05"),
    skew_most=dollars("0", "0.3"),
    sides=st.sampled_from(Sides),
) | st.builds(
    Pricing,
    edge_yes=dollars("0", "100"),
    edge_no=dollars("0", "100"),
    is_percent=st.just(True),
    min_width=dollars("0", "0.3"),
    skew_per_100=dollars("0", "0.05"),
    skew_most=dollars("0", "0.3"),
)


@given(pricings, grids, prices, positions)
def test_bids_are_on_the_grid_and_never_cost_more_than_they_are_worth(
    pricing: Pricing, ranges: Any, fair: Decimal, position: Decimal
) -> None:
    grid = PriceGrid.from_ranges(ranges)
    made = bids(pricing, grid, fair=fair, position=position)

    assert made.yes_bid + made.no_bid <= 1
    assert made.yes_bid <= fair
    assert made.no_bid <= 1 - fair
    assert not made.yes_bid or grid.contains(made.yes_bid)
    assert not made.no_bid or grid.contains(1 - made.no_bid)
    assert made.problem() is None or not (made.yes_bid or made.no_bid)
    if pricing.sides is Sides.YES:
        assert not made.no_bid
    if pricing.sides is Sides.NO:
        assert not made.yes_bid
    if made.yes_bid and made.no_bid:
        assert made.width >= pricing.min_width


@given(pricings, grids, prices, positions, positions)
def test_the_more_is_held_the_less_is_bid_for_more_of_it(
    pricing: Pricing, ranges: Any, fair: Decimal, one: Decimal, other: Decimal
) -> None:
    grid = PriceGrid.from_ranges(ranges)
    fewer, more = sorted((one, other))
    with_fewer = bids(pricing, grid, fair=fair, position=fewer)
    with_more = bids(pricing, grid, fair=fair, position=more)

    assert with_more.yes_bid <= with_fewer.yes_bid
    assert with_more.no_bid >= with_fewer.no_bid


SKEWED = Pricing(Decimal("0.03"), Decimal("0.03"), skew_per_100=Decimal("0.01"), skew_most=Decimal("0.05"))


@pytest.mark.parametrize(
    ("pricing", "fair", "position", "expected"),
    [
        (Pricing(Decimal("0.02"), Decimal("0.03")), "0.505", "0", ("0.48", "0.46")),
        (Pricing(Decimal(10), Decimal(10), is_percent=True), "0.40", "0", ("0.36", "0.54")),
        (Pricing(Decimal("0.01"), Decimal("0.01"), min_width=Decimal("0.06")), "0.50", "0", ("0.47", "0.47")),
        # Long 200 at a cent per 100: both bids move 2 cents down the YES scale.
        (SKEWED, "0.50", "200", ("0.45", "0.49")),
        # Inventory takes the edge, never more than what it is worth.
        (replace(SKEWED, edge_yes=Decimal("0.01"), edge_no=Decimal("0.01")), "0.50", "-900", ("0.50", "0.44")),
        (Pricing(Decimal("0.02"), Decimal("0.02"), sides=Sides.NO), "0.50", "0", ("0", "0.48")),
        (Pricing(Decimal("0.02"), Decimal("0.02")), "0.015", "0", ("0", "0.96")),
    ],
)  # fmt: skip
def test_examples(pricing: Pricing, fair: str, position: str, expected: tuple[str, str]) -> None:
    made = bids(pricing, PriceGrid.from_ranges(CENT), fair=Decimal(fair), position=Decimal(position))
    assert made == QuotePrices(Decimal(expected[0]), Decimal(expected[1]))


# --- whether to quote --------------------------------------------------------------------------------

TERMS = Terms(
    pricing=Pricing(Decimal("0.02"), Decimal("0.02")),
    caps=Caps(max_contracts=Decimal(1_000), max_position=Decimal(2_000), max_open=5, max_at_risk=Decimal(5_000)),
    max_age=timedelta(seconds=15),
)
HERE = Situation(
    now=NOW,
    ranges=CENT,
    market_status="active",
    closes_at=NOW + timedelta(hours=1),
    contracts=Decimal(100),
    fair=Decimal("0.50"),
    fair_at=NOW,
    has_book=True,
    position=Decimal(0),
)


def test_it_quotes_when_nothing_speaks_against_it() -> None:
    ruling = decide(TERMS, HERE)
    assert ruling.prices == QuotePrices(Decimal("0.48"), Decimal("0.48"))
    assert (ruling.reason, ruling.worst_cost) == ("quoted", Decimal(48))


@pytest.mark.parametrize(
    ("there", "reason"),
    [
        ({"market_status": "closed"}, "market_closed"),
        ({"closes_at": NOW}, "market_closed"),
        ({"contracts": None}, "no_size"),
        ({"fair": None}, "no_fair"),
        ({"fair": Decimal(0)}, "no_fair"),
        ({"fair_at": None}, "fair_old"),
        ({"fair_at": NOW - timedelta(seconds=16)}, "fair_old"),
        ({"position": None}, "no_position"),
        ({"ranges": ()}, "no_grid"),
        ({"contracts": Decimal("1000.01")}, "too_big"),
        ({"contracts": None, "target_cost": Decimal(10_000)}, "too_big"),
        ({"open_quotes": 5}, "max_open"),
        ({"at_risk": Decimal("4952.01")}, "max_at_risk"),
        ({"fair": Decimal("0.01")}, "quoted"),
    ],
)
def test_it_passes_and_says_why(there: dict[str, Any], reason: str) -> None:
    ruling = decide(TERMS, replace(HERE, **there))
    assert ruling.reason == reason
    assert ruling.text
    assert (ruling.prices is None) == (reason != "quoted")


def test_it_quotes_alone_only_when_it_may() -> None:
    alone = replace(HERE, has_book=False)
    assert decide(TERMS, alone).prices is not None
    assert decide(replace(TERMS, never_alone=True), alone).reason == "alone"


def test_nothing_left_after_the_edge_is_no_quote() -> None:
    greedy = replace(TERMS, pricing=Pricing(Decimal("0.60"), Decimal("0.60")))
    assert decide(greedy, HERE).reason == "no_price"


def test_a_full_book_still_takes_the_side_that_empties_it() -> None:
    full = replace(HERE, position=Decimal(1_950))
    assert decide(TERMS, full).prices == QuotePrices(Decimal(0), Decimal("0.48"))
    beyond = replace(HERE, position=Decimal(-3_000))
    assert decide(TERMS, beyond).prices == QuotePrices(Decimal("0.48"), Decimal(0))


@pytest.mark.parametrize(
    ("hours", "at", "is_active"),
    [
        (("09:00", "17:00"), "09:00", True),
        (("09:00", "17:00"), "17:00", False),
        (("22:00", "06:00"), "23:30", True),
        (("22:00", "06:00"), "05:59", True),
        (("22:00", "06:00"), "12:00", False),
    ],
)
def test_hours_go_over_midnight(hours: tuple[str, str], at: str, is_active: bool) -> None:
    start, end = map(time.fromisoformat, hours)
    terms = replace(TERMS, active_from=start, active_until=end)
    now = datetime.combine(NOW.date(), time.fromisoformat(at), tzinfo=UTC)
    there = replace(HERE, now=now, fair_at=now, closes_at=None)
    assert (decide(terms, there).reason != "not_active") == is_active


situations = st.builds(
    Situation,
    now=st.just(NOW),
    ranges=grids,
    market_status=st.sampled_from(["active", "closed"]),
    closes_at=st.sampled_from([None, NOW + timedelta(minutes=1)]),
    contracts=st.none() | st.decimals("0.01", 10_000, places=2),
    target_cost=st.none() | st.decimals("0.01", 10_000, places=2),
    fair=st.none() | prices,
    fair_at=st.just(NOW),
    has_book=st.booleans(),
    position=st.none() | positions,
    open_quotes=st.integers(0, 10),
    at_risk=st.decimals(0, 10_000, places=2),
)
some = st.none() | st.decimals("0.01", 10_000, places=2)
rules = st.builds(
    Terms,
    pricing=pricings,
    caps=st.builds(
        Caps, max_contracts=some, max_position=some, max_open=st.none() | st.integers(1, 10), max_at_risk=some
    ),
    max_age=st.just(timedelta(seconds=15)),
    never_alone=st.booleans(),
)


@given(rules, situations)
def test_no_cap_is_ever_crossed(terms: Terms, at: Situation) -> None:
    ruling = decide(terms, at)
    if ruling.prices is None:
        return
    caps, sizes = terms.caps, {"contracts": at.contracts, "target_cost": at.target_cost}
    assert at.position is not None
    for side, bid in ((Outcome.YES, ruling.prices.yes_bid), (Outcome.NO, ruling.prices.no_bid)):
        count = worst_count(bid, **sizes)
        if count is None:
            continue
        assert caps.max_contracts is None or count <= caps.max_contracts
        after = abs(at.position + (count if side is Outcome.YES else -count))
        assert caps.max_position is None or after <= max(caps.max_position, abs(at.position))
        cost = worst_cost(ruling.prices, side, **sizes)
        assert caps.max_at_risk is None or at.at_risk + cost <= caps.max_at_risk
        assert cost <= ruling.worst_cost
    assert caps.max_open is None or at.open_quotes < caps.max_open
    assert ruling.prices.problem() is None


@given(rules, situations)
def test_what_is_kept_decides_the_same_again(terms: Terms, at: Situation) -> None:
    kept = msgspec.json.decode(msgspec.json.encode(to_json(at)))
    assert from_json(kept) == at
    assert decide(terms, from_json(kept)) == decide(terms, at)
