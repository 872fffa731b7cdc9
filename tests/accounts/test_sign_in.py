"""Signing in and out, the second factor, and what is closed."""

import base64
import time
from types import SimpleNamespace
from typing import Any

import pytest
from allauth.mfa.models import Authenticator
from allauth.mfa.totp.internal.auth import format_hotp_value, hotp_value, yield_hotp_counters_from_time
from django.core.cache import cache
from django.db import connection
from django.test import Client
from django.urls import reverse

from apps.accounts.factors import code_spend
from apps.accounts.models import Notice, User
from apps.audit.models import AuditEntry
from tests.support.people import PASSWORD, client_of, make_desk, make_person

pytestmark = pytest.mark.django_db
LOGIN = "/accounts/login/"


@pytest.fixture(autouse=True)
def fresh_limits() -> Any:
    cache.clear()
    yield
    cache.clear()


@pytest.fixture(autouse=True)
def steady_step(monkeypatch: pytest.MonkeyPatch) -> None:
    """The clock of the codes stands still, in the middle of a step of 30 s: no code grows old on its way."""
    middle = time.time() // 30 * 30 + 15
    monkeypatch.setattr("allauth.mfa.totp.internal.auth.time", SimpleNamespace(time=lambda: middle))


@pytest.fixture
def person() -> User:
    return make_person(make_desk(), "trader")


def sign_in(browser: Client, person: User, password: str = PASSWORD) -> Any:
    return browser.post(LOGIN, {"login": person.username, "password": password})


def totp_now(secret: str) -> str:
    counter = next(iter(yield_hotp_counters_from_time()))
    return str(format_hotp_value(hotp_value(secret, counter)))


def test_a_person_signs_in_and_gets_a_new_session(person: User) -> None:
    browser = Client()
    browser.get(LOGIN)
    browser.session["probe"] = 1
    before = browser.session.session_key

    answer = sign_in(browser, person)

    assert answer.status_code == 302
    assert answer["Location"] == "/"
    assert browser.session.session_key != before
    assert browser.get(reverse("preferences")).status_code == 200
    cookie = browser.cookies["sessionid"]
    assert cookie["httponly"]
    assert cookie["samesite"] == "Lax"


def test_sign_in_returns_to_the_page_that_asked_and_to_no_other_site(person: User) -> None:
    url = reverse("preferences")
    asked = Client().get(url)
    assert asked["Location"] == f"{LOGIN}?next={url.replace('/', '%2F')}"

    for following, expected in ((url, url), ("https://evil.example/", "/"), ("//evil.example", "/")):
        answer = Client().post(LOGIN, {"login": person.username, "password": PASSWORD, "next": following})
        assert answer["Location"] == expected


def test_no_page_leads_to_what_is_closed(person: User) -> None:
    browser = client_of(person)

    for page in (
        Client().get(LOGIN),
        browser.get(reverse("account_change_password")),
        browser.get(reverse("account_reauthenticate")),
    ):
        assert page.status_code == 200
        for closed in ("password/reset", "signup"):
            assert closed not in page.content.decode()


def test_a_wrong_password_and_an_unknown_person_get_the_same_words(person: User) -> None:
    wrong = sign_in(Client(), person, "wrong-password").content.decode()
    unknown = Client().post(LOGIN, {"login": "nobody-here", "password": "x"}).content.decode()

    words = "are not correct"
    assert words in wrong
    assert words in unknown
    assert "disabled" not in wrong


def test_guessing_is_slowed_per_person_even_from_many_addresses(person: User) -> None:
    for number in range(5):
        sign_in(Client(REMOTE_ADDR=f"127.0.1.{number}"), person, "wrong-password")

    answer = sign_in(Client(REMOTE_ADDR="127.0.2.1"), person)

    assert answer.status_code == 200
    assert "Too many failed login attempts" in answer.content.decode()


def test_a_suspended_person_cannot_sign_in_and_is_out_at_once(person: User) -> None:
    browser = client_of(person)
    assert browser.get(reverse("preferences")).status_code == 200

    User.objects.filter(pk=person.pk).update(is_active=False)

    assert browser.get(reverse("preferences")).status_code == 302
    sign_in(Client(), person)
    assert "_auth_user_id" not in Client().session


def test_signing_out_ends_the_session(person: User) -> None:
    browser = client_of(person)
    assert "Orders that rest" in browser.get("/accounts/logout/").content.decode()

    assert browser.post("/accounts/logout/").status_code == 302

    assert browser.get(reverse("preferences")).status_code == 302


@pytest.mark.parametrize(
    "path",
    [
        "signup/",
        "email/",
        "confirm-email/",
        "confirm-email/abc/",
        "password/set/",
        "password/reset/",
        "password/reset/done/",
        "password/reset/key/1-abc/",
        "login/code/confirm/",
    ],
)
def test_what_the_desk_does_not_use_of_the_sign_in_library_is_closed(path: str, person: User) -> None:
    for browser in (Client(), client_of(person)):
        assert browser.get(f"/accounts/{path}").status_code == 404
        assert browser.post(f"/accounts/{path}").status_code == 404


def test_changing_the_password_ends_other_sessions(person: User) -> None:
    here, elsewhere = client_of(person), client_of(person)
    new = "another-correct-horse"

    page = here.get(reverse("account_change_password"))
    answer = here.post(
        reverse("account_change_password"), {"oldpassword": PASSWORD, "password1": new, "password2": new}
    )

    assert "Change password" in page.content.decode()
    assert answer.status_code == 302
    assert here.get(reverse("preferences")).status_code == 200
    assert elsewhere.get(reverse("preferences")).status_code == 302


