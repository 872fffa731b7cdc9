"""What the exchange offers to look for, in the filters of the Markets page."""

from datetime import timedelta
from typing import Any

import pytest
from django.test import Client

from apps.core.timestamps import utc_now
from apps.exchange.wire.client import ExchangeClient
from apps.markets import services
from apps.markets.models import Event, Market, SearchFilter
from apps.markets.services.search_filters import READ_EVERY
from apps.paper.testing import InProcessPaper
from tests.markets.test_milestones import answering
from tests.paper.world import list_template
from tests.support.people import client_of, make_account, make_desk, make_person

pytestmark = pytest.mark.django_db
HOSTILE = "<img src=x onerror=alert(1)>"


@pytest.fixture
def browser() -> Client:
    desk = make_desk()
    make_account(desk)
    return client_of(make_person(desk, "viewer"))


def rows(browser: Client, query: str) -> set[str]:
    found: list[dict[str, Any]] = browser.get(f"/markets/rows.json?{query}").json()["rows"]
    return {row["event"] for row in found}


def test_markets_are_filtered_by_competition_and_scope(browser: Client) -> None:
    paper = InProcessPaper()
    client = ExchangeClient([paper.base_url], None, None, transport=paper.transport)
    titles = {}
    for series in ("KXNBAGAME", "KXSB", "KXFED"):
        event = list_template(paper.exchange, series).event
        titles[series] = event.title
        services.event_fetch("paper", event.ticker, client=client)

    assert services.search_filters_sync("paper", client=client) is not None
    assert services.search_filters_sync("paper", client=answering({})) is None  # not again within the hour

    row = SearchFilter.objects.get()
    assert row.tags["Economics"] == ["Fed", "Test"]
    assert {one["sport"] for one in row.sports} == {"Basketball", "Football"}
    assert rows(browser, "competition=Pro+Basketball+(M)") == {titles["KXNBAGAME"]}
    assert rows(browser, "scope=Futures") == {titles["KXSB"]}
    assert rows(browser, "competition=Pro+Football&scope=Game") == set()
    assert rows(browser, "") == set(titles.values())

    html = browser.get("/markets/?competition=Pro+Football").content.decode()
    assert '<optgroup label="Football"><option value="Pro Football" selected>Pro Football</option></optgroup>' in html
    assert '<option value="Futures">Futures</option>' in html
    assert '<option value="Game">' not in html  # no scope of this competition
    assert '<option value="Fed">Fed</option>' in html


def test_filters_of_another_shape_are_bounded_and_stay_text(browser: Client) -> None:
    sports = {HOSTILE: {"scopes": [7, HOSTILE], "competitions": {HOSTILE: None, "B": {"scopes": "x"}}}, "Odd": 7}
    client = answering(
        {"tags_by_categories": {"A": [HOSTILE, None], "B": None, "C": ["t"] * 9_000}},
        {"filters_by_sports": sports, "sport_ordering": ["gone", 7]},
    )
    services.search_filters_sync("paper", client=client)

    row = SearchFilter.objects.get()
    assert row.tags == {"A": [HOSTILE], "B": [], "C": ["t"]}
    assert row.sports == [
        {
            "sport": HOSTILE,
            "scopes": [HOSTILE],
            "competitions": [{"name": HOSTILE, "scopes": []}, {"name": "B", "scopes": []}],
        }
    ]
    html = browser.get("/markets/").content.decode()
    assert "<img src=x" not in html
    assert '<optgroup label="&lt;img src=x onerror=alert(1)&gt;">' in html

    later = utc_now() + READ_EVERY + timedelta(seconds=1)
    again = services.search_filters_sync("paper", client=answering({}), now=later)
    assert again is not None
    assert (again.tags, again.sports) == ({}, [])


def test_a_competition_that_the_exchange_no_longer_offers_stays_chosen(browser: Client) -> None:
    event = Event.objects.create(
        environment="paper", ticker="KXA-1", series_ticker="KXA", title="Of old", competition="Old League"
    )
    Market.objects.create(environment="paper", ticker="KXA-1-T", event=event, series_ticker="KXA", status="active")

    html = browser.get("/markets/?competition=Old+League").content.decode()

    assert '<option value="Old League" selected>Old League</option>' in html
    assert rows(browser, "competition=Old+League") == {"Of old"}
    assert browser.get("/markets/rows.json?competition=" + "x" * 121).status_code == 400
