"""Page objects: what a person sees and does, by accessible names."""

import re

from playwright.sync_api import Locator, Page, expect


def keep_words(place: Locator) -> None:
    """Let the page keep every word that comes to stand in this place: one may be over before anybody looks."""
    place.evaluate(
        """(node) => {
          window.kept = [];
          const keep = (records) => records.forEach((one) => one.addedNodes.forEach((text) => kept.push(text.data)));
          new MutationObserver(keep).observe(node, {childList: true});
        }"""
    )


def expect_kept(page: Page, pattern: str) -> None:
    """Wait until a word was kept that matches (a JavaScript regular expression)."""
    page.wait_for_function("(pattern) => kept.some((text) => new RegExp(pattern).test(text))", arg=pattern)


class SignInPage:
    def __init__(self, page: Page) -> None:
        self.page = page

    def sign_in(self, username: str, password: str, *, lands: str = "/overview/") -> None:
        self.page.goto("/accounts/login/")
        self.page.get_by_label("Username").fill(username)
        self.page.get_by_label("Password", exact=True).fill(password)
        self.page.get_by_role("button", name="Sign in").click()
        self.page.wait_for_url(re.compile(lands))


class MarketPage:
    def __init__(self, page: Page, ticker: str) -> None:
        self.page = page
        self.ticker = ticker

    def open(self) -> "MarketPage":
        self.page.goto(f"/markets/{self.ticker}/")
        return self.wait_live()

    def wait_live(self) -> "MarketPage":
        expect(self.root).to_have_attribute("data-feed", "live", timeout=90_000)
        return self

    @property
    def root(self) -> Locator:
        return self.page.locator("[data-module='market']")

    @property
    def submit(self) -> Locator:
        return self.page.locator("[data-submit]")

    def tab(self, name: str) -> None:
        self.page.get_by_role("button", name=re.compile(f"^{name} ")).click()

    def orders(self, state: str, *, number: str = "") -> Locator:
        """The orders in that state; with `number`, those with a cell that says it (their times may hold it too)."""
        rows = self.page.locator(f"[data-orders] tr[data-state='{state}']")
        exactly = re.compile(rf"^{re.escape(number)}¢?$")
        return rows.filter(has=self.page.locator("td", has_text=exactly)) if number else rows

    def place(self, *, side: str, cents: str, contracts: str, terms: str = "GTC") -> None:
        if side.startswith("Sell"):
            self.page.get_by_role("button", name="Sell", exact=True).click()
        self.page.get_by_role("radio", name=side, exact=True).check(force=True)
        self.page.get_by_role("radio", name=terms, exact=True).check(force=True)
        self.page.get_by_label("Price", exact=True).fill(cents)
        self.page.get_by_label("Contracts", exact=True).fill(contracts)
        expect(self.submit).to_be_enabled()
        self.page.get_by_label("Contracts", exact=True).press("Enter")

    def cell(self, price_units: int, column: str) -> Locator:
        """A ladder cell: column "bid", "price", "ask"; price in 1/10,000 dollar of the shown side."""
        return self.page.locator(f".ladder [data-price='{price_units}'] .ladder__{column}")

    @property
    def ladder(self) -> Locator:
        return self.page.locator("[data-ladder]")

    @property
    def arm_button(self) -> Locator:
        return self.page.locator("[data-arm]")

    @property
    def ladder_panel(self) -> Locator:
        return self.page.locator(".market__ladder")

    def arm(self) -> None:
        self.arm_button.click()
        expect(self.ladder_panel).to_have_attribute("data-one-click", "armed")

    def own_chips(self, price_units: int) -> Locator:
        return self.page.locator(f".ladder [data-price='{price_units}'] .ladder__chip")

    def ladder_book(self) -> dict[str, dict[int, str]]:
        """Return the shown sizes by price, as text without separators; YES view."""
        script = """() => {
          const book = {bid: {}, ask: {}};
          for (const row of document.querySelectorAll('.ladder [data-price]')) {
            for (const side of ['bid', 'ask']) {
              const text = row.querySelector(`.ladder__${side}`).textContent.replaceAll(',', '');
              if (text) book[side][row.dataset.price] = text;
            }
          }
          return book;
        }"""
        raw = self.page.evaluate(script)
        return {side: {int(price): size for price, size in levels.items()} for side, levels in raw.items()}
