"""A sign-in ends when nobody acts; a page that only listens is no act, and what a person does in it is."""

import datetime
from collections.abc import Iterator
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from django.core.cache import cache
from django.test import Client, RequestFactory
from django.urls import reverse

from apps.accounts import sign_ins
from apps.accounts.access import actor_for_session, only_looks
from apps.accounts.grant_changes import grants_change
from apps.accounts.models import Membership, SignIn, User
from apps.core.permissions import Grant
from apps.core.timestamps import utc_now
from apps.monitoring.services.kiosk import kiosk_make
from apps.web import consumers
from tests.support.people import PASSWORD, actor_of, make_account, make_desk, make_person
from tests.web.support import Browser

FETCH = {"Sec-Fetch-Mode": "cors"}
HALF_HOUR = 1800


@pytest.fixture(autouse=True)
def half_an_hour(settings: Any) -> Iterator[None]:
    settings.SESSION_IDLE_S = HALF_HOUR
    cache.clear()
    sign_ins._acts.clear()
    yield
    cache.clear()


class Clock:
    """The desk's clock, which stands still. Acts are noted four times a minute by another one; each step forgets it."""

    def __init__(self) -> None:
        self.now = utc_now()

    def pass_by(self, seconds: int) -> None:
        self.now += datetime.timedelta(seconds=seconds)
        sign_ins._acts.clear()


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(sign_ins, "utc_now", lambda: clock.now)
    return clock


def signed_in(person: User) -> Client:
    browser = Client()
    assert browser.post("/accounts/login/", {"login": person.username, "password": PASSWORD}).status_code == 302
    return browser


def key_of(browser: Client) -> str:
    return browser.session.session_key or ""


def opens(browser: Client, **headers: str) -> bool:
    return browser.get(reverse("preferences"), headers=headers).status_code == 200


@pytest.mark.django_db
def test_half_an_hour_without_an_act_ends_it_and_acts_put_that_off(clock: Clock) -> None:
    person = make_person(make_desk(), "trader")
    browser, key = signed_in(person), ""
    key = key_of(browser)
    for _ in range(3):
        clock.pass_by(HALF_HOUR - 1)
        assert opens(browser)
        assert actor_for_session(person.pk, key) is not None

    clock.pass_by(HALF_HOUR)

    assert actor_for_session(person.pk, key) is None
    assert not opens(browser)
    assert not SignIn.objects.filter(session_key=key).exists(), "signed out, not only refused"


