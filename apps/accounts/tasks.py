"""Background work about the trail. Twice, late or never is harmless."""

import logging

from celery import shared_task

from apps.accounts import four_eyes
from apps.accounts.permissions import task_permission
from apps.audit import witness
from apps.audit.models import ChainCheck
from apps.core.permissions import Permission
from apps.core.timestamps import utc_now

logger = logging.getLogger(__name__)


@shared_task(ignore_result=True)
@task_permission(Permission.SYSTEM)
def audit_heads_note() -> None:
    """Note the heads of all chains outside of the database. Beat runs this every minute."""
    try:
        witness.heads_note()
    except OSError:
        logger.exception("the heads of the trail could not be noted in %s", witness.path())


@shared_task(ignore_result=True)
@task_permission(Permission.SYSTEM)
def changes_expire() -> None:
    """End what waited for a second person too long, and delete what was kept for it. Beat runs this every minute."""
    four_eyes.changes_expire()


@shared_task(ignore_result=True)
@task_permission(Permission.AUDIT_VIEW)
def audit_chain_check(check_id: int) -> None:
    """Walk the chain that an auditor asked for; `trail.check_ask` asked who they are."""
    check = ChainCheck.objects.filter(pk=check_id, finished_at=None).first()
    if check is None:
        return
    found = witness.check(check.desk_id)
    ChainCheck.objects.filter(pk=check_id).update(
        finished_at=utc_now(),
        entries=found.entries,
        head=found.head,
        problem=found.problem[:200],
        sequence=found.sequence,
        witnessed=found.witnessed,
    )
    if not found.is_intact:
        logger.error("the trail of desk %s is broken at entry %s: %s", check.desk_id, found.sequence, found.problem)
