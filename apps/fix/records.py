"""What the gateway writes about its FIX sessions: state, messages, recoveries. In its database thread."""

import logging
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import F, Q

from apps.audit import services as audit
from apps.core.durability import reaches_disk_later
from apps.core.timestamps import from_unix_ms, utc_now
from apps.fix import margin
from apps.fix.engine.codec import Fields, redacted
from apps.fix.ingest import last_seen
from apps.fix.messages.drop_copy import Recovery, Result
from apps.fix.models import FixAsk, FixCommand, FixExecution, FixMarginExecution, FixMessage, FixRecovery, FixSession
from apps.fix.selectors import Wish
from apps.orders import queue
from apps.rfq.queue import ACCOUNT_READ

logger = logging.getLogger(__name__)

KEPT_MESSAGES = 20_000  # per session
KEPT_REPORTS = timedelta(days=30)
KEPT_EXECUTIONS = timedelta(days=14)


@dataclass(frozen=True, slots=True)
class Passed:
    """A message that passed. at_ms: our clock."""

    is_outgoing: bool
    seq: int
    msg_type: str
    at_ms: int
    fields: Fields


@reaches_disk_later()
def messages_store(session_id: int, passed: list[Passed]) -> None:
    """Keep messages without their secrets."""
    rows = []
    for one in passed:
        first = dict(reversed(one.fields))
        rows.append(
            FixMessage(
                session_id=session_id,
                is_outgoing=one.is_outgoing,
                seq=one.seq,
                msg_type=one.msg_type[:8],
                at=from_unix_ms(one.at_ms),
                fields=[[tag, _storable(value)] for tag, value in redacted(one.fields)],
                order_id=_storable(first.get(37, ""))[:80],
                client_order_id=_storable(first.get(11, ""))[:80],
                exec_id=_storable(first.get(17, ""))[:40],
            )
        )
    FixMessage.objects.bulk_create(rows, batch_size=200)


def _storable(value: str) -> str:
    """Text that every database takes: bytes that are no UTF-8, and NUL, are shown as a replacement."""
    return value.encode("utf-8", "replace").decode("utf-8").replace("\x00", "\ufffd")


@reaches_disk_later()
def messages_prune(session_id: int) -> None:
    """Forget the oldest messages of a session, and execution ids far older than any replay."""
    newest = FixMessage.objects.filter(session_id=session_id).order_by("-pk").values_list("pk", flat=True)
    oldest_kept = newest[KEPT_MESSAGES - 1 : KEPT_MESSAGES].first()
    if oldest_kept is not None:
        # Execution reports are the record of the day: their age decides, not how many came after them.
        recorded = Q(msg_type="8", is_outgoing=False, at__gte=utc_now() - KEPT_REPORTS)
        FixMessage.objects.filter(session_id=session_id, pk__lt=oldest_kept).exclude(recorded).delete()
    session = FixSession.objects.filter(pk=session_id).first()
    if session is not None:
        old = FixExecution.objects.filter(account_id=session.account_id, seen_at__lt=utc_now() - KEPT_EXECUTIONS)
        old.delete()
        told = FixMarginExecution.objects.filter(account_id=session.account_id)
        told.filter(seen_at__lt=utc_now() - KEPT_EXECUTIONS).delete()
        # A change names its order for as long as that rests.
        commands = FixCommand.objects.filter(session=session, created_at__lt=utc_now() - KEPT_EXECUTIONS)
        commands.exclude(msg_type="G").delete()


@reaches_disk_later()
def state_store(session_id: int, **values: Any) -> None:
    FixSession.objects.filter(pk=session_id).update(**values)


def asks_take() -> list[tuple[int, str]]:
    """Return (session id, kind) of what people asked of sessions, oldest first; each is returned once."""
    rows = list(FixAsk.objects.filter(taken_at=None).order_by("pk").values_list("pk", "session_id", "kind"))
    if rows:
        FixAsk.objects.filter(pk__in=[pk for pk, _, _ in rows]).update(taken_at=utc_now())
    return [(session_id, kind) for _, session_id, kind in rows]


