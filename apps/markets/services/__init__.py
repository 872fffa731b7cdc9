"""Everything that writes the catalogue."""

from apps.markets.services.catalogue import (
    CatalogueSync,
    catalogue_sync,
    event_fetch,
    event_save,
    market_fetch,
    markets_save,
    series_save,
)
from apps.markets.services.lifecycle import lifecycle_apply

__all__ = [
    "CatalogueSync",
    "catalogue_sync",
    "event_fetch",
    "event_save",
    "lifecycle_apply",
    "market_fetch",
    "markets_save",
    "series_save",
]
