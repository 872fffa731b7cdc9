"""A day on the Orders page: the same order in two browsers, cancels, an unknown outcome, the CSV, the phone."""

import csv
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from playwright.sync_api import Page, expect

from tests.browser.orders_page import OrdersPage
from tests.browser.pages import MarketPage
from tests.browser.test_accessibility import EVERY_LOOK, LOOKS, serious, set_theme
from tests.browser.tickers import FED
from tests.support.desk import RunningDesk
from tests.support.member import PaperMember

FIRST = f"{FED}-T4.25"
SECOND = f"{FED}-T3.25"


@pytest.fixture(autouse=True)
def no_faults_left(desk: RunningDesk) -> Iterator[None]:
    yield
    control(desk, "/faults/clear")


def control(desk: RunningDesk, path: str, body: dict[str, Any] | None = None) -> None:
    answer = httpx.post(f"{desk.paper['rest_url']}/control{path}", json=body or {}, timeout=60)
    assert answer.status_code == 200, answer.text


@pytest.mark.long
def test_two_people_see_the_same_order_change(desk: RunningDesk, open_page: Callable[..., Page]) -> None:
    theirs = OrdersPage(open_page("lead")).open(tab="all", text=FIRST)
    market = MarketPage(open_page(), FIRST).open()

    market.place(side="Buy YES", cents="21", contracts="50")

    row = theirs.row("BUY YES").first
    expect(theirs.cell(row, "state")).to_have_text("resting")
    expect(theirs.cell(row, "price")).to_have_text("21.0")
    key = theirs.key_of(row)
    mine = OrdersPage(market.page).open(text=FIRST)
    own = mine.page.locator(f".ag-center-cols-container [row-id='{key}']")
    expect(mine.cell(own, "remaining")).to_have_text("50")

    PaperMember(desk.paper, "trader-2").order(FIRST, side="ask", price="0.2100", count="20.00")

    for seen in (theirs, mine):
        line = seen.page.locator(f".ag-center-cols-container [row-id='{key}']")
        expect(seen.cell(line, "filled")).to_have_text("20")
        expect(seen.cell(line, "remaining")).to_have_text("30")
        expect(seen.cell(line, "average")).to_have_text("21.00")
        expect(seen.cell(line, "state")).to_have_text("resting, partly filled")

    mine.pinned(key, "action").get_by_role("button", name=f"Cancel BUY YES in {FIRST}").click()

    # It leaves the list of the working only when nobody points at it any more.
    expect(mine.cell(own, "state")).to_have_text("cancelled after a partial fill")
    mine.page.mouse.move(5, 5)
    expect(own).to_have_count(0)
    expect(theirs.cell(theirs.page.locator(f".ag-center-cols-container [row-id='{key}']"), "state")).to_have_text(
        "cancelled after a partial fill"
    )


def test_selected_orders_are_cancelled_and_the_scope_is_said_first(open_page: Callable[..., Page]) -> None:
    page = open_page()
    for ticker, contracts in ((FIRST, "11"), (SECOND, "12"), (SECOND, "13")):
        market = MarketPage(page, ticker).open()
        market.place(side="Buy YES", cents="9", contracts=contracts)
        expect(market.orders("resting", number=contracts)).to_have_count(1)
    orders = OrdersPage(page).open()
    page.get_by_label("Group rows").select_option("market")
    expect(page.locator(".orders__group-head").filter(has_text=SECOND)).to_contain_text("2 orders")
    page.get_by_label("Group rows").select_option("")  # kept for the person, so also for the tests after this one
    keys = {
        count: orders.key_of(
            orders.rows.filter(has=page.locator("[col-id='count']", has_text=re.compile(f"^{count}$")))
        )
        for count in ("11", "12", "13")
    }
    orders.choose(keys["11"])
    orders.choose(keys["12"])

    expect(orders.cancel_selected).to_have_text("Cancel 2 working orders in 2 markets, 23 contracts")
    page.keyboard.press("c")
    expect(orders.dialog).to_contain_text(f"{SECOND}: 1 order, 12 left")
    page.keyboard.press("Escape")  # keeps them
    expect(orders.dialog).to_have_count(0)
    orders.cancel_selected.click()
    orders.dialog.get_by_role("button", name="Cancel 2 working orders in 2 markets, 23 contracts").click()

    expect(page.locator(f"[row-id='{keys['11']}']")).to_have_count(0)
    expect(page.locator(f"[row-id='{keys['12']}']")).to_have_count(0)
    expect(page.locator(f".ag-center-cols-container [row-id='{keys['13']}']")).to_have_count(1)

    page.keyboard.press("Shift+C")
    orders.dialog.get_by_role("button", name=re.compile("^Cancel 1 working order ")).click()
    expect(orders.count("working")).to_have_text("0")
    expect(page.get_by_text("No working order")).to_be_visible()
    orders.tab("Cancelled").click()
    expect(page.locator(f".ag-center-cols-container [row-id='{keys['13']}']")).to_have_count(1)


