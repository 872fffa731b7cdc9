"""Pages of History: sync, search, reconciliation."""
