from datetime import UTC, datetime
from decimal import Decimal

import httpx
import pytest
from django.core.cache import cache

from apps.core.errors import DeskError, NotAllowed, NotFound
from apps.core.permissions import Actor
from apps.core.topics import TopicName
from apps.exchange import live as exchange_live
from apps.markets import access, live, selectors, services
from apps.markets.models import Event, Market, Watchlist
from apps.markets.selectors import MarketFilter
from tests.support.catalogue import CatalogueExchange
from tests.support.people import make_desk, make_person

pytestmark = pytest.mark.django_db
VIEWER = Actor(user_id=1, desk_id=1, roles=frozenset({"viewer"}))


@pytest.fixture
def exchange():
    cache.clear()
    world = CatalogueExchange(page=50)
    world.add("KXRAIN", "KXRAIN-26NOV", "KXRAIN-26NOV-T1", "KXRAIN-26NOV-T2")
    world.add("KXSNOW", "KXSNOW-26DEC", "KXSNOW-26DEC-T1", status="unopened")
    world.events["KXSNOW-26DEC"] |= {"title": "Snow in Oslo?", "category": "Weather"}
    world.markets["KXRAIN-26NOV-T2"] |= {"volume_24h_fp": "900.00", "status": "inactive"}
    world.markets["KXSNOW-26DEC-T1"] |= {"status": "initialized", "close_time": "2026-12-31T00:00:00Z"}
    services.catalogue_sync("paper", client=world.client())
    return world


def listed(**filters):
    return [market.ticker for market in selectors.markets_list("paper", filters=MarketFilter(**filters)).markets]


def test_the_list_shows_open_markets_busiest_first_unless_told_otherwise(exchange):
    assert listed() == ["KXRAIN-26NOV-T1"]
    assert listed(status="") == ["KXRAIN-26NOV-T2", "KXRAIN-26NOV-T1", "KXSNOW-26DEC-T1"]
    assert listed(status="paused") == ["KXRAIN-26NOV-T2"]
    assert listed(status="initialized") == ["KXSNOW-26DEC-T1"]


def test_search_finds_every_word_in_ticker_titles_or_the_events_title(exchange):
    assert listed(status="", text="oslo SNOW") == ["KXSNOW-26DEC-T1"]
    assert listed(status="", text="t2 rain") == ["KXRAIN-26NOV-T2"]
    assert listed(status="", text="oslo rain") == []


def test_filters_by_category_series_closing_time_and_watchlist(exchange):
    assert listed(status="", category="Weather") == ["KXSNOW-26DEC-T1"]
    assert listed(status="", series="KXSNOW") == ["KXSNOW-26DEC-T1"]
    assert len(listed(status="", closes_before=datetime(2026, 12, 15, tzinfo=UTC))) == 2
    assert listed(status="", tickers=["KXRAIN-26NOV-T2"]) == ["KXRAIN-26NOV-T2"]
    assert listed(status="", tickers=[]) == []


def test_pages_are_complete_and_do_not_repeat(exchange):
    shown = []
    for offset in range(3):
        page = selectors.markets_list("paper", filters=MarketFilter(status=""), limit=1, offset=offset)
        assert page.total == 3
        assert page.has_more is (offset < 2)
        shown += [market.ticker for market in page.markets]

    assert sorted(shown) == ["KXRAIN-26NOV-T1", "KXRAIN-26NOV-T2", "KXSNOW-26DEC-T1"]


def test_a_page_of_markets_with_their_events_takes_two_queries(exchange, django_assert_num_queries):
    with django_assert_num_queries(2):
        for market in selectors.markets_list("paper", filters=MarketFilter(status="")).markets:
            assert market.event.title


