"""Combos: markets over several markets of one collection. Source: docs:api-reference/multivariate."""

import logging
from collections.abc import Iterator, Sequence
from typing import Any

from apps.exchange.wire.api.calls import one, segment
from apps.exchange.wire.client import ExchangeClient, Params
from apps.exchange.wire.errors import ReadFailed
from apps.exchange.wire.schemas.communications import Collection, ComboMarket

logger = logging.getLogger(__name__)

_PATH = "/multivariate_event_collections"
PAGES_AT_MOST = 100
LOOKUP_COST = 2  # tokens of looking a known combination up

Leg = tuple[str, str, str]  # event ticker, market ticker, side "yes" or "no"


def get_collections(
    client: ExchangeClient, *, status: str | None = None, series_ticker: str | None = None
) -> Iterator[Collection]:
    """Yield collections, page by page; one that cannot be read is left out, logged, and hides no other.

    status: unopened, open or closed; None: all.
    """
    params = {"status": status, "series_ticker": series_ticker, "limit": 200}
    for raw in _raw_pages(client, params):
        try:
            yield one(Collection, raw, is_read=True)
        except ReadFailed as exc:
            logger.warning("a collection cannot be read: %s", exc)


def _raw_pages(client: ExchangeClient, params: Params) -> Iterator[dict[str, Any]]:
    cursor: str | None = None
    for _ in range(PAGES_AT_MOST):
        body = client.get(_PATH, params={**params, "cursor": cursor})
        yield from (raw for raw in body.get("multivariate_contracts") or [] if isinstance(raw, dict))
        following = body.get("cursor")
        if not following or following == cursor:
            return
        cursor = str(following)
    logger.error("the list of collections did not end after %d pages", PAGES_AT_MOST)


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
