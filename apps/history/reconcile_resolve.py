"""What a person does about a difference: read again, adopt the exchange's record, or ignore it and say why."""

from datetime import timedelta

from django.db import transaction

from apps.accounts.access import account_get
from apps.accounts.models import ExchangeAccount
from apps.audit import services as audit
from apps.core.errors import DeskError, NotAllowed, NotFound
from apps.core.permissions import Actor, Permission
from apps.core.timestamps import utc_now
from apps.history import queue
from apps.history.models import Discrepancy
from apps.orders import queue as broker
from apps.portfolio.queue import refresh_now

State = Discrepancy.State
LONGEST = timedelta(days=31)


def reconcile_ask(actor: Actor, *, account_id: int, hours: int) -> None:
    """Have one account compared now. Raises NotAllowed, NotFound, DeskError."""
    account = _account(actor, account_id, Permission.HISTORY_SYNC)
    if not 1 <= hours <= LONGEST.total_seconds() // 3600:
        raise DeskError("bad_period", "Compare between an hour and 31 days.")
    with transaction.atomic():
        audit.record(
            "history.reconcile.asked",
            actor_id=actor.user_id,
            desk_id=actor.desk_id,
            environment=account.environment,
            target=f"exchange_account:{account.pk}",
            data={"hours": hours},
        )
    if not broker.enqueue(queue.ACCOUNT_RECONCILE, account.pk, hours, actor.user_id):
        raise DeskError("no_queue", "The workers cannot be reached; the continuous comparison goes on.")


def discrepancy_reread(actor: Actor, pk: int) -> Discrepancy:
    """Read orders, fills and positions again; the comparison after it says whether that helped."""
    row = _row(actor, pk, Permission.HISTORY_SYNC)
    _note(actor, row, "reread", "")
    broker.enqueue(broker.ACCOUNT_SYNC, row.account_id)
    refresh_now(row.account_id)
    broker.enqueue(queue.ACCOUNT_RECONCILE, row.account_id, _hours_back(row), actor.user_id)
    return row


def discrepancy_adopt(actor: Actor, pk: int) -> Discrepancy:
    """Have the exchange's record of a trade or an order taken into the ledger, through its one door.

    Raises DeskError `nothing_to_adopt` when the exchange does not list one.
    """
    row = _row(actor, pk, Permission.LIMIT_MANAGE)
    if row.subject == "position" or row.sides.get("rest") is None:
        raise DeskError(
            "nothing_to_adopt",
            "The exchange lists no record to adopt. Read again, run the history sync, or ignore it and say why.",
        )
    _note(actor, row, "adopt", "")
    broker.enqueue(queue.DISCREPANCY_ADOPT, row.pk, actor.user_id)
    return row


def discrepancy_ignore(actor: Actor, pk: int, *, reason: str) -> Discrepancy:
    """Close a difference without mending it. It opens again when it changes. Raises DeskError without a reason."""
    row = _row(actor, pk, Permission.LIMIT_MANAGE)
    words = " ".join(reason.split())[:180]
    if len(words) < 3:
        raise DeskError("no_reason", "Say why it may be ignored.", fields={"reason": "Say why."})
    with transaction.atomic():
        Discrepancy.objects.filter(pk=row.pk).update(
            state=State.IGNORED, resolution=words, resolved_at=utc_now(), resolved_by_id=actor.user_id
        )
        _note(actor, row, "ignore", words)
    row.refresh_from_db()
    return row


def _hours_back(row: Discrepancy) -> int:
    at = row.occurred_at or row.first_seen_at
    age = utc_now() - at + timedelta(hours=1)
    return min(int(LONGEST.total_seconds() // 3600), max(1, int(age.total_seconds() // 3600) + 1))


def _note(actor: Actor, row: Discrepancy, deed: str, why: str) -> None:
    with transaction.atomic():
        audit.record(
            f"history.discrepancy.{deed}",
            actor_id=actor.user_id,
            desk_id=actor.desk_id,
            environment=row.account.environment,
            target=f"discrepancy:{row.pk}",
            data={"subject": row.subject, "key": row.key, "kind": row.kind, "why": why},
        )


def _row(actor: Actor, pk: int, permission: Permission) -> Discrepancy:
    if not actor.may(permission):
        raise NotAllowed
    rows = Discrepancy.objects.select_related("account").filter(account__desk_id=actor.desk_id)
    row = rows.filter(pk=pk, account_id=actor.account_id).first()
    if row is None:
        raise NotFound("This difference does not exist, or it belongs to another account.")
    return row


def _account(actor: Actor, account_id: int, permission: Permission) -> ExchangeAccount:
    if not actor.may(permission):
        raise NotAllowed
    return account_get(actor, account_id)
