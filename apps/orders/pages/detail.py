"""An order's own page: what it is now, what happened to it, and what the audit trail says of it."""

from decimal import Decimal
from typing import Any

from apps.accounts.models import ExchangeAccount
from apps.audit.models import AuditEntry
from apps.core.errors import NotFound
from apps.core.permissions import Actor, Permission
from apps.markets.models import Market
from apps.orders import events
from apps.orders.access import fills_visible_to, intents_visible_to, orders_visible_to
from apps.orders.endings import ended_around
from apps.orders.models import CancelIntent, ChangeIntent, Order, OrderIntent
from apps.orders.pages.blotter import people_of, title_of
from apps.orders.pages.filters import SIDE_WORDS, entered_side
from apps.orders.pages.rows import order_row
from apps.orders.pages.timeline import timeline
from apps.orders.selectors import with_marks

_NONE = "This order does not exist, or it belongs to another desk."
_AUDIT_AT_MOST = 100


def order_context(actor: Actor, key: str) -> dict[str, Any]:
    """Return the template context of one order, by the key of its live row.

    Raises NotAllowed; NotFound for another desk's order exactly as for none.
    """
    intent, order = _find(actor, key)
    known = order or intent
    if known is None:
        raise NotFound(_NONE)
    account = known.account
    cancels = list(CancelIntent.objects.filter(order=order).order_by("pk")) if order else []
    fills = list(fills_visible_to(actor).filter(order=order).order_by("traded_at", "pk")) if order else []
    changes = list(ChangeIntent.objects.filter(order=order).order_by("pk")) if order else []
    people = people_of(actor)
    row = order_row(order) if order else events.intent_row(intent, None)  # type: ignore[arg-type]
    market = (
        Market.objects.filter(environment=account.environment, ticker=row["ticker"]).select_related("event").first()
    )
    ended = ended_around(order, row["ended"], market)
    return {
        "row": row | {"ended": ended},
        "intent": intent,
        "order": order,
        "account": account,
        "market_title": title_of(market) if market else "",
        "has_market": market is not None,
        "side_words": SIDE_WORDS[entered_side(row["entered_as"], row["book_side"])],
        "placed_by": people.get(row["placed_by"], "-") if row["placed_by"] else "placed elsewhere",
        "steps": timeline(intent, order, fills=fills, cancels=cancels, changes=changes, people=people, ended=ended),
        "fills": fills,
        "fill_fees": sum((fill.fee for fill in fills), start=Decimal(0)) if fills else None,
        "audit": _audit(actor, account, intent, cancels, changes) if actor.may(Permission.AUDIT_VIEW) else None,
        "is_unknown": order is None and intent is not None and intent.state == OrderIntent.State.UNKNOWN,
        "is_not_seen": order is None and intent is not None and intent.state == OrderIntent.State.NOT_SEEN,
        "may_cancel": order is not None
        and order.status == Order.Status.RESTING
        and actor.may_on(Permission.ORDER_CANCEL, order.account_id, order.subaccount),
        "is_selected_account": account.pk == actor.account_id,
    }


def _find(actor: Actor, key: str) -> tuple[OrderIntent | None, Order | None]:
    kind, _, name = key.partition(":")
    orders = with_marks(orders_visible_to(actor)).select_related("account", "intent")
    if kind == "intent" and name.isascii() and name.isdigit() and len(name) <= 18:
        intent = intents_visible_to(actor).select_related("account").filter(pk=int(name)).first()
        return intent, orders.filter(intent=intent).first() if intent else None
    if kind == "order" and name and "\x00" not in name:
        # Two accounts of one desk never share an id of the exchange, but the table allows it: the selected one first.
        found = sorted(orders.filter(order_id=name), key=lambda one: one.account_id != actor.account_id)
        return (found[0].intent, found[0]) if found else (None, None)
    return None, None


def _audit(
    actor: Actor,
    account: ExchangeAccount,
    intent: OrderIntent | None,
    cancels: list[CancelIntent],
    changes: list[ChangeIntent],
) -> list[AuditEntry]:
    targets = [f"cancel_intent:{cancel.pk}" for cancel in cancels]
    targets += [f"change_intent:{change.pk}" for change in changes]
    if intent is not None:
        targets.append(f"order_intent:{intent.pk}")
    entries = AuditEntry.objects.filter(desk_id=actor.desk_id, environment=account.environment, target__in=targets)
    return list(entries.select_related("actor").order_by("sequence")[:_AUDIT_AT_MOST])
