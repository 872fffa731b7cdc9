"""A market's price grid changes while people look at it: ladder, ticket and a click that was on its way."""

import re
from collections.abc import Callable

from playwright.sync_api import Page, expect

from tests.browser.pages import MarketPage
from tests.browser.test_orders_page import control
from tests.browser.tickers import FED
from tests.support.desk import RunningDesk
from tests.support.member import PaperMember

TICKER = f"{FED}-T3.25"


def test_a_new_grid_reaches_the_open_page_and_a_shown_preview_is_not_sent(
    desk: RunningDesk, open_page: Callable[..., Page]
) -> None:
    control(desk, "/market", {"ticker": TICKER, "action": "grid", "structure": "deci_cent"})
    page = open_page()
    market = MarketPage(page, TICKER).open()
    tick = page.locator("[data-tick]")
    # It may have been another grid before: the page follows either way.
    expect(tick).to_have_text("0.1¢")
    expect(market.cell(1550, "price")).to_have_text("15.5")
    market.place(side="Buy YES", cents="15.5", contracts="12")
    expect(market.orders("resting", number="15.5")).to_have_count(1)
    market.arm()
    page.get_by_label("Price", exact=True).fill("17.3")
    page.get_by_label("Contracts", exact=True).fill("13")
    expect(page.locator("[data-preview-field='cost']")).to_have_text("$2.25")

    control(desk, "/market", {"ticker": TICKER, "action": "grid", "structure": "linear_cent"})

    expect(tick).to_have_text("1¢")
    # The rows are those of the new grid, and one for what still rests between two of them.
    expect(market.cell(1730, "price")).to_have_count(0)
    expect(market.cell(1700, "price")).to_have_text("17")
    expect(market.cell(1550, "price")).to_have_text("15.5")
    expect(market.own_chips(1550)).to_have_text("12")
    expect(market.ladder_panel).to_have_attribute("data-one-click", "off")
    expect(page.locator("[data-error='price']")).to_contain_text(re.compile("17.3|step|grid", re.IGNORECASE))
    market.submit.click()
    expect(page.locator("[data-error='price']")).not_to_be_empty()
    orders = PaperMember(desk.paper, "trader-1").request("GET", f"/portfolio/orders?ticker={TICKER}")["orders"]
    assert [order for order in orders if order["initial_count_fp"] == "13.00"] == []

    page.get_by_label("Price", exact=True).fill("17")
    expect(page.locator("[data-error='price']")).to_be_empty()
    expect(market.submit).to_be_enabled()
    page.get_by_label("Contracts", exact=True).press("Enter")
    expect(market.orders("resting", number="13")).to_have_count(1)
    page.once("dialog", lambda dialog: dialog.accept())
    page.locator("[data-cancel-all]").click()
    expect(market.orders("resting")).to_have_count(0)
