"""Bring one account's orders and fills up to what the exchange lists over REST.

Runs after each (re)connect of the private channels and every 30 s: what the WebSocket lost (it
numbers neither orders nor fills) is found here. Restart is recovery: the same path.
"""

import logging
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from typing import TypeVar

from apps.core import killpoints
from apps.core.durability import reaches_disk_later
from apps.core.errors import WireFormatError
from apps.core.timestamps import parse_rfc3339, to_unix_seconds, utc_now
from apps.exchange.clients import client_for
from apps.exchange.wire import api
from apps.exchange.wire.client import ExchangeClient
from apps.orders.models import AccountSync, Order
from apps.orders.reports import FillReport, OrderReport, fill_from_rest, order_from_rest
from apps.orders.services.apply import order_apply
from apps.orders.services.fills import fills_record
from apps.orders.services.lookup import order_read

logger = logging.getLogger(__name__)

W = TypeVar("W")
R = TypeVar("R", OrderReport, FillReport)

# The first read of an account goes back this far; older orders and fills belong to history.
FIRST_READ = timedelta(days=7)
# Read again what was read shortly before: filters count whole seconds and clocks differ.
OVERLAP = timedelta(seconds=30)
FILLS_AT_ONCE = 200  # per transaction, so that other writers wait little


@reaches_disk_later()  # the next reading tells it again; `read_through` reaches the disk behind what it covers
def orders_reconcile(account_id: int) -> None:
    """Read resting orders, recent orders, orders that vanished from the resting list, and fills.

    Raises:
        ExchangeError, DeskError: the exchange could not be read; what was read so far is stored,
            and the next call starts where the last complete one ended.
    """
    killpoints.reach("reconcile.started")
    client = client_for(account_id, write=False)
    sync, _ = AccountSync.objects.get_or_create(account_id=account_id)
    # Asked first: everything up to this time is in the listings that follow.
    data_as_of = parse_rfc3339(api.get_user_data_timestamp(client))
    since = to_unix_seconds(sync.read_through - OVERLAP if sync.read_through else data_as_of - FIRST_READ)
    killpoints.reach("reconcile.dated")
    resting_before = list(_resting_ids(account_id))
    seen = _orders_read(client, account_id, status="resting") | _orders_read(client, account_id, min_ts=since)
    for order_id in resting_before:
        if order_id not in seen:
            order_read(account_id, order_id)
    killpoints.reach("reconcile.orders_read")
    _fills_read(client, account_id, min_ts=since)
    killpoints.reach("reconcile.fills_read")
    AccountSync.objects.filter(pk=sync.pk).update(
        read_through=_later(sync.read_through, data_as_of), finished_at=utc_now(), error=""
    )
    killpoints.reach("reconcile.noted")


def _later(known: datetime | None, read: datetime) -> datetime:
    return read if known is None or read > known else known


def sync_failed(account_id: int, why: str) -> None:
    """Note why the last sync did not finish; pages show it."""
    AccountSync.objects.filter(account_id=account_id).update(error=why[:200])


def _resting_ids(account_id: int) -> Iterable[str]:
    return Order.objects.filter(account_id=account_id, status=Order.Status.RESTING).values_list("order_id", flat=True)


def _orders_read(
    client: ExchangeClient, account_id: int, *, status: str | None = None, min_ts: int | None = None
) -> set[str]:
    """Apply a listing and return the order ids in it."""
    seen = set()
    for report in _readable(api.get_orders(client, status=status, min_ts=min_ts), order_from_rest):
        order_apply(account_id, report, source="rest")
        seen.add(report.order_id)
    return seen


def _fills_read(client: ExchangeClient, account_id: int, *, min_ts: int) -> None:
    batch: list[FillReport] = []
    for report in _readable(api.get_fills(client, min_ts=min_ts), fill_from_rest):
        batch.append(report)
        if len(batch) == FILLS_AT_ONCE:
            fills_record(account_id, batch, source="rest")
            batch = []
    fills_record(account_id, batch, source="rest")


def _readable(rows: Iterable[W], read: Callable[[W], R]) -> Iterable[R]:
    """Yield what can be read; one malformed row must not hide the others."""
    for row in rows:
        try:
            yield read(row)
        except WireFormatError:
            logger.exception("a row of the exchange's listing cannot be read: %r", row)
