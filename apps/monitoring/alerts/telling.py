"""From happenings to alerts: who is told what by which rule, at once or together with more of the same.

Everything here runs inside one transaction with the cursor of the source, so a crash tells nothing twice and loses
nothing; beside it each rule keeps the keys of what it told.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import Q

from apps.accounts.access import roles_of
from apps.accounts.models import Membership
from apps.core.permissions import Actor
from apps.monitoring.alerts import escalation
from apps.monitoring.alerts.kinds import Kind, known
from apps.monitoring.alerts.matching import Filter, Happening, Quiet, more_text, tickers_of, window_end
from apps.monitoring.alerts.models import Alert, AlertCopy, AlertDelivery, AlertItem, AlertPerson, AlertRule
from apps.monitoring.alerts.publish import alerts_publish

GATHERED_AT_MOST = timedelta(hours=12)  # after it the same goes into a new alert
Channel, Part, State = AlertDelivery.Channel, AlertDelivery.Part, AlertDelivery.State
OPEN_STATES = (State.WAITING, State.HELD)
Address = tuple[str, int | None, int | None]  # channel, person, webhook


@dataclass(frozen=True, slots=True)
class Reach:
    """How one person is reached now."""

    quiet: Quiet
    urgent_passes: bool

    def held_until(self, level: str, now: datetime) -> datetime | None:
        return None if level == "danger" and self.urgent_passes else self.quiet.until(now)


def rules_in_force(desk_id: int | None = None) -> list[AlertRule]:
    rows = AlertRule.objects.filter(is_on=True, removed_at=None).select_related("webhook")
    return list(rows.order_by("pk") if desk_id is None else rows.filter(desk_id=desk_id).order_by("pk"))


def filter_of(rule: AlertRule) -> Filter:
    return Filter(
        kinds=frozenset(rule.kinds),
        account_id=rule.account_id,
        tickers=tickers_of(rule.tickers),
        least=rule.least,
        user_id=rule.owner_id if rule.is_mine else None,
    )


def happenings_tell(
    desk_id: int, happenings: Iterable[Happening], *, rules: Sequence[AlertRule], now: datetime
) -> list[Alert]:
    """Tell each rule's people what it matches; returns the alerts that were made or grew. In a transaction."""
    found = sorted(happenings, key=lambda one: one.at)
    people = _actors(desk_id) if found else {}
    touched: dict[int, Alert] = {}
    for rule in rules:
        narrowed = filter_of(rule)
        wanted = [one for one in found if one.at >= rule.on_since and _is_wanted(rule, narrowed, one)]
        keys = {one.key for one in wanted}
        told = set(AlertItem.objects.filter(rule=rule, key__in=keys).values_list("key", flat=True)) if keys else set()
        for one in wanted:
            if one.key in told:
                continue
            told.add(one.key)
            alert = _tell(rule, one, people, now)
            if alert is not None:
                touched[alert.pk] = alert
    if touched:
        alerts_publish(desk_id)
    return list(touched.values())


def _is_wanted(rule: AlertRule, narrowed: Filter, one: Happening) -> bool:
    if one.for_rule is not None:
        return one.for_rule == rule.pk and one.kind in narrowed.kinds
    return narrowed.matches(one)


def subjects_resolve(desk_id: int, subjects: Iterable[str], *, now: datetime) -> int:
    """What these were about is well again: close the alerts in which nothing else is left. In a transaction."""
    named = set(subjects)
    items = AlertItem.objects.filter(alert__desk_id=desk_id, subject__in=named, resolved_at=None) if named else None
    ids = set() if items is None else set(items.values_list("alert_id", flat=True))
    if not ids:
        return 0
    AlertItem.objects.filter(alert_id__in=ids, subject__in=named, resolved_at=None).update(resolved_at=now)
    left = AlertItem.objects.filter(alert_id__in=ids, resolved_at=None).values_list("alert_id", flat=True)
    over = list(Alert.objects.filter(pk__in=ids - set(left), resolved_at=None).select_related("rule"))
    for alert in over:
        alert.resolved_at, alert.escalates_at = now, None
        alert.save(update_fields=["resolved_at", "escalates_at"])
        _over(alert, now)
    if over:
        alerts_publish(desk_id)
    return len(over)


