"""Rows of history: `sync` (what has been read from the exchange, and how far)."""

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
    "HistoricalCutoff",
    "HistoryAccount",
    "PublicTrade",
    "SyncRun",
    "SyncState",
]
