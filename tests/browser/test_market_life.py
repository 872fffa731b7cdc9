"""What happens to a market while a trader looks at it, in words and where they look (RELIABILITY F, G)."""

import re
import time
from collections.abc import Callable

import httpx
import pytest
from playwright.sync_api import Page, expect

from tests.browser.orders_page import OrdersPage
from tests.browser.pages import MarketPage
from tests.browser.test_orders_page import control
from tests.browser.tickers import GROWTH
from tests.support.desk import RunningDesk, eventually

TICKER = f"{GROWTH}-T2.0"
DAY_MS = 86_400_000


@pytest.mark.long
def test_pause_reopening_close_and_result_are_said_and_what_the_exchange_took_off(
    desk: RunningDesk, open_page: Callable[..., Page]
) -> None:
    page = open_page()
    market = MarketPage(page, TICKER).open()
    why = page.locator("[data-why]")
    market.place(side="Buy YES", cents="3", contracts="44")
    expect(market.orders("resting", number="44")).to_have_count(1)

    control(desk, "/market", {"ticker": TICKER, "action": "pause"})
    expect(why).to_contain_text("The exchange has paused this market")
    expect(why).to_contain_text("cancels every order that rests here")
    expect(market.submit).to_be_disabled()

    control(desk, "/market", {"ticker": TICKER, "action": "resume"})
    expect(why).to_be_hidden()
    expect(market.orders("resting")).to_have_count(0)
    orders = OrdersPage(page).open(tab="cancelled", text=TICKER)
    expect(orders.cell(orders.row("44").first, "reason")).to_contain_text("Taken off at the exchange")

    # The close is moved near: the page counts down by itself, and closes by itself.
    market.open()
    control(desk, "/market", {"ticker": TICKER, "action": "close_at", "close_ms": int(time.time() * 1000) + DAY_MS})
    expect(page.locator("[data-countdown]")).to_contain_text(re.compile(r"in (1 d|23:59)"))
    control(desk, "/market", {"ticker": TICKER, "action": "close_at", "close_ms": int(time.time() * 1000) + 4_000})
    expect(page.locator("[data-countdown]")).to_have_text("closed", timeout=180_000)
    expect(why).to_contain_text("closed")
    expect(why).to_contain_text("no cancels")
    expect(market.submit).to_be_disabled()

    # The page ends trading by its own timer; the exchange does so at its next step, and determines nothing before.
    result = {"ticker": TICKER, "action": "determine", "result": "scalar", "value_dollars": "0.3700"}
    address = f"{desk.paper['rest_url']}/control/market"
    eventually(lambda: httpx.post(address, json=result, timeout=60).status_code == 200, what="the result")
    expect(why).to_contain_text("The market is decided by value: YES pays $0.37, NO $0.63 and not yet paid out")
    control(desk, "/market", {"ticker": TICKER, "action": "settle"})
    expect(why).to_contain_text("The market has settled by value")
