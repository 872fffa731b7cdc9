"""What the wall shows of one account. Reading only, in the name of who looks; each panel says its source and age."""

import threading
import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any

import redis
from django.db.models import Count
from django.template.loader import render_to_string

from apps.accounts.models import ExchangeAccount
from apps.core.errors import NotAllowed
from apps.core.permissions import MASKED_VIEWER, Actor, Grant, Permission, Role
from apps.core.pnl_days import day_start, trading_day
from apps.core.rfq import ConfirmationState, QuoteState, RfqState
from apps.core.timestamps import utc_now
from apps.core.topics import TopicName, parse_topic
from apps.exchange import live
from apps.monitoring import health
from apps.monitoring.selectors import kill_state_of
from apps.orders.access import fills_visible_to, intents_visible_to, orders_visible_to
from apps.orders.models import Order, OrderIntent, TradingPause
from apps.orders.pages.limits import use_of_everybody
from apps.orders.services.pauses import pauses_in_force
from apps.portfolio import figures_rows
from apps.portfolio.access import balances_visible_to
from apps.portfolio.equity import reserves_of
from apps.portfolio.figures import PnlSum, day_figures
from apps.rfq.access import confirmations_visible_to, quotes_visible_to, rfqs_visible_to

KIND = "wall"  # of the topic `wall:<account>` (whole): {"html"}, made each 2 s while somebody watches
WATCHED_FOR_MS = 15_000  # the hub says each 5 s what is needed
ROWS = 12
FILLS = 14
LIMITS = 8
FRESH_FOR = 2.0  # seconds that one reading serves everybody who looks


class Sight(StrEnum):
    """How much of an account's wall somebody may see. Panels are made once for each and shown to all who have it."""

    DESK = "desk"  # all of it
    ACCOUNT = "account"  # all of the account, and not how other people of the desk stand
    MASKED = "masked"  # how the desk is, and no figure


def sight_of(actor: Actor, account: ExchangeAccount) -> Sight:
    """Return what the actor may see. The one place that decides it for everything kept here. Raises NotAllowed."""
    if account.desk_id != actor.desk_id or not actor.may(Permission.MARKET_VIEW):
        raise NotAllowed
    if actor.may(Permission.DESK_VIEW):
        return Sight.DESK
    return Sight.ACCOUNT if actor.may_on(Permission.DESK_VIEW, account.pk, None) else Sight.MASKED


def _nobody(sight: Sight, account: ExchangeAccount) -> Actor:
    """Who panels are read as: nobody in particular, with the least that the sight stands for."""
    roles = frozenset({Role.VIEWER.value if sight is Sight.DESK else MASKED_VIEWER})
    grants = frozenset({Grant(Role.VIEWER.value, account.pk)} if sight is Sight.ACCOUNT else ())
    return Actor(user_id=0, desk_id=account.desk_id, roles=roles, account_id=account.pk, grants=grants)


@dataclass(frozen=True, slots=True)
class Bar:
    """Dollars at risk in one event. share: thousandths of the largest."""

    name: str
    ticker: str
    amount: Decimal
    share: int


def wall_of(actor: Actor, account: ExchangeAccount, *, now: datetime | None = None) -> dict[str, Any]:
    """Return the template context of the panels. Raises NotAllowed."""
    now = now or utc_now()
    lines = _lines(actor, account)
    return {
        "now": now,
        "account": account,
        "figures": _figures(actor, account, lines, now),
        "lines": sorted(lines, key=lambda line: -line.cost)[:ROWS],
        "more_lines": max(0, len(lines) - ROWS),
        "exposure": _exposure(lines),
        "fills": list(fills_visible_to(actor).filter(account=account).order_by("-traded_at", "-pk")[:FILLS]),
        "rfq": _rfq(actor, account, now),
        # Names people: for those of the whole desk.
        "limits": _limits(actor, account, now) if actor.may(Permission.DESK_VIEW) else None,
        "parts": _parts(actor, account, now),
        "kill": kill_state_of(actor),
        "is_paused": pauses_in_force(actor.desk_id).filter(user=None).exists(),
    }


