"""What the gateway's database thread hands over: own orders and fills, in order of arrival."""

import logging
from typing import Any

from apps.core.errors import WireFormatError
from apps.core.ports import FeedContext
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


def _read_instead(context: FeedContext, exc: WireFormatError) -> None:
    """A message that cannot be used says that something happened: read what it was."""
    logger.warning("a message for account %s cannot be used, reading instead: %s", context.account_id, exc)
    queue.enqueue(queue.ACCOUNT_SYNC, context.account_id)
