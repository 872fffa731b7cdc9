"""Background work of history. Every task may run twice, late or never: what is to be read stands in SQL."""

import logging
from datetime import timedelta

from celery import shared_task

from apps.accounts.permissions import task_permission
from apps.core.durability import reaches_disk_later
from apps.core.errors import DeskError, WireFormatError
from apps.core.permissions import Permission
from apps.core.timestamps import utc_now
from apps.exchange.selectors import accounts_with_keys
from apps.exchange.wire.errors import ExchangeError
from apps.history import queue, reconcile, reconcile_adopt
from apps.history.sync import work
from apps.orders.queue import enqueue

logger = logging.getLogger(__name__)


@shared_task(ignore_result=True)
@task_permission(Permission.SYSTEM)
def history_sweep() -> None:
    """Queue every account that has something to read. Beat runs this every 15 s; it is the retry of the other task."""
    for account_id in work.accounts_due():
        enqueue(queue.ACCOUNT_HISTORY, account_id)


@shared_task(ignore_result=True)
@task_permission(Permission.SYSTEM)
@reaches_disk_later()
def account_history_sync(account_id: int) -> None:
    """Read some pages of one account, and queue the rest."""
    wait = work.account_read(account_id)
    if wait is not None:
        enqueue(queue.ACCOUNT_HISTORY, account_id, countdown=wait or None)


@shared_task(ignore_result=True)
@task_permission(Permission.SYSTEM)
def accounts_reconcile() -> None:
    """Queue a comparison of the sources of every account with a key. Beat runs this every 60 s."""
    for account in accounts_with_keys():
        enqueue(queue.ACCOUNT_RECONCILE, account.account_id)


@shared_task(ignore_result=True)
@task_permission(Permission.SYSTEM)
@reaches_disk_later()
def account_reconcile_sync(account_id: int, hours: int = 0, asked_by: int = 0) -> None:
    """Compare one account's sources: the last minutes, or as many hours as somebody asked for. It only reads."""
    since = utc_now() - timedelta(hours=hours) if hours else None
    reconcile.reconcile(account_id, since=since, asked_by=asked_by or None)


@shared_task(ignore_result=True)
@task_permission(Permission.SYSTEM)
@reaches_disk_later()
def discrepancy_adopt_sync(discrepancy_id: int, asked_by: int = 0) -> None:
    """Take the exchange's record of one difference into the ledger, then compare again."""
    try:
        account_id = reconcile_adopt.adopt(discrepancy_id)
    except (ExchangeError, DeskError, WireFormatError) as exc:
        logger.warning("difference %s was not adopted: %s", discrepancy_id, exc)
        return
    if account_id is not None:
        enqueue(queue.ACCOUNT_RECONCILE, account_id, 24, asked_by)
