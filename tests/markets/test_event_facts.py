"""What the Event page asks the exchange for beside prices, against the in-process paper exchange."""

from decimal import Decimal
from typing import Any

import httpx
import pytest
from django.core.cache import cache
from django.test import Client

from apps.core import ports
from apps.core.permissions import Permission
from apps.core.topics import TopicName
from apps.exchange import live
from apps.exchange.wire.client import ExchangeClient
from apps.markets import event_facts, forecasts
from apps.markets.models import Event, Market
from apps.markets.sources import sources_shown
from apps.paper.testing import InProcessPaper
from tests.markets.test_milestones import answering
from tests.paper.world import list_template
from tests.support.people import client_of, make_account, make_desk, make_person

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def nothing_from_earlier(monkeypatch: pytest.MonkeyPatch) -> None:
    cache.clear()
    monkeypatch.setattr(live, "_outage", live._Outage())


@pytest.fixture
def browser() -> Client:
    desk = make_desk()
    make_account(desk)
    return client_of(make_person(desk, "viewer"))


def use(monkeypatch: pytest.MonkeyPatch, client: ExchangeClient) -> None:
    monkeypatch.setattr(event_facts, "environment_client", lambda environment: client)


def test_competition_scope_and_sources_of_the_event_itself(browser: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    paper = InProcessPaper()
    ticker = list_template(paper.exchange, "KXNBAGAME").event.ticker
    Event.objects.create(environment="paper", ticker=ticker, series_ticker="KXNBAGAME", title="Game")
    use(monkeypatch, ExchangeClient([paper.base_url], None, None, transport=paper.transport))
    url = f"/markets/events/{ticker}/metadata.json"
    expected = {
        "competition": "Pro Basketball (M)",
        "scope": "Game",
        "sources": [{"name": "The league", "url": "https://www.nba.com/", "host": "www.nba.com"}],
        "has_pictures": True,
    }

    assert browser.get(url).json() == expected

    # Kept for a while: the next reader asks nobody.
    use(monkeypatch, answering(httpx.Response(500)))
    assert browser.get(url).json() == expected
    cache.clear()
    refused = browser.get(url)
    assert refused.status_code == 502
    assert "gave no details" in refused.json()["error"]
    assert browser.get("/markets/events/KXNONE-1/metadata.json").status_code == 404
    page = browser.get(f"/markets/events/{ticker}/").content.decode()
    assert f'data-metadata-url="{url}"' in page


@pytest.mark.parametrize(
    ("url", "host"),
    [
        ("https://www.weather.gov/x", "www.weather.gov"),
        ("http://www.weather.gov/", ""),
        ("javascript:alert(1)", ""),
        ("https://user:word@weather.gov/", ""),
        ("https://weather.gov:8443/", ""),
        ("https://weather.gov:99999/", ""),
        ("https://[half/", ""),
        ("https://wеather.gov/", ""),  # the second letter is Cyrillic
        ("//weather.gov/", ""),
        ("", ""),
    ],
)
def test_only_plain_https_addresses_become_links(url: str, host: str) -> None:
    assert sources_shown([{"name": "NWS", "url": url}]) == [{"name": "NWS", "url": url if host else "", "host": host}]


@pytest.mark.parametrize("raw", [None, {}, "x", [None, 7, {}, {"url": "ftp://x"}]])
def test_sources_of_another_shape_are_left_out(raw: Any) -> None:
    assert sources_shown(raw) == []


# --- forecasts -------------------------------------------------------------------------------


def forecast_frame(event: Event) -> dict[str, Any]:
    found = forecasts.forecast_state(TopicName("forecast", "paper", event.ticker))
    assert found is not None
    return found


def test_a_forecast_is_read_with_a_key_and_kept_when_the_exchange_falls_silent(live_redis: Any) -> None:
    paper = InProcessPaper()
    listed = list_template(paper.exchange, "KXHIGHNY")
    event = Event.objects.create(
        environment="paper", ticker=listed.event.ticker, series_ticker="KXHIGHNY", title="Highest temperature"
    )
    with paper.client("trader-1") as signed:
        client = ExchangeClient([paper.base_url], None, None, transport=SignedTransport(signed))
        assert forecasts.forecasts_publish("paper", [event.ticker, "KXNONE-1"], client=client) == 1

    frame = forecast_frame(event)
    assert frame["percentiles"] == [10, 25, 50, 75, 90]
    assert len(frame["points"]) > 24
    ends = [end for end, _ in frame["points"]]
    assert ends == sorted(ends)
    for _, values in frame["points"]:
        numbers = [Decimal(value) for value in values]
        assert numbers == sorted(numbers)
    assert all(text.endswith("°") for text in frame["now"])

    assert forecasts.forecasts_publish("paper", [event.ticker], client=answering(httpx.Response(503))) == 0
    silent = forecast_frame(event)
    assert "503" in silent["why"]
    assert (silent["points"], silent["read_ms"]) == (frame["points"], frame["read_ms"])


class SignedTransport(httpx.BaseTransport):
    """Sends what an unsigned client asks as a member does."""

    def __init__(self, signed: httpx.Client) -> None:
        self.signed = signed

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        answer = self.signed.request(request.method, request.url)
        return httpx.Response(answer.status_code, json=answer.json())


def test_an_event_without_numbers_and_a_desk_without_keys_say_so(live_redis: Any) -> None:
    event = Event.objects.create(environment="paper", ticker="KXA-1", series_ticker="KXA", title="A")
    refused = httpx.Response(400, json={"error": {"code": "invalid", "message": "not numeric"}})

    assert forecasts.forecasts_publish("paper", ["KXA-1"], client=answering(refused)) == 1
    assert forecast_frame(event)["points"] == []
    assert forecast_frame(event)["why"] == ""
    odd = [{"end_period_ts": 5, "percentile_points": [7, {"percentile": "x"}, {"percentile": 5000}]}]
    assert forecasts.forecasts_publish("paper", ["KXA-1"], client=answering({"forecast_history": odd})) == 1
    assert forecast_frame(event)["points"] == []
    assert forecasts.forecasts_publish("paper", ["KXA-1"]) == 0
    assert "accounts with a key" in forecast_frame(event)["why"]


def test_a_forecast_is_read_once_a_minute_for_all_who_watch(live_redis: Any) -> None:
    live.redis_client().zadd(live.INTEREST, {"forecast:paper:KXA-1": 50_000, "forecast:demo:KXB-1": 50_000})

    assert forecasts.forecasts_due("paper", now_ms=50_000) == ["KXA-1"]
    assert forecasts.forecasts_due("paper", now_ms=50_000) == []
    cache.clear()
    assert forecasts.forecasts_due("paper", now_ms=50_000) == ["KXA-1"]
    topic = ports.topics["forecast"]
    assert (topic.permission, topic.is_on_demand) == (Permission.MARKET_VIEW, True)


def test_only_events_whose_outcomes_are_numbers_have_the_panel(browser: Client) -> None:
    event = Event.objects.create(environment="paper", ticker="KXA-1", series_ticker="KXA", title="A")
    market = Market.objects.create(
        environment="paper", ticker="KXA-1-T1", event=event, series_ticker="KXA", status="active", extra={}
    )
    assert b"data-forecast" not in browser.get("/markets/events/KXA-1/").content
    market.extra = {"floor_strike": 3.5}
    market.save()
    assert b'data-forecast="forecast:paper:KXA-1"' in browser.get("/markets/events/KXA-1/").content
