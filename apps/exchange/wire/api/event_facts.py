"""What the exchange tells of events beside their markets."""

from collections.abc import Sequence
from typing import Literal

from apps.exchange.wire.api.calls import many, one, segment
from apps.exchange.wire.client import ExchangeClient
from apps.exchange.wire.schemas.event_facts import EventMetadata, ForecastPoint


def get_event_metadata(client: ExchangeClient, event_ticker: str) -> EventMetadata:
    """Public."""
    return one(EventMetadata, client.get(f"/events/{segment(event_ticker)}/metadata"), is_read=True)


def get_forecast(
    client: ExchangeClient,
    *,
    series_ticker: str,
    event_ticker: str,
    percentiles: Sequence[int],
    start_ts: int,
    end_ts: int,
    period_minutes: Literal[0, 1, 60, 1440],
) -> list[ForecastPoint]:
    """Return forecasts at the ends of periods in [start_ts, end_ts], Unix seconds. Needs a key.

    percentiles: of 10,000, at most ten. period_minutes 0: five seconds.
    """
    body = client.get(
        f"/series/{segment(series_ticker)}/events/{segment(event_ticker)}/forecast_percentile_history",
        params={
            "percentiles": [str(one) for one in percentiles],
            "start_ts": start_ts,
            "end_ts": end_ts,
            "period_interval": period_minutes,
        },
        kind="bulk",
    )
    return many(ForecastPoint, body, key="forecast_history")
