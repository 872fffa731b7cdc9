"""Upkeep of the embedded database. May run twice, late or never without harm."""

import logging

from celery import shared_task
from django.db import connection

from apps.accounts.permissions import task_permission
from apps.core.permissions import Permission

logger = logging.getLogger(__name__)


@shared_task(ignore_result=True)
@task_permission(Permission.SYSTEM)
def database_checkpoint() -> int:
    """Move SQLite's log into its database; returns how many pages are left to move. Beat runs this every 5 s.

    SQLite does this by itself within the commit that makes the log long, and an order that waits for that commit
    waits for the disk twice more. Passive: nobody waits for this one, and it waits for nobody.
    """
    if connection.vendor != "sqlite":
        return 0
    with connection.cursor() as cursor:
        cursor.execute("PRAGMA wal_checkpoint(PASSIVE)")
        _, in_log, moved = cursor.fetchone()
    return max(0, int(in_log) - int(moved))
