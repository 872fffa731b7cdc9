"""What the gateway's database thread hands to the catalogue."""

import logging
from typing import Any

from kombu.exceptions import OperationalError

from apps.core.ports import FeedContext
from apps.markets import services, tasks
from apps.markets.selectors import markets_known
from apps.markets.services.lifecycle import LifecycleResult

logger = logging.getLogger(__name__)


def lifecycle_received(context: FeedContext, messages: list[Any]) -> None:
    """Apply lifecycle messages and queue the readings that they ask for."""
    _queue_reads(context, services.lifecycle_apply(context.environment, messages))


def combo_lifecycle_received(context: FeedContext, messages: list[Any]) -> None:
    """The same for combos: only of those that the catalogue has, because anybody makes new ones all day."""
    known = markets_known(context.environment, {message.market_ticker for message in messages})
    mine = [message for message in messages if message.market_ticker in known]
    if mine:
        _queue_reads(context, services.lifecycle_apply(context.environment, mine))


def _queue_reads(context: FeedContext, todo: LifecycleResult) -> None:
    try:
        for ticker in sorted(todo.markets):
            tasks.market_fetch.apply_async((context.environment, ticker), retry=False)
        for ticker in sorted(todo.events):
            tasks.event_fetch.apply_async((context.environment, ticker), retry=False)
    except OperationalError as exc:
        # The next sync reads what changed.
        logger.warning("the broker cannot be reached, %d markets wait for the next sync: %s", len(todo.markets), exc)
