"""The page of limits: whose they are, what is used of each now, and who set them."""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from django.db.models import Count, Sum

from apps.accounts.access import accounts_visible
from apps.accounts.models import ExchangeAccount, Membership
from apps.core.money import cents_text, count_text, dollars_text
from apps.core.permissions import Actor, Permission, permissions_of
from apps.markets.models import Market, Series
from apps.orders.access import intents_visible_to, orders_visible_to
from apps.orders.models import BookSide, ChangeIntent, Order, OrderIntent, RiskLimit, TradingPause
from apps.orders.pages.blotter import people_of
from apps.orders.services.day_loss import LossStanding, loss_standing
from apps.orders.services.limit_changes import Changed, changed_of, limit_history
from apps.orders.services.limit_rows import (
    ASK_AGAIN,
    DEFAULTS,
    EVERYWHERE,
    OF_RFQS,
    SUMMED,
    THRESHOLDS,
    Within,
    limits_in_force,
    summed_minutes,
)

_MINUTE = timedelta(minutes=1)
_WAITING = (OrderIntent.State.COMMITTED, OrderIntent.State.SENDING, OrderIntent.State.UNKNOWN)
_PAUSES_AT_MOST = 20
_PLACES_AT_MOST = 300
_CHANGES_AT_MOST = 30
# Name of a limit -> words of its column, and what is used of it.
LABELS = {
    "max_count": ("Contracts in one order", "largest now"),
    "max_notional": ("Dollars in one order", "dearest now"),
    "price_band": ("Cents beyond the market", ""),
    "orders_per_minute": ("Orders a minute", "last 60 s"),
    "max_open_contracts": ("Open contracts", "working now"),
    "max_open_rfqs": ("Open requests", "open now"),
    "max_open_quotes": ("Open quotes", "open now"),
    "max_daily_loss": ("Loss of the day", ""),
    "approve_count": ("Four eyes above (contracts)", ""),
    "approve_notional": ("Four eyes above (dollars)", ""),
    SUMMED: ("Four eyes: summed over", ""),
    ASK_AGAIN: ("Asks who you are above", ""),
}
# The same for the heads of columns, of which there are many.
_HEADS = {
    "max_count": "Size",
    "max_notional": "Cost",
    "price_band": "Band",
    "orders_per_minute": "A minute",
    "max_open_contracts": "Open",
    "max_open_rfqs": "Requests",
    "max_open_quotes": "Quotes",
    "max_daily_loss": "Day's loss",
    "approve_count": "Four eyes above",
    ASK_AGAIN: "Asks again above",
}
_ALWAYS = tuple(DEFAULTS)  # columns that are shown even when no row fills them
# rfq -> orders: account id -> its open requests and quotes, as (person, name of the limit, the markets of it).
open_rows: list[Callable[[int], Iterable[tuple[int | None, str, Sequence[str]]]]] = []


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
        case "max_notional" | "max_daily_loss" | "approve_notional" | "ask_again_notional":
            return dollars_text(Decimal(value))
        case "price_band":
            return cents_text(Decimal(value))
        case "orders_per_minute" | "max_open_rfqs" | "max_open_quotes" | "approve_within":
            return f"{value:,}"
    return count_text(Decimal(value))


def limits_context(actor: Actor, account: ExchangeAccount | None, *, now: datetime) -> dict[str, Any]:
    """Return the template context of the page. Raises NotAllowed."""
    people = people_of(actor)
    accounts = list(accounts_visible(actor))
    rows = list(RiskLimit.objects.filter(desk_id=actor.desk_id).select_related("user", "account", "set_by"))
    rows.sort(key=lambda row: (row.series, row.ticker, row.user_id or 0, row.account_id or 0))
    names = [
        name
        for name in LABELS
        if name in _ALWAYS or (name != SUMMED and any(getattr(row, name) is not None for row in rows))
    ]
    if "approve_notional" in names and "approve_count" not in names:
        names.insert(names.index("approve_notional"), "approve_count")  # both thresholds share a column
    has_default = any((row.user_id, row.account_id, row.series, row.ticker) == (None, None, "", "") for row in rows)
    return {
        "account": account,
        "heads": [(_HEADS[name], LABELS[name][0]) for name in names if name in _HEADS],
        "rows": [_row(row, people, names) for row in rows],
        "defaults": None
        if has_default
        else [limit_words(name, DEFAULTS.get(name)) for name in names if name in _HEADS],
        "people": people.items(),
        "accounts": accounts,
        "places": _places(account),
        "may_manage": actor.may(Permission.LIMIT_MANAGE),
        "uses": use_of_everybody(actor, account, now=now) if account else [],
        "changes": _changes(actor, people),
        "pauses": _pauses(actor, people),
    }


