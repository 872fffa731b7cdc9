"""Background work of the RFQ desk. Every task may run twice, late, or never: what must happen stands in SQL."""

import functools
import logging
import threading
from typing import Any

from celery import current_app, shared_task
from celery.signals import worker_ready, worker_shutdown, worker_shutting_down

from apps.accounts.permissions import task_permission
from apps.core.errors import DeskError, WireFormatError
from apps.core.permissions import Permission
from apps.exchange.selectors import accounts_with_keys
from apps.exchange.wire.errors import ExchangeError
from apps.orders import lane
from apps.rfq import queue
from apps.rfq.services import (
    accepts_send,
    approvals,
    auto_accept,
    incoming,
    markouts,
    quotes_send,
    requests_send,
    requests_sweep,
    shadow_grades,
    stand_by,
    verify,
)
from apps.rfq.services import (
    confirm_send as confirming,
)
from apps.rfq.services.combos_send import combo_resolve as combo_resolve_once

logger = logging.getLogger(__name__)

_attendants: list[lane.Attendants] = []  # of the urgent worker: what is decided comes to them by the short way
_ending = threading.Event()


@shared_task(ignore_result=True)
@task_permission(Permission.RFQ_TRADE)
def rfq_send(rfq_pk: int) -> None:
    """Send one request. A repeat finds nothing to claim; the author's right is asked for again."""
    requests_send.rfq_send(rfq_pk)


@shared_task(ignore_result=True)
@task_permission(Permission.RFQ_PULL)
def rfq_close(rfq_pk: int) -> None:
    """Make one attempt to end a request that somebody wants gone."""
    requests_send.rfq_delete(rfq_pk)


@shared_task(ignore_result=True)
@task_permission(Permission.SYSTEM)
def rfq_resolve(rfq_pk: int) -> None:
    """Read what became of one request. It only reads."""
    requests_sweep.rfq_resolve(rfq_pk)


@shared_task(ignore_result=True)
@task_permission(Permission.RFQ_TRADE)
def accept_send(accept_pk: int) -> None:
    """Take one quote. A repeat finds nothing to claim; the person's right is asked for again."""
    accepts_send.accept_send(accept_pk)


@shared_task(ignore_result=True)
@task_permission(Permission.SYSTEM)
def accept_resolve(accept_pk: int) -> None:
    """Read what became of one accept. It only reads."""
    accepts_send.accept_resolve(accept_pk)


@shared_task(ignore_result=True)
@task_permission(Permission.RFQ_TRADE)
def combo_resolve(resolution_pk: int) -> None:
    """Ask for the market of some legs. A repeat finds it known; the person's right is asked for again."""
    combo_resolve_once(resolution_pk)


@shared_task(ignore_result=True)
@task_permission(Permission.RFQ_TRADE)
def quote_send(quote_pk: int) -> None:
    """Send one quote. A repeat finds nothing to claim; the person's right is asked for again."""
    quotes_send.quote_send(quote_pk)


@shared_task(ignore_result=True)
@task_permission(Permission.RFQ_PULL)
def quote_pull(quote_pk: int) -> None:
    """Make one attempt to delete a quote that somebody wants gone."""
    quotes_send.quote_delete(quote_pk)


@shared_task(ignore_result=True)
@task_permission(Permission.SYSTEM)
def quote_resolve(quote_pk: int) -> None:
    """Read what became of one quote. It only reads."""
    quotes_send.quote_resolve(quote_pk)


@shared_task(ignore_result=True)
@task_permission(Permission.RFQ_TRADE)
def confirm_send(confirmation_pk: int) -> None:
    """Confirm one accepted quote. A repeat finds no free lease; who decided is asked for their right again."""
    confirming.confirm_send(confirmation_pk)


@shared_task(ignore_result=True)
@task_permission(Permission.SYSTEM)
def confirm_look(confirmation_pk: int) -> None:
    """Read what became of one accepted quote. It only reads."""
    confirming.confirmation_look(confirmation_pk)


@shared_task(ignore_result=True)
@task_permission(Permission.SYSTEM)
def incoming_read(account_id: int, rfq_id: str) -> None:
    """Read one request of somebody else for the web process, which opens no keys. It only reads."""
    incoming.incoming_read(account_id, rfq_id)


@shared_task(ignore_result=True)
@task_permission(Permission.SYSTEM)
def own_quotes_sync() -> None:
    """Begin to stand by in the worker of orders; what that does is in `services/stand_by.py`. Takes no time."""
    stand_by.stand_by()


@shared_task(ignore_result=True)
@task_permission(Permission.SYSTEM)
def rfq_sweep() -> None:
    """Expire, hand over again, look up. Beat runs this every second."""
    stand_by.stand_by()
    requests_sweep.requests_sweep()
    accepts_send.accepts_sweep()
    auto_accept.auto_accepts_fire()
    quotes_send.quotes_sweep()
    approvals.approvals_expire()
    confirming.confirmations_sweep()
    verify.ends_verify()


@shared_task(ignore_result=True)
@task_permission(Permission.SYSTEM)
def rfq_markouts() -> None:
    """Take what filled quotes are worth by now, and grade what rules in the shadow would have made. Beat: every 2 s."""
    markouts.markouts_sweep()
    shadow_grades.shadow_grades_sweep()


@shared_task(ignore_result=True)
@task_permission(Permission.SYSTEM)
def accounts_rfqs_read() -> None:
    """Queue a reading of every account with a key. Beat runs this every 30 s."""
    for account in accounts_with_keys():
        queue.enqueue(queue.ACCOUNT_READ, account.account_id)


@shared_task(ignore_result=True)
@task_permission(Permission.SYSTEM)
def account_rfqs_sync(account_id: int) -> None:
    """Read one account's requests and the quotes on them; the next beat is the retry."""
    try:
        requests_sweep.account_read(account_id)
    except (ExchangeError, DeskError, WireFormatError) as exc:
        logger.warning("requests of account %s were not read, beat tries again: %s", account_id, exc)


@worker_ready.connect
def _worker_started(sender: Any = None, **_: object) -> None:
    """Restart is recovery: what the last worker left behind is read before the first beat."""
    if "urgent" in getattr(sender, "app", current_app).amqp.queues.consume_from:
        send = functools.partial(confirming.confirm_send, is_stopped=_ending.is_set)
        _attendants.append(lane.Attendants(send, at=lane.CONFIRMS))
        _attendants[-1].start()
    queue.enqueue("apps.rfq.tasks.rfq_sweep")
    queue.enqueue("apps.rfq.tasks.accounts_rfqs_read")


@worker_shutting_down.connect
def _worker_ending(**_: object) -> None:
    """Who stands by or sends stops, so that an end is not held up by a window: others send what this one holds."""
    _ending.set()
    for one in _attendants:
        one.stop()
    stand_by.stop()


@worker_shutdown.connect
def _worker_ended(**_: object) -> None:
    while _attendants:
        _attendants.pop().join()
