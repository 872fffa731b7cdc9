"""Keep what the exchange offers to look for: tags by category, competitions and scopes by sport."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

from apps.core.timestamps import utc_now
from apps.exchange.clients import environment_client
from apps.exchange.wire.api.event_facts import get_category_tags, get_sport_filters
from apps.exchange.wire.client import ExchangeClient
from apps.exchange.wire.schemas.event_facts import SportFilters
from apps.markets.models import SearchFilter

READ_EVERY = timedelta(hours=1)
NAMES_AT_MOST = 300  # of one list
TEXT = 120


def search_filters_sync(
    environment: str, *, client: ExchangeClient | None = None, now: datetime | None = None
) -> SearchFilter | None:
    """Read them again when they are older than READ_EVERY; return the row if so. Raises ExchangeError."""
    at = now or utc_now()
    if SearchFilter.objects.filter(environment=environment, read_at__gt=at - READ_EVERY).exists():
        return None
    reader = client or environment_client(environment)
    tags = get_category_tags(reader).tags_by_categories or {}
    found = {name: _names(given) for name, given in sorted(tags.items())[:NAMES_AT_MOST]}
    values = {"tags": found, "sports": _sports(get_sport_filters(reader)), "read_at": at}
    return SearchFilter.objects.update_or_create(environment=environment, defaults=values)[0]


def _sports(raw: SportFilters) -> list[dict[str, Any]]:
    """Return the sports in the exchange's order, those that it does not order last."""
    given = {name: one for name, one in (raw.filters_by_sports or {}).items() if isinstance(one, dict)}
    order = [name for name in _names(raw.sport_ordering) if name in given]
    order += [name for name in sorted(given) if name not in order]
    sports = []
    for name in order[:NAMES_AT_MOST]:
        competitions = given[name].get("competitions")
        named = competitions if isinstance(competitions, dict) else {}
        sports.append(
            {
                "sport": name[:TEXT],
                "scopes": _names(given[name].get("scopes")),
                "competitions": [
                    {"name": one[:TEXT], "scopes": _names(inner.get("scopes") if isinstance(inner, dict) else None)}
                    for one, inner in list(named.items())[:NAMES_AT_MOST]
                ],
            }
        )
    return sports


def _names(raw: Iterable[Any] | None) -> list[str]:
    names = [one[:TEXT] for one in raw if isinstance(one, str) and one] if isinstance(raw, list) else []
    return list(dict.fromkeys(names))[:NAMES_AT_MOST]
