"""What people ask of subaccounts: move cash, open another one, switch netting. Committed here, sent by `sending`.

A role may move cash between the subaccounts of one exchange account (`cash.move`); nothing here can take money out of
the account. Opening subaccounts and netting is a lead's (`subaccount.manage`).
"""

import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from django.db import IntegrityError, transaction

from apps.accounts.access import account_get, account_seen
from apps.accounts.models import ExchangeAccount
from apps.audit import services as audit
from apps.core.errors import DeskError, NotAllowed
from apps.core.permissions import Actor, Permission
from apps.core.timestamps import utc_now
from apps.orders.queue import enqueue_on_commit
from apps.orders.services.checks import key_check
from apps.portfolio import cash_events
from apps.portfolio.models import Balance, SubaccountAction
from apps.portfolio.queue import SUBACCOUNT_SEND
from apps.portfolio.subaccounts import numbers_known

Kind = SubaccountAction.Kind
State = SubaccountAction.State
OPEN = (State.COMMITTED, State.SENDING, State.UNKNOWN)
NEEDED = {
    Kind.TRANSFER: Permission.CASH_MOVE,
    Kind.CREATE: Permission.SUBACCOUNT_MANAGE,
    Kind.NETTING: Permission.SUBACCOUNT_MANAGE,
}

_CENT = Decimal("0.01")
_MOST = Decimal(1_000_000_000)  # dollars: a slipped key, not a transfer
# An older balance must not refuse anybody: the exchange decides.
CASH_TRUSTED_FOR = timedelta(seconds=90)


@dataclass(frozen=True, slots=True)
class Side:
    """One subaccount before and after a transfer; None: its cash was never read. seen_at: our clock."""

    number: int
    before: Decimal | None
    after: Decimal | None
    seen_at: datetime | None


@dataclass(frozen=True, slots=True)
class TransferPreview:
    """refusal: why it would be refused, None when it would be sent."""

    source: Side
    target: Side
    refusal: DeskError | None


def transfer_preview(actor: Actor, *, source: int, target: int, amount: Decimal) -> TransferPreview:
    """Say what both balances would be. Raises NotAllowed, NotFound, DeskError `no_account`."""
    account = _account_between(actor, Permission.DESK_VIEW, source, target)
    balances = {row.subaccount: row for row in Balance.objects.filter(account=account)}
    refusal = None
    try:
        transfer_check(account, source=source, target=target, amount=amount, now=utc_now())
    except DeskError as exc:
        refusal = exc
    return TransferPreview(
        _side(balances.get(source), source, -amount), _side(balances.get(target), target, amount), refusal
    )


def _side(balance: Balance | None, number: int, change: Decimal) -> Side:
    if balance is None:
        return Side(number, None, None, None)
    return Side(number, balance.cash, balance.cash + change, balance.seen_at)


def transfer_check(account: ExchangeAccount, *, source: int, target: int, amount: Decimal, now: datetime) -> None:
    """Raises DeskError with the fields that are to blame."""
    faults: dict[str, str] = {}
    known = numbers_known(account.pk)
    for name, number in (("from_subaccount", source), ("to_subaccount", target)):
        if number not in known:
            faults[name] = f"Subaccount {number} is not known."
    if source == target:
        faults["to_subaccount"] = "Choose another subaccount than the first."
    if amount <= 0 or amount > _MOST:
        faults["amount"] = "Give an amount above zero."
    elif amount % _CENT:
        faults["amount"] = "The exchange moves whole cents only."
    if not faults:
        balance = Balance.objects.filter(account=account, subaccount=source).first()
        is_fresh = balance is not None and now - balance.seen_at <= CASH_TRUSTED_FOR
        if balance is not None and is_fresh and balance.cash < amount:
            faults["amount"] = f"Subaccount {source} has ${balance.cash:,.2f} that no order locks."
    if faults:
        raise DeskError("bad_transfer", " ".join(faults.values()), fields=faults)


def transfer_submit(
    actor: Actor, *, source: int, target: int, amount: Decimal, idempotency_key: uuid.UUID
) -> SubaccountAction:
    """Commit a transfer with its client transfer id, then queue it. The same key gives the same action.

    Args:
        amount: dollars, whole cents.

    Raises:
        NotAllowed, NotFound: role, or another desk's account.
        DeskError: `no_account`, `no_key`, `bad_transfer` with the fields to blame.
    """
    account = _account_between(actor, Permission.CASH_MOVE, source, target)

    def check(now: datetime) -> None:
        transfer_check(account, source=source, target=target, amount=amount, now=now)

    wish = SubaccountAction(kind=Kind.TRANSFER, from_subaccount=source, to_subaccount=target, amount=amount)
    return _submit(actor, account, idempotency_key, wish, check)


