"""Order groups: what is asked of them, sent, and what the exchange tells.

Trigger and delete go in the safe direction and are repeated until they are confirmed; create, reset and a new
limit are sent at most once (RELIABILITY 3a), and what is in doubt is shown as in doubt.
"""

import logging
import uuid
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import F, Q

from apps.accounts.access import account_seen
from apps.accounts.grants import within
from apps.audit import services as audit
from apps.core.errors import DeskError, NotFound, WireFormatError, not_sent
from apps.core.money import format_count, parse_count
from apps.core.permissions import Actor, Permission
from apps.core.timestamps import utc_now
from apps.exchange.clients import client_for
from apps.exchange.wire.api import groups as api
from apps.exchange.wire.client import ExchangeClient
from apps.exchange.wire.errors import (
    AlreadyExists,
    ExchangeError,
    NotExecuted,
    NotSent,
    OutcomeUnknown,
    RateLimited,
    Refused,
)
from apps.orders import group_events, queue
from apps.orders.access import actor_of, require_on, require_somewhere
from apps.orders.models import GroupAction, OrderGroup
from apps.orders.services.checks import account_check
from apps.orders.services.group_joins import FRESH, creates_join, is_join_due, subaccount_find
from apps.orders.services.routes import route_of
from apps.orders.services.send import GOOD_FOR, TOO_LATE

logger = logging.getLogger(__name__)

Kind = GroupAction.Kind
State = GroupAction.State
GroupState = OrderGroup.State
REPEATED = (Kind.TRIGGER, Kind.DELETE)
OPEN = (State.COMMITTED, State.SENDING, State.UNKNOWN)
CLAIM_FOR = timedelta(seconds=30)
MAX_BACKOFF_SECONDS = 30
# A group that was just made may be missing from a listing whose data is older.
LISTED_WITHIN = timedelta(seconds=30)
_EVENTS = {
    "created": (Kind.CREATE, GroupState.ACTIVE),
    "triggered": (Kind.TRIGGER, GroupState.TRIGGERED),
    "reset": (Kind.RESET, GroupState.ACTIVE),
    "deleted": (Kind.DELETE, GroupState.DELETED),
    "limit_updated": (Kind.LIMIT, None),
}


def group_create(actor: Actor, *, name: str, limit: Decimal, idempotency_key: uuid.UUID) -> GroupAction:
    """Commit a wish for a new group on the selected account, then queue it. The same key gives the same action.

    Raises NotAllowed, NotFound, DeskError (`idempotency_mismatch`, or a limit that cannot be).
    """
    require_on(actor, Permission.ORDER_PLACE, actor.account_id, actor.subaccount)
    asked = _Asked(Kind.CREATE, limit)
    known = _known(actor, idempotency_key, asked)
    if known is not None:
        return known
    _limit_check(limit)
    if actor.account_id is None:
        raise DeskError("no_account", "Choose an account in the top bar first.")
    account = account_check(actor, actor.account_id, actor.subaccount)
    now = utc_now()
    try:
        with transaction.atomic():
            group = OrderGroup.objects.create(
                account=account,
                subaccount=actor.subaccount,
                name=name.strip()[:60],
                contracts_limit=limit,
                state=GroupState.CREATING,
                changed_at=now,
                seen_at=now,
            )
            return _commit(actor, group, Kind.CREATE, idempotency_key, limit=limit, now=now)
    except IntegrityError:
        known = _known(actor, idempotency_key, asked)
        if known is None:
            raise
        return known


