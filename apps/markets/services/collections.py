"""Keep collections, and the combos that were made of them, as the exchange lists them.

Combos are not among the events that the catalogue reads, and there may be very many: the newest pages of their own
list are kept, and each one that somebody of a desk asks for (`combo_save`).
"""

import logging
from datetime import datetime, timedelta
from typing import Any

from django.core.cache import cache
from django.db.models import QuerySet

from apps.core.errors import WireFormatError
from apps.core.timestamps import utc_now
from apps.exchange.clients import environment_client
from apps.exchange.wire.api.calls import segment
from apps.exchange.wire.api.combos import get_collections
from apps.exchange.wire.client import ExchangeClient
from apps.exchange.wire.errors import ReadFailed, Refused
from apps.markets import rows
from apps.markets.models import Collection, Event, Market, Series
from apps.markets.services.catalogue import event_save, events_save, markets_save, series_save, upsert

logger = logging.getLogger(__name__)

EVERY = timedelta(minutes=10)
STATUSES = ("open", "unopened")  # closed ones take no combos any more
COMBO_PAGES = 10  # of 200 events each


def collections_sync(
    environment: str, *, client: ExchangeClient | None = None, is_forced: bool = False, now: datetime | None = None
) -> int:
    """Bring collections and combos of an environment up to date, at most once in EVERY; returns how many collections.

    Raises:
        ExchangeError: the exchange could not be read. What was stored until then stays.
    """
    now = now or utc_now()
    key = f"collections-sync:{environment}"
    last: datetime | None = cache.get(key)
    if not is_forced and last is not None and now - last < EVERY:
        return 0
    reader = client or environment_client(environment)
    seen = collections_save(environment, reader)
    gone: QuerySet[Collection] = Collection.objects.filter(environment=environment, is_listed=True)
    gone.exclude(ticker__in=seen).update(is_listed=False, updated_at=now)
    combos = _combos_save(environment, reader)
    cache.set(key, now, timeout=None)
    logger.info("%s: %d collections, %d combos", environment, len(seen), combos)
    return len(seen)


def collections_save(environment: str, reader: ExchangeClient) -> set[str]:
    """Store every collection that is open or will be; returns their tickers. Raises ExchangeError."""
    seen: set[str] = set()
    for status in STATUSES:
        built = []
        for raw in get_collections(reader, status=status):
            try:
                built.append(rows.collection_row(environment, raw))
            except WireFormatError as exc:
                logger.warning("a collection of %s was left out: %s", environment, exc)
        upsert(Collection, built)
        seen.update(row.ticker for row in built)
    return seen


def combo_save(
    environment: str, ticker: str, *, client: ExchangeClient, payload: dict[str, Any] | None = None
) -> Market:
    """Store one combo, with its event and series when they are new, so that it can be traded at once.

    Args:
        payload: the market as the exchange has just written it; read now when absent.

    Raises:
        ExchangeError: it could not be read. Again later.
    """
    raw = payload or client.get(f"/markets/{segment(ticker)}").get("market")
    if not isinstance(raw, dict) or raw.get("ticker") != ticker:
        raise ReadFailed("read_failed", f"The exchange answered without the market {ticker[:120]}.")
    event = str(raw.get("event_ticker") or "")
    if not Event.objects.filter(environment=environment, ticker=event).exists():
        _event_read(environment, event, client)
    markets_save(environment, [raw])
    market = Market.objects.select_related("event").filter(environment=environment, ticker=ticker).first()
    if market is None:
        raise ReadFailed("read_failed", f"The exchange's market {ticker[:120]} cannot be read.")
    _series_ensure(environment, market.series_ticker, client)
    return market


def _event_read(environment: str, ticker: str, client: ExchangeClient) -> None:
    body = client.get(f"/events/{segment(ticker)}")
    event = body.get("event")
    if isinstance(event, dict):
        event_save(environment, event)


def _series_ensure(environment: str, ticker: str, client: ExchangeClient) -> None:
    """The series says the fees. Without it a preview says that they are not known, and nothing else is lost."""
    if not ticker or Series.objects.filter(environment=environment, ticker=ticker).exists():
        return
    try:
        raw = client.get(f"/series/{segment(ticker)}").get("series")
    except Refused as exc:
        logger.warning("series %s of a combo cannot be read: %s", ticker, exc)
        return
    if isinstance(raw, dict):
        series_save(environment, [raw])


def _combos_save(environment: str, reader: ExchangeClient) -> int:
    stored, cursor = 0, ""
    for _ in range(COMBO_PAGES):
        params = {"with_nested_markets": True, "limit": 200} | ({"cursor": cursor} if cursor else {})
        body = reader.get("/events/multivariate", params=params)
        page = [event for event in body.get("events") or [] if isinstance(event, dict)]
        events_save(environment, page)
        stored += markets_save(environment, [market for event in page for market in event.get("markets") or []])
        following = str(body.get("cursor") or "")
        if not following or following == cursor:
            break
        cursor = following
    return stored
