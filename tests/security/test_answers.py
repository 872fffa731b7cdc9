"""What every answer says to the browser, and what no answer says to anybody."""

from typing import Any

import pytest
from django.core.cache import cache
from django.test import Client
from django.urls import reverse

from apps.audit.models import AuditEntry
from tests.support.people import PASSWORD, client_of, make_desk, make_person

pytestmark = pytest.mark.django_db
PAGES = [
    "team",
    "trail",
    "trail_checks",
    "approvals",
    "sessions",
    "mfa_index",
    "preferences",
    "vault",
    "orders",
    "rfq_desk",
]
EVERYBODYS = ["account_login", "join", "healthz"]


@pytest.fixture(autouse=True)
def fresh_limits() -> Any:
    cache.clear()
    yield
    cache.clear()


def assert_guarded(answer: Any, what: str) -> None:
    policy = answer["Content-Security-Policy"]
    rules = {rule.split()[0]: rule.split()[1:] for rule in policy.split(";") if rule.strip()}
    assert rules["script-src"] == ["'self'"], what
    for name in ("object-src", "base-uri", "frame-ancestors"):
        assert rules[name] == ["'none'"], what
    assert "unsafe" not in policy, what
    assert answer["X-Content-Type-Options"] == "nosniff", what
    assert answer["Referrer-Policy"] == "same-origin", what
    assert answer["Cross-Origin-Opener-Policy"] == "same-origin", what
    assert answer["X-Frame-Options"] == "DENY", what
    assert "Access-Control-Allow-Origin" not in answer, what
    assert "Server" not in answer, what


def test_every_page_carries_the_same_guards_found_or_not() -> None:
    browser = client_of(make_person(make_desk(), "auditor", "vault-admin"), raise_request_exception=False)
    for name in PAGES:
        answer = browser.get(reverse(name))
        assert answer.status_code == 200, name
        assert_guarded(answer, name)
        assert "no-store" in answer["Cache-Control"], name
    for name in EVERYBODYS:
        assert_guarded(Client().get(reverse(name)), name)
    for path in ("/no-such-page/", "/admin/", "/static/../manage.py", "/.git/config"):
        for asking in (browser, Client()):
            answer = asking.get(path)
            assert answer.status_code == 404, path
            assert_guarded(answer, path)


@pytest.mark.parametrize("method", ["put", "patch", "delete", "trace"])
def test_methods_that_nothing_uses_are_refused(method: str) -> None:
    browser = client_of(make_person(make_desk(), "admin", "auditor"))

    for name in ("team", "invitation_create", "trail", "sessions_end_others", "approvals", "healthz", "join"):
        assert getattr(browser, method)(reverse(name)).status_code == 405, name


def test_a_fault_tells_people_nothing_of_its_inside(monkeypatch: Any) -> None:
    browser = client_of(make_person(make_desk(), "viewer"), raise_request_exception=False)

    def fail(*args: Any) -> None:
        raise RuntimeError("secret detail of the inside")

    monkeypatch.setattr("apps.accounts.team.people_listed", fail)

    answer = browser.get(reverse("team"))

    assert answer.status_code == 500
    for words in ("secret detail", "Traceback", "people_listed", "RuntimeError"):
        assert words not in answer.content.decode()


def test_signing_out_empties_what_the_browser_kept() -> None:
    browser = client_of(make_person(make_desk(), "viewer"))

    assert browser.post(reverse("account_logout"))["Clear-Site-Data"] == '"storage"'

    assert "Clear-Site-Data" not in browser.get(reverse("account_login"))


def test_an_address_that_a_client_claims_does_not_get_around_the_limits() -> None:
    person = make_person(make_desk(), "trader")

    for number in range(12):
        claimed = {"X-Forwarded-For": f"203.0.113.{number}", "X-Real-IP": f"203.0.113.{number}"}
        answer = Client(headers=claimed).post("/accounts/login/", {"login": f"guess-{number}", "password": "x"})

    right = Client().post("/accounts/login/", {"login": person.username, "password": PASSWORD})
    for refused in (answer, right):
        assert "Too many failed login attempts" in refused.content.decode()


@pytest.mark.parametrize("name", ["a\r\nSet-Cookie: x=1", "a\nFAKE 2026-01-01 ERROR line", "\x1b[31mred", "a\x00b"])
def test_what_is_typed_at_sign_in_makes_no_line_of_its_own(name: str, caplog: Any) -> None:
    answer = Client().post("/accounts/login/", {"login": name, "password": "x"})

    assert answer.status_code == 200
    assert "x" not in answer.cookies
    for record in caplog.records:
        assert "\n" not in record.getMessage()
        assert "\x1b" not in record.getMessage()


def test_no_password_or_token_is_in_the_trail() -> None:
    person = make_person(make_desk(), "trader")
    Client().post("/accounts/login/", {"login": person.username, "password": PASSWORD})

    stored = str(list(AuditEntry.objects.values_list()))

    assert person.username in stored
    assert PASSWORD not in stored
