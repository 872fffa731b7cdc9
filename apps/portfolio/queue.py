"""Ask for a refresh, at most once a second per account however many fills come in."""

import logging

import redis
from django.core.cache import cache

from apps.orders.queue import enqueue

logger = logging.getLogger(__name__)

ACCOUNT_REFRESH = "apps.portfolio.tasks.account_portfolio_sync"
SUBACCOUNTS_SYNC = "apps.portfolio.tasks.account_subaccounts_sync"
SUBACCOUNT_SEND = "apps.portfolio.tasks.subaccount_send"
SETTLE_SECONDS = 1


def refresh_soon(account_id: int) -> bool:
    """Queue a refresh that starts SETTLE_SECONDS from now, unless there is one; say whether this call did.

    Without a broker the next beat does it.
    """
    try:
        is_first = cache.add(f"portfolio-refresh-soon:{account_id}", 1, timeout=SETTLE_SECONDS)
    except (redis.RedisError, OSError) as exc:
        logger.warning("a refresh of account %s waits for the next beat (%s)", account_id, type(exc).__name__)
        return False
    return is_first and enqueue(ACCOUNT_REFRESH, account_id, countdown=SETTLE_SECONDS)


def refresh_now(account_id: int) -> None:
    enqueue(ACCOUNT_REFRESH, account_id)
