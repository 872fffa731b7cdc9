"""Background work of alerts. Every task may run twice, late, or never without harm: cursors, keys and claims decide."""

from datetime import timedelta

from celery import shared_task

from apps.accounts.permissions import task_permission
from apps.core.permissions import Permission
from apps.core.timestamps import utc_now
from apps.monitoring.alerts.delivery import browser_overdue, deliveries_send
from apps.monitoring.alerts.looking import look, look_states
from apps.monitoring.alerts.models import Alert, AlertDelivery
from apps.rfq.models import StreamHit

KEPT = timedelta(days=30)
HITS_KEPT = timedelta(days=1)
HITS_AT_ONCE = 5_000
_AT_ONCE = 500


@shared_task(ignore_result=True)
@task_permission(Permission.SYSTEM)
def alerts_look() -> None:
    """Tell what was committed since the last look. Beat runs this every 2 s."""
    now = utc_now()
    look(now=now)
    browser_overdue(now=now)


@shared_task(ignore_result=True)
@task_permission(Permission.SYSTEM)
def alerts_look_states() -> None:
    """Look at health, limits and differences. Beat runs this every 10 s."""
    look_states()


@shared_task(ignore_result=True)
@task_permission(Permission.SYSTEM)
def alerts_send_sync(channel: str) -> None:
    """Send what is due by "mail" or "webhook". In the slow queue: no server outside holds up an order or a cancel."""
    if channel in (AlertDelivery.Channel.MAIL, AlertDelivery.Channel.WEBHOOK):
        deliveries_send(channel)


@shared_task(ignore_result=True)
@task_permission(Permission.SYSTEM)
def alerts_tidy() -> None:
    """Delete alerts that nothing was added to for 30 days, and what they were told from. Beat runs this every hour."""
    old = Alert.objects.filter(latest_at__lt=utc_now() - KEPT).order_by("pk").values_list("pk", flat=True)
    Alert.objects.filter(pk__in=list(old[:_AT_ONCE])).delete()
    hits = StreamHit.objects.filter(seen_at__lt=utc_now() - HITS_KEPT).order_by("pk").values_list("pk", flat=True)
    StreamHit.objects.filter(pk__in=list(hits[:HITS_AT_ONCE])).delete()