def group_ask(
    actor: Actor, group: OrderGroup, kind: GroupAction.Kind, *, idempotency_key: uuid.UUID, limit: Decimal | None = None
) -> GroupAction:
    """Commit something asked of a group, then queue it. The same key gives the same action.

    Raises:
        NotAllowed, NotFound: role, or another desk's group.
        DeskError: `group_over`, `group_busy`, `idempotency_mismatch`, or a limit that cannot be.
    """
    needed = Permission.ORDER_CANCEL if kind in REPEATED else Permission.ORDER_PLACE
    require_on(actor, needed, group.account_id, group.subaccount)
    account_seen(actor, group.account_id)
    asked = _Asked(kind, limit, group.pk)
    known = _known(actor, idempotency_key, asked)
    if known is not None:
        return known
    if kind == Kind.LIMIT:
        _limit_check(limit)
    if group.group_id is None or group.state in (GroupState.DELETED, GroupState.FAILED):
        raise DeskError("group_over", f"This group is {group.get_state_display().lower()}.")
    open_actions = group.actions.filter(state__in=OPEN, kind=kind)
    if open_actions.exists():
        raise DeskError("group_busy", "The same was asked a moment ago and has no outcome yet.")
    try:
        with transaction.atomic():
            return _commit(actor, group, kind, idempotency_key, limit=limit, now=utc_now())
    except IntegrityError:
        known = _known(actor, idempotency_key, asked)
        if known is None:
            raise
        return known


def group_for(actor: Actor, key: str) -> OrderGroup:
    """Return a group by its row key. Raises NotAllowed, NotFound."""
    reach = require_somewhere(actor, Permission.DESK_VIEW)
    kind, _, name = key.partition(":")
    known = OrderGroup.objects.filter(within(reach), account__desk_id=actor.desk_id, account_id=actor.account_id)
    group = known.filter(pk=int(name)).first() if kind == "group" and name.isdecimal() else None
    if group is None:
        raise NotFound("This order group does not exist, or it belongs to another account.")
    return group


@dataclass(frozen=True, slots=True)
class _Asked:
    """What a key stands for. group: its number; None: one that is to be created."""

    kind: GroupAction.Kind
    limit: Decimal | None
    group: int | None = None


def _known(actor: Actor, key: uuid.UUID, asked: _Asked) -> GroupAction | None:
    """Return what this key asked before. Raises DeskError when that was something else."""
    known = GroupAction.objects.filter(requested_by_id=actor.user_id, idempotency_key=key).first()
    if known is None:
        return None
    group = None if known.kind == Kind.CREATE else known.group_id
    if _Asked(Kind(known.kind), known.contracts_limit, group) != asked:
        raise DeskError("idempotency_mismatch", "This was sent already for something else. Reload the page, ask again.")
    return known


def _limit_check(limit: Decimal | None) -> None:
    if limit is None or limit < 1:
        raise DeskError("bad_limit", "Give at least one contract.", fields={"limit": "Give at least one contract."})


def _commit(
    actor: Actor, group: OrderGroup, kind: GroupAction.Kind, key: uuid.UUID, *, limit: Decimal | None, now: datetime
) -> GroupAction:
    action = GroupAction.objects.create(
        group=group,
        kind=kind,
        requested_by_id=actor.user_id,
        idempotency_key=key,
        contracts_limit=limit,
        created_at=now,
        next_attempt_at=now,
    )
    group_events.group_publish(group.pk)
    queue.enqueue_on_commit(queue.GROUP_SEND, action.pk)
    audit.record(
        "orders.group.asked",
        actor_id=actor.user_id,
        desk_id=actor.desk_id,
        environment=group.account.environment,
        target=f"order_group:{group.pk}",
        data={"kind": kind.value, "limit": limit, "group_id": group.group_id or "", "name": group.name},
    )
    return action


# --- sending --------------------------------------------------------------------------------------