def masked_of(actor: Actor, account: ExchangeAccount, *, now: datetime | None = None) -> dict[str, Any]:
    """Return what the wall shows to who sees no amounts: how the desk is, and no figure of its own."""
    now = now or utc_now()
    return {
        "now": now,
        "account": account,
        "parts": _parts(actor, account, now),
        "is_killed": pauses_in_force(actor.desk_id).filter(level=TradingPause.Level.KILL).exists(),
        "is_paused": pauses_in_force(actor.desk_id).filter(user=None).exists(),
    }


def _lines(actor: Actor, account: ExchangeAccount) -> list[figures_rows.Line]:
    chosen = figures_rows.Choice()
    held = figures_rows.positions_shown(actor, account_id=account.pk, chosen=chosen)
    today = day_figures(account.pk).by_market
    return figures_rows.lines_of(held, environment=account.environment, chosen=chosen, today=today)


def _figures(actor: Actor, account: ExchangeAccount, lines: list[figures_rows.Line], now: datetime) -> dict[str, Any]:
    balances = list(balances_visible_to(actor).filter(account=account))
    day: PnlSum = day_figures(account.pk, now=now).total
    marked = [line.unrealized for line in lines]
    working = orders_visible_to(actor).filter(account=account, status=Order.Status.RESTING)
    reserves = reserves_of(account.pk, [line.position for line in lines])
    return {
        "cash": sum((one.cash for one in balances), Decimal(0)) if balances else None,
        "seen_at": min((one.seen_at for one in balances), default=None),
        "realized": day.realized,
        "fees": day.fees,
        "net": day.net,
        "day_fills": day.fills,
        # One position without a mark makes the sum unknown, not smaller.
        "unrealized": None
        if any(one is None for one in marked)
        else sum((one or Decimal(0) for one in marked), Decimal(0)),
        "at_risk": sum((line.cost for line in lines), Decimal(0)),
        "locked": sum(reserves.values(), Decimal(0)),
        "positions": len(lines),
        "working": working.count(),
        "doubt": intents_visible_to(actor).filter(account=account, order=None, state=OrderIntent.State.UNKNOWN).count(),
    }


def _exposure(lines: list[figures_rows.Line]) -> list[Bar]:
    by_event: dict[str, Decimal] = defaultdict(Decimal)
    names: dict[str, str] = {}
    for line in lines:
        by_event[line.event_ticker] += line.cost
        names[line.event_ticker] = line.market.event.title if line.market else line.event_ticker
    ordered = sorted(by_event.items(), key=lambda one: -one[1])[:ROWS]
    most = max((amount for _, amount in ordered), default=Decimal(0))
    return [Bar(names[ticker], ticker, amount, int(amount * 1000 / most) if most else 0) for ticker, amount in ordered]


def _rfq(actor: Actor, account: ExchangeAccount, now: datetime) -> dict[str, Any]:
    today = day_start(trading_day(now))
    quotes = quotes_visible_to(actor).filter(account=account)
    rfqs = rfqs_visible_to(actor).filter(account=account)
    heard = confirmations_visible_to(actor).filter(quote__account=account)
    ended = dict(heard.filter(heard_at__gte=today).order_by().values_list("state").annotate(Count("pk")))
    won = sum(ended.get(state, 0) for state in (ConfirmationState.CONFIRMED, ConfirmationState.EXECUTED))
    lost = sum(ended.get(state, 0) for state in (ConfirmationState.LAPSED, ConfirmationState.MISSED))
    return {
        "requests": rfqs.filter(state=RfqState.OPEN).count(),
        "quotes": quotes.filter(state=QuoteState.OPEN).count(),
        "windows": heard.filter(state__in=[ConfirmationState.OPEN, ConfirmationState.CONFIRMING]).count(),
        "quoted": quotes.filter(created_at__gte=today).count(),
        "won": won,
        "lost": lost,
        "newest": list(heard.select_related("quote").order_by("-heard_at", "-pk")[:6]),
    }


