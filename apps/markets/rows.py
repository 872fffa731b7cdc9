"""Catalogue objects of the exchange's REST answers as unsaved rows. Pure: no database, no network.

Text is stored as the text it is and cut to its column. A number or time that is not in its
documented form becomes None and stays readable in `extra`: one odd market must not stop the sync
of thousands.
"""

from collections.abc import Callable, Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any, TypeVar

from apps.core.errors import WireFormatError
from apps.core.money import parse_count, parse_price
from apps.core.timestamps import parse_rfc3339
from apps.exchange.wire.schemas.communications import Collection as WireCollection
from apps.exchange.wire.schemas.rest import SeriesFeeChange as WireFeeChange
from apps.markets.models import Collection, Event, Market, Series, SeriesFeeChange

T = TypeVar("T")
Raw = Mapping[str, Any]

# Fields of GET /markets that have a column of their own, that repeat one, or that are deprecated.
_MARKET_FIELDS_STORED = frozenset(
    [
        "ticker",
        "event_ticker",
        "title",
        "yes_sub_title",
        "no_sub_title",
        "status",
        "open_time",
        "close_time",
        "expected_expiration_time",
        "latest_expiration_time",
        "fee_waiver_expiration_time",
        "yes_bid_dollars",
        "yes_ask_dollars",
        "yes_bid_size_fp",
        "yes_ask_size_fp",
        "last_price_dollars",
        "previous_price_dollars",
        "volume_fp",
        "volume_24h_fp",
        "open_interest_fp",
        "notional_value_dollars",
        "result",
        "settlement_value_dollars",
        "rules_primary",
        "rules_secondary",
        "price_level_structure",
        "price_ranges",
        "can_close_early",
        "mve_collection_ticker",
        "mve_selected_legs",
    ]
)
_MARKET_FIELDS_DROPPED = frozenset(
    [
        "no_bid_dollars",
        "no_ask_dollars",
        "previous_yes_bid_dollars",
        "previous_yes_ask_dollars",
        "liquidity_dollars",
        "response_price_units",
        "fractional_trading_enabled",
        "subtitle",
        "expiration_time",
        "updated_time",
    ]
)


def series_row(environment: str, raw: Raw) -> Series:
    """Raises WireFormatError when there is no ticker."""
    return Series(
        environment=environment,
        ticker=_ticker(raw, "ticker"),
        title=_text(raw.get("title"), 300),
        category=_text(raw.get("category"), 80),
        tags=_texts(raw.get("tags")),
        frequency=_text(raw.get("frequency"), 40),
        fee_type=_text(raw.get("fee_type"), 60) or "quadratic",
        fee_multiplier=_decimal_text(raw.get("fee_multiplier")) or "1",
        settlement_sources=raw.get("settlement_sources") or [],
    )


def fee_change_row(
    environment: str, raw: WireFeeChange, *, series: Series, at: datetime, seen_at: datetime
) -> SeriesFeeChange:
    """Return a change that is listed at `seen_at`. Raises WireFormatError when its id is none."""
    if not 0 < len(raw.id) <= 80 or "\x00" in raw.id:
        raise WireFormatError(f"not the id of a fee change: {raw.id[:60]!r}")
    is_ahead = at > seen_at
    return SeriesFeeChange(
        environment=environment,
        exchange_id=raw.id,
        series=series,
        fee_type=_text(raw.fee_type, 60),
        fee_multiplier=_decimal_text(raw.fee_multiplier) or "",
        scheduled_at=at,
        before_type=series.fee_type if is_ahead else None,
        before_multiplier=series.fee_multiplier if is_ahead else None,
        seen_at=seen_at,
    )


def event_row(environment: str, raw: Raw) -> Event:
    """Raises WireFormatError when there is no ticker."""
    return Event(
        environment=environment,
        ticker=_ticker(raw, "event_ticker"),
        series_ticker=_text(raw.get("series_ticker"), 80),
        title=_text(raw.get("title"), 400),
        sub_title=_text(raw.get("sub_title"), 300),
        category=_text(raw.get("category"), 80),
        is_mutually_exclusive=raw.get("mutually_exclusive") is True,
        competition=_metadata(raw, "competition", 120),
        competition_scope=_metadata(raw, "competition_scope", 80),
        strike_date=_read(raw.get("strike_date"), parse_rfc3339),
        fee_type_override=_text(raw.get("fee_type_override"), 60) or None,
        fee_multiplier_override=_decimal_text(raw.get("fee_multiplier_override")),
    )


def _metadata(raw: Raw, name: str, most: int) -> str:
    found = raw.get("product_metadata")
    return _text(found.get(name), most) if isinstance(found, dict) else ""


