"""What the gateway's database thread hands to the catalogue."""

import logging
from typing import Any

from kombu.exceptions import OperationalError

from apps.core.ports import FeedContext
from apps.markets import services, tasks

logger = logging.getLogger(__name__)


def lifecycle_received(context: FeedContext, messages: list[Any]) -> None:
    """Apply lifecycle messages and queue the readings that they ask for."""
    todo = services.lifecycle_apply(context.environment, messages)
    try:
        for ticker in sorted(todo.markets):
            tasks.market_fetch.apply_async((context.environment, ticker), retry=False)
        for ticker in sorted(todo.events):
            tasks.event_fetch.apply_async((context.environment, ticker), retry=False)
    except OperationalError as exc:
        # The next sync reads what changed.
        logger.warning("the broker cannot be reached, %d markets wait for the next sync: %s", len(todo.markets), exc)
