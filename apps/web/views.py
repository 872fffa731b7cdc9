"""Pages of the frame itself: the way in, and the probe that a supervisor asks."""

from typing import cast

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from apps.accounts.middleware import DeskRequest
from apps.accounts.permissions import requires
from apps.core.permissions import Actor, Permission


@requires(Permission.MARKET_VIEW)
@require_safe
def home(request: HttpRequest) -> HttpResponse:
    # Who has a role on one account begins with its orders; who sees no amounts at all, with the markets.
    return redirect(_home(cast(DeskRequest, request).actor))


def _home(actor: Actor) -> str:
    if actor.may(Permission.DESK_VIEW):
        return "overview"
    return "orders" if actor.reach(Permission.DESK_VIEW) else "markets"


@requires(Permission.PUBLIC)
@require_safe
@never_cache
def healthz(request: HttpRequest) -> HttpResponse:
    """Say that this process answers, and nothing else: anybody may ask."""
    return HttpResponse("ok\n", content_type="text/plain")
