"""Where people are signed in: listed, ended, told of when new, and never longer than allowed."""

import datetime
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from django.conf import settings as django_settings
from django.core import mail
from django.core.cache import cache
from django.test import Client
from django.urls import reverse

from apps.accounts import sign_ins
from apps.accounts.access import actor_for_session
from apps.accounts.models import Notice, SignIn, User
from apps.audit.models import AuditEntry
from apps.core.timestamps import utc_now
from apps.web import consumers
from tests.support.people import PASSWORD, client_of, make_desk, make_person
from tests.web.support import Browser

FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"


@pytest.fixture(autouse=True)
def fresh_limits() -> Any:
    cache.clear()
    yield
    cache.clear()


def signed_in(person: User, browser: Client | None = None) -> Client:
    browser = browser or Client(headers={"User-Agent": FIREFOX})
    answer = browser.post("/accounts/login/", {"login": person.username, "password": PASSWORD})
    assert answer.status_code == 302
    return browser


def opens(browser: Client) -> bool:
    return browser.get(reverse("preferences")).status_code == 200


@pytest.mark.django_db
def test_a_person_sees_their_sessions_and_ends_one_of_them() -> None:
    person = make_person(make_desk(), "trader")
    here, elsewhere = signed_in(person), signed_in(person)

    page = here.get(reverse("sessions"))

    assert [row["is_here"] for row in page.context["rows"]] == [True, False]
    text = page.content.decode()
    assert "Firefox on Linux" in text
    for browser in (here, elsewhere):
        assert (browser.session.session_key or "?") not in text, "a session's key opens it"
    other = page.context["rows"][1]["id"]
    assert here.post(reverse("session_end", args=[other])).status_code == 302
    assert opens(here)
    assert not opens(elsewhere)
    assert here.post(reverse("session_end", args=[other])).status_code == 404


@pytest.mark.django_db
def test_nobody_ends_a_session_of_somebody_else() -> None:
    desk = make_desk()
    mine, theirs = signed_in(make_person(desk, "admin")), signed_in(make_person(desk, "trader"))
    row = SignIn.objects.get(session_key=theirs.session.session_key)

    assert mine.post(reverse("session_end", args=[row.pk])).status_code == 404

    assert opens(theirs)


@pytest.mark.django_db
def test_all_others_end_and_this_one_stays() -> None:
    person = make_person(make_desk(), "trader")
    here, *others = (signed_in(person) for _ in range(3))
    stranger = signed_in(make_person(make_desk(), "trader"))

    assert here.post(reverse("sessions_end_others")).status_code == 302

    assert [opens(browser) for browser in (here, *others, stranger)] == [True, False, False, True]
    assert AuditEntry.objects.get(action="accounts.session.ended").data == {"sessions": 2}


@pytest.mark.django_db
def test_working_does_not_lengthen_a_sign_in(monkeypatch: Any) -> None:
    person = make_person(make_desk(), "trader")
    browser = signed_in(person)
    key = browser.session.session_key or ""
    started = utc_now()
    almost = started + datetime.timedelta(seconds=django_settings.SESSION_COOKIE_AGE - 60)
    monkeypatch.setattr(sign_ins, "utc_now", lambda: almost)
    assert opens(browser)
    assert actor_for_session(person.pk, key) is not None

    over = started + datetime.timedelta(seconds=django_settings.SESSION_COOKIE_AGE + 1)
    monkeypatch.setattr(sign_ins, "utc_now", lambda: over)

    assert actor_for_session(person.pk, key) is None
    assert not opens(browser)


@pytest.mark.django_db
def test_a_new_browser_is_told_of_and_a_known_one_is_not(
    settings: Any, django_capture_on_commit_callbacks: Any
) -> None:
    settings.EMAIL_HOST = "localhost"
    person = make_person(make_desk(), "trader")
    User.objects.filter(pk=person.pk).update(email="tess@example.org")
    first = signed_in(person)
    first.post("/accounts/logout/")
    signed_in(person, first)
    assert not Notice.objects.exists(), "the first browser of all is nothing to report, nor is it a second time"

    with django_capture_on_commit_callbacks(execute=True):
        signed_in(person)

    notice = Notice.objects.get()
    assert (notice.user_id, notice.kind) == (person.pk, "device.new")
    assert "Firefox on Linux" in notice.text
    assert [(message.to, message.body) for message in mail.outbox] == [(["tess@example.org"], notice.text)]
    page = first.get(reverse("sessions"))
    assert notice.text in page.content.decode()
    first.post(reverse("notices_read"))
    assert not Notice.objects.filter(is_read=False).exists()
    entries = AuditEntry.objects.filter(action="accounts.session.started").order_by("sequence")
    assert [entry.data["is_new_device"] for entry in entries] == [True, False, True]


@pytest.mark.django_db
def test_a_changed_password_is_told_of_and_written_down() -> None:
    person = make_person(make_desk(), "trader")
    new = "another-correct-horse"

    signed_in(person).post(
        reverse("account_change_password"), {"oldpassword": PASSWORD, "password1": new, "password2": new}
    )

    assert Notice.objects.get().kind == "password.changed"
    assert AuditEntry.objects.filter(action="accounts.password.changed", target=f"user:{person.pk}").exists()


@pytest.mark.django_db
def test_signing_out_forgets_the_session() -> None:
    person = make_person(make_desk(), "trader")
    browser = signed_in(person)

    browser.post("/accounts/logout/")

    assert not SignIn.objects.filter(user=person).exists()
    assert sign_ins.sign_ins_of([person.pk]) == []


@pytest.mark.django_db
def test_a_session_that_no_page_began_is_listed_once_it_is_used() -> None:
    person = make_person(make_desk(), "trader")
    browser = client_of(person)
    SignIn.objects.all().delete()

    assert opens(browser)

    assert [row.session_key for row in sign_ins.sign_ins_of([person.pk])] == [browser.session.session_key]


@pytest.mark.parametrize(
    ("agent", "words"),
    [
        (FIREFOX, "Firefox on Linux"),
        ("Mozilla/5.0 (Windows NT 10.0) AppleWebKit/537.36 Chrome/140.0 Safari/537.36 Edg/140.0", "Edge on Windows"),
        ("Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) Version/18.0 Safari/604.1", "Safari on iPhone"),
        ("<script>alert(1)</script>", "<script>alert(1)</script>"),
        ("", "Unknown program"),
    ],
)
def test_a_browser_in_words(agent: str, words: str) -> None:
    assert sign_ins.browser_words(agent) == words


@pytest.mark.anyio
@pytest.mark.parametrize("anyio_backend", ["asyncio"])
@pytest.mark.django_db(transaction=True)
async def test_an_open_socket_ends_with_its_session(live_redis: Any, monkeypatch: Any) -> None:
    monkeypatch.setattr(consumers, "RECHECK_SECONDS", 0.1)  # 5 s in a desk

    def two() -> tuple[Client, Browser, Browser]:
        person = make_person(make_desk(), "trader")
        here, elsewhere = signed_in(person), signed_in(person)
        return here, Browser(person, here.session), Browser(person, elsewhere.session)

    here, kept, ended = await sync_to_async(two)()
    await kept.open()
    await ended.open()
    assert "ok" in await ended.ask(cmd="ping", at=1)

    await sync_to_async(here.post)(reverse("sessions_end_others"))

    assert await ended.closed() == consumers.SIGN_IN
    assert "ok" in await kept.ask(cmd="ping", at=1)
    await kept.close()
