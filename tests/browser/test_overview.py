"""The Overview is where the desk opens: a fill comes in live, with what is at stake; a viewer has no control."""

from collections.abc import Callable

from playwright.sync_api import Page, expect

from tests.browser.tickers import GROWTH
from tests.support.desk import RunningDesk
from tests.support.member import PaperMember

MARKET = f"{GROWTH}-T3.0"


def test_the_desk_opens_on_what_is_at_stake_and_what_happened(
    desk: RunningDesk, open_page: Callable[..., Page]
) -> None:
    page = open_page("viewer", at="/")
    expect(page).to_have_url(f"{desk.url}/overview/")
    expect(page.get_by_role("link", name="Overview", exact=True)).to_have_attribute("aria-current", "page")
    expect(page.locator("[data-health-note]")).not_to_be_empty()

    PaperMember(desk.paper, "trader-2").order(MARKET, side="ask", price="0.0700", count="31.00")
    PaperMember(desk.paper, "trader-1").order(MARKET, side="bid", price="0.0700", count="31.00")

    expect(page.get_by_role("region", name="Events by time")).to_contain_text("31 YES at 7¢")
    at_stake = page.get_by_role("region", name="Exposure by name")
    expect(at_stake.locator(f"a[href$='/{GROWTH}/']")).to_be_visible(timeout=180_000)
    page.get_by_role("button", name="Subaccount", exact=True).click()
    expect(at_stake).to_contain_text("Subaccount 0")
    expect(page.locator(".overview form")).to_have_count(0)
