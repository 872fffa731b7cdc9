"""Two signed-in people in two browsers: one builds a combo and asks, the other takes a quote, it executes for both."""

import re
import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress

import pytest
from playwright.sync_api import Page, expect

from tests.browser.test_rfq_request import PATIENCE, RfqPage, quote, status
from tests.browser.test_rfq_two_people import armed, second_quoter
from tests.support.desk import RunningDesk
from tests.support.member import PaperMember

__all__ = ["second_quoter"]  # a fixture

pytestmark = pytest.mark.long
WINDOWS = 12  # of three seconds, tried, because a slow machine may miss some


@contextmanager
def confirming(maker: PaperMember, quotes: list[str]) -> Iterator[None]:
    """Confirm each of these quotes as soon as it is taken, as the maker of another house would."""
    is_over = threading.Event()

    def run() -> None:
        while not is_over.wait(0.02):
            for quote_id in list(quotes):
                if maker.request("GET", f"/communications/quotes/{quote_id}")["quote"]["status"] == "accepted":
                    with suppress(AssertionError):  # its window ended in between: the next one is for that
                        maker.request("PUT", f"/communications/quotes/{quote_id}/confirm", json={})

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    try:
        yield
    finally:
        is_over.set()
        thread.join()


def build_combo(page: Page, contracts: str) -> None:
    """Two legs of two events, by the builder."""
    page.get_by_role("button", name="New RFQ").first.click()
    page.get_by_role("radio", name="Combo").check(force=True)
    page.get_by_label("Collection").select_option(label="Games combo", timeout=PATIENCE)
    legs = page.get_by_role("list", name="Legs").get_by_role("listitem")
    for number in (1, 2):
        expect(page.get_by_label("Event", exact=True).locator("option").nth(number)).to_be_attached(timeout=PATIENCE)
        page.get_by_label("Event", exact=True).select_option(index=number)
        side = page.get_by_role("group", name="Markets of the event").get_by_role("button", name=re.compile(": YES$"))
        side.first.click(timeout=PATIENCE)
        expect(legs).to_have_count(number)
    expect(page.locator("[data-combo]")).to_contain_text(
        re.compile("Sending makes its market|has a market already"), timeout=PATIENCE
    )
    page.get_by_label("Contracts", exact=True).fill(contracts)
    page.get_by_label("Contracts", exact=True).press("Control+Enter")


def told(desk: RunningDesk) -> list[tuple[str, ...]]:
    """What the desk stored of its requests for legs: said when one of them is not live."""
    with closing(sqlite3.connect(desk.data / "desk.sqlite3", timeout=60)) as ledger:
        return ledger.execute("SELECT state, ticker, error_code, error_text FROM rfq_rfq WHERE legs != '[]'").fetchall()


def test_a_combo_is_built_by_one_taken_by_the_other_and_executed_for_both(
    desk: RunningDesk, open_page: Callable[..., Page]
) -> None:
    maker = PaperMember(desk.paper, "maker")
    quoter, lead = RfqPage(open_page("quoter")).open(), RfqPage(open_page("lead")).open()
    build_combo(quoter.page, "25")
    own = quoter.page.locator("[data-request]").filter(has=quoter.page.locator(".request__leg")).first
    expect(own).to_contain_text(re.compile("live|refused|closed|unknown"), timeout=PATIENCE)
    assert "live" in own.inner_text(), told(desk)
    theirs = lead.page.locator("[data-request]").filter(has=lead.page.locator(".request__leg")).first
    theirs.click(timeout=PATIENCE)
    expect(lead.page.locator("[data-legs] tr")).to_have_count(2)
    listed = maker.request("GET", "/communications/rfqs?status=open")["rfqs"]
    rfq_id = next(rfq["id"] for rfq in listed if rfq["market_ticker"].startswith("KXMVE"))

    quotes: list[str] = []
    with confirming(maker, quotes):
        for cents in range(30, 30 + WINDOWS):
            quotes.append(quote(maker, rfq_id, "0.2100", f"0.{100 - cents}00"))
            armed(lead, f"Buy YES {cents}¢").click()
            # Of this quote: until the click is answered the line still says how the one before ended.
            end = re.compile(f"You bought 25 YES at {cents}¢|YES at {cents}¢: (let lapse|refused|never|confirmed, but)")
            expect(lead.progress).to_contain_text(end, timeout=PATIENCE)
            if "You bought" in lead.progress.inner_text():
                break

    own.click()
    for one in (quoter, lead):
        expect(one.progress).to_contain_text(f"You bought 25 YES at {cents}¢", timeout=PATIENCE)
        expect(one.page.locator("[data-steps]")).to_contain_text(f"Filled 25 at {cents}¢")
    assert [status(maker, quote_id) for quote_id in quotes].count("executed") == 1
    fills = PaperMember(desk.paper, "trader-1").request("GET", "/portfolio/fills?limit=20")["fills"]
    assert [fill["count_fp"] for fill in fills if fill["ticker"].startswith("KXMVE")] == ["25.00"]
