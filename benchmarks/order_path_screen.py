"""From a click to the order's resting row painted in Chromium: the browser's half of `benchmarks.order_path`.

The page's own clock is used: from the time that the browser gave to the input event, over the first row of the order
in the document ("sending"), to the first frame painted with the row that says "resting".
"""

import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from playwright.sync_api import Page, expect, sync_playwright

from tests.browser.conftest import ARGUMENTS
from tests.browser.pages import MarketPage, SignInPage
from tests.support.desk import RunningDesk, eventually

PAUSE = 0.15  # seconds between two orders: nobody waits for tokens

# Notes the next click, the first sign of its order, and the first paint with it resting. Not wait_for_function, which
# evaluates text inside the page: the desk's policy forbids that.
_WATCH = """() => {
  const body = document.querySelector("[data-orders]");
  const keys = () => [...body.querySelectorAll("tr")].map((row) => row.dataset.key);
  const before = new Set(keys());
  const seen = { clicked: 0, first: 0, resting: 0, painted: 0, long: 0 };
  window.orderSeen = seen;
  const stop = new AbortController();
  const note = (event) => { seen.clicked ||= event.timeStamp; };
  addEventListener("click", note, { capture: true, signal: stop.signal });
  const observer = new MutationObserver(() => {
    const row = [...body.querySelectorAll("tr")].find((each) => !before.has(each.dataset.key));
    if (!row || !seen.clicked) return;
    seen.first ||= performance.now();
    if (row.dataset.state !== "resting" || seen.resting) return;
    seen.resting = performance.now();
    observer.disconnect();
    stop.abort();
    // A task queued in a frame's callback runs when that frame has been painted.
    requestAnimationFrame(() => {
      const channel = new MessageChannel();
      channel.port1.onmessage = () => { seen.painted = performance.now(); };
      channel.port2.postMessage(0);
    });
  });
  observer.observe(body, { childList: true, subtree: true, attributes: true });
}"""


@dataclass(frozen=True, slots=True)
class Screen:
    """Milliseconds from the input event: to the first row, to the resting row in the document, and to its paint."""

    first: float
    resting: float
    painted: float


@contextmanager
def market_page(desk: RunningDesk, ticker: str, *, slowdown: float = 1.0) -> Iterator[MarketPage]:
    """A trader's Market page in Chromium; `slowdown` makes its processor so many times slower."""
    login = desk.logins["trader"]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=ARGUMENTS)
        page = browser.new_context(base_url=desk.url, viewport={"width": 1440, "height": 900}).new_page()
        SignInPage(page).sign_in(login["username"], login["password"])
        market = MarketPage(page, ticker).open()
        if slowdown != 1.0:
            page.context.new_cdp_session(page).send("Emulation.setCPUThrottlingRate", {"rate": slowdown})
        yield market
        browser.close()


def by_ladder(market: MarketPage, count: int) -> list[Screen]:
    """One armed click on the ladder per order, at 2 and 3 cents in turn: the same click twice within 0.5 s is one."""
    market.cell(200, "bid").scroll_into_view_if_needed()
    market.arm()

    def click(number: int) -> None:
        if market.ladder_panel.get_attribute("data-one-click") != "armed":
            market.arm()
        market.cell(200 + 100 * (number % 2), "bid").click()

    found = _measured(market.page, count, click)
    market.page.keyboard.press("Escape")
    return found


def by_ticket(market: MarketPage, count: int) -> list[Screen]:
    """Typed into the ticket, read, and sent by a click on its button when the preview is there."""

    def click(number: int) -> None:
        page = market.page
        page.get_by_role("radio", name="Buy YES", exact=True).check(force=True)
        page.get_by_label("Price", exact=True).fill("2")
        page.get_by_label("Contracts", exact=True).fill(str(11 + number))
        expect(page.locator("[data-preview-field='cost']")).not_to_have_text("-")
        expect(market.submit).to_be_enabled()
        time.sleep(0.4)  # whoever reads the preview takes longer than that
        market.submit.click()

    return _measured(market.page, count, click)


def _measured(page: Page, count: int, act: Callable[[int], None]) -> list[Screen]:
    found = []
    for number in range(count):
        page.evaluate(_WATCH)
        act(number)
        eventually(lambda: page.evaluate("() => window.orderSeen.painted"), what="the order's row on the screen")
        seen = page.evaluate("() => window.orderSeen")
        found.append(Screen(*(seen[name] - seen["clicked"] for name in ("first", "resting", "painted"))))
        time.sleep(PAUSE)
    return found
