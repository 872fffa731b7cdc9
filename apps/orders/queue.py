"""Hand work to the workers after a commit, without ever failing or holding up the caller.

A queue that is down loses nothing: what must happen is in SQL, and `tasks.intents_sweep` hands it
over again.
"""

import functools
import logging

import redis
from celery import current_app
from django.db import transaction
from kombu.connection import Connection
from kombu.exceptions import KombuError
from kombu.pools import producers

from apps.core import killpoints
from apps.orders import lane

logger = logging.getLogger(__name__)

ORDER_SEND = "apps.orders.tasks.order_send"
BATCH_SEND = "apps.orders.tasks.batch_send"
GROUP_SEND = "apps.orders.tasks.group_send"
CANCEL_SEND = "apps.orders.tasks.cancel_send"
CHANGE_SEND = "apps.orders.tasks.change_send"
CHANGE_RESOLVE = "apps.orders.tasks.change_resolve"
INTENT_RESOLVE = "apps.orders.tasks.intent_resolve"
QUEUE_POSITIONS = "apps.orders.tasks.account_queue_sync"
ACCOUNT_SYNC = "apps.orders.tasks.account_orders_sync"
INTENTS_SWEEP = "apps.orders.tasks.intents_sweep"
ACCOUNTS_RECONCILE = "apps.orders.tasks.accounts_reconcile"

# A person waits for this, and the sweep is the retry: one try, bounded also when the broker hangs.
# The workers' own connections must block and keep celery's defaults.
_ONE_TRY = {"max_retries": 0, "socket_connect_timeout": 1.0, "socket_timeout": 2.0}
_WAIT_FOR_CONNECTION = 2.0  # seconds


def enqueue(task: str, *ids: int | str, countdown: float | None = None) -> bool:
    """Queue one task now; returns False when the broker did not take it.

    By name, because the web process never loads the tasks.
    """
    try:
        with producers[_connection()].acquire(block=True, timeout=_WAIT_FOR_CONNECTION) as producer:
            current_app.send_task(
                task, args=ids, countdown=countdown, producer=producer, retry=False, ignore_result=True
            )
    except (KombuError, redis.RedisError, OSError) as exc:
        logger.warning("%s%s was not queued (%s); the sweep queues it again", task, ids, type(exc).__name__)
        return False
    return True


def enqueue_on_commit(task: str, *ids: int) -> None:
    transaction.on_commit(lambda: _enqueue_committed(task, *ids))


def order_send_on_commit(intent_id: int) -> None:
    """Have a new order sent, by the short way where there is one."""
    transaction.on_commit(lambda: _enqueue_committed(ORDER_SEND, intent_id, is_short=True))


def _enqueue_committed(task: str, *ids: int, is_short: bool = False) -> None:
    killpoints.reach("submit.committed")
    if not (is_short and lane.hand_over(*ids)):
        enqueue(task, *ids)
    killpoints.reach("submit.queued")


def _connection() -> Connection:
    return _connection_to(current_app.conf.broker_write_url)


@functools.lru_cache(maxsize=4)
def _connection_to(broker: str) -> Connection:
    """Return what is never opened itself: the key under which kombu keeps its pool of open ones."""
    connection: Connection = current_app.connection_for_write(broker, transport_options=_ONE_TRY)
    return connection