def test_an_event_shows_what_its_markets_imply_and_their_sum(exchange):
    Market.objects.filter(ticker="KXRAIN-26NOV-T1").update(yes_bid=Decimal("0.40"), yes_ask=Decimal("0.44"))
    Market.objects.filter(ticker="KXRAIN-26NOV-T2").update(yes_bid=Decimal("0.55"), yes_ask=Decimal("0.61"))

    view = selectors.event_get("paper", "KXRAIN-26NOV")

    assert [one.market.ticker for one in view.outcomes] == ["KXRAIN-26NOV-T2", "KXRAIN-26NOV-T1"]
    assert view.probability_sum == Decimal("1.00")
    assert (view.bid_sum, view.ask_sum) == (Decimal("0.95"), Decimal("1.05"))
    assert view.series is not None


def test_a_missing_quote_gives_no_sum_instead_of_a_wrong_one(exchange):
    Market.objects.filter(ticker="KXRAIN-26NOV-T2").update(yes_bid=0, yes_ask=1, last_price=0)

    view = selectors.event_get("paper", "KXRAIN-26NOV")

    assert view.probability_sum is None
    assert view.outcomes[-1].probability is None


def test_categories_count_open_markets(exchange):
    assert selectors.categories("paper") == [("Climate", 2), ("Weather", 1)]
    assert [series.ticker for series in selectors.series_list("paper", category="Climate")] == ["KXRAIN", "KXSNOW"]


def test_an_unknown_market_is_not_found_also_in_another_environment(exchange):
    with pytest.raises(NotFound):
        selectors.market_get("demo", "KXRAIN-26NOV-T1")


def test_the_grid_comes_from_the_ranges_and_is_refused_without_them(exchange):
    market = selectors.market_get("paper", "KXRAIN-26NOV-T1")
    assert selectors.price_grid(market).contains(Decimal("0.42"))
    assert not selectors.price_grid(market).contains(Decimal("0.425"))

    market.price_ranges = []
    with pytest.raises(DeskError, match="cannot be traded"):
        selectors.price_grid(market)


def test_fee_terms_are_the_series_unless_the_event_overrides_them(exchange):
    market = selectors.market_get("paper", "KXRAIN-26NOV-T1")
    assert selectors.fee_terms(market).multiplier == Decimal("0.5")

    Event.objects.filter(pk=market.event_id).update(
        fee_type_override="quadratic_with_maker_fees", fee_multiplier_override="2"
    )
    terms = selectors.fee_terms(selectors.market_get("paper", "KXRAIN-26NOV-T1"))
    assert (terms.fee_type, terms.multiplier) == ("quadratic_with_maker_fees", Decimal(2))


def test_a_fee_waiver_ends_at_its_time(exchange):
    ends = datetime(2026, 12, 1, tzinfo=UTC)
    Market.objects.filter(ticker="KXRAIN-26NOV-T1").update(fee_waiver_expiration_time=ends)

    terms = selectors.fee_terms(selectors.market_get("paper", "KXRAIN-26NOV-T1"))

    assert terms.is_waived(datetime(2026, 11, 30, tzinfo=UTC))
    assert not terms.is_waived(ends)


# --- candles ---------------------------------------------------------------------------------

START, END = datetime(2026, 11, 20, tzinfo=UTC), datetime(2026, 11, 20, 2, 0, 1, tzinfo=UTC)


def candles_of(exchange, monkeypatch, answer):
    exchange.others["/series/KXRAIN/markets/KXRAIN-26NOV-T1/candlesticks"] = answer
    client = exchange.client()
    monkeypatch.setattr(selectors, "environment_client", lambda environment: client)
    exchange.requests.clear()


def test_candles_are_read_once_for_all_readers_within_seconds(exchange, monkeypatch):
    quote = {f"{name}_dollars": "0.45" for name in ("open", "low", "high", "close")}
    candle = {
        "end_period_ts": 1_763_600_400,
        "price": {"open_dollars": "0.4", "close_dollars": None, "previous_dollars": "0.39"},
        "yes_bid": quote,
        "yes_ask": quote,
        "volume_fp": "10.00",
        "open_interest_fp": "5.00",
    }
    candles_of(exchange, monkeypatch, lambda request: httpx.Response(200, json={"candlesticks": [candle]}))

    first = selectors.candles("paper", "KXRAIN-26NOV-T1", period=60, start=START, end=END)
    again = selectors.candles("paper", "KXRAIN-26NOV-T1", period=60, start=START, end=END)

    assert first == again
    assert (first[0]["open"], first[0]["close"], first[0]["previous"], first[0]["bid"]) == (
        "0.4000",
        None,
        "0.3900",
        "0.4500",
    )
    assert len(exchange.requests) == 1
    asked = exchange.requests[0].url.params
    assert int(asked["end_ts"]) - int(asked["start_ts"]) == 3 * 3600


