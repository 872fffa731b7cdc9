"""Reports of browsers about the content policy: briefly told, believed little, and nothing is changed by them."""

import json
import logging
from typing import Any

import pytest
from django.test import Client

from apps.monitoring.pages import csp

OLD = {
    "csp-report": {
        "document-uri": "https://desk.example/orders/?secret=1#x",
        "effective-directive": "script-src-elem",
        "blocked-uri": "https://evil.example/a.js?token=2",
    }
}
NEW = [
    {
        "type": "csp-violation",
        "body": {
            "documentURL": "https://desk.example/rfq/",
            "effectiveDirective": "img-src",
            "blockedURL": "inline",
        },
    }
]


@pytest.fixture(autouse=True)
def nothing_logged_yet(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(csp, "logged", csp.Logged())


def post(body: Any, kind: str = "application/csp-report") -> int:
    sent = body if isinstance(body, bytes) else json.dumps(body).encode()
    return Client().post("/csp-report", sent, content_type=kind).status_code


def test_both_shapes_become_one_line_without_queries(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING, logger=csp.__name__)

    assert post(OLD) == 204
    assert post(OLD) == 204
    assert post(NEW, "application/reports+json") == 204

    assert [record.getMessage() for record in caplog.records if record.name == csp.__name__] == [
        "the content policy stopped script-src-elem on /orders/: https://evil.example",
        "the content policy stopped img-src on /rfq/: inline",
    ]


@pytest.mark.parametrize("body", [b"{", b"[" * 5_000, b"7", b"[1]", b'{"csp-report": 7}', b"\xff\xfe", b"null"])
def test_what_is_no_report_is_nothing(body: bytes) -> None:
    assert post(body) == 204
    assert csp.lines_of(body) == []


def test_what_is_too_large_or_of_another_kind_is_refused() -> None:
    assert post(b" " * (csp.BODY_AT_MOST + 1)) == 413
    assert post(OLD, "text/html") == 415
    assert Client().get("/csp-report").status_code == 405


def test_nobody_writes_lines_of_the_log() -> None:
    report = {
        "csp-report": {"document-uri": "/a\r\nERROR b\x1b[0m", "effective-directive": "x\ny", "blocked-uri": "z " * 99}
    }

    ((page, directive, blocked),) = csp.lines_of(json.dumps(report).encode())

    for word in (page, directive, blocked):
        assert word.isprintable()
        assert " " not in word
        assert len(word) <= 120


def test_a_flood_is_sixty_lines_a_minute_and_the_same_once_in_ten() -> None:
    now = 30.0
    logged = csp.Logged(clock=lambda: now)

    assert sum(logged.take(("/", "img-src", str(number))) for number in range(500)) == csp.LINES_A_MINUTE
    now += 60
    assert not logged.take(("/", "img-src", "0"))
    assert logged.take(("/", "img-src", "new"))
    now += csp.SAME_AFTER
    assert logged.take(("/", "img-src", "0"))


def test_every_page_names_where_reports_go() -> None:
    assert "report-uri /csp-report" in Client().get("/healthz")["Content-Security-Policy"]
