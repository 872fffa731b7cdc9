"""What the Event page asks the exchange for when somebody opens it."""

from typing import Any

from django.core.cache import cache

from apps.core.errors import DeskError
from apps.exchange.clients import environment_client
from apps.exchange.wire.api.event_facts import get_event_metadata
from apps.exchange.wire.client import ExchangeClient
from apps.exchange.wire.errors import ExchangeError
from apps.markets.models import Event
from apps.markets.sources import sources_shown

METADATA_KEPT_SECONDS = 600
TEXT = 200


def event_metadata(event: Event, *, client: ExchangeClient | None = None) -> dict[str, Any]:
    """Return {"competition", "scope", "sources", "has_pictures"}, read at most each METADATA_KEPT_SECONDS.

    Raises:
        DeskError: the exchange gave none.
    """
    key = f"event-metadata:{event.environment}:{event.pk}"
    kept: dict[str, Any] | None = cache.get(key)
    if kept is not None:
        return kept
    try:
        found = get_event_metadata(client or environment_client(event.environment), event.ticker)
    except ExchangeError as exc:
        raise DeskError("no_metadata", f"The exchange gave no details of this event: {exc.text}") from exc
    shown = {
        "competition": (found.competition or "")[:TEXT],
        "scope": (found.competition_scope or "")[:TEXT],
        "sources": sources_shown(found.settlement_sources),
        "has_pictures": bool(found.image_url or found.featured_image_url),
    }
    cache.set(key, shown, timeout=METADATA_KEPT_SECONDS)
    return shown
