"""Markets that an account's records name: read for as long as they are not final, in whichever tier they are."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from apps.exchange.wire.client import ExchangeClient
from apps.history.models import ChosenMarket
from apps.history.sync.listing import Answer, Place
from apps.markets.models import Market
from apps.markets.services import markets_fetch
from apps.orders.models import Fill, Order
from apps.portfolio.models import Settlement

NAMES_PER_STEP = 50
_FINAL = ("finalized",)


class BulkReader:
    """A client whose reads leave the reserve of the budget to others."""

    def __init__(self, client: ExchangeClient) -> None:
        self._client = client

    def get(self, path: str, *, params: Mapping[str, Any] | None = None) -> dict[str, Any]:
        return self._client.get(path, params=params, kind="bulk")


def names_ask(client: ExchangeClient, place: Place) -> Answer:
    """Read and store the next few markets by name; the cursor is the last name. Raises ExchangeError."""
    named = _names_after(place)
    final = Market.objects.filter(environment=place.environment, ticker__in=named, status__in=_FINAL)
    wanted = sorted(set(named) - set(final.values_list("ticker", flat=True)))
    if wanted:
        markets_fetch(place.environment, wanted, client=BulkReader(client))
    return Answer(rows=len(named), following=named[-1] if len(named) == NAMES_PER_STEP else "")


def _names_after(place: Place) -> list[str]:
    found: set[str] = set()
    for model in (Order, Fill, Settlement, ChosenMarket):
        rows = model._default_manager.filter(account_id=place.account_id, ticker__gt=place.cursor)
        found.update(rows.order_by("ticker").values_list("ticker", flat=True).distinct()[:NAMES_PER_STEP])
    return sorted(found)[:NAMES_PER_STEP]


def names_held(place: Place) -> tuple[int, datetime | None]:
    count, step = 0, replace(place, cursor="")
    while named := _names_after(step):
        count += Market.objects.filter(environment=place.environment, ticker__in=named).count()
        step = replace(step, cursor=named[-1])
    return count, None
