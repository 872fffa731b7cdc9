"""The page of limits: whose they are, what is used of each now, and who set them."""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from django.db.models import Count, Sum

from apps.accounts.access import accounts_visible
from apps.accounts.models import ExchangeAccount, Membership
from apps.core.money import cents_text, count_text, dollars_text
from apps.core.permissions import Actor, Permission, permissions_of
from apps.orders.access import intents_visible_to, orders_visible_to
from apps.orders.models import BookSide, ChangeIntent, Order, OrderIntent, RiskLimit, TradingPause
from apps.orders.pages.blotter import people_of
from apps.orders.services import limits_of
from apps.orders.services.limit_approval import DEFAULTS

_MINUTE = timedelta(minutes=1)
_WAITING = (OrderIntent.State.COMMITTED, OrderIntent.State.SENDING, OrderIntent.State.UNKNOWN)
_PAUSES_AT_MOST = 20
# Name of a limit -> words of its column, and what is used of it.
LABELS = {
    "max_count": ("Contracts in one order", "largest working order"),
    "max_notional": ("Dollars in one order", "dearest working order"),
    "price_band": ("Cents beyond the market", ""),
    "orders_per_minute": ("Orders a minute", "last 60 s"),
    "max_open_contracts": ("Open contracts", "working now"),
}


@dataclass(frozen=True, slots=True)
class Bar:
    """One limit and its use. share: thousandths of the limit, at most 1000; None: asked of each order alone."""

    label: str
    limit: str
    use: str
    of: str
    share: int | None

    @property
    def level(self) -> str:
        return "full" if (self.share or 0) >= 1000 else "high" if (self.share or 0) >= 750 else "ok"


def limit_words(name: str, value: Decimal | int | None) -> str:
    """Return a limit as people read it: contracts, dollars, cents; "-" where nothing is limited."""
    if value is None:
        return "-"
    match name:
        case "max_notional":
            return dollars_text(Decimal(value))
        case "price_band":
            return cents_text(Decimal(value))
        case "orders_per_minute":
            return f"{value:,}"
    return count_text(Decimal(value))


def limits_context(actor: Actor, account: ExchangeAccount | None, *, now: datetime) -> dict[str, Any]:
    """Return the template context of the page. Raises NotAllowed."""
    people = people_of(actor)
    accounts = list(accounts_visible(actor))
    rows = RiskLimit.objects.filter(desk_id=actor.desk_id).select_related("user", "account", "set_by")
    listed = [_row(row, people) for row in sorted(rows, key=lambda row: (row.user_id or 0, row.account_id or 0))]
    has_default = any(row["user_id"] is None and row["account_id"] is None for row in listed)
    return {
        "account": account,
        "labels": [label for label, _ in LABELS.values()],
        "rows": listed,
        "defaults": None if has_default else [limit_words(name, DEFAULTS[name]) for name in LABELS],
        "people": people.items(),
        "accounts": accounts,
        "may_manage": actor.may(Permission.LIMIT_MANAGE),
        "uses": use_of_everybody(actor, account, now=now) if account else [],
        "pauses": _pauses(actor, people),
    }


def _row(row: RiskLimit, people: Mapping[int, str]) -> dict[str, Any]:
    return {
        "id": row.pk,
        "user_id": row.user_id,
        "account_id": row.account_id,
        "who": "Everybody" if row.user_id is None else people.get(row.user_id, "-"),
        "where": row.account.name if row.account else "Every account",
        "figures": [limit_words(name, getattr(row, name)) for name in LABELS],
        "set_by": people.get(row.set_by_id, "-"),
        "set_at": row.set_at,
    }


def _pauses(actor: Actor, people: Mapping[int, str]) -> list[dict[str, Any]]:
    return [
        {
            "whom": "Everybody on this desk" if one.user_id is None else people.get(one.user_id, "-"),
            "why": one.why,
            "set_by": people.get(one.set_by_id, "-"),
            "set_at": one.set_at,
            "released_by": people.get(one.released_by_id, "-") if one.released_by_id else "",
            "released_at": one.released_at,
        }
        for one in TradingPause.objects.filter(desk_id=actor.desk_id).order_by("-pk")[:_PAUSES_AT_MOST]
    ]


# --- use ------------------------------------------------------------------------------------------


def use_of_everybody(actor: Actor, account: ExchangeAccount, *, now: datetime) -> list[dict[str, Any]]:
    """Return for everybody who may place orders the use of each limit on one account. Raises NotAllowed."""
    used = _used(actor, account, now=now)
    people = people_of(actor)
    members = Membership.objects.filter(desk_id=actor.desk_id, is_active=True, user__is_active=True)
    trading = [one.user_id for one in members if Permission.ORDER_PLACE in permissions_of(one.roles)]
    found = []
    for user_id in sorted(trading, key=lambda pk: people.get(pk, "").lower()):
        limits = limits_of(actor.desk_id, user_id=user_id, account_id=account.pk)
        bars = [_bar(name, limits.get(name), used[name].get(user_id, Decimal(0))) for name in LABELS]
        found.append({"user_id": user_id, "name": people.get(user_id, "-"), "bars": bars})
    return found


def _bar(name: str, limit: Decimal | int | None, use: Decimal | int) -> Bar:
    label, of = LABELS[name]
    if limit is None:
        return Bar(label, "no limit", limit_words(name, use) if of else "", of, None)
    if not of:
        return Bar(label, limit_words(name, limit), "", "asked of each order", None)
    share = min(1000, int(Decimal(use) * 1000 / Decimal(limit)))
    return Bar(label, limit_words(name, limit), limit_words(name, use), of, share)


def _used(actor: Actor, account: ExchangeAccount, *, now: datetime) -> dict[str, dict[int, Any]]:
    """Return name of limit -> person -> use. Orders placed elsewhere count for everybody, as in the check."""
    intents = intents_visible_to(actor).filter(account=account)
    recent = intents.filter(created_at__gt=now - _MINUTE).values_list("placed_by").annotate(Count("pk")).order_by()
    amends = ChangeIntent.objects.filter(
        order__account=account, kind=ChangeIntent.Kind.AMEND, created_at__gt=now - _MINUTE
    )
    minute: dict[int, int] = defaultdict(int)
    for person, count in [*recent, *amends.values_list("requested_by").annotate(Count("pk")).order_by()]:
        minute[person] += count
    largest: dict[int, Decimal] = defaultdict(Decimal)
    dearest: dict[int, Decimal] = defaultdict(Decimal)
    open_now: dict[int, Decimal] = defaultdict(Decimal)
    resting = orders_visible_to(actor).filter(account=account, status=Order.Status.RESTING)
    waiting = intents.filter(order=None, state__in=_WAITING)
    working = [
        *resting.exclude(intent=None).values_list("intent__placed_by", "book_side", "price", "remaining_count"),
        *waiting.values_list("placed_by", "book_side", "price", "count"),
    ]
    for person, side, price, count in working:
        cost = (price if side == BookSide.BID else 1 - price) * count
        largest[person], dearest[person] = max(largest[person], count), max(dearest[person], cost)
        open_now[person] += count
    elsewhere = resting.filter(intent=None).aggregate(total=Sum("remaining_count"))["total"] or Decimal(0)
    if elsewhere:
        for person in people_of(actor):
            open_now[person] += elsewhere
    return {
        "max_count": largest,
        "max_notional": dearest,
        "price_band": {},
        "orders_per_minute": minute,
        "max_open_contracts": open_now,
    }
