"""Keep series, events and markets of one environment as the exchange lists them.

A full pass reads everything that is not settled yet; in between, passes read what changed. Both
are idempotent and in small transactions, so a pass may be killed anywhere and run again.
"""

import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import islice
from typing import Any, Protocol, TypeVar

from django.core.cache import cache
from django.db import models, transaction

from apps.core.errors import NotFound, WireFormatError
from apps.core.timestamps import to_unix_seconds, utc_now
from apps.exchange.clients import environment_client
from apps.exchange.wire.api.calls import segment
from apps.exchange.wire.errors import Refused
from apps.markets import rows
from apps.markets.facts import facts_of, facts_publish
from apps.markets.models import Event, Market, Series

logger = logging.getLogger(__name__)

# A transaction of thousands of rows makes the small writes of orders wait (STACK, SQLite).
CHUNK = 500
FULL_EVERY = timedelta(minutes=10)
# Changes are asked for from a little before the last pass began: clocks differ, pages take time.
OVERLAP = timedelta(minutes=2)
# "settled" is left out: markets that settled long ago are many, and nobody trades them.
EVENT_STATUSES = ("open", "unopened", "closed")
LIVE_STATUSES = ("initialized", "inactive", "active", "closed", "determined", "disputed", "amended")
# Our own word for a market that the exchange lists no more.
UNLISTED = "unlisted"
TICKERS_PER_QUERY = 50
PAGES_AT_MOST = 2_000

Raw = Mapping[str, Any]
T = TypeVar("T")


class Reader(Protocol):
    """The part of ExchangeClient that a catalogue needs."""

    def get(self, path: str, *, params: Mapping[str, Any] | None = None) -> dict[str, Any]: ...


@dataclass(frozen=True, slots=True)
class CatalogueSync:
    """What one pass stored."""

    is_full: bool
    series: int
    events: int
    markets: int
    unlisted: int = 0


def catalogue_sync(
    environment: str, *, client: Reader | None = None, is_full: bool | None = None, now: datetime | None = None
) -> CatalogueSync:
    """Bring the catalogue of one environment up to date.

    Args:
        is_full: read everything; by default a full pass every ten minutes, else what changed.

    Raises:
        ExchangeError: the exchange could not be read. What was stored until then stays.
    """
    reader = client or environment_client(environment)
    started = now or utc_now()
    state: dict[str, datetime] = cache.get(_state_key(environment)) or {}
    if is_full is None:
        is_full = "full" not in state or started - state["full"] >= FULL_EVERY
    if is_full:
        result = _full_pass(environment, reader)
    else:
        result = _changes_pass(environment, reader, since=state.get("seen", started) - OVERLAP)
    # Without a full pass so far, "full" stays absent and the next pass is one.
    fresh = {**state, "seen": started} | ({"full": started} if is_full else {})
    cache.set(_state_key(environment), fresh, timeout=None)
    logger.info("catalogue of %s: %s", environment, result)
    return result


def market_fetch(environment: str, ticker: str, *, client: Reader | None = None) -> Market:
    """Read one market (and its event and series, if they are new) and store it.

    Raises:
        NotFound: the exchange knows no such market.
        ExchangeError: the exchange could not be read.
    """
    reader = client or environment_client(environment)
    try:
        raw = reader.get(f"/markets/{segment(ticker)}").get("market")
    except Refused as exc:
        if exc.status != 404:
            raise
        raise NotFound(f"The exchange knows no market {ticker} ({exc}).") from exc
    if not isinstance(raw, dict):
        raise NotFound(f"The exchange answered without a market {ticker}.")
    _events_ensure(environment, reader, [raw])
    markets_save(environment, [raw])
    return Market.objects.select_related("event").get(environment=environment, ticker=ticker)


def markets_fetch(environment: str, tickers: Sequence[str], *, client: Reader | None = None) -> set[str]:
    """Read markets of either tier by name, with the events and series that are new; return which were found.

    For history: settled markets leave the live lists (docs:historical_data). At most TICKERS_PER_QUERY names.

    Raises:
        ExchangeError: the exchange could not be read. What was stored until then stays.
    """
    reader = client or environment_client(environment)
    found: set[str] = set()
    # Live first: a market that moves between the two questions is then in the answer to the second.
    for path in ("/markets", "/historical/markets"):
        missing = sorted(set(tickers) - found)
        if not missing:
            break
        for page in _pages(reader, path, "markets", tickers=",".join(missing), limit=1000):
            _events_ensure(environment, reader, page)
            _series_ensure(environment, reader, page)
            markets_save(environment, page)
            found.update(str(market.get("ticker")) for market in page)
    return found


