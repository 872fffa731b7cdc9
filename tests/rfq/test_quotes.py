"""Our quotes: sent once, one in flight per request, pulled until gone, and never a zombie."""

import uuid
from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from apps.core.errors import DeskError
from apps.core.rfq import Policy, QuotePrices, QuoteState
from apps.core.timestamps import utc_now
from apps.paper.testing import DECI, LINEAR
from apps.rfq.events.quotes import quote_row
from apps.rfq.models import IncomingRfq, Quote
from apps.rfq.offers import Offer
from apps.rfq.services import quotes, quotes_send, requests_sweep
from apps.rfq.services.incoming import incoming_get
from tests.rfq.scene import QUOTES, RFQS, Scene, post

Make = Callable[..., Quote]


def code(call: Any) -> str:
    with pytest.raises(DeskError) as refused:
        call()
    return refused.value.code


@pytest.fixture
def incoming(scene: Scene) -> IncomingRfq:
    """A request of the maker that we may quote on."""
    rfq_id = post(scene.maker, RFQS, market_ticker=LINEAR, contracts=50, rest_remainder=False)["id"]
    return incoming_get(scene.place.account.pk, "paper", rfq_id)


@pytest.fixture
def make(scene: Scene, incoming: IncomingRfq) -> Make:
    def make(yes_bid: str = "0.30", no_bid: str = "0.60", **over: Any) -> Quote:
        offer = Offer(
            **{
                "idempotency_key": uuid.uuid4(),
                "account_id": scene.place.account.pk,
                "rfq_id": incoming.rfq_id,
                "prices": QuotePrices(Decimal(yes_bid), Decimal(no_bid)),
            }
            | over
        )
        return quotes.quote_submit(scene.quoter, offer, incoming)

    return make


def listed(scene: Scene) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = scene.us.get(QUOTES, params={"user_filter": "self"}).json()["quotes"]
    return found


def test_a_quote_is_stored_before_it_is_sent_and_then_open(scene: Scene, make: Make) -> None:
    quote = make()
    assert (quote.state, listed(scene)) == (QuoteState.COMMITTED, [])
    scene.work()
    quote.refresh_from_db()

    (theirs,) = listed(scene)
    assert (quote.state, quote.quote_id) == (QuoteState.OPEN, theirs["id"])
    assert (theirs["yes_bid_dollars"], theirs["no_bid_dollars"]) == ("0.3000", "0.6000")
    assert quote_row(quote)["worst_contracts_yes"] == "50.00"


def test_a_newer_quote_replaces_ours(scene: Scene, make: Make) -> None:
    first = make()
    scene.work()
    second = make("0.31", "0.61")
    scene.work()
    first.refresh_from_db()
    second.refresh_from_db()

    assert (first.state, second.state) == (QuoteState.REPLACED, QuoteState.OPEN)


def test_one_is_in_flight_per_request(scene: Scene, make: Make) -> None:
    first = make()
    scene.queued.clear()
    scene.paper.transport.lose_next_answer()
    quotes_send.quote_send(first.pk)
    first.refresh_from_db()
    assert first.state == QuoteState.UNKNOWN

    assert code(lambda: make("0.31", "0.61")) == "quote_in_flight"
    quotes_send.quote_resolve(first.pk)
    first.refresh_from_db()
    assert first.state == QuoteState.OPEN
    make("0.31", "0.61")
    scene.work()
    assert sum(row["status"] == "open" for row in listed(scene)) == 1


def test_e10_a_quote_that_was_given_up_and_shows_up_later_is_pulled(scene: Scene, make: Make) -> None:
    quote = make()
    scene.queued.clear()
    scene.paper.transport.lose_next_request()
    quotes_send.quote_send(quote.pk)
    quotes_send.quote_resolve(quote.pk, now=utc_now() + timedelta(minutes=1))
    quote.refresh_from_db()
    assert quote.state == QuoteState.NOT_SEEN
    # The same bytes arrive after all.
    incoming_id = quote.incoming.rfq_id
    post(scene.us, QUOTES, rfq_id=incoming_id, yes_bid="0.3000", no_bid="0.6000", rest_remainder=False)
    scene.hear()
    scene.work()
    quote.refresh_from_db()

    assert quote.state == QuoteState.CANCELLED
    assert listed(scene)[0]["status"] == "cancelled"


