"""Bring profit and loss up to date with the fills and settlements that are stored. The only writer of it.

Only what is new is folded: fills and settlements rise in id, so the newest ids name the markets to look at, and each
market's book says what is in it. A fill that turns up later with an earlier time (a back-fill, a repair) makes its
market be folded anew. Every few minutes all markets are held against their fills, whatever the ids said.

Nothing is locked while it is computed, so that no order waits: the book's version decides who of two writes.
"""

import logging
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Literal

from django.db import IntegrityError, transaction
from django.db.models import Count, Max, Q, QuerySet

from apps.accounts.models import ExchangeAccount
from apps.core.fees import FeeNotKnown, FeeSchedule, schedule_for_market
from apps.core.money import count_from_units, count_units, money_from_units, money_units, price_units
from apps.core.pnl import MarketPnl, SettlementFact, SettlementPnl
from apps.core.pnl_days import trading_day
from apps.core.pnl_fees import ChargedFill, FeeParts, OrderFees, ScheduleAt
from apps.core.timestamps import utc_now
from apps.markets.fee_changes import SeriesFees, series_fees
from apps.markets.models import Market
from apps.orders.models import BookSide, Fill
from apps.portfolio.models import DayPnl, FigureState, MarketBook, Settlement

logger = logging.getLogger(__name__)

# Rows that two transactions of PostgreSQL write at once may become visible out of the order of their ids.
_OVERLAP = 5_000
_CHECK_EVERY = timedelta(minutes=10)
_READ_AT_ONCE = 2_000
_FOLD_TRIES = 5

Key = tuple[int, str]  # subaccount, ticker


@dataclass(slots=True)
class Tally:
    """What one market did on one trading day, in units."""

    realized: int = 0
    fees: int = 0
    settlement_fees: int = 0
    parts: FeeParts = field(default_factory=FeeParts)
    fills: int = 0
    contracts: int = 0
    traded: int = 0


@dataclass(slots=True)
class Folded:
    """One market after folding. `is_anew`: from its first fill on, else the days hold only what was added."""

    pnl: MarketPnl
    is_anew: bool
    settled_by: str
    days: dict[date, Tally]
    last_traded_at: datetime | None
    last_fill_pk: int
    settlement: SettlementPnl | None = None
    settled_at: datetime | None = None


def figures_fold(account_id: int, *, now: datetime | None = None) -> set[date]:
    """Fold what is new of one account; returns the trading days that changed. Safe to repeat and to run twice."""
    now = utc_now() if now is None else now
    state, _ = FigureState.objects.get_or_create(account_id=account_id)
    fills = Fill.objects.filter(account_id=account_id)
    settlements = Settlement.objects.filter(account_id=account_id)
    # Read before the markets: what is stored meanwhile is looked at next time.
    newest_fill = fills.aggregate(pk=Max("pk"))["pk"] or 0
    newest_settlement = settlements.aggregate(pk=Max("pk"))["pk"] or 0
    keys: set[Key] = set()
    is_check = state.checked_at is None or now - state.checked_at >= _CHECK_EVERY
    if is_check:
        keys = _all_that_differ(account_id)
    else:
        keys |= _keys(fills.filter(pk__gt=max(0, state.fill_pk - _OVERLAP)))
        keys |= _keys(settlements.filter(pk__gt=max(0, state.settlement_pk - _OVERLAP)))
    changed: set[date] = set()
    schedules = _Schedules(account_id)
    for key in sorted(keys):
        changed |= _fold_market(account_id, key, schedules=schedules, now=now)
    state.fill_pk, state.settlement_pk, state.folded_at = newest_fill, newest_settlement, now
    if is_check:
        state.checked_at = now
    state.save(update_fields=["fill_pk", "settlement_pk", "folded_at", "checked_at"])
    return changed