def subaccount_create(actor: Actor, *, name: str, idempotency_key: uuid.UUID) -> SubaccountAction:
    """Commit a wish for the next subaccount, then queue it; it is sent at most once.

    Raises:
        NotAllowed, NotFound, DeskError: as `transfer_submit`; `busy` while another one is being opened.
    """
    account = _account(actor, Permission.SUBACCOUNT_MANAGE)

    def check(now: datetime) -> None:
        if SubaccountAction.objects.filter(account=account, kind=Kind.CREATE, state__in=OPEN).exists():
            raise DeskError("busy", "Another subaccount is being opened; wait for its outcome.")

    wish = SubaccountAction(kind=Kind.CREATE, name=name.strip()[:60])
    return _submit(actor, account, idempotency_key, wish, check)


def netting_set(actor: Actor, *, number: int, is_on: bool, idempotency_key: uuid.UUID) -> SubaccountAction:
    """Commit the switch of a subaccount's netting, then queue it.

    Raises:
        NotAllowed, NotFound, DeskError: as `transfer_submit`; `busy` while it is being switched.
    """
    account = _account(actor, Permission.SUBACCOUNT_MANAGE)

    def check(now: datetime) -> None:
        if number not in numbers_known(account.pk):
            raise DeskError("no_subaccount", f"Subaccount {number} is not known.")
        mine = SubaccountAction.objects.filter(account=account, kind=Kind.NETTING, number=number)
        if mine.filter(state__in=OPEN).exists():
            raise DeskError("busy", "Its netting is being switched; wait for the outcome.")

    wish = SubaccountAction(kind=Kind.NETTING, number=number, is_netting=is_on)
    return _submit(actor, account, idempotency_key, wish, check)


def _account_between(actor: Actor, permission: Permission, source: int, target: int) -> ExchangeAccount:
    """Return the selected account when the actor has `permission` on both subaccounts. Raises as `_account`."""
    if not may_between(actor, permission, actor.account_id, source, target):
        raise NotAllowed
    if actor.account_id is None:
        raise DeskError("no_account", "Choose an account in the top bar first.")
    return account_seen(actor, actor.account_id)


def may_between(actor: Actor, permission: Permission, account_id: int | None, *numbers: int | None) -> bool:
    """Whether a permission holds on every one of these subaccounts: cash that leaves one of ours, or comes to it."""
    return all(actor.may_on(permission, account_id, number) for number in numbers)


def _account(actor: Actor, permission: Permission) -> ExchangeAccount:
    if not actor.may(permission):
        raise NotAllowed
    if actor.account_id is None:
        raise DeskError("no_account", "Choose an account in the top bar first.")
    return account_get(actor, actor.account_id)


def _submit(
    actor: Actor,
    account: ExchangeAccount,
    key: uuid.UUID,
    action: SubaccountAction,
    check: Callable[[datetime], None],
) -> SubaccountAction:
    """Store a wish and queue it; the same key again gives what was stored first.

    Raises DeskError: what `check` says; `idempotency_mismatch` when the key belongs to something else.
    """
    known = _known(actor, account, key, action)
    if known is not None:
        return known
    key_check(account)
    now = utc_now()
    check(now)
    action.desk_id, action.account, action.requested_by_id = actor.desk_id, account, actor.user_id
    action.idempotency_key, action.created_at, action.next_attempt_at = key, now, now
    try:
        with transaction.atomic():
            action.save()
            audit.record(
                f"portfolio.{action.kind}.asked",
                actor_id=actor.user_id,
                desk_id=actor.desk_id,
                environment=account.environment,
                target=f"subaccount_action:{action.pk}",
                data=action_data(action),
            )
            cash_events.subaccounts_publish(account.pk)
            enqueue_on_commit(SUBACCOUNT_SEND, action.pk)
    except IntegrityError:
        known = _known(actor, account, key, action)
        if known is not None:
            return known
        raise DeskError("busy", "Somebody else asked for the same a moment ago; wait for its outcome.") from None
    return action


def action_data(action: SubaccountAction) -> dict[str, object]:
    """What the audit trail keeps of an action."""
    match Kind(action.kind):
        case Kind.TRANSFER:
            return {
                "client_transfer_id": str(action.client_transfer_id),
                "from": action.from_subaccount,
                "to": action.to_subaccount,
                "amount": action.amount,
            }
        case Kind.CREATE:
            return {"name": action.name, "number": action.number}
        case Kind.NETTING:
            return {"number": action.number, "is_netting": action.is_netting}


def _known(actor: Actor, account: ExchangeAccount, key: uuid.UUID, wish: SubaccountAction) -> SubaccountAction | None:
    """Return what this person asked for with this key. Raises DeskError when it is something else."""
    known = SubaccountAction.objects.filter(requested_by_id=actor.user_id, idempotency_key=key).first()
    if known is None:
        return None
    if known.account_id != account.pk or _terms(known) != _terms(wish):
        raise DeskError(
            "idempotency_mismatch",
            "This was asked for already with other values. Look at the requests, then reload the page and ask again.",
        )
    return known


def _terms(action: SubaccountAction) -> tuple[object, ...]:
    """What was asked for. The number of a new subaccount is the exchange's answer, not part of it."""
    number = action.number if action.kind == Kind.NETTING else None
    moved = (action.from_subaccount, action.to_subaccount, action.amount)
    return (action.kind, *moved, number, action.is_netting, action.name)
