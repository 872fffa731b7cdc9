"""Sending what people asked of subaccounts, and finding out what became of it.

* A transfer is sent with its own `client_transfer_id`, which the exchange does once: an answer 409 to a repeat says
  that an earlier request did it. What is in doubt is repeated with that same id for `REPEAT_FOR`; later, or when the
  person's role no longer allows it, it is only looked for in the exchange's list of transfers.
* Netting is said absolutely and repeated.
* A new subaccount is asked for once. In doubt, a number above all that were listed before is the one that was opened.
"""

import logging
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.db.models import F, Q

from apps.audit import services as audit
from apps.core.errors import DeskError, WireFormatError, not_sent
from apps.core.timestamps import utc_now
from apps.exchange.clients import client_for
from apps.exchange.wire.api import cash as api
from apps.exchange.wire.client import ExchangeClient
from apps.exchange.wire.errors import AlreadyExists, ExchangeError, NotExecuted, Refused
from apps.orders import queue as broker
from apps.orders.access import actor_of
from apps.portfolio import cash_events, queue
from apps.portfolio.models import Subaccount, SubaccountAction, Transfer
from apps.portfolio.subaccounts import balances_read, numbers_known, subaccounts_apply, transfers_read
from apps.portfolio.transfers import NEEDED, OPEN, action_data, may_between

logger = logging.getLogger(__name__)

Kind = SubaccountAction.Kind
State = SubaccountAction.State

# Nobody wants cash moved by a click of minutes ago that never left.
GOOD_FOR = timedelta(seconds=60)
CLAIM_FOR = timedelta(seconds=30)  # longer than the client's own time-outs together
LOST_AFTER = timedelta(seconds=2)
REPEAT_FOR = timedelta(minutes=10)
# A request that was given up may still arrive this much later.
ZOMBIE_FOR = timedelta(seconds=90)
MAX_BACKOFF_SECONDS = 30
_CLOCKS_DIFFER = timedelta(seconds=5)


def action_send(action_id: int) -> SubaccountAction | None:
    """Make one attempt, or one look. None when nothing was due. Cost: 10 write tokens, or a few reads."""
    now = utc_now()
    if not _claim(action_id, now=now):
        return None
    action = SubaccountAction.objects.select_related("account").get(pk=action_id)
    was_sent = action.sent_at is not None
    if not was_sent and now - action.created_at > GOOD_FOR:
        return _end(action, State.REFUSED, code="too_late", why="Not sent: it waited for more than a minute.")
    actor = actor_of(user_id=action.requested_by_id, desk_id=action.desk_id)
    numbers = (action.from_subaccount, action.to_subaccount)  # None for what is of the whole account
    is_allowed = actor is not None and may_between(actor, NEEDED[Kind(action.kind)], action.account_id, *numbers)
    if not is_allowed and not was_sent:
        return _end(action, State.REFUSED, code="not_allowed", why="The person's roles no longer allow this.")
    try:
        if was_sent and (action.kind == Kind.CREATE or not is_allowed or now - action.created_at > REPEAT_FOR):
            return _look(action, now=now)
        return _attempt(action, was_sent=was_sent, now=now)
    except (ExchangeError, DeskError, WireFormatError) as exc:
        code, why = getattr(exc, "code", "wire_format"), str(getattr(exc, "text", exc))
        if not SubaccountAction.objects.filter(pk=action.pk).exclude(sent_at=None).exists():
            return _end(action, State.REFUSED, code=code, why=not_sent(why))
        return _again(action, code=code, why=why)  # what is in doubt stays in doubt


def _claim(action_id: int, *, now: datetime) -> bool:
    """Take it with one conditional UPDATE, so that two workers never make the same attempt."""
    due = Q(next_attempt_at=None) | Q(next_attempt_at__lte=now)
    waiting = Q(state__in=[State.COMMITTED, State.UNKNOWN]) & due
    abandoned = Q(state=State.SENDING, claimed_at__lte=now - CLAIM_FOR)
    rows = SubaccountAction.objects.filter(waiting | abandoned, pk=action_id)
    return rows.update(state=State.SENDING, claimed_at=now, version=F("version") + 1) == 1


