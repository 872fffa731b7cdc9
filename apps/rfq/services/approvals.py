"""Four eyes: what is above the desk's threshold waits for a second person, bound to its content by SHA-256.

At approval everything is asked again at the price of that moment, and done through the same service with the
author's rights. One click of the approver carries it out or ends it; nothing approved lies around.
"""

import uuid
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from django.db import IntegrityError, transaction

from apps.accounts.models import ExchangeAccount
from apps.audit import services as audit
from apps.core.errors import DeskError, NotAllowed, NotFound
from apps.core.money import cents_text, format_price, parse_price
from apps.core.permissions import Actor, Permission
from apps.core.rfq import Outcome
from apps.core.timestamps import utc_now
from apps.orders.access import actor_of, require, require_on, require_somewhere
from apps.orders.services.quotes import quotes_of
from apps.rfq.access import rfq_for, row_number
from apps.rfq.asks import ask_from_params
from apps.rfq.events import approvals as events
from apps.rfq.models import Accept, Approval, IncomingRfq, Quote, Rfq
from apps.rfq.offers import offer_from_params
from apps.rfq.services.accepts import accept_submit
from apps.rfq.services.four_eyes import ApprovalNeeded, Content, content_hash
from apps.rfq.services.quotes import quote_submit
from apps.rfq.services.requests import rfq_submit

Answer = dict[str, Any]
State = Approval.State
# Prices move: what they hang on waits less long.
GOOD_FOR = {"rfq": timedelta(minutes=15), "accept": timedelta(minutes=2), "quote": timedelta(minutes=2)}
# A quote without a bound of its own: how far the middle of the book may have moved since it was asked for.
MOST_MOVE = Decimal("0.01")


def ask_approval(actor: Actor, needed: ApprovalNeeded, *, now: datetime | None = None) -> Approval:
    """Commit what a second person is asked to approve. The same click gives the same approval.

    Raises NotAllowed, DeskError `idempotency_mismatch`.
    """
    content = dict(needed.content)
    require_on(actor, Permission.RFQ_TRADE, content["account_id"], content["subaccount"])
    now = now or utc_now()
    key = uuid.UUID(content["params"]["idempotency_key"])
    known = _known(actor, key, content)
    if known is not None:
        return known
    if content["kind"] == "quote":
        content["book"] = _book_of(content)
    try:
        with transaction.atomic():
            approval = Approval.objects.create(
                desk_id=actor.desk_id,
                account_id=content["account_id"],
                idempotency_key=key,
                kind=content["kind"],
                subject=content["params"].get("rfq", ""),
                content=content,
                content_hash=content_hash(content),
                asked_by_id=actor.user_id,
                asked_at=now,
                expires_at=now + GOOD_FOR[content["kind"]],
                words=needed.text[:300],
            )
            events.approval_publish(approval)
            _record(approval, "asked", actor.user_id, {"content": content, "hash": approval.content_hash})
    except IntegrityError:
        known = _known(actor, key, content)
        if known is None:
            raise
        return known
    return approval


def asking(actor: Actor, submit: Callable[[], Answer]) -> Answer:
    """Return what `submit` answers, or {"approval": row} when a second person has to approve it first.

    Raises as `submit` does, but for ApprovalNeeded.
    """
    try:
        return submit()
    except ApprovalNeeded as needed:
        return {"approval": events.approval_row(ask_approval(actor, needed))}


def approve(actor: Actor, key: object, *, hash_seen: str, now: datetime | None = None) -> Approval:
    """Approve exactly what was seen, and carry it out with the author's rights at the price of now.

    What cannot be carried out any more (the price moved, the request is over, the author lost the right) ends as
    declined, with the reason in `words`: it has to be asked for again.

    Raises:
        NotAllowed, NotFound: role, another desk's.
        DeskError: `own_approval`, `approval_over`, `approval_expired`, `approval_changed`. Nothing was done.
    """
    require(actor, Permission.RFQ_MANAGE)
    now = now or utc_now()
    with transaction.atomic():
        approval = _locked(actor, key)
        _decide_check(actor, approval, hash_seen=hash_seen, now=now)
        approval.state, approval.decided_by_id, approval.decided_at = State.APPROVED, actor.user_id, now
        approval.save(update_fields=["state", "decided_by", "decided_at"])
        try:
            with transaction.atomic():
                result, words = _carry_out(approval, now=now), ""
        except DeskError as exc:
            result, words = "", f"Approved, not carried out: {exc.text}"
        approval.state = State.USED if result else State.DECLINED
        approval.result, approval.words = result, words[:300]
        approval.save(update_fields=["state", "result", "words"])
        events.approval_publish(approval)
        _record(approval, "used" if result else "failed", actor.user_id, {"result": result, "words": words})
    return approval


def decline(actor: Actor, key: object, *, words: str = "", now: datetime | None = None) -> Approval:
    """Decline it, or withdraw one's own. Raises NotAllowed, NotFound, DeskError `approval_over`."""
    require_somewhere(actor, Permission.RFQ_PULL)
    with transaction.atomic():
        approval = _locked(actor, key)
        is_own = approval.asked_by_id == actor.user_id
        if not is_own and not actor.may(Permission.RFQ_MANAGE):
            raise NotAllowed("Only its author or a lead can end this.")
        if approval.state != State.OPEN:
            raise _over(approval)
        approval.state, approval.decided_at = State.DECLINED, now or utc_now()
        approval.decided_by_id = None if is_own else actor.user_id
        approval.words = (words or ("Withdrawn by its author." if is_own else ""))[:300]
        approval.save(update_fields=["state", "decided_at", "decided_by", "words"])
        events.approval_publish(approval)
        _record(approval, "declined", actor.user_id, {"words": approval.words})
    return approval


