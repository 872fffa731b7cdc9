"""Blotters of requests and quotes as CSV (RFC 4180), written while they are read; columns are those of the pages."""

import csv
from collections.abc import Iterable, Iterator
from datetime import datetime
from decimal import Decimal
from typing import Any

from apps.core.timestamps import format_rfc3339
from apps.orders.pages.export import safe_cell
from apps.rfq.events.words import Row
from apps.rfq.selectors.blotters import QUOTES, REQUESTS
from apps.rfq.services.markouts import ALL_HORIZONS

# Column of the file -> field of a row. Prices and money in dollars, spans in milliseconds, times UTC.
COLUMNS: dict[str, dict[str, str]] = {
    REQUESTS: {
        "key": "key",
        "rfq_id": "rfq_id",
        "created_utc": "created_at",
        "market": "ticker",
        "title": "title",
        "legs": "legs",
        "contracts": "contracts",
        "target_cost_dollars": "target_cost",
        "quotes": "quotes",
        "best_yes_dollars": "best_yes",
        "best_no_dollars": "best_no",
        "cover_dollars": "cover",
        "bought": "buys",
        "price_dollars": "price",
        "contracts_bought": "bought",
        "maker": "maker",
        "improvement_per_contract_dollars": "improvement",
        "improvement_dollars": "improvement_total",
        "fees_dollars": "fees",
        "to_first_quote_ms": "first_quote_ms",
        "to_accept_ms": "accept_ms",
        "accept_to_confirm_ms": "confirm_ms",
        "confirm_to_execution_ms": "execute_ms",
        "lapses": "lapses",
        "person": "person",
        "owner": "owner",
        "approver": "approver",
        "state": "state_text",
        "reason": "reason",
        "note": "note",
    },
    QUOTES: {
        "key": "key",
        "quote_id": "quote_id",
        "rfq_id": "rfq_id",
        "created_utc": "created_at",
        "market": "ticker",
        "title": "title",
        "legs": "legs",
        "contracts": "contracts",
        "target_cost_dollars": "target_cost",
        "yes_bid_dollars": "yes_bid",
        "no_bid_dollars": "no_bid",
        "rule": "rule",
        "fair_yes_dollars": "fair",
        "fair_yes_at_accept_dollars": "fair_at_accept",
        "edge_yes_dollars": "edge_yes",
        "edge_no_dollars": "edge_no",
        "accepted_side": "accepted_side",
        "price_dollars": "price",
        "contracts_taken": "taken",
        "policy": "policy",
        "decision": "decision",
        "decided_by": "decided_by",
        "decision_reason": "reason",
        "slack_ms": "slack_ms",
        **{f"markout_{name}_dollars": f"markout_{name}" for name in ALL_HORIZONS},
        **{f"no_markout_{name}": f"why_not_{name}" for name in ALL_HORIZONS},
        "person": "person",
        "owner": "owner",
        "state": "state_text",
        "note": "note",
    },
}


class _Echo:
    """A file that hands back each line instead of keeping it."""

    def write(self, line: str) -> str:
        return line


def export_lines(kind: str, rows: Iterable[Row]) -> Iterator[str]:
    """Yield the lines of a CSV file, its heads first."""
    writer = csv.writer(_Echo())
    yield writer.writerow(COLUMNS[kind])
    for row in rows:
        yield writer.writerow([_cell(row[field]) for field in COLUMNS[kind].values()])


def _cell(value: Any) -> str:
    """A number stays a number, below zero too; of texts none can become a formula."""
    if isinstance(value, Decimal):
        return f"{value:f}"
    return safe_cell(format_rfc3339(value) if isinstance(value, datetime) else value)
