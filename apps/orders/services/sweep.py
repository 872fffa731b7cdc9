"""What makes path 2 whole when a message is lost: found in SQL, handed over again."""

from datetime import datetime, timedelta

from django.db.models import Q

from apps.core import killpoints
from apps.core.timestamps import utc_now
from apps.orders import queue
from apps.orders.models import CancelIntent, ChangeIntent, OrderIntent
from apps.orders.services.cancel import CLAIM_FOR
from apps.orders.services.cancel_runs import cancel_runs_follow
from apps.orders.services.changing import changes_expire, changes_interrupted
from apps.orders.services.gate import gates_open
from apps.orders.services.groups import groups_sweep
from apps.orders.services.recover import spill_replay
from apps.orders.services.send import intents_expire, intents_interrupted

# A committed intent is claimed within milliseconds; after this long its message was lost.
LOST_AFTER = timedelta(seconds=2)
# Longer than the client's own time-outs together: who is still SENDING has no answer coming.
INTERRUPTED_AFTER = timedelta(seconds=30)
# A send takes milliseconds. Whoever takes longer waits for an answer that may not come, or died: reading is free
# of risk, and an order that did arrive is found long before anything may be said about one that did not.
LOOK_EARLY_AFTER = timedelta(seconds=4)


def intents_sweep(*, now: datetime | None = None) -> None:
    """Expire, hand over again, and look up. Beat runs this every 5 s, each worker once at its start.

    Twice at once is harmless: each step is a conditional UPDATE, or a message whose repeat is.
    """
    now = now or utc_now()
    # First: a refusal that was kept must find its intent before that is called interrupted.
    spill_replay()
    intents_expire(now=now)
    killpoints.reach("sweep.expired")
    intents_interrupted(older_than=INTERRUPTED_AFTER, now=now)
    killpoints.reach("sweep.interrupted")
    state = OrderIntent.State
    lost = OrderIntent.objects.filter(state=state.COMMITTED, created_at__lte=now - LOST_AFTER)
    for pk in lost.values_list("pk", flat=True):
        queue.enqueue(queue.ORDER_SEND, pk)
    due = Q(state=state.UNKNOWN) & (Q(next_look_at=None) | Q(next_look_at__lte=now))
    # Accepted by a fill's word alone: the order itself has not been seen yet.
    unseen = Q(state=state.ACKED, order=None, resolved_at__lte=now - LOST_AFTER)
    slow = Q(state=state.SENDING, claimed_at__lte=now - LOOK_EARLY_AFTER)
    for pk in OrderIntent.objects.filter(due | unseen | slow).values_list("pk", flat=True):
        queue.enqueue(queue.INTENT_RESOLVE, pk)
    cancel = CancelIntent.State
    waiting = Q(state__in=[cancel.COMMITTED, cancel.UNKNOWN]) & (Q(next_attempt_at=None) | Q(next_attempt_at__lte=now))
    abandoned = Q(state=cancel.SENDING, sent_at__lte=now - CLAIM_FOR)
    for pk in CancelIntent.objects.filter(waiting | abandoned).values_list("pk", flat=True):
        queue.enqueue(queue.CANCEL_SEND, pk)
    _changes_sweep(now)
    cancel_runs_follow(now=now)
    groups_sweep(now=now)
    gates_open(now=now)


def _changes_sweep(now: datetime) -> None:
    changes_expire(now=now)
    changes_interrupted(older_than=INTERRUPTED_AFTER, now=now)
    state, kind = ChangeIntent.State, ChangeIntent.Kind
    due = Q(next_attempt_at=None) | Q(next_attempt_at__lte=now)
    lost = Q(state=state.COMMITTED, created_at__lte=now - LOST_AFTER) & due
    again = Q(kind=kind.DECREASE) & (
        (Q(state=state.UNKNOWN) & due) | Q(state=state.SENDING, sent_at__lte=now - CLAIM_FOR)
    )
    for pk in ChangeIntent.objects.filter(lost | again).values_list("pk", flat=True):
        queue.enqueue(queue.CHANGE_SEND, pk)
    in_doubt = (Q(state=state.UNKNOWN) & due) | Q(state=state.SENDING, sent_at__lte=now - LOOK_EARLY_AFTER)
    for pk in ChangeIntent.objects.filter(in_doubt, kind=kind.AMEND).values_list("pk", flat=True):
        queue.enqueue(queue.CHANGE_RESOLVE, pk)
    killpoints.reach("sweep.queued")
