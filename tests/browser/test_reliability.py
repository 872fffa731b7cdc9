"""RELIABILITY J1, J3 and what keeps a hand from sending the wrong order: previews, arming, the mouse, the grid."""

import json
import re
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from playwright.sync_api import Dialog, Page, Route, WebSocketRoute, expect

from tests.browser.orders_page import OrdersPage
from tests.browser.pages import MarketPage
from tests.browser.tickers import FED, INFLATION
from tests.support.desk import RunningDesk
from tests.support.member import PaperMember

TICKER = f"{FED}-T4.00"
OTHER = f"{FED}-T3.75"
UNTOUCHED = f"{INFLATION}-T3.1"
Rewrite = Callable[[dict[str, Any]], dict[str, Any]]


class Line:
    """The desk's socket with somebody on it: rewrites answers, or loses what belongs to one command."""

    def __init__(self, page: Page, command: str = "order.place") -> None:
        self.rewrite: Rewrite = lambda part: part
        self.command = command
        self.loses = ""  # "command": it never reaches the desk; "answer": it does, and the line dies behind it
        self.commands: list[dict[str, Any]] = []
        page.route_web_socket(re.compile(r"/ws/$"), self._connect)

    def _connect(self, ws: WebSocketRoute) -> None:
        server = ws.connect_to_server()
        is_deaf = False

        def from_page(message: str | bytes) -> None:
            nonlocal is_deaf
            heard = json.loads(message)
            if heard.get("cmd") != self.command or not self.loses:
                server.send(message)
                return
            self.commands.append(heard)
            if self.loses == "answer":
                server.send(message)
            self.loses, is_deaf = "", True
            ws.close(code=1011)

        def from_desk(message: str | bytes) -> None:
            if is_deaf:
                return
            heard = json.loads(message)
            told = [self.rewrite(part) for part in heard] if isinstance(heard, list) else self.rewrite(heard)
            ws.send(json.dumps(told))

        ws.on_message(from_page)
        server.on_message(from_desk)


def orders_of(desk: RunningDesk, ticker: str, count: str) -> list[str]:
    told = PaperMember(desk.paper, "trader-1").request("GET", f"/portfolio/orders?ticker={ticker}")["orders"]
    return [order["status"] for order in told if order["initial_count_fp"] == count]


def cancel_own(market: MarketPage, text: str) -> None:
    market.orders("resting").filter(has_text=text).get_by_role("button", name=re.compile("Cancel")).click()
    expect(market.orders("resting").filter(has_text=text)).to_have_count(0)


@pytest.mark.parametrize(("loses", "contracts"), [("answer", "71"), ("command", "72")])
def test_j1_a_line_that_breaks_behind_the_click_ends_as_one_order(
    desk: RunningDesk, open_page: Callable[..., Page], loses: str, contracts: str
) -> None:
    page = open_page()
    line = Line(page)
    market = MarketPage(page, TICKER).open()
    line.loses = loses

    market.place(side="Buy YES", cents="7", contracts=contracts)
    # What is known of it outlives the click; that the line broke is said for as long as nothing is known.
    known = {"answer": "It arrived", "command": "It never reached the desk: nothing was sent"}
    expect(page.locator("[data-message]")).to_contain_text(known[loses])
    market.wait_live()
    if loses == "command":
        expect(market.submit).to_be_enabled()
        market.submit.click()

    expect(market.orders("resting", number=contracts)).to_have_count(1)
    assert orders_of(desk, TICKER, f"{contracts}.00") == ["resting"]
    assert len(line.commands) == 1
    cancel_own(market, contracts)


@pytest.mark.long
def test_j3_a_change_of_an_order_that_somebody_else_changed_is_refused_and_loses_nothing(
    desk: RunningDesk, open_page: Callable[..., Page]
) -> None:
    page = open_page()
    market = MarketPage(page, TICKER).open()
    market.place(side="Buy YES", cents="6", contracts="83")
    expect(market.orders("resting", number="83")).to_have_count(1)
    mine = OrdersPage(page).open(text=TICKER)
    theirs = OrdersPage(open_page("lead")).open(text=TICKER)
    key = mine.key_of(mine.row("83").first)
    change = re.compile(f"^Change BUY YES in {re.escape(TICKER)}")

    # Both look at 83; the other one is faster.
    for seen in (mine, theirs):
        seen.pinned(key, "action").get_by_role("button", name=change).click()
        expect(seen.page.get_by_role("dialog")).to_contain_text("Now: 83 at 6¢")
    theirs.page.get_by_label("Contracts left to fill").fill("40")
    theirs.page.get_by_role("button", name="Decrease", exact=True).click()
    expect(theirs.page.get_by_role("dialog")).to_have_count(0)
    row = theirs.page.locator(f".ag-center-cols-container [row-id='{key}']")
    expect(theirs.cell(row, "remaining")).to_have_text("40")

    mine.page.get_by_label("Price", exact=True).fill("4")
    mine.page.get_by_role("button", name="Amend", exact=True).click()

    expect(mine.page.get_by_role("dialog")).to_contain_text("The order was changed meanwhile: it is 40 in all")
    mine.page.keyboard.press("Escape")
    own = mine.page.locator(f".ag-center-cols-container [row-id='{key}']")
    expect(mine.cell(own, "price")).to_have_text("6.0")
    assert orders_of(desk, TICKER, "83.00") == ["resting"]
    mine.pinned(key, "action").get_by_role("button", name=re.compile("^Cancel BUY YES")).click()
    expect(own).to_have_count(0)


