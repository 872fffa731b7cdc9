"""A person's alerts: which they see, how many are new, looking at them, acknowledging them, and the test button."""

from collections import defaultdict
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime

from django.db import transaction
from django.db.models import Q, QuerySet

from apps.accounts.models import User
from apps.audit import services as audit
from apps.core.errors import DeskError, NotFound
from apps.core.permissions import Actor, Permission
from apps.core.timestamps import to_unix_ms, utc_now
from apps.monitoring.alerts.kinds import KINDS, known
from apps.monitoring.alerts.models import Alert, AlertCopy, AlertDelivery
from apps.monitoring.alerts.publish import alerts_publish
from apps.monitoring.alerts.rules import webhooks_of
from apps.monitoring.alerts.telling import deliveries_drop
from apps.orders.access import require

SHOWN = 100
NEWEST = 8
Channel, State = AlertDelivery.Channel, AlertDelivery.State


@dataclass(frozen=True, slots=True)
class Choice:
    """Which alerts a list shows. state: "open" (nobody has acknowledged it, not over), "unread", or "" for all."""

    state: str = ""
    group: str = ""
    level: str = ""
    account_id: int | None = None


def alerts_visible_to(actor: Actor) -> QuerySet[Alert]:
    """Alerts that the person was told of, of kinds that their roles may know of today. Raises NotAllowed."""
    require(actor, Permission.DESK_VIEW)
    hidden = [kind.name for kind in KINDS.values() if not kind.may_know(actor)]
    rows = Alert.objects.filter(desk_id=actor.desk_id, copies__user_id=actor.user_id)
    return rows.exclude(kind__in=hidden).select_related("account", "acknowledged_by", "rule")


def alerts_found(actor: Actor, choice: Choice) -> QuerySet[Alert]:
    """Newest first."""
    rows = alerts_visible_to(actor)
    if choice.state == "open":
        rows = rows.filter(acknowledged_at=None, resolved_at=None)
    elif choice.state == "unread":
        rows = rows.filter(copies__user_id=actor.user_id, copies__read_at=None)
    if choice.group:
        rows = rows.filter(kind__in=[kind.name for kind in KINDS.values() if kind.group == choice.group])
    if choice.level:
        rows = rows.filter(level=choice.level)
    if choice.account_id is not None:
        rows = rows.filter(Q(account_id=choice.account_id) | Q(account=None))
    return rows.order_by("-latest_at", "-pk")


def unread_count(actor: Actor) -> int:
    """How many alerts the person has not looked at and nobody has acknowledged; counted up to 100."""
    rows = alerts_visible_to(actor).filter(acknowledged_at=None)
    return len(_unread(rows, actor.user_id).values_list("pk", flat=True)[:100])


def _unread(rows: QuerySet[Alert], user_id: int) -> QuerySet[Alert]:
    # In a query of its own: the same copy has to be the person's and unread.
    copies = AlertCopy.objects.filter(user_id=user_id, read_at=None)
    return rows.filter(pk__in=copies.values("alert_id"))


def newest(actor: Actor) -> list[dict[str, object]]:
    """The newest few for the bell."""
    rows = list(alerts_visible_to(actor).order_by("-latest_at", "-pk")[:NEWEST])
    unread = unread_among(actor, [row.pk for row in rows])
    return [
        {
            "id": row.pk,
            "level": row.level,
            "title": row.title,
            "text": row.text,
            "link": row.link,
            "at_ms": to_unix_ms(row.latest_at),
            "count": row.count,
            "is_unread": row.pk in unread and row.acknowledged_at is None,
            "is_over": row.resolved_at is not None,
            "is_acknowledged": row.acknowledged_at is not None,
        }
        for row in rows
    ]


def unread_among(actor: Actor, alert_ids: Collection[int]) -> set[int]:
    copies = AlertCopy.objects.filter(user_id=actor.user_id, read_at=None, alert_id__in=alert_ids)
    return set(copies.values_list("alert_id", flat=True))


def alerts_read(actor: Actor, *, now: datetime | None = None) -> int:
    """The person has looked at the list."""
    require(actor, Permission.DESK_VIEW)
    copies = AlertCopy.objects.filter(user_id=actor.user_id, alert__desk_id=actor.desk_id, read_at=None)
    return copies.update(read_at=now or utc_now()) if copies.exists() else 0


