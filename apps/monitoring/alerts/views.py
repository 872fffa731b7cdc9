"""The inbox: what the person was told of, what became of the messages, who has it. And the test button."""

from typing import Any, cast

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_POST, require_safe

from apps.accounts.access import accounts_visible
from apps.accounts.middleware import DeskRequest
from apps.accounts.models import User
from apps.accounts.permissions import requires
from apps.core.errors import DeskError, NotAllowed, NotFound
from apps.core.permissions import Actor, Permission
from apps.monitoring.alerts import inbox
from apps.monitoring.alerts.kinds import groups, known
from apps.monitoring.alerts.models import Alert

_STATES = {"open": "Open", "unread": "New", "": "All"}
_LEVELS = {"": "Any", "danger": "Urgent", "warning": "Warnings", "info": "Notes"}
ITEMS_SHOWN = 50


@requires(Permission.DESK_VIEW)
@require_safe
def alerts(request: HttpRequest) -> HttpResponse:
    asked = cast(DeskRequest, request)
    return render(request, "alerts/inbox.html", inbox_context(asked.actor, cast(User, asked.user), request.GET))


def inbox_context(actor: Actor, user: User, query: Any) -> dict[str, Any]:
    raw = query.get("account", "")
    accounts = list(accounts_visible(actor))
    choice = inbox.Choice(
        state=query.get("state", "") if query.get("state", "") in _STATES else "",
        group=query.get("group", "")[:40],
        level=query.get("level", "") if query.get("level", "") in _LEVELS else "",
        account_id=int(raw) if raw in {str(one.pk) for one in accounts} else None,
    )
    shown = list(inbox.alerts_found(actor, choice).prefetch_related("items")[: inbox.SHOWN + 1])
    rows = shown[: inbox.SHOWN]
    outcomes, unread = inbox.outcomes_of(actor, rows), inbox.unread_among(actor, [row.pk for row in rows])
    return {
        "rows": [_row(row, outcomes.get(row.pk, []), is_unread=row.pk in unread) for row in rows],
        "has_more": len(shown) > inbox.SHOWN,
        "open_ids": [row.pk for row in rows if row.acknowledged_at is None],
        "has_unread": bool(unread),
        "choice": choice,
        "is_narrowed": choice != inbox.Choice(),
        "states": _STATES.items(),
        "levels": _LEVELS.items(),
        "groups": [name for name, _ in groups()],
        "accounts": accounts,
        "zone": user.time_zone,
        "query": query.urlencode() if hasattr(query, "urlencode") else "",
    }


def _row(alert: Alert, outcomes: list[Any], *, is_unread: bool) -> dict[str, Any]:
    items = sorted(alert.items.all(), key=lambda item: (item.at, item.pk), reverse=True)
    return {
        "alert": alert,
        "group": known(alert.kind).group,
        "is_unread": is_unread and alert.acknowledged_at is None,
        "items": items[:ITEMS_SHOWN],
        "unshown": max(0, len(items) - ITEMS_SHOWN),
        "more": alert.count - 1,
        "outcomes": outcomes,
        "whose": "" if alert.rule is None else "desk" if alert.rule.owner_id is None else "mine",
    }


@requires(Permission.DESK_VIEW)
@require_POST
def alerts_acknowledged(request: HttpRequest) -> HttpResponse:
    actor = cast(DeskRequest, request).actor
    done = inbox.alerts_acknowledge(actor, [int(raw) for raw in request.POST.getlist("alert") if is_id(raw)])
    messages.success(request, "Acknowledged." if done == 1 else f"{done} acknowledged.")
    return _back(request)


@requires(Permission.DESK_VIEW)
@require_POST
def alerts_looked_at(request: HttpRequest) -> HttpResponse:
    inbox.alerts_read(cast(DeskRequest, request).actor)
    return _back(request)


@requires(Permission.DESK_VIEW)
@require_POST
def alert_test(request: HttpRequest) -> HttpResponse:
    """Send a marked test; its result stands on the page of rules, which asks for it until all have ended."""
    raw = request.POST.get("webhook", "")
    try:
        inbox.trial_send(cast(DeskRequest, request).actor, webhook_id=int(raw) if is_id(raw) else None)
    except (NotAllowed, NotFound):
        raise
    except DeskError as exc:
        messages.error(request, exc.text)
    return redirect("/alerts/rules/#test")


@requires(Permission.DESK_VIEW)
@require_safe
def alert_test_result(request: HttpRequest) -> HttpResponse:
    asked = cast(DeskRequest, request)
    return render(request, "alerts/_test.html", trial_context(asked.actor, cast(User, asked.user)))


def trial_context(actor: Actor, user: User) -> dict[str, Any]:
    trial = inbox.trial_newest(actor)
    outcomes = [] if trial is None else inbox.outcomes_of(actor, [trial]).get(trial.pk, [])
    return {
        "trial": trial,
        "outcomes": outcomes,
        "is_waiting": any(one.state in ("waiting", "held") for one in outcomes),
        "zone": user.time_zone,
    }


def is_id(raw: str) -> bool:
    return raw.isascii() and raw.isdecimal() and len(raw) < 16


def _back(request: HttpRequest) -> HttpResponse:
    """To the list as it was narrowed; the query is ours, the path is fixed."""
    query = request.POST.get("query", "")[:300]
    return redirect(f"/alerts/?{query}" if query else "/alerts/")