def states_clear() -> None:
    """No session runs in this gateway: say so. What stopped by itself stays as it is, for whoever has to look."""
    ended = (FixSession.State.STOPPED, FixSession.State.HALTED)
    rows = FixSession.objects.exclude(state__in=ended)
    rows.update(state=FixSession.State.STOPPED, state_text="The gateway is not connected.", state_since=utc_now())


def reset_done(session_id: int) -> None:
    FixSession.objects.filter(pk=session_id).update(is_reset_wanted=False)


def session_audit(wish: Wish, what: str, **data: Any) -> None:
    with transaction.atomic():
        audit.record(
            f"fix.session.{what}",
            actor_id=None,
            desk_id=wish.desk_id,
            environment=wish.environment,
            target=f"fix_session:{wish.session_id}",
            data={"kind": wish.kind.value, **data},
        )


def account_read(account_id: int) -> None:
    """What could not be used may have told of an order: read the account over REST."""
    queue.enqueue(queue.ACCOUNT_SYNC, account_id)


def requests_read(account_id: int) -> None:
    """What was told of requests and quotes meanwhile is read over REST."""
    queue.enqueue(ACCOUNT_READ, account_id)


def hole_mend(account_id: int, why: str, *, is_margin: bool = False) -> None:
    """Reports may be missing: ask for those since the last one seen, by drop copy where there is one.

    Of the event exchange the account is always read, too; there is no reading of margin.
    """
    if not is_margin:
        queue.enqueue(queue.ACCOUNT_SYNC, account_id)
    newest = margin.last_seen(account_id) if is_margin else last_seen(account_id)
    copying = "mdc" if is_margin else "dc"
    if newest is None or not FixSession.objects.filter(account_id=account_id, kind=copying, is_wanted=True).exists():
        return
    wanted = {"account_id": account_id, "is_margin": is_margin}
    try:
        with transaction.atomic():
            FixRecovery.objects.create(**wanted, begin=str(newest), why=why[:200], created_at=utc_now())
    except IntegrityError:
        # What runs already does not bring what was missed since it was asked for: let it run once more.
        again = FixRecovery.objects.filter(**wanted, state=FixRecovery.State.RUNNING)
        again.update(state=FixRecovery.State.WAITING, why=why[:200])


def recovery_next(account_id: int, *, is_margin: bool = False) -> tuple[int, str, str] | None:
    """Return (id, begin, end) of the account's open recovery."""
    rows = FixRecovery.objects.filter(account_id=account_id, is_margin=is_margin, state__in=FixRecovery.OPEN)
    row = rows.first()
    if row is None:
        return None
    FixRecovery.objects.filter(pk=row.pk).update(state=FixRecovery.State.RUNNING)
    return row.pk, row.begin, row.end


@reaches_disk_later()
def recovery_progress(recovery_id: int, recovery: Recovery, *, new: int) -> None:
    FixRecovery.objects.filter(pk=recovery_id).update(received=recovery.received, new=F("new") + new)


def recovery_finish(wish: Wish, recovery_id: int, recovery: Recovery) -> None:
    """End a recovery; whatever it did not bring is read over REST, and a lost window is on record (D11).

    One that somebody wanted anew while it ran stays open, and runs again.
    """
    assert recovery.result is not None
    with transaction.atomic():
        row = FixRecovery.objects.filter(pk=recovery_id)
        row.filter(state=FixRecovery.State.RUNNING).update(state=recovery.result.value, finished_at=utc_now())
        row.update(text=recovery.text[:400], received=recovery.received)
        audit.record(
            "fix.recovery.finished",
            actor_id=None,
            desk_id=wish.desk_id,
            environment=wish.environment,
            target=f"fix_recovery:{recovery_id}",
            data={"result": recovery.result.value, "received": recovery.received, "begin": str(recovery.begin)},
        )
    if recovery.result is not Result.COMPLETE and not wish.is_margin:
        queue.enqueue(queue.ACCOUNT_SYNC, wish.account_id)


def recovery_refuse(recovery_id: int, text: str) -> None:
    FixRecovery.objects.filter(pk=recovery_id).update(
        state=FixRecovery.State.REFUSED, text=text[:400], finished_at=utc_now()
    )
