"""What one person may do on one account: checked when an order is submitted, and again before it is sent.

Rows are `RiskLimit`; where a desk has no row for everybody, DEFAULTS hold, so that a slipped key or a
runaway script meets a limit on the first day (RELIABILITY H9).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.db import transaction

from apps.accounts.access import account_get
from apps.accounts.four_eyes import is_wanted
from apps.accounts.models import ChangeRequest, ExchangeAccount, Membership, User
from apps.audit import services as audit
from apps.core.errors import DeskError, NotFound
from apps.core.money import cents_text, count_text, dollars_text
from apps.core.permissions import Actor, Permission
from apps.core.prepared import Prepared
from apps.core.timestamps import utc_now
from apps.orders.access import require
from apps.orders.models import BookSide, Order, OrderIntent, RiskLimit
from apps.orders.services.limit_approval import DEFAULTS, limit_gate
from apps.orders.services.quotes import Quotes, quotes_of
from apps.orders.services.usage import usage_of
from apps.orders.tickets import OrderTicket

_USED_UP = ("orders_per_minute", "max_open_contracts")  # the limits that need sums of what is stored

_limits = Prepared(lambda desk_id: RiskLimit.objects.filter(desk_id=desk_id))


@dataclass(frozen=True, slots=True)
class LimitUse:
    """One limit and what it would be used to with this order. Decimals as text for people in `text`."""

    name: str
    limit: Decimal | int
    use: Decimal | int
    text: str
    field: str

    @property
    def is_kept(self) -> bool:
        return self.use <= self.limit


def limits_of(desk_id: int, *, user_id: int, account_id: int) -> dict[str, Decimal | int]:
    """Return the limits in force, each as its tightest; a limit that nobody set is absent."""
    # A desk has a handful of rows; this is asked twice for each order, and plain code beats a longer statement.
    rows = [row for row in _limits(desk_id) if row.user_id in (None, user_id) and row.account_id in (None, account_id)]
    sources: list[Mapping[str, Any]] = [{name: getattr(row, name) for name in DEFAULTS} for row in rows]
    if not any(row.user_id is None and row.account_id is None for row in rows):
        sources.append(DEFAULTS)
    found: dict[str, Decimal | int] = {}
    for name in DEFAULTS:
        given = [source[name] for source in sources if source[name] is not None]
        if given:
            found[name] = min(given)
    return found


def limits_check(
    actor: Actor,
    ticket: OrderTicket,
    *,
    account: ExchangeAccount,
    now: datetime,
    intent: OrderIntent | None = None,
    instead_of: Order | None = None,
    before: Sequence[OrderTicket] = (),
) -> None:
    """Raises DeskError `limit_<name>` for the first limit that this order would break."""
    for one in limits_use(actor, ticket, account=account, now=now, intent=intent, instead_of=instead_of, before=before):
        if not one.is_kept:
            raise limit_refusal(one)


def limit_refusal(one: LimitUse) -> DeskError:
    return DeskError(f"limit_{one.name}", one.text, fields={one.field: one.text})


def limits_use(
    actor: Actor,
    ticket: OrderTicket,
    *,
    account: ExchangeAccount,
    now: datetime,
    intent: OrderIntent | None = None,
    instead_of: Order | None = None,
    before: Sequence[OrderTicket] = (),
) -> list[LimitUse]:
    """Return each limit with its use, this order included.

    Args:
        intent: the stored order that is about to be sent: what came after it does not count against it.
        instead_of: the resting order that this one replaces (an amend).
        before: earlier lines of the same batch, not stored yet.
    """
    limits = limits_of(actor.desk_id, user_id=actor.user_id, account_id=account.pk)
    usage = quotes = None
    if any(name in limits for name in _USED_UP):
        usage = usage_of(actor, account, now=now, intent=intent, instead_of=instead_of)
    found = []
    for name, limit in limits.items():
        use: Decimal | int | None = None
        match name:
            case "max_count":
                use = ticket.count
            case "max_notional":
                use = notional_of(ticket)
            case "price_band":
                quotes = quotes_of(account.environment, ticket.ticker)
                use = _beyond(ticket, quotes)
            case "orders_per_minute" if usage is not None:
                use = usage.orders + 1 + len(before)
            case "max_open_contracts" if usage is not None:
                use = usage.contracts + ticket.count + sum((one.count for one in before), Decimal(0))
        if use is not None:
            is_old = name == "price_band" and quotes is not None and not quotes.is_live
            text = _words(name, limit, use) + (_BY_OLD_PRICES if is_old else "")
            found.append(LimitUse(name, limit, use, text, _FIELDS[name]))
    return found


def notional_of(ticket: OrderTicket) -> Decimal:
    """Return what the contracts cost at the ticket's price, dollars."""
    price = ticket.yes_price if ticket.book_side == BookSide.BID else 1 - ticket.yes_price
    return price * ticket.count


