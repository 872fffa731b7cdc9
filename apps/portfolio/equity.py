"""How cash and portfolio value went: points taken at each refresh, thinned with age, read as one curve.

A point is kept per minute for a day, per five minutes for a week, per hour for sixty days, per trading day after that;
of the points of one span the last stays, so that what a day began with is always there.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from django.conf import settings
from django.db import IntegrityError, transaction

from apps.accounts.models import ExchangeAccount
from apps.core.money import count_units, money_from_units, price_units
from apps.core.pnl_days import day_start, trading_day
from apps.core.pnl_reserve import RestingOrder, resting_reserve
from apps.core.positions import NetPosition
from apps.core.timestamps import utc_now
from apps.orders.models import BookSide, Order
from apps.portfolio.figures_marks import Mark, marks_of
from apps.portfolio.models import Balance, DayPnl, EquityPoint, FigureState, MarketBook, Position

_SPAN = timedelta(minutes=1)
_UNCHANGED_FOR = timedelta(minutes=5)  # a point at least this often, also when nothing moves
_THIN_EVERY = timedelta(hours=1)
# From this age on, one point per span.
_BANDS = (
    (timedelta(days=1), timedelta(minutes=5)),
    (timedelta(days=7), timedelta(hours=1)),
    (timedelta(days=60), timedelta(days=1)),
)
_FIGURES = ("cash", "portfolio_value", "cost", "marked_value", "reserved")


@dataclass(frozen=True, slots=True)
class Equity:
    """An account, or one subaccount of it, at one moment. Dollars."""

    at: datetime
    cash: Decimal
    portfolio_value: Decimal | None
    cost: Decimal
    marked_value: Decimal | None
    reserved: Decimal

    @property
    def total(self) -> Decimal | None:
        """Cash, what resting orders lock, and positions at the exchange's mark; None: no value was reported."""
        if self.portfolio_value is None:
            return None
        if settings.PORTFOLIO_VALUE_INCLUDES_CASH:
            return self.portfolio_value + self.reserved
        return self.cash + self.portfolio_value + self.reserved

    @property
    def unrealized(self) -> Decimal | None:
        """At the desk's marks."""
        return None if self.marked_value is None else self.marked_value - self.cost


def equity_record(account_id: int, *, now: datetime | None = None) -> int:
    """Keep what the balances say now; returns how many points are new. One per subaccount and minute at most."""
    now = utc_now() if now is None else now
    environment = ExchangeAccount.objects.values_list("environment", flat=True).get(pk=account_id)
    held = list(Position.objects.filter(account_id=account_id).exclude(position=0))
    marks = marks_of(environment, (row.ticker for row in held))
    reserved = reserves_of(account_id, held)
    new = 0
    for balance in Balance.objects.filter(account_id=account_id).order_by("subaccount"):
        mine = [row for row in held if row.subaccount == balance.subaccount]
        values = {
            "cash": balance.cash,
            # Some listings tell a subaccount's cash alone; where nothing is held there is nothing to value.
            "portfolio_value": balance.portfolio_value if mine or balance.portfolio_value is not None else Decimal(0),
            "cost": sum((row.cost for row in mine), start=Decimal(0)),
            "marked_value": value_of(mine, marks),
            "reserved": reserved.get(balance.subaccount, Decimal(0)),
        }
        new += _keep(account_id, balance.subaccount, at=balance.seen_at, values=values)
    _thin_when_due(account_id, now=now)
    return new


def value_of(positions: Iterable[Position], marks: dict[str, Mark]) -> Decimal | None:
    """Return what open positions are worth at their marks; None when one has no mark."""
    total = Decimal(0)
    for row in positions:
        mark = marks.get(row.ticker)
        if mark is not None and mark.is_void:
            total += row.cost
        elif mark is None or mark.price is None:
            return None
        else:
            total += NetPosition(contracts=row.position).value_at(mark.price)
    return total


def reserves_of(account_id: int, held: Iterable[Position]) -> dict[int, Decimal]:
    """Return by subaccount what resting orders lock, by the desk's own reckoning (an estimate, without fees)."""
    contracts = {(row.subaccount, row.ticker): count_units(row.position) for row in held}
    resting = Order.objects.filter(account_id=account_id, status=Order.Status.RESTING)
    orders: dict[tuple[int, str], list[RestingOrder]] = {}
    columns = resting.values_list("subaccount", "ticker", "book_side", "price", "remaining_count")
    for subaccount, ticker, side, price, left in columns:
        one = RestingOrder(is_bid=side == BookSide.BID, price=price_units(price), count=count_units(left))
        orders.setdefault((subaccount, ticker), []).append(one)
    found: dict[int, int] = {}
    for key, queue in orders.items():
        found[key[0]] = found.get(key[0], 0) + resting_reserve(contracts.get(key, 0), queue)
    return {subaccount: money_from_units(units) for subaccount, units in found.items()}


def _keep(account_id: int, subaccount: int, *, at: datetime, values: dict[str, Decimal | None]) -> bool:
    mine = EquityPoint.objects.filter(account_id=account_id, subaccount=subaccount)
    last = mine.order_by("-at").first()
    if last is not None:
        if at <= last.at:
            return False
        if at - last.at < _UNCHANGED_FOR and all(getattr(last, name) == values[name] for name in _FIGURES):
            return False
        # The first point of a trading day stays: a day may have to be measured from it.
        is_first = not mine.filter(at__lt=last.at, at__gte=day_start(trading_day(last.at))).exists()
        if _span_of(last.at, _SPAN) == _span_of(at, _SPAN) and not is_first:
            mine.filter(pk=last.pk).update(at=at, **values)
            return False
    try:
        with transaction.atomic():
            EquityPoint.objects.create(account_id=account_id, subaccount=subaccount, at=at, **values)
    except IntegrityError:
        return False  # another worker kept the same answer
    return True