def market_fold_anew(account_id: int, *, subaccount: int, ticker: str, now: datetime | None = None) -> set[date]:
    """Fold one market from its first fill, whatever its book says: a stored fill was corrected. Returns the days."""
    now = utc_now() if now is None else now
    for _ in range(_FOLD_TRIES):
        days = _fold_market(account_id, (subaccount, ticker), schedules=_Schedules(account_id), now=now, is_anew=True)
        if days:
            return days
    # Nothing is left to fold, or others folded it each time: then the check of every ten minutes remains.
    return set()


def _keys(rows: "QuerySet[Fill] | QuerySet[Settlement]") -> set[Key]:
    return set(rows.order_by().values_list("subaccount", "ticker").distinct())


def _all_that_differ(account_id: int) -> set[Key]:
    """Return the markets whose book does not hold as many fills as are stored, or other settlements."""
    fills = Fill.objects.filter(account_id=account_id).order_by().values_list("subaccount", "ticker")
    stored = {(sub, ticker): number for sub, ticker, number in fills.annotate(number=Count("pk"))}
    settled = _settled_by(Settlement.objects.filter(account_id=account_id, is_current=True))
    books = MarketBook.objects.filter(account_id=account_id)
    folded = {
        (sub, ticker): (number, by)
        for sub, ticker, number, by in books.values_list("subaccount", "ticker", "fills", "settled_by")
    }
    keys = stored.keys() | settled.keys() | folded.keys()
    return {key for key in keys if (stored.get(key, 0), settled.get(key, "")) != folded.get(key)}


def _settled_by(rows: QuerySet[Settlement]) -> dict[Key, str]:
    found: dict[Key, list[str]] = defaultdict(list)
    for sub, ticker, pk in rows.order_by("settled_at", "pk").values_list("subaccount", "ticker", "pk"):
        found[sub, ticker].append(str(pk))
    return {key: ",".join(pks) for key, pks in found.items()}


# --- one market ------------------------------------------------------------------------------------


def _fold_market(
    account_id: int, key: Key, *, schedules: "_Schedules", now: datetime, is_anew: bool = False
) -> set[date]:
    subaccount, ticker = key
    mine = {"account_id": account_id, "subaccount": subaccount, "ticker": ticker}
    book = MarketBook.objects.filter(**mine).first()
    settlements = list(Settlement.objects.filter(**mine, is_current=True).order_by("settled_at", "pk"))
    settled_by = ",".join(str(row.pk) for row in settlements)
    fills = Fill.objects.filter(**mine)
    if not is_anew and book is not None and book.settled_by == settled_by and book.fills == fills.count():
        return set()
    folded = _folded(
        None if is_anew else book, fills, settlements, settled_by=settled_by, schedules=schedules, ticker=ticker
    )
    try:
        with transaction.atomic():
            return _store(book, mine, folded, now=now)
    except IntegrityError:
        # Another worker folded this market for the first time at the same moment.
        logger.info("the book of %s (account %s) was made elsewhere", ticker, account_id)
        return set()


def _folded(
    book: MarketBook | None,
    fills: QuerySet[Fill],
    settlements: list[Settlement],
    *,
    settled_by: str,
    schedules: "_Schedules",
    ticker: str,
) -> Folded:
    """Fold on where the book ends when that is still its end, else from the first fill. Reads only."""
    schedule_at = schedules.of(ticker)
    orders: dict[str, OrderFees] = {}
    new = fills
    if book is not None and book.settled_by == settled_by == "" and book.last_traded_at is not None:
        after = Q(traded_at__gt=book.last_traded_at) | Q(traded_at=book.last_traded_at, pk__gt=book.last_fill_pk)
        if fills.exclude(after).count() == book.fills:
            new = fills.filter(after)
            orders = _orders_so_far(fills.exclude(after), new, schedule_at)
    is_anew = new is fills or book is None
    folded = Folded(
        pnl=MarketPnl() if is_anew or book is None else _units_of(book),
        is_anew=is_anew,
        settled_by=settled_by,
        days=defaultdict(Tally),
        last_traded_at=None if is_anew or book is None else book.last_traded_at,
        last_fill_pk=0 if is_anew or book is None else book.last_fill_pk,
    )
    waiting = list(settlements)
    for fill in _in_order(new):
        while waiting and waiting[0].settled_at < fill.traded_at:
            _settle(folded, waiting.pop(0), schedules.value_of(ticker))
        _take(folded, fill, orders, schedule_at)
    for settlement in waiting:
        _settle(folded, settlement, schedules.value_of(ticker))
    return folded


