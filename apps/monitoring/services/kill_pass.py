"""One pass of the kill switch over the accounts of a desk: take off, read again, report what is left.

The gateway makes a pass each half second while something is left (it needs neither Redis nor a worker); the workers'
sweep does the same when there is no gateway. A pass may run twice at the same moment without harm.
"""

import logging
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.db.models import F, Q

from apps.accounts.models import ExchangeAccount
from apps.audit import services as audit
from apps.core.errors import DeskError
from apps.core.rfq import QuoteState, RfqState
from apps.core.timestamps import utc_now
from apps.exchange.clients import client_for
from apps.monitoring import events
from apps.monitoring.clear import Cleared, account_clear
from apps.monitoring.models import KillRun
from apps.orders import queue as orders_queue
from apps.orders.models import OrderIntent
from apps.rfq.models import Accept, Quote, Rfq
from apps.vault.models import ApiKey

logger = logging.getLogger(__name__)

CLAIM_FOR = timedelta(seconds=30)
# After it was clean once, the exchange is read again this often until the release: an order of another tool, a
# request that was on its way for long.
LOOK_AGAIN_AFTER = timedelta(seconds=10)
PROBLEMS_SHOWN = 5
_IDS_KEPT = 200  # in one audit row
_IN_FLIGHT = (OrderIntent.State.COMMITTED, OrderIntent.State.SENDING, OrderIntent.State.UNKNOWN)

# What the other side may still confirm or the exchange execute: nobody can take it back.
_ACCEPTING = (Accept.State.SENDING, Accept.State.UNKNOWN, Accept.State.AWAITING, Accept.State.EXECUTING)


def kills_due(*, now: datetime | None = None) -> list[int]:
    """Return the runs that somebody should make a pass of."""
    now = now or utc_now()
    rows = KillRun.objects.filter(pause__released_at=None).filter(
        Q(clean_at=None) | Q(looked_at=None) | Q(looked_at__lt=now - LOOK_AGAIN_AFTER)
    )
    return list(rows.filter(Q(claimed_until=None) | Q(claimed_until__lt=now)).values_list("pk", flat=True))


def kill_pass(run_id: int) -> KillRun | None:
    """Make one pass; None when it was released, or somebody is at it. Never raises what the exchange does."""
    now = utc_now()
    free = KillRun.objects.filter(Q(claimed_until=None) | Q(claimed_until__lt=now), pk=run_id)
    if not free.filter(pause__released_at=None).update(claimed_until=now + CLAIM_FOR):
        return None
    run = KillRun.objects.select_related("pause").get(pk=run_id)
    try:
        report = {str(account.pk): _account(account, run) for account in _accounts(run.desk_id)}
        report["desk"] = {"unresolved": unresolved_count(run.desk_id)}
        _record(run, report)
    finally:
        KillRun.objects.filter(pk=run_id).update(claimed_until=None)
    run.refresh_from_db()
    return run


def is_clean(report: dict[str, Any]) -> bool:
    """Whether a report says that nothing is left, and that all of it could be read."""
    parts = {key: value for key, value in report.items() if key != "desk"}
    return not report.get("desk", {}).get("unresolved") and all(one["left"] == 0 for one in parts.values())


def unresolved_count(desk_id: int) -> int:
    """How many sends of the desk have no outcome yet: they may come to rest at the exchange."""
    orders = OrderIntent.objects.filter(desk_id=desk_id, order=None, state__in=_IN_FLIGHT).count()
    quotes = Quote.objects.filter(desk_id=desk_id, state__in=[QuoteState.SENDING, QuoteState.UNKNOWN]).count()
    rfqs = Rfq.objects.filter(desk_id=desk_id, state__in=[RfqState.SENDING, RfqState.UNKNOWN]).count()
    accepts = Accept.objects.filter(rfq__desk_id=desk_id, state__in=_ACCEPTING).count()
    return orders + quotes + rfqs + accepts


def _accounts(desk_id: int) -> list[ExchangeAccount]:
    """The accounts that this desk ever had a trading key of."""
    keys = ApiKey.objects.filter(purpose=ApiKey.Purpose.REST_TRADE).exclude(status=ApiKey.Status.REVOKED)
    return list(
        ExchangeAccount.objects.filter(desk_id=desk_id, is_active=True, pk__in=keys.values("account_id")).order_by("pk")
    )


def _account(account: ExchangeAccount, run: KillRun) -> dict[str, Any]:
    before = run.report.get(str(account.pk), {})
    has_triggered = bool(run.passes) and before.get("groups") == 0
    try:
        done = account_clear(client_for(account.pk, write=True), has_triggered=has_triggered)
    except DeskError as exc:
        done = Cleared(problems=[exc.text])
    if done.problems:
        logger.warning("kill switch, account %s: %s", account.pk, "; ".join(done.problems[:PROBLEMS_SHOWN]))
    if done.ended:
        _ended(account, run, done.ended)
    return {
        "name": account.name,
        "environment": account.environment,
        "orders": done.orders,
        "quotes": done.quotes,
        "rfqs": done.rfqs,
        "groups": done.groups,
        "left": done.left,
        "problems": [text[:200] for text in done.problems[:PROBLEMS_SHOWN]],
        "ended": {
            kind: len(done.ended.get(kind, [])) + before.get("ended", {}).get(kind, 0)
            for kind in ("orders", "quotes", "rfqs", "groups")
        },
    }


def _ended(account: ExchangeAccount, run: KillRun, ended: dict[str, list[str]]) -> None:
    for kind, ids in ended.items():
        for at in range(0, len(ids), _IDS_KEPT):
            audit.record(
                "monitoring.kill.cancelled",
                actor_id=None,
                desk_id=account.desk_id,
                environment=account.environment,
                target=f"kill_run:{run.pk}",
                data={"account": account.pk, "kind": kind, "ids": ids[at : at + _IDS_KEPT]},
            )
    orders_queue.enqueue(orders_queue.ACCOUNT_SYNC, account.pk)


def _record(run: KillRun, report: dict[str, Any]) -> None:
    now = utc_now()
    with transaction.atomic():
        KillRun.objects.filter(pk=run.pk).update(report=report, passes=F("passes") + 1, looked_at=now)
        if is_clean(report):
            if KillRun.objects.filter(pk=run.pk, clean_at=None).update(clean_at=now):
                audit.record(
                    "monitoring.kill.clean",
                    actor_id=None,
                    desk_id=run.desk_id,
                    target=f"kill_run:{run.pk}",
                    data={"passes": run.passes + 1},
                )
        else:
            # Something appeared since: it is not clean any more, and says so.
            KillRun.objects.filter(pk=run.pk).exclude(clean_at=None).update(clean_at=None)
        events.kill_publish(run.desk_id)
