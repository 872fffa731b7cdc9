"""Every page of the desk in both themes and on a phone: no serious finding of axe, nothing cut off sideways."""

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page
from playwright.sync_api import TimeoutError as PlaywrightTimeout

from tests.browser.pages import MarketPage
from tests.browser.tickers import FED
from tests.support.desk import RunningDesk

AXE = Path(__file__).resolve().parents[2] / "node_modules" / "axe-core" / "axe.min.js"
TICKER = f"{FED}-T4.00"
PAGES = {
    "overview": "/overview/",
    "markets": "/markets/",
    "event": f"/markets/events/{FED}/",
    "market": f"/markets/{TICKER}/",
    "second-factor": "/accounts/2fa/",
    "not-found": "/nowhere/",
    "subaccounts": "/portfolio/subaccounts/",
    "cash": "/portfolio/cash/",
    "reconciliation": "/history/reconciliation/?state=all",
}
VAULT_PAGES = {"vault": "/settings/vault/"}
LOOKS = {
    "dark": {"viewport": {"width": 1440, "height": 900}},
    "light": {"viewport": {"width": 1440, "height": 900}},
    "phone": {"viewport": {"width": 390, "height": 844}, "is_mobile": True, "has_touch": True},
}
# The dark one with each run of the tests, the others with `make test-long`.
EVERY_LOOK = [pytest.param(look, marks=[] if look == "dark" else [pytest.mark.long]) for look in LOOKS]


def serious(page: Page) -> list[str]:
    """Return what axe finds. Values that a feed does not move are dimmed on purpose: a finding waits for the feed."""
    page.wait_for_load_state()  # a click that leads elsewhere returns before the next page is whole
    page.add_script_tag(path=AXE)
    found = _findings(page)
    for _ in range(2):  # on a busy machine the feed may fall silent again while it is being looked at
        if not found:
            break
        with suppress(PlaywrightTimeout):
            page.wait_for_function("""() => !document.querySelector("[data-feed='stale'], [data-feed='down']")""")
        found = _findings(page)
    return found


def _findings(page: Page) -> list[str]:
    found: dict[str, Any] = page.evaluate("() => axe.run(document, {resultTypes: ['violations']})")
    return [
        f"{violation['id']}: {violation['help']} ({node['target']})"
        for violation in found["violations"]
        if violation["impact"] in ("serious", "critical")
        for node in violation["nodes"]
    ]


def set_theme(page: Page, desk: RunningDesk, look: str) -> None:
    page.context.add_cookies([{"name": "desk-theme", "value": "light" if look == "light" else "dark", "url": desk.url}])


def check(page: Page, path: str) -> None:
    page.goto(path)
    if path == PAGES["market"]:
        MarketPage(page, TICKER).wait_live()
    if path == PAGES["markets"]:
        # The grid takes the place of the page's own table; half built it is neither.
        page.locator(".ag-header-cell[col-id='market']").wait_for()
        page.locator(".ag-center-cols-container .ag-row").first.wait_for()
    page.wait_for_function("() => document.readyState === 'complete'")
    width = page.evaluate("() => [document.documentElement.scrollWidth, window.innerWidth]")
    assert width[0] <= width[1], f"{path} is {width[0]} px wide on a screen of {width[1]} px"
    assert serious(page) == [], path


@pytest.mark.parametrize("look", EVERY_LOOK)
def test_pages_have_no_serious_accessibility_finding(
    desk: RunningDesk, open_page: Callable[..., Page], look: str
) -> None:
    page = open_page("trader", bypass_csp=True, **LOOKS[look])
    set_theme(page, desk, look)
    for path in PAGES.values():
        check(page, path)


@pytest.mark.parametrize("look", EVERY_LOOK)
def test_vault_pages_have_no_serious_accessibility_finding(
    desk: RunningDesk, open_page: Callable[..., Page], look: str
) -> None:
    page = open_page("vault-admin", bypass_csp=True, **LOOKS[look])
    set_theme(page, desk, look)
    for path in VAULT_PAGES.values():
        check(page, path)


@pytest.mark.parametrize("look", EVERY_LOOK)
def test_the_way_in_has_no_serious_accessibility_finding(desk: RunningDesk, chromium: Browser, look: str) -> None:
    context = chromium.new_context(base_url=desk.url, bypass_csp=True, **LOOKS[look])
    try:
        page = context.new_page()
        set_theme(page, desk, look)
        check(page, "/accounts/login/")
    finally:
        context.close()