def _row(row: RiskLimit, people: Mapping[int, str], names: Sequence[str]) -> dict[str, Any]:
    figures = [limit_words(name, getattr(row, name)) for name in names if name in _HEADS]
    both = [limit_words(name, value) for name in THRESHOLDS if (value := getattr(row, name)) is not None]
    if "approve_count" in names:
        figures[names.index("approve_count")] = f"{' or '.join(both)}{_summed_words(row)}" if both else "-"
    if row.max_daily_loss is not None and row.loss_if_stale == RiskLimit.Stale.ALLOW:
        figures[names.index("max_daily_loss")] += " (not while unknown)"
    return {
        "id": row.pk,
        "who": "Everybody" if row.user_id is None else people.get(row.user_id, "-"),
        "where": row.account.name if row.account else "Every account",
        "place": row.series or row.ticker,
        "place_kind": "series" if row.series else "market" if row.ticker else "",
        "figures": figures,
        "set_by": people.get(row.set_by_id, "-"),
        "set_at": row.set_at,
    }


def _summed_words(row: RiskLimit) -> str:
    minutes = summed_minutes(row)
    return f", together in {minutes:,} min" if minutes else ", each by itself"


def _places(account: ExchangeAccount | None) -> list[str]:
    """Series to choose from; any other series or market may be typed."""
    if account is None:
        return []
    found = Series.objects.filter(environment=account.environment).order_by("ticker")
    return list(found.values_list("ticker", flat=True)[:_PLACES_AT_MOST])


def _changes(actor: Actor, people: Mapping[int, str]) -> list[dict[str, Any]]:
    return [
        {
            "at": one.changed_at,
            "by": people.get(one.changed_by_id, "-"),
            "approved_by": people.get(one.approved_by_id, "-") if one.approved_by_id else "",
            "who": "Everybody" if one.user_id is None else people.get(one.user_id, "-"),
            "where": one.account.name if one.account else "Every account",
            "place": one.series or one.ticker,
            "is_removed": not one.after,
            "moves": [_move(moved) for moved in changed_of(one)],
            "reason": one.reason,
        }
        for one in limit_history(actor)[:_CHANGES_AT_MOST]
    ]


def _move(moved: Changed) -> dict[str, str]:
    if moved.name == "loss_if_stale":
        return {"label": "New risk while the result is not known", "before": moved.before, "after": moved.after}
    words = [limit_words(moved.name, Decimal(text) if text else None) for text in (moved.before, moved.after)]
    return {"label": LABELS[moved.name][0], "before": words[0], "after": words[1]}


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
    """Return for all who may place orders or requests, and have a limit or a use, what they use of each on one account.

    Raises NotAllowed.
    """
    used = _used(actor, account, now=now)
    people = people_of(actor)
    members = Membership.objects.filter(desk_id=actor.desk_id, is_active=True, user__is_active=True)
    may = {one.user_id: permissions_of(one.roles) for one in members}
    trading = [user_id for user_id, granted in may.items() if granted & {Permission.ORDER_PLACE, Permission.RFQ_TRADE}]
    rows = list(RiskLimit.objects.filter(desk_id=actor.desk_id).exclude(series="", ticker=""))
    found = []
    for user_id in sorted(trading, key=lambda pk: people.get(pk, "").lower()):
        force = limits_in_force(actor.desk_id, user_id=user_id, account_id=account.pk)
        limits = force.of_one | {name: value for (name, _), value in force.counted.items()}
        whole = used.get((user_id, EVERYWHERE), Used())
        always = _ALWAYS if Permission.ORDER_PLACE in may[user_id] else ()
        bars = [_bar(name, limits.get(name), whole.of(name)) for name in always]
        for name in OF_RFQS:  # of people who deal in requests, or are limited in it
            if name in limits or whole.of(name):
                bars.append(_bar(name, limits.get(name), whole.of(name)))
        for standing in loss_standing(force.losses, account_id=account.pk, now=now):
            bars.append(_loss_bar(standing))
        for row in rows:
            if row.user_id in (None, user_id) and row.account_id in (None, account.pk):
                within = Within(row.series, row.ticker)
                mine = used.get((user_id, within), Used())
                values = ((name, getattr(row, name)) for name in (*always, *OF_RFQS) if LABELS[name][1])
                bars += [_bar(name, limit, mine.of(name), within.words) for name, limit in values if limit is not None]
        if not bars:
            continue  # deals in requests only, has none open, and nothing limits them
        found.append({"user_id": user_id, "name": people.get(user_id, "-"), "bars": bars})
    return found


