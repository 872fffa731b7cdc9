"""The maker's side of the RFQ desk: a request of another member is quoted, hit, and confirmed from another page."""

import re
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, expect
from playwright.sync_api import TimeoutError as PlaywrightTimeout

from tests.browser.test_accessibility import EVERY_LOOK, LOOKS, serious, set_theme
from tests.browser.test_orders_page import control
from tests.browser.tickers import INFLATION
from tests.browser.windows import first_in_time
from tests.support.desk import RunningDesk, eventually
from tests.support.member import PaperMember

CONFIRMED = f"{INFLATION}-T3.0"
LAPSED = f"{INFLATION}-T2.9"
PULLED = f"{INFLATION}-T2.8"
LONG_MS = 120_000
WINDOW_MS = 30_000
WINDOWS = 3  # tried, because a machine that needs half a minute for a key says nothing about the desk


@pytest.fixture(autouse=True)
def no_faults_left(desk: RunningDesk) -> Iterator[None]:
    yield
    control(desk, "/faults/clear")


class Requester:
    """A member of the exchange with no account at the desk: what the desk asks for itself is not listed."""

    def __init__(self, desk: RunningDesk) -> None:
        self.member = PaperMember(desk.paper, "maker")

    def ask(self, ticker: str, contracts: int = 20) -> str:
        body = {"market_ticker": ticker, "contracts": contracts, "rest_remainder": False, "replace_existing": True}
        return str(self.member.request("POST", "/communications/rfqs", json=body)["id"])

    def quotes(self, rfq_id: str) -> list[dict[str, Any]]:
        found = self.member.request("GET", "/communications/quotes", params={"rfq_id": rfq_id})["quotes"]
        return [quote for quote in found if quote["status"] == "open"]

    def take(self, rfq_id: str, side: str) -> str:
        """Accept our quote on a request: the side names the bid that is hit."""
        quote = eventually(lambda: self.quotes(rfq_id), what="our quote at the exchange")[0]
        self.member.request("PUT", f"/communications/quotes/{quote['id']}/accept", json={"accepted_side": side})
        return str(quote["id"])

    def state(self, quote_id: str) -> str:
        return str(self.member.request("GET", f"/communications/quotes/{quote_id}")["quote"]["status"])


class Maker:
    def __init__(self, page: Page) -> None:
        self.page = page

    def open(self) -> "Maker":
        self.page.goto("/rfq/")
        expect(self.page.locator("[data-panel='incoming']")).to_have_attribute("data-feed", "live", timeout=LONG_MS)
        return self

    def row(self, rfq_id: str) -> Locator:
        return self.page.locator(f"[data-panel='incoming'] tr[data-key='{rfq_id}']")

    @property
    def ticket(self) -> Locator:
        return self.page.locator("[data-quote-ticket]")

    @property
    def quotes(self) -> Locator:
        return self.page.locator("[data-panel='quotes'] tbody tr")

    def quote(self, rfq_id: str, *, yes: str, no: str = "") -> None:
        self.row(rfq_id).get_by_role("button", name=re.compile("^Quote ")).click(timeout=LONG_MS)
        expect(self.ticket).to_be_visible()
        if not no:
            self.ticket.get_by_role("radio", name="YES only").check(force=True)
        self.ticket.get_by_label("YES bid").fill(yes)
        if no:
            self.ticket.get_by_label("NO bid").fill(no)
        self.ticket.get_by_label("YES bid").press("Enter")
        expect(self.ticket.locator("[data-message]")).to_contain_text("on its way", timeout=LONG_MS)


def tray(page: Page) -> Locator:
    return page.get_by_role("region", name="Must confirm")


def card(page: Page, text: str) -> Locator:
    return tray(page).get_by_role("listitem").filter(has_text=text).filter(has=page.locator("[data-decide]"))


@pytest.mark.long
def test_a_hit_quote_is_confirmed_by_keyboard_on_another_page(
    desk: RunningDesk, open_page: Callable[..., Page]
) -> None:
    requester = Requester(desk)
    maker = Maker(open_page("quoter")).open()
    elsewhere = open_page("quoter", at="/markets/", bypass_csp=True)
    watching = open_page("viewer", at="/markets/")
    expect(tray(elsewhere)).to_be_hidden()
    taken: dict[int, str] = {}  # by price

    def confirm(price: int) -> None:
        rfq_id = requester.ask(CONFIRMED)
        maker.quote(rfq_id, yes=str(price), no="62")
        taken[price] = requester.take(rfq_id, "yes")
        confirm_by_key(elsewhere, card_at(elsewhere, price), price)

    price = first_in_time(
        range(31, 31 + WINDOWS),
        confirm,
        is_missed=lambda price: requester.state(taken[price]) not in ("confirmed", "executed"),
    )
    quote_id, own = taken[price], card_at(elsewhere, price)

    assert eventually(lambda: requester.state(quote_id) in ("confirmed", "executed"), what="the confirm")
    # Who may not trade sees it all, and no button. It executes in 15 s; what has ended stands there for ten more.
    expect(tray(watching)).to_contain_text(f"you buy 20 YES at {price}¢")
    expect(watching.locator("[data-decide]")).to_have_count(0)
    expect(own).to_contain_text("Executed, confirmed by Quoter", timeout=LONG_MS)
    assert serious(elsewhere) == []
    assert requester.state(quote_id) == "executed"


def card_at(page: Page, price: int) -> Locator:
    return tray(page).locator("[data-confirm]").filter(has_text=f"at {price}¢")


