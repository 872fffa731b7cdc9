from datetime import timedelta
from decimal import Decimal

import httpx
import pytest
from django.core.cache import cache
from django.db import connection
from django.test.utils import CaptureQueriesContext

from apps.core.errors import NotFound
from apps.core.timestamps import utc_now
from apps.exchange.wire.errors import ReadFailed
from apps.markets import services
from apps.markets.models import Event, Market, Series
from apps.markets.services.catalogue import FULL_EVERY
from tests.support.catalogue import CatalogueExchange, raw_market

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def no_earlier_pass():
    cache.clear()


@pytest.fixture
def exchange():
    world = CatalogueExchange(page=2)
    world.add("KXRAIN", "KXRAIN-26NOV", "KXRAIN-26NOV-T1", "KXRAIN-26NOV-T2")
    world.add("KXRAIN", "KXRAIN-26DEC", "KXRAIN-26DEC-T1")
    world.add("KXSNOW", "KXSNOW-26DEC", "KXSNOW-26DEC-T1", status="unopened")
    return world


def sync(exchange, **over):
    return services.catalogue_sync("paper", client=exchange.client(), **over)


def test_a_full_pass_stores_every_page_of_every_status(exchange):
    result = sync(exchange)

    assert (result.is_full, result.series, result.events, result.markets) == (True, 2, 3, 4)
    market = Market.objects.select_related("event").get(ticker="KXRAIN-26NOV-T2")
    assert market.event.ticker == "KXRAIN-26NOV"
    assert market.series_ticker == "KXRAIN"
    assert (market.yes_bid, market.yes_ask_size, market.volume_24h) == (
        Decimal("0.45"),
        Decimal("150"),
        Decimal("120.5"),
    )
    assert Series.objects.get(ticker="KXRAIN").fee_multiplier == "0.5"


def test_a_second_pass_over_the_same_catalogue_changes_no_row(exchange):
    def stored():
        skipped = {"updated_at"}
        return [
            {key: value for key, value in row.items() if key not in skipped}
            for model in (Series, Event, Market)
            for row in model.objects.order_by("pk").values()
        ]

    sync(exchange, is_full=True)
    before = stored()

    sync(exchange, is_full=True)

    assert stored() == before


def test_fields_that_nobody_knows_yet_are_kept_as_they_came(exchange):
    exchange.markets["KXRAIN-26NOV-T1"] |= {"moon_phase": {"name": "full"}, "floor_strike": 12.5}

    sync(exchange)

    extra = Market.objects.get(ticker="KXRAIN-26NOV-T1").extra
    assert extra["moon_phase"] == {"name": "full"}
    assert extra["floor_strike"] == 12.5
    assert "title" not in extra


def test_a_number_out_of_form_is_not_guessed_and_stays_readable(exchange):
    exchange.markets["KXRAIN-26NOV-T1"]["yes_bid_dollars"] = "0.45001"

    sync(exchange)

    market = Market.objects.get(ticker="KXRAIN-26NOV-T1")
    assert market.yes_bid is None
    assert market.extra["yes_bid_dollars"] == "0.45001"


def test_one_broken_market_does_not_stop_the_others(exchange):
    exchange.markets["KXRAIN-26NOV-T1"]["ticker"] = None

    result = sync(exchange)

    assert result.markets == 3
    assert not Market.objects.filter(ticker="KXRAIN-26NOV-T1").exists()


def test_text_of_the_exchange_is_stored_as_text_and_cut_to_its_column(exchange):
    exchange.markets["KXRAIN-26NOV-T1"]["title"] = "<script>alert(1)</script>\x00" + "x" * 500

    sync(exchange)

    title = Market.objects.get(ticker="KXRAIN-26NOV-T1").title
    assert title.startswith("<script>alert(1)</script>x")
    assert len(title) == 400