def _attempt(action: SubaccountAction, *, was_sent: bool, now: datetime) -> SubaccountAction:
    client = client_for(action.account_id, write=True)
    if action.kind == Kind.CREATE:
        try:
            balances_read(client_for(action.account_id, write=False), action.account_id)
        except ExchangeError as exc:
            why = f"Not sent: the subaccounts could not be read first ({exc.text})."
            return _end(action, State.REFUSED, code=exc.code, why=why)
        action.highest_before = max(numbers_known(action.account_id))
    # Durable before the first byte: from here on it counts as sent, whatever happens to this process.
    SubaccountAction.objects.filter(pk=action.pk).update(
        sent_at=now, in_doubt_at=now, attempts=F("attempts") + 1, highest_before=action.highest_before
    )
    was_in_doubt_at = action.in_doubt_at
    try:
        _call(client, action)
    except Refused as exc:
        if not was_sent:
            return _end(action, State.REFUSED, code=exc.code, why=exc.text)
        # The repeat was refused, for sure; an earlier request may still come.
        SubaccountAction.objects.filter(pk=action.pk).update(in_doubt_at=was_in_doubt_at)
        action.in_doubt_at = was_in_doubt_at
        return _look(action, now=now, refusal=exc)
    except AlreadyExists as exc:
        if action.kind == Kind.TRANSFER and was_sent:
            return _end(action, State.DONE, why="An earlier request did it: the exchange knows the transfer id.")
        return _again(action, code=exc.code, why=exc.text)
    except NotExecuted as exc:
        if not was_sent:
            return _end(action, State.REFUSED, code=exc.code, why=not_sent(exc.text))
        SubaccountAction.objects.filter(pk=action.pk).update(in_doubt_at=was_in_doubt_at)
        return _again(action, code=exc.code, why=exc.text)
    except ExchangeError as exc:
        return _again(action, code=exc.code, why=exc.text)
    return _end(action, State.DONE, why="The exchange confirmed it.")


def _call(client: ExchangeClient, action: SubaccountAction) -> None:
    match Kind(action.kind):
        case Kind.TRANSFER:
            assert action.amount is not None
            assert action.from_subaccount is not None
            assert action.to_subaccount is not None
            api.apply_transfer(
                client,
                client_transfer_id=action.client_transfer_id,
                source=action.from_subaccount,
                target=action.to_subaccount,
                amount_cents=int(action.amount.scaleb(2)),
            )
        case Kind.CREATE:
            action.number = api.create_subaccount(client)
        case Kind.NETTING:
            assert action.number is not None
            api.update_netting(client, number=action.number, is_enabled=bool(action.is_netting))


# --- looking --------------------------------------------------------------------------------------


def _look(action: SubaccountAction, *, now: datetime, refusal: Refused | None = None) -> SubaccountAction:
    """Read what became of a request in doubt. Raises ExchangeError when it could not be read."""
    client = client_for(action.account_id, write=False)
    found = ""
    match Kind(action.kind):
        case Kind.TRANSFER:
            transfers_read(client, action.account_id)
            transfer = _transfer_of(action)
            if transfer is not None:
                found = "The exchange lists this transfer."
        case Kind.CREATE:
            new = [one for one in balances_read(client, action.account_id) if one > (action.highest_before or 0)]
            if new:
                action.number = min(new)
                found = f"Subaccount {action.number} has appeared."
        case Kind.NETTING:
            listed = api.get_netting(client)
            subaccounts_apply(action.account_id, netting=listed)
            if any(row.subaccount_number == action.number and row.enabled == action.is_netting for row in listed):
                found = "The exchange lists it so."
    if found:
        return _end(action, State.DONE, why=found)
    in_doubt_since = action.in_doubt_at or action.created_at
    if now - in_doubt_since < ZOMBIE_FOR:
        code, why = (refusal.code, refusal.text) if refusal else (action.error_code, action.error_text)
        return _again(action, code=code, why=why)
    if refusal is not None:
        return _end(action, State.REFUSED, code=refusal.code, why=refusal.text)
    return _end(action, State.NOT_SEEN, code="not_seen", why="Nothing of it has appeared at the exchange.")