def confirm_by_key(page: Page, own: Locator, price: int) -> None:
    """See an accept of our quote within its window, and press y."""
    expect(own).to_be_visible(timeout=LONG_MS)
    expect(own).to_contain_text(f"you buy 20 YES at {price}¢ for ${price * 20 / 100:.2f}")
    expect(own).to_contain_text("Above 3.0%")
    expect(own.locator(".tray__clock")).to_have_text(re.compile(r"^\d+\.\d$"), timeout=WINDOW_MS)
    # A field that is being filled in keeps its letters: y is no decision there.
    page.keyboard.press("/")
    page.keyboard.press("Escape")
    page.locator("main").focus()
    # Y acts on what has stood first for a moment: its sign appears then.
    expect(own.locator("[data-decide='confirm'] .kbd")).to_be_visible(timeout=WINDOW_MS)
    page.keyboard.press("y")
    done = re.compile("Confirmed by Quoter|Confirming by Quoter|Executed, confirmed by Quoter")
    expect(own).to_contain_text(done, timeout=WINDOW_MS)


def test_let_lapse_is_one_decision_and_the_quote_is_never_confirmed(
    desk: RunningDesk, open_page: Callable[..., Page]
) -> None:
    requester = Requester(desk)
    rfq_id = requester.ask(LAPSED)
    page = open_page("quoter")
    maker = Maker(page).open()
    maker.quote(rfq_id, yes="44")

    quote_id = requester.take(rfq_id, "yes")

    own = tray(page).locator("[data-confirm]").filter(has_text="at 44¢")
    expect(own).to_be_visible(timeout=LONG_MS)
    expect(page.locator("[data-confirm-slot] [data-tray]")).to_have_count(1)
    own.get_by_role("button", name="Let lapse").dblclick()
    expect(own).to_contain_text(re.compile("Lapsed.* by Quoter"))
    expect(own.get_by_role("button", name="Confirm")).to_be_hidden()
    with suppress(PlaywrightTimeout):  # what has ended goes by itself, too, after ten seconds
        own.get_by_role("button", name="Dismiss").click(timeout=5_000)
    expect(own).to_have_count(0)
    # Nothing was confirmed: the window runs out, or has run out by now.
    assert requester.state(quote_id) not in ("confirmed", "executed")


@pytest.mark.long
def test_a_bad_price_is_said_next_to_the_field_and_all_quotes_are_pulled(
    desk: RunningDesk, open_page: Callable[..., Page]
) -> None:
    requester = Requester(desk)
    rfq_id = requester.ask(PULLED, 30)
    page = open_page("quoter")
    maker = Maker(page).open()
    maker.row(rfq_id).get_by_role("button", name=re.compile("^Quote ")).click(timeout=LONG_MS)
    yes, no = maker.ticket.get_by_label("YES bid"), maker.ticket.get_by_label("NO bid")
    yes.fill("60")
    no.fill("55")
    yes.press("Enter")
    expect(maker.ticket.locator("[data-error='yes_bid']")).to_contain_text("15¢ over $1")
    assert requester.quotes(rfq_id) == []
    yes.fill("20")
    yes.press("ArrowUp")
    expect(yes).to_have_value("21")
    yes.press("Shift+ArrowDown")
    expect(yes).to_have_value("16")
    expect(maker.ticket.locator("[data-hit='yes-cost']")).to_have_text("$4.80")
    yes.press("Enter")
    assert eventually(lambda: requester.quotes(rfq_id), what="our quote at the exchange")

    page.get_by_role("tab", name=re.compile("^My quotes")).click()
    expect(maker.quotes.filter(has_text="16.0")).to_contain_text("Open")
    page.keyboard.press("Shift+Escape")
    question = page.get_by_role("dialog", name="Pull all quotes")
    expect(question).to_contain_text(re.compile(r"\d+ quotes? in \d+ markets?"))
    question.get_by_role("button", name=re.compile("^Pull ")).click()

    assert eventually(lambda: requester.quotes(rfq_id) == [], what="the pull")
    page.get_by_label("ended ones").check()
    expect(maker.quotes.filter(has_text="16.0")).to_contain_text("not filled: verified", timeout=LONG_MS)


def test_a_viewer_sees_the_makers_side_and_no_control(desk: RunningDesk, open_page: Callable[..., Page]) -> None:
    rfq_id = Requester(desk).ask(PULLED)
    page = open_page("viewer")
    maker = Maker(page).open()
    expect(maker.row(rfq_id)).to_be_visible(timeout=LONG_MS)
    for control_ in ("[data-quote-ticket]", "[data-deed]", "[data-pull-all]", "[data-filter-new]", "[data-rule-new]"):
        expect(page.locator(control_)).to_have_count(0)


@pytest.mark.parametrize("look", EVERY_LOOK)
def test_the_makers_side_has_no_serious_accessibility_finding(
    desk: RunningDesk, open_page: Callable[..., Page], look: str
) -> None:
    rfq_id = Requester(desk).ask(PULLED)
    page = open_page("quoter", bypass_csp=True, **LOOKS[look])
    set_theme(page, desk, look)
    maker = Maker(page).open()
    for name in ("My quotes", "Rules", "Decisions", "Incoming"):
        page.get_by_role("tab", name=re.compile(f"^{name}")).click()
        assert serious(page) == [], name
    maker.row(rfq_id).get_by_role("button", name=re.compile("^(Quote|Re-quote) ")).click(timeout=LONG_MS)
    expect(maker.ticket).to_be_visible()
    width = page.evaluate("() => [document.documentElement.scrollWidth, window.innerWidth]")
    assert width[0] <= width[1]
    assert serious(page) == []
