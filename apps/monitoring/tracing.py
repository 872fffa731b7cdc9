"""How the id of a click goes on: through each HTTP request, and with each task through the broker to its worker."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from threading import local
from typing import Any

from celery.signals import before_task_publish, task_postrun, task_prerun
from django.http import HttpRequest, HttpResponse

from apps.core.trace import trace_id, tracing

HEADER = "desk_trace"
_running = local()


class TraceMiddleware:
    """Gives each request an id of its own; one that a client sends is not taken over."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        with tracing():
            return self.get_response(request)


def _send(headers: dict[str, Any] | None = None, **_: object) -> None:
    if headers is not None and trace_id():
        headers[HEADER] = trace_id()


def _begin(task: Any = None, **_: object) -> None:
    given = task.request.get(HEADER) if task is not None else None
    context: AbstractContextManager[str] = tracing(given if isinstance(given, str) else "")
    context.__enter__()
    _running.context = context


def _end(**_: object) -> None:
    context = getattr(_running, "context", None)
    if context is not None:
        _running.context = None
        context.__exit__(None, None, None)


before_task_publish.connect(_send)
task_prerun.connect(_begin)
task_postrun.connect(_end)
