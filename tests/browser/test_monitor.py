"""The wall and the kill switch in a browser: four roles, one desk, a screen with a link."""

from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.pages import MarketPage
from tests.browser.test_accessibility import serious
from tests.browser.tickers import FED
from tests.support.desk import RunningDesk

pytestmark = pytest.mark.long
TICKER = f"{FED}-T4.25"


@pytest.fixture(autouse=True)
def released(open_page: Callable[..., Page]) -> Iterator[None]:
    """A kill that is left in force would hold back every test after it."""
    yield
    page = open_page("lead", at="/monitor/kill/")
    if page.get_by_role("button", name="Release", exact=True).count():
        page.get_by_label("Why it is released").fill("the test is over")
        page.get_by_label("Release although something may be left").check()
        page.get_by_role("button", name="Release", exact=True).click()
        expect(page.locator("[data-kill-page]")).to_contain_text("Not pulled")


def test_one_key_takes_everything_off_and_a_lead_releases_it(open_page: Callable[..., Page]) -> None:
    viewer = open_page("viewer", at="/monitor/", bypass_csp=True)
    expect(viewer.locator("[data-wall-panels]")).to_contain_text("Gateway")
    assert serious(viewer) == []
    trader = open_page("trader", bypass_csp=True)
    market = MarketPage(trader, TICKER).open()
    market.place(side="Buy YES", cents="2", contracts="17")
    expect(market.orders("resting", number="17")).to_have_count(1)
    trader.locator("h1").first.click(force=True)
    trader.keyboard.press("Shift+K")
    dialog = trader.get_by_role("dialog", name="Pull the kill switch?")
    expect(dialog).to_be_visible()
    assert serious(trader) == []
    dialog.get_by_label("Why").fill("drill")
    dialog.get_by_role("button", name="Kill everything").click()

    trader.wait_for_url("**/monitor/kill/")
    expect(trader.locator("[data-kill-verdict]")).to_contain_text("Nothing is left at the exchange", timeout=180_000)
    assert serious(trader) == []
    expect(trader.get_by_role("button", name="Release", exact=True)).to_have_count(0)
    expect(viewer.locator(".wall__alarm")).to_contain_text("drill")
    expect(viewer.locator("[data-kill-open]")).to_have_count(0)
    lead = open_page("lead", at="/monitor/kill/")
    lead.get_by_label("Why it is released").fill("drill is over")
    lead.get_by_role("button", name="Release", exact=True).click()
    expect(lead.locator("[data-kill-page]")).to_contain_text("Not pulled")
    expect(viewer.locator(".wall__alarm")).to_have_count(0)


def test_a_screen_shows_the_wall_until_its_link_is_revoked(
    open_page: Callable[..., Page], chromium: Browser, desk: RunningDesk
) -> None:
    lead = open_page("lead", at="/monitor/kiosks/", bypass_csp=True)
    lead.get_by_label("Where the screen is").fill("Hall")
    lead.get_by_role("button", name="Make a link").click()
    address = lead.locator(".kiosk-address").inner_text()
    assert serious(lead) == []
    context = chromium.new_context(base_url=desk.url, bypass_csp=True)
    screen = context.new_page()
    asked: list[str] = []
    screen.on("request", lambda request: asked.append(request.url))
    screen.goto(address)

    expect(screen.locator("[data-wall-panels]")).to_be_visible()
    assert serious(screen) == []
    secret = address.partition("#")[2]
    assert secret not in screen.url
    assert not [url for url in asked if secret in url.partition("#")[0]]
    lead.get_by_role("button", name="Revoke").first.click()
    expect(screen.locator("[data-wall-ended]")).to_contain_text("has ended")
    expect(screen.locator("[data-wall-panels]")).to_have_count(0)
    context.close()
