"""Background work of history. Every task may run twice, late or never: what is to be read stands in SQL."""

from celery import shared_task

from apps.accounts.permissions import task_permission
from apps.core.permissions import Permission
from apps.history import queue
from apps.history.sync import work
from apps.orders.queue import enqueue


@shared_task(ignore_result=True)
@task_permission(Permission.SYSTEM)
def history_sweep() -> None:
    """Queue every account that has something to read. Beat runs this every 15 s; it is the retry of the other task."""
    for account_id in work.accounts_due():
        enqueue(queue.ACCOUNT_HISTORY, account_id)


@shared_task(ignore_result=True)
@task_permission(Permission.SYSTEM)
def account_history_sync(account_id: int) -> None:
    """Read some pages of one account, and queue the rest."""
    wait = work.account_read(account_id)
    if wait is not None:
        enqueue(queue.ACCOUNT_HISTORY, account_id, countdown=wait or None)