def group_send(action_id: int) -> GroupAction | None:
    """Make one attempt; of create, reset and limit the only one. None when nothing was due. Cost: 10 write tokens."""
    if not _claim(action_id):
        _expire(action_id)
        return None
    action = GroupAction.objects.select_related("group__account").get(pk=action_id)
    group = action.group
    actor = actor_of(user_id=action.requested_by_id, desk_id=group.account.desk_id)
    needed = Permission.ORDER_CANCEL if action.kind in REPEATED else Permission.ORDER_PLACE
    if actor is None or not actor.may_on(needed, group.account_id, group.subaccount):
        return _end(action, State.REFUSED, code="not_allowed", text="The person's roles no longer allow this.")
    if action.kind == Kind.CREATE:
        _list_before(action, group)
    try:
        group_id = _call(action, group)
    except Refused as exc:
        if exc.status == 404 and action.kind in REPEATED:
            return _end(action, State.DONE, group_state=GroupState.DELETED)  # it is gone already
        return _end(action, State.REFUSED, code=exc.code, text=exc.text)
    except (NotSent, RateLimited, DeskError) as exc:
        if action.kind in REPEATED:
            return _again(action, State.COMMITTED, code=exc.code, text=exc.text)
        return _end(action, State.REFUSED, code=exc.code, text=not_sent(exc.text))
    except (AlreadyExists, NotExecuted, OutcomeUnknown) as exc:
        if action.kind in REPEATED:
            return _again(action, State.UNKNOWN, code=exc.code, text=exc.text)
        known = _store(action, state=State.UNKNOWN, error_code=exc.code[:60], error_text=exc.text[:400])
        if action.kind == Kind.CREATE:
            queue.enqueue_on_commit(queue.ACCOUNT_SYNC, group.account_id)  # a listing shows which group it is
        return known
    return _end(action, State.DONE, group_id=group_id)


def _list_before(action: GroupAction, group: OrderGroup) -> None:
    """Read all groups: what a later listing shows beside them appeared after this request left."""
    try:
        groups_read(group.account_id)
    except (ExchangeError, DeskError, WireFormatError) as exc:
        logger.warning("order groups were not read before a new one is asked for: %s", exc)
        return
    GroupAction.objects.filter(pk=action.pk).update(is_listed_before=True, sent_at=utc_now())
    action.refresh_from_db()


def _claim(action_id: int) -> bool:
    now = utc_now()
    once = Q(state=State.COMMITTED, created_at__gt=now - GOOD_FOR) & ~Q(kind__in=REPEATED)
    waiting = Q(state__in=[State.COMMITTED, State.UNKNOWN]) & (Q(next_attempt_at=None) | Q(next_attempt_at__lte=now))
    abandoned = Q(state=State.SENDING, sent_at__lte=now - CLAIM_FOR)
    due = GroupAction.objects.filter(once | Q(kind__in=REPEATED) & (waiting | abandoned), pk=action_id)
    return due.update(state=State.SENDING, attempts=F("attempts") + 1, sent_at=now) == 1


def _expire(action_id: int) -> None:
    late = GroupAction.objects.filter(pk=action_id, state=State.COMMITTED, created_at__lte=utc_now() - GOOD_FOR)
    for action in late.exclude(kind__in=REPEATED):
        _end(action, State.REFUSED, code="too_late", text=TOO_LATE)


def _call(action: GroupAction, group: OrderGroup) -> str | None:
    """Make the request; returns the id of a new group."""
    route = route_of(group.account_id)
    if route is not None and action.attempts == 1:
        return route.group(action)
    client = client_for(group.account_id, write=True)
    name, limit = group.group_id or "", format_count(action.contracts_limit or Decimal(0))
    match Kind(action.kind):
        case Kind.CREATE:
            return api.create_group(client, limit=limit, subaccount=group.subaccount or 0).order_group_id
        case Kind.TRIGGER:
            api.trigger_group(client, name, subaccount=_subaccount(client, group))
        case Kind.RESET:
            api.reset_group(client, name, subaccount=_subaccount(client, group))
        case Kind.LIMIT:
            api.limit_group(client, name, limit=limit)
        case Kind.DELETE:
            api.delete_group(client, name, subaccount=_subaccount(client, group))
    return None


