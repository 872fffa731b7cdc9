"""RELIABILITY J2: a tab that slept or lost its socket says so at once and is right again within 3 s."""

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


def test_j2_a_tab_that_slept_shows_the_present_book_within_three_seconds(
    desk: RunningDesk, chromium: Browser, open_page: Callable[..., Page]
) -> None:
    page = open_page()
    market = MarketPage(page, TICKER).open()
    # What the page said, with times, kept by the page itself: the first word after waking counts.
    page.evaluate(
        """() => {
          const root = document.querySelector("[data-module='market']");
          window.said = [];
          new MutationObserver(() => window.said.push([Date.now(), root.dataset.feed]))
            .observe(root, {attributes: true, attributeFilter: ["data-feed"]});
        }"""
    )
    # Stopped by the kernel, as a closed lid or a frozen tab stops it: no script, no timer, no message.
    renderers = renderer_pids(chromium)
    for pid in renderers:
        os.kill(pid, signal.SIGSTOP)
    order = PaperMember(desk.paper, "trader-2").order(TICKER, side="bid", price="0.2200", count="9.00")
    # Longer than the 3 s after which silence counts as sleep; nothing can be asked of a stopped page.
    asleep_until = time.monotonic() + 4
    eventually(lambda: time.monotonic() > asleep_until, within=10, what="four seconds of sleep")

    woke = time.time() * 1000
    for pid in renderers:
        os.kill(pid, signal.SIGCONT)

    expect(market.cell(2200, "bid")).to_have_text("9", timeout=3_000)
    market.wait_live()
    said = page.evaluate("() => window.said")
    assert [word for _, word in said][:1] == ["stale"], said
    assert said[-1][1] == "live"
    assert said[-1][0] - woke < 3_000, said
    PaperMember(desk.paper, "trader-2").request("DELETE", f"/portfolio/events/orders/{order['order_id']}")


def test_a_lost_network_stops_trading_at_once_and_keeps_the_ticket(open_page: Callable[..., Page]) -> None:
    page = open_page()
    market = MarketPage(page, TICKER).open()
    page.get_by_label("Price", exact=True).fill("33")
    page.get_by_label("Contracts", exact=True).fill("5")

    page.context.set_offline(True)

    expect(market.root).to_have_attribute("data-feed", "stale", timeout=1_500)
    expect(market.submit).to_be_disabled()
    expect(market.root.locator("[data-feed-age]")).to_have_text(re.compile("stale"))
    page.context.set_offline(False)
    expect(market.root).to_have_attribute("data-feed", "live", timeout=4_000)
    expect(market.submit).to_be_enabled()
    expect(page.get_by_label("Price", exact=True)).to_have_value("33")


def test_a_gateway_that_dies_is_said_and_heals(desk: RunningDesk, open_page: Callable[..., Page]) -> None:
    page = open_page()
    market = MarketPage(page, TICKER).open()

    os.kill(desk.children()["gateway"], signal.SIGKILL)

    expect(market.root).not_to_have_attribute("data-feed", "live", timeout=6_000)
    expect(market.submit).to_be_disabled()
    expect(market.root).to_have_attribute("data-feed", "live", timeout=30_000)
