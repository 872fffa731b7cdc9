"""Collections and combos in the catalogue, read from the in-process paper exchange."""

from datetime import timedelta
from decimal import Decimal
from typing import Any

import httpx
import pytest
from django.core.cache import cache

from apps.core.errors import NotFound
from apps.core.timestamps import from_unix_ms, utc_now
from apps.exchange.wire.client import ExchangeClient
from apps.exchange.wire.errors import ReadFailed
from apps.markets import builder, services
from apps.markets.models import Collection, Event, Market, Series
from apps.markets.selectors import MarketFilter, markets_list
from apps.markets.services.collections import EVERY
from apps.paper.engine.combos import AssociatedEvent
from apps.paper.testing import DECI, EVENT, LINEAR, InProcessPaper
from tests.paper.server.combos import COLLECTION, DAY_MS, MVE, PAIR, list_collection

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def no_earlier_pass() -> None:
    cache.clear()


@pytest.fixture
def exchange() -> InProcessPaper:
    paper = InProcessPaper()
    list_collection(paper)
    return paper


def client(paper: InProcessPaper) -> ExchangeClient:
    return ExchangeClient([paper.base_url], None, None, transport=paper.transport)


def sync(paper: InProcessPaper, **over: Any) -> int:
    return services.collections_sync("paper", client=client(paper), **over)


def make_combo(paper: InProcessPaper) -> str:
    with paper.client("trader-1") as signed:
        answer = signed.post(f"/multivariate_event_collections/{COLLECTION}", json=PAIR)
    ticker: str = answer.json()["market_ticker"]
    return ticker


def test_collections_are_kept_with_their_rules(exchange: InProcessPaper) -> None:
    list_collection(exchange, ticker=f"{MVE}-SOON", open_ms=exchange.clock.now_ms() + DAY_MS)
    list_collection(exchange, ticker=f"{MVE}-OVER", close_ms=exchange.clock.now_ms() - 1)

    assert sync(exchange) == 2

    one = Collection.objects.get(ticker=COLLECTION)
    assert (one.title, one.description) == ("Test combos", "Yes if every selected side comes true")
    assert (one.size_min, one.size_max, one.is_ordered) == (2, 3, False)
    assert one.events == [{"ticker": EVENT, "is_yes_only": False, "size_min": None, "size_max": 3}]
    assert one.close_time == from_unix_ms(exchange.clock.now_ms() + DAY_MS)
    assert [row.ticker for row in builder.collections_open("paper", now=utc_now())] == [COLLECTION]


def test_a_collection_that_the_exchange_lists_no_more_is_closed_here_too(exchange: InProcessPaper) -> None:
    sync(exchange)
    exchange.clock.step(2 * DAY_MS)

    sync(exchange, is_forced=True)

    assert not Collection.objects.get(ticker=COLLECTION).is_listed
    assert builder.collections_open("paper", now=utc_now()) == []
    assert builder.collection_get("paper", COLLECTION).ticker == COLLECTION
    with pytest.raises(NotFound):
        builder.collection_get("paper", "KXMVENONE")


def test_they_are_read_every_ten_minutes(exchange: InProcessPaper) -> None:
    now = utc_now()
    assert sync(exchange, now=now) == 1

    assert sync(exchange, now=now + EVERY - timedelta(seconds=1)) == 0
    assert sync(exchange, now=now + EVERY) == 1


def test_a_collection_that_cannot_be_read_hides_no_other() -> None:
    pages = [
        [{"title": "has no ticker"}, {"collection_ticker": 7}, {"collection_ticker": "KXMVEA", "surprise": {}}],
        [{"collection_ticker": "KXMVEB", "size_max": "many"}, {"collection_ticker": "KXMVEC", "close_date": "soon"}],
    ]

    def answer(request: httpx.Request) -> httpx.Response:
        if request.url.path.endswith("/events/multivariate"):
            return httpx.Response(200, json={"events": None, "cursor": None})
        if request.url.params.get("status") != "open":
            return httpx.Response(200, json={"multivariate_contracts": []})
        number = int(request.url.params.get("cursor") or 0)
        following = "1" if number == 0 else "1" if number == 1 else ""
        return httpx.Response(200, json={"multivariate_contracts": pages[number], "cursor": following})

    reader = ExchangeClient(["http://127.0.0.1:1"], None, None, httpx.MockTransport(answer))

    services.collections_sync("paper", client=reader)

    # A cursor that stands still ends the list, too.
    assert sorted(Collection.objects.values_list("ticker", "close_time")) == [("KXMVEA", None), ("KXMVEC", None)]


