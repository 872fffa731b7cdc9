"""The topic `alerts:<account>` (whole): {"changed_ms"}, that something changed among the alerts of the account's desk.

It says no more, because all members of the desk may watch it: a page asks for its person's own with `alert.news`.
"""

from typing import Any

from django.db.models import Max

from apps.accounts.models import ExchangeAccount
from apps.core.timestamps import to_unix_ms, unix_ms_now
from apps.core.topics import TopicName
from apps.exchange import live
from apps.monitoring.alerts.models import Alert

KIND = "alerts"


def alerts_state(topic: TopicName) -> dict[str, Any] | None:
    desk_id = ExchangeAccount.objects.filter(pk=int(topic.scope)).values_list("desk_id", flat=True).first()
    if desk_id is None:
        return None
    latest = Alert.objects.filter(desk_id=desk_id).aggregate(at=Max("latest_at"))["at"]
    return {"changed_ms": 0 if latest is None else to_unix_ms(latest)}


def alerts_publish(desk_id: int) -> None:
    """Publish after the commit to every account of the desk."""
    for account_id in ExchangeAccount.objects.filter(desk_id=desk_id, is_active=True).values_list("pk", flat=True):
        live.publish_on_commit(str(TopicName(KIND, str(account_id))), lambda: {"changed_ms": unix_ms_now()})
