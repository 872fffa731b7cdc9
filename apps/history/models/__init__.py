"""Rows of history: `sync` (what has been read from the exchange, and how far), `reconcile` (where sources differ)."""

from apps.history.models.reconcile import Discrepancy, ReconcileRun, Sighting, Subject
from apps.history.models.sync import (
    Candle,
    ChosenMarket,
    DataSet,
    HistoricalCutoff,
    HistoryAccount,
    PublicTrade,
    SyncRun,
    SyncState,
)

__all__ = [
    "Candle",
    "ChosenMarket",
    "DataSet",
    "Discrepancy",
    "HistoricalCutoff",
    "HistoryAccount",
    "PublicTrade",
    "ReconcileRun",
    "Sighting",
    "Subject",
    "SyncRun",
    "SyncState",
]