def _beyond(ticket: OrderTicket, quotes: Quotes | None) -> Decimal | None:
    """Return how far the price is beyond the best of the other side (of the own side where that is empty)."""
    if quotes is None:
        return None
    is_bid = ticket.book_side == BookSide.BID
    sides = (quotes.ask, quotes.bid) if is_bid else (quotes.bid, quotes.ask)
    reference = next((price for price in sides if price is not None), None)
    if reference is None:
        return None
    beyond = ticket.yes_price - reference if is_bid else reference - ticket.yes_price
    return max(Decimal(0), beyond)


_BY_OLD_PRICES = " By the last known prices: there is no live book."
_FIELDS = {
    "max_count": "count",
    "max_notional": "count",
    "price_band": "price",
    "orders_per_minute": "general",
    "max_open_contracts": "count",
}


def _words(name: str, limit: Any, use: Any) -> str:
    match name:
        case "max_count":
            return f"Your limit is {count_text(limit)} contracts in one order; this is {count_text(use)}."
        case "max_notional":
            return f"Your limit is {dollars_text(limit)} in one order; this is {dollars_text(use)}."
        case "price_band":
            return f"This price is {cents_text(use)} beyond the market; your limit is {cents_text(limit)}."
        case "orders_per_minute":
            return f"Your limit is {limit} orders a minute; this would be number {use}. Wait a moment."
    return f"Your limit is {count_text(limit)} contracts working at once; this would make {count_text(use)}."


# --- managing them --------------------------------------------------------------------------------


def limit_set(
    actor: Actor,
    values: Mapping[str, Decimal | int | None],
    *,
    user_id: int | None,
    account_id: int | None,
    approval: ChangeRequest | None = None,
) -> RiskLimit:
    """Set the limits of one scope, all five at once.

    Raises NotAllowed, NotFound, DeskError; ApprovalNeeded where one gets wider and the desk wants four eyes on that.
    """
    require(actor, Permission.LIMIT_MANAGE)
    faults = {name: "Give a number above zero, or nothing." for name, value in values.items() if not _is_limit(value)}
    if faults:
        raise DeskError("bad_input", "Some limits cannot be used.", fields=faults)
    if user_id is not None and not Membership.objects.filter(desk_id=actor.desk_id, user_id=user_id).exists():
        raise NotFound("This person is not on this desk.")
    account = None if account_id is None else account_get(actor, account_id)
    with transaction.atomic():
        limit_gate(actor, values, user_id=user_id, account_id=account_id, approval=approval)
        limit, _ = RiskLimit.objects.update_or_create(
            desk_id=actor.desk_id,
            user=None if user_id is None else User.objects.get(pk=user_id),
            account=account,
            defaults={name: values.get(name) for name in DEFAULTS} | {"set_by_id": actor.user_id, "set_at": utc_now()},
        )
        _audit(actor, "orders.limit.set", limit, {name: values.get(name) for name in DEFAULTS})
    return limit


def limit_remove(actor: Actor, limit_id: int) -> None:
    """Raises NotAllowed, NotFound. Without a row for everybody, the defaults hold again."""
    require(actor, Permission.LIMIT_MANAGE)
    with transaction.atomic():
        limit = RiskLimit.objects.filter(pk=limit_id, desk_id=actor.desk_id).first()
        if limit is None:
            raise NotFound("This limit does not exist, or it belongs to another desk.")
        if is_wanted(actor.desk_id, "limits"):
            text = "This desk wants four eyes on wider limits: set the row to what should hold instead of removing it."
            raise DeskError("four_eyes", text)
        _audit(actor, "orders.limit.removed", limit, {name: getattr(limit, name) for name in DEFAULTS})
        limit.delete()


def _is_limit(value: Decimal | int | None) -> bool:
    return value is None or value > 0


def _audit(actor: Actor, action: str, limit: RiskLimit, values: Mapping[str, Any]) -> None:
    audit.record(
        action,
        actor_id=actor.user_id,
        desk_id=actor.desk_id,
        environment=limit.account.environment if limit.account else "",
        target=f"risk_limit:{limit.pk}",
        data={"user_id": limit.user_id, "account_id": limit.account_id, **values},
    )
