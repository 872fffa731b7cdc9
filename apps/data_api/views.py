"""Pages for people: their tokens, what the API offers, and its description for programs."""

from typing import Any

from django.conf import settings
from django.contrib import messages
from django.http import HttpResponse, JsonResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_POST, require_safe

from apps.accounts.middleware import DeskRequest
from apps.accounts.permissions import requires
from apps.accounts.step_up import steps_up
from apps.core.errors import DeskError, NotAllowed
from apps.core.permissions import Permission, Within
from apps.core.timestamps import utc_now
from apps.data_api.api import OPERATIONS, ROOT, api
from apps.data_api.reference import reference_of
from apps.data_api.scopes import SCOPES
from apps.data_api.selectors import tokens_listed
from apps.data_api.services import DAYS, NewToken, token_create, token_revoke


@requires(Permission.DESK_VIEW, Within.SUBACCOUNT)
@require_safe
def data_api_tokens(request: DeskRequest) -> HttpResponse:
    """The person's tokens (everybody's, for who manages people), and the form for a new one."""
    return _page(request)


@requires(Permission.DESK_VIEW, Within.SUBACCOUNT)
@steps_up("data_api_tokens")  # it outlasts every session: not for whoever finds one open
@require_POST
def data_api_token_create(request: DeskRequest) -> HttpResponse:
    """Make a token and show it, this once: it is in no address, no session and no log."""
    days = request.POST.get("days", "")
    typed: dict[str, Any] = {
        "name": request.POST.get("name", ""),
        "scopes": request.POST.getlist("scopes"),
        "days": days,
    }
    try:
        made = token_create(
            request.actor,
            name=typed["name"][:200],
            scopes=typed["scopes"],
            days=int(days) if days.isdecimal() and len(days) < 5 else 0,
        )
    except NotAllowed:
        raise
    except DeskError as exc:
        return _page(request, typed=typed, errors=exc.fields or {"name": exc.text}, status=422)
    return _page(request, made=made)


@requires(Permission.DESK_VIEW, Within.SUBACCOUNT)
@require_POST
def data_api_token_revoke(request: DeskRequest, token_id: int) -> HttpResponse:
    row = token_revoke(request.actor, token_id)
    messages.success(request, f"Token “{row.name}” ({row.prefix}) opens nothing any more.")
    return redirect("data_api_tokens")


@requires(Permission.DESK_VIEW, Within.SUBACCOUNT)
@require_safe
def data_api_document(request: DeskRequest) -> JsonResponse:
    """The OpenAPI document."""
    return JsonResponse(api.get_openapi_schema(path_prefix=ROOT))


@requires(Permission.DESK_VIEW, Within.SUBACCOUNT)
@require_safe
def data_api_reference(request: DeskRequest) -> HttpResponse:
    """The same for people to read."""
    document = api.get_openapi_schema(path_prefix=ROOT)
    context = {"current": "data_api", "operations": reference_of(document), "root": request.build_absolute_uri(ROOT)}
    return render(request, "data_api/reference.html", context)


def _page(
    request: DeskRequest,
    *,
    typed: dict[str, Any] | None = None,
    errors: dict[str, str] | None = None,
    made: NewToken | None = None,
    status: int = 200,
) -> HttpResponse:
    if typed is None:
        typed = {"name": "", "scopes": list(SCOPES), "days": "90"}
    may = {operation.scope: bool(request.actor.reach(operation.permission)) for operation in OPERATIONS.values()}
    context = {
        "current": "data_api",
        "tokens": tokens_listed(request.actor),
        "is_of_everybody": request.actor.may(Permission.PEOPLE_MANAGE),
        "scopes": [(name, label, may.get(name, False)) for name, label in SCOPES.items()],
        "days": [(str(days), f"{days} days") for days in DAYS],
        "typed": typed,
        "errors": errors or {},
        "made": made,
        "now": utc_now(),
        "root": request.build_absolute_uri(ROOT),
        "per_minute": settings.DATA_API_PER_MINUTE,
    }
    return render(request, "data_api/tokens.html", context, status=status)
