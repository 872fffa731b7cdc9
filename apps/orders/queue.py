"""Hand work to the workers after a commit, without ever failing the caller.

A queue that is down loses nothing: what must happen is in SQL, and `tasks.intents_sweep` hands it
over again.
"""

import logging

from celery import current_app
from django.db import transaction
from kombu.exceptions import KombuError

logger = logging.getLogger(__name__)

ORDER_SEND = "apps.orders.tasks.order_send"
CANCEL_SEND = "apps.orders.tasks.cancel_send"
INTENT_RESOLVE = "apps.orders.tasks.intent_resolve"
ACCOUNT_SYNC = "apps.orders.tasks.account_orders_sync"
INTENTS_SWEEP = "apps.orders.tasks.intents_sweep"
ACCOUNTS_RECONCILE = "apps.orders.tasks.accounts_reconcile"


def enqueue(task: str, *ids: int) -> bool:
    """Queue one task now; returns False when the broker could not be reached."""
    try:
        # One quick try: the person is waiting, and the sweep is the retry.
        current_app.tasks[task].apply_async(ids, retry=False)
    except (KombuError, OSError) as exc:
        logger.warning("%s%s was not queued (%s); the sweep queues it again", task, ids, type(exc).__name__)
        return False
    return True


def enqueue_on_commit(task: str, row_id: int) -> None:
    transaction.on_commit(lambda: enqueue(task, row_id))
