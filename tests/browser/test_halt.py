"""Pause and cancel all, from every page: what it holds back, what is left, who may release it."""

import re
from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.pages import MarketPage
from tests.browser.test_accessibility import EVERY_LOOK, LOOKS, serious, set_theme
from tests.browser.test_orders_page import control
from tests.browser.tickers import FED
from tests.support.desk import RunningDesk

TICKER = f"{FED}-T4.50"


class Halt:
    def __init__(self, page: Page) -> None:
        self.page = page

    @property
    def opener(self) -> Locator:
        return self.page.locator("[data-halt-open]")

    @property
    def label(self) -> Locator:
        return self.page.locator("[data-halt-label]")

    @property
    def dialog(self) -> Locator:
        return self.page.get_by_role("dialog", name="Pause trading, cancel all")

    @property
    def force(self) -> Locator:
        return self.dialog.locator("[data-halt-part='force'] > li")

    def open(self) -> "Halt":
        self.opener.click()
        expect(self.dialog).to_be_visible()
        return self

    def close(self) -> None:
        self.dialog.get_by_role("button", name="Close", exact=True).click()


@pytest.fixture(autouse=True)
def nothing_left(desk: RunningDesk, open_page: Callable[..., Page]) -> Iterator[None]:
    """Whatever a test leaves in force would hold back every test after it: a lead releases it."""
    yield
    control(desk, "/faults/clear")
    halt = Halt(open_page("lead", at="/orders/limits/")).open()
    expect(halt.dialog.locator("[data-halt-part='scope']")).not_to_contain_text("reading")
    while halt.force.get_by_role("button", name="Release").count():
        before = halt.force.count()
        halt.force.get_by_role("button", name="Release").first.click()
        if halt.page.get_by_role("dialog", name="Release the desk?").is_visible():
            halt.page.get_by_role("button", name="Release everybody").click()
        expect(halt.force).to_have_count(before - 1)


def place(page: Page, contracts: str) -> MarketPage:
    market = MarketPage(page, TICKER).open()
    market.place(side="Buy YES", cents="2", contracts=contracts)
    expect(market.orders("resting", number=contracts)).to_have_count(1)
    return market


def test_a_person_pauses_themselves_by_key_and_releases_it(open_page: Callable[..., Page]) -> None:
    page = open_page(bypass_csp=True)
    market = MarketPage(page, TICKER).open()
    page.locator("h1").click(force=True)
    page.keyboard.press("Shift+P")
    halt = Halt(page)
    expect(halt.dialog).to_be_visible()
    assert serious(page) == []
    halt.dialog.get_by_label("Why (others read it)").fill("lunch")
    halt.dialog.get_by_role("button", name="Pause me", exact=True).click()

    expect(halt.force).to_contain_text(re.compile(r"You, since [\d:]+ by you: lunch"))
    expect(halt.label).to_have_text("You are paused")
    halt.close()
    expect(market.page.locator("[data-why]")).to_contain_text("Your trading is paused: lunch")
    halt.open().force.get_by_role("button", name="Release").click()

    expect(halt.force).to_have_count(0)
    expect(halt.label).to_have_text("Pause")
    expect(market.page.locator("[data-why]")).to_be_hidden()


def test_the_desk_is_paused_with_a_cancel_that_is_followed_to_its_end_and_a_lead_releases(
    desk: RunningDesk, open_page: Callable[..., Page]
) -> None:
    page = open_page()
    place(page, "17")
    market = place(page, "18")
    watching = open_page("viewer", at="/markets/")
    expect(watching.locator("[data-halt-open]")).to_have_count(0)
    halt = Halt(page).open()
    halt.dialog.get_by_role("radio", name="everybody on this desk").check()
    halt.dialog.get_by_label("Cancel all working orders too").check()
    expect(halt.dialog.locator("[data-halt-part='scope']")).to_contain_text(
        re.compile(r"\d+ working orders? in \d+ market")
    )
    expect(halt.dialog.locator("[data-halt-part='lines']")).to_contain_text(TICKER)

    halt.dialog.get_by_role("button", name="Pause the desk and cancel all").click()

    expect(halt.force.filter(has_text="Everybody on this desk")).to_contain_text("A lead releases it.")
    expect(halt.force.get_by_role("button", name="Release")).to_have_count(0)
    halt.close()
    expect(market.orders("resting")).to_have_count(0)
    # What was cancelled is followed until nothing is left; then only the pause stands there.
    expect(halt.label).to_have_text("Desk paused", timeout=240_000)
    expect(watching.locator("[data-halt-said]")).to_have_text("Desk paused")

    lead = Halt(open_page("lead", at="/markets/")).open()
    lead.force.get_by_role("button", name="Release").click()
    lead.page.get_by_role("dialog", name="Release the desk?").get_by_role("button", name="Release everybody").click()

    expect(halt.label).to_have_text("Pause")
    expect(watching.locator("[data-halt-said]")).to_be_hidden()


