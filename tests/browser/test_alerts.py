"""Alerts in a browser: a rule in words, the test button with its results, the bell of another page, acknowledging."""

from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from tests.browser.test_accessibility import serious

pytestmark = pytest.mark.long


def test_a_rule_is_kept_a_test_arrives_and_is_acknowledged(open_page: Callable[..., Page]) -> None:
    page = open_page("trader", at="/alerts/rules/?for=me", bypass_csp=True)
    assert serious(page) == []
    editor = page.locator("#editor")
    editor.get_by_label("an order fills").check()
    editor.get_by_label("Markets that begin with").fill("kxgdp")
    editor.get_by_label("How often").select_option(label="every 5 minutes")
    editor.get_by_role("button", name="Keep this rule").click()
    mine = page.get_by_role("region", name="My rules", exact=True)
    expect(mine).to_contain_text("markets KXGDP…")
    expect(mine).to_contain_text("every 5 minutes")
    expect(page.get_by_role("heading", name="Webhooks")).to_have_count(0)

    page.get_by_role("button", name="Send me a test").click()

    result = page.locator("[data-test-result]")
    expect(result).to_contain_text("The list: delivered")
    expect(result).to_contain_text("E-mail: failed", timeout=180_000)
    expect(page.locator("[data-alerts-count]")).to_have_text("1", timeout=180_000)
    bell = page.get_by_role("button", name="Notifications, 1 new alert")
    bell.click()
    drawer = page.get_by_role("complementary", name="Notifications")
    expect(drawer).to_contain_text("Test alert")
    assert serious(page) == []
    drawer.get_by_role("link", name="All of them").click()

    assert serious(page) == []
    row = page.locator("[data-alert]").filter(has_text="Test alert").first
    row.get_by_role("button", name="Acknowledge").click()
    expect(page.locator("[data-alert]").first).to_contain_text("Trader")
    expect(page.locator("[data-alerts-count]")).to_be_hidden()
    page.goto(page.url.split("/alerts/")[0] + "/alerts/rules/")
    mine.get_by_role("button", name="Remove this rule").click()
    expect(mine).to_contain_text("None yet")
