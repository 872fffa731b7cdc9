"""Two people in two browsers: what is above the threshold waits, the lead approves it, and the blotter says by whom."""

import re
from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.browser.test_accessibility import EVERY_LOOK, LOOKS, serious, set_theme
from tests.browser.tickers import INFLATION
from tests.support.desk import RunningDesk

TICKER = f"{INFLATION}-T3.1"
PATIENCE_MS = 180_000
PAGES = ["/rfq/blotter/", "/rfq/blotter/quotes/", "/rfq/analytics/"]

_SEND = """async ([name, params]) => {
  const loaded = performance.getEntriesByType("resource").map((entry) => entry.name);
  const address = loaded.find((name) => /js[/]frame[/]desk[^/]*$/.test(name));
  const { desk } = await import(address);
  return desk.socket.command(name, params);
}"""


def command(page: Page, name: str, **params: Any) -> dict[str, Any]:
    """Send a command over the page's own socket; return its outcome."""
    answer: dict[str, Any] = page.evaluate(_SEND, [name, params])
    return answer


def desk_of(page: Page) -> Page:
    page.goto("/rfq/")
    expect(page.locator("[data-module='rfq']")).to_have_attribute("data-feed", "live", timeout=PATIENCE_MS)
    return page


def test_a_large_request_is_sent_when_a_lead_has_approved_it(open_page: Callable[..., Page]) -> None:
    lead, quoter = desk_of(open_page("lead")), desk_of(open_page("quoter"))
    for page in (lead, quoter):
        page.set_default_timeout(PATIENCE_MS)
    lead.get_by_role("button", name="Four eyes").click()
    lead.get_by_label("Contracts").fill("50")
    lead.get_by_role("button", name="Set", exact=True).click()
    expect(quoter.get_by_text("Four eyes above 50 contracts")).to_be_visible(timeout=PATIENCE_MS)

    asked = command(
        quoter,
        "rfq.send",
        idempotency_key="4f2f6f0e-6c1c-4c1e-9a7e-0a7d6a1b2c3d",
        ticker=TICKER,
        contracts="75.00",
        replace_existing=True,
    )

    assert asked["kind"] == "ok", asked
    panel = lead.get_by_role("region", name=re.compile("Waits for a second person"))
    expect(panel.get_by_text("Ask for quotes on 75 contracts")).to_be_visible(timeout=PATIENCE_MS)
    expect(quoter.get_by_role("button", name="Withdraw")).to_be_visible(timeout=PATIENCE_MS)
    expect(quoter.get_by_role("button", name="Approve")).to_have_count(0)
    panel.get_by_role("button", name="Approve").click()
    lead.get_by_role("button", name="Approve and send").click()
    expect(lead.locator("[data-notices]")).to_contain_text("Approved and sent", timeout=PATIENCE_MS)
    expect(panel).to_be_hidden(timeout=PATIENCE_MS)

    quoter.goto("/rfq/blotter/")
    approver = quoter.get_by_role("row").nth(1).get_by_role("cell").nth(14)
    expect(approver).to_have_text("Lead")


@pytest.mark.parametrize("look", EVERY_LOOK)
def test_blotters_and_figures_have_no_serious_accessibility_finding(
    desk: RunningDesk, open_page: Callable[..., Page], look: str
) -> None:
    page = open_page("lead", bypass_csp=True, **LOOKS[look])
    set_theme(page, desk, look)
    for path in PAGES:
        page.goto(path)
        width = page.evaluate("() => [document.documentElement.scrollWidth, window.innerWidth]")
        assert width[0] <= width[1], f"{path} is {width[0]} px wide on a screen of {width[1]} px"
        assert serious(page) == [], path
