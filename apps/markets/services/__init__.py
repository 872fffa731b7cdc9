"""Everything that writes the catalogue and the lists that people keep of it."""

from apps.markets.services.catalogue import (
    CatalogueSync,
    catalogue_sync,
    event_fetch,
    event_save,
    market_fetch,
    markets_fetch,
    markets_save,
    series_save,
)
from apps.markets.services.collections import collections_sync, combo_save
from apps.markets.services.fee_changes import fee_changes_sync
from apps.markets.services.incentives import incentives_sync
from apps.markets.services.lifecycle import lifecycle_apply
from apps.markets.services.milestones import milestones_sync
from apps.markets.services.targets import targets_of, targets_sync
from apps.markets.services.watchlists import watchlist_create, watchlist_remove, watchlist_rename, watchlist_star

__all__ = [
    "CatalogueSync",
    "catalogue_sync",
    "collections_sync",
    "combo_save",
    "event_fetch",
    "event_save",
    "fee_changes_sync",
    "incentives_sync",
    "lifecycle_apply",
    "market_fetch",
    "markets_fetch",
    "markets_save",
    "milestones_sync",
    "series_save",
    "targets_of",
    "targets_sync",
    "watchlist_create",
    "watchlist_remove",
    "watchlist_rename",
    "watchlist_star",
]
