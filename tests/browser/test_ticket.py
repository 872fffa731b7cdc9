"""The order ticket under nervous hands and careless typing."""

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.pages import MarketPage
from tests.browser.tickers import INFLATION

TICKER = f"{INFLATION}-T3.0"


@pytest.mark.long
def test_a_held_or_double_press_is_one_order_and_nothing_is_guessed(open_page: Callable[..., Page]) -> None:
    market = MarketPage(open_page(), TICKER).open()
    page = market.page
    contracts = page.get_by_label("Contracts", exact=True)

    def resting(number: str) -> Locator:
        # The column of contracts: the queue of one order may say the size of another.
        cells = page.locator("[data-orders] tr[data-state='resting'] td:nth-child(3)")
        return cells.filter(has_text=re.compile(f"^{number}$"))

    page.keyboard.press("t")
    page.keyboard.type("1")
    page.keyboard.press("Tab")
    page.keyboard.type("71")
    expect(market.submit).to_contain_text("Buy 71 YES at 1¢")
    expect(market.submit).to_be_enabled()

    for _ in range(12):
        page.keyboard.down("Enter")  # from the second on the browser calls it a repeat
    page.keyboard.up("Enter")
    expect(resting("71")).to_have_count(1)
    contracts.fill("72")
    expect(market.submit).to_contain_text("Buy 72 YES at 1¢")
    page.evaluate(
        "() => { const form = document.querySelector('[data-ticket]'); form.requestSubmit(); form.requestSubmit(); }"
    )
    expect(resting("72")).to_have_count(1)

    # An order after them: what they made by then is all that they make.
    contracts.fill("1,5")
    contracts.press("Enter")
    expect(page.get_by_text("Write “1.5” with a point.")).to_be_visible()
    page.get_by_role("radio", name="Expires", exact=True).check(force=True)
    contracts.fill("73")
    contracts.press("Enter")
    expect(page.get_by_text("Say until when.")).to_be_visible()
    expect(contracts).to_have_value("73")
    market.place(side="Buy YES", cents="1", contracts="74")
    expect(resting("74")).to_have_count(1)
    for number, many in (("71", 1), ("72", 1), ("73", 0)):
        expect(resting(number)).to_have_count(many)

    page.on("dialog", lambda dialog: dialog.accept())
    page.get_by_role("button", name=re.compile(r"Cancel all \d+ here")).click()
    expect(market.orders("resting")).to_have_count(0)
