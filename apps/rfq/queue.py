"""Names of the tasks, because the web process never loads them. How they are queued: `apps.orders.queue`."""

from django.db import transaction

from apps.orders import lane
from apps.orders.queue import enqueue, enqueue_on_commit

RFQ_SEND = "apps.rfq.tasks.rfq_send"
RFQ_CLOSE = "apps.rfq.tasks.rfq_close"
RFQ_RESOLVE = "apps.rfq.tasks.rfq_resolve"
ACCEPT_SEND = "apps.rfq.tasks.accept_send"
ACCEPT_RESOLVE = "apps.rfq.tasks.accept_resolve"
QUOTE_SEND = "apps.rfq.tasks.quote_send"
QUOTE_PULL = "apps.rfq.tasks.quote_pull"
QUOTE_RESOLVE = "apps.rfq.tasks.quote_resolve"
CONFIRM_SEND = "apps.rfq.tasks.confirm_send"
CONFIRM_LOOK = "apps.rfq.tasks.confirm_look"
COMBO_RESOLVE = "apps.rfq.tasks.combo_resolve"
INCOMING_READ = "apps.rfq.tasks.incoming_read"
ACCOUNT_READ = "apps.rfq.tasks.account_rfqs_sync"


def confirm_send_now(confirmation_pk: int) -> None:
    """Have a decided confirmation sent, by the short way where a sender waits at it (`orders/lane.py`)."""
    if not lane.hand_over(confirmation_pk, to=lane.CONFIRMS):
        enqueue(CONFIRM_SEND, confirmation_pk)


def confirm_send_on_commit(confirmation_pk: int) -> None:
    transaction.on_commit(lambda: confirm_send_now(confirmation_pk))


__all__ = [
    "ACCEPT_RESOLVE",
    "ACCEPT_SEND",
    "ACCOUNT_READ",
    "COMBO_RESOLVE",
    "CONFIRM_LOOK",
    "CONFIRM_SEND",
    "INCOMING_READ",
    "QUOTE_PULL",
    "QUOTE_RESOLVE",
    "QUOTE_SEND",
    "RFQ_CLOSE",
    "RFQ_RESOLVE",
    "RFQ_SEND",
    "confirm_send_now",
    "confirm_send_on_commit",
    "enqueue",
    "enqueue_on_commit",
]
