"""One id from the click to the exchange, in every line of the log."""

import json
import logging
import sys
from typing import Any

import pytest
from celery import Celery
from django.http import HttpRequest, HttpResponse

from apps.core.trace import trace_id, tracing
from apps.exchange.wire.client import ExchangeClient
from apps.monitoring.tracing import HEADER, TraceMiddleware, _begin, _end, _send
from kalshi_desk.logs import JsonFormatter, TraceFilter
from tests.orders.scripted import ScriptedExchange


class Lines(logging.Handler):
    def __init__(self) -> None:
        super().__init__()
        self.addFilter(TraceFilter())
        self.setFormatter(JsonFormatter())
        self.said: list[dict[str, Any]] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.said.append(json.loads(self.format(record)))


@pytest.fixture
def lines() -> Any:
    handler, logger = Lines(), logging.getLogger("apps.exchange.wire.client")
    level = logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    yield handler.said
    logger.removeHandler(handler)
    logger.setLevel(level)


def worker_task() -> Any:
    """A task as a worker has it."""
    app = Celery("test", set_as_current=False)

    @app.task
    def send() -> None:
        return None

    return send


def test_outside_of_everything_there_is_none() -> None:
    assert trace_id() == ""


def test_each_request_has_its_own_and_takes_none_from_outside() -> None:
    seen: list[str] = []

    def page(request: HttpRequest) -> HttpResponse:
        seen.append(trace_id())
        return HttpResponse()

    request = HttpRequest()
    request.META["HTTP_DESK_TRACE"] = "forged"
    middleware = TraceMiddleware(page)
    middleware(request)
    middleware(request)

    assert len(set(seen)) == 2
    assert "forged" not in seen
    assert trace_id() == ""


def test_the_id_of_the_click_is_in_the_line_of_the_request_at_the_exchange(lines: list[dict[str, Any]]) -> None:
    headers: dict[str, Any] = {}
    with tracing() as click:
        _send(headers=headers)
    assert headers == {HEADER: click}
    task = worker_task()
    task.push_request(**headers)
    _begin(task=task)
    try:
        exchange = ScriptedExchange()
        body = {"client_order_id": "c-1", "ticker": "T", "side": "bid", "count": "1.00", "price": "0.1000"}
        exchange.client().post("/portfolio/events/orders", json=body)
    finally:
        _end()
        task.pop_request()

    (line,) = lines
    assert line["trace"] == click
    assert line["message"].startswith("POST /portfolio/events/orders c-1: 201 in ")
    assert trace_id() == ""


def test_a_scheduled_task_gets_an_id_of_its_own() -> None:
    task = worker_task()
    task.push_request()
    _begin(task=task)
    inside = trace_id()
    _end()
    task.pop_request()

    assert len(inside) == 16
    assert trace_id() == ""


def test_reads_are_not_logged_and_a_line_is_one_object(lines: list[dict[str, Any]]) -> None:
    client: ExchangeClient = ScriptedExchange().client()
    client.get("/portfolio/orders")
    assert lines == []

    try:
        raise ValueError("two\nlines")
    except ValueError:
        record = logging.LogRecord("x", logging.ERROR, __file__, 1, "it %s", ("failed\n",), sys.exc_info())
    text = JsonFormatter().format(record)

    assert "\n" not in text
    assert json.loads(text)["message"] == "it failed\n"
    assert "ValueError: two" in json.loads(text)["error"]
