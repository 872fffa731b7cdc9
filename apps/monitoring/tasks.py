"""Background work of monitoring. Every task may run twice, late, or never without harm."""

import logging

from celery import current_app, shared_task

from apps.accounts.permissions import task_permission
from apps.core.durability import reaches_disk_later
from apps.core.permissions import Permission
from apps.core.timestamps import unix_ms_now, utc_now
from apps.monitoring.alerts import tasks as alert_tasks  # noqa: F401 - Celery looks for tasks here
from apps.monitoring.health import BEAT_LATE, QUEUES
from apps.monitoring.models import Beat
from apps.monitoring.services.kill import marker_take
from apps.monitoring.services.kill_pass import kill_pass, kills_due
from apps.monitoring.wall import wall_publish, walls_watched
from apps.vault.emergency import emergency_write

logger = logging.getLogger(__name__)

LONGEST_MS = 86_400_000  # a day; a clock that was set says more


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


@shared_task(ignore_result=True)
@task_permission(Permission.SYSTEM)
def beats_send() -> None:
    """Send a sign of life through each queue. Beat runs this every 10 s; what nobody takes expires."""
    for name in QUEUES:
        current_app.send_task(
            queue_beat.name, args=(name, unix_ms_now()), queue=name, expires=BEAT_LATE.total_seconds(), retry=False
        )


@shared_task(ignore_result=True)
@task_permission(Permission.SYSTEM)
@reaches_disk_later()
def queue_beat(name: str, sent_ms: int) -> None:
    """Write down that a worker takes tasks of this queue, and how long this one waited."""
    if name in QUEUES:
        waited = min(LONGEST_MS, max(0, unix_ms_now() - sent_ms))
        Beat.objects.update_or_create(name=name, defaults={"at": utc_now(), "waited_ms": waited})


@shared_task(ignore_result=True)
@task_permission(Permission.SYSTEM)
def walls_publish() -> None:
    """Send each wall that somebody watches, read once for all of them. Beat runs this every 2 s.

    In a worker: in the web process a reading would stand in the way of the traders' commands.
    """
    for account_id in walls_watched(now_ms=unix_ms_now()):
        wall_publish(account_id)