def test_combos_are_stored_with_legs_and_left_out_of_the_list_of_everything(exchange: InProcessPaper) -> None:
    ticker = make_combo(exchange)

    sync(exchange)

    combo = Market.objects.select_related("event").get(ticker=ticker)
    assert (combo.mve_collection_ticker, combo.series_ticker) == (COLLECTION, MVE)
    assert combo.legs == [{"event_ticker": EVENT, "market_ticker": leg, "side": "no"} for leg in sorted((LINEAR, DECI))]
    assert combo.price_ranges[0]["step"] == "0.0001"
    assert markets_list("paper").total == 0
    assert markets_list("paper", filters=MarketFilter(text=ticker)).total == 1


def test_one_combo_is_stored_with_its_event_and_fees(exchange: InProcessPaper) -> None:
    ticker = make_combo(exchange)

    saved = services.combo_save("paper", ticker, client=client(exchange))

    assert (saved.ticker, saved.event.series_ticker) == (ticker, MVE)
    assert Series.objects.get(ticker=MVE).fee_type == "quadratic_with_maker_fees"
    with pytest.raises(ReadFailed):
        services.combo_save("paper", "KXOTHER", client=client(exchange), payload={"ticker": ticker})


def test_the_builder_lists_events_with_their_rules_and_markets_with_prices(
    exchange: InProcessPaper, monkeypatch: pytest.MonkeyPatch
) -> None:
    rules = {EVENT: AssociatedEvent(EVENT, is_yes_only=True, size_max=2), "KXGONE": AssociatedEvent("KXGONE")}
    list_collection(exchange, events=rules)
    services.catalogue_sync("paper", client=client(exchange), is_full=True)
    sync(exchange)
    with exchange.client("maker") as maker:
        order = {"ticker": LINEAR, "client_order_id": "m-1", "side": "bid", "count": "10.00", "price": "0.4100"}
        rest = {"time_in_force": "good_till_canceled", "self_trade_prevention_type": "taker_at_cross"}
        assert maker.post("/portfolio/events/orders", json=order | rest).status_code == 201
    services.catalogue_sync("paper", client=client(exchange), is_full=True)
    Market.objects.filter(ticker=DECI).update(status="inactive")

    (member,) = builder.collection_events(builder.collection_get("paper", COLLECTION))
    priced = {one.market.ticker: one.prices for one in builder.event_markets("paper", EVENT)}

    assert (member.event.ticker, member.is_yes_only, member.size_max) == (EVENT, True, 2)
    assert member.open_markets == Event.objects.get(ticker=EVENT).markets.filter(status="active").count()
    assert DECI not in priced
    assert priced[LINEAR] == builder.Prices(Decimal("0.41"), None, is_live=False)


def test_live_prices_win_while_the_gateway_lives(live_redis: Any) -> None:
    event = Event.objects.create(environment="paper", ticker="KXE", series_ticker="KX", title="E")
    values: dict[str, Any] = {"environment": "paper", "event": event, "series_ticker": "KX", "status": "active"}
    for ticker in ("KXE-A", "KXE-B", "KXE-C"):
        Market.objects.create(ticker=ticker, yes_bid=Decimal("0.1"), yes_ask=Decimal("1"), **values)
    rows = {"KXE-A": b'{"bid":"0.4000","ask":"0.4400"}', "KXE-B": b"not a row"}
    live_redis.hset("desk:rows:tickers:paper", mapping=rows)

    def seen() -> dict[str, builder.Prices]:
        return {one.market.ticker: one.prices for one in builder.event_markets("paper", "KXE")}

    stored = builder.Prices(Decimal("0.1"), None, is_live=False)
    assert seen() == dict.fromkeys(("KXE-A", "KXE-B", "KXE-C"), stored)
    live_redis.set("desk:heartbeat:paper", 1)

    assert seen()["KXE-A"] == builder.Prices(Decimal("0.4"), Decimal("0.44"), is_live=True)
    assert seen()["KXE-A"].middle == Decimal("0.42")
    assert (seen()["KXE-B"], seen()["KXE-C"]) == (stored, stored)