def windows_close(*, now: datetime) -> int:
    """Tell of what was gathered since the first of its kind was told; returns how many alerts that were."""
    due = list(Alert.objects.filter(window_ends_at__lte=now).select_related("rule").order_by("pk")[:500])
    told = 0
    for alert in due:
        more = more_text(alert.told_count, alert.count)
        rule = alert.rule
        if not more or rule is None or alert.acknowledged_at is not None:
            Alert.objects.filter(pk=alert.pk).update(window_ends_at=None)
            continue
        addresses = _addresses(rule, AlertCopy.objects.filter(alert=alert).values_list("user_id", flat=True))
        _deliver(alert, addresses, part=Part.MORE, title=f"{alert.title} {more}", text=f"Newest: {alert.text}", now=now)
        # The next of the same kind waits for the next window: that is what "at most" means.
        ends = window_end(now, timedelta(seconds=rule.every)) if now - alert.at < GATHERED_AT_MOST else None
        Alert.objects.filter(pk=alert.pk).update(told_count=alert.count, window_ends_at=ends)
        AlertCopy.objects.filter(alert=alert).update(read_at=None)
        alerts_publish(alert.desk_id)
        told += 1
    return told


def alerts_escalate(*, now: datetime) -> int:
    """Take the steps that are due where nobody has acknowledged; returns how many. Each in its own transaction."""
    taken = 0
    for alert in escalation.due(now=now):
        with transaction.atomic():
            told = escalation.step_take(alert, _actors(alert.desk_id), now=now)
            if told is None:
                continue
            addresses: list[Address] = [(channel, one, None) for one in told.user_ids for channel in told.channels]
            addresses += [] if told.webhook_id is None else [(Channel.WEBHOOK, None, told.webhook_id)]
            _deliver(alert, addresses, part=Part.NEXT, title=told.title, text=told.text, now=now)
            alerts_publish(alert.desk_id)
        taken += 1
    return taken


# --- one rule, one happening -------------------------------------------------------------------------


def _tell(rule: AlertRule, one: Happening, people: Mapping[int, Actor], now: datetime) -> Alert | None:
    kind = known(one.kind)
    told = recipients(rule, kind, one, people)
    if not told and rule.webhook_id is None:
        return None
    alert = None if one.only_for is not None else _gathering(rule, one, now)
    if alert is None:
        return _alert_make(rule, kind, one, told, now)
    again = AlertItem.objects.filter(alert=alert, subject=one.subject, resolved_at=None)
    if again.update(at=one.at, key=one.key, title=one.title[:160], text=one.text[:300]) == 0:
        _item_make(alert, rule, one)
        alert.count += one.count
    alert.title, alert.text, alert.link = one.title[:160], one.text[:300], one.link[:200]
    if alert.resolved_at is not None:  # it was over, and is not: somebody is to acknowledge it again
        alert.escalates_at = escalation.next_at(rule, alert.step, now)
    alert.latest_at, alert.resolved_at = one.at, None
    alert.save(update_fields=["title", "text", "link", "latest_at", "count", "resolved_at", "escalates_at"])
    return alert


def recipients(rule: AlertRule, kind: Kind, one: Happening, people: Mapping[int, Actor]) -> list[int]:
    """Return who is told: of an own rule its owner, else who has one of its roles; nobody whose roles hide it."""
    wanted = set(rule.roles)
    return [
        user_id
        for user_id, actor in people.items()
        if kind.may_know(actor)
        and (one.only_for is None or user_id in one.only_for)
        and (user_id == rule.owner_id if rule.owner_id is not None else not wanted or bool(wanted & actor.roles))
    ]


def _gathering(rule: AlertRule, one: Happening, now: datetime) -> Alert | None:
    """Return the alert that still takes more of the same: in its window, or about the very same thing, not over."""
    rows = Alert.objects.select_for_update().filter(rule=rule, kind=one.kind, acknowledged_at=None)
    rows = rows.filter(account_id=one.account_id, at__gt=now - GATHERED_AT_MOST)
    # In a query of its own: PostgreSQL locks no rows of a DISTINCT.
    same = AlertItem.objects.filter(rule=rule, subject=one.subject, resolved_at=None).values("alert_id")
    return rows.filter(Q(window_ends_at__gt=now) | Q(pk__in=same)).order_by("-pk").first()


