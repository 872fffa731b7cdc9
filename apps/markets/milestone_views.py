"""What the Event and Market pages ask for on demand, beside prices."""

from collections.abc import Callable
from typing import Any

from django.http import Http404, JsonResponse
from django.views.decorators.http import require_safe

from apps.accounts.middleware import DeskRequest
from apps.accounts.permissions import requires
from apps.core.errors import DeskError, NotFound
from apps.core.permissions import Permission
from apps.markets.access import event_for
from apps.markets.event_facts import event_metadata
from apps.markets.milestone_live import plays
from apps.markets.milestone_pages import milestone_for
from apps.markets.views import environment_of


@requires(Permission.MARKET_VIEW)
@require_safe
def milestone_plays(request: DeskRequest, milestone_id: str) -> JsonResponse:
    """Play by play of a game, newest first."""
    return _answer(
        lambda: plays(milestone_for(request.actor, environment=environment_of(request), milestone_id=milestone_id))
    )


@requires(Permission.MARKET_VIEW)
@require_safe
def event_metadata_read(request: DeskRequest, ticker: str) -> JsonResponse:
    """Competition, scope and settlement sources of one event."""
    return _answer(lambda: event_metadata(event_for(request.actor, environment=environment_of(request), ticker=ticker)))


def _answer(read: Callable[[], dict[str, Any]]) -> JsonResponse:
    """502, with the words: the exchange did not answer."""
    try:
        return JsonResponse(read())
    except NotFound as exc:
        raise Http404(exc.text) from exc
    except DeskError as exc:
        return JsonResponse({"error": exc.text}, status=502)