def approvals_expire(*, now: datetime | None = None) -> int:
    """OPEN and past its time -> EXPIRED; returns how many. Beat runs this every second."""
    now = now or utc_now()
    count = 0
    for approval in Approval.objects.filter(state=State.OPEN, expires_at__lte=now).select_related("account"):
        with transaction.atomic():
            rows = Approval.objects.filter(pk=approval.pk, state=State.OPEN)
            if rows.update(state=State.EXPIRED, words="Nobody decided in time. Nothing was sent."):
                events.approval_publish(approval)
                _record(approval, "expired", None, {})
                count += 1
    return count


def _decide_check(actor: Actor, approval: Approval, *, hash_seen: str, now: datetime) -> None:
    if approval.asked_by_id == actor.user_id:
        raise DeskError("own_approval", "You asked for this yourself: somebody else has to approve it.")
    if approval.state != State.OPEN:
        raise _over(approval)
    if approval.expires_at <= now:
        raise DeskError("approval_expired", "This approval has expired. It has to be asked for again.")
    if not hash_seen or approval.content_hash != hash_seen or content_hash(approval.content) != approval.content_hash:
        raise DeskError("approval_changed", "This is not what you were shown. Load the page again; nothing was sent.")


def _carry_out(approval: Approval, *, now: datetime) -> str:
    """Do it through the services, as the author; returns the row key of what came of it. Raises DeskError."""
    content, params = approval.content, approval.content["params"]
    author = actor_of(user_id=approval.asked_by_id, desk_id=approval.desk_id)
    if author is None or not author.may_on(Permission.RFQ_TRADE, content["account_id"], content["subaccount"]):
        raise NotAllowed("The person who asked may no longer trade requests on this desk.")
    author = replace(author, account_id=content["account_id"], subaccount=content["subaccount"])
    done: Rfq | Accept | Quote
    match approval.kind:
        case "rfq":
            done = rfq_submit(author, ask_from_params(author, params), now=now, approval=approval)
            return f"rfq:{done.pk}"
        case "accept":
            done = accept_submit(
                author,
                rfq_for(author, params["rfq"]),
                quote_id=params["quote_id"],
                buys=Outcome(params["buys"]),
                price_seen=parse_price(params["price_seen"]),
                idempotency_key=uuid.UUID(params["idempotency_key"]),
                now=now,
                approval=approval,
            )
            return f"accept:{done.pk}"
        case "quote":
            offer = offer_from_params(author, params)
            incoming = _incoming(content)
            if incoming is None:
                raise NotFound("This request is not known here any more.")
            _move_check(content)
            done = quote_submit(author, offer, incoming, now=now, approval=approval)
            return f"quote:{done.pk}"
    raise DeskError("bad_input", f"{approval.kind} is not something that is carried out here.")


def _move_check(content: Content) -> None:
    """A quote was priced by the book of its moment: the middle may not have moved against us further than its bound."""
    then, now = content["book"], _book_of(content)
    if then["yes_mid"] is None or now["yes_mid"] is None:
        return  # nothing to compare with: the lead sees the price, the exchange decides
    move = abs(parse_price(now["yes_mid"]) - parse_price(then["yes_mid"]))
    bound = parse_price(content["params"]["max_move"]) if content["params"]["max_move"] else MOST_MOVE
    if move > bound:
        moved = f"The middle of the book moved by {cents_text(move)} since it was asked for, more than"
        raise DeskError("price_moved", f"{moved} {cents_text(bound)}. Nothing was sent.")


def _book_of(content: Content) -> dict[str, str | None]:
    """Return {"yes_mid"}: dollars, or null without two sides."""
    incoming = _incoming(content)
    found = quotes_of(incoming.environment, incoming.ticker) if incoming else None
    if found is None or found.bid is None or found.ask is None:
        return {"yes_mid": None}
    return {"yes_mid": format_price((found.bid + found.ask) / 2)}


def _incoming(content: Content) -> IncomingRfq | None:
    rows = IncomingRfq.objects.filter(rfq_id=content["params"]["rfq_id"])
    accounts = ExchangeAccount.objects.filter(pk=content["account_id"])
    return rows.filter(environment__in=accounts.values("environment")).first()


def _known(actor: Actor, key: uuid.UUID, content: Content) -> Approval | None:
    known = Approval.objects.filter(asked_by_id=actor.user_id, idempotency_key=key).first()
    if known is None:
        return None
    if {name: value for name, value in known.content.items() if name != "book"} != content:
        raise DeskError(
            "idempotency_mismatch", "This click asked for something else already. Start a new one, then send again."
        )
    return known


def _locked(actor: Actor, key: object) -> Approval:
    rows = Approval.objects.select_for_update(of=("self",)).select_related("account")
    found = rows.filter(desk_id=actor.desk_id, pk=row_number(key, kind="approval")).first()
    if found is None:
        raise NotFound("This approval does not exist, or it belongs to another desk.")
    return found


def _over(approval: Approval) -> DeskError:
    text = f"It is decided already: {approval.get_state_display().lower()}. Nothing was sent again."
    return DeskError("approval_over", text)


def _record(approval: Approval, past: str, actor_id: int | None, data: dict[str, Any]) -> None:
    audit.record(
        f"rfq.approval.{past}",
        actor_id=actor_id,
        desk_id=approval.desk_id,
        environment=approval.account.environment if approval.account else "",
        target=f"approval:{approval.pk}",
        data=data,
    )
