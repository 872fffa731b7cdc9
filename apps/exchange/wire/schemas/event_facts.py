"""What the exchange tells of events beside their markets, by REST (3.18.0 and 3.28.0 alike)."""

from typing import Any

from apps.exchange.wire.schemas.base import Wire


class EventMetadata(Wire):
    """image_url, featured_image_url: paths of pictures. settlement_sources: [{"name", "url"}], either may be absent."""

    image_url: str | None = None
    featured_image_url: str | None = None
    competition: str | None = None
    competition_scope: str | None = None
    settlement_sources: list[Any] | None = None
    market_details: list[Any] | None = None


class ForecastPoint(Wire):
    """The forecast at the end of one period. end_period_ts: Unix seconds.

    percentile_points: [{"percentile" (of 10,000), "numerical_forecast", "formatted_forecast", ..}].
    """

    end_period_ts: int
    event_ticker: str = ""
    period_interval: int = 0
    percentile_points: list[Any] | None = None
