"""Cancel all, cancel what is selected, and keep at it until nothing is left."""

import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.db.models import F

from apps.accounts.grants import within
from apps.core.errors import DeskError
from apps.core.permissions import Actor, Permission
from apps.core.timestamps import utc_now
from apps.orders import trading_events
from apps.orders.access import actor_of, intents_visible_to, orders_visible_to, require_on, require_somewhere
from apps.orders.models import CancelRun, Order, OrderIntent
from apps.orders.services.apply import OPEN_CANCELS
from apps.orders.services.cancel import cancel_submit
from apps.orders.services.send import ended_record

WITHDRAWN = "Withdrawn before it was sent. Nothing reached the exchange."
SELECTED_AT_MOST = 500
# A cancel that the exchange refused (a pause, say) is asked for again this long after.
ASK_AGAIN_AFTER = timedelta(seconds=10)
_DONE = frozenset({"order_done"})


@dataclass(frozen=True, slots=True)
class CancelAllResult:
    """What a cancel of several orders set going.

    unresolved: orders whose outcome is not known yet, so that there is nothing to cancel by.
    """

    cancels: int
    withdrawn: int
    unresolved: int


@dataclass(slots=True)
class CancelManyResult:
    """Row keys by what was done with them. done: there was nothing left to cancel."""

    cancels: list[str] = field(default_factory=list)
    withdrawn: list[str] = field(default_factory=list)
    unresolved: list[str] = field(default_factory=list)
    done: list[str] = field(default_factory=list)


def cancel_all(actor: Actor, *, account_id: int, ticker: str | None = None) -> CancelAllResult:
    """Cancel every working order of an account, or of one market of it, and withdraw what was not sent yet.

    Of an account that the actor may cancel on in part, that part.

    The sweep keeps at it (`cancel_runs_follow`): orders whose outcome was not known come to light later.

    Raises NotAllowed; an account of another desk simply has no orders here.
    """
    require_somewhere(actor, Permission.ORDER_CANCEL)
    scope: dict[str, Any] = {"account_id": account_id} | ({"ticker": ticker} if ticker else {})
    withdrawn = sum(
        _withdraw(intent)
        for intent in intents_visible_to(actor, Permission.ORDER_CANCEL)
        .filter(state=OrderIntent.State.COMMITTED, **scope)
        .select_related("account")
    )
    run = None
    if _has_something(actor, scope):
        run = CancelRun.objects.create(
            account_id=account_id, requested_by_id=actor.user_id, ticker=ticker or "", started_at=utc_now()
        )
    working = orders_visible_to(actor, Permission.ORDER_CANCEL).filter(status=Order.Status.RESTING, **scope)
    cancels = sum(_cancel(actor, order) for order in working.select_related("account"))
    unresolved = intents_visible_to(actor, Permission.ORDER_CANCEL).filter(
        state__in=[OrderIntent.State.SENDING, OrderIntent.State.UNKNOWN], order=None, **scope
    )
    if run is not None:
        trading_events.trading_publish(account_id)
    return CancelAllResult(cancels=cancels, withdrawn=withdrawn, unresolved=unresolved.count())


def _has_something(actor: Actor, scope: Mapping[str, Any]) -> bool:
    resting = orders_visible_to(actor, Permission.ORDER_CANCEL).filter(status=Order.Status.RESTING, **scope)
    waiting = intents_visible_to(actor, Permission.ORDER_CANCEL).filter(
        state__in=[OrderIntent.State.SENDING, OrderIntent.State.UNKNOWN, OrderIntent.State.ACKED], order=None, **scope
    )
    return resting.exists() or waiting.exists()


def cancel_many(actor: Actor, *, account_id: int, keys: Iterable[str]) -> CancelManyResult:
    """Cancel selected rows of an account: `intent:<id>` or `order:<order_id>`. Unknown keys count as done.

    Raises NotAllowed, before anything is done, when one of them is where the actor may not cancel.
    """
    require_somewhere(actor, Permission.ORDER_CANCEL)
    told = CancelManyResult()
    orders = orders_visible_to(actor).filter(account_id=account_id).select_related("account")
    found: list[tuple[str, OrderIntent | None, Order | None]] = []
    for key in dict.fromkeys(keys):
        kind, _, name = key.partition(":")
        intent = None
        if kind == "intent" and name.isdecimal():
            intent = intents_visible_to(actor).filter(account_id=account_id, pk=int(name)).first()
            order = orders.filter(intent_id=int(name)).first()
        else:
            order = orders.filter(order_id=name, intent=None).first()
        row = order or intent
        if row is not None:
            require_on(actor, Permission.ORDER_CANCEL, row.account_id, row.subaccount)
        found.append((key, intent, order))
    for key, intent, order in found:
        if order is not None:
            (told.cancels if _cancel(actor, order) else told.done).append(key)
        elif intent is not None and _withdraw(intent):
            told.withdrawn.append(key)
        elif intent is not None and intent.state not in (OrderIntent.State.REFUSED, OrderIntent.State.NOT_SEEN):
            told.unresolved.append(key)
        else:
            told.done.append(key)
    return told


def _cancel(actor: Actor, order: Order) -> bool:
    """Return whether a cancel is on its way; False when there is nothing left to cancel."""
    try:
        cancel_submit(actor, order, idempotency_key=uuid.uuid4())
    except DeskError as exc:
        if exc.code not in _DONE:
            raise
        return False  # it filled while we were at it
    return True


def _withdraw(intent: OrderIntent) -> bool:
    """COMMITTED -> REFUSED for an intent that no worker has claimed."""
    with transaction.atomic():
        changed = OrderIntent.objects.filter(pk=intent.pk, state=OrderIntent.State.COMMITTED).update(
            state=OrderIntent.State.REFUSED,
            version=F("version") + 1,
            answered_at=utc_now(),
            error_code="withdrawn",
            error_text=WITHDRAWN,
        )
        if changed:
            ended_record(intent, state=OrderIntent.State.REFUSED, code="withdrawn", text=WITHDRAWN)
    return bool(changed)


def cancel_runs_follow(*, now: datetime | None = None) -> None:
    """Cancel what has come to light since, ask again where a cancel was refused, end what is done."""
    now = now or utc_now()
    for run in CancelRun.objects.filter(finished_at=None).select_related("account").order_by("pk"):
        actor = actor_of(user_id=run.requested_by_id, desk_id=run.account.desk_id)
        theirs = within(trading_events.run_reach(run))
        if actor is not None and actor.reach(Permission.ORDER_CANCEL):
            waiting = trading_events.run_orders(run).filter(theirs).exclude(cancels__state__in=OPEN_CANCELS)
            recent = waiting.filter(cancels__resolved_at__gt=now - ASK_AGAIN_AFTER)
            for order in waiting.exclude(pk__in=recent.values("pk")).select_related("account"):
                _cancel(actor, order)
        orders, unresolved = trading_events.run_orders(run), trading_events.run_unresolved(run)
        if not orders.filter(theirs).exists() and not unresolved.filter(theirs).exists():
            with transaction.atomic():
                CancelRun.objects.filter(pk=run.pk, finished_at=None).update(finished_at=now)
                trading_events.trading_publish(run.account_id)