def test_an_order_that_costs_more_than_was_shown_is_not_sent_and_says_what_changed(
    desk: RunningDesk, open_page: Callable[..., Page]
) -> None:
    page = open_page()
    line = Line(page)
    market = MarketPage(page, OTHER).open()
    page.get_by_role("radio", name="Buy YES", exact=True).check(force=True)
    page.get_by_label("Price", exact=True).fill("8")
    page.get_by_label("Contracts", exact=True).fill("61")
    expect(page.locator("[data-preview-field='cost']")).to_have_text(re.compile(r"4\.88"))

    def dearer(part: dict[str, Any]) -> dict[str, Any]:
        if isinstance(part.get("ok"), dict) and "cost" in part["ok"] and "fee" in part["ok"]:
            part["ok"]["cost"] = "5.490000"
        return part

    # What was shown a moment ago is taken as it is; this is a ticket that lay there for a while.
    shown_at = page.evaluate("() => performance.now()")
    page.wait_for_function("(at) => performance.now() > at + 1500", arg=shown_at)
    line.rewrite = dearer
    market.submit.click()

    expect(page.locator("[data-message]")).to_contain_text("Not sent. Since it was shown")
    expect(page.locator("[data-preview-field='cost']")).to_have_text(re.compile(r"5\.49"))
    assert orders_of(desk, OTHER, "61.00") == []


def test_with_two_buttons_left_buys_and_right_sells_whatever_the_column(open_page: Callable[..., Page]) -> None:
    # Where nothing is held: with YES in hand the right button would sell that.
    market = MarketPage(open_page(), UNTOUCHED).open()
    page = market.page
    page.get_by_role("button", name="Set up the ladder").click()
    page.get_by_label("Two buttons: left buys, right sells").check()
    page.keyboard.press("Escape")
    page.get_by_role("button", name="25: work with 25 contracts").click()
    market.arm()

    market.cell(900, "ask").click()
    expect(market.orders("resting").filter(has_text="BUY YES")).to_have_count(1)
    expect(market.own_chips(900)).to_have_text("25")
    market.cell(9200, "bid").click(button="right")

    expect(market.orders("resting").filter(has_text="BUY NO")).to_have_count(1)
    expect(market.own_chips(9200)).to_have_text("25")
    for price in (900, 9200):
        market.own_chips(price).click(button="right")
        expect(market.own_chips(price)).to_have_count(0)


def test_arming_in_production_asks_first(open_page: Callable[..., Page]) -> None:
    page = open_page()

    def as_production(route: Route) -> None:
        answer = route.fetch()
        script = answer.text()
        assert script.count("  environment,\n") == 1
        route.fulfill(response=answer, body=script.replace("  environment,\n", '  environment: "production",\n'))

    page.route(re.compile(r"/js/market/index[^/]*\.js"), as_production)
    market = MarketPage(page, OTHER).open()
    asked: list[str] = []

    def answering(accept: bool) -> Callable[[Dialog], None]:
        def answer(dialog: Dialog) -> None:
            asked.append(dialog.message)
            if accept:
                dialog.accept()
            else:
                dialog.dismiss()

        return answer

    page.once("dialog", answering(False))
    market.arm_button.click()
    expect(market.ladder_panel).to_have_attribute("data-one-click", "off")
    page.once("dialog", answering(True))
    market.arm_button.click()

    expect(market.ladder_panel).to_have_attribute("data-one-click", "armed")
    assert len(asked) == 2
    assert all("REAL MONEY on PRODUCTION" in words for words in asked)


def test_a_tapered_grid_has_its_own_steps_at_the_ends_and_in_the_middle(
    desk: RunningDesk, open_page: Callable[..., Page]
) -> None:
    listed = httpx.get(f"{desk.paper['rest_url']}/trade-api/v2/markets?status=open&limit=1000", timeout=60).json()
    ticker = next(row["ticker"] for row in listed["markets"] if row["price_level_structure"] == "tapered_deci_cent")
    market = MarketPage(open_page(), ticker).open()
    page = market.page

    fine, coarse = 10, 100
    expected = [*range(fine, 1_000, fine), *range(1_000, 9_000, coarse), *range(9_000, 10_000, fine)]
    expect(page.locator(".ladder [data-price]")).to_have_count(len(expected))  # drawn in a frame after the feed is live
    prices = page.evaluate("() => [...document.querySelectorAll('.ladder [data-price]')].map((r) => +r.dataset.price)")
    assert sorted(prices) == expected

    market.place(side="Buy YES", cents="0.3c", contracts="64")
    expect(market.own_chips(30)).to_have_text("64")
    page.get_by_label("Price", exact=True).fill("50.5")
    page.get_by_label("Price", exact=True).press("Enter")
    expect(page.locator("[data-ticket], form.ticket").first).to_contain_text(re.compile("50¢ or 51¢"))
    cancel_own(market, "64")
