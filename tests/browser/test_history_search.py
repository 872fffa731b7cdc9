"""Search and the data API in a browser: a filter kept and taken again, a file, a token made, used and revoked."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.browser.test_accessibility import EVERY_LOOK, LOOKS, check, set_theme
from tests.support.desk import RunningDesk

PAGES = ("/history/search/", "/history/tax-lots/", "/settings/data-api/", "/settings/data-api/reference/")


def test_a_search_is_kept_taken_again_and_downloaded(open_page: Callable[..., Page]) -> None:
    page = open_page("analyst", at="/history/search/")
    page.get_by_label("Market, event or series").fill("kxnone")
    page.get_by_role("combobox", name="State").select_option("executed")
    page.get_by_role("button", name="Search", exact=True).click()
    expect(page.get_by_text("Nothing matches")).to_be_visible()

    page.get_by_label("Saved filters").click()
    page.get_by_role("button", name="Keep the present filters").click()
    page.get_by_label("Name").fill("Filled of none")
    page.get_by_role("button", name="Keep", exact=True).click()
    # Who leaves the page before the answer comes keeps nothing.
    expect(page.get_by_text("Filled of none", exact=True).first).to_be_attached()
    page.get_by_role("link", name="Clear", exact=True).click()
    expect(page.get_by_label("Market, event or series")).to_have_value("")
    # The count comes by itself; a column that is hidden stays so.
    expect(page.get_by_role("status").filter(has_text=re.compile(r"^\d+ match"))).to_be_visible()
    page.get_by_label("Saved filters").click()
    page.get_by_role("button", name="Filled of none", exact=True).click()
    expect(page).to_have_url(re.compile(r"q=kxnone.*state=executed"))
    expect(page.get_by_role("combobox", name="State")).to_have_value("executed")

    page.get_by_label("Export").click()
    with page.expect_download() as download:
        page.get_by_role("button", name="CSV").click()
    assert Path(download.value.path()).read_text().startswith("time_utc,account,environment,subaccount,market,side")

    viewer = open_page("viewer", at="/history/search/")
    expect(viewer.get_by_role("heading", name="Search")).to_be_visible()
    expect(viewer.get_by_label("Export")).to_have_count(0)


@pytest.mark.long
def test_a_token_is_shown_once_read_with_and_revoked(open_page: Callable[..., Page], desk: RunningDesk) -> None:
    # Signed in just now: making a token asks again who is there.
    page = open_page("analyst", at="/settings/data-api/", is_own_session=True)
    page.get_by_label("Name").fill("Journey")
    page.get_by_role("button", name="Make token").click()
    secret = page.locator("[data-secret]").inner_text()
    # A program: the token and nothing of the browser.
    program = page.context.browser.new_context(base_url=desk.url)  # type: ignore[union-attr]
    try:
        header = {"Authorization": f"Bearer {secret}"}
        assert program.request.get("/api/v1/accounts", headers=header).json()[0]["environment"] == "paper"
        assert program.request.get("/api/v1/orders", headers=header).status == 200

        page.goto("/settings/data-api/")
        expect(page.get_by_text(secret)).to_have_count(0)
        page.get_by_role("button", name="Revoke Journey").first.click()
        expect(page.get_by_text(re.compile("opens nothing any more"))).to_be_visible()

        assert program.request.get("/api/v1/accounts", headers=header).status == 401
    finally:
        program.close()


@pytest.mark.parametrize("look", EVERY_LOOK)
def test_pages_have_no_serious_accessibility_finding(
    desk: RunningDesk, open_page: Callable[..., Page], look: str
) -> None:
    page = open_page("analyst", bypass_csp=True, **LOOKS[look])
    set_theme(page, desk, look)
    for path in PAGES:
        check(page, path)
