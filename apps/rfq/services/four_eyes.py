"""From what size on a desk wants a second pair of eyes, and the exact content that such an approval is bound to.

The gate stands in the services that commit a request, an accept and a quote, so that no way around it exists. What a
rule quotes was seen by a lead when the rule was armed; what a request takes by itself, when the request was approved.
"""

import hashlib
import json
import uuid
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from django.db import transaction

from apps.accounts.access import accounts_visible
from apps.audit import services as audit
from apps.core.errors import DeskError
from apps.core.money import count_text, dollars_text, format_count, format_dollars, format_price
from apps.core.permissions import Actor, Permission
from apps.core.rfq import Outcome, QuotePrices, worst_contracts
from apps.core.timestamps import utc_now
from apps.orders.access import require
from apps.rfq.asks import Ask
from apps.rfq.events import approvals as events
from apps.rfq.models import Approval, ApprovalThreshold, IncomingRfq, Rfq
from apps.rfq.offers import Offer

Content = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Size:
    """What can come of it at most: contracts, and dollars; None where it is not known yet."""

    contracts: Decimal | None
    cost: Decimal | None


class ApprovalNeeded(DeskError):
    """It is above the desk's threshold. content: what an approval would be bound to."""

    def __init__(self, text: str, content: Content) -> None:
        super().__init__("approval_needed", text)
        self.content = content


def threshold_set(actor: Actor, *, contracts: Decimal | None, cost: Decimal | None) -> ApprovalThreshold:
    """Set from what size on the desk wants two people; None: never by this measure. Raises NotAllowed, DeskError."""
    require(actor, Permission.RFQ_MANAGE)
    given = {"contracts": contracts, "cost": cost}
    faults = {name: "Give a number of 0 or more, or nothing." for name, value in given.items() if value and value < 0}
    if faults:
        raise DeskError("bad_input", "This cannot be a threshold.", fields=faults)
    with transaction.atomic():
        row, _ = ApprovalThreshold.objects.update_or_create(
            desk_id=actor.desk_id, defaults={**given, "changed_by_id": actor.user_id, "changed_at": utc_now()}
        )
        audit.record(
            "rfq.threshold.set",
            actor_id=actor.user_id,
            desk_id=actor.desk_id,
            target=f"approval_threshold:{row.pk}",
            data=given,
        )
        for account in accounts_visible(actor):
            events.threshold_publish(account.pk, row)
    return row


def above(desk_id: int, size: Size) -> str:
    """Return in words what is above the desk's threshold; "" when nothing is."""
    row = ApprovalThreshold.objects.filter(desk_id=desk_id).first()
    if row is None:
        return ""
    if row.contracts is not None and size.contracts is not None and size.contracts > row.contracts:
        return f"{count_text(size.contracts)} contracts are more than {count_text(row.contracts)}"
    if row.cost is not None and size.cost is not None and size.cost > row.cost:
        return f"{dollars_text(size.cost)} are more than {dollars_text(row.cost)}"
    return ""


def gate(desk_id: int, size: Size, content: Content, *, approval: Approval | None) -> None:
    """Let it pass below the threshold, or with the approval of exactly this content.

    Raises ApprovalNeeded, DeskError `approval_mismatch`.
    """
    if approval is not None:
        if approval.state != Approval.State.APPROVED or approval.desk_id != desk_id or not covers(approval, content):
            raise DeskError("approval_mismatch", "What was approved is something else. Nothing was sent.")
        return
    why = above(desk_id, size)
    if why:
        raise ApprovalNeeded(f"{why}: a second person has to approve it.", content)


def covers(approval: Approval, content: Content) -> bool:
    """Is this content what was approved, to the letter?"""
    return (
        approval.content_hash == content_hash(approval.content)
        and {name: value for name, value in approval.content.items() if name != "book"} == content
    )