def market_row(environment: str, raw: Raw, *, event: Event) -> Market:
    """Return one market of a saved event. Raises WireFormatError when there is no ticker or status."""
    extra = {
        key: value
        for key, value in raw.items()
        if key not in _MARKET_FIELDS_STORED and key not in _MARKET_FIELDS_DROPPED
    }
    reader = _Reader(raw, extra)
    status = _text(raw.get("status"), 20)
    if not status:
        raise WireFormatError("a market without a status")
    ranges = raw.get("price_ranges")
    return Market(
        environment=environment,
        ticker=_ticker(raw, "ticker"),
        event=event,
        series_ticker=event.series_ticker,
        title=_text(raw.get("title"), 400),
        yes_sub_title=_text(raw.get("yes_sub_title"), 300),
        no_sub_title=_text(raw.get("no_sub_title"), 300),
        status=status,
        open_time=reader.time("open_time"),
        close_time=reader.time("close_time"),
        expected_expiration_time=reader.time("expected_expiration_time"),
        latest_expiration_time=reader.time("latest_expiration_time"),
        fee_waiver_expiration_time=reader.time("fee_waiver_expiration_time"),
        yes_bid=reader.price("yes_bid_dollars"),
        yes_ask=reader.price("yes_ask_dollars"),
        yes_bid_size=reader.count("yes_bid_size_fp"),
        yes_ask_size=reader.count("yes_ask_size_fp"),
        last_price=reader.price("last_price_dollars"),
        previous_price=reader.price("previous_price_dollars"),
        volume=reader.count("volume_fp") or Decimal(0),
        volume_24h=reader.count("volume_24h_fp") or Decimal(0),
        open_interest=reader.count("open_interest_fp") or Decimal(0),
        notional_value=reader.price("notional_value_dollars") or Decimal(1),
        result=_text(raw.get("result"), 12),
        settlement_value=reader.price("settlement_value_dollars"),
        rules_primary=_text(raw.get("rules_primary"), None),
        rules_secondary=_text(raw.get("rules_secondary"), None),
        price_level_structure=_text(raw.get("price_level_structure"), 60),
        price_ranges=ranges if isinstance(ranges, list) else [],
        can_close_early=raw.get("can_close_early") is True,
        mve_collection_ticker=_text(raw.get("mve_collection_ticker"), 120),
        legs=_legs(raw.get("mve_selected_legs")),
        extra=extra,
    )


def collection_row(environment: str, raw: WireCollection) -> Collection:
    """Raises WireFormatError when there is no ticker."""
    events = [
        {
            "ticker": event.ticker,
            "is_yes_only": event.is_yes_only,
            "size_min": event.size_min,
            "size_max": event.size_max,
        }
        for event in raw.associated_events
    ]
    return Collection(
        environment=environment,
        ticker=_ticker({"ticker": raw.collection_ticker}, "ticker"),
        series_ticker=_text(raw.series_ticker, 80),
        title=_text(raw.title, 300),
        description=_text(raw.functional_description or raw.description, None),
        open_time=_read(raw.open_date, parse_rfc3339),
        close_time=_read(raw.close_date, parse_rfc3339),
        events=events,
        is_ordered=raw.is_ordered,
        is_single_market_per_event=raw.is_single_market_per_event,
        is_all_yes=raw.is_all_yes,
        size_min=max(raw.size_min, 0),
        size_max=max(raw.size_max, 0),
    )


def _legs(raw: Any) -> list[dict[str, str]]:
    """Return the legs of a combo; one that cannot be read makes the whole unknown, which is empty."""
    found = []
    for leg in raw if isinstance(raw, list) else []:
        if not isinstance(leg, dict):
            return []
        names = {name: leg.get(name) for name in ("event_ticker", "market_ticker", "side")}
        if not all(isinstance(value, str) and value for value in names.values()):
            return []
        found.append({name: str(value)[:120] for name, value in names.items()})
    return found


class _Reader:
    """Reads numbers and times of one market; what is not in its documented form is left in `extra`."""

    def __init__(self, raw: Raw, extra: dict[str, Any]) -> None:
        self._raw = raw
        self._extra = extra

    def price(self, name: str) -> Decimal | None:
        return self._field(name, parse_price)

    def count(self, name: str) -> Decimal | None:
        return self._field(name, parse_count)

    def time(self, name: str) -> datetime | None:
        return self._field(name, parse_rfc3339)

    def _field(self, name: str, parse: Callable[[str], T]) -> T | None:
        raw = self._raw.get(name)
        value = _read(raw, parse)
        if value is None and raw not in (None, ""):
            self._extra[name] = raw
        return value


def _read(raw: Any, parse: Callable[[str], T]) -> T | None:
    if raw is None or raw == "":
        return None
    try:
        return parse(raw)
    except WireFormatError:
        return None


def _ticker(raw: Raw, name: str) -> str:
    ticker = raw.get(name)
    if not isinstance(ticker, str) or not 0 < len(ticker) <= 120:
        raise WireFormatError(f"{name} is not a ticker: {str(ticker)[:60]!r}")
    return ticker


def _text(raw: Any, limit: int | None) -> str:
    # NUL is the one character that PostgreSQL refuses in text.
    text = "" if raw is None else str(raw).replace("\x00", "")
    return text if limit is None else text[:limit]


def _texts(raw: Any) -> list[str]:
    return [str(item) for item in raw] if isinstance(raw, list) else []


def _decimal_text(raw: Any) -> str | None:
    """Return a JSON number as the decimal text that the exchange wrote ("0.5"), None when there is none."""
    if isinstance(raw, bool) or not isinstance(raw, int | float | str | Decimal) or raw == "":
        return None
    # repr of a float is the shortest text that reads back the same, which is what was written.
    text = repr(raw) if isinstance(raw, float) else str(raw)
    return text.removesuffix(".0")[:20]
