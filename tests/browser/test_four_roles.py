"""Four people at once: what a trader does is seen by a viewer, bounded by a lead and followed by an auditor."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.urls import reverse
from playwright.sync_api import Page, expect

from apps.core.permissions import ROLE_PERMISSIONS, Permission, Role
from tests.architecture.test_permissions import URLS
from tests.browser.orders_page import OrdersPage
from tests.browser.pages import MarketPage
from tests.browser.test_accessibility import LOOKS, set_theme
from tests.browser.tickers import PARTY
from tests.support.desk import RunningDesk

pytestmark = pytest.mark.long
TICKER = f"{PARTY}-I"
SEEN_BY_VIEWERS = [
    "/overview/", "/markets/", f"/markets/{TICKER}/", "/orders/", "/rfq/", "/portfolio/", "/history/", "/fix/",
    "/monitor/", "/team/", "/team/approvals/", "/orders/limits/",
]  # fmt: skip
# Words of buttons that change something of the desk's. What a person changes about how they look is theirs.
CONTROLS = (
    "place order|cancel|buy|sell|amend|decrease|arm|confirm|let lapse|accept|send|pull|quote|save roles|suspend|"
    "invite|start|stop|reset|log on|log out|recover|transfer|trigger|pause|kill|release|approve|decline|make the link"
)


def test_four_people_work_and_look_at_the_same_time(
    desk: RunningDesk, open_page: Callable[..., Page], tmp_path: Path
) -> None:
    trader, viewer, lead, auditor = (open_page(role) for role in ("trader", "viewer", "lead", "auditor"))
    watched = OrdersPage(viewer).open()
    lead.goto("/orders/limits/")
    market = MarketPage(trader, TICKER).open()
    market.place(side="Buy YES", cents="1", contracts="7")
    expect(market.orders("resting", number="7")).to_have_count(1)

    expect(watched.row(TICKER)).to_have_count(1)
    for name, page in (("trader", trader), ("viewer", viewer), ("lead", lead)):
        page.screenshot(path=tmp_path / f"{name}.png")
    auditor.goto("/team/trail/?action=orders.")
    expect(auditor.locator("main")).to_contain_text("Trader")
    auditor.screenshot(path=tmp_path / "auditor.png")


@pytest.mark.parametrize("look", LOOKS)
def test_no_page_of_a_viewer_has_a_control(
    desk: RunningDesk, open_page: Callable[..., Page], look: str, tmp_path: Path
) -> None:
    options: Any = LOOKS[look]
    page = open_page("viewer", bypass_csp=True, **options)
    set_theme(page, desk, look)
    for path in SEEN_BY_VIEWERS:
        page.goto(path)
        expect(page.locator("body")).to_have_attribute("data-link", "live")
        found = page.evaluate(
            """(words) => [...document.querySelectorAll("button, a.button, input[type=submit], [data-submit]")]
              .filter((node) => node.checkVisibility() && !node.closest("form[method=get]"))
              .map((node) => (node.getAttribute("aria-label") || node.textContent || "").trim())
              .filter((text) => new RegExp(`^(${words})\\\\b`, "i").test(text))""",
            CONTROLS,
        )
        assert found == [], path
        page.screenshot(path=tmp_path / f"{look}-{path.strip('/').replace('/', '-')}.png")


def test_what_a_viewer_may_not_is_refused_by_the_server(desk: RunningDesk, open_page: Callable[..., Page]) -> None:
    """Every URL without arguments that viewers have no permission for, asked from their browser with its cookie."""
    page = open_page("viewer", at="/orders/")
    token = page.locator("input[name=csrfmiddlewaretoken]").first.input_value()
    may = ROLE_PERMISSIONS[Role.VIEWER] | {Permission.PUBLIC, Permission.SELF}
    closed = [url for url in URLS if url.permission and url.permission not in may and not url.arguments]
    assert len(closed) > 20
    for url in closed:
        path = reverse(url.name)
        answer = page.request.post(path, headers={"X-CSRFToken": token, "Referer": f"{desk.url}/orders/"})
        assert answer.status == 403, path
        assert page.request.get(path).status == 403, path
    script = r"""async (name) => {
      const file = performance.getEntriesByType("resource").find((one) => /js\/frame\/desk\./.test(one.name));
      const { desk } = await import(file.name);
      return desk.socket.command(name, {});
    }"""
    expect(page.locator("body")).to_have_attribute("data-link", "live")
    for command in ("order.place", "order.cancel_all", "limit.set", "kill.pull", "kill.release", "rfq.send"):
        refused = page.evaluate(script, command)
        assert (refused["kind"], refused["code"]) == ("error", "not_allowed"), command
