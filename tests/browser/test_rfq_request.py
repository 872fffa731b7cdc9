"""Journeys of the requester: ask, see the quotes, take one, watch it execute; a viewer sees all and can do nothing."""

import re
from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.browser.test_accessibility import EVERY_LOOK, LOOKS, serious, set_theme
from tests.browser.tickers import INFLATION
from tests.support.desk import RunningDesk, eventually
from tests.support.member import PaperMember

TICKER = f"{INFLATION}-T2.7"
OTHER = f"{INFLATION}-T2.6"
# Everything that changes something; none of it may be in a viewer's page.
CONTROLS = "[data-new], [data-ask], [data-take], [data-next], [data-close], button[data-auto], [data-team-claim]"
PATIENCE = 180_000


class RfqPage:
    def __init__(self, page: Page) -> None:
        self.page = page

    def open(self) -> "RfqPage":
        self.page.goto("/rfq/")
        expect(self.page.locator("[data-module='rfq']")).to_have_attribute("data-feed", "live", timeout=PATIENCE)
        return self

    def ask(self, ticker: str, contracts: str, **fields: str) -> None:
        self.page.get_by_role("button", name="New RFQ").first.click()
        self.page.get_by_label("Market", exact=True).last.fill(ticker)
        option = self.page.get_by_role("option").filter(has_text=ticker)
        option.first.click(timeout=PATIENCE)
        self.page.get_by_label("Contracts", exact=True).fill(contracts)
        for label, value in fields.items():
            self.page.locator(f"[data-ask] [name='{label}']").fill(value)
        expect(self.page.locator("[data-strip-lines] tr").first).to_be_visible(timeout=PATIENCE)
        self.page.get_by_label("Contracts", exact=True).press("Control+Enter")

    def request(self, index: int = 0) -> Any:
        return self.page.locator("[data-request]").nth(index)

    def button(self, text: str) -> Any:
        return self.page.locator("[data-take]").filter(has_text=text)

    @property
    def progress(self) -> Any:
        return self.page.locator("[data-progress]")


def quote(maker: PaperMember, rfq_id: str, yes_bid: str, no_bid: str) -> str:
    body = {"rfq_id": rfq_id, "yes_bid": yes_bid, "no_bid": no_bid, "rest_remainder": False}
    found: str = maker.request("POST", "/communications/quotes", json=body)["id"]
    return found


def status(maker: PaperMember, quote_id: str) -> str:
    return str(maker.request("GET", f"/communications/quotes/{quote_id}")["quote"]["status"])


def open_request(maker: PaperMember, ticker: str) -> str:
    """Return the exchange's id of the desk's open request on this market, once it has it."""

    def look() -> str | None:
        told = maker.request("GET", f"/communications/rfqs?market_ticker={ticker}&status=open")["rfqs"]
        # Only a member's own requests show it who made them.
        return next((rfq["id"] for rfq in told if "creator_user_id" not in rfq), None)

    return str(eventually(look, what="the request at the exchange"))


def test_a_request_is_quoted_taken_confirmed_and_executed_before_a_viewers_eyes(
    desk: RunningDesk, open_page: Callable[..., Page]
) -> None:
    maker = PaperMember(desk.paper, "maker")
    quoter = RfqPage(open_page("quoter")).open()
    viewer = RfqPage(open_page("viewer")).open()

    quoter.ask(TICKER, "40", limit_yes="30")
    expect(quoter.request()).to_contain_text("live", timeout=PATIENCE)
    rfq_id = open_request(maker, TICKER)
    quote_id = quote(maker, rfq_id, "0.2100", "0.7700")

    # What would be owned and paid, in words: NO bid at 77 cents is YES at 23.
    take = quoter.button("Buy YES 23¢")
    expect(take).to_have_attribute("aria-disabled", "false", timeout=PATIENCE)
    expect(quoter.button("Buy NO 79¢")).to_be_visible()
    expect(viewer.page.locator("[data-quotes]")).to_contain_text("YES 23¢", timeout=PATIENCE)
    assert viewer.page.locator(CONTROLS).count() == 0

    # A worse price re-arms the button and is what is accepted, never the one before.
    maker.request("DELETE", f"/communications/quotes/{quote_id}")
    quote_id = quote(maker, rfq_id, "0.2100", "0.7600")
    take = quoter.button("Buy YES 24¢")
    expect(take).to_have_attribute("aria-disabled", "false", timeout=PATIENCE)
    take.dblclick()
    # The maker waits for no screen: a slow one may need longer than the half minute that there is to confirm.
    eventually(lambda: status(maker, quote_id) != "open", what="the accept at the exchange")
    maker.request("PUT", f"/communications/quotes/{quote_id}/confirm", json={})

    expect(quoter.page.locator("[data-take]")).to_have_count(0)  # one accept a request: nothing else can be taken
    for one in (quoter, viewer):
        expect(one.progress).to_contain_text("You bought 40 YES at 24¢", timeout=PATIENCE)
        expect(one.request()).to_contain_text("executed")
    assert viewer.page.locator(CONTROLS).count() == 0


@pytest.mark.long
def test_keys_take_only_with_the_focus_on_the_card_and_a_lapse_offers_the_next_best(
    desk: RunningDesk, open_page: Callable[..., Page]
) -> None:
    maker, second = PaperMember(desk.paper, "maker"), PaperMember(desk.paper, "trader-2")
    page = RfqPage(open_page("quoter")).open()
    page.ask(OTHER, "10")
    rfq_id = open_request(maker, OTHER)
    best = quote(maker, rfq_id, "0.0000", "0.7000")
    quote(second, rfq_id, "0.0000", "0.6900")
    expect(page.button("Buy YES 30¢")).to_have_attribute("aria-disabled", "false", timeout=PATIENCE)
    expect(page.button("Buy YES 31¢")).to_have_attribute("aria-disabled", "false", timeout=PATIENCE)
    expect(page.page.locator("[data-quotes]")).to_contain_text("no NO price")

    page.page.locator("[data-team-comment] input").press("1")
    page.page.keyboard.press("Escape")
    assert page.progress.is_hidden(), "a key that is pressed elsewhere never trades"
    page.page.locator("[data-card]").focus()
    page.page.keyboard.press("1")

    # The maker goes away instead of confirming.
    eventually(lambda: status(maker, best) != "open", what="the accept at the exchange")
    expect(page.page.locator("[data-next]")).to_contain_text("Accept next best: Buy YES 31¢", timeout=PATIENCE * 2)
    page.page.locator("[data-close]").click()
    expect(page.request()).to_contain_text(re.compile("done|lapsed|closing"), timeout=PATIENCE)


@pytest.mark.parametrize("look", EVERY_LOOK)
def test_the_desk_has_no_serious_accessibility_finding(
    desk: RunningDesk, open_page: Callable[..., Page], look: str
) -> None:
    page = open_page("quoter", bypass_csp=True, **LOOKS[look])
    set_theme(page, desk, look)
    RfqPage(page).open()
    page.locator("[data-requests-waiting]").wait_for(state="hidden")
    width = page.evaluate("() => [document.documentElement.scrollWidth, window.innerWidth]")
    assert width[0] <= width[1]
    assert serious(page) == []
    page.get_by_role("button", name="New RFQ").first.click()
    page.locator("[data-ask]").wait_for()
    assert serious(page) == []
