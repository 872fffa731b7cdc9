"""What the gateway's database thread hands over: position messages, and fills as a reason to look."""

import logging
import time
from typing import Any

from apps.core.errors import WireFormatError
from apps.core.ports import FeedContext
from apps.core.timestamps import from_unix_ms
from apps.portfolio import queue, services
from apps.portfolio.reports import PositionReport, position_from_ws

logger = logging.getLogger(__name__)

_asked_at: dict[int, float] = {}  # account -> when this process queued its last refresh, monotonic seconds


def positions_received(context: FeedContext, messages: list[Any]) -> None:
    reports: list[PositionReport] = []
    for message in messages:
        try:
            reports.append(position_from_ws(message, received_at=from_unix_ms(context.recv_ms)))
        except WireFormatError as exc:
            logger.warning("a position message of account %s cannot be used: %s", context.account_id, exc)
    # One message may change a market twice: only its last word is stored.
    latest = {(report.subaccount, report.ticker): report for report in reports}
    services.positions_apply(context.account_id, latest.values(), source="ws")


def balance_moved(context: FeedContext, messages: list[Any]) -> None:
    """A fill or an order moved cash, and no message says how much is left: read it soon."""
    now, asked_at = time.monotonic(), _asked_at.get(context.account_id)
    if not messages or (asked_at is not None and now - asked_at < queue.SETTLE_SECONDS):
        return  # the refresh that was queued then has not begun: it will see this, too
    if queue.refresh_soon(context.account_id):
        _asked_at[context.account_id] = now
