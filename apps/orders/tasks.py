"""Background work of orders. Every task may run twice, late, or never without harm.

`intents_sweep` is the retry of all others: what must happen stands in SQL.
"""

import logging
import threading
from typing import Any

import redis
from celery import current_app, shared_task
from celery.signals import worker_ready, worker_shutdown, worker_shutting_down
from django.core.cache import cache
from django.db import connection

from apps.accounts.permissions import task_permission
from apps.core.durability import reaches_disk_later
from apps.core.errors import DeskError, WireFormatError
from apps.core.permissions import Permission
from apps.exchange.clients import client_for
from apps.exchange.selectors import accounts_with_keys
from apps.exchange.wire.api import get_user_data_timestamp
from apps.exchange.wire.errors import ExchangeError
from apps.orders import lane, queue, services
from apps.orders.models import ChangeIntent, OrderIntent

logger = logging.getLogger(__name__)

# A sync that was killed lets the next one start after this long. One that takes longer is joined by another, which
# costs tokens and nothing else.
SYNC_LOCK_SECONDS = 45
_SENDS = frozenset({"orders", "urgent"})  # queues whose work writes at the exchange
_attendants: list[lane.Attendants] = []


@shared_task(ignore_result=True)
@task_permission(Permission.ORDER_PLACE)
def order_send(intent_id: int) -> None:
    """Send one intent. A repeat finds nothing to claim; the author's right is asked for again."""
    services.intent_send(intent_id)


@shared_task(ignore_result=True)
@task_permission(Permission.ORDER_PLACE)
def batch_send(*intent_ids: int) -> None:
    """Send the lines of a batch, a few per request. A repeat finds nothing to claim."""
    services.batch_send(intent_ids)


@shared_task(ignore_result=True)
@task_permission(Permission.ORDER_CANCEL)
def cancel_send(cancel_id: int) -> None:
    """Make one attempt to cancel. The person's right is asked for again."""
    services.cancel_send(cancel_id)


@shared_task(ignore_result=True)
@task_permission(Permission.ORDER_PLACE)
def change_send(change_id: int) -> None:
    """Send an amend at most once, or a decrease once more. The person's right is asked for again."""
    services.change_send(change_id)


@shared_task(ignore_result=True)
@task_permission(Permission.ORDER_CANCEL)
def group_send(action_id: int) -> None:
    """Make one attempt of something asked of an order group. The person's right is asked for again."""
    services.group_send(action_id)


@shared_task(ignore_result=True)
@task_permission(Permission.SYSTEM)
def change_resolve(change_id: int) -> None:
    """Look what became of one amend in doubt. It only reads."""
    try:
        services.change_resolve(change_id)
    except ChangeIntent.DoesNotExist:
        logger.warning("change %s, to be looked up, does not exist", change_id)


@shared_task(ignore_result=True)
@task_permission(Permission.SYSTEM)
def intent_resolve(intent_id: int) -> None:
    """Look for the order of one unconfirmed intent. It only reads, and applies under a lock."""
    try:
        services.intent_resolve(intent_id)
    except OrderIntent.DoesNotExist:
        logger.warning("intent %s, to be looked up, does not exist", intent_id)


@shared_task(ignore_result=True)
@task_permission(Permission.SYSTEM)
def intents_sweep() -> None:
    """Expire, hand over again, look up. Beat runs this every 5 s."""
    services.intents_sweep()


@shared_task(ignore_result=True)
@task_permission(Permission.SYSTEM)
def accounts_reconcile() -> None:
    """Queue a sync of orders and fills for every account with a key. Beat runs this every 30 s."""
    for account in accounts_with_keys():
        queue.enqueue(queue.ACCOUNT_SYNC, account.account_id)


@shared_task(ignore_result=True)
@task_permission(Permission.SYSTEM)
@reaches_disk_later()
def account_orders_sync(account_id: int) -> None:
    """Read one account's orders and fills, unless a sync of it is still running."""
    lock = f"orders-sync-lock:{account_id}"
    if not _lock_take(lock):
        return
    try:
        services.orders_reconcile(account_id)
        if services.groups_in_use(account_id):
            services.groups_read(account_id)
    except (ExchangeError, DeskError, WireFormatError) as exc:
        services.sync_failed(account_id, str(exc))
        logger.warning("orders of account %s were not synced, beat tries again: %s", account_id, exc)
    finally:
        _lock_drop(lock)


@shared_task(ignore_result=True)
@task_permission(Permission.SYSTEM)
def queue_positions_refresh() -> None:
    """Queue a read for every account with working orders that somebody looks at. Beat runs this every 5 s."""
    for account_id in services.queued_accounts():
        queue.enqueue(queue.QUEUE_POSITIONS, account_id)


@shared_task(ignore_result=True)
@task_permission(Permission.SYSTEM)
def account_queue_sync(account_id: int) -> None:
    """Read one account's queue positions; the next beat is the retry."""
    try:
        services.queue_positions_read(account_id)
    except (ExchangeError, DeskError) as exc:
        logger.warning("queue positions of account %s were not read: %s", account_id, exc)


@worker_ready.connect
def _worker_started(sender: Any = None, **_: object) -> None:
    """Restart is recovery: what the last worker left behind is swept before the first beat."""
    queue.enqueue(queue.INTENTS_SWEEP)
    queue.enqueue(queue.ACCOUNTS_RECONCILE)
    queues = set(getattr(sender, "app", current_app).amqp.queues.consume_from)
    if "orders" in queues:
        _attendants.append(lane.Attendants(order_send, warm=services.sender_warm))
        _attendants[-1].start()
    if _SENDS & queues:
        # On its own: an exchange that cannot be reached must not keep the first cancel waiting.
        threading.Thread(target=senders_warm, name="senders-warm", daemon=True).start()


@worker_shutting_down.connect
def _worker_ending(**_: object) -> None:
    for one in _attendants:
        one.stop()


@worker_shutdown.connect
def _worker_ended(**_: object) -> None:
    while _attendants:
        _attendants.pop().join()


def senders_warm() -> None:
    """Open the keys and connect once before the first order, which would wait for it."""
    try:
        for account in accounts_with_keys():
            try:
                get_user_data_timestamp(client_for(account.account_id, write=True))
            except (ExchangeError, DeskError) as exc:
                logger.info("account %s is not ready to send yet: %s", account.account_id, exc)
    finally:
        connection.close()


def _lock_take(name: str) -> bool:
    """Two syncs at once are harmless, only wasteful: without a cache we go on without the lock."""
    try:
        return bool(cache.add(name, 1, timeout=SYNC_LOCK_SECONDS))
    except (redis.RedisError, OSError) as exc:
        logger.warning("no sync lock (%s)", type(exc).__name__)
        return True


def _lock_drop(name: str) -> None:
    try:
        cache.delete(name)
    except (redis.RedisError, OSError) as exc:
        logger.warning("a sync lock stays until it expires (%s)", type(exc).__name__)
