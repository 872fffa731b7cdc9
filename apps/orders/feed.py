"""What the gateway's database thread hands over: own orders and fills, in order of arrival."""

import logging
from typing import Any

from apps.core.errors import WireFormatError
from apps.core.money import parse_count
from apps.core.ports import FeedContext
from apps.core.timestamps import from_unix_ms
from apps.orders import queue, services
from apps.orders.reports import FillReport, fill_from_ws, order_from_ws

logger = logging.getLogger(__name__)


def orders_received(context: FeedContext, messages: list[Any]) -> None:
    for message in messages:
        try:
            report = order_from_ws(message)
        except WireFormatError as exc:
            _read_instead(context, exc)
            continue
        services.order_apply(context.account_id, report, source="ws")


def fills_received(context: FeedContext, messages: list[Any]) -> None:
    reports: list[FillReport] = []
    for message in messages:
        try:
            reports.append(fill_from_ws(message))
        except WireFormatError as exc:
            _read_instead(context, exc)
    services.fills_record(context.account_id, reports, source="ws")


def groups_received(context: FeedContext, messages: list[Any]) -> None:
    for message in messages:
        try:
            limit = parse_count(message.contracts_limit_fp) if message.contracts_limit_fp else None
            at = from_unix_ms(context.recv_ms if message.ts_ms is None else message.ts_ms)
        except WireFormatError as exc:
            _read_instead(context, exc)
            continue
        services.group_apply(context.account_id, message.order_group_id, event=message.event_type, limit=limit, at=at)


def _read_instead(context: FeedContext, exc: WireFormatError) -> None:
    """A message that cannot be used says that something happened: read what it was."""
    logger.warning("a message for account %s cannot be used, reading instead: %s", context.account_id, exc)
    queue.enqueue(queue.ACCOUNT_SYNC, context.account_id)