def _subaccount(client: ExchangeClient, group: OrderGroup) -> int:
    """Where the group is: asked in another subaccount the exchange says 404, as if it were gone."""
    if group.subaccount is not None:
        return group.subaccount
    try:
        found = subaccount_find(client_for(group.account_id, write=False), group, is_thorough=True)
    except ExchangeError as exc:
        raise DeskError("group_unplaced", f"Not asked: the group's subaccount could not be read ({exc.text}).") from exc
    if found is None:
        raise DeskError("group_unplaced", "Not asked: no subaccount of this account lists the group.")
    OrderGroup.objects.filter(pk=group.pk, subaccount=None).update(subaccount=found)
    return found


def _end(
    action: GroupAction,
    state: GroupAction.State,
    *,
    code: str = "",
    text: str = "",
    group_id: str | None = None,
    group_state: OrderGroup.State | None = None,
) -> GroupAction:
    now = utc_now()
    with transaction.atomic():
        group = OrderGroup.objects.select_for_update().get(pk=action.group_id)
        if state == State.DONE:
            _advance(group, Kind(action.kind), at=now, limit=action.contracts_limit, state=group_state)
            if group_id is not None:
                # Its own event may have come first, as a group that nobody here asked for.
                twins = OrderGroup.objects.filter(account_id=group.account_id, group_id=group_id).exclude(pk=group.pk)
                for twin in twins:
                    group_events.group_withdraw(twin)
                    twin.delete()
                group.group_id = group_id
        elif action.kind == Kind.CREATE and state == State.REFUSED:
            group.state = GroupState.FAILED
        group.save()
        _store(action, state=state, error_code=code[:60], error_text=text[:400], resolved_at=now)
    return action


def _advance(
    group: OrderGroup,
    kind: GroupAction.Kind,
    *,
    at: datetime,
    limit: Decimal | None,
    state: OrderGroup.State | None = None,
) -> None:
    """What a confirmed action makes of its group. Under the group's lock; a deleted one stays deleted."""
    told = state or next(new for known, new in _EVENTS.values() if known == kind)
    if told is not None and group.state != GroupState.DELETED:
        group.state = told
    if kind == Kind.RESET:
        group.reset_at = at
    if limit is not None and kind in (Kind.CREATE, Kind.LIMIT):
        group.contracts_limit = limit
    group.changed_at = max(group.changed_at, at)


def _again(action: GroupAction, state: GroupAction.State, *, code: str, text: str) -> GroupAction:
    pause = min(MAX_BACKOFF_SECONDS, 2 ** min(action.attempts - 1, 5))
    due = utc_now() + timedelta(seconds=pause)
    return _store(action, state=state, error_code=code[:60], error_text=text[:400], next_attempt_at=due)


def _store(action: GroupAction, **changes: Any) -> GroupAction:
    with transaction.atomic():
        GroupAction.objects.filter(pk=action.pk, state__in=OPEN).update(**changes)
        group_events.group_publish(action.group_id)
    action.refresh_from_db()
    return action


# --- what the exchange tells ----------------------------------------------------------------------


def group_apply(
    account_id: int, group_id: str, *, event: str, limit: Decimal | None, at: datetime, is_told: bool = True
) -> None:
    """Store one event of a group, whoever caused it. Events older than the newest known one change nothing.

    is_told: by the exchange's own event; else a listing showed it.
    """
    kind, state = _EVENTS.get(event, (None, None))
    if kind is None:
        logger.warning("order group %s: event %r is not known", group_id, event[:40])
        return
    with transaction.atomic():
        group, is_new = OrderGroup.objects.select_for_update().get_or_create(
            account_id=account_id,
            group_id=group_id,
            defaults={
                "contracts_limit": limit,
                "state": state or GroupState.ACTIVE,
                "changed_at": at,
                "seen_at": utc_now(),
                "appeared_at": utc_now(),
                "is_told": is_told and kind == Kind.CREATE and at >= utc_now() - FRESH,
            },
        )
        if not is_new and at < group.changed_at - timedelta(seconds=1):
            return  # late; a second is left for the difference of the clocks
        if not is_new:
            _advance(group, kind, at=at, limit=limit)
        elif kind == Kind.RESET:
            group.reset_at = at
        group.seen_at = utc_now()
        group.save()
        in_doubt = group.actions.filter(state__in=[State.SENDING, State.UNKNOWN], kind=kind)
        if kind == Kind.LIMIT:
            in_doubt = in_doubt.filter(contracts_limit=limit)
        in_doubt.update(state=State.DONE, resolved_at=utc_now())
        group_events.group_publish(group.pk)
    if is_new and is_told and is_join_due(account_id):
        queue.enqueue_on_commit(queue.ACCOUNT_SYNC, account_id)