def _transfer_of(action: SubaccountAction) -> Transfer | None:
    """Return the oldest listed transfer that may be this one: the listing does not have the client's own id."""
    if action.from_subaccount is None or action.to_subaccount is None or action.amount is None:
        return None
    alike = Transfer.objects.filter(
        account_id=action.account_id,
        from_subaccount=action.from_subaccount,
        to_subaccount=action.to_subaccount,
        amount=action.amount,
        action=None,
        created_at__gte=action.created_at - _CLOCKS_DIFFER,
    )
    return alike.order_by("created_at", "pk").first()


def transfers_join(account_id: int) -> None:
    """Say of listed transfers who asked for them: each done action gets the oldest one that looks like it."""
    done = SubaccountAction.objects.filter(account_id=account_id, kind=Kind.TRANSFER, state=State.DONE, transfer=None)
    for action in done.order_by("created_at", "pk"):
        transfer = _transfer_of(action)
        if transfer is not None:
            with transaction.atomic():
                SubaccountAction.objects.filter(pk=action.pk, transfer=None).update(transfer=transfer)
                cash_events.subaccounts_publish(account_id)


# --- outcomes -------------------------------------------------------------------------------------


def _end(action: SubaccountAction, state: SubaccountAction.State, *, why: str, code: str = "") -> SubaccountAction:
    is_done = state == State.DONE
    changes: dict[str, Any] = {
        "state": state,
        "resolved_at": utc_now(),
        "next_attempt_at": None,
        "error_code": code[:60],
        "error_text": "" if is_done else why[:400],
        "evidence": why[:200] if is_done else "",
    }
    if action.kind == Kind.CREATE:
        changes["number"] = action.number
    if _store(action, audit_as=state.value, **changes) and is_done:
        _follow(action)
    return action


def _follow(action: SubaccountAction) -> None:
    """What a confirmed action changes here at once; a fresh reading tells the rest."""
    now = utc_now()
    if action.kind == Kind.CREATE and action.number is not None:
        Subaccount.objects.get_or_create(
            account_id=action.account_id, number=action.number, defaults={"first_seen_at": now, "seen_at": now}
        )
        if action.name:
            Subaccount.objects.filter(account_id=action.account_id, number=action.number).update(name=action.name)
    if action.kind == Kind.NETTING:
        known = Subaccount.objects.filter(account_id=action.account_id)
        known.filter(number=action.number or 0).update(is_netting=action.is_netting)
    cash_events.subaccounts_publish(action.account_id)
    broker.enqueue_on_commit(queue.SUBACCOUNTS_SYNC, action.account_id)


def _again(action: SubaccountAction, *, code: str, why: str) -> SubaccountAction:
    pause = min(MAX_BACKOFF_SECONDS, 2 ** min(action.attempts, 5))
    _store(
        action,
        audit_as="" if action.attempts else "in_doubt",  # once: the attempts before this one
        state=State.UNKNOWN,
        error_code=code[:60],
        error_text=why[:400],
        next_attempt_at=utc_now() + timedelta(seconds=pause),
    )
    return action


def _store(action: SubaccountAction, *, audit_as: str, **changes: Any) -> bool:
    with transaction.atomic():
        rows = SubaccountAction.objects.filter(pk=action.pk, state__in=OPEN)
        changed = rows.update(version=F("version") + 1, **changes) == 1
        if changed and audit_as:
            audit.record(
                f"portfolio.{action.kind}.{audit_as}",
                actor_id=None,
                desk_id=action.desk_id,
                environment=action.account.environment,
                target=f"subaccount_action:{action.pk}",
                data=action_data(action) | {"why": changes.get("error_text") or changes.get("evidence") or ""},
            )
        cash_events.subaccounts_publish(action.account_id)
    action.refresh_from_db()
    return changed


def actions_sweep(*, now: datetime | None = None) -> None:
    """Hand over again what was lost, is in doubt, or was being sent when its worker died. Beat runs this every 5 s."""
    now = now or utc_now()
    due = Q(next_attempt_at=None) | Q(next_attempt_at__lte=now)
    lost = Q(state=State.COMMITTED, created_at__lte=now - LOST_AFTER) & due
    in_doubt = Q(state=State.UNKNOWN) & due
    abandoned = Q(state=State.SENDING, claimed_at__lte=now - CLAIM_FOR)
    rows = SubaccountAction.objects.filter(lost | in_doubt | abandoned).order_by("pk")
    for pk in rows.values_list("pk", flat=True):
        broker.enqueue(queue.SUBACCOUNT_SEND, pk)