def test_the_next_pass_reads_only_what_changed_and_the_one_after_ten_minutes_everything(exchange):
    begun = utc_now()
    sync(exchange, now=begun)
    exchange.requests.clear()

    second = sync(exchange, now=begun + timedelta(seconds=60))

    assert not second.is_full
    asked = {request.url.path.rsplit("/", 1)[1]: request.url.params for request in exchange.requests}
    assert int(asked["markets"]["min_updated_ts"]) == int((begun - timedelta(minutes=2)).timestamp())
    # The exchange refuses min_updated_ts with any other filter of markets.
    assert "status" not in asked["markets"]
    third = sync(exchange, now=begun + FULL_EVERY)
    assert third.is_full


def test_a_market_that_vanished_from_the_lists_keeps_its_row_with_its_last_status(exchange):
    sync(exchange)
    exchange.event_status["KXRAIN-26DEC"] = "settled"
    exchange.markets["KXRAIN-26DEC-T1"] |= {"status": "finalized", "result": "yes"}

    result = sync(exchange, is_full=True)

    market = Market.objects.get(ticker="KXRAIN-26DEC-T1")
    assert (market.status, market.result) == ("finalized", "yes")
    assert result.unlisted == 0


def test_a_market_that_is_listed_nowhere_says_so(exchange):
    sync(exchange)
    del exchange.markets["KXRAIN-26NOV-T1"]

    result = sync(exchange, is_full=True)

    assert result.unlisted == 1
    assert Market.objects.get(ticker="KXRAIN-26NOV-T1").status == "unlisted"


def test_a_pass_that_breaks_off_keeps_what_it_read_and_the_next_one_is_full(exchange):
    def broken(request):
        raise httpx.ReadTimeout("cut", request=request)

    exchange.others["/markets"] = broken
    sync(exchange)
    Market.objects.create(
        environment="paper", ticker="OLD", event=Event.objects.first(), series_ticker="KXRAIN", status="active"
    )
    cache.clear()

    with pytest.raises(ReadFailed):
        sync(exchange)

    assert Market.objects.count() == 5
    del exchange.others["/markets"]
    assert sync(exchange).is_full


def test_a_cursor_that_stands_still_does_not_loop_for_ever(exchange):
    calls = []

    def stuck(request):
        calls.append(request)
        return httpx.Response(200, json={"events": [], "cursor": "same"})

    exchange.others["/events"] = stuck

    sync(exchange)

    assert len(calls) == 6  # two per status


def test_a_market_is_fetched_with_the_event_and_series_it_belongs_to(exchange):
    market = services.market_fetch("paper", "KXSNOW-26DEC-T1", client=exchange.client())

    assert market.event.ticker == "KXSNOW-26DEC"
    assert market.status == "active"


def test_fetching_a_market_that_does_not_exist_says_so(exchange):
    with pytest.raises(NotFound):
        services.market_fetch("paper", "NOPE", client=exchange.client())


def test_environments_do_not_mix(exchange):
    sync(exchange)
    cache.clear()
    other = CatalogueExchange()
    other.add("KXRAIN", "KXRAIN-26NOV", "KXRAIN-26NOV-T1", status="open", title="Demo")

    services.catalogue_sync("demo", client=other.client())

    assert Market.objects.filter(ticker="KXRAIN-26NOV-T1").count() == 2
    assert Market.objects.get(environment="paper", ticker="KXRAIN-26NOV-T1").title == "Will it?"


def test_an_event_without_a_category_takes_its_series(exchange):
    del exchange.events["KXRAIN-26NOV"]["category"]
    exchange.series["KXRAIN"]["category"] = "Weather"

    sync(exchange)

    assert Event.objects.get(ticker="KXRAIN-26NOV").category == "Weather"


def test_large_catalogues_go_in_transactions_of_at_most_500_rows(exchange):
    sync(exchange)
    raws = [raw_market(f"KXRAIN-26NOV-N{number}", "KXRAIN-26NOV") for number in range(1_200)]

    with CaptureQueriesContext(connection) as captured:
        stored = services.markets_save("paper", raws)

    assert stored == 1_200
    opened = [query for query in captured.captured_queries if query["sql"].startswith("SAVEPOINT")]
    assert len(opened) == 3
