"""Background work about environments and keys. Every task may run twice, late or never without harm."""

import logging

from celery import shared_task
from django.core.cache import cache

from apps.accounts.permissions import task_permission
from apps.core.durability import reaches_disk_later
from apps.core.errors import DeskError, WireFormatError
from apps.core.permissions import Permission
from apps.exchange import news, selectors, services, warm
from apps.exchange.wire.errors import ExchangeError
from apps.vault.models import ApiKey

logger = logging.getLogger(__name__)

SCHEDULE_EVERY = 890  # seconds: a little under fifteen minutes, so that every fifteenth pass reads it

__all__ = [
    "key_test",
    "key_test_enqueue",
    "news_sync",
    "status_refresh",
    "warm",
]  # `warm` listens for the worker's start


@shared_task(ignore_result=True)
@task_permission(Permission.SYSTEM)
@reaches_disk_later()
def status_refresh() -> None:
    """Refresh the status of every environment that has an active account. Beat runs this every 10 s."""
    for environment in selectors.environments_in_use():
        try:
            services.status_refresh(environment)
        except DeskError as exc:
            logger.warning("status of %s was not read: %s", environment, exc)


@shared_task(ignore_result=True)
@task_permission(Permission.SYSTEM)
def news_sync() -> None:
    """Read announcements, and each quarter of an hour the schedule. Beat runs this every 60 s."""
    for environment in selectors.environments_in_use():
        turn = f"exchange-schedule-turn:{environment}"
        try:
            news.announcements_sync(environment)
            if cache.add(turn, 1, timeout=SCHEDULE_EVERY):
                try:
                    news.schedule_sync(environment)
                except (ExchangeError, DeskError, WireFormatError):
                    cache.delete(turn)
                    raise
        except (ExchangeError, DeskError, WireFormatError) as exc:
            logger.warning("what %s announces was not read: %s", environment, exc)


@shared_task(ignore_result=True)
@task_permission(Permission.SYSTEM)
def key_test(key_row_id: int) -> None:
    """Test one key at the exchange (`core.ports.key_test_enqueue`); the vault checked who asked."""
    try:
        services.key_test(key_row_id)
    except ApiKey.DoesNotExist:
        logger.warning("key row %s to be tested does not exist", key_row_id)


def key_test_enqueue(key_row_id: int) -> None:
    key_test.delay(key_row_id)
