"""Team > Trail: search, the story of one object, the check of the chain, export."""

import json
from itertools import islice
from typing import Any
from urllib.parse import urlencode

from asgiref.sync import sync_to_async
from django.core.handlers.asgi import ASGIRequest
from django.http import HttpResponse, StreamingHttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_POST, require_safe

from apps.accounts import trail
from apps.accounts.middleware import DeskRequest
from apps.accounts.permissions import requires
from apps.accounts.tasks import audit_chain_check
from apps.accounts.team import name_of
from apps.audit import selectors
from apps.audit.models import AuditEntry
from apps.core.permissions import Permission

_FILTERS = ("person", "action", "object", "since", "until")
_LINES_AT_ONCE = 500


@requires(Permission.AUDIT_VIEW)
@require_safe
def trail_page(request: DeskRequest) -> HttpResponse:
    wanted = trail.wanted_from(request.GET)
    raw = request.GET.get("before", "")
    entries, following = selectors.entries_page(
        request.actor, wanted, before=int(raw) if raw.isdecimal() and len(raw) < 19 else None
    )
    kept = {name: request.GET[name] for name in _FILTERS if request.GET.get(name)}
    is_object = ":" in wanted.target
    context = {
        "section": "trail",
        "typed": kept,
        "rows": [_row(entry) for entry in entries],
        "older": urlencode(kept | {"before": following}) if following else "",
        "is_first": not raw,
        "people": [(str(pk), name) for pk, name in trail.people_of(request.actor)],
        "story": selectors.object_story(request.actor, wanted.target) if is_object else [],
        "object": wanted.target if is_object else "",
    }
    return render(request, "audit/trail.html", context)


@requires(Permission.AUDIT_VIEW)
@require_POST
def trail_export(request: DeskRequest) -> StreamingHttpResponse:
    lines = trail.export_lines(request.actor, trail.wanted_from(request.POST))

    async def chunks() -> Any:
        # An ASGI server would read a plain iterator to its end before it sends a byte.
        while chunk := await sync_to_async(lambda: "".join(islice(lines, _LINES_AT_ONCE)))():
            yield chunk

    return StreamingHttpResponse(
        chunks() if isinstance(request, ASGIRequest) else lines,
        content_type="text/csv; charset=utf-8",
        headers={"Content-Disposition": 'attachment; filename="trail.csv"'},
    )


@requires(Permission.AUDIT_VIEW)
@require_safe
def trail_checks(request: DeskRequest) -> HttpResponse:
    """The checks of the chain; a fragment of itself while one runs."""
    checks = selectors.checks_of(request.actor)
    context = {"section": "checks", "checks": checks, "is_running": any(one.finished_at is None for one in checks[:1])}
    name = "audit/_checks.html" if "HX-Request" in request.headers else "audit/checks.html"
    return render(request, name, context)


@requires(Permission.AUDIT_VIEW)
@require_POST
def trail_check(request: DeskRequest) -> HttpResponse:
    audit_chain_check.delay(trail.check_ask(request.actor).pk)
    return redirect("trail_checks")


def _row(entry: AuditEntry) -> dict[str, Any]:
    return {
        "sequence": entry.sequence,
        "at": entry.at,
        "at_text": f"{entry.at:%Y-%m-%d %H:%M:%S}.{entry.at.microsecond // 1000:03d}",
        "person": name_of(entry.actor) if entry.actor else "The desk itself",
        "action": entry.action,
        "environment": entry.environment,
        "target": entry.target,
        "data": [(name, _plain(value)) for name, value in entry.data.items()],
        "digest": entry.digest,
    }


def _plain(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