def test_candles_that_cannot_be_read_say_why(exchange, monkeypatch):
    candles_of(exchange, monkeypatch, lambda request: httpx.Response(503, json={"code": "busy", "message": "later"}))

    with pytest.raises(DeskError, match="no candles"):
        selectors.candles("paper", "KXRAIN-26NOV-T1", period=60, start=START, end=END)


@pytest.mark.parametrize(
    ("period", "start"), [(5, START), (1, datetime(2020, 1, 1, tzinfo=UTC)), (1, datetime(2026, 11, 21, tzinfo=UTC))]
)
def test_periods_and_ranges_that_the_exchange_has_not_are_refused_before_asking(exchange, period, start):
    with pytest.raises(DeskError):
        selectors.candles("paper", "KXRAIN-26NOV-T1", period=period, start=start, end=END)


# --- rows and access ---------------------------------------------------------------------------


def test_ticker_rows_are_the_catalogues_or_the_feeds_where_newer(exchange, live_redis):
    newer = {"v": exchange_live.next_version() + 10_000_000, "bid": "0.4900", "status": "active", "close_ms": 1}
    exchange_live.publish_rows(
        "tickers:paper", {"KXRAIN-26NOV-T2": newer, "KXRAIN-26NOV-T1": {"v": 1, "bid": "0.0100"}}, kept=True
    )

    rows = live.tickers_state(TopicName("tickers", "paper"))["rows"]

    assert set(rows) == {"KXRAIN-26NOV-T1", "KXRAIN-26NOV-T2", "KXSNOW-26DEC-T1"}
    assert rows["KXRAIN-26NOV-T1"]["bid"] == "0.4500"
    assert rows["KXRAIN-26NOV-T2"]["bid"] == "0.4900"
    assert rows["KXRAIN-26NOV-T2"]["status"] == "inactive"


def test_markets_are_for_members_who_may_see_a_desk_in_environments_that_are_enabled(exchange, settings):
    nobody = Actor(user_id=1, desk_id=1, roles=frozenset())

    assert access.market_for(VIEWER, environment="paper", ticker="KXRAIN-26NOV-T1").ticker == "KXRAIN-26NOV-T1"
    with pytest.raises(NotAllowed):
        access.market_for(nobody, environment="paper", ticker="KXRAIN-26NOV-T1")
    with pytest.raises(NotFound):
        access.event_for(VIEWER, environment="paper", ticker="NOPE")
    settings.EXCHANGE_ENVIRONMENTS = ["demo"]
    with pytest.raises(NotFound):
        access.markets_visible_to(VIEWER, environment="paper")


def test_a_watchlist_of_another_desk_or_person_is_not_shown():
    desk, other = make_desk(), make_desk()
    me, them = make_person(desk, "viewer"), make_person(desk, "viewer")
    for owner, at, name in [(None, desk, "shared"), (me, desk, "mine"), (them, desk, "theirs"), (None, other, "far")]:
        Watchlist.objects.create(desk=at, owner=owner, environment="paper", name=name)

    actor = Actor(user_id=me.pk, desk_id=desk.pk, roles=frozenset({"viewer"}))

    shown = access.watchlists_visible_to(actor, environment="paper")
    assert sorted(one.name for one in shown) == ["mine", "shared"]
    assert [one.name for one in selectors.watchlists(desk.pk, "paper", user_id=me.pk)] == ["mine", "shared"]
