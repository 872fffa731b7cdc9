"""FIX as people use it: a viewer follows live and reaches no control; an operator stops, starts, resets, recovers."""

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.test_accessibility import LOOKS, serious, set_theme
from tests.browser.tickers import INFLATION
from tests.support.desk import RunningDesk, eventually
from tests.support.member import PaperMember

MARKET = f"{INFLATION}-T3.1"
PATIENCE = 180_000
WHY = "a journey in the browser"
PAGES = ("/fix/", "/fix/routes/", "/fix/messages/", "/fix/trace/?id=none", "/fix/drop-copy/", "/fix/live/")


def state(page: Page) -> Locator:
    return page.locator("[data-cell='state']").first


def listener(page: Page) -> Page:
    """The page of the demo's listener session, once it is logged on."""
    page.goto("/fix/")
    page.get_by_role("link", name=re.compile("KalshiRT")).click()
    expect(state(page)).to_have_text("Logged on", timeout=PATIENCE)
    return page


def reload_until(page: Page, place: Locator, words: str) -> None:
    """The log is written each second, and its page stands still."""

    def came() -> bool:
        page.reload()
        return place.count() > 0 and words in place.inner_text()

    eventually(came, what=f"{words} on {page.url}")


def act(page: Page, label: str) -> None:
    page.locator(".fix__act > summary", has_text=label).click()
    sheet = page.locator(".fix__act[open] form")
    sheet.get_by_label("Why").fill(WHY)
    sheet.get_by_role("button", name=f"{label} KalshiRT").click()


def test_a_viewer_follows_live_and_reaches_no_control(desk: RunningDesk, open_page: Callable[..., Page]) -> None:
    page = open_page("viewer", bypass_csp=True, at="/fix/live/")
    expect(page.locator("[data-listener]")).to_have_text("KalshiRT: Logged on", timeout=PATIENCE)

    order = PaperMember(desk.paper, "trader-1").order(MARKET, side="bid", price="0.0300", count="3.00")

    line = page.locator("[data-report]", has_text=MARKET).first
    expect(line).to_contain_text("New", timeout=PATIENCE)
    expect(line.locator("td", has_text="3¢")).to_be_visible()
    assert serious(page) == []
    main = page.get_by_role("main")
    expect(main.locator("form[method='post']")).to_have_count(0)
    refused = page.evaluate(
        """async () => {
          const token = document.querySelector('[name=csrfmiddlewaretoken]').value;
          const body = new URLSearchParams({why: 'crafted', csrfmiddlewaretoken: token});
          const answers = [];
          const paths = ['sessions/1/stop/', 'drop-copy/recover/', 'define/', 'routes/set/', 'live/record/'];
          for (const path of paths.map(name => `/fix/${name}`))
            answers.push((await fetch(path, {method: 'POST', body})).status);
          return answers;
        }"""
    )
    assert refused == [403] * 5
    PaperMember(desk.paper, "trader-1").request("DELETE", f"/portfolio/events/orders/{order['order_id']}")
    expect(page.locator("[data-report]", has_text=MARKET).first).to_contain_text("Canceled", timeout=PATIENCE)


@pytest.mark.long
def test_an_operator_stops_starts_tests_and_resets_a_session(open_page: Callable[..., Page]) -> None:
    page = listener(open_page("operator", is_own_session=True))
    act(page, "Stop")
    expect(page.get_by_text("The session logs out and stays so.")).to_be_visible()
    expect(state(page)).to_have_text("Stopped", timeout=PATIENCE)

    act(page, "Start")
    expect(state(page)).to_have_text("Logged on", timeout=PATIENCE)
    act(page, "Test request")
    expect(page.locator("[data-cell='rtt']")).to_have_text(re.compile(r"^\d+ ms$"), timeout=PATIENCE)

    page.locator(".fix__act > summary", has_text="Reset numbers").click()
    expect(page.get_by_text("cannot be asked for by ResendRequest any more")).to_be_visible()
    page.keyboard.press("Escape")
    act(page, "Reset numbers")
    expect(page.get_by_text("Both sides' numbers begin at 1 with the next logon.")).to_be_visible()
    # The logon of the reset is the newest one, and carries 141=Y.
    page.goto("/fix/messages/?tag=141%3DY&type=A&way=out")
    reload_until(page, page.locator(".fix__log tbody tr").first, "KalshiRT listener")


