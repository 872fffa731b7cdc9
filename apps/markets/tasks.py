"""Background work of the catalogue. Every task may run twice, late or never without harm."""

import logging
from collections.abc import Callable

from celery import shared_task
from django.core.cache import cache

from apps.accounts.permissions import task_permission
from apps.core.errors import DeskError
from apps.core.permissions import Permission
from apps.core.timestamps import unix_ms_now
from apps.exchange.selectors import environments_in_use
from apps.exchange.wire.errors import ExchangeError
from apps.markets import forecasts, milestone_live, services

logger = logging.getLogger(__name__)

# A pass that was killed lets the next one start after this long.
LOCK_SECONDS = 300
LIVE_DATA_SECONDS = 3
LIVE_DATA_LOCK_SECONDS = 60
FEE_CHANGES_EVERY = 3600  # seconds
INCENTIVES_EVERY = 590  # a little under ten minutes, so that every tenth pass reads them


@shared_task(ignore_result=True)
@task_permission(Permission.SYSTEM)
def catalogue_sync() -> None:
    """Sync the catalogue of every environment that has an active account. Beat runs this every 60 s."""
    for environment in environments_in_use():
        catalogue_environment_sync.delay(environment)


@shared_task(ignore_result=True)
@task_permission(Permission.SYSTEM)
def catalogue_environment_sync(environment: str) -> None:
    """Sync one environment, unless a pass over it is still running."""
    if _synced_alone(environment, "catalogue", services.catalogue_sync, services.collections_sync):
        _now_and_then(environment, "fee-changes", FEE_CHANGES_EVERY, services.fee_changes_sync)
        _now_and_then(environment, "incentives", INCENTIVES_EVERY, services.incentives_sync)


def _synced_alone(environment: str, name: str, *syncs: Callable[[str], object]) -> bool:
    """Run one after the other, up to one that fails. False: such a pass is still running, so nothing was done."""
    lock = f"{name}-sync-lock:{environment}"
    if not cache.add(lock, 1, timeout=LOCK_SECONDS):
        return False
    try:
        for sync in syncs:
            sync(environment)
    except (ExchangeError, DeskError) as exc:
        logger.warning("%s of %s was not synced, beat tries again: %s", name, environment, exc)
    finally:
        cache.delete(lock)
    return True


def _now_and_then(environment: str, name: str, seconds: int, sync: Callable[[str], object]) -> None:
    """Do what need not be done with each pass; one that failed is done again with the next."""
    turn = f"{name}-turn:{environment}"
    if not cache.add(turn, 1, timeout=LOCK_SECONDS):
        return
    try:
        sync(environment)
    except (ExchangeError, DeskError) as exc:
        cache.delete(turn)
        logger.warning("%s of %s were not read, beat tries again: %s", name, environment, exc)
    else:
        cache.set(turn, 1, timeout=seconds)


@shared_task(ignore_result=True)
@task_permission(Permission.SYSTEM)
def market_fetch(environment: str, ticker: str) -> None:
    """Read one market again, because a lifecycle message or a page asked for it."""
    try:
        services.market_fetch(environment, ticker)
    except (ExchangeError, DeskError) as exc:
        logger.warning("market %s of %s was not read: %s", ticker, environment, exc)


@shared_task(ignore_result=True)
@task_permission(Permission.SYSTEM)
def event_fetch(environment: str, ticker: str) -> None:
    """Read one event and its markets again."""
    try:
        services.event_fetch(environment, ticker)
    except (ExchangeError, DeskError) as exc:
        logger.warning("event %s of %s was not read: %s", ticker, environment, exc)


@shared_task(ignore_result=True)
@task_permission(Permission.SYSTEM)
def milestones_sync() -> None:
    """Sync what events are about, of every environment in use. Beat runs this every 60 s."""
    for environment in environments_in_use():
        milestones_environment_sync.delay(environment)


@shared_task(ignore_result=True)
@task_permission(Permission.SYSTEM)
def milestones_environment_sync(environment: str) -> None:
    """Sync the milestones of one environment, unless a pass over it is still running."""
    _synced_alone(
        environment, "milestones", services.milestones_sync, services.targets_sync, services.search_filters_sync
    )


@shared_task(ignore_result=True)
@task_permission(Permission.SYSTEM)
def live_data_watched() -> None:
    """Have live data and forecasts read where somebody watches them. Beat runs this every 3 s."""
    now_ms, in_use = unix_ms_now(), set(environments_in_use())
    for environment in sorted(milestone_live.milestones_watched(now_ms=now_ms).keys() & in_use):
        # Of an exchange that does not answer, one reading waits and the next are left out.
        live_data_read.apply_async((environment,), expires=LIVE_DATA_SECONDS, retry=False)
    for environment in sorted(milestone_live.watched(forecasts.KIND, now_ms=now_ms).keys() & in_use):
        due = forecasts.forecasts_due(environment, now_ms=now_ms)
        if due:
            forecasts_read.apply_async((environment, due), expires=forecasts.READ_EVERY_SECONDS, retry=False)


@shared_task(ignore_result=True)
@task_permission(Permission.SYSTEM)
def live_data_read(environment: str) -> None:
    """Read live data of what is watched in one environment, once for everybody who watches."""
    lock = f"live-data-lock:{environment}"
    if not cache.add(lock, 1, timeout=LIVE_DATA_LOCK_SECONDS):
        return
    try:
        ids = milestone_live.milestones_watched(now_ms=unix_ms_now()).get(environment, [])
        milestone_live.live_data_publish(environment, ids)
    finally:
        cache.delete(lock)


@shared_task(ignore_result=True)
@task_permission(Permission.SYSTEM)
def forecasts_read(environment: str, tickers: list[str]) -> None:
    """Read the forecasts of these events, once for everybody who watches."""
    forecasts.forecasts_publish(environment, tickers)
