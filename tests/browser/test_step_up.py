"""A large order asks its author again who they are, beside the page: nothing typed is lost, the same order goes on."""

from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.browser.pages import MarketPage, SignInPage
from tests.browser.tickers import PARTY
from tests.support.desk import RunningDesk
from tests.support.manage import manage

NAME, PASSWORD = "careful", "four random words here"
TICKER = f"{PARTY}-D"
# A trader of their own above $2, whose sign-in was long ago for the desk.
PREPARE = f"""
from decimal import Decimal
from apps.accounts import models, services
from apps.core.timestamps import utc_now
from apps.orders.models import RiskLimit
desk = models.Desk.objects.earliest("pk")
person = services.person_add(desk, username={NAME!r}, password={PASSWORD!r}, roles=["trader"])
RiskLimit.objects.create(desk=desk, user=person, set_by=person, set_at=utc_now(), ask_again_notional=Decimal(2))
"""
AGE = f"""
from django.contrib.sessions.models import Session
from django.contrib.sessions.backends.db import SessionStore
from allauth.account.internal.flows.login import AUTHENTICATION_METHODS_SESSION_KEY as RECORDS
from apps.accounts.models import User
person = User.objects.get(username={NAME!r})
for row in Session.objects.all():
    store = SessionStore(row.session_key)
    if store.get("_auth_user_id") == str(person.pk):
        store[RECORDS] = [one | {{"at": 0}} for one in store[RECORDS]]
        store.save()
"""


def run_in(desk: RunningDesk, code: str) -> None:
    done = manage("shell", "--command", code, within=300, DESK_DATA=str(desk.data))
    assert done.returncode == 0, done.stderr


@pytest.mark.long
def test_a_large_order_goes_on_after_its_author_proved_who_they_are(
    desk: RunningDesk, open_page: Callable[..., Page], tmp_path: Path
) -> None:
    run_in(desk, PREPARE)
    page = open_page(storage_state=None)
    SignInPage(page).sign_in(NAME, PASSWORD)
    run_in(desk, AGE)
    market = MarketPage(page, TICKER).open()
    dialog = page.get_by_role("dialog", name="Is it you?")

    market.place(side="Buy YES", cents="1", contracts="201")
    expect(dialog).to_contain_text("Above $2.00 the desk asks again who you are")
    page.screenshot(path=tmp_path / "asked.png")
    dialog.get_by_role("button", name="Leave it").click()
    expect(dialog).to_have_count(0)
    expect(page.get_by_label("Contracts", exact=True)).to_have_value("201")
    expect(market.orders("resting", number="201")).to_have_count(0)

    page.get_by_label("Contracts", exact=True).press("Enter")
    with page.expect_popup() as opened:
        dialog.get_by_role("button", name="Confirm it is you").click()
    opened.value.get_by_label("Password").fill(PASSWORD)
    opened.value.screenshot(path=tmp_path / "window.png")
    with opened.value.expect_event("close"):
        opened.value.get_by_role("button", name="Confirm").click()
    expect(dialog).to_have_count(0)
    expect(market.orders("resting", number="201")).to_have_count(1)
    page.screenshot(path=tmp_path / "placed.png")

    market.place(side="Buy YES", cents="1", contracts="202")
    expect(market.orders("resting", number="202")).to_have_count(1)
    assert dialog.count() == 0