def _alert_make(rule: AlertRule, kind: Kind, one: Happening, told: Iterable[int], now: datetime) -> Alert:
    alert = Alert.objects.create(
        desk_id=rule.desk_id,
        rule=rule,
        kind=kind.name,
        level=kind.level,
        title=one.title[:160],
        text=one.text[:300],
        link=one.link[:200],
        account_id=one.account_id,
        at=one.at,
        latest_at=one.at,
        count=one.count,
        told_count=one.count,
        window_ends_at=window_end(now, timedelta(seconds=rule.every)),
        escalates_at=escalation.next_at(rule, 0, now),
    )
    _item_make(alert, rule, one)
    ids = list(told)
    AlertCopy.objects.bulk_create([AlertCopy(alert=alert, user_id=user_id) for user_id in ids])
    _deliver(alert, _addresses(rule, ids), part=Part.FIRST, title=alert.title, text=alert.text, now=now)
    return alert


def _item_make(alert: Alert, rule: AlertRule, one: Happening) -> None:
    AlertItem.objects.create(
        alert=alert,
        rule=rule,
        key=one.key[:120],
        subject=one.subject[:80],
        at=one.at,
        title=one.title[:160],
        text=one.text[:300],
        link=one.link[:200],
    )


# --- messages ---------------------------------------------------------------------------------------


def _addresses(rule: AlertRule, user_ids: Iterable[int]) -> list[Address]:
    found: list[Address] = []
    for user_id in user_ids:
        if rule.by_browser:
            found.append((Channel.BROWSER, user_id, None))
        if rule.by_mail:
            found.append((Channel.MAIL, user_id, None))
    if rule.webhook is not None and rule.webhook.removed_at is None:
        found.append((Channel.WEBHOOK, None, rule.webhook_id))
    return found


def _deliver(
    alert: Alert, addresses: Iterable[Address], *, part: AlertDelivery.Part, title: str, text: str, now: datetime
) -> None:
    wanted = list(addresses)
    reach = reach_of(user_id for _, user_id, _ in wanted if user_id is not None)
    turn = AlertDelivery.objects.filter(alert=alert, part=part).order_by("-turn").values_list("turn", flat=True).first()
    rows = []
    for channel, user_id, webhook_id in wanted:
        held = reach[user_id].held_until(alert.level, now) if user_id is not None else None
        rows.append(
            AlertDelivery(
                alert=alert,
                channel=channel,
                user_id=user_id,
                webhook_id=webhook_id,
                part=part,
                turn=0 if turn is None else turn + 1,
                title=title[:160],
                text=text[:400],
                state=State.WAITING if held is None else State.HELD,
                made_at=now,
                next_try_at=held or now,
            )
        )
    AlertDelivery.objects.bulk_create(rows)


def _over(alert: Alert, now: datetime) -> None:
    """Tell those who were told that it is over; who was not yet, need not be."""
    waiting = AlertDelivery.objects.filter(alert=alert, state__in=OPEN_STATES)
    waiting.update(state=State.DROPPED, reason="it was over before", ended_at=now)
    told = AlertDelivery.objects.filter(alert=alert, part__in=(Part.FIRST, Part.NEXT), state=State.DELIVERED)
    addresses: list[Address] = list(told.values_list("channel", "user_id", "webhook_id").order_by().distinct())
    _deliver(alert, addresses, part=Part.OVER, title=f"Over: {alert.title}"[:160], text="It is well again.", now=now)


def deliveries_drop(alert: Alert, *, why: str, now: datetime) -> None:
    AlertDelivery.objects.filter(alert=alert, state__in=OPEN_STATES).update(
        state=State.DROPPED, reason=why, ended_at=now
    )


def reach_of(user_ids: Iterable[int]) -> dict[int, Reach]:
    """Return how each person is reached; who said nothing about it has no quiet hours."""
    ids = set(user_ids)
    found = defaultdict(lambda: Reach(Quiet(None, None), True))
    for row in AlertPerson.objects.filter(user_id__in=ids).select_related("user"):
        found[row.user_id] = Reach(Quiet(row.quiet_begins, row.quiet_ends, row.user.time_zone), row.urgent_passes)
    return found


def _actors(desk_id: int) -> dict[int, Actor]:
    """What each member may do now: a role lowered a moment ago counts."""
    rows = Membership.objects.filter(desk_id=desk_id, is_active=True, user__is_active=True).order_by("user_id")
    return {row.user_id: Actor(row.user_id, desk_id, roles_of(row)) for row in rows}
