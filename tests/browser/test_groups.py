"""Order groups as a person uses them: made, filled from the ticket and the ladder, hit, reset and deleted."""

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.pages import MarketPage, expect_kept, keep_words
from tests.browser.test_accessibility import EVERY_LOOK, LOOKS, serious, set_theme
from tests.browser.tickers import FED
from tests.support.desk import RunningDesk
from tests.support.member import PaperMember

TICKER = f"{FED}-T3.75"


class GroupsPage:
    def __init__(self, page: Page) -> None:
        self.page = page

    def open(self) -> "GroupsPage":
        self.page.goto("/orders/groups/")
        expect(self.page.locator("[data-module='groups']")).to_have_attribute("data-feed", "live", timeout=90_000)
        return self

    def create(self, name: str, limit: str) -> Locator:
        self.page.get_by_role("button", name="New group").first.click()
        self.page.get_by_label("Name, for this desk").fill(name)
        self.page.get_by_label("Contracts in 15 s").fill(limit)
        self.page.get_by_role("button", name="Create").click()
        expect(self.group(name).get_by_text("active", exact=True)).to_be_visible()
        return self.group(name)

    def group(self, name: str) -> Locator:
        return self.page.locator(".group").filter(has=self.page.get_by_text(name, exact=True))

    def ask(self, name: str, deed: str) -> Locator:
        self.group(name).get_by_role("button", name=f"{deed}: {name}").click()
        return self.page.get_by_role("dialog", name=re.compile(f"{name}"))


def choose_in_ticket(page: Page, name: str) -> None:
    page.get_by_role("button", name="More terms").click()
    page.get_by_label("Order group", exact=True).select_option(label=name)
    page.keyboard.press("Escape")
    expect(page.locator("[data-group-words]")).to_have_text(f"In order group {name}")


@pytest.mark.long
def test_a_group_is_made_filled_hit_and_reset(desk: RunningDesk, open_page: Callable[..., Page]) -> None:
    groups = GroupsPage(open_page()).open()
    groups.page.get_by_role("button", name="New group").first.click()
    groups.page.get_by_label("Name, for this desk").fill("Hit")
    groups.page.get_by_label("Contracts in 15 s").fill("few")
    groups.page.get_by_role("button", name="Create").click()
    expect(groups.page.get_by_text("“few” is not a number of contracts.")).to_be_visible()
    groups.page.get_by_role("button", name="Leave it").click()
    line = groups.create("Hit", "20")
    market = MarketPage(open_page(), TICKER).open()
    choose_in_ticket(market.page, "Hit")

    market.place(side="Buy YES", cents="31", contracts="60")

    expect(line.get_by_text("1 working order", exact=True)).to_be_visible()
    other = PaperMember(desk.paper, "trader-2")
    keep_words(line.locator("[data-part='use']"))  # it says so for 15 s, whenever we look
    other.order(TICKER, side="ask", price="0.3100", count="15.00")
    expect_kept(groups.page, "^15 of 20 in 15 s$")

    # More than the limit by itself: it does not matter whether the first ones are still inside the window.
    other.order(TICKER, side="ask", price="0.3100", count="25.00")

    expect(line.get_by_text("triggered", exact=True)).to_be_visible()
    expect(line.get_by_text("It takes none until it is reset.")).to_be_visible()
    expect(line.get_by_text("0 working orders", exact=True)).to_be_visible()
    # What is still chosen in the ticket says so, and does not quietly go without its group.
    expect(market.page.locator("[data-group-words]")).to_contain_text("Hit is triggered and takes no order")
    # The window rolls on by itself: no frame comes for that.
    expect(line.locator("[data-part='use']")).to_have_text("0 of 20 in 15 s", timeout=90_000)

    groups.ask("Hit", "Reset").get_by_role("button", name="Reset").click()
    expect(line.get_by_text("active", exact=True)).to_be_visible()

    dialog = groups.ask("Hit", "Delete")
    expect(dialog).to_contain_text("cancels its 0 working orders and removes the group")
    dialog.get_by_role("button", name="Delete and cancel").click()
    expect(line.get_by_text("deleted", exact=True)).to_be_visible()
    expect(line.get_by_role("button", name="Trigger: Hit")).to_be_disabled()


@pytest.mark.long
def test_orders_of_the_ladder_go_into_its_group_and_a_trigger_cancels_them(open_page: Callable[..., Page]) -> None:
    groups = GroupsPage(open_page()).open()
    line = groups.create("Ladder", "500")
    market = MarketPage(open_page(), TICKER).open()
    market.page.get_by_label("Order group of the ladder's orders").select_option(label="Ladder")
    market.arm()
    market.cell(1100, "bid").scroll_into_view_if_needed()
    market.cell(1100, "bid").click()

    expect(line.get_by_text("1 working order", exact=True)).to_be_visible()
    expect(market.page.locator("[data-group-use]")).to_have_text("0 of 500 in 15 s")

    market.page.keyboard.press("Escape")
    market.page.get_by_role("button", name="Trigger", exact=True).click()
    dialog = market.page.get_by_role("dialog", name="Trigger Ladder?")
    expect(dialog).to_contain_text("cancels its 1 working order")
    dialog.get_by_role("button", name="Leave it").click()
    expect(line.get_by_text("active", exact=True)).to_be_visible()
    market.page.get_by_role("button", name="Trigger", exact=True).click()
    dialog.get_by_role("button", name="Trigger and cancel").click()

    expect(line.get_by_text("triggered", exact=True)).to_be_visible()
    expect(market.own_chips(1100)).to_have_count(0)
    expect(market.page.locator("[data-group-said]")).to_contain_text("Ladder is triggered and takes no order")


@pytest.mark.parametrize("look", EVERY_LOOK)
def test_the_groups_page_has_no_serious_accessibility_finding(
    desk: RunningDesk, open_page: Callable[..., Page], look: str
) -> None:
    page = open_page("viewer", bypass_csp=True, **LOOKS[look])
    set_theme(page, desk, look)
    groups = GroupsPage(page).open()
    assert page.get_by_role("button", name=re.compile("Trigger|Reset|Limit|Delete|New group")).count() == 0
    width = page.evaluate("() => [document.documentElement.scrollWidth, window.innerWidth]")
    assert width[0] <= width[1]
    assert serious(groups.page) == []