def test_a_pull_repeats_until_it_is_gone(scene: Scene, make: Make) -> None:
    quote = make()
    scene.work()
    quotes.quote_pull(scene.quoter, quote)
    scene.queued.clear()
    scene.paper.transport.lose_next_request()
    quotes_send.quote_delete(quote.pk)
    quote.refresh_from_db()
    assert quote_row(quote)["state_text"] == "Being pulled"

    quotes_send.quotes_sweep(now=utc_now() + timedelta(minutes=1))
    scene.work()
    quote.refresh_from_db()

    assert (quote.state, quote.is_end_verified) == (QuoteState.CANCELLED, False)
    assert "looking whether it was filled" in quote_row(quote)["state_text"]


def test_a_lead_pulls_what_a_quoter_quoted_and_a_viewer_pulls_nothing(scene: Scene, make: Make) -> None:
    quote = make()
    scene.work()

    assert [one.pk for one in quotes.pull_all(scene.lead)] == [quote.pk]
    assert code(lambda: quotes.quote_pull(scene.place.viewer, quote)) == "not_allowed"
    assert quotes.pull_all(scene.lead) == []


def test_its_own_time_out_pulls_it(scene: Scene, make: Make) -> None:
    quote = make(ends_in=timedelta(seconds=60))
    scene.work()

    quotes_send.quotes_sweep(now=utc_now() + timedelta(seconds=61))
    scene.work()
    quote.refresh_from_db()

    assert (quote.state, quote.end_reason) == (QuoteState.CANCELLED, "its time-out passed")


def test_a_quote_made_elsewhere_with_our_key_is_shown(scene: Scene, incoming: IncomingRfq) -> None:
    post(scene.us, QUOTES, rfq_id=incoming.rfq_id, yes_bid="0.1000", no_bid="0", rest_remainder=False)

    requests_sweep.account_read(scene.place.account.pk)

    quote = Quote.objects.get()
    assert (quote.placed_by_id, quote.yes_bid, quote.no_bid) == (None, Decimal("0.1"), Decimal(0))


@pytest.mark.parametrize(
    ("over", "expected"),
    [
        ({"yes_bid": "0.305"}, "off_grid"),
        ({"yes_bid": "0.60", "no_bid": "0.41"}, "bad_prices"),
        ({"yes_bid": "0", "no_bid": "0"}, "bad_prices"),
        ({"policy": Policy.AUTO}, "policy_needs_bound"),
        ({"ends_in": timedelta(seconds=10)}, "ends_too_soon"),
    ],
)
def test_what_the_exchange_or_sense_would_refuse_is_said_first(make: Make, over: dict[str, Any], expected: str) -> None:
    assert code(lambda: make(**over)) == expected
    assert not Quote.objects.exists()


def test_a_finer_grid_takes_finer_prices(scene: Scene) -> None:
    rfq_id = post(scene.maker, RFQS, market_ticker=DECI, contracts=50, rest_remainder=False)["id"]
    incoming = incoming_get(scene.place.account.pk, "paper", rfq_id)
    market = incoming.ticker
    from apps.markets.models import Market

    Market.objects.filter(ticker=market).update(price_ranges=[{"start": "0.0000", "end": "1.0000", "step": "0.0010"}])
    offer = Offer(
        idempotency_key=uuid.uuid4(),
        account_id=scene.place.account.pk,
        rfq_id=rfq_id,
        prices=QuotePrices(Decimal("0.305"), Decimal("0.605")),
    )
    quote = quotes.quote_submit(scene.quoter, offer, incoming)
    scene.work()
    quote.refresh_from_db()

    assert quote.state == QuoteState.OPEN