def switch_on_totp(person: User) -> tuple[Client, str]:
    browser = Client()
    sign_in(browser, person)
    # A session alone, left open on a desk, does not change how its owner signs in.
    asked = browser.get(reverse("mfa_activate_totp"))
    assert asked["Location"].startswith(reverse("account_reauthenticate"))
    assert "Enter your password" in browser.get(asked["Location"]).content.decode()
    confirmed = browser.post(asked["Location"], {"password": PASSWORD, "next": reverse("mfa_activate_totp")})
    page = browser.get(confirmed["Location"])
    secret: str = page.context["form"].secret
    assert secret in page.content.decode()
    assert browser.post(reverse("mfa_activate_totp"), {"code": totp_now(secret)}).status_code == 302
    return browser, secret


def test_a_second_factor_is_asked_for_after_the_password(person: User, monkeypatch: Any) -> None:
    browser, secret = switch_on_totp(person)
    assert "Sign-in asks for a code" in browser.get(reverse("mfa_index")).content.decode()
    later = time.time() + 60  # a code works once, so the next one is taken
    monkeypatch.setattr("allauth.mfa.totp.internal.auth.time.time", lambda: later)

    other = Client()
    assert sign_in(other, person)["Location"] == reverse("mfa_authenticate")
    assert other.get(reverse("preferences")).status_code == 302
    assert other.post(reverse("mfa_authenticate"), {"code": "000000"}).status_code == 200
    assert other.get(reverse("preferences")).status_code == 302
    code = totp_now(secret)
    assert other.post(reverse("mfa_authenticate"), {"code": code}).status_code == 302

    assert other.get(reverse("preferences")).status_code == 200
    third = Client()
    sign_in(third, person)
    assert third.post(reverse("mfa_authenticate"), {"code": code}).status_code == 200, "a code works once"
    assert third.get(reverse("preferences")).status_code == 302


def test_a_code_works_once_even_when_the_cache_is_emptied(person: User, monkeypatch: Any) -> None:
    _, secret = switch_on_totp(person)
    cache.clear()
    again = Client()
    sign_in(again, person)
    activated = again.post(reverse("mfa_authenticate"), {"code": totp_now(secret)})
    assert "used already" in activated.content.decode(), "the code that switched it on does not sign in as well"
    later = time.time() + 60
    monkeypatch.setattr("allauth.mfa.totp.internal.auth.time.time", lambda: later)
    code, answers = totp_now(secret), []

    for _ in range(2):
        cache.clear()
        other = Client()
        sign_in(other, person)
        answers.append(other.post(reverse("mfa_authenticate"), {"code": code}).status_code)

    assert answers == [302, 200]
    # Nor does an older one, once a newer was used.
    monkeypatch.setattr("allauth.mfa.totp.internal.auth.time.time", lambda: later - 30)
    assert not code_spend(person, secret=secret, code=totp_now(secret))


def test_each_change_of_a_factor_is_told_of_and_written_down(
    person: User, django_capture_on_commit_callbacks: Any
) -> None:
    with django_capture_on_commit_callbacks(execute=True):
        browser, _ = switch_on_totp(person)
        codes = browser_codes(browser)
        other = Client()
        sign_in(other, person)
        other.post(reverse("mfa_authenticate"), {"code": codes[0]})
        browser.post(reverse("mfa_generate_recovery_codes"))
        browser.post(reverse("mfa_deactivate_totp"))

    kinds = set(Notice.objects.filter(user=person).values_list("kind", flat=True))
    written = set(AuditEntry.objects.filter(target=f"user:{person.pk}").values_list("action", flat=True))
    assert kinds >= {"factor.added", "factor.used", "factor.reset", "factor.removed"}
    assert written >= {
        "accounts.factor.added",
        "accounts.recovery.used",
        "accounts.factor.renewed",
        "accounts.factor.removed",
    }


def test_a_recovery_code_replaces_the_app_once(person: User) -> None:
    browser, _ = switch_on_totp(person)
    codes = browser.get(reverse("mfa_view_recovery_codes")).context["unused_codes"]
    assert len(codes) >= 8

    for expected in (200, 302):
        other = Client()
        sign_in(other, person)
        other.post(reverse("mfa_authenticate"), {"code": codes[0]})
        assert other.get(reverse("preferences")).status_code == expected


def test_every_page_of_the_second_factor_is_ours(person: User) -> None:
    browser, _ = switch_on_totp(person)

    for name in ("mfa_index", "mfa_view_recovery_codes", "mfa_generate_recovery_codes", "mfa_deactivate_totp"):
        page = browser.get(reverse(name))
        assert page.status_code == 200
        assert 'class="frame"' in page.content.decode(), name
    assert browser.get(reverse("mfa_download_recovery_codes"))["Content-Disposition"].startswith("attachment")
    assert browser.post(reverse("mfa_deactivate_totp")).status_code == 302
    assert not Authenticator.objects.filter(user=person).exists()


def test_second_factors_are_not_readable_in_the_database(person: User) -> None:
    browser, secret = switch_on_totp(person)

    with connection.cursor() as cursor:
        cursor.execute("SELECT data FROM mfa_authenticator")
        stored = " ".join(str(row[0]) for row in cursor.fetchall())

    raw = base64.b32decode(secret + "=" * (-len(secret) % 8))
    for piece in (secret, raw.hex(), base64.b64encode(raw).decode(), *browser_codes(browser)):
        assert piece not in stored


def browser_codes(browser: Client) -> list[str]:
    return list(browser.get(reverse("mfa_view_recovery_codes")).context["unused_codes"])
