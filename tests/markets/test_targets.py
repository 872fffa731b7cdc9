"""Whom a market's strike names, from the in-process paper exchange."""

from datetime import timedelta
from typing import Any

import httpx
import pytest
from django.core.cache import cache

from apps.core.timestamps import utc_now
from apps.exchange.wire.client import ExchangeClient
from apps.exchange.wire.errors import ExchangeError
from apps.markets import services
from apps.markets.models import Event, Market, StructuredTarget
from apps.markets.services.targets import target_ids
from apps.paper.testing import InProcessPaper
from tests.markets.test_milestones import answering
from tests.paper.world import list_template
from tests.support.people import client_of, make_account, make_desk, make_person

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def nothing_from_earlier() -> None:
    cache.clear()


@pytest.fixture
def paper() -> InProcessPaper:
    """An exchange with a game, whose event and markets the catalogue has."""
    paper = InProcessPaper()
    listed = list_template(paper.exchange, "KXNBAGAME")
    services.event_fetch("paper", listed.event.ticker, client=client(paper))
    return paper


def client(paper: InProcessPaper) -> ExchangeClient:
    return ExchangeClient([paper.base_url], None, None, transport=paper.transport)


def test_targets_are_read_once_and_stand_beside_their_outcomes(paper: InProcessPaper) -> None:
    assert services.targets_sync("paper", client=client(paper)) == 2
    rows = StructuredTarget.objects.order_by("name")
    markets = list(Market.objects.order_by("yes_sub_title"))
    assert [(row.name, row.type) for row in rows] == [(one.yes_sub_title, "basketball_team") for one in markets]
    assert services.targets_sync("paper", client=answering(httpx.Response(500))) == 0  # nobody is asked again

    StructuredTarget.objects.filter(pk=rows[0].pk).update(name="The <b>Other</b> Name")
    desk = make_desk()
    make_account(desk)
    browser = client_of(make_person(desk, "viewer"))
    html = browser.get(f"/markets/events/{markets[0].event.ticker}/").content.decode()
    assert "The &lt;b&gt;Other&lt;/b&gt; Name (Basketball team)" in html
    assert '<span class="muted event__target">Basketball team</span>' in html
    html = browser.get(f"/markets/{markets[0].ticker}/").content.decode()
    assert "The &lt;b&gt;Other&lt;/b&gt; Name (Basketball team)</dd>" in html


def test_only_what_changed_is_looked_at_and_a_failure_is_made_up_for(paper: InProcessPaper) -> None:
    with pytest.raises(ExchangeError):
        services.targets_sync("paper", client=answering(httpx.Response(503)))
    assert services.targets_sync("paper", client=client(paper)) == 2

    later = utc_now() + timedelta(hours=1)
    assert services.targets_sync("paper", client=client(paper), now=later) == 0
    event = Event.objects.get()
    extra = {"strike_type": "structured", "custom_strike": {"film": "t-1"}}
    row = Market.objects.create(environment="paper", ticker="KXA-1", event=event, status="active", extra=extra)
    Market.objects.filter(pk=row.pk).update(updated_at=later - timedelta(minutes=10))
    answer = answering({"structured_targets": [7, {"id": "t-1", "name": "A film"}, {"id": "t-2", "name": "Unasked"}]})
    assert services.targets_sync("paper", client=answer) == 0
    Market.objects.filter(pk=row.pk).update(updated_at=later)
    assert services.targets_sync("paper", client=answer, now=later) == 1
    assert not StructuredTarget.objects.filter(target_id="t-2").exists()


@pytest.mark.parametrize(
    ("extra", "ids"),
    [
        ({"strike_type": "structured", "custom_strike": {"team": "a", "player": "b"}}, ["a", "b"]),
        ({"strike_type": "custom", "custom_strike": {"team": "a"}}, []),
        ({"strike_type": "structured", "custom_strike": {"team": 7, "player": None, "x": "y" * 99, "z": ""}}, []),
        ({"strike_type": "structured", "custom_strike": ["a"]}, []),
        ({"strike_type": "structured"}, []),
        (None, []),
    ],
)
def test_ids_of_a_strike(extra: Any, ids: list[str]) -> None:
    assert target_ids(extra) == ids
