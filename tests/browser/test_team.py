"""Team in a real browser: an invitation, its person, a suspension, and the trail of it all, in four roles."""

import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.pages import SignInPage
from tests.browser.test_accessibility import LOOKS, serious, set_theme
from tests.support.desk import RunningDesk
from tests.support.manage import manage

PASSWORD = "four random words here"
_numbers = itertools.count(1)
GRANTS = """
from apps.accounts import models, services
from apps.accounts.grant_changes import grants_change
from apps.core.permissions import Grant
account = models.ExchangeAccount.objects.filter(is_active=True).earliest("pk")
person = models.User.objects.filter(username={name!r}).first()
person = person or services.person_add(account.desk, username={name!r}, password={password!r}, roles=[])
grants = [Grant(role, account.pk, number) for role, number in {grants!r}]
grants_change(account.desk, user_id=person.pk, **{{{what!r}: grants}})
"""


def grants(desk: RunningDesk, name: str, **changes: list[tuple[str, int | None]]) -> None:
    """Give (`add`) or take (`remove`) roles on the desk's first account, or on a subaccount of it."""
    for what, given in changes.items():
        code = GRANTS.format(name=name, password=PASSWORD, what=what, grants=given)
        done = manage("shell", "--command", code, within=300, DESK_DATA=str(desk.data))
        assert done.returncode == 0, done.stderr


@pytest.mark.long
def test_a_person_is_invited_joins_and_is_out_when_suspended(
    desk: RunningDesk, chromium: Browser, open_page: Callable[..., Page]
) -> None:
    name = f"newcomer-{next(_numbers)}"
    admin = open_page("admin", at="/team/", is_own_session=True)
    admin.goto("/team/")
    admin.get_by_label("Name", exact=True).fill("Nora New")
    admin.get_by_role("checkbox", name="trader").check()
    admin.get_by_role("button", name="Make the link").click()
    link = admin.locator("[data-secret]").inner_text()

    context = chromium.new_context(base_url=desk.url)
    page = context.new_page()
    page.goto(link)
    expect(page.get_by_label("Invitation")).to_have_value(link.partition("#")[2])
    assert page.url == f"{desk.url}/join/", "out of the address once it is read"
    page.get_by_label("User name").fill(name)
    page.get_by_label("Password", exact=True).fill(PASSWORD)
    page.get_by_label("Password again").fill(PASSWORD)
    page.get_by_role("button", name="Join").click()
    SignInPage(page).sign_in(name, PASSWORD)
    page.goto("/orders/")

    admin.goto("/team/")
    admin.get_by_role("link", name="Nora New").first.click()
    admin.get_by_role("button", name="Suspend Nora New").click()
    expect(admin.get_by_role("status").filter(has_text="Suspended")).to_be_visible()
    page.goto("/orders/")
    expect(page).to_have_url(f"{desk.url}/accounts/login/?next=%2Forders%2F")
    context.close()

    auditor = open_page("auditor", at="/team/trail/?action=accounts.membership")
    expect(auditor.get_by_role("rowheader", name="accounts.membership.suspended").first).to_be_visible()
    viewer = open_page("viewer", at="/team/")
    expect(viewer.get_by_role("rowheader", name="Nora New").first).to_be_visible()
    # What the exchange announces anybody may put away.
    deeds = viewer.locator("main button:not([data-put-away])")
    expect(deeds).to_have_count(0)


@pytest.mark.long
def test_a_role_on_an_account_ends_and_the_open_page_keeps_nothing_of_it(
    desk: RunningDesk, open_page: Callable[..., Page]
) -> None:
    """Two roles on one account; the wider one ends: the page of before goes, the one of now comes, without a hand."""
    name = f"guest-{next(_numbers)}"
    grants(desk, name, add=[("viewer", None), ("trader", 5)])
    page = open_page(storage_state=None)
    SignInPage(page).sign_in(name, PASSWORD, lands="/(orders|markets)/")
    page.goto("/portfolio/")
    expect(page.locator("body")).to_have_attribute("data-link", "live")
    page.evaluate("() => { window.isOfBefore = true; }")

    grants(desk, name, remove=[("viewer", None)])

    # The portfolio is of a whole account: the desk says so in words, on a page that was loaded anew.
    page.wait_for_function("() => window.isOfBefore === undefined && document.readyState === 'complete'")
    expect(page.locator("main [data-module]")).to_have_count(0)
    page.goto("/orders/")
    expect(page.locator("body")).to_have_attribute("data-link", "live")
    page.evaluate("() => { window.isOfBefore = true; }")

    grants(desk, name, remove=[("trader", 5)])

    page.wait_for_function("() => window.isOfBefore === undefined && document.readyState === 'complete'")
    expect(page.locator("main [data-module]")).to_have_count(0)


PAGES = {
    "admin": ["/team/", "/team/approvals/", "/settings/sessions/"],
    "auditor": ["/team/trail/", "/team/chain/"],
    "viewer": ["/team/", "/team/approvals/"],
}


@pytest.mark.long
@pytest.mark.parametrize("look", LOOKS)
def test_pages_of_the_team_look_right_everywhere(
    desk: RunningDesk, open_page: Callable[..., Page], look: str, tmp_path: Path
) -> None:
    options: Any = LOOKS[look]
    for role, paths in PAGES.items():
        page = open_page(role, bypass_csp=True, **options)
        set_theme(page, desk, look)
        for number, path in enumerate(paths):
            page.goto(path)
            page.wait_for_function("() => document.readyState === 'complete'")
            width = page.evaluate("() => [document.documentElement.scrollWidth, window.innerWidth]")
            assert width[0] <= width[1], f"{path} is {width[0]} px wide on a screen of {width[1]} px"
            assert serious(page) == [], path
            page.screenshot(path=tmp_path / f"{look}-{role}-{number}.png", full_page=True)