@pytest.mark.long
def test_a_message_is_decoded_traced_and_exported(desk: RunningDesk, open_page: Callable[..., Page]) -> None:
    page = listener(open_page("auditor"))
    order = PaperMember(desk.paper, "trader-1").order(MARKET, side="bid", price="0.0200", count="2.00")
    page.goto(f"/fix/trace/?id={order['order_id']}")
    reload_until(page, page.get_by_role("main"), "ExecutionReport")
    page.get_by_role("link", name="ExecutionReport").first.click()
    row = page.get_by_role("row").filter(has=page.get_by_role("rowheader", name="ExecType"))
    expect(row).to_contain_text("New")
    expect(page.locator(".fix__raw").first).to_contain_text(f"␁55={MARKET}␁")

    page.goto("/fix/messages/?type=A&way=out")
    page.get_by_role("link", name="Logon").first.click()
    expect(page.get_by_role("row").filter(has_text="RawData").last).to_contain_text("<redacted>")
    page.goto("/fix/messages/?type=8")
    page.locator("summary[aria-label='Export']").click()
    with page.expect_download() as download:
        page.get_by_role("button", name="Raw, with SOH").click()
    text = download.value.path().read_text()
    assert f"\x0155={MARKET}\x01" in text
    PaperMember(desk.paper, "trader-1").request("DELETE", f"/portfolio/events/orders/{order['order_id']}")


@pytest.mark.long
def test_reports_are_recovered_since_the_last_one_seen(desk: RunningDesk, open_page: Callable[..., Page]) -> None:
    page = listener(open_page("operator"))
    before = page.locator("[data-cell='in']").inner_text()
    order = PaperMember(desk.paper, "trader-1").order(MARKET, side="bid", price="0.0400", count="4.00")
    expect(page.locator("[data-cell='in']")).not_to_have_text(before, timeout=PATIENCE)
    page.goto("/fix/")
    drop_copy = page.get_by_role("row").filter(has_text="KalshiDC")
    expect(drop_copy.locator("[data-cell='state']")).to_have_text("Logged on", timeout=PATIENCE)

    page.goto("/fix/drop-copy/")
    page.get_by_label("Why").fill(WHY)
    page.get_by_role("button", name="Recover", exact=True).click()

    row = page.locator("[data-recovery]").filter(has_text=WHY).first
    expect(row.locator("[data-cell='state']")).to_have_text("Complete", timeout=PATIENCE)
    expect(row.locator("[data-cell='received']")).not_to_have_text("0")
    expect(row.locator("[data-cell='new']")).to_have_text("0")
    PaperMember(desk.paper, "trader-1").request("DELETE", f"/portfolio/events/orders/{order['order_id']}")


@pytest.mark.long
@pytest.mark.parametrize("look", list(LOOKS))
def test_fix_pages_have_no_serious_accessibility_finding(
    desk: RunningDesk, open_page: Callable[..., Page], look: str
) -> None:
    page = open_page("operator", bypass_csp=True, **LOOKS[look])
    set_theme(page, desk, look)
    paths = [*PAGES]
    page.goto("/fix/")
    paths.append(page.get_by_role("link", name=re.compile("KalshiRT")).get_attribute("href") or "")
    page.goto("/fix/messages/")
    paths.append(page.locator(".fix__log tbody th a").first.get_attribute("href") or "")
    for path in paths:
        page.goto(path)
        page.wait_for_function("() => document.readyState === 'complete'")
        width = page.evaluate("() => [document.documentElement.scrollWidth, window.innerWidth]")
        assert width[0] <= width[1], path
        assert serious(page) == [], path