def event_fetch(environment: str, ticker: str, *, client: Reader | None = None) -> Event:
    """Read one event with its markets and store them. Raises NotFound, ExchangeError."""
    reader = client or environment_client(environment)
    try:
        body = reader.get(f"/events/{segment(ticker)}", params={"with_nested_markets": True})
    except Refused as exc:
        if exc.status != 404:
            raise
        raise NotFound(f"The exchange knows no event {ticker} ({exc}).") from exc
    raw = body.get("event")
    if not isinstance(raw, dict):
        raise NotFound(f"The exchange answered without an event {ticker}.")
    event_save(environment, raw)
    markets_save(environment, raw.get("markets") or body.get("markets") or [])
    return Event.objects.get(environment=environment, ticker=ticker)


def series_save(environment: str, raws: Iterable[Raw]) -> int:
    """Insert or update series; return how many."""
    return upsert(Series, (row for raw in raws if (row := _row(rows.series_row, environment, raw)) is not None))


def event_save(environment: str, raw: Raw) -> int:
    return events_save(environment, [raw])


def markets_save(environment: str, raws: Iterable[Raw]) -> int:
    """Insert or update markets whose events are stored; return how many. Others are left out, logged."""
    stored = 0
    for chunk in _chunks(raws, CHUNK):
        names = {raw.get("event_ticker") for raw in chunk}
        events = {event.ticker: event for event in Event.objects.filter(environment=environment, ticker__in=names)}
        built: list[Market] = []
        for raw in chunk:
            event = events.get(raw.get("event_ticker") or "")
            if event is None:
                logger.warning("market %s names an unknown event", str(raw.get("ticker"))[:120])
                continue
            row = _row(rows.market_row, environment, raw, event=event)
            if row is not None:
                built.append(row)
        tickers = [row.ticker for row in built]
        before = facts_of(environment, tickers)
        stored += upsert(Market, built)
        after = facts_of(environment, tickers)
        # Of a market that was not stored there is no page yet.
        facts_publish(environment, [ticker for ticker, facts in before.items() if facts != after[ticker]])
    return stored


# --- passes ----------------------------------------------------------------------------------


def _full_pass(environment: str, reader: Reader) -> CatalogueSync:
    series = series_save(environment, reader.get("/series").get("series") or [])
    events = markets = 0
    seen: set[str] = set()
    for status in EVENT_STATUSES:
        for page in _pages(reader, "/events", "events", status=status, with_nested_markets=True, limit=200):
            events += events_save(environment, page)
            nested = [market for event in page for market in event.get("markets") or []]
            markets += markets_save(environment, nested)
            seen.update(str(market.get("ticker")) for market in nested)
    unlisted = _refresh_vanished(environment, reader, seen)
    return CatalogueSync(True, series, events, markets, unlisted)


def _changes_pass(environment: str, reader: Reader, *, since: datetime) -> CatalogueSync:
    # min_updated_ts follows changes of metadata and status, not trading; prices come from the feed.
    # It cannot be combined with a status (docs: GET /markets).
    changed = to_unix_seconds(since)
    series = series_save(environment, reader.get("/series", params={"min_updated_ts": changed}).get("series") or [])
    events = markets = 0
    for page in _pages(reader, "/events", "events", min_updated_ts=changed, with_nested_markets=True, limit=200):
        events += events_save(environment, page)
        markets += markets_save(environment, [market for event in page for market in event.get("markets") or []])
    for page in _pages(reader, "/markets", "markets", min_updated_ts=changed, mve_filter="exclude", limit=1000):
        _events_ensure(environment, reader, page)
        markets += markets_save(environment, page)
    return CatalogueSync(False, series, events, markets)


def _refresh_vanished(environment: str, reader: Reader, seen: set[str]) -> int:
    """Give markets that the lists no longer hold their last status; return how many are listed nowhere."""
    stored = Market.objects.filter(environment=environment, status__in=LIVE_STATUSES).values_list("ticker", flat=True)
    vanished = sorted(set(stored) - seen)
    unlisted = 0
    for chunk in _chunks(vanished, TICKERS_PER_QUERY):
        found: set[str] = set()
        for page in _pages(reader, "/markets", "markets", tickers=",".join(chunk), limit=1000):
            markets_save(environment, page)
            found.update(str(market.get("ticker")) for market in page)
        missing = sorted(set(chunk) - found)
        gone = Market.objects.filter(environment=environment, ticker__in=missing)
        unlisted += gone.update(status=UNLISTED, updated_at=utc_now())
        facts_publish(environment, missing)
    return unlisted


