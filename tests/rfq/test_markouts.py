"""Markouts: taken when due from the live book, once, and never made up afterwards."""

import itertools
from datetime import datetime, timedelta
from decimal import Decimal

import pytest

from apps.core.rfq import QuoteState
from apps.core.timestamps import utc_now
from apps.orders.services.quotes import Quotes
from apps.rfq.models import IncomingRfq, Markout, Quote
from apps.rfq.services import markouts
from tests.orders.conftest import TICKER, Place

_numbers = itertools.count(1)


def filled_quote(place: Place, at: datetime, **over: object) -> Quote:
    number = next(_numbers)
    incoming = IncomingRfq.objects.create(environment="paper", rfq_id=f"rfq-{number}", ticker=TICKER, seen_at=at)
    values = {
        "desk": place.desk,
        "account": place.account,
        "incoming": incoming,
        "quote_id": f"quote-{number}",
        "ticker": TICKER,
        "yes_bid": Decimal("0.40"),
        "no_bid": Decimal("0.55"),
        "state": QuoteState.EXECUTED,
        "created_at": at,
        "ended_at": at,
    } | over
    return Quote.objects.create(**values)


@pytest.fixture
def book(monkeypatch: pytest.MonkeyPatch) -> dict[str, Quotes | None]:
    """What the live book says of the market, by key "now"."""
    says: dict[str, Quotes | None] = {"now": Quotes(Decimal("0.40"), Decimal("0.43"))}
    monkeypatch.setattr(markouts, "quotes_of", lambda environment, ticker: says["now"])
    return says


def taken(horizon: str) -> tuple[Decimal | None, str]:
    row = Markout.objects.get(horizon=horizon)
    assert row.taken_at is not None
    return row.yes_mid, row.why_not


def test_each_horizon_is_taken_once_when_it_is_due(place: Place, book: dict[str, Quotes | None]) -> None:
    at = utc_now()
    filled_quote(place, at)

    assert [markouts.markouts_sweep(now=at + timedelta(seconds=span)) for span in (9, 10, 11, 60, 600)] == [
        0,
        1,
        0,
        1,
        1,
    ]

    assert taken("10s") == taken("10m") == (Decimal("0.415"), "")
    assert Markout.objects.filter(taken_at=None).get().horizon == "settle"


def test_what_was_due_while_the_desk_was_off_is_not_made_up(place: Place, book: dict[str, Quotes | None]) -> None:
    at = utc_now()
    filled_quote(place, at)

    markouts.markouts_sweep(now=at + timedelta(seconds=64))

    assert taken("10s") == (None, markouts.TOO_LATE)
    assert taken("1m") == (Decimal("0.415"), "")


@pytest.mark.parametrize(
    "found",
    [None, Quotes(Decimal("0.40"), None), Quotes(Decimal("0.40"), Decimal("0.43"), is_live=False)],
    ids=["none", "one-sided", "old"],
)
def test_without_a_live_book_of_two_sides_it_waits_a_little_then_says_so(
    place: Place, book: dict[str, Quotes | None], found: Quotes | None
) -> None:
    at = utc_now()
    filled_quote(place, at)
    book["now"] = found

    assert markouts.markouts_sweep(now=at + timedelta(seconds=10)) == 0
    assert markouts.markouts_sweep(now=at + timedelta(seconds=13)) == 1
    assert taken("10s") == (None, markouts.NO_BOOK)


def test_settlement_waits_for_the_result(place: Place, book: dict[str, Quotes | None]) -> None:
    at = place.market.close_time or utc_now()
    filled_quote(place, at - timedelta(hours=1))
    markouts.markouts_sweep(now=at)
    assert Markout.objects.get(horizon="settle").taken_at is None

    place.market.result = "yes"
    place.market.save()
    markouts.markouts_sweep(now=at + timedelta(minutes=6))

    assert taken("settle") == (Decimal(1), "")


def test_a_void_market_settles_at_its_value(place: Place) -> None:
    place.market.result, place.market.settlement_value = "void", Decimal("0.37")

    assert markouts.settlement_of(place.market) == Decimal("0.37")


def test_only_executed_quotes_are_measured(place: Place, book: dict[str, Quotes | None]) -> None:
    filled_quote(place, utc_now(), state=QuoteState.CANCELLED)

    assert markouts.markouts_sweep() == 0
    assert not Markout.objects.exists()


def test_the_gateway_keeps_the_books_that_are_needed(place: Place, book: dict[str, Quotes | None]) -> None:
    at = utc_now()
    filled_quote(place, at)
    markouts.markouts_sweep(now=at)
    assert (markouts.wanted_tickers("paper"), markouts.wanted_tickers("demo")) == ({TICKER}, set())

    for span in (10, 60, 600):
        markouts.markouts_sweep(now=at + timedelta(seconds=span))

    assert markouts.wanted_tickers("paper") == set()
