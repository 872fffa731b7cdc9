"""Keeps what a pushing source says of own trades, orders and positions, apart from the ledger.

The gateway's database thread hands the WebSocket's messages to the handlers here; FIX calls `sightings_record` with
its own source name.
"""

import logging
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from apps.core.errors import WireFormatError
from apps.core.ports import FeedContext
from apps.core.timestamps import from_unix_ms
from apps.history.models import Sighting, Subject
from apps.history.reconcile_sides import Side, order_side, position_key, position_side, trade_key, trade_side
from apps.orders.reports import fill_from_ws, order_from_ws
from apps.portfolio.reports import position_from_ws

logger = logging.getLogger(__name__)


def trades_received(context: FeedContext, messages: list[Any]) -> None:
    sides: dict[str, Side] = {}
    for message in messages:
        try:
            report = fill_from_ws(message)
        except WireFormatError:
            continue  # the orders' own handler has said so, and reads instead
        sides[trade_key(report)] = trade_side(report)
    _record(context, Subject.TRADE, sides)


def orders_received(context: FeedContext, messages: list[Any]) -> None:
    sides: dict[str, Side] = {}
    for message in messages:
        try:
            report = order_from_ws(message)
        except WireFormatError:
            continue
        sides[report.order_id] = order_side(report)
    _record(context, Subject.ORDER, sides)


def positions_received(context: FeedContext, messages: list[Any]) -> None:
    at = from_unix_ms(context.recv_ms)
    sides: dict[str, Side] = {}
    for message in messages:
        try:
            report = position_from_ws(message, received_at=at)
        except WireFormatError:
            continue
        side = position_side(subaccount=report.subaccount, ticker=report.ticker, contracts=report.position)
        sides[position_key(report.subaccount, report.ticker)] = side
    _record(context, Subject.POSITION, sides)


def _record(context: FeedContext, subject: Subject, sides: Mapping[str, Side]) -> None:
    sightings_record(context.account_id, source="ws", subject=subject, sides=sides, at=from_unix_ms(context.recv_ms))


def sightings_record(
    account_id: int, *, source: str, subject: Subject, sides: Mapping[str, Side], at: datetime
) -> None:
    """Store what a source said by key, one upsert for all. at: our clock, when it arrived."""
    rows = [
        Sighting(
            account_id=account_id,
            source=source,
            subject=subject,
            key=key,
            data=side,
            first_seen_at=at,
            seen_at=at,
        )
        for key, side in sorted(sides.items())
    ]
    if rows:
        Sighting.objects.bulk_create(
            rows,
            update_conflicts=True,
            unique_fields=["account", "source", "subject", "key"],
            update_fields=["data", "seen_at"],
        )
