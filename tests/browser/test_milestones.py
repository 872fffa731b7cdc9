"""What an event is about, live on its page: the score moves, and says so when the exchange does not answer."""

import re
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest
from playwright.sync_api import Page, expect

from apps.core.timestamps import parse_rfc3339, utc_now
from tests.browser.test_orders_page import control
from tests.support.desk import RunningDesk, eventually

LONG_MS = 240_000
Score = tuple[int, int]


@pytest.fixture
def api(desk: RunningDesk) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=f"{desk.paper['rest_url']}/trade-api/v2", timeout=60) as client:
        yield client


@pytest.fixture(autouse=True)
def no_faults_left(desk: RunningDesk) -> Iterator[None]:
    yield
    control(desk, "/faults/clear")


def newest_game(api: httpx.Client) -> dict[str, Any]:
    """The game that began last: of the hourly ones, two hours long, with an hour left to play."""
    rows = api.get("/milestones", params={"limit": 100, "type": "basketball_game"}).json()["milestones"]
    begun = [row for row in rows if parse_rfc3339(row["start_date"]) <= utc_now()]
    found: dict[str, Any] = max(begun, key=lambda row: row["start_date"])
    return found


def score(api: httpx.Client, milestone_id: str) -> Score:
    details = api.get(f"/live_data/milestone/{milestone_id}").json()["live_data"]["details"]
    return details["home_points"], details["away_points"]


@pytest.mark.long
def test_the_score_moves_and_is_stale_when_the_exchange_does_not_answer(
    desk: RunningDesk, open_page: Callable[..., Page], api: httpx.Client
) -> None:
    game = newest_game(api)
    page = open_page("viewer", at=f"/markets/events/{game['primary_event_tickers'][0]}/")
    panel = page.locator(f'[data-milestone="{game["id"]}"]')
    points = panel.locator(".milestone__points")
    names = [game["details"][f"{side}_team_name"] for side in ("home", "away")]

    expect(panel.locator(".milestone__name")).to_have_text(names, timeout=LONG_MS)
    expect(panel).to_have_attribute("data-feed", "live")
    expect(panel.locator("[data-age]")).to_have_text(re.compile(r"^as of \d+ s ago$"))
    expect(panel.locator("[data-when]")).to_have_text("live")
    shown = sum(int(text) for text in points.all_inner_texts())

    # A play comes each minute or so. The score only grows, so what has moved once stays other than it was.
    eventually(lambda: sum(score(api, game["id"])) > shown, within=900, what="another play")
    page.wait_for_function(
        "(before) => [...document.querySelectorAll('.milestone__points')]"
        ".reduce((sum, node) => sum + Number(node.textContent), 0) > before",
        arg=shown,
        timeout=LONG_MS,
    )
    panel.get_by_text("Play by play").click()
    expect(panel.locator("tbody tr").filter(has_text="scores").first).to_be_visible()

    # The Market page has the same panel.
    page.locator("[data-outcomes] tr[data-ticker] a").first.click()
    expect(panel.locator(".milestone__name")).to_have_text(names)
    expect(panel).to_have_attribute("data-feed", "live")

    fault = {"kind": "status", "count": 500, "method": "GET", "path": "/trade-api/v2/live_data/", "status": 503}
    control(desk, "/rest/fault", fault)
    expect(panel).to_have_attribute("data-feed", "stale", timeout=LONG_MS)
    expect(panel.locator("[data-age]")).to_have_text(re.compile(r"^stale, as of \d+ (s|min) ago$"))
    expect(panel.locator("[data-note]")).to_contain_text("The exchange did not answer")
    expect(points).to_have_count(2)
    control(desk, "/faults/clear")
    expect(panel).to_have_attribute("data-feed", "live", timeout=LONG_MS)
    expect(panel.locator("[data-note]")).to_be_hidden()
