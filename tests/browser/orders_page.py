"""The Orders page and an order's own page, by what a person sees and does."""

import re

from playwright.sync_api import Locator, Page, expect


class OrdersPage:
    def __init__(self, page: Page) -> None:
        self.page = page

    def open(self, *, tab: str = "", text: str = "") -> "OrdersPage":
        self.page.goto(f"/orders/?tab={tab}&q={text}" if tab or text else "/orders/")
        return self.wait_live()

    def wait_live(self) -> "OrdersPage":
        expect(self.root).to_have_attribute("data-feed", "live", timeout=90_000)
        expect(self.page.locator("[data-live-footer]")).to_be_visible()
        return self

    @property
    def root(self) -> Locator:
        return self.page.locator("[data-module='orders']")

    @property
    def dialog(self) -> Locator:
        return self.page.get_by_role("dialog", name=re.compile("^Cancel"))

    @property
    def rows(self) -> Locator:
        """Rows of the grid's middle part, groups' heads left out."""
        return self.page.locator(".ag-center-cols-container .ag-row")

    def row(self, text: str) -> Locator:
        return self.rows.filter(has_text=text)

    def cell(self, row: Locator, column: str) -> Locator:
        return row.locator(f"[col-id='{column}']")

    def pinned(self, key: str, column: str) -> Locator:
        """A cell at the grid's edge (the checkbox, the button), by the row's key."""
        return self.page.locator(f".ag-row[row-id='{key}'] [col-id='{column}']")

    def key_of(self, row: Locator) -> str:
        key = row.get_attribute("row-id")
        assert key
        return key

    def choose(self, key: str) -> None:
        self.pinned(key, "ag-Grid-SelectionColumn").get_by_role("checkbox").check()

    def tab(self, name: str) -> Locator:
        return self.page.get_by_role("navigation", name="State of orders").get_by_role(
            "link", name=re.compile(f"^{name} ")
        )

    def count(self, tab: str) -> Locator:
        return self.page.locator(f"[data-tab-count='{tab}']")

    @property
    def cancel_selected(self) -> Locator:
        return self.page.locator("[data-cancel-selected]")
