"""The ladder by mouse and by keys: one-click arming and what ends it, cancelling, moving, and how fast it draws."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.browser.pages import MarketPage, expect_kept, keep_words
from tests.browser.tickers import FED
from tests.support.desk import RunningDesk

TICKER = f"{FED}-T3.50"
OTHER = f"{FED}-T3.25"
DRAWING = Path(__file__).with_name("ladder_drawing.js")


def cancel_all(market: MarketPage) -> None:
    market.page.on("dialog", lambda dialog: dialog.accept())
    market.page.locator("[data-cancel-all]").click()
    expect(market.orders("resting")).to_have_count(0)


def test_unarmed_a_click_fills_the_ticket_and_sends_nothing(open_page: Callable[..., Page]) -> None:
    market = MarketPage(open_page(), TICKER).open()

    market.cell(1500, "bid").click()

    expect(market.page.get_by_label("Price", exact=True)).to_have_value("15")
    expect(market.page.locator("[data-count='working']")).to_have_text("0")


def test_armed_a_click_places_the_working_size_and_del_cancels_it(open_page: Callable[..., Page]) -> None:
    market = MarketPage(open_page(), TICKER).open()
    market.page.get_by_role("button", name="25: work with 25 contracts").click()
    market.arm()
    expect(market.page.locator("[data-armed]")).to_contain_text("a click sends 25")

    market.cell(1600, "bid").dblclick()

    expect(market.own_chips(1600)).to_have_text("25")
    expect(market.orders("resting")).to_have_count(1)
    market.cell(1600, "bid").hover()
    market.page.keyboard.press("Delete")
    expect(market.own_chips(1600)).to_have_count(0)
    expect(market.orders("resting")).to_have_count(0)


def test_by_keys_alone_an_order_is_placed_and_cancelled(open_page: Callable[..., Page]) -> None:
    market = MarketPage(open_page(), TICKER).open()
    keyboard = market.page.keyboard
    # A first order far from everything gives the arrow keys a best bid to start from.
    market.place(side="Buy YES", cents="10", contracts="5")
    expect(market.own_chips(1000)).to_have_text("5")

    market.ladder.focus()
    keyboard.press("1")
    keyboard.press("a")
    expect(market.ladder_panel).to_have_attribute("data-one-click", "armed")
    keyboard.press("j")

    expect(market.own_chips(1000)).to_have_text("30")
    # The book comes by another topic than the own orders; the row is read out once, as it is at that moment.
    expect(market.cell(1000, "bid")).to_have_text("30")
    keep_words(market.page.locator("[data-announce='polite']"))
    keyboard.press("ArrowUp")
    expect(market.page.locator(".ladder .is-pointed")).to_have_attribute("data-price", "1000")
    expect_kept(market.page, "10¢, bid 30, ask none, own 30")
    keyboard.press("Delete")
    expect(market.own_chips(1000)).to_have_count(0)
    keyboard.press("Escape")
    expect(market.ladder_panel).to_have_attribute("data-one-click", "off")


def test_right_click_cancels_and_the_no_view_buys_no(open_page: Callable[..., Page]) -> None:
    market = MarketPage(open_page(), TICKER).open()
    market.page.get_by_role("button", name="NO", exact=True).click()
    market.arm()

    market.cell(700, "bid").click()

    expect(market.own_chips(700)).to_have_text("100")
    expect(market.orders("resting")).to_contain_text("BUY NO")
    market.own_chips(700).click(button="right")
    expect(market.own_chips(700)).to_have_count(0)


def test_an_own_order_is_dragged_to_another_price(open_page: Callable[..., Page]) -> None:
    market = MarketPage(open_page(), OTHER).open()
    market.place(side="Buy YES", cents="20", contracts="60")
    expect(market.own_chips(2000)).to_have_text("60")
    order = market.orders("resting").get_attribute("data-key")

    market.own_chips(2000).drag_to(market.cell(2300, "bid"))

    expect(market.own_chips(2300)).to_have_text("60")
    expect(market.own_chips(2000)).to_have_count(0)
    expect(market.orders("resting")).to_have_attribute("data-key", str(order))
    # The exchange's word of the new price may come before the answer to the change, and one change at a time is taken.
    expect(market.page.locator(".ladder__chip.is-changing")).to_have_count(0)
    market.cell(2300, "bid").hover()
    market.page.keyboard.press("Alt+ArrowDown")
    expect(market.own_chips(2200)).to_have_text("60")
    cancel_all(market)


@pytest.mark.long
def test_arming_lapses_by_itself_and_says_so(open_page: Callable[..., Page]) -> None:
    market = MarketPage(open_page(), TICKER).open()
    market.page.get_by_role("button", name="Set up the ladder").click()
    market.page.get_by_label("Ends without use after").select_option("10")
    market.page.keyboard.press("Escape")

    keep_words(market.page.locator("[data-announce='polite']"))
    market.arm()

    expect(market.ladder_panel).to_have_attribute("data-one-click", "off")
    expect_kept(market.page, "lapsed after 10 s")
    market.cell(1500, "bid").click()
    expect(market.page.locator("[data-count='working']")).to_have_text("0")


def test_a_book_that_is_not_live_disarms_and_stays_disarmed(open_page: Callable[..., Page]) -> None:
    market = MarketPage(open_page(), TICKER).open()
    market.arm()

    market.page.context.set_offline(True)

    expect(market.ladder_panel).to_have_attribute("data-one-click", "off")
    expect(market.arm_button).to_be_disabled()
    market.page.context.set_offline(False)
    market.wait_live()
    expect(market.arm_button).to_be_enabled()
    expect(market.ladder_panel).to_have_attribute("data-one-click", "off")


def test_sizes_and_depth_are_kept_for_the_person(open_page: Callable[..., Page]) -> None:
    market = MarketPage(open_page(), TICKER).open()
    market.page.get_by_role("button", name="Set up the ladder").click()
    market.page.get_by_label("Working sizes").fill("7, 2.5k")
    market.page.get_by_label("Working sizes").press("Enter")
    market.page.get_by_label("Cumulative depth").check()

    market.page.reload()
    market.wait_live()

    expect(market.page.locator("[data-presets] button")).to_have_text(["7", "2.5k"])
    expect(market.ladder_panel).to_have_attribute("data-depth", "")
    market.place(side="Buy YES", cents="14", contracts="8")
    expect(market.cell(1400, "depth").first).to_have_text("8")
    cancel_all(market)


def test_the_list_of_keys_names_what_the_ladder_does(open_page: Callable[..., Page]) -> None:
    market = MarketPage(open_page(), TICKER).open()

    market.page.keyboard.press("?")

    listed = market.page.locator("[data-keys-list]")
    for words in ("Join the best bid", "Improve the best ask", "Arm one-click", "Cancel own orders", "Ladder, mouse"):
        expect(listed).to_contain_text(words)


def test_j4_a_session_that_ends_keeps_the_ticket_and_sends_nothing(
    desk: RunningDesk, open_page: Callable[..., Page]
) -> None:
    market = MarketPage(open_page(is_own_session=True), TICKER).open()
    page = market.page
    page.get_by_role("radio", name="Buy NO", exact=True).check(force=True)
    page.get_by_label("Price", exact=True).fill("23")
    page.get_by_label("Contracts", exact=True).fill("4")
    other = page.context.new_page()
    other.goto("/accounts/logout/")
    other.get_by_role("button", name=re.compile("sign out", re.IGNORECASE)).last.click()

    expect(page.locator("[data-signed-out]")).to_be_visible()
    expect(market.submit).to_be_disabled()
    page.get_by_role("link", name="Sign in again", exact=True).click()
    login = desk.logins["trader"]
    page.get_by_label("Username").fill(login["username"])
    page.get_by_label("Password", exact=True).fill(login["password"])
    page.get_by_role("button", name="Sign in").click()

    market.wait_live()
    expect(page.get_by_label("Price", exact=True)).to_have_value("23")
    expect(page.get_by_role("radio", name="Buy NO", exact=True)).to_be_checked()
    expect(page.locator("[data-message]")).to_contain_text("Nothing was sent")
    expect(page.locator("[data-count='working']")).to_have_text("0")


@pytest.mark.long
def test_fifty_changes_a_second_on_the_finest_grid_are_drawn(
    open_page: Callable[..., Page], record_property: Callable[[str, object], None], capsys: pytest.CaptureFixture[str]
) -> None:
    """Measured, not limited: the time of a frame says more of the machine than of the ladder."""
    page = open_page(bypass_csp=True)
    # The page without its own script: what is measured is this ladder alone.
    page.route(re.compile(r"/js/market/index[^/]*\.js"), lambda route: route.abort())
    page.goto(f"/markets/{TICKER}/")
    page.context.new_cdp_session(page).send("Emulation.setCPUThrottlingRate", {"rate": 6})

    measured = page.evaluate(DRAWING.read_text())

    record_property("ladder_drawing", measured)
    with capsys.disabled():
        print(f"\nladder, 999 rows, 50 changes/s, 6x slower CPU: {measured}")
    assert (measured["rows"], measured["wrong"]) == (999, 0)
    assert measured["draws"] > 0
