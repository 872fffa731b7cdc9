"""What an unsent quote would have made: sides, sizes, ties, and what is no trade of the request."""

from decimal import Decimal as D

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.core.rfq import Outcome, QuotePrices
from apps.core.shadow import Print, Standing, verdict

OURS = QuotePrices(yes_bid=D("0.40"), no_bid=D("0.55"))


def held(*prints: Print, contracts: D | None = D(50), target_cost: D | None = None, prices: QuotePrices = OURS):  # type: ignore[no-untyped-def]
    return verdict(prices, prints, contracts=contracts, target_cost=target_cost, from_ms=1_000, until_ms=60_000)


def trade(price: str, bought: str, *, count: str = "50", at_ms: int = 5_000) -> Print:
    return Print(D(price), D(count), Outcome(bought), at_ms)


@pytest.mark.parametrize(
    ("price", "bought", "standing", "side", "made"),
    [
        # The taker bought NO at 1 - 0.38: the maker paid 38 for YES, we bid 40. At a value of 43 we are 3 ahead.
        ("0.38", "no", Standing.WON, Outcome.YES, D("1.50")),
        ("0.40", "no", Standing.TIED, Outcome.YES, None),
        ("0.41", "no", Standing.LOST, Outcome.YES, None),
        # The taker bought YES at 46: the maker paid 54 for NO, we bid 55. NO is worth 57.
        ("0.46", "yes", Standing.WON, Outcome.NO, D("1.00")),
        ("0.45", "yes", Standing.TIED, Outcome.NO, None),
        ("0.44", "yes", Standing.LOST, Outcome.NO, None),
    ],
)
def test_our_bid_is_held_against_what_the_maker_paid(
    price: str, bought: str, standing: Standing, side: Outcome, made: D | None
) -> None:
    found = held(trade(price, bought))

    assert (found.standing, found.side, found.contracts) == (standing, side, D(50))
    assert found.made(OURS, D("0.43")) == made


def test_only_the_first_print_of_its_size_in_its_time_counts() -> None:
    early, late = trade("0.30", "no", at_ms=999), trade("0.30", "no", at_ms=60_001)
    other = trade("0.30", "no", count="49")
    assert held(early, late, other).standing is Standing.NO_PRINT

    found = held(trade("0.41", "no", at_ms=9_000), trade("0.38", "no", at_ms=2_000), other)
    assert (found.standing, found.print and found.print.at_ms) == (Standing.WON, 2_000)


@pytest.mark.parametrize(
    ("count", "standing"),
    [("50", Standing.WON), ("49", Standing.WON), ("47", Standing.NO_PRINT), ("51", Standing.NO_PRINT)],
)
def test_a_request_by_cost_is_known_by_what_was_spent(count: str, standing: Standing) -> None:
    # 50 NO at 62 cents are 31 dollars; 49 are 30.38, within three percent; 47 are 29.14.
    found = held(trade("0.38", "no", count=count), contracts=None, target_cost=D(31))

    assert found.standing is standing


def test_a_side_that_was_not_quoted_is_lost_and_a_request_without_a_size_has_no_print() -> None:
    one_sided = QuotePrices(yes_bid=D("0.40"), no_bid=D(0))
    assert held(trade("0.46", "yes"), prices=one_sided).standing is Standing.LOST
    assert held(trade("0.38", "no"), contracts=None).standing is Standing.NO_PRINT


@given(st.integers(1, 99), st.integers(1, 99), st.sampled_from(list(Outcome)))
def test_a_better_bid_never_stands_worse(print_cents: int, bid_cents: int, bought: Outcome) -> None:
    order = [Standing.LOST, Standing.TIED, Standing.WON]

    def standing(bid: int) -> int:
        prices = QuotePrices(yes_bid=D(bid) / 100, no_bid=D(bid) / 100)
        return order.index(held(Print(D(print_cents) / 100, D(50), bought, 5_000), prices=prices).standing)

    assert standing(bid_cents) <= standing(bid_cents + 1)
