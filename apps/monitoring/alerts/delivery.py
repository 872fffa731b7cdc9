"""Messages that are due, sent one after the other: e-mail and webhooks by a worker, the browser's by an open page.

At least once: a worker that dies after sending sends again. One task per channel works at a time, so that a slow
server holds one thread of the slow queue and nothing else; a webhook that failed is left alone for a while.
"""

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.conf import settings
from django.core.mail import EmailMessage
from django.db import transaction
from django.db.models import F, Q, QuerySet

from apps.accounts.access import roles_of
from apps.accounts.models import Membership
from apps.core.permissions import Actor
from apps.core.timestamps import utc_now
from apps.monitoring.alerts import webhook
from apps.monitoring.alerts.kinds import known
from apps.monitoring.alerts.matching import retry_at
from apps.monitoring.alerts.models import Alert, AlertDelivery, AlertPerson, AlertWebhook
from apps.monitoring.alerts.publish import alerts_publish
from apps.monitoring.alerts.webhook import Outcome

logger = logging.getLogger(__name__)

Channel, State = AlertDelivery.Channel, AlertDelivery.State
OPEN_STATES = (State.WAITING, State.HELD)
AT_ONCE = 25
WORK_SECONDS = 20.0  # of one task
CLAIM = timedelta(seconds=60)
BROWSER_PATIENCE = timedelta(seconds=90)
NOBODY_LOOKED = "no page of the desk was open that may show notifications"
NO_SERVER = "no mail server is set up (DESK_MAIL_HOST)"
NO_ADDRESS = "no e-mail address: set one under Alerts > Rules"


def deliveries_send(channel: str, *, clock: Callable[[], float] = time.monotonic) -> int:
    """Send what is due through e-mail or webhooks; returns how many were tried."""
    started, tried = clock(), 0
    while tried < AT_ONCE and clock() - started < WORK_SECONDS:
        row = _claim(channel, utc_now())
        if row is None:
            break
        tried += 1
        _ended(row, _send(row), utc_now())
    return tried


def browser_overdue(*, now: datetime) -> int:
    """Say of messages for the browser that no page took them; returns how many."""
    due = AlertDelivery.objects.filter(channel=Channel.BROWSER, state__in=OPEN_STATES)
    late = due.filter(next_try_at__lte=now - BROWSER_PATIENCE)
    if not late.exists():
        return 0
    return late.update(state=State.FAILED, reason=NOBODY_LOOKED, ended_at=now)


def is_mail_set_up() -> bool:
    """Without a host there is a server only where another backend was chosen (console, tests)."""
    return bool(settings.EMAIL_HOST) or not settings.EMAIL_BACKEND.endswith("smtp.EmailBackend")


def _due(channel: str, now: datetime) -> QuerySet[AlertDelivery]:
    rows = AlertDelivery.objects.filter(channel=channel, state__in=OPEN_STATES, next_try_at__lte=now)
    rows = rows.filter(Q(webhook=None) | Q(webhook__retry_at=None) | Q(webhook__retry_at__lte=now))
    return rows.select_related("alert", "user", "webhook").order_by("next_try_at", "pk")


def _claim(channel: str, now: datetime) -> AlertDelivery | None:
    """Take the oldest that is due; nobody else does, while one of this channel is being sent."""
    row = _due(channel, now).first()
    if row is None:
        return None
    with transaction.atomic():
        others = AlertDelivery.objects.filter(channel=channel, state__in=OPEN_STATES, claimed_until__gt=now)
        if others.exists():
            return None
        mine = AlertDelivery.objects.filter(pk=row.pk, state__in=OPEN_STATES, attempts=row.attempts)
        if not mine.update(claimed_until=now + CLAIM, attempts=F("attempts") + 1):
            return None
    row.attempts += 1
    return row


def _send(row: AlertDelivery) -> Outcome:
    try:
        return _mail(row) if row.channel == Channel.MAIL else _post(row)
    except Exception:
        # A boundary: the next message is sent, this one is tried again.
        logger.exception("delivery %s failed", row.pk)
        return Outcome("it failed on our side, and is logged", may_help=True)