def alerts_acknowledge(actor: Actor, alert_ids: Iterable[int], *, now: datetime | None = None) -> int:
    """Say that somebody has it: for everybody who was told, and what was not sent yet need not be.

    Returns how many that were; of what is acknowledged already the first stays. Raises NotFound when none is theirs.
    """
    now, wanted = now or utc_now(), list(dict.fromkeys(alert_ids))[:SHOWN]
    found = list(alerts_visible_to(actor).filter(pk__in=wanted).order_by("pk"))
    if not found:
        raise NotFound("This alert does not exist, or you were not told of it.")
    done = []
    with transaction.atomic():
        for alert in found:
            rows = Alert.objects.filter(pk=alert.pk, acknowledged_at=None)
            if rows.update(
                acknowledged_by_id=actor.user_id, acknowledged_at=now, window_ends_at=None, escalates_at=None
            ):
                deliveries_drop(alert, why="it was acknowledged before", now=now)
                done.append(alert.pk)
        AlertCopy.objects.filter(alert__in=found, user_id=actor.user_id, read_at=None).update(read_at=now)
        if done:
            audit.record(
                "monitoring.alert.acknowledged",
                actor_id=actor.user_id,
                desk_id=actor.desk_id,
                target=f"alert:{done[0]}",
                data={"alerts": done},
            )
            alerts_publish(actor.desk_id)
    return len(done)


def outcomes_of(actor: Actor, alerts: Collection[Alert]) -> dict[int, list[AlertDelivery]]:
    """What became of the messages to oneself, and to the desk's webhooks, by alert."""
    rows = AlertDelivery.objects.filter(alert__in=alerts).filter(Q(user_id=actor.user_id) | Q(user=None))
    found: dict[int, list[AlertDelivery]] = defaultdict(list)
    for row in rows.select_related("webhook").order_by("pk"):
        found[row.alert_id].append(row)
    return found


# --- the test button --------------------------------------------------------------------------------


def trial_send(actor: Actor, *, webhook_id: int | None = None, now: datetime | None = None) -> Alert:
    """Send one alert, marked as a test, to oneself through every channel, and to one webhook where it is named.

    Quiet hours do not hold it: somebody waits for it. Raises NotAllowed, NotFound, DeskError.
    """
    require(actor, Permission.DESK_VIEW)
    now = now or utc_now()
    hook = None
    if webhook_id is not None:
        hook = webhooks_of(actor).filter(pk=webhook_id).first()
        if hook is None:
            raise NotFound("This webhook does not exist, or it belongs to another desk.")
    name = User.objects.get(pk=actor.user_id)
    with transaction.atomic():
        recent = Alert.objects.filter(desk_id=actor.desk_id, kind="test", copies__user_id=actor.user_id)
        if recent.filter(at__gte=now.replace(second=0, microsecond=0)).count() >= 6:
            raise DeskError("too_many", "Six tests in this minute. Wait for the next one.")
        alert = Alert.objects.create(
            desk_id=actor.desk_id,
            kind="test",
            level=known("test").level,
            title="Test alert",
            text=f"Sent by {name.display_name or name.get_username()} with the test button. Nothing happened.",
            link="/alerts/rules/",
            at=now,
            latest_at=now,
        )
        AlertCopy.objects.create(alert=alert, user_id=actor.user_id)
        channels = [Channel.BROWSER, Channel.MAIL] if hook is None else []
        rows = [AlertDelivery(channel=one, user_id=actor.user_id) for one in channels]
        if hook is not None:
            rows.append(AlertDelivery(channel=Channel.WEBHOOK, webhook=hook))
        for row in rows:
            row.alert, row.title, row.text, row.made_at, row.next_try_at = alert, alert.title, alert.text, now, now
        AlertDelivery.objects.bulk_create(rows)
        alerts_publish(actor.desk_id)
    return alert


def trial_newest(actor: Actor) -> Alert | None:
    return alerts_visible_to(actor).filter(kind="test").order_by("-pk").first()
