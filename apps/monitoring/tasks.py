"""Background work of monitoring. Every task may run twice, late, or never without harm."""

import logging

from celery import shared_task

from apps.accounts.permissions import task_permission
from apps.core.permissions import Permission
from apps.monitoring.services.kill import marker_take
from apps.monitoring.services.kill_pass import kill_pass, kills_due
from apps.vault.emergency import emergency_write

logger = logging.getLogger(__name__)


@shared_task(ignore_result=True)
@task_permission(Permission.SYSTEM)
def kill_sweep() -> None:
    """Make a pass of every kill with something left. Queued by the pull; beat runs this every 2 s.

    The gateway does the same; who comes second finds the run claimed.
    """
    marker_take()
    for run_id in kills_due():
        kill_pass(run_id)


@shared_task(ignore_result=True)
@task_permission(Permission.SYSTEM)
def emergency_keys_write() -> None:
    """Keep the file of sealed keys up to date, for a kill without a database. Beat runs this every 60 s."""
    try:
        emergency_write()
    except OSError as exc:
        logger.error("the file of emergency keys was not written: %s", exc)
