"""Ask for a refresh, at most once a second per account however many fills come in."""

import logging

import redis
from celery import current_app
from django.core.cache import cache
from kombu.exceptions import KombuError

logger = logging.getLogger(__name__)

ACCOUNT_REFRESH = "apps.portfolio.tasks.account_portfolio_sync"
SETTLE_SECONDS = 1


def refresh_soon(account_id: int) -> None:
    """Queue a refresh that starts a second from now. Without a broker the next beat does it."""
    try:
        if cache.add(f"portfolio-refresh-soon:{account_id}", 1, timeout=SETTLE_SECONDS):
            task = current_app.tasks[ACCOUNT_REFRESH]
            task.apply_async((account_id,), countdown=SETTLE_SECONDS, retry=False)
    except (KombuError, redis.RedisError, OSError) as exc:
        logger.warning("a refresh of account %s was not queued (%s)", account_id, type(exc).__name__)


def refresh_now(account_id: int) -> None:
    try:
        current_app.tasks[ACCOUNT_REFRESH].apply_async((account_id,), retry=False)
    except (KombuError, OSError) as exc:
        logger.warning("a refresh of account %s was not queued (%s)", account_id, type(exc).__name__)
