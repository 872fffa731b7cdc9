"""Background work of operations. Every task may run twice, late, or never without harm."""

import logging
from pathlib import Path

from celery import shared_task
from django.conf import settings

from apps.accounts.permissions import task_permission
from apps.core.permissions import Permission
from apps.core.timestamps import utc_now
from apps.operations.backup import backup_make, is_due, settings_recipient
from apps.operations.errors import BackupRefused
from apps.operations.reconcile import restorations_follow

logger = logging.getLogger(__name__)


@shared_task(ignore_result=True)
@task_permission(Permission.SYSTEM)
def backup_sync() -> None:
    """Make the nightly backup when it is due. Beat runs this every 10 minutes, so a failure is tried again."""
    if not is_due(now=utc_now()):
        return
    try:
        run = backup_make(Path(settings.BACKUP_DIR), settings_recipient(), keep=settings.BACKUP_KEEP, is_scheduled=True)
    except (BackupRefused, OSError) as exc:
        logger.error("the nightly backup was not made: %s", exc)
        return
    logger.info("backup %s made, %d bytes", run.file, run.size)


@shared_task(ignore_result=True)
@task_permission(Permission.SYSTEM)
def restorations_sync() -> None:
    """Compare what was restored with the exchange, until each desk is done. Beat runs this every 15 s."""
    restorations_follow()
