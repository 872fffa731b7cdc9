"""The topic `trading:<account>`: who may not place orders now, and what a "cancel all" still waits for.

Frame (whole): `pauses` [{"id", "scope" "person" | "desk", "level" "pause" | "kill", "user_id" (null: everybody),
"why", "by", "at_ms", "needs_lead"}], `cancel_runs` [{"id", "ticker" ("" for all), "left" (orders that still rest),
"subaccounts" (null, or which of them: all that whoever asked may cancel in),
"unresolved" (orders whose outcome is not known), "why" (the newest refusal of a cancel, or ""), "started_ms", "by"}],
`recovering`: answers of the exchange wait to be written into the database, and no order passes until they are;
`gate` null | {"closed_ms"}: no order passes since then, because the exchange accepted two orders in a row without
naming them (`services.gate`).
"""

from typing import Any

from django.db.models import Q, QuerySet

from apps.accounts.grants import within
from apps.accounts.models import ExchangeAccount
from apps.core.permissions import Permission, Reach
from apps.core.prepared import Prepared
from apps.core.timestamps import to_unix_ms
from apps.core.topics import TopicName
from apps.exchange import live
from apps.orders import spill
from apps.orders.access import actor_of
from apps.orders.models import CancelIntent, CancelRun, Order, OrderIntent, SendGate, TradingPause

_runs = Prepared(lambda account_id: CancelRun.objects.filter(account_id=account_id, finished_at=None)[:1])
Row = dict[str, Any]
_UNRESOLVED = (OrderIntent.State.COMMITTED, OrderIntent.State.SENDING, OrderIntent.State.UNKNOWN)


def trading_topic(account_id: int) -> str:
    return str(TopicName("trading", str(account_id)))


def trading_frame(account_id: int) -> Row:
    desk_id = ExchangeAccount.objects.values_list("desk_id", flat=True).get(pk=account_id)
    pauses = TradingPause.objects.filter(desk_id=desk_id, released_at=None).order_by("pk")
    runs = CancelRun.objects.filter(account_id=account_id, finished_at=None).select_related("account").order_by("pk")
    gate = SendGate.objects.filter(account_id=account_id).values_list("closed_at", flat=True).first()
    return {
        "pauses": [pause_row(pause) for pause in pauses],
        "cancel_runs": [run_row(run) for run in runs],
        "recovering": spill.is_pending(),
        "gate": None if gate is None else {"closed_ms": to_unix_ms(gate)},
    }


def pause_row(pause: TradingPause) -> Row:
    return {
        "id": pause.pk,
        "scope": pause.scope,
        "level": pause.level,
        "user_id": pause.user_id,
        "why": pause.why,
        "by": pause.set_by_id,
        "at_ms": to_unix_ms(pause.set_at),
        "needs_lead": pause.user_id is None or pause.set_by_id != pause.user_id,
        "released_ms": None if pause.released_at is None else to_unix_ms(pause.released_at),
    }


def run_row(run: CancelRun) -> Row:
    reach = run_reach(run)
    theirs = within(reach)
    orders = run_orders(run).filter(theirs)
    refused = CancelIntent.objects.filter(
        order__in=orders, state=CancelIntent.State.REFUSED, created_at__gte=run.started_at
    )
    newest = refused.order_by("-pk").first()
    parts = sorted(number for account_id, number in reach.subaccounts if account_id == run.account_id)
    return {
        "id": run.pk,
        "ticker": run.ticker,
        "subaccounts": None if reach.covers(run.account_id, None) else parts,
        "left": orders.count(),
        "unresolved": run_unresolved(run).filter(theirs).count(),
        "why": newest.error_text if newest else "",
        "started_ms": to_unix_ms(run.started_at),
        "by": run.requested_by_id,
    }


def run_reach(run: CancelRun) -> Reach:
    """Where whoever asked for it may cancel now, which is all that it means.

    Who may nowhere any more leaves the whole scope to be looked at: it ends with its last order.
    """
    actor = actor_of(user_id=run.requested_by_id, desk_id=run.account.desk_id)
    return (actor and actor.reach(Permission.ORDER_CANCEL)) or Reach(is_desk=True)


def run_orders(run: CancelRun) -> QuerySet[Order]:
    """Orders that were there when "cancel all" was pressed, and still rest."""
    scope = {"account_id": run.account_id} | ({"ticker": run.ticker} if run.ticker else {})
    placed_elsewhere = Q(intent=None) & (Q(created_at__lte=run.started_at) | Q(created_at=None))
    before = Q(intent__created_at__lte=run.started_at) | placed_elsewhere
    return Order.objects.filter(before, status=Order.Status.RESTING, **scope)


def run_unresolved(run: CancelRun) -> QuerySet[OrderIntent]:
    """Orders of before whose outcome is not known yet, so that there is nothing to cancel by."""
    scope = {"account_id": run.account_id} | ({"ticker": run.ticker} if run.ticker else {})
    waiting = Q(state__in=_UNRESOLVED) | Q(state=OrderIntent.State.ACKED)
    return OrderIntent.objects.filter(waiting, order=None, created_at__lte=run.started_at, **scope)


def trading_publish(account_id: int) -> None:
    """Publish after the commit, as it is then."""
    live.publish_on_commit(trading_topic(account_id), lambda: trading_frame(account_id))


def orders_changed(account_id: int) -> None:
    """An order of this account changed: a "cancel all" in progress has fewer left, perhaps none."""
    if _runs(account_id):
        trading_publish(account_id)