@dataclass(slots=True)
class Used:
    """What one person uses in one place: orders in the last minute, the largest and dearest order, open contracts.

    open: requests and quotes, by the name of their limit.
    """

    minute: int = 0
    largest: Decimal = Decimal(0)
    dearest: Decimal = Decimal(0)
    contracts: Decimal = Decimal(0)
    open: Counter[str] = field(default_factory=Counter)

    def of(self, name: str) -> Decimal | int:
        match name:
            case "max_count":
                return self.largest
            case "max_notional":
                return self.dearest
            case "orders_per_minute":
                return self.minute
            case "max_open_contracts":
                return self.contracts
        return self.open[name]


def _loss_bar(standing: LossStanding) -> Bar:
    label, limit = LABELS["max_daily_loss"][0], dollars_text(standing.limit)
    of = "the account's" if standing.user_id is None else "own trades today"
    if standing.loss is None:
        return Bar(label, limit, "not known", f"{of}; {standing.text}", 1000 if standing.refusal else None)
    share = min(1000, int(standing.loss * 1000 / standing.limit))
    return Bar(label, limit, dollars_text(standing.loss), of, share)


def _bar(name: str, limit: Decimal | int | None, use: Decimal | int, where: str = "") -> Bar:
    label, of = LABELS[name]
    label += where
    if limit is None:
        return Bar(label, "no limit", limit_words(name, use) if of else "", of, None)
    if not of:
        return Bar(label, limit_words(name, limit), "", "asked of each order", None)
    share = min(1000, int(Decimal(use) * 1000 / Decimal(limit)))
    return Bar(label, limit_words(name, limit), limit_words(name, use), of, share)


def _used(actor: Actor, account: ExchangeAccount, *, now: datetime) -> dict[tuple[int, Within], Used]:
    """Return what each person uses in each place that a row names. Orders placed elsewhere count for everybody, as in
    the check.
    """
    rows = RiskLimit.objects.filter(desk_id=actor.desk_id).values_list("series", "ticker").distinct().order_by()
    places = {EVERYWHERE, *(Within(series, ticker) for series, ticker in rows)}
    series_of = _series_of(account, places)
    found: dict[tuple[int, Within], Used] = defaultdict(Used)

    def places_of(ticker: str) -> list[Within]:
        return [
            one
            for one in places
            if one == EVERYWHERE or one.ticker == ticker or (one.series and _is_of(one.series, ticker, series_of))
        ]

    intents = intents_visible_to(actor).filter(account=account)
    recent = intents.filter(created_at__gt=now - _MINUTE)
    amends = ChangeIntent.objects.filter(
        order__account=account, kind=ChangeIntent.Kind.AMEND, created_at__gt=now - _MINUTE
    )
    minute = [
        *recent.values_list("placed_by", "ticker").annotate(Count("pk")).order_by(),
        *amends.values_list("requested_by", "order__ticker").annotate(Count("pk")).order_by(),
    ]
    for person, ticker, count in minute:
        for place in places_of(ticker):
            found[person, place].minute += count
    resting = orders_visible_to(actor).filter(account=account, status=Order.Status.RESTING)
    waiting = intents.filter(order=None, state__in=_WAITING)
    working = [
        *resting.exclude(intent=None).values_list(
            "intent__placed_by", "ticker", "book_side", "price", "remaining_count"
        ),
        *waiting.values_list("placed_by", "ticker", "book_side", "price", "count"),
    ]
    for person, ticker, side, price, count in working:
        cost = (price if side == BookSide.BID else 1 - price) * count
        for place in places_of(ticker):
            one = found[person, place]
            one.largest, one.dearest = max(one.largest, count), max(one.dearest, cost)
            one.contracts += count
    elsewhere = resting.filter(intent=None).values_list("ticker").annotate(total=Sum("remaining_count")).order_by()
    for source in open_rows:
        for user_id, name, tickers in source(account.pk):
            if user_id is not None:
                for place in {place for ticker in tickers for place in places_of(ticker)}:
                    found[user_id, place].open[name] += 1
    people = people_of(actor)
    for ticker, total in elsewhere:
        for place in places_of(ticker):
            for person in people:
                found[person, place].contracts += total
    return found


def _series_of(account: ExchangeAccount, places: Iterable[Within]) -> dict[str, set[str]]:
    """Return the markets of the named series that are not named after them."""
    found: dict[str, set[str]] = defaultdict(set)
    wanted = {one.series for one in places if one.series}
    if wanted:
        rows = Market.objects.filter(environment=account.environment, series_ticker__in=wanted)
        for series, ticker in rows.values_list("series_ticker", "ticker"):
            if not ticker.startswith(f"{series}-"):
                found[series].add(ticker)
    return found


def _is_of(series: str, ticker: str, series_of: Mapping[str, set[str]]) -> bool:
    return ticker.startswith(f"{series}-") or ticker in series_of.get(series, ())
