"""Subaccounts in a real browser: a transfer that both balances and the history show, and a new subaccount."""

from collections.abc import Callable

from playwright.sync_api import Page, expect


def test_cash_is_moved_and_both_balances_and_the_history_show_it(open_page: Callable[..., Page]) -> None:
    page = open_page(at="/portfolio/subaccounts/")
    tree = page.get_by_role("table").filter(has_text="Netting").first
    one = tree.locator("tr[data-number='1'] [data-cash]")
    expect(one).not_to_have_text("-", timeout=180_000)  # a new account's subaccounts are read within half a minute
    done = page.locator("tr[data-state='done']").filter(has_text="$12.34 from 0 to 1")
    before = done.count()
    cents = _cents(one.inner_text())

    page.get_by_label("To", exact=True).select_option("1")
    page.get_by_label("Amount").fill("12.34")
    after = page.locator("[data-after='to']")
    expect(after).to_have_text(_dollars(cents + 1234))
    page.get_by_role("button", name="Move $12.34 from 0 to 1").click()

    expect(done).to_have_count(before + 1)
    expect(one).to_have_text(_dollars(cents + 1234))
    listed = page.get_by_role("region", name="Table of transfers")
    expect(listed.get_by_role("row").filter(has_text="$12.34").first).to_be_visible()

    page.get_by_label("Amount").fill("99999999")
    expect(page.get_by_role("alert").filter(has_text="that no order locks")).to_be_visible()
    expect(page.locator("[data-send]")).to_be_disabled()


def test_a_lead_opens_a_subaccount_and_a_viewer_only_looks(open_page: Callable[..., Page]) -> None:
    lead = open_page("lead", at="/portfolio/subaccounts/")
    rows = lead.locator("tr[data-number]")
    expect(rows.nth(2)).to_be_visible(timeout=180_000)
    count = rows.count()

    lead.get_by_label("Name, for this desk", exact=True).fill("Weather")
    lead.get_by_role("button", name="Open the next subaccount").click()

    expect(rows).to_have_count(count + 1)
    expect(rows.last).to_contain_text("Weather")
    expect(lead.get_by_label("From").locator("option")).to_have_count(count + 1)
    viewer = open_page("viewer", at="/portfolio/subaccounts/")
    expect(viewer.locator("tr[data-number]")).to_have_count(count + 1)
    expect(viewer.get_by_role("button", name="Move")).to_have_count(0)
    expect(viewer.get_by_role("button", name="Switch")).to_have_count(0)


def _cents(text: str) -> int:
    return int(text.replace("$", "").replace(",", "").replace(".", ""))


def _dollars(cents: int) -> str:
    return f"${cents // 100:,}.{cents % 100:02d}"
