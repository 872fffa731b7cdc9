"""A strict desk in a real browser: everybody needs a second factor, acting roles a passkey, and idle pages end."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.test_accessibility import LOOKS, serious
from tests.support.desk import RunningDesk, running_desk

pytestmark = pytest.mark.long
STRICT = {"DESK_SECOND_FACTOR": "everybody", "DESK_PAPER_OPTIONS": "--no-bots"}
IDLE = {"DESK_IDLE_MINUTES": "1", "DESK_PAPER_OPTIONS": "--no-bots"}


@pytest.fixture(scope="module")
def strict(tmp_path_factory: pytest.TempPathFactory, chromium: Browser) -> Iterator[RunningDesk]:
    with running_desk(tmp_path_factory.mktemp("strict") / "data", **STRICT) as running:
        yield running


def address(desk: RunningDesk) -> str:
    """Passkeys work under a name, never under an address with numbers."""
    return f"http://localhost:{desk.port}"


def with_authenticator(page: Page) -> Page:
    """Give the page a device that keeps passkeys and sees the right finger each time."""
    devtools = page.context.new_cdp_session(page)
    devtools.send("WebAuthn.enable")
    options = {
        "protocol": "ctap2",
        "transport": "internal",
        "hasResidentKey": True,
        "hasUserVerification": True,
        "isUserVerified": True,
        "automaticPresenceSimulation": True,
    }
    devtools.send("WebAuthn.addVirtualAuthenticator", {"options": options})
    return page


def sign_in(page: Page, login: dict[str, str]) -> None:
    page.goto("/accounts/login/")
    page.get_by_label("Username").fill(login["username"])
    page.get_by_label("Password", exact=True).fill(login["password"])
    page.get_by_role("button", name="Sign in", exact=True).click()


def confirm(page: Page, login: dict[str, str]) -> None:
    expect(page.get_by_role("heading", name="Confirm it is you")).to_be_visible()
    page.get_by_label("Password", exact=True).fill(login["password"])
    page.get_by_role("button", name="Confirm").click()


def in_theme(page: Page, look: str) -> None:
    page.evaluate(f"() => {{ document.cookie = 'desk-theme={'light' if look == 'light' else 'dark'}; path=/' }}")


def look_at(page: Page, folder: Path, name: str) -> None:
    """A picture for people, and what a machine can see by itself."""
    width = page.evaluate("() => [document.documentElement.scrollWidth, window.innerWidth]")
    assert width[0] <= width[1], f"{name} is {width[0]} px wide on a screen of {width[1]} px"
    assert serious(page) == [], name
    page.screenshot(path=folder / f"{name}.png", full_page=True)


ROLE_OF_LOOK = {"dark": "trader", "light": "analyst", "phone": "lead"}


@pytest.mark.parametrize("look", LOOKS)
def test_somebody_without_a_factor_is_led_to_a_passkey_and_signs_in_with_it(
    strict: RunningDesk, chromium: Browser, look: str, tmp_path: Path
) -> None:
    options: Any = LOOKS[look]
    login = strict.logins[ROLE_OF_LOOK[look]]
    context = chromium.new_context(base_url=address(strict), bypass_csp=True, **options)
    problems: list[str] = []
    try:
        page = with_authenticator(context.new_page())
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.goto("/accounts/login/")
        in_theme(page, look)
        sign_in(page, login)
        expect(page.get_by_role("heading", name="Set up a second factor")).to_be_visible()
        look_at(page, tmp_path, f"{look}-1-setup")
        page.goto("/orders/")
        expect(page).to_have_url(f"{address(strict)}/second-factor/")

        page.get_by_role("link", name="Add a passkey").click()
        confirm(page, login)
        page.get_by_label("Name").fill("Work laptop")
        look_at(page, tmp_path, f"{look}-2-add")
        page.get_by_role("button", name="Make the passkey").click()
        expect(page.get_by_role("heading", name="Recovery codes")).to_be_visible()
        look_at(page, tmp_path, f"{look}-3-codes")
        page.goto("/orders/")
        expect(page).to_have_url(f"{address(strict)}/orders/")
        page.goto("/accounts/2fa/")
        expect(page.get_by_role("rowheader", name="Work laptop")).to_be_visible()
        look_at(page, tmp_path, f"{look}-4-list")
        page.get_by_role("link", name="Remove Work laptop").click()
        expect(page.get_by_text("Add another one first")).to_be_visible()
        page.goto("/settings/sessions/")
        expect(page.get_by_text("Your passkey “Work laptop” was added").first).to_be_visible()

        page.goto("/accounts/logout/")
        page.locator("main").get_by_role("button", name="Sign out").click()
        look_at(page, tmp_path, f"{look}-5-sign-in")
        page.get_by_role("button", name="Sign in with a passkey").click()
        expect(page).to_have_url(f"{address(strict)}/overview/")

        page.goto("/accounts/logout/")
        page.locator("main").get_by_role("button", name="Sign out").click()
        sign_in(page, login)
        expect(page.get_by_role("heading", name="Second factor")).to_be_visible()
        look_at(page, tmp_path, f"{look}-6-second")
        page.get_by_role("button", name="Use your passkey").click()
        expect(page).to_have_url(f"{address(strict)}/overview/")

        page.goto("/settings/passkeys/confirm/?next=/orders/")
        look_at(page, tmp_path, f"{look}-7-confirm")
        page.get_by_role("button", name="Use your passkey").click()
        expect(page).to_have_url(f"{address(strict)}/orders/")
    finally:
        context.close()
    assert problems == []


def test_a_page_that_nobody_touches_warns_and_ends(chromium: Browser, tmp_path: Path) -> None:
    """A minute here: the warning comes after half of it, Stay takes it away; the next time it is over.

    J4: the ticket that was being typed is there again after the sign-in, and was not sent.
    """
    with running_desk(tmp_path / "data", **IDLE) as desk:
        context = chromium.new_context(base_url=desk.url, bypass_csp=True, viewport={"width": 1440, "height": 900})
        try:
            page = context.new_page()
            sign_in(page, desk.logins["trader"])
            address = f"{desk.paper['rest_url']}/trade-api/v2/markets"
            answer = httpx.get(address, params={"status": "open", "limit": 1}, timeout=60)
            market = f"/markets/{answer.json()['markets'][0]['ticker']}/"
            page.goto(market)
            page.get_by_label("Price", exact=True).fill("23")
            page.get_by_label("Contracts", exact=True).fill("4")
            dialog = page.get_by_role("dialog", name="Still there?")

            expect(dialog).to_be_visible(timeout=180_000)
            dialog.get_by_role("button", name="Stay signed in").click()
            expect(dialog).to_be_hidden()
            expect(dialog).to_be_visible(timeout=180_000)
            page.screenshot(path=tmp_path / "idle.png")

            expect(page).to_have_url(f"{desk.url}/accounts/login/?next={quote(market, safe='')}", timeout=180_000)
            page.get_by_label("Username").fill(desk.logins["trader"]["username"])
            page.get_by_label("Password", exact=True).fill(desk.logins["trader"]["password"])
            page.get_by_role("button", name="Sign in", exact=True).click()
            expect(page.get_by_label("Price", exact=True)).to_have_value("23")
            expect(page.get_by_label("Contracts", exact=True)).to_have_value("4")
            expect(page.locator("[data-message]")).to_contain_text("Nothing was sent")
            expect(page.locator("[data-count='working']")).to_have_text("0")
        finally:
            context.close()


@pytest.mark.parametrize("look", LOOKS)
def test_the_admin_sees_who_lacks_what(strict: RunningDesk, chromium: Browser, look: str, tmp_path: Path) -> None:
    options: Any = LOOKS[look]
    role = {"dark": "admin", "light": "auditor", "phone": "operator"}[look]
    login = strict.logins[role]
    context = chromium.new_context(base_url=address(strict), bypass_csp=True, **options)
    try:
        page = with_authenticator(context.new_page())
        sign_in(page, login)
        page.get_by_role("link", name="Add a passkey").click()
        confirm(page, login)
        page.get_by_role("button", name="Make the passkey").click()
        expect(page.get_by_role("heading", name="Recovery codes")).to_be_visible()
        in_theme(page, look)
        page.goto("/team/")
        look_at(page, tmp_path, f"{look}-team")
        if role == "admin":
            expect(page.get_by_text("Missing").first).to_be_visible()
            page.get_by_role("radio", name="Nobody").check()
            page.get_by_label("Second factor is wanted of").get_by_role("button", name="Save").click()
            expect(page.get_by_text("A second person was asked")).to_be_visible()
    finally:
        context.close()