@pytest.mark.long
def test_cancel_all_says_what_is_left_while_the_exchange_does_not_answer(
    desk: RunningDesk, open_page: Callable[..., Page]
) -> None:
    page = open_page()
    market = place(page, "19")
    fault = {"kind": "status", "count": 500, "method": "DELETE", "path": "/trade-api/v2/portfolio/", "status": 503}
    control(desk, "/rest/fault", fault)
    halt = Halt(page).open()
    halt.dialog.get_by_role("radio", name="nobody").check()
    expect(halt.dialog.get_by_role("button", name="Nothing chosen")).to_be_disabled()
    halt.dialog.get_by_label("Cancel all working orders too").check()

    halt.dialog.get_by_role("button", name="Cancel all", exact=True).click()

    expect(halt.force).to_contain_text("Cancel all in this account by you")
    expect(halt.label).to_contain_text(re.compile("^Cancelling · "))
    control(desk, "/faults/clear")  # only now: what is looked for may not be over before it is seen
    expect(halt.force).to_have_count(0, timeout=240_000)
    expect(halt.label).to_have_text("Pause")
    halt.close()
    expect(market.orders("resting")).to_have_count(0)


@pytest.mark.parametrize("look", EVERY_LOOK)
def test_the_limits_page_shows_use_and_has_no_serious_accessibility_finding(
    desk: RunningDesk, open_page: Callable[..., Page], look: str
) -> None:
    page = open_page("lead", bypass_csp=True, **LOOKS[look])
    set_theme(page, desk, look)
    page.goto("/orders/limits/")
    use = page.get_by_role("progressbar", name="Orders a minute of Trader", exact=True)
    expect(use).to_be_visible()
    first = use.element_handle()
    # The use is read again by itself: the part of the page is another one then.
    page.wait_for_function("node => !node.isConnected", arg=first, timeout=90_000)
    expect(use).to_be_visible()
    width = page.evaluate("() => [document.documentElement.scrollWidth, window.innerWidth]")
    assert width[0] <= width[1]
    assert serious(page) == []


@pytest.mark.long
def test_answers_that_name_no_order_stop_sending_and_a_lead_lets_orders_leave_again(
    desk: RunningDesk, open_page: Callable[..., Page]
) -> None:
    """RELIABILITY A6, before a person's eyes."""
    page, lead = open_page(), open_page("lead", at="/markets/")
    market = MarketPage(page, TICKER).open()
    fault = {"kind": "body", "how": "no_order", "count": 2, "method": "POST", "path": "/trade-api/v2/portfolio/events"}
    control(desk, "/rest/fault", fault)
    for contracts in ("21", "22"):
        market.place(side="Buy YES", cents="2", contracts=contracts)
        expect(market.orders("resting", number=contracts)).to_have_count(1, timeout=180_000)

    halt = Halt(lead).open()
    expect(halt.force).to_contain_text("without naming")
    halt.force.get_by_role("button", name="Open").click()
    lead.get_by_role("dialog", name="Let orders leave again?").get_by_role("button", name="Open it now").click()

    expect(halt.force).to_have_count(0)
    market.place(side="Buy YES", cents="2", contracts="23")
    expect(market.orders("resting", number="23")).to_have_count(1)
    Halt(page).open().dialog.get_by_role("radio", name="nobody").check()
    page.get_by_label("Cancel all working orders too").check()
    page.get_by_role("button", name="Cancel all", exact=True).click()
    expect(market.orders("resting")).to_have_count(0)
