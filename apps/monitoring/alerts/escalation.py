"""When nobody acknowledges: the next channel, the next person. Bounded by the rule's steps, each taken once.

A step tells as every alert does: quiet hours hold it, but for urgent ones that the person lets through. A step that
could reach nobody counts as taken, so that the one after it comes at its time.
"""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from apps.audit import services as audit
from apps.core.permissions import Actor
from apps.monitoring.alerts.kinds import known
from apps.monitoring.alerts.models import Alert, AlertCopy, AlertDelivery, AlertRule, AlertWebhook

STEPS_AT_MOST: Final = 3
MINUTES: Final = (2, 5, 10, 15, 30, 60)
AT_ONCE: Final = 100
PERSONAL: Final = frozenset({"mention"})  # told to nobody else, whatever happens


@dataclass(frozen=True, slots=True)
class Step:
    """after: minutes since the alert, or since the step before. Told: user_id, else by roles, else the same.

    webhook_id: posted there, too.
    """

    after: int
    roles: tuple[str, ...] = ()
    user_id: int | None = None
    by_browser: bool = True
    by_mail: bool = False
    webhook_id: int | None = None

    def as_json(self) -> dict[str, Any]:
        return {**asdict(self), "roles": list(self.roles)}


def steps_of(rule: AlertRule) -> tuple[Step, ...]:
    return tuple(Step(**{**raw, "roles": tuple(raw.get("roles", ()))}) for raw in rule.steps[:STEPS_AT_MOST])


def next_at(rule: AlertRule | None, taken: int, now: datetime) -> datetime | None:
    """Return when the step after `taken` ones is due; None when there is none."""
    steps = () if rule is None else steps_of(rule)
    return now + timedelta(minutes=steps[taken].after) if taken < len(steps) else None


@dataclass(frozen=True, slots=True)
class Told:
    """Who a step tells: people by channel, and a webhook."""

    alert: Alert
    user_ids: list[int]
    channels: list[str]
    webhook_id: int | None
    title: str
    text: str


def due(*, now: datetime) -> list[Alert]:
    rows = Alert.objects.filter(escalates_at__lte=now, acknowledged_at=None, resolved_at=None)
    return list(rows.select_related("rule").order_by("escalates_at", "pk")[:AT_ONCE])


def step_take(alert: Alert, people: Mapping[int, Actor], *, now: datetime) -> Told | None:
    """Take the next step of an alert; None where another look took it, or nothing is left. In a transaction."""
    rule, mine = alert.rule, Alert.objects.filter(pk=alert.pk, step=alert.step, acknowledged_at=None, resolved_at=None)
    if rule is None or rule.removed_at is not None or not rule.is_on or alert.step >= len(steps_of(rule)):
        mine.update(escalates_at=None)
        return None
    step = steps_of(rule)[alert.step]
    if not mine.update(step=alert.step + 1, escalates_at=next_at(rule, alert.step + 1, now)):
        return None
    user_ids = _recipients(alert, step, people)
    hooks = AlertWebhook.objects.filter(pk=step.webhook_id or 0, desk_id=alert.desk_id, removed_at=None)
    webhook_id = step.webhook_id if hooks.exists() else None
    AlertCopy.objects.bulk_create([AlertCopy(alert=alert, user_id=one) for one in user_ids], ignore_conflicts=True)
    AlertCopy.objects.filter(alert=alert, user_id__in=user_ids).update(read_at=None)
    audit.record(
        "monitoring.alert.escalated",
        actor_id=None,
        desk_id=alert.desk_id,
        target=f"alert:{alert.pk}",
        data={"step": alert.step + 1, "people": user_ids, "webhook": webhook_id},
    )
    minutes = max(1, round((now - alert.at) / timedelta(minutes=1)))
    channels = [name for name, is_on in _channels(step) if is_on]
    text = f"{alert.text} Nobody has acknowledged it for {minutes} min."
    return Told(alert, user_ids, channels, webhook_id, f"Not acknowledged: {alert.title}"[:160], text)


def _channels(step: Step) -> Iterable[tuple[str, bool]]:
    return (AlertDelivery.Channel.BROWSER, step.by_browser), (AlertDelivery.Channel.MAIL, step.by_mail)


def _recipients(alert: Alert, step: Step, people: Mapping[int, Actor]) -> list[int]:
    """Members whose roles may know of it now."""
    told = set(AlertCopy.objects.filter(alert=alert).values_list("user_id", flat=True))
    kind, wanted = known(alert.kind), set(step.roles)

    def is_meant(user_id: int, actor: Actor) -> bool:
        if alert.kind in PERSONAL:
            return user_id in told
        if step.user_id is not None:
            return user_id == step.user_id
        return bool(wanted & actor.roles) if wanted else user_id in told

    return [user_id for user_id, actor in people.items() if kind.may_know(actor) and is_meant(user_id, actor)]