def _events_ensure(environment: str, reader: Reader, markets: Sequence[Raw]) -> None:
    """Read and store the events of `markets` that are not stored yet."""
    names = {str(raw.get("event_ticker")) for raw in markets if raw.get("event_ticker")}
    known = set(Event.objects.filter(environment=environment, ticker__in=names).values_list("ticker", flat=True))
    for name in sorted(names - known):
        try:
            event = reader.get(f"/events/{segment(name)}").get("event")
        except Refused as exc:
            logger.warning("event %s of a listed market cannot be read: %s", name[:120], exc)
            continue
        if isinstance(event, dict):
            event_save(environment, event)


def _series_ensure(environment: str, reader: Reader, markets: Sequence[Raw]) -> None:
    """Read and store the series of the events of `markets` that are not stored yet."""
    events = Event.objects.filter(environment=environment, ticker__in={str(raw.get("event_ticker")) for raw in markets})
    series_ensure(environment, reader, set(events.exclude(series_ticker="").values_list("series_ticker", flat=True)))


def series_ensure(environment: str, reader: Reader, names: set[str]) -> None:
    """Read and store the series that are not stored yet. Raises ExchangeError, not for one that is refused."""
    known = set(Series.objects.filter(environment=environment, ticker__in=names).values_list("ticker", flat=True))
    for name in sorted(names - known):
        try:
            series = reader.get(f"/series/{segment(name)}").get("series")
        except Refused as exc:
            logger.warning("series %s of a listed market cannot be read: %s", name[:80], exc)
            continue
        if isinstance(series, dict):
            series_save(environment, [series])


def events_save(environment: str, raws: Iterable[Raw]) -> int:
    """Insert or update events; return how many."""
    built = [row for raw in raws if (row := _row(rows.event_row, environment, raw)) is not None]
    # EventData.category is deprecated: where it is not sent, the series says it.
    names = {row.series_ticker for row in built if not row.category}
    series = Series.objects.filter(environment=environment, ticker__in=names).values_list("ticker", "category")
    categories = dict(series)
    for row in built:
        row.category = row.category or categories.get(row.series_ticker, "")
    return upsert(Event, built)


# --- plumbing --------------------------------------------------------------------------------


def _state_key(environment: str) -> str:
    return f"catalogue-sync:{environment}"


def _row(build: Any, environment: str, raw: Raw, **extra: Any) -> Any:
    try:
        return build(environment, raw, **extra)
    except WireFormatError as exc:
        logger.warning("a catalogue object of %s was left out: %s", environment, exc)
        return None


def upsert(model: type[models.Model], built: Iterable[models.Model]) -> int:
    """Insert or update rows by (environment, ticker), all other columns; return how many."""
    updated = [
        field.name
        for field in model._meta.concrete_fields
        if not field.primary_key and field.name not in ("environment", "ticker")
    ]
    stored = 0
    for chunk in _chunks(built, CHUNK):
        # One row per ticker (an upsert may not touch a row twice), in one order (no deadlocks).
        unique = {row.ticker: row for row in chunk}  # type: ignore[attr-defined]
        ordered = [unique[ticker] for ticker in sorted(unique)]
        with transaction.atomic():
            model._default_manager.bulk_create(
                ordered,
                update_conflicts=True,
                unique_fields=["environment", "ticker"],
                update_fields=updated,
            )
        stored += len(ordered)
    return stored


def _pages(reader: Reader, path: str, key: str, **params: Any) -> Iterator[list[dict[str, Any]]]:
    cursor = ""
    for _ in range(PAGES_AT_MOST):
        body = reader.get(path, params={**params, "cursor": cursor} if cursor else params)
        yield [item for item in body.get(key) or [] if isinstance(item, dict)]
        following = body.get("cursor")
        # The last page has an empty, null or absent cursor; one that stands still would never end.
        if not following or following == cursor:
            return
        cursor = following
    logger.error("%s did not end after %d pages", path, PAGES_AT_MOST)


def _chunks(items: Iterable[T], size: int) -> Iterator[list[T]]:
    iterator = iter(items)
    while chunk := list(islice(iterator, size)):
        yield chunk