def groups_in_use(account_id: int) -> bool:
    """Say whether a listing is worth its tokens: groups made elsewhere come by their events."""
    over = [GroupState.DELETED, GroupState.FAILED]
    return OrderGroup.objects.filter(account_id=account_id).exclude(state__in=over).exists()


def groups_read(account_id: int) -> None:
    """Bring the groups up to the exchange's listing: limits, groups made elsewhere, groups that are gone.

    Raises ExchangeError, DeskError: nothing was read.
    """
    started = utc_now()
    listed = {record.id: record for record in api.get_groups(client_for(account_id, write=False))}
    known = {one.group_id: one for one in OrderGroup.objects.filter(account_id=account_id).exclude(group_id=None)}
    for group_id, record in listed.items():
        limit = parse_count(record.contracts_limit_fp) if record.contracts_limit_fp else None
        group = known.get(group_id)
        if group is None:
            group_apply(account_id, group_id, event="created", limit=limit, at=started, is_told=False)
        elif limit is not None and group.contracts_limit != limit and group.changed_at < started - LISTED_WITHIN:
            group_apply(account_id, group_id, event="limit_updated", limit=limit, at=started)
    for one in known.values():
        is_gone = one.group_id not in listed and one.state != GroupState.DELETED
        if is_gone and one.group_id and one.changed_at < started - LISTED_WITHIN:
            group_apply(account_id, one.group_id, event="deleted", limit=None, at=started)
    _place(account_id)
    creates_join(account_id, listed_at=started)


def _place(account_id: int) -> None:
    """Find the subaccounts of groups made elsewhere, as far as a few listings tell."""
    over = [GroupState.DELETED, GroupState.FAILED]
    homeless = OrderGroup.objects.filter(account_id=account_id, subaccount=None).exclude(state__in=over)
    for group in homeless.exclude(group_id=None):
        found = subaccount_find(client_for(account_id, write=False), group, is_thorough=False)
        if found is not None and OrderGroup.objects.filter(pk=group.pk, subaccount=None).update(subaccount=found):
            with transaction.atomic():
                group_events.group_publish(group.pk)


def groups_sweep(*, now: datetime) -> None:
    """Hand over again what was lost or is in doubt; what was sent once and lost its worker is in doubt."""
    stuck = GroupAction.objects.filter(state=State.SENDING, sent_at__lte=now - CLAIM_FOR)
    for action in stuck.exclude(kind__in=REPEATED).select_related("group"):
        _store(action, state=State.UNKNOWN, error_code="interrupted", error_text="The desk was interrupted.")
        queue.enqueue(queue.ACCOUNT_SYNC, action.group.account_id)
    due = Q(next_attempt_at=None) | Q(next_attempt_at__lte=now)
    lost = Q(state=State.COMMITTED, created_at__lte=now - timedelta(seconds=2)) & due
    repeat = (Q(state=State.UNKNOWN) & due) | Q(state=State.SENDING, sent_at__lte=now - CLAIM_FOR)
    for pk in GroupAction.objects.filter(lost | Q(kind__in=REPEATED) & repeat).values_list("pk", flat=True):
        queue.enqueue(queue.GROUP_SEND, pk)
