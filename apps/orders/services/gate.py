"""The gate in front of the sender: two answers in a row that accept an order without naming it close it (A6).

An endpoint that answers 2xx without an order has changed under us; each further order would be one more that nobody
can see. The gate opens by itself when every order in doubt on the account has an end and PAUSE has passed, or when a
lead opens it; then a single such answer closes it again, until a whole one has come. Cancels pass always.
"""

from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import F

from apps.accounts.access import account_get
from apps.accounts.models import ExchangeAccount
from apps.audit import services as audit
from apps.core.errors import DeskError
from apps.core.permissions import Actor, Permission
from apps.core.prepared import Prepared
from apps.core.timestamps import utc_now
from apps.orders import trading_events
from apps.orders.access import require
from apps.orders.models import OrderIntent, SendGate

CLOSES_AFTER = 2
PAUSE = timedelta(seconds=30)
CLOSED = (
    "The exchange accepted two orders in a row without naming them, so the desk sends no more on this account until it "
    "knows what became of them. A lead can open it sooner. Cancels still work. Nothing was sent."
)
_IN_DOUBT = (OrderIntent.State.SENDING, OrderIntent.State.UNKNOWN)

_gates = Prepared(lambda account_id: SendGate.objects.filter(account_id=account_id))


def gate_check(account_id: int) -> None:
    """Raises DeskError `gate_closed`."""
    if any(gate.closed_at is not None for gate in _gates(account_id)):
        raise DeskError("gate_closed", CLOSED)


def gate_note(account: ExchangeAccount, *, is_whole: bool) -> None:
    """Note an answer 2xx to a create, or to a batch of them: with the order that it promises, or without."""
    if is_whole:
        # Asked first: an UPDATE takes the write lock even when it finds nothing.
        if any(gate.empty_answers and gate.closed_at is None for gate in _gates(account.pk)):
            SendGate.objects.filter(account=account, empty_answers__gt=0, closed_at=None).update(empty_answers=0)
        return
    with transaction.atomic():
        SendGate.objects.get_or_create(account=account)
        SendGate.objects.filter(account=account).update(empty_answers=F("empty_answers") + 1)
        due = SendGate.objects.filter(account=account, empty_answers__gte=CLOSES_AFTER, closed_at=None)
        if due.update(closed_at=utc_now()):
            _record(account, "orders.gate.closed", actor_id=None)


def gate_open(actor: Actor, account_id: int) -> None:
    """Let orders pass again before their time. Raises NotAllowed, NotFound."""
    require(actor, Permission.KILL_RELEASE)
    _open(account_get(actor, account_id), actor_id=actor.user_id)


def gates_open(*, now: datetime) -> None:
    """Open what closed PAUSE ago, where no order is in doubt any more."""
    for gate in SendGate.objects.filter(closed_at__lte=now - PAUSE).select_related("account"):
        if not OrderIntent.objects.filter(account=gate.account, state__in=_IN_DOUBT).exists():
            _open(gate.account, actor_id=None)


def _open(account: ExchangeAccount, *, actor_id: int | None) -> None:
    with transaction.atomic():
        closed = SendGate.objects.filter(account=account).exclude(closed_at=None)
        if closed.update(closed_at=None, empty_answers=CLOSES_AFTER - 1):
            _record(account, "orders.gate.opened", actor_id=actor_id)


def _record(account: ExchangeAccount, action: str, *, actor_id: int | None) -> None:
    audit.record(
        action,
        actor_id=actor_id,
        desk_id=account.desk_id,
        environment=account.environment,
        target=f"exchange_account:{account.pk}",
        data={},
    )
    trading_events.trading_publish(account.pk)
