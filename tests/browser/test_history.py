"""History > Sync as people use it: complete by itself, read again on demand, a market chosen; a viewer only looks."""

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.test_accessibility import EVERY_LOOK, LOOKS, serious, set_theme
from tests.browser.tickers import GROWTH
from tests.support.desk import RunningDesk

TICKER = f"{GROWTH}-T2.5"
WHOLE = "complete, and read again every few minutes"
# The sweep comes every 15 s, and the first read of nine data sets takes some more.
PATIENCE = 240_000


def row_of(page: Page, key: str) -> Locator:
    return page.locator(f"[data-row='{key}']")


def open_history(page: Page) -> Page:
    page.goto("/history/")
    expect(page.locator("[data-summary]")).to_have_text(WHOLE, timeout=PATIENCE)
    return page


@pytest.mark.long
def test_the_history_is_complete_by_itself_and_read_again_when_asked(open_page: Callable[..., Page]) -> None:
    page = open_history(open_page("trader"))
    # Rows that came while the page was open have no button of the whole page yet.
    page.reload()
    page.get_by_role("button", name="Read now: Deposits").click()
    expect(page.get_by_text("1 data set is read now.")).to_be_visible()
    expect(page.locator("[data-summary]")).to_have_text(WHOLE, timeout=PATIENCE)

    page.get_by_label("Market", exact=True).fill("KXNONE-1")
    page.get_by_role("button", name="Keep its trades and candles").click()
    expect(page.get_by_text("There is no market KXNONE-1.")).to_be_visible()
    page.get_by_label("Market", exact=True).fill(TICKER)
    page.get_by_role("button", name="Keep its trades and candles").click()
    expect(row_of(page, f"candles:{TICKER}").locator("[data-cell='status']")).to_have_text(
        "Up to date", timeout=PATIENCE
    )
    expect(row_of(page, f"trades:{TICKER}").locator("[data-cell='rows']")).to_have_text(re.compile(r"^[\d,]+$"))
    expect(row_of(page, "fills").locator("svg")).to_have_attribute("aria-label", re.compile("^Fills: complete from"))
    page.get_by_role("button", name=f"Keep {TICKER} no more").click()
    expect(row_of(page, f"trades:{TICKER}")).to_have_count(0)


@pytest.mark.parametrize("look", EVERY_LOOK)
def test_a_viewer_sees_it_on_every_screen_and_has_no_control(
    desk: RunningDesk, open_page: Callable[..., Page], look: str
) -> None:
    page = open_page("viewer", bypass_csp=True, **LOOKS[look])
    set_theme(page, desk, look)
    open_history(page)

    assert serious(page) == []
    width = page.evaluate("() => [document.documentElement.scrollWidth, window.innerWidth]")
    assert width[0] <= width[1]
    expect(page.get_by_role("button", name=re.compile("Read|beginning|Keep"))).to_have_count(0)
