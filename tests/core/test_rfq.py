"""Direction, windows and states of requests and quotes."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.core import rfq
from apps.core.rfq import Outcome, QuotePrices, QuoteState

cents = st.integers(0, 9_999).map(lambda units: Decimal(units) / 10_000)


def test_accepting_the_yes_bid_leaves_the_requester_with_no() -> None:
    quote = QuotePrices(yes_bid=Decimal("0.30"), no_bid=Decimal("0.65"))

    assert rfq.accepted_side_for(Outcome.NO) is Outcome.YES
    assert quote.requester_price(Outcome.NO) == Decimal("0.70")
    assert quote.maker_price(Outcome.YES) == Decimal("0.30")
    assert rfq.requester_gets(Outcome.YES) is Outcome.NO


def test_a_side_of_zero_is_no_price_and_not_a_free_one() -> None:
    quote = QuotePrices(yes_bid=Decimal(0), no_bid=Decimal("0.65"))

    assert quote.requester_price(Outcome.NO) is None
    assert quote.maker_price(Outcome.YES) is None
    assert quote.problem() is None


@pytest.mark.parametrize(
    ("yes", "no", "words"),
    [
        ("0", "0", "at least one side"),
        ("0.60", "0.41", "over $1"),
        ("-0.01", "0.5", "negative"),
        ("1", "0", "below $1"),
    ],
)
def test_a_pair_that_the_exchange_would_refuse_says_why(yes: str, no: str, words: str) -> None:
    problem = QuotePrices(Decimal(yes), Decimal(no)).problem()

    assert problem is not None
    assert words in problem


@given(yes=cents, no=cents, buys=st.sampled_from(Outcome))
def test_both_sides_of_a_quote_pay_one_dollar_together(yes: Decimal, no: Decimal, buys: Outcome) -> None:
    quote = QuotePrices(yes, no)
    side = rfq.accepted_side_for(buys)
    paid, received = quote.requester_price(buys), quote.maker_price(side)

    assert (paid is None) == (received is None)
    if paid is not None and received is not None:
        assert paid + received == 1
        assert rfq.requester_gets(side) is buys
        assert rfq.maker_gets(side) is buys.other


@given(cost=st.integers(1, 10**8).map(lambda units: Decimal(units) / 100), bid=cents)
def test_the_worst_count_of_a_target_cost_bounds_both_readings(cost: Decimal, bid: Decimal) -> None:
    worst = rfq.worst_contracts(target_cost=cost, bid=bid)

    if not bid:
        assert worst is None
    else:
        assert worst is not None
        assert worst * (1 - bid) >= cost or worst * bid >= cost
        assert worst >= cost / (1 - bid) * Decimal("0.999999")


def test_a_confirmation_must_leave_before_the_window_ends() -> None:
    accepted = datetime(2026, 5, 14, 12, tzinfo=UTC)

    deadline = rfq.Deadline.of(
        accepted,
        windows=rfq.windows(is_combo=True),
        round_trip=timedelta(milliseconds=200),
        margin=timedelta(milliseconds=150),
    )

    assert deadline.window_ends_at == accepted + timedelta(seconds=3)
    assert deadline.send_by == accepted + timedelta(milliseconds=2_650)
    assert rfq.windows(is_combo=False).confirm == timedelta(seconds=30)


def test_every_state_says_where_it_may_go_and_nothing_leaves_executed() -> None:
    assert set(rfq.QUOTE_WAYS) == set(QuoteState)
    assert not rfq.QUOTE_WAYS[QuoteState.EXECUTED]
    # Nothing is ever put back to where it could be sent once more.
    for now in QuoteState:
        assert not rfq.quote_may_go(now, QuoteState.COMMITTED)
        assert now is QuoteState.COMMITTED or not rfq.quote_may_go(now, QuoteState.SENDING)


def test_later_evidence_wins_over_cancelled() -> None:
    assert rfq.quote_may_go(QuoteState.CANCELLED, QuoteState.EXECUTED)
    assert not rfq.quote_may_go(QuoteState.CANCELLED, QuoteState.OPEN)