def content_hash(content: Content) -> str:
    """Return the SHA-256 of the content as canonical JSON, as hexadecimal digits."""
    return hashlib.sha256(json.dumps(content, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


# --- what is approved: the parameters of the command, written in one way -----------------------------


def ask_content(ask: Ask) -> Content:
    legs = [
        {"event_ticker": leg.event_ticker, "market_ticker": leg.market_ticker, "side": leg.side} for leg in ask.legs
    ]
    auto = ask.auto
    params = {
        "idempotency_key": str(ask.idempotency_key),
        "ticker": ask.ticker,
        "combo": {"collection": ask.collection, "legs": legs} if legs else None,
        "contracts": _text(ask.contracts, format_count),
        "target_cost": _text(ask.target_cost, format_dollars),
        "rest_remainder": ask.rest_remainder,
        "replace_existing": ask.replace_existing,
        "limit_yes": _text(ask.limit_yes, format_price),
        "limit_no": _text(ask.limit_no, format_price),
        "ends_in_s": None if ask.ends_in is None else int(ask.ends_in.total_seconds()),
        "note": ask.note,
        "auto": auto
        and {"buys": auto.buys.value, "min_quotes": auto.min_quotes, "after_s": int(auto.after.total_seconds())},
    }
    return {"kind": "rfq", "account_id": ask.account_id, "subaccount": ask.subaccount, "params": params}


def offer_content(offer: Offer) -> Content:
    params = {
        "idempotency_key": str(offer.idempotency_key),
        "rfq_id": offer.rfq_id,
        "yes_bid": format_price(offer.prices.yes_bid),
        "no_bid": format_price(offer.prices.no_bid),
        "post_only": offer.post_only,
        "rest_remainder": offer.rest_remainder,
        "policy": offer.policy.value,
        "max_move": _text(offer.max_move, format_price),
        "ends_in_s": None if offer.ends_in is None else int(offer.ends_in.total_seconds()),
    }
    return {"kind": "quote", "account_id": offer.account_id, "subaccount": offer.subaccount, "params": params}


def accept_content(
    rfq: Rfq, *, quote_id: str, buys: Outcome, price_seen: Decimal, idempotency_key: uuid.UUID
) -> Content:
    params = {
        "idempotency_key": str(idempotency_key),
        "rfq": f"rfq:{rfq.pk}",
        "quote_id": quote_id,
        "buys": buys.value,
        "price_seen": format_price(price_seen),
    }
    return {"kind": "accept", "account_id": rfq.account_id, "subaccount": rfq.subaccount, "params": params}


def _text(value: Decimal | None, write: Any) -> str | None:
    return None if value is None else str(write(value))


# --- how large it can become ------------------------------------------------------------------------


def ask_size(ask: Ask) -> Size:
    """A request by itself binds nobody: its cost counts where its own limit, or its target, says it."""
    limits = [limit for limit in (ask.limit_yes, ask.limit_no) if limit is not None]
    cost = ask.target_cost
    if ask.contracts is not None and limits:
        cost = ask.contracts * max(limits)
    return Size(ask.contracts, cost)


def accept_size(rfq: Rfq, *, contracts: Decimal | None, price: Decimal) -> Size:
    return Size(contracts, rfq.target_cost if contracts is None else contracts * price)


def offer_size(incoming: IncomingRfq, prices: QuotePrices) -> Size:
    """The worse of the two hits."""
    hits = []
    for bid in (prices.yes_bid, prices.no_bid):
        contracts = incoming.contracts
        if contracts is None and incoming.target_cost is not None:
            contracts = worst_contracts(target_cost=incoming.target_cost, bid=bid)
        if bid and contracts is not None:
            hits.append((contracts, contracts * bid))
    return Size(max((hit[0] for hit in hits), default=None), max((hit[1] for hit in hits), default=None))


def is_covered(rfq: Rfq) -> bool:
    """Was this request approved together with what it takes by itself?"""
    used = Approval.objects.filter(kind="rfq", state=Approval.State.USED, result=f"rfq:{rfq.pk}", desk_id=rfq.desk_id)
    terms = (rfq.auto_accept, rfq.auto_min_quotes, rfq.limit_yes, rfq.limit_no)
    for approval in used:
        params = approval.content["params"]
        auto = params.get("auto") or {}
        approved = (
            auto.get("buys", ""),
            auto.get("min_quotes", 1),
            params["limit_yes"] and Decimal(params["limit_yes"]),
            params["limit_no"] and Decimal(params["limit_no"]),
        )
        return bool(auto) and approved == terms
    return False
