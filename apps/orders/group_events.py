"""Live rows of the topic `groups:<account>`.

Key `group:<id>`: `v`, `key`, `account_id`, `subaccount` (null: made elsewhere, not known yet), `group_id` (the
exchange's, "" until it has answered), `name`, `limit`, `state` "creating" | "active" | "triggered" | "deleted" |
"failed", `state_text`, `is_usable`: it takes orders;
`use`: contracts matched in the last 15 s and since the last reset, as of `as_of_ms`; `recent` [[Unix ms, count], ..]:
the fills behind it, so that a browser rolls the window itself; `window_ms`; `working`: its orders that rest;
`action`: "" or the state of what was asked of it last, `action_kind`, `action_text`.
"""

from collections.abc import Iterable
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from django.db.models import F

from apps.core.money import format_count
from apps.core.timestamps import to_unix_ms, utc_now
from apps.core.topics import TopicName
from apps.exchange import live
from apps.orders.models import Fill, GroupAction, Order, OrderGroup

Row = dict[str, Any]
WINDOW = timedelta(seconds=15)  # docs:getting_started/order_groups


def groups_topic(account_id: int) -> str:
    return str(TopicName("groups", str(account_id)))


def group_key(group: OrderGroup) -> str:
    return f"group:{group.pk}"


def recent_fills(group: OrderGroup, *, now: datetime) -> list[tuple[datetime, Decimal]]:
    """Return the matches that count against the limit now, oldest first."""
    if not group.group_id:
        return []
    since = max(now - WINDOW, group.reset_at) if group.reset_at else now - WINDOW
    fills = Fill.objects.filter(account_id=group.account_id, order__order_group_id=group.group_id, traded_at__gt=since)
    return list(fills.order_by("traded_at", "pk").values_list("traded_at", "count"))


def group_row(group: OrderGroup) -> Row:
    now = utc_now()
    recent = recent_fills(group, now=now)
    action = group.actions.order_by("-pk").first()
    working = Order.objects.filter(
        account_id=group.account_id, order_group_id=group.group_id or "-", status=Order.Status.RESTING
    )
    return {
        "key": group_key(group),
        "v": group.version,
        "account_id": group.account_id,
        "subaccount": group.subaccount,
        "group_id": group.group_id or "",
        "name": group.name,
        "limit": None if group.contracts_limit is None else format_count(group.contracts_limit),
        "state": group.state,
        "state_text": group.get_state_display(),
        "is_usable": group.state == OrderGroup.State.ACTIVE,
        "use": format_count(sum((count for _, count in recent), Decimal(0))),
        "recent": [[to_unix_ms(at), format_count(count)] for at, count in recent],
        "window_ms": WINDOW // timedelta(milliseconds=1),
        "as_of_ms": to_unix_ms(now),
        "working": working.count(),
        **_action(action),
    }


def _action(action: GroupAction | None) -> Row:
    if action is None:
        return {"action": "", "action_kind": "", "action_text": ""}
    text = f"{action.get_kind_display()}: {action.get_state_display().lower()}"
    if action.error_text and action.state != GroupAction.State.DONE:
        text = f"{text}. {action.error_text}"
    return {"action": action.state, "action_kind": action.kind, "action_text": text}


def group_publish(group_pk: int) -> None:
    """Raise the row's version and publish it after the commit. Inside a transaction."""
    OrderGroup.objects.filter(pk=group_pk).update(version=F("version") + 1)
    group = OrderGroup.objects.get(pk=group_pk)
    live.publish_on_commit(groups_topic(group.account_id), rows={group_key(group): group_row(group)})


def group_withdraw(group: OrderGroup) -> None:
    """Take a row away that turned out to be a group known by another row. Inside a transaction."""
    live.publish_on_commit(groups_topic(group.account_id), rows={group_key(group): None})


def groups_filled(account_id: int, group_ids: Iterable[str]) -> None:
    """Orders of these groups traded: their use has grown."""
    named = {group_id for group_id in group_ids if group_id}
    if named:
        for pk in OrderGroup.objects.filter(account_id=account_id, group_id__in=named).values_list("pk", flat=True):
            group_publish(pk)


def group_rows(account_id: int) -> dict[str, Row]:
    """Every group that is not over, and those that ended in the last 24 hours."""
    ended = [OrderGroup.State.DELETED, OrderGroup.State.FAILED]
    groups = OrderGroup.objects.filter(account_id=account_id)
    shown = groups.exclude(state__in=ended) | groups.filter(changed_at__gte=utc_now() - timedelta(hours=24))
    return {group_key(group): group_row(group) for group in shown.order_by("pk")}