def _mail(row: AlertDelivery) -> Outcome:
    if row.user is None or not _may_still(row):
        return Outcome("the person may not see this any more")
    own = AlertPerson.objects.filter(user=row.user).values_list("mail", flat=True).first()
    address = own or row.user.email
    if not address:
        return Outcome(NO_ADDRESS)
    if not is_mail_set_up():
        return Outcome(NO_SERVER)
    message = EmailMessage(
        subject=" ".join(f"[Kalshi Desk] {row.title}".split()),
        body="\n".join(part for part in (row.title, row.text, link_of(row.alert)) if part),
        from_email=settings.DEFAULT_FROM_EMAIL,
        to=[address],
        headers={"Message-ID": f"<alert-delivery-{row.pk}@kalshi-desk>", "Auto-Submitted": "auto-generated"},
    )
    try:
        message.send()
    except OSError as exc:  # SMTPException is one
        return Outcome(f"the mail server did not take it ({type(exc).__name__})", may_help=True)
    return Outcome()


def _post(row: AlertDelivery) -> Outcome:
    hook = row.webhook
    if hook is None or hook.removed_at is not None:
        return Outcome("the webhook was removed")
    url = webhook.url_open(hook.sealed)
    if url is None:
        return Outcome("its address cannot be read any more (SECRET_KEY changed): add it again")
    return webhook.post(url, webhook.slack_text(row.title, row.text, link_of(row.alert)), delivery_id=row.pk)


def _may_still(row: AlertDelivery) -> bool:
    """A role lowered, or a membership ended, between the event and the message counts."""
    member = Membership.objects.filter(
        user=row.user, desk_id=row.alert.desk_id, is_active=True, user__is_active=True
    ).first()
    if member is None:
        return False
    return known(row.alert.kind).may_know(Actor(member.user_id, member.desk_id, roles_of(member)))


def _ended(row: AlertDelivery, outcome: Outcome, now: datetime) -> None:
    again = retry_at(row.attempts, now) if outcome.problem and outcome.may_help else None
    values: dict[str, object] = {"claimed_until": None, "reason": outcome.problem[:200]}
    if not outcome.problem:
        values |= {"state": State.DELIVERED, "ended_at": now}
    elif again is None:
        values |= {"state": State.FAILED, "ended_at": now}
    else:
        values |= {"state": State.WAITING, "next_try_at": again}
    with transaction.atomic():
        AlertDelivery.objects.filter(pk=row.pk, state__in=OPEN_STATES).update(**values)
        if row.webhook_id is not None:
            _hook_told(row.webhook_id, is_good=not outcome.problem, again=again, now=now)
        alerts_publish(row.alert.desk_id)


def _hook_told(webhook_id: int, *, is_good: bool, again: datetime | None, now: datetime) -> None:
    hooks = AlertWebhook.objects.filter(pk=webhook_id)
    if is_good:
        hooks.update(failures=0, retry_at=None, delivered_at=now)
    else:
        hooks.update(failures=F("failures") + 1, retry_at=again)


@dataclass(frozen=True, slots=True)
class Shown:
    """A message for a person's browser. tag: the same in every tab, so that it is shown once."""

    delivery_id: int
    tag: str
    title: str
    text: str
    link: str
    is_urgent: bool


def browser_waiting(actor: Actor, *, now: datetime) -> list[Shown]:
    """What an open page of this person is to show now."""
    rows = AlertDelivery.objects.filter(
        channel=Channel.BROWSER,
        user_id=actor.user_id,
        alert__desk_id=actor.desk_id,
        state__in=OPEN_STATES,
        next_try_at__lte=now,
        next_try_at__gt=now - BROWSER_PATIENCE,
    )
    return [
        Shown(
            row.pk,
            f"desk-alert-{row.alert_id}",
            row.title,
            row.text,
            row.alert.link or "/alerts/",
            row.alert.level == "danger",
        )
        for row in rows.select_related("alert").order_by("pk")[:10]
        if known(row.alert.kind).may_know(actor)
    ]


def browser_shown(actor: Actor, delivery_ids: list[int], *, now: datetime) -> int:
    """An open page has shown these."""
    rows = AlertDelivery.objects.filter(
        pk__in=delivery_ids[:50], channel=Channel.BROWSER, user_id=actor.user_id, state__in=OPEN_STATES
    )
    return rows.update(state=State.DELIVERED, reason="", ended_at=now)


def link_of(alert: Alert) -> str:
    origin = settings.PUBLIC_ORIGINS[0] if settings.PUBLIC_ORIGINS else ""
    return f"{origin.rstrip('/')}{alert.link or '/alerts/'}" if origin else ""