def _in_order(fills: QuerySet[Fill]) -> Iterable[Fill]:
    columns = ("pk", "order_id_text", "book_side", "yes_price", "count", "fee", "is_taker", "traded_at")
    return fills.order_by("traded_at", "pk").only(*columns).iterator(chunk_size=_READ_AT_ONCE)


def _orders_so_far(old: QuerySet[Fill], new: QuerySet[Fill], schedule_at: ScheduleAt) -> dict[str, OrderFees]:
    """Return the fee accumulators of orders that go on, as they stand after the fills folded before."""
    going_on = set(new.order_by().values_list("order_id_text", flat=True).distinct())
    orders: dict[str, OrderFees] = {}
    names = sorted(going_on)
    for start in range(0, len(names), 500):
        for fill in _in_order(old.filter(order_id_text__in=names[start : start + 500])):
            orders.setdefault(fill.order_id_text, OrderFees(schedule_at)).charge(_charged(fill))
    return orders


def _charged(fill: Fill) -> ChargedFill:
    side: Literal["bid", "ask"] = "bid" if fill.book_side == BookSide.BID else "ask"
    return ChargedFill(side, fill.yes_price, fill.count, fill.fee, fill.is_taker, fill.traded_at)


def _take(folded: Folded, fill: Fill, orders: dict[str, OrderFees], schedule_at: ScheduleAt) -> None:
    order = orders.get(fill.order_id_text)
    if order is None:
        order = orders[fill.order_id_text] = OrderFees(schedule_at)
    before = folded.pnl.traded
    count, fee = count_units(fill.count), money_units(fill.fee)
    is_bid = fill.book_side == BookSide.BID
    gain = folded.pnl.fill(is_bid=is_bid, price=price_units(fill.yes_price), count=count, fee=fee)
    tally = folded.days[trading_day(fill.traded_at)]
    tally.realized += gain
    tally.fees += fee
    tally.parts += order.charge(_charged(fill))
    tally.fills += 1
    tally.contracts += count
    tally.traded += folded.pnl.traded - before
    folded.last_traded_at, folded.last_fill_pk = fill.traded_at, fill.pk


def _settle(folded: Folded, row: Settlement, market_value: int | None) -> None:
    told = folded.pnl.settle(fact_of(row, market_value))
    tally = folded.days[trading_day(row.settled_at)]
    tally.realized += told.realized
    tally.settlement_fees += told.fee
    folded.settlement, folded.settled_at = told, row.settled_at


def fact_of(row: Settlement, market_value: int | None) -> SettlementFact:
    """market_value: what a YES contract settled at by the market itself, price units: finer than the settlement's."""
    return SettlementFact(
        result=row.result,
        revenue=money_units(row.revenue),
        value=market_value if row.result == "scalar" else None,
        yes_count=count_units(row.yes_count),
        yes_cost=money_units(row.yes_cost),
        no_count=count_units(row.no_count),
        no_cost=money_units(row.no_cost),
        fee_cost=0 if row.fees is None else money_units(row.fees),
    )


def _units_of(book: MarketBook) -> MarketPnl:
    return MarketPnl(
        contracts=count_units(book.contracts),
        cost=money_units(book.cost),
        realized=money_units(book.realized_pnl),
        fees=money_units(book.fees),
        traded=money_units(book.total_traded),
        fills=book.fills,
    )


# --- writing ---------------------------------------------------------------------------------------


