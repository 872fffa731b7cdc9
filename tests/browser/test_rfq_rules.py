"""The grid of rules and what stands around it: versions, a try on the last day, fair values, passed requests."""

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from tests.browser.test_rfq_maker import LONG_MS, Maker, Requester
from tests.browser.tickers import GROWTH
from tests.support.desk import RunningDesk

PASSED = f"{GROWTH}-T1.5"
MARKED = f"{GROWTH}-T1.0"


@pytest.mark.long
def test_a_rule_shows_its_history_is_tried_and_prices_by_uploaded_values_and_a_pass_is_taken_back(
    desk: RunningDesk, open_page: Callable[..., Page]
) -> None:
    rfq_id = Requester(desk).ask(PASSED)
    page = open_page("quoter")
    maker = Maker(page).open()

    # A pass hides the request, and the menu brings it back.
    maker.row(rfq_id).get_by_role("button", name=re.compile("^Pass on")).click(timeout=LONG_MS)
    expect(maker.row(rfq_id)).to_have_count(0)
    menu = page.locator("[data-passed-menu]")
    expect(menu).to_be_visible()
    menu.locator("summary").click()
    menu.get_by_role("button", name=f"Show {PASSED} again").click()
    expect(maker.row(rfq_id)).to_be_visible()

    # The team speaks about a quote beside the list of quotes.
    maker.quote(rfq_id, yes="31", no="62")
    page.get_by_role("tab", name=re.compile("^My quotes")).click()
    page.get_by_role("button", name=re.compile("^Team on the quote")).first.click()
    team = page.get_by_role("dialog", name=re.compile("^Team on the quote"))
    comment = team.get_by_label("Comment, @name mentions a member")
    comment.fill("watch the news")
    comment.press("Enter")
    expect(team.locator("[data-team]")).to_contain_text("you: watch the news")
    team.get_by_role("button", name="Close").click()
    expect(page.get_by_role("button", name=re.compile("^Team on the quote")).first).to_have_text("Team 1")
    maker.quotes.first.get_by_role("button", name=re.compile("^Pull the quote")).click()

    page.get_by_role("tab", name=re.compile("^Rules")).click()
    page.get_by_role("button", name="New rule").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Name").fill("By file")
    dialog.get_by_label("Why (kept with the version)").fill("first try")
    dialog.get_by_label("Fair value", exact=True).select_option("file")
    dialog.get_by_role("button", name="Save").click()
    expect(dialog).to_have_count(0)
    page.get_by_role("button", name="Edit By file").click()
    dialog.get_by_label("Why (kept with the version)").fill("wider")
    dialog.get_by_label("Edge of the YES bid").fill("4")
    dialog.get_by_role("button", name="Try on the last 24 hours").click()
    expect(dialog.locator(".maker__facts")).to_contain_text("Looked at")
    dialog.get_by_role("button", name="Save a new version").click()
    expect(dialog).to_have_count(0)

    page.get_by_role("button", name="History of By file").click()
    expect(dialog).to_contain_text(re.compile("Version 2 .*wider.*Edge of the YES bid: 2 → 4.*Version 1 .*first try"))
    dialog.get_by_role("button", name="Close").click()

    page.get_by_role("button", name="Fair values").click()
    upload = dialog.locator("input[type=file]")
    bad = f"ticker,yes\n{MARKED},5\n"
    upload.set_input_files({"name": "bad.csv", "mimeType": "text/csv", "buffer": bad.encode()})
    expect(dialog.locator(".maker__file")).to_contain_text("Line 2")
    good = f"ticker,yes\n{MARKED},0.4250,600\n"
    upload.set_input_files({"name": "good.csv", "mimeType": "text/csv", "buffer": good.encode()})
    expect(dialog.locator(".maker__file")).to_contain_text("1 fair values are stored")
    expect(dialog.locator("tbody tr")).to_contain_text("42.5¢")
    dialog.get_by_role("button", name=f"Take back the fair values of {MARKED}").click()
    expect(dialog).to_contain_text("No fair value is in force")
    dialog.get_by_role("button", name="Leave it").click()

    # What this journey made is taken away: rules of the desk are everybody's.
    page.get_by_role("button", name="Edit By file").click()
    dialog.get_by_role("button", name="Remove").click()
    expect(page.get_by_role("button", name="Edit By file")).to_have_count(0)