@pytest.mark.django_db
def test_what_a_page_asks_for_by_itself_is_no_act(clock: Clock) -> None:
    person = make_person(make_desk(), "viewer")
    browser = signed_in(person)
    for _ in range(3):
        clock.pass_by(HALF_HOUR // 4)
        assert opens(browser, **FETCH)
        assert browser.get("/orders/", headers={"HX-Request": "true"}).status_code == 200
        assert actor_for_session(person.pk, key_of(browser)) is not None

    clock.pass_by(HALF_HOUR // 4)

    assert not opens(browser, **FETCH)


@pytest.mark.parametrize(
    ("method", "headers", "is_act"),
    [
        ("get", {}, True),
        ("get", {"Sec-Fetch-Mode": "navigate"}, True),
        ("get", FETCH, False),
        ("get", {"HX-Request": "true"}, False),
        ("post", FETCH, True),
    ],
)
def test_what_counts_as_an_act(method: str, headers: dict[str, str], is_act: bool) -> None:
    assert sign_ins.is_act(getattr(RequestFactory(), method)("/", headers=headers)) is is_act


@pytest.mark.django_db
def test_it_is_off_where_the_settings_say_so(clock: Clock, settings: Any) -> None:
    settings.SESSION_IDLE_S = 0
    browser = signed_in(make_person(make_desk(), "trader"))

    clock.pass_by(11 * 3600)

    assert opens(browser)
    assert sign_ins.idle_left(key_of(browser)) is None


@pytest.mark.django_db
def test_a_screen_lasts_as_long_as_its_link_whatever_people_do(clock: Clock) -> None:
    desk = make_desk()
    lead = make_person(desk, "lead")
    _, secret = kiosk_make(actor_of(lead), account_id=make_account(desk).pk, label="Hall", days=1)
    screen = Client()
    screen.post("/monitor/kiosk/enter/", {"secret": secret})

    clock.pass_by(10 * HALF_HOUR)

    assert screen.get("/monitor/kiosk/panels/", headers=FETCH).status_code == 200


@pytest.mark.django_db
def test_the_wall_says_beforehand_whom_it_does_not_keep_signed_in() -> None:
    desk = make_desk()
    make_account(desk)
    for roles, is_said in ((("viewer",), False), (("viewer", "trader"), True), (("lead",), True)):
        page = signed_in(make_person(desk, *roles)).get(reverse("monitor")).content.decode()
        assert ("signed out after 30 min" in page) is is_said, roles


@pytest.mark.django_db
def test_who_may_do_more_somewhere_does_not_only_look() -> None:
    desk, other = make_desk(), make_desk()
    viewer, analyst = make_person(desk, "viewer"), make_person(desk, "analyst")
    assert [only_looks(person.pk) for person in (viewer, analyst)] == [True, False]

    Membership.objects.create(user=viewer, desk=other, roles=["trader"])
    assert not only_looks(viewer.pk)
    Membership.objects.filter(user=viewer, desk=other).update(roles=[], is_active=False)
    assert only_looks(viewer.pk)
    grants_change(desk, user_id=viewer.pk, add=[Grant("quoter", make_account(desk).pk, 2)])
    assert not only_looks(viewer.pk)


@pytest.mark.anyio
@pytest.mark.parametrize("anyio_backend", ["asyncio"])
@pytest.mark.django_db(transaction=True)
async def test_a_wall_on_the_screen_is_an_act_of_who_only_looks(live_redis: Any, clock: Clock) -> None:
    def page_of(role: str) -> Browser:
        person = make_person(make_desk(), role)
        return Browser(person, signed_in(person).session)

    pages = [await sync_to_async(page_of)(role) for role in ("viewer", "trader")]
    for page in pages:
        await page.open()
    clock.pass_by(HALF_HOUR - 60)

    left = [(await page.ask(cmd="session", params={"is_watched": True}))["ok"]["left_s"] for page in pages]

    assert left == [HALF_HOUR, 60]
    for page in pages:
        await page.close()


@pytest.mark.anyio
@pytest.mark.parametrize("anyio_backend", ["asyncio"])
@pytest.mark.django_db(transaction=True)
async def test_an_open_page_ends_too_unless_somebody_acts_in_it(
    live_redis: Any, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The socket asks every 5 s, here sooner; heartbeats and questions of the page are no acts, `is_act` is one."""
    monkeypatch.setattr(consumers, "RECHECK_SECONDS", 0.05)

    def two() -> tuple[Client, Browser, Client, Browser]:
        pages = []
        for _ in range(2):
            person = make_person(make_desk(), "trader")
            client = signed_in(person)
            pages += [client, Browser(person, client.session)]
        return tuple(pages)  # type: ignore[return-value]

    _, listens, client, works = await sync_to_async(two)()
    for page in (listens, works):
        await page.open()
        assert (await page.ask(cmd="session", params={}))["ok"] == {"left_s": HALF_HOUR}
    clock.pass_by(HALF_HOUR - 60)
    assert (await listens.ask(cmd="session", params={"is_act": False}))["ok"]["left_s"] == 60
    assert (await works.ask(cmd="session", params={"is_act": True}))["ok"]["left_s"] == HALF_HOUR

    clock.pass_by(60)

    assert await listens.closed() == consumers.SIGN_IN
    assert "ok" in await works.ask(cmd="ping", at=1)
    await sync_to_async(client.post)("/accounts/logout/")
    assert await works.closed() == consumers.SIGN_IN, "signing out closes what is open"
