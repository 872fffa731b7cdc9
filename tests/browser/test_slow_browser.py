"""A Market page with hundreds of own orders on a slow processor: what is typed and clicked is what goes."""

from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from tests.browser.pages import MarketPage
from tests.browser.tickers import PARTY
from tests.support.desk import RunningDesk
from tests.support.trader import SocketTrader

TICKER = f"{PARTY}-R"
ORDERS = 230  # more than the list shows at once


def many_orders(desk: RunningDesk) -> None:
    """Place ORDERS resting orders as the trader, one after the other: nobody waits for tokens of the exchange."""
    login = desk.logins["trader"]
    trader = SocketTrader(desk.url, login["username"], login["password"])
    trader.open()
    trader.subscribe("orders:1")
    for number in range(ORDERS):
        ticket = trader.ticket(TICKER, price=f"0.0{1 + number % 3}00", count=1 + number % 7)
        key = trader.ask("order.place", params=ticket)["ok"]["intent"]["key"]
        while (state := trader.rows.get(key, {}).get("state")) != "resting":
            assert state not in ("refused", "unknown"), trader.rows[key]
            trader.hear(1.0)
    trader.close()


@pytest.mark.long
def test_with_hundreds_of_orders_a_slow_browser_stays_usable(desk: RunningDesk, open_page: Callable[..., Page]) -> None:
    many_orders(desk)
    market = MarketPage(open_page(), TICKER).open()
    page = market.page
    page.context.new_cdp_session(page).send("Emulation.setCPUThrottlingRate", {"rate": 6})
    rows = page.locator("[data-orders] tr")
    expect(rows).to_have_count(200)
    expect(page.locator("[data-orders-more]")).to_contain_text(f"The newest 200 of {ORDERS}")

    market.cell(400, "bid").scroll_into_view_if_needed()
    market.arm()
    market.cell(400, "bid").click()
    # Read in the list: with a new best bid the ladder may move its middle, and the clicked row with it.
    expect(rows.first.locator("td").nth(2)).to_have_text("100")
    expect(rows.first.locator("td").nth(3)).to_have_text("4.0¢")
    expect(rows.first).to_have_attribute("data-state", "resting")
    page.keyboard.press("Escape")

    # Typed as fast as the keys come: nothing is lost, one order goes, and it is what was typed.
    page.get_by_role("radio", name="Buy YES", exact=True).check(force=True)
    page.get_by_label("Price", exact=True).fill("5")
    page.get_by_label("Contracts", exact=True).press_sequentially("1234")
    expect(market.submit).to_contain_text("Buy 1,234 YES at 5.0¢")
    expect(market.submit).to_be_enabled(timeout=60_000)
    market.submit.click()
    expect(rows.first.locator("td").nth(2)).to_have_text("1,234")
    expect(rows.first.locator("td").nth(3)).to_have_text("5.0¢")
    expect(page.locator("[data-count='working']")).to_have_text(str(ORDERS + 2))

    page.on("dialog", lambda dialog: dialog.accept())
    page.locator("[data-cancel-all]").click()
    expect(page.locator("[data-count='working']")).to_have_text("0", timeout=300_000)
    expect(rows).to_have_count(0)
    expect(page.locator("[data-orders-more]")).to_be_hidden()