def test_an_order_is_decreased_and_amended_by_keyboard(open_page: Callable[..., Page]) -> None:
    page = open_page()
    market = MarketPage(page, SECOND).open()
    market.place(side="Buy NO", cents="11", contracts="60")
    expect(market.orders("resting", number="60")).to_have_count(1)
    orders = OrdersPage(page).open(text=SECOND)
    row = orders.rows.first
    orders.cell(row, "price").click()

    page.keyboard.press("a")
    expect(page.get_by_role("dialog")).to_contain_text("Now: 60 at 11¢, 0 filled, 60 left.")
    page.get_by_label("Contracts left to fill").fill("40")
    expect(page.get_by_role("dialog")).to_contain_text("Decrease to 40 left. It keeps its place in the queue.")
    page.keyboard.press("Enter")

    expect(page.get_by_role("dialog")).to_have_count(0)
    expect(orders.cell(row, "remaining")).to_have_text("40")
    expect(orders.cell(row, "price")).to_have_text("11.0")

    orders.pinned(orders.key_of(row), "action").get_by_role("button", name=f"Change BUY NO in {SECOND}").click()
    page.get_by_label("Price", exact=True).fill("12")
    expect(page.get_by_role("dialog")).to_contain_text("Amend to 12¢, 40 left.")
    page.get_by_role("button", name="Amend", exact=True).click()

    expect(orders.cell(row, "price")).to_have_text("12.0")
    orders.cell(row, "created").get_by_role("link").click()
    expect(page.get_by_text("Decrease asked for by Trader")).to_be_visible()
    expect(page.get_by_text("Amend asked for by Trader")).to_be_visible()
    page.get_by_role("button", name="Cancel 40 left").click()
    expect(page.get_by_text("Nothing left to cancel")).to_be_visible()


def test_an_unknown_order_is_shown_as_unknown_and_resolves_by_itself(
    desk: RunningDesk, open_page: Callable[..., Page]
) -> None:
    page = open_page()
    market = MarketPage(page, SECOND).open()
    # The order arrives, its answer and its reports are lost, and the desk cannot read its orders for a while.
    control(
        desk,
        "/rest/fault",
        {"kind": "lose_after", "count": 1, "method": "POST", "path": "/trade-api/v2/portfolio/events/orders"},
    )
    control(desk, "/ws/fault", {"kind": "drop", "count": 500, "channel": "user_orders"})
    control(desk, "/fix/fault", {"kind": "lose", "count": 500, "msg_type": "8"})
    control(
        desk,
        "/rest/fault",
        {"kind": "status", "count": 500, "method": "GET", "path": "/trade-api/v2/portfolio/", "status": 503},
    )

    market.place(side="Buy YES", cents="8", contracts="17")
    orders = OrdersPage(page).open(tab="unknown", text=SECOND)

    row = orders.rows.first
    expect(orders.cell(row, "state")).to_have_text("sent, not confirmed by the exchange")
    expect(orders.cell(row, "filled")).to_have_text("?")
    expect(orders.count("unknown")).to_have_text("1")
    key = orders.key_of(row)
    expect(orders.pinned(key, "action").get_by_role("button")).to_have_count(0)
    orders.cell(row, "created").get_by_role("link").click()
    expect(page.get_by_text("Sent, and not confirmed by the exchange")).to_be_visible()
    expect(page.get_by_text("The desk never sends it again.")).to_be_visible()

    control(desk, "/faults/clear")

    expect(page.get_by_text("Found at the exchange")).to_be_visible(timeout=180_000)
    expect(page.get_by_text("Sent, and not confirmed by the exchange")).to_have_count(0)
    page.get_by_role("button", name="Cancel 17 left").click()
    expect(page.get_by_text("Nothing left to cancel")).to_be_visible()
    # At most one send: the exchange holds one such order, and it is the cancelled one.
    told = PaperMember(desk.paper, "trader-1").request("GET", f"/portfolio/orders?ticker={SECOND}")["orders"]
    assert [one["status"] for one in told if one["initial_count_fp"] == "17.00"] == ["canceled"]


