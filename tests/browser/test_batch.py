"""Batch entry: a pasted table, what is wrong with which line, and an explicit send."""

import csv
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.orders_page import OrdersPage
from tests.browser.test_accessibility import EVERY_LOOK, LOOKS, serious, set_theme
from tests.browser.tickers import FED
from tests.support.desk import RunningDesk

FIRST = f"{FED}-T3.25"
SECOND = f"{FED}-T4.50"
TABLE = f"""Qty;Market;Side;Price
31;{FIRST};buy yes;3
32;{FIRST};hold;3
33;KXNOPE-1;buy no;3
34;{SECOND};buy yes;2,5
1.035;{SECOND};sell;2
36;{SECOND};buy yes;1
"""


class BatchPage:
    def __init__(self, page: Page) -> None:
        self.page = page

    def open(self) -> "BatchPage":
        self.page.goto("/orders/batch/")
        expect(self.page.locator("[data-module='batch']")).to_have_attribute("data-link", "live", timeout=90_000)
        return self

    @property
    def text(self) -> Locator:
        return self.page.get_by_label("Paste a table or CSV")

    @property
    def message(self) -> Locator:
        return self.page.locator("[data-batch='message']")

    def button(self, name: str) -> Locator:
        return self.page.get_by_role("button", name=name)

    def check(self, text: str) -> None:
        self.text.fill(text)
        self.text.press("Control+Enter")

    def line(self, number: int) -> Locator:
        return self.page.locator(f"tr[data-line='{number}']")


def test_bad_lines_are_named_and_nothing_goes_until_told(open_page: Callable[..., Page]) -> None:
    batch = BatchPage(open_page()).open()
    blotter = OrdersPage(open_page("lead")).open(tab="all", text=FIRST)
    before = int(blotter.count("all").inner_text())

    batch.check(TABLE)

    expect(batch.message).to_have_text("4 lines of 6 cannot be sent, so nothing will be until you say so.")
    expect(batch.page.locator("[data-batch='how']")).to_have_text(
        "Read as columns by semicolons; with a header; numbers like 1.000,5."
    )
    expect(batch.line(2)).to_contain_text("can be sent")
    expect(batch.line(3)).to_contain_text("side: “hold” is not a side")
    expect(batch.line(4)).to_contain_text("There is no such market")
    expect(batch.line(5)).to_contain_text("price: 2.5¢ is between this market's steps")
    expect(batch.line(6)).to_contain_text("side: “sell” is not a side")
    expect(batch.button("Send all")).to_be_disabled()
    batch.button("Send the 2 good lines").click()
    dialog = batch.page.get_by_role("dialog", name="Send 2 of 6 lines?")
    expect(dialog).to_contain_text("line 3: “hold” is not a side")
    dialog.get_by_role("button", name="Send nothing").click()
    expect(batch.text).to_have_value(TABLE)
    expect(blotter.count("all")).to_have_text(str(before))

    batch.button("Send the 2 good lines").click()
    dialog.get_by_role("button", name="Send the 2 good lines").click()

    expect(batch.message).to_have_text("2 orders recorded. What becomes of each shows below.")
    expect(batch.line(2).get_by_text("resting", exact=True)).to_be_visible()
    expect(batch.line(7).get_by_text("resting", exact=True)).to_be_visible()
    expect(batch.line(3)).to_contain_text("is not a side")
    expect(blotter.count("all")).to_have_text(str(before + 2))

    # A reload shows the same orders, and offers no second send.
    batch.page.reload()
    expect(batch.line(2).get_by_text("resting", exact=True)).to_be_visible()
    expect(batch.button("Send all")).to_have_count(0)
    expect(batch.text).to_have_attribute("readonly", "")
    batch.button("Start a new batch").click()
    expect(batch.text).to_have_value("")
    expect(batch.button("Check, send nothing")).to_be_disabled()
    expect(blotter.count("all")).to_have_text(str(before + 2))


def test_a_changed_table_must_be_checked_again_and_a_good_one_goes_whole(open_page: Callable[..., Page]) -> None:
    batch = BatchPage(open_page()).open()
    batch.check(f"{SECOND}\tbuy yes\t1\t41\n{SECOND}\tbuy yes\t1\t42")
    expect(batch.button("Send all 2 orders")).to_be_enabled()
    expect(batch.page.locator("[data-batch='sums']")).to_contain_text("2 orders: cost $0.83, fees at most")

    batch.text.press("End")
    batch.text.type("0")
    expect(batch.message).to_have_text("The table was changed. Check it again.")
    expect(batch.page.locator("[data-batch='send']")).to_be_disabled()
    batch.button("Check, send nothing").click()
    batch.button("Send all 2 orders").click()

    expect(batch.message).to_have_text("2 orders recorded. What becomes of each shows below.")
    for number in (1, 2):
        expect(batch.line(number).get_by_text("resting", exact=True)).to_be_visible()


def test_the_template_is_read_as_it_is_and_only_traders_have_the_page(
    open_page: Callable[..., Page], tmp_path: Path
) -> None:
    batch = BatchPage(open_page()).open()
    with batch.page.expect_download() as download:
        batch.page.get_by_role("link", name="CSV template").click()
    file = tmp_path / "template.csv"
    download.value.save_as(file)
    assert [len(row) for row in csv.reader(file.read_text().splitlines())] == [10, 10, 10]

    batch.page.locator("input[type=file]").set_input_files(file)

    expect(batch.page.locator("tr[data-line]")).to_have_count(2)
    expect(batch.page.locator("[data-batch='how']")).to_contain_text("with a header")
    expect(batch.line(2)).to_contain_text("post-only")
    expect(batch.line(3)).to_contain_text("IOC")
    viewer = open_page("viewer")
    viewer.goto("/orders/groups/")
    expect(viewer.get_by_role("link", name="Order groups")).to_be_visible()
    expect(viewer.get_by_role("link", name="Batch entry")).to_have_count(0)
    answer = viewer.goto("/orders/batch/")
    assert answer is not None
    assert answer.status == 403


@pytest.mark.parametrize("look", EVERY_LOOK)
def test_batch_entry_has_no_serious_accessibility_finding(
    desk: RunningDesk, open_page: Callable[..., Page], look: str
) -> None:
    page = open_page("trader", bypass_csp=True, **LOOKS[look])
    set_theme(page, desk, look)
    batch = BatchPage(page).open()
    batch.check(TABLE)
    expect(batch.line(7)).to_contain_text("can be sent")
    width = page.evaluate("() => [document.documentElement.scrollWidth, window.innerWidth]")
    assert width[0] <= width[1]
    assert serious(page) == []
