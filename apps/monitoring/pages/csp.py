"""Where browsers report what the content policy stopped. Anybody may post here, so little of it is believed.

A report becomes at most one line of the log: the page's path without its query, the directive, the origin that was
stopped. The same is logged once in ten minutes, and sixty lines a minute are the most, per process.
"""

import json
import logging
import threading
import time
from collections.abc import Callable
from typing import Any, Final
from urllib.parse import urlsplit

from django.http import HttpRequest, HttpResponse
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST

from apps.accounts.permissions import requires
from apps.core.permissions import Permission

logger = logging.getLogger(__name__)

BODY_AT_MOST: Final = 8_192  # bytes
REPORTS_AT_MOST: Final = 10  # of one body
LINES_A_MINUTE: Final = 60
SAME_AFTER: Final = 600.0  # seconds
REMEMBERED: Final = 500
TYPES: Final = ("application/csp-report", "application/reports+json", "application/json")
Line = tuple[str, str, str]


class Logged:
    """Which lines were logged lately."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._at: dict[Line, float] = {}
        self._minute: tuple[float, int] | None = None

    def take(self, line: Line) -> bool:
        """Whether this line is to be logged now."""
        with self._lock:
            now = self._clock()
            seen = self._at.get(line)
            if seen is not None and now - seen < SAME_AFTER:
                return False
            if self._minute is None or now - self._minute[0] >= 60:
                self._minute = (now, 0)
            begun, count = self._minute
            if count >= LINES_A_MINUTE:
                return False
            self._minute = (begun, count + 1)
            if len(self._at) >= REMEMBERED:
                self._at.clear()
            self._at[line] = now
            return True


logged = Logged()


@csrf_exempt  # a browser's report carries no token; nothing is changed by one
@requires(Permission.PUBLIC)
@require_POST
def csp_report(request: HttpRequest) -> HttpResponse:
    if request.content_type not in TYPES:
        return HttpResponse(status=415)
    body = request.read(BODY_AT_MOST + 1)
    if len(body) > BODY_AT_MOST:
        return HttpResponse(status=413)
    for line in lines_of(body):
        if logged.take(line):
            page, directive, blocked = line
            logger.warning("the content policy stopped %s on %s: %s", directive, page, blocked)
    return HttpResponse(status=204)


def lines_of(body: bytes) -> list[Line]:
    """Return (path, directive, origin) of each report in either of the two shapes; nothing of what is no report."""
    try:
        said = json.loads(body)
    except (ValueError, RecursionError):
        return []
    reports = said if isinstance(said, list) else [said]
    found = []
    for one in reports[:REPORTS_AT_MOST]:
        inner = one.get("csp-report") or one.get("body") if isinstance(one, dict) else None
        if isinstance(inner, dict):
            page = _first(inner, "document-uri", "documentURL")
            directive = _first(inner, "effective-directive", "effectiveDirective", "violated-directive")
            found.append((_path(page), _word(directive), _origin(_first(inner, "blocked-uri", "blockedURL"))))
    return found


def _first(said: dict[str, Any], *names: str) -> str:
    return next((said[name] for name in names if isinstance(said.get(name), str)), "")


def _path(url: str) -> str:
    """Only the path: what stands in a query may be private."""
    try:
        return _word(urlsplit(url).path)
    except ValueError:
        return "-"


def _origin(url: str) -> str:
    try:
        parts = urlsplit(url)
        return _word(f"{parts.scheme}://{parts.hostname or ''}" if parts.scheme else parts.path)
    except ValueError:
        return "-"


def _word(text: str) -> str:
    """One word of plain characters: nobody writes lines of the log."""
    return "".join(one for one in text[:120] if one.isascii() and one.isprintable() and one != " ") or "-"