def test_the_csv_holds_what_is_shown(open_page: Callable[..., Page], tmp_path: Path) -> None:
    mine = open_page()
    market = MarketPage(mine, FIRST).open()
    market.place(side="Buy NO", cents="7", contracts="33")
    expect(market.orders("resting", number="33")).to_have_count(1)
    page = open_page("lead")
    orders = OrdersPage(page).open(text=FIRST)
    page.get_by_label("Side", exact=True).select_option("buy_no")
    expect(orders.rows).to_have_count(1)

    with page.expect_download() as started:
        page.get_by_role("button", name="Download as CSV").click()
    target = tmp_path / "orders.csv"
    started.value.save_as(target)

    with target.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(row["market"], row["side"], row["count"], row["outcome_price_dollars"]) for row in rows] == [
        (FIRST, "BUY NO", "33.00", "0.0700")
    ]
    assert rows[0]["state"] == "Resting"
    orders.pinned(orders.key_of(orders.rows.first), "action").get_by_role("button", name="Cancel").click()
    expect(orders.count("working")).to_have_text("0")


@pytest.mark.long
def test_columns_sorting_and_grouping_are_kept_for_the_person(open_page: Callable[..., Page]) -> None:
    market = MarketPage(open_page(), FIRST).open()
    market.place(side="Buy YES", cents="3", contracts="23")
    expect(market.orders("resting", number="23")).to_have_count(1)
    # Nobody else in these tests: what is kept stays with the desk.
    page = open_page("analyst")
    orders = OrdersPage(page).open(tab="all")
    page.get_by_role("columnheader", name="Price").click()
    expect(page.get_by_role("columnheader", name="Price")).to_have_attribute("aria-sort", "descending")
    page.locator("[data-columns-menu] summary").click()
    page.get_by_label("Terms", exact=True).uncheck()
    with page.expect_response(lambda answer: answer.url.endswith("/settings/kept/") and answer.status == 204):
        page.get_by_label("Group rows").select_option("person")
    orders.tab("Rejected").click()
    page.get_by_label("Side", exact=True).select_option("buy_no")
    page.get_by_label("Saved filters").click()
    page.get_by_role("button", name="Keep the present filters").click()
    page.get_by_label("Name", exact=True).fill("NO, refused")
    page.get_by_role("button", name="Keep", exact=True).click()

    orders.open(tab="all")
    # Another browser of the same person.
    other = OrdersPage(open_page("analyst")).open(tab="all")

    for shown in (page, other.page):
        expect(shown.get_by_role("columnheader", name="Price")).to_have_attribute("aria-sort", "descending")
        expect(shown.get_by_role("columnheader", name="Terms")).to_have_count(0)
        expect(shown.get_by_label("Group rows")).to_have_value("person")
    other.page.get_by_label("Saved filters").click()
    other.page.get_by_role("button", name="NO, refused", exact=True).click()
    expect(other.tab("Rejected")).to_have_attribute("aria-current", "page")
    expect(other.page.get_by_label("Side", exact=True)).to_have_value("buy_no")
    expect(OrdersPage(open_page("viewer")).open(tab="all").page.get_by_label("Group rows")).to_have_value("")


