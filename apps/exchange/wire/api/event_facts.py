"""What the exchange tells of events beside their markets."""

from apps.exchange.wire.api.calls import one, segment
from apps.exchange.wire.client import ExchangeClient
from apps.exchange.wire.schemas.event_facts import EventMetadata


def get_event_metadata(client: ExchangeClient, event_ticker: str) -> EventMetadata:
    """Public."""
    return one(EventMetadata, client.get(f"/events/{segment(event_ticker)}/metadata"), is_read=True)
