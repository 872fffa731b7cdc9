"""A real desk and a real Chromium. Without a Chromium on the machine these tests are skipped, in words."""

import functools
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, StorageState, expect, sync_playwright

from tests.browser.pages import SignInPage
from tests.conftest import RECORDED
from tests.support.desk import RunningDesk, running_desk

DENSEST = RECORDED / "events" / "KXGOLD15M-26AUG102130-30" / "2026-08-11.ndjson.gz"
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
# What a page must come to show, and each step on it, on the slowest machine; it costs no more than it takes.
PATIENCE_MS = 90_000
expect.set_options(timeout=PATIENCE_MS)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            # Which of them share a test process, and so a desk: tests/support/groups.py.
            item.add_marker(pytest.mark.browser)


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    path = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if path is None:
        pytest.skip("no Chromium on this machine: install the package chromium to run the browser journeys")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=ARGUMENTS, timeout=PATIENCE_MS)
        new_context = browser.new_context

        def patient(**options: Any) -> BrowserContext:
            context = new_context(**options)
            context.set_default_timeout(PATIENCE_MS)
            return context

        browser.new_context = patient  # type: ignore[method-assign]
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def desk(tmp_path_factory: pytest.TempPathFactory, chromium: Browser) -> Iterator[RunningDesk]:
    """The embedded set on a quiet paper exchange (no bots), with the densest recording ready to play."""
    options = "--no-bots"
    if DENSEST.is_file():
        options += f" --replay {DENSEST} --speed 1 --replay-start control"
    with running_desk(tmp_path_factory.mktemp("browser") / "data", DESK_PAPER_OPTIONS=options) as running:
        yield running


@pytest.fixture(scope="session")
def signed_in(chromium: Browser, desk: RunningDesk) -> Callable[[str], StorageState]:
    """Return a function that gives what a browser keeps of a role's sign-in; signing in takes a second each time."""

    @functools.cache
    def state(role: str) -> StorageState:
        context = chromium.new_context(base_url=desk.url)
        login = desk.logins[role]
        SignInPage(context.new_page()).sign_in(login["username"], login["password"])
        kept = context.storage_state()
        context.close()
        return kept

    return state


@pytest.fixture
def open_page(
    chromium: Browser, desk: RunningDesk, signed_in: Callable[[str], StorageState]
) -> Iterator[Callable[..., Page]]:
    """Return a function that opens a signed-in page; what the page reports as an error fails the test."""
    contexts: list[BrowserContext] = []
    problems: list[str] = []

    def opener(role: str = "trader", *, at: str = "", is_own_session: bool = False, **options: Any) -> Page:
        settings = {"viewport": {"width": 1440, "height": 900}, **options}
        if "storage_state" not in settings:
            settings["storage_state"] = None if is_own_session else signed_in(role)
        context = chromium.new_context(base_url=desk.url, **settings)
        contexts.append(context)
        page = context.new_page()
        page.on("pageerror", lambda error: problems.append(f"script error: {error}"))
        page.on("console", lambda line: problems.append(line.text) if "Content Security Policy" in line.text else None)
        if is_own_session:  # of a test that ends it
            login = desk.logins[role]
            SignInPage(page).sign_in(login["username"], login["password"])
        if at:
            page.goto(at)
        return page

    yield opener
    for context in contexts:
        context.close()
    assert problems == []