def _store(book: MarketBook | None, mine: dict[str, object], folded: Folded, *, now: datetime) -> set[date]:
    """Within a transaction. Nothing is written when somebody else wrote since the book was read."""
    told = folded.settlement
    values = {
        "contracts": count_from_units(folded.pnl.contracts),
        "cost": money_from_units(folded.pnl.cost),
        "realized_pnl": money_from_units(folded.pnl.realized),
        "fees": money_from_units(folded.pnl.fees),
        "total_traded": money_from_units(folded.pnl.traded),
        "fills": folded.pnl.fills,
        "last_traded_at": folded.last_traded_at,
        "last_fill_pk": folded.last_fill_pk,
        "settled_by": folded.settled_by,
        "settled_at": folded.settled_at,
        "settled_held": None if told is None else count_from_units(told.held),
        "settled_told": None if told is None else count_from_units(told.told),
        "is_paid_as_computed": None if told is None else told.is_paid_as_computed,
        "folded_at": now,
    }
    if book is None:
        MarketBook.objects.create(**mine, **values)
    else:
        same = MarketBook.objects.filter(pk=book.pk, version=book.version)
        if not same.update(**values, version=book.version + 1):
            return set()
    days = DayPnl.objects.filter(**mine)
    before = {row.day: row for row in days}
    changed = set(folded.days)
    if folded.is_anew:
        changed |= before.keys()
        days.delete()
        before = {}
    DayPnl.objects.bulk_create(
        [_day_row(mine, day, tally) for day, tally in folded.days.items() if day not in before], batch_size=500
    )
    for day, tally in folded.days.items():
        if day in before:
            row = before[day]
            for name, amount in _day_values(tally).items():
                setattr(row, name, getattr(row, name) + amount)
            row.save()
    return changed


def _day_row(mine: dict[str, object], day: date, tally: Tally) -> DayPnl:
    return DayPnl(**mine, day=day, **_day_values(tally))


def _day_values(tally: Tally) -> dict[str, Decimal | int]:
    return {
        "realized": money_from_units(tally.realized),
        "fees": money_from_units(tally.fees),
        "settlement_fees": money_from_units(tally.settlement_fees),
        "trade_fees": money_from_units(tally.parts.trade),
        "rounding": money_from_units(tally.parts.rounding),
        "rebates": money_from_units(tally.parts.rebate),
        "other_fees": money_from_units(tally.parts.other),
        "fills": tally.fills,
        "contracts": count_from_units(tally.contracts),
        "traded": money_from_units(tally.traded),
    }


# --- what the catalogue knows ------------------------------------------------------------------------


class _Schedules:
    """Fee schedules and settlement values of an account's markets, each read once per fold."""

    def __init__(self, account_id: int) -> None:
        self._environment = ExchangeAccount.objects.values_list("environment", flat=True).get(pk=account_id)
        self._markets: dict[str, Market | None] = {}
        self._series: dict[str, SeriesFees | None] = {}

    def market(self, ticker: str) -> Market | None:
        if ticker not in self._markets:
            known = Market.objects.filter(environment=self._environment, ticker=ticker).select_related("event")
            self._markets[ticker] = known.first()
        return self._markets[ticker]

    def value_of(self, ticker: str) -> int | None:
        """Return what a YES contract settled at, price units, as the market itself says: finer than a settlement."""
        market = self.market(ticker)
        return None if market is None or market.settlement_value is None else price_units(market.settlement_value)

    def of(self, ticker: str) -> ScheduleAt:
        market = self.market(ticker)
        series = None if market is None else self._series_of(market.series_ticker)
        if market is None or series is None:
            return lambda _: None
        until = market.fee_waiver_expiration_time
        event = market.event

        def schedule_in_force(now: datetime) -> FeeSchedule | None:
            try:
                return schedule_for_market(
                    series.at(now),
                    event_type=event.fee_type_override,
                    event_multiplier=event.fee_multiplier_override,
                    waived_until=until,
                    now=now,
                )
            except FeeNotKnown:
                return None

        if until is not None or series.changes:
            return schedule_in_force
        # Without a waiver or a dated change it is the same at any time.
        always = schedule_in_force(utc_now())
        return lambda _: always

    def _series_of(self, ticker: str) -> SeriesFees | None:
        if ticker not in self._series:
            self._series[ticker] = series_fees(self._environment, ticker)
        return self._series[ticker]
