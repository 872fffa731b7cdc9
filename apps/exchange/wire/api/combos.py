"""Combos: markets over several markets of one collection. Source: docs:api-reference/multivariate."""

from collections.abc import Iterator, Sequence
from typing import Any

from apps.exchange.wire.api.calls import one, pages, segment
from apps.exchange.wire.client import ExchangeClient
from apps.exchange.wire.schemas.communications import Collection, ComboMarket

_PATH = "/multivariate_event_collections"
LOOKUP_COST = 2  # tokens of looking a known combination up

Leg = tuple[str, str, str]  # event ticker, market ticker, side "yes" or "no"


def get_collections(
    client: ExchangeClient, *, status: str | None = None, series_ticker: str | None = None
) -> Iterator[Collection]:
    """status: unopened, open or closed; None: all."""
    params = {"status": status, "series_ticker": series_ticker, "limit": 200}
    return pages(client, _PATH, key="multivariate_contracts", cls=Collection, params=params)


def get_collection(client: ExchangeClient, collection_ticker: str) -> Collection:
    body = client.get(f"{_PATH}/{segment(collection_ticker)}")
    return one(Collection, body, is_read=True, key="multivariate_contract")


def create_combo_market(
    client: ExchangeClient, collection_ticker: str, legs: Sequence[Leg], *, with_market: bool = True
) -> ComboMarket:
    """Return the market of these legs, made now if it was not there. A repeat gives the same market.

    The exchange counts creations per week (docs: 5,000), so what is known is not asked for again.
    """
    body = {"selected_markets": _pairs(legs), "with_market_payload": with_market}
    return one(ComboMarket, client.post(f"{_PATH}/{segment(collection_ticker)}", json=body), is_read=False)


def lookup_combo_market(client: ExchangeClient, collection_ticker: str, legs: Sequence[Leg]) -> ComboMarket:
    """Return the market of these legs, or raise Refused (404) when nobody has made it."""
    body = client.put(
        f"{_PATH}/{segment(collection_ticker)}/lookup",
        json={"selected_markets": _pairs(legs)},
        cost=LOOKUP_COST,
    )
    return one(ComboMarket, body, is_read=False)


def _pairs(legs: Sequence[Leg]) -> list[dict[str, Any]]:
    return [{"event_ticker": event, "market_ticker": market, "side": side} for event, market, side in legs]