@pytest.mark.long
def test_orders_are_chosen_changed_and_cancelled_on_a_phone(open_page: Callable[..., Page]) -> None:
    page = open_page(**LOOKS["phone"])
    market = MarketPage(page, FIRST).open()
    for contracts in ("71", "72"):
        market.place(side="Buy YES", cents="4", contracts=contracts)
        expect(market.orders("resting", number=contracts)).to_have_count(1)
    OrdersPage(page).open(text=FIRST)
    card = page.locator(".orders__card").filter(has_text="71 at 4")

    card.get_by_role("button", name=f"Change BUY YES in {FIRST}").click()
    page.get_by_label("Contracts left to fill").fill("61")
    page.get_by_role("button", name="Decrease", exact=True).click()
    expect(card).to_contain_text("61 left")

    cards = page.locator(".orders__card").filter(has_text="at 4¢")
    expect(cards).to_have_count(2)
    for at in (0, 1):
        cards.nth(at).get_by_role("checkbox", name=f"Choose BUY YES in {FIRST}").check()
    page.get_by_role("button", name="Cancel 2 working orders in 1 market, 133 contracts").click()
    OrdersPage(page).dialog.get_by_role("button", name="Cancel 2 working orders in 1 market, 133 contracts").click()

    expect(page.locator("[data-notices]")).to_contain_text("Cancelling 2 orders")  # the toast itself goes
    expect(cards).to_have_count(0)


def test_without_scripts_orders_are_read_and_cancelled(desk: RunningDesk, open_page: Callable[..., Page]) -> None:
    market = MarketPage(open_page(), FIRST).open()
    market.place(side="Buy YES", cents="6", contracts="19")
    expect(market.orders("resting", number="19")).to_have_count(1)
    page = open_page(java_script_enabled=False)
    page.goto(f"/orders/?q={FIRST}")
    page.get_by_role("checkbox", name=f"Choose BUY YES 19 in {FIRST}").check()

    page.get_by_role("button", name="Cancel the chosen").click()
    expect(page.get_by_role("heading", name="Cancel 1 working order in 1 market, 19 contracts?")).to_be_visible()
    page.get_by_role("button", name="Cancel 1 working order in 1 market, 19 contracts").click()

    expect(page.get_by_text("Cancelling 1 working order in 1 market, 19 contracts.")).to_be_visible()
    expect(market.orders("resting", number="19")).to_have_count(0)


def test_a_viewer_sees_the_blotter_without_controls(open_page: Callable[..., Page]) -> None:
    page = open_page("viewer")
    OrdersPage(page).open(tab="all")

    expect(page.get_by_role("button", name=re.compile("^Cancel"))).to_have_count(0)
    expect(page.get_by_role("checkbox")).to_have_count(0)
    expect(page.get_by_role("button", name="Download as CSV")).to_have_count(0)


@pytest.mark.parametrize("look", EVERY_LOOK)
def test_the_pages_have_no_serious_accessibility_finding(
    desk: RunningDesk, open_page: Callable[..., Page], look: str
) -> None:
    page = open_page("lead", bypass_csp=True, **LOOKS[look])
    set_theme(page, desk, look)
    OrdersPage(page).open(tab="all")
    assert serious(page) == []
    width = page.evaluate("() => [document.documentElement.scrollWidth, window.innerWidth]")
    assert width[0] <= width[1]
    page.locator(".orders__card-what" if look == "phone" else ".orders__when .orders__link").first.click()
    expect(page.get_by_role("heading", name="Timeline")).to_be_visible()
    assert serious(page) == []
    width = page.evaluate("() => [document.documentElement.scrollWidth, window.innerWidth]")
    assert width[0] <= width[1]
