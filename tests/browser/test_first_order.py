"""The first morning: sign in, find a market, place, see it rest, be filled in part, cancel."""

import re
from collections.abc import Callable

from playwright.sync_api import Page, expect

from tests.browser.pages import MarketPage
from tests.browser.tickers import FED
from tests.support.desk import RunningDesk
from tests.support.member import PaperMember

TICKER = f"{FED}-T4.00"
OTHER = f"{FED}-T3.75"


def test_an_order_rests_is_filled_in_part_and_is_cancelled(desk: RunningDesk, open_page: Callable[..., Page]) -> None:
    page = open_page("trader", at="/markets/")
    page.keyboard.press("Control+k")
    page.keyboard.type(TICKER)
    page.get_by_role("option", name=re.compile(TICKER)).first.click()
    page.wait_for_url(re.compile(re.escape(f"/markets/{TICKER}/")))
    market = MarketPage(page, TICKER).wait_live()

    market.place(side="Buy YES", cents="31", contracts="100")

    expect(market.orders("resting")).to_have_count(1)
    expect(market.own_chips(3100)).to_have_text("100")
    expect(market.cell(3100, "bid")).to_have_text("100")

    PaperMember(desk.paper, "trader-2").order(TICKER, side="ask", price="0.3100", count="40.00")

    expect(market.own_chips(3100)).to_have_text("60")
    expect(market.orders("resting")).to_contain_text("partly filled")
    expect(page.locator("[data-position-badge]")).to_have_text("long YES 40")

    page.get_by_role("button", name=re.compile("^Cancel BUY YES")).click()

    expect(market.orders("resting")).to_have_count(0)
    expect(market.own_chips(3100)).to_have_count(0)
    market.tab("Done")
    expect(market.orders("canceled")).to_have_count(1)
    market.tab("Fills")
    expect(page.locator("[data-orders] tr")).to_have_count(1)


def test_the_no_side_shows_the_same_order_mirrored(desk: RunningDesk, open_page: Callable[..., Page]) -> None:
    page = open_page()
    market = MarketPage(page, OTHER).open()

    market.place(side="Buy NO", cents="20", contracts="25")

    expect(market.own_chips(8000)).to_have_text("25")
    page.get_by_role("button", name="NO", exact=True).click()
    expect(market.own_chips(2000)).to_have_text("25")
    expect(market.cell(2000, "bid")).to_have_text("25")
    market.own_chips(2000).click()
    expect(market.own_chips(2000)).to_have_count(0)


def test_a_wrong_price_is_said_in_words_and_sends_nothing(open_page: Callable[..., Page]) -> None:
    page = open_page()
    market = MarketPage(page, TICKER).open()
    page.get_by_label("Price", exact=True).fill("52.55")
    page.get_by_label("Contracts", exact=True).fill("10")

    page.get_by_label("Contracts", exact=True).press("Enter")

    expect(page.locator("[data-error='price']")).to_contain_text(re.compile("tick|step|grid|cent", re.IGNORECASE))
    expect(page.get_by_label("Price", exact=True)).to_have_value("52.55")
    expect(page.locator("[data-count='working']")).to_have_text("0")
    assert market.root.is_visible()


def test_more_than_the_cash_pays_for_is_refused_before_it_is_sent(open_page: Callable[..., Page]) -> None:
    page = open_page()
    market = MarketPage(page, TICKER).open()

    market.place(side="Buy YES", cents="90", contracts="90k")

    message = page.locator("[data-ticket]")
    expect(message).to_contain_text(re.compile("cash|funds|balance", re.IGNORECASE))
    expect(page.locator("[data-count='working']")).to_have_text("0")


def test_a_viewer_sees_the_book_and_has_no_ticket(open_page: Callable[..., Page]) -> None:
    page = open_page("viewer")

    MarketPage(page, TICKER).open()

    expect(page.get_by_text("Watching only")).to_be_visible()
    expect(page.locator("[data-ticket]")).to_have_count(0)
    expect(page.locator("[data-cancel-all]")).to_have_count(0)


def test_a_second_person_sees_the_order_at_once(desk: RunningDesk, open_page: Callable[..., Page]) -> None:
    mine = MarketPage(open_page(), OTHER).open()
    theirs = MarketPage(open_page("viewer"), OTHER).open()

    mine.place(side="Buy YES", cents="12", contracts="7")

    expect(theirs.own_chips(1200)).to_have_text("7")
    # What changes between the press and the release takes nothing of the click: it cancels what is left.
    mine.own_chips(1200).hover()
    mine.page.mouse.down()
    PaperMember(desk.paper, "trader-2").order(OTHER, side="ask", price="0.1200", count="3.00")
    expect(mine.own_chips(1200)).to_have_text("4")
    mine.page.mouse.up()
    expect(theirs.own_chips(1200)).to_have_count(0)
