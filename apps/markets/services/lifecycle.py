"""Apply lifecycle messages of the WebSocket at once, ahead of the next sync."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from apps.core.errors import WireFormatError
from apps.core.money import parse_price
from apps.core.timestamps import from_unix_seconds, utc_now
from apps.markets.facts import facts_publish
from apps.markets.models import Market

# A message of these kinds names what changed, not all of what it changed to: read the market again.
REFETCHED = frozenset({"created", "activated", "deactivated", "price_level_structure_updated", "metadata_updated"})


@dataclass(slots=True)
class LifecycleResult:
    """What has to be read from the exchange after lifecycle messages were applied."""

    markets: set[str] = field(default_factory=set)
    events: set[str] = field(default_factory=set)


def lifecycle_apply(environment: str, messages: Iterable[Any]) -> LifecycleResult:
    """Apply `market_lifecycle_v2` and `event_lifecycle` messages in order of arrival.

    Applying one twice changes nothing. An event type that is not known yet leads to a reading of
    the market, so that a new word at the exchange costs one request and no truth.
    """
    result = LifecycleResult()
    for message in messages:
        ticker = getattr(message, "market_ticker", "")
        if not ticker:
            event = getattr(message, "event_ticker", "")
            if event:
                result.events.add(event)
            continue
        changes = lifecycle_changes(message)
        is_stored = Market.objects.filter(environment=environment, ticker=ticker).update(
            **changes, updated_at=utc_now()
        )
        if is_stored and changes:
            facts_publish(environment, [ticker])
        if not is_stored or not changes or message.event_type in REFETCHED:
            result.markets.add(ticker)
    return result


def lifecycle_changes(message: Any) -> dict[str, Any]:
    """Return the columns that one message gives a new value, from Unix seconds and dollar strings."""
    match message.event_type:
        case "activated":
            return {"status": "active"}
        case "deactivated":
            # Also sent when a pause ends, with the flag false.
            return {"status": "inactive" if message.is_deactivated in (None, True) else "active"}
        case "determined":
            changes: dict[str, Any] = {"status": "determined", "result": str(message.result or "")[:12]}
            if message.settlement_value:
                changes |= _known(settlement_value=lambda: parse_price(message.settlement_value))
            return changes
        case "settled":
            return {"status": "finalized"}
        case "close_date_updated" if message.close_ts:
            return _known(close_time=lambda: from_unix_seconds(message.close_ts))
        case "price_level_structure_updated" if message.price_level_structure:
            return {"price_level_structure": str(message.price_level_structure)[:60]}
    return {}


def _known(**readers: Any) -> dict[str, Any]:
    values = {}
    for name, read in readers.items():
        try:
            values[name] = read()
        except WireFormatError:
            continue
    return values
