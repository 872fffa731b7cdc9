"""What the Event page asks the exchange for beside prices, against the in-process paper exchange."""

from typing import Any

import httpx
import pytest
from django.core.cache import cache
from django.test import Client

from apps.exchange.wire.client import ExchangeClient
from apps.markets import event_facts
from apps.markets.models import Event
from apps.markets.sources import sources_shown
from apps.paper.testing import InProcessPaper
from tests.markets.test_milestones import answering
from tests.paper.world import list_template
from tests.support.people import client_of, make_account, make_desk, make_person

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def nothing_from_earlier() -> None:
    cache.clear()


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
