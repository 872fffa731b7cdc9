"""The Portfolio page: a fill elsewhere comes in live, groups, the way down to the fills; looks and accessibility."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.pages import SignInPage
from tests.browser.test_accessibility import EVERY_LOOK, LOOKS, serious, set_theme
from tests.browser.tickers import PARTY
from tests.support.desk import RunningDesk
from tests.support.member import PaperMember

MARKET = f"{PARTY}-D"


def opened(page: Page) -> Page:
    page.goto("/portfolio/")
    expect(page.locator("[data-charts]")).to_be_visible()
    return page


def trade(desk: RunningDesk, *, count: str) -> None:
    """The desk's account buys YES at 30 cents of another member."""
    PaperMember(desk.paper, "trader-2").order(MARKET, side="ask", price="0.3000", count=count)
    PaperMember(desk.paper, "trader-1").order(MARKET, side="bid", price="0.3000", count=count)


def test_a_position_comes_in_live_and_leads_to_its_fills(desk: RunningDesk, open_page: Callable[..., Page]) -> None:
    page = opened(open_page("viewer"))
    expect(page.get_by_role("button", name="Download as CSV")).to_have_count(0)
    expect(page.get_by_role("button", name="Read again")).to_have_count(0)
    expect(page.locator("[data-amount='cash']")).to_have_text(re.compile(r"^\$"))

    trade(desk, count="20.00")

    row = page.locator(f".ag-center-cols-container [row-id='0:{MARKET}']")
    expect(row.locator("[col-id='count']")).to_have_text("20", timeout=180_000)
    expect(row.locator("[col-id='cost']")).to_have_text("$6.00")
    expect(row.locator("[col-id='ifYes']")).to_have_text("$20.00")
    expect(row.locator("[col-id='worst']")).to_have_text("-$6.00")
    head = page.locator(f".ag-center-cols-container [row-id='group:event:{PARTY}']")
    expect(head.locator("[col-id='best']")).to_have_text("+$14.00")
    expect(page.locator(".map__name").first).to_be_attached()

    page.get_by_label("Group positions by").select_option("none")
    expect(head).to_have_count(0)
    expect(row).to_be_visible()

    page.locator(f".ag-pinned-left-cols-container [row-id='0:{MARKET}'] a").click()
    expect(page.get_by_role("region", name="Table of fills and settlements")).to_contain_text("buy YES")
    expect(page.get_by_role("region", name="Both sides' sums")).to_contain_text("$6.00")


@pytest.mark.long
@pytest.mark.parametrize("look", EVERY_LOOK)
def test_it_is_accessible_in_every_look(desk: RunningDesk, chromium: Browser, tmp_path: Path, look: str) -> None:
    options: Any = LOOKS[look]
    # Only this test may put the checker's script into a page whose policy forbids it.
    context = chromium.new_context(base_url=desk.url, bypass_csp=True, **options)
    page = context.new_page()
    try:
        login = desk.logins["lead"]
        SignInPage(page).sign_in(login["username"], login["password"])
        opened(page)
        set_theme(page, desk, look)
        expect(page.locator("[data-panel='days']")).not_to_be_empty()
        assert serious(page) == []
        width = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
        assert page.evaluate(width) <= 0
        page.screenshot(path=tmp_path / f"portfolio-{look}.png")
    finally:
        context.close()