# --- thinning --------------------------------------------------------------------------------------


def _thin_when_due(account_id: int, *, now: datetime) -> None:
    state, _ = FigureState.objects.get_or_create(account_id=account_id)
    if state.thinned_at is not None and now - state.thinned_at < _THIN_EVERY:
        return
    equity_thin(account_id, since=state.thinned_at, now=now)
    FigureState.objects.filter(pk=state.pk).update(thinned_at=now)


def equity_thin(account_id: int, *, since: datetime | None, now: datetime) -> int:
    """Thin the points that came of age after `since` (None: all); returns how many went."""
    gone = 0
    for age, span in _BANDS:
        points = EquityPoint.objects.filter(account_id=account_id, at__lt=now - age)
        if since is not None:
            # One span back, so that the span in which the last thinning stopped is seen whole.
            points = points.filter(at__gte=since - age - 2 * span)
        last: dict[tuple[int, object], int] = {}
        pks: list[int] = []
        for pk, subaccount, at in points.order_by("at").values_list("pk", "subaccount", "at"):
            key = (subaccount, _span_of(at, span))
            if key in last:
                pks.append(last[key])
            last[key] = pk
        for start in range(0, len(pks), 500):
            gone += EquityPoint.objects.filter(pk__in=pks[start : start + 500]).delete()[0]
    return gone


def _span_of(at: datetime, span: timedelta) -> object:
    """Return what two moments of one span have in common; whole days are trading days."""
    if span >= timedelta(days=1):
        return trading_day(at)
    return (at - datetime(2020, 1, 1, tzinfo=UTC)) // span


# --- reading ---------------------------------------------------------------------------------------


def equity_curve(
    account_id: int, *, subaccount: int | None = None, since: datetime, at_most: int = 1_500
) -> list[Equity]:
    """Return an account's points from `since` on, oldest first, subaccounts added up; at most `at_most`."""
    points = EquityPoint.objects.filter(account_id=account_id)
    if subaccount is not None:
        points = points.filter(subaccount=subaccount)
    before = points.filter(at__lt=since).order_by("subaccount", "-at")
    latest = {}
    # What each subaccount had when the curve begins: its last point before.
    for number in points.order_by().values_list("subaccount", flat=True).distinct():
        first = before.filter(subaccount=number).first()
        if first is not None:
            latest[number] = first
    curve = list(_added(points.filter(at__gte=since).order_by("at", "subaccount").iterator(), latest))
    if len(curve) <= at_most:
        return curve
    # Every nth from the end, so that the newest stays.
    step = -(-len(curve) // at_most)
    return curve[::-1][::step][::-1]


def equity_at(account_id: int, moment: datetime) -> Equity | None:
    """Return an account's last point at or before a moment, subaccounts added up; None when there is none."""
    points = EquityPoint.objects.filter(account_id=account_id, at__lte=moment)
    numbers = points.order_by().values_list("subaccount", flat=True).distinct()
    rows = [points.filter(subaccount=number).order_by("-at").first() for number in numbers]
    return _sum([row for row in rows if row is not None])


def equity_first(account_id: int, since: datetime) -> Equity | None:
    """Return each subaccount's first point from a moment on, added up: what a day without an older one starts from."""
    points = EquityPoint.objects.filter(account_id=account_id, at__gte=since)
    numbers = points.order_by().values_list("subaccount", flat=True).distinct()
    rows = [points.filter(subaccount=number).order_by("at").first() for number in numbers]
    return _sum([row for row in rows if row is not None])


def day_baseline(account_id: int, *, now: datetime) -> Equity | None:
    """Return what the trading day of `now` is measured from: the last point before it, else its first.

    Where nothing was held at midnight, nothing was unrealised then, whatever the first point already had.
    """
    start = day_start(trading_day(now))
    before = equity_at(account_id, start)
    first = equity_first(account_id, start) if before is None else None
    if first is not None and first.cost and _is_all_of_today(account_id, now=now):
        return replace(first, cost=Decimal(0), marked_value=Decimal(0))
    return before or first


def _is_all_of_today(account_id: int, *, now: datetime) -> bool:
    """By the desk's fills: none is older than the day, and each open position has some."""
    if DayPnl.objects.filter(account_id=account_id, day__lt=trading_day(now)).exists():
        return False
    held = Position.objects.filter(account_id=account_id).exclude(position=0).values_list("subaccount", "ticker")
    books = MarketBook.objects.filter(account_id=account_id, fills__gt=0).values_list("subaccount", "ticker")
    return set(held) <= set(books)


def _added(points: Iterable[EquityPoint], latest: dict[int, EquityPoint]) -> Iterator[Equity]:
    for point in points:
        latest[point.subaccount] = point
        found = _sum(list(latest.values()))
        if found is not None:
            yield found


def _sum(points: list[EquityPoint]) -> Equity | None:
    if not points:
        return None
    values = [point.portfolio_value for point in points if point.portfolio_value is not None]
    marked = [point.marked_value for point in points if point.marked_value is not None]
    return Equity(
        at=max(point.at for point in points),
        cash=sum((point.cash for point in points), start=Decimal(0)),
        portfolio_value=sum(values, start=Decimal(0)) if len(values) == len(points) else None,
        cost=sum((point.cost for point in points), start=Decimal(0)),
        marked_value=sum(marked, start=Decimal(0)) if len(marked) == len(points) else None,
        reserved=sum((point.reserved for point in points), start=Decimal(0)),
    )
