"""Row 42: a record is one line, whoever wrote into it; and row 45: a proxy's word counts from a proxy of ours."""

import io
import json
import logging
from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.http import HttpRequest, HttpResponse
from django.test import Client, RequestFactory
from hypothesis import given
from hypothesis import strategies as st

from apps.orders.models import OrderIntent
from kalshi_desk.logs import JsonFormatter, LineFormatter, TraceFilter, one_line
from kalshi_desk.proxies import ProxyMiddleware, networks
from tests.support.people import client_of, make_desk, make_person

FORGED = "2026-01-01 00:00:00,000 ERROR desk [-] forged"
CORPUS = [
    f"a\r\n{FORGED}",
    f"a\n{FORGED}",
    f"a\r{FORGED}",
    f"a\x0b{FORGED}",
    f"a\x0c{FORGED}",
    f"a\x85{FORGED}",
    f"a\u2028{FORGED}",
    f"a\u2029{FORGED}",
    "\x1b[2J\x1b[31mred\x1b[0m",
    "\x9b31mred",
    "a\x00b\x08\x7f",
    "\u202egnirts\u202c",
    "\u2066turned\u2069",
]


def written(formatter: logging.Formatter, message: str, *values: Any, error: Exception | None = None) -> str:
    out = io.StringIO()
    handler = logging.StreamHandler(out)
    handler.setFormatter(formatter)
    handler.addFilter(TraceFilter())
    logger = logging.Logger("desk")
    logger.addHandler(handler)
    logger.error(message, *values, exc_info=error)
    return out.getvalue()


def line_formatter() -> LineFormatter:
    return LineFormatter("%(asctime)s %(levelname)s %(name)s [%(trace)s] %(message)s")


@pytest.mark.parametrize("text", CORPUS)
def test_no_text_makes_a_line_of_its_own_or_moves_the_cursor(text: str) -> None:
    told = written(line_formatter(), "market %s was refused", text)

    assert len(told.splitlines()) == 1
    assert told.rstrip("\n") == one_line(told.rstrip("\n"))
    (line,) = written(JsonFormatter(), "market %s was refused", text).splitlines()
    assert json.loads(line)["message"] == f"market {text} was refused"
    assert line.isascii()


@pytest.mark.parametrize("text", CORPUS)
def test_a_traceback_with_such_a_text_begins_no_record(text: str) -> None:
    try:
        raise ValueError(text)
    except ValueError as exc:
        told = written(line_formatter(), "failed", error=exc)
        as_json = written(JsonFormatter(), "failed", error=exc)

    first, *others = told.splitlines()
    assert first.endswith("failed")
    assert others
    assert all(line.startswith("    | ") for line in others)
    assert len(as_json.splitlines()) == 1


@given(st.text(max_size=60))
def test_any_text_is_one_line_and_readable_text_stays_as_it_is(text: str) -> None:
    shown = one_line(text)

    assert len(shown.splitlines()) <= 1
    if text.isprintable():
        assert shown == text


def test_the_desk_logs_by_these_formatters(settings: Any) -> None:
    made = {name: one["()"] for name, one in settings.LOGGING["formatters"].items()}

    assert made == {"line": "kalshi_desk.logs.LineFormatter", "json": "kalshi_desk.logs.JsonFormatter"}
    assert set(settings.LOGGING["handlers"]) == {"stderr"}
    assert settings.LOGGING["root"]["handlers"] == ["stderr"]


@pytest.mark.django_db
@pytest.mark.parametrize("text", CORPUS[:3] + CORPUS[8:9])
def test_what_people_send_reaches_the_log_as_one_line(text: str) -> None:
    """Addresses, headers and forms, through the whole stack and the formatter that the desk uses."""
    out = io.StringIO()
    handler = logging.StreamHandler(out)
    handler.setFormatter(line_formatter())
    handler.addFilter(TraceFilter())
    root = logging.getLogger()
    root.addHandler(handler)
    try:
        browser = client_of(make_person(make_desk(), "trader"))
        browser.get(f"/nothing/{text}/here/")
        browser.get("/", {"q": text}, headers={"User-Agent": text.replace("\r", "").replace("\n", " ")})
        browser.post("/monitor/kill/", {"why": text, "act": text})
        Client().post("/accounts/login/", {"login": text, "password": text})
    finally:
        root.removeHandler(handler)

    assert not OrderIntent.objects.exists()
    for line in out.getvalue().splitlines():
        assert not line.startswith(FORGED)
        assert line == one_line(line)


@pytest.mark.parametrize(
    ("address", "is_believed"),
    [
        ("127.0.0.1", True),
        ("::1", True),
        ("172.18.0.1", True),
        ("::ffff:127.0.0.1", True),
        ("203.0.113.9", False),
        ("10.0.0.7", False),
        ("172.32.0.1", False),
        ("2001:db8::1", False),
        ("", False),
        ("unix:", False),
    ],
)
def test_only_a_proxy_of_ours_says_that_a_request_came_over_https(
    settings: Any, address: str, is_believed: bool
) -> None:
    settings.SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
    seen: list[HttpRequest] = []

    def view(request: HttpRequest) -> HttpResponse:
        seen.append(request)
        return HttpResponse()

    request = RequestFactory(REMOTE_ADDR=address).get("/", headers={"X-Forwarded-Proto": "https"})
    _ = request.headers

    ProxyMiddleware(view)(request)

    assert seen[0].is_secure() is is_believed
    assert ("X-Forwarded-Proto" in seen[0].headers) is is_believed


def test_the_proxies_are_a_setting_and_a_mistake_in_it_ends_the_start(settings: Any) -> None:
    assert settings.MIDDLEWARE[1] == "kalshi_desk.proxies.ProxyMiddleware"
    assert [str(one) for one in networks(["10.0.0.7", "fd00::/8"])] == ["10.0.0.7/32", "fd00::/8"]
    with pytest.raises(ImproperlyConfigured, match="DESK_PROXIES"):
        networks(["proxy.example.org"])
