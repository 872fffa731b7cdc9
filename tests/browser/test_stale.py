"""RELIABILITY J2: a tab that slept or lost its socket says so first, and then is right again."""

import os
import re
import signal
import time
from collections.abc import Callable

from playwright.sync_api import Browser, Page, expect

from tests.browser.pages import MarketPage
from tests.browser.tickers import FED
from tests.support.desk import RunningDesk, eventually
from tests.support.member import PaperMember

TICKER = f"{FED}-T3.50"


def renderer_pids(chromium: Browser) -> list[int]:
    info = chromium.new_browser_cdp_session().send("SystemInfo.getProcessInfo")
    return [process["id"] for process in info["processInfo"] if process["type"] == "renderer"]


def keep_feed(page: Page) -> None:
    """Let the page keep what it says of its feed, and whether it would send then: some of it is over soon."""
    page.evaluate(
        """() => {
          const root = document.querySelector("[data-module='market']");
          const submit = document.querySelector("[data-submit]");
          window.said = [];
          new MutationObserver(() => said.push([root.dataset.feed, submit.disabled]))
            .observe(root, {attributes: true, attributeFilter: ["data-feed"]});
        }"""
    )


def test_j2_a_tab_that_slept_says_so_before_it_shows_the_present_book(
    desk: RunningDesk, chromium: Browser, open_page: Callable[..., Page]
) -> None:
    page = open_page()
    market = MarketPage(page, TICKER).open()
    keep_feed(page)  # the first word after waking counts
    # Stopped by the kernel, as a closed lid or a frozen tab stops it: no script, no timer, no message.
    renderers = renderer_pids(chromium)
    for pid in renderers:
        os.kill(pid, signal.SIGSTOP)
    try:
        order = PaperMember(desk.paper, "trader-2").order(TICKER, side="bid", price="0.2200", count="9.00")
        # Longer than the 3 s after which silence counts as sleep; nothing can be asked of a stopped page.
        asleep_until = time.monotonic() + 4
        eventually(lambda: time.monotonic() > asleep_until, what="four seconds of sleep")
    finally:
        for pid in renderers:
            os.kill(pid, signal.SIGCONT)

    expect(market.cell(2200, "bid")).to_have_text("9")
    page.wait_for_function("() => said.length > 1 && said.at(-1)[0] === 'live'")
    said = page.evaluate("() => said")
    assert said[0] == ["stale", True], said
    PaperMember(desk.paper, "trader-2").request("DELETE", f"/portfolio/events/orders/{order['order_id']}")


def test_a_lost_network_stops_trading_at_once_and_keeps_the_ticket(open_page: Callable[..., Page]) -> None:
    page = open_page()
    market = MarketPage(page, TICKER).open()
    page.get_by_label("Price", exact=True).fill("33")
    page.get_by_label("Contracts", exact=True).fill("5")

    page.context.set_offline(True)

    expect(market.root).to_have_attribute("data-feed", "stale")
    expect(market.submit).to_be_disabled()
    expect(market.root.locator("[data-feed-age]")).to_have_text(re.compile("stale"))
    page.context.set_offline(False)
    market.wait_live()
    expect(market.submit).to_be_enabled()
    expect(page.get_by_label("Price", exact=True)).to_have_value("33")


def test_a_gateway_that_dies_is_said_and_heals(desk: RunningDesk, open_page: Callable[..., Page]) -> None:
    page = open_page()
    market = MarketPage(page, TICKER).open()
    keep_feed(page)  # the supervisor starts another one within a second or two

    os.kill(desk.children()["gateway"], signal.SIGKILL)

    page.wait_for_function("() => said.some(([feed, isBlocked]) => feed !== 'live' && isBlocked)", timeout=90_000)
    market.wait_live()
    expect(market.submit).to_be_enabled()
