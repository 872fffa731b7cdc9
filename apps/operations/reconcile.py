"""After a restore: compare every account with the exchange from before the backup until now; only then may a lead open.

Orders and fills that the backup does not know come in by the usual door (`orders_reconcile`): ours are joined to their
intents by client order id where those exist, the others are shown as placed elsewhere.
"""

import logging
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.db.models import Q

from apps.accounts.models import ExchangeAccount
from apps.audit import services as audit
from apps.core import ports
from apps.core.errors import DeskError, WireFormatError
from apps.core.timestamps import utc_now
from apps.exchange.selectors import accounts_with_keys
from apps.exchange.wire.errors import ExchangeError
from apps.history import reconcile
from apps.operations.models import Restoration
from apps.orders.models import OrderIntent, TradingPause
from apps.orders.services import orders_reconcile
from apps.orders.trading_events import trading_publish

logger = logging.getLogger(__name__)

BEFORE = timedelta(hours=1)  # read again what lay shortly before the backup
CLAIM_FOR = timedelta(minutes=10)
NO_KEY = "no working key: it was not compared, and nothing can be sent on it"


def restorations_follow(*, now: datetime | None = None) -> int:
    """Compare what is not compared yet; returns how many desks are done by now. Twice at once is harmless."""
    done = 0
    for restoration in Restoration.objects.filter(reconciled_at=None).select_related("desk", "pause"):
        at = now or utc_now()
        free = Q(looked_at=None) | Q(looked_at__lt=at - CLAIM_FOR)
        if not Restoration.objects.filter(free, pk=restoration.pk).update(looked_at=at):
            continue  # another worker is at it
        try:
            done += _follow(restoration)
        finally:
            Restoration.objects.filter(pk=restoration.pk).update(looked_at=None)
    return done


def _follow(restoration: Restoration) -> bool:
    report: dict[str, dict[str, Any]] = dict(restoration.report)
    keyed = {account.account_id for account in accounts_with_keys()}
    for account in ExchangeAccount.objects.filter(desk=restoration.desk, is_active=True).order_by("pk"):
        known = report.get(str(account.pk), {})
        if known.get("done"):
            continue
        said = _compare(account, since=restoration.made_at - BEFORE) if account.pk in keyed else (True, NO_KEY)
        report[str(account.pk)] = {"name": account.name, "done": said[0], "said": said[1]}
        Restoration.objects.filter(pk=restoration.pk).update(report=report)
    if not all(one["done"] for one in report.values()):
        return False
    _finish(restoration, report)
    return True


def _compare(account: ExchangeAccount, *, since: datetime) -> tuple[bool, str]:
    try:
        orders_reconcile(account.pk)
    except (ExchangeError, DeskError, WireFormatError) as exc:
        return False, f"its orders were not read: {getattr(exc, 'text', exc)}"[:300]
    doubt = OrderIntent.objects.filter(
        account=account, state__in=[OrderIntent.State.UNKNOWN, OrderIntent.State.SENDING], order=None
    ).count()
    if doubt:
        return False, f"{doubt} orders are still in doubt; each is looked up"
    run = reconcile.reconcile(account.pk, since=since)
    if run.error:
        return False, f"it was not compared: {run.error}"[:300]
    left = sum(count(account.pk) for count in ports.open_differences)
    return True, f"compared since {since:%Y-%m-%d %H:%M} UTC, {left} differences open"


def _finish(restoration: Restoration, report: dict[str, dict[str, Any]]) -> None:
    with transaction.atomic():
        row = Restoration.objects.filter(pk=restoration.pk, reconciled_at=None)
        if not row.update(reconciled_at=utc_now(), report=report):
            return
        why = f"Restored from the backup of {restoration.made_at:%Y-%m-%d %H:%M} UTC and compared with the exchange"
        TradingPause.objects.filter(pk=restoration.pause_id).update(why=f"{why}: a lead opens trading")
        audit.record(
            "operations.restore.reconciled",
            actor_id=None,
            desk_id=restoration.desk_id,
            target=f"trading_pause:{restoration.pause_id}",
            data={"accounts": list(report.values())},
        )
    for number in report:
        trading_publish(int(number))
    logger.warning("desk %s: compared after its restore; a lead may open trading", restoration.desk.slug)


def release_hold(pause_id: int) -> str:
    """Say why this pause may not be released yet, "" when it may."""
    restoration = Restoration.objects.filter(pause_id=pause_id, reconciled_at=None).first()
    if restoration is None:
        return ""
    left = [f"{one['name']}: {one['said']}" for one in restoration.report.values() if not one["done"]]
    detail = f" {'; '.join(left)}." if left else ""
    return f"The desk was restored from a backup and is not compared with the exchange yet.{detail} Cancels work."