def _limits(actor: Actor, account: ExchangeAccount, now: datetime) -> list[dict[str, Any]]:
    """The limits that are used most, by anybody."""
    bars = [
        {"name": one["name"], "bar": bar}
        for one in use_of_everybody(actor, account, now=now)
        for bar in one["bars"]
        if bar.share
    ]
    return sorted(bars, key=lambda one: -(one["bar"].share or 0))[:LIMITS]


def _parts(actor: Actor, account: ExchangeAccount, now: datetime) -> dict[str, Any]:
    """How the desk is; of other accounts only to who sees all of it, the others know not even their names."""
    theirs = None if actor.may(Permission.DESK_VIEW) else (None, account.pk)
    found = [part for part in health.parts(actor.desk_id, now=now) if theirs is None or part.account_id in theirs]
    bad = [part for part in found if part.level != "ok"]
    return {"level": health.worst(found), "bad": bad, "good": [part for part in found if part.level == "ok"]}


# --- one reading for everybody who looks --------------------------------------------------------------


class Shared:
    """Keeps what `build` gave for FRESH_FOR seconds, per key; of many who ask at once one builds and the rest wait."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._locks: dict[object, threading.Lock] = {}
        self._kept: dict[object, tuple[float, bytes]] = {}

    def get(self, key: object, build: Callable[[], bytes]) -> bytes:
        with self._lock:
            lock = self._locks.setdefault(key, threading.Lock())
        with lock:
            kept = self._kept.get(key)
            if kept is not None and self._clock() - kept[0] < FRESH_FOR:
                return kept[1]
            built = build()
            self._kept[key] = (self._clock(), built)
            return built

    def forget(self) -> None:
        with self._lock:
            self._kept.clear()


shared = Shared()


def panels(actor: Actor, account: ExchangeAccount) -> bytes:
    """Return the panels as this person may see them, at most FRESH_FOR seconds old. Raises NotAllowed."""
    sight = sight_of(actor, account)
    return shared.get((account.desk_id, account.pk, sight), lambda: panels_html(sight, account).encode())


def panels_html(sight: Sight, account: ExchangeAccount) -> str:
    """Render the panels, in which everything from outside is escaped."""
    actor = _nobody(sight, account)
    if sight is Sight.MASKED:
        rendered = render_to_string("monitor/_panels_masked.html", masked_of(actor, account))
    else:
        rendered = render_to_string("monitor/_panels.html", wall_of(actor, account))
    return rendered[:]  # a plain str: the live channel encodes no other kind


def walls_watched(*, now_ms: int) -> list[int]:
    """Return the accounts whose wall somebody watches over the socket; none while Redis is away."""
    try:
        found = live.redis_client().zrangebyscore(live.INTEREST, now_ms - WATCHED_FOR_MS, "+inf")
    except (redis.RedisError, OSError):
        return []
    names = [parse_topic(raw.decode()) for raw in found]  # type: ignore[union-attr]
    return sorted(int(name.scope) for name in names if name.kind == KIND and name.scope.isdecimal())


def wall_publish(account_id: int) -> bool:
    """Read the wall of one account once and send it to everybody who watches; False when there is no such account."""
    account = ExchangeAccount.objects.filter(pk=account_id, is_active=True).first()
    if account is None:
        return False
    # Who may watch was asked by the socket; what is shown is what any viewer of the desk sees.
    frame = {"html": panels_html(Sight.DESK, account)}
    # Not kept: to whoever opens the page an hour after the last one left, an old frame would look like the present.
    live.publish_many([(str(TopicName(KIND, str(account.pk))), live.next_version(), frame)], kept=False)
    return True
