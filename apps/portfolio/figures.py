"""What pages, topics and exports read of profit and loss. Definitions of every figure: docs/portfolio.md."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

from django.db.models import QuerySet, Sum

from apps.accounts.models import ExchangeAccount
from apps.core.pnl_days import trading_day
from apps.core.timestamps import utc_now
from apps.markets.models import Market
from apps.portfolio import equity
from apps.portfolio.equity import Equity
from apps.portfolio.models import DayPnl

ZERO = Decimal(0)
_MONEY = ("realized", "fees", "settlement_fees", "trade_fees", "rounding", "rebates", "other_fees", "traded")
_EVENTS_AT_MOST = 500


@dataclass(frozen=True, slots=True)
class PnlSum:
    """Realised P&L of some markets over some days, dollars; `realized` before fees."""

    realized: Decimal = ZERO
    fees: Decimal = ZERO
    settlement_fees: Decimal = ZERO
    trade_fees: Decimal = ZERO
    rounding: Decimal = ZERO
    rebates: Decimal = ZERO
    other_fees: Decimal = ZERO
    traded: Decimal = ZERO
    fills: int = 0
    contracts: Decimal = ZERO

    @property
    def all_fees(self) -> Decimal:
        """What the exchange charged, for fills and at settlements."""
        return self.fees + self.settlement_fees

    @property
    def net(self) -> Decimal:
        return self.realized - self.all_fees

    def __add__(self, more: "PnlSum") -> "PnlSum":
        return PnlSum(*(getattr(self, one.name) + getattr(more, one.name) for one in fields(PnlSum)))


@dataclass(frozen=True, slots=True)
class DayFigures:
    """One trading day of an account. `start`: what unrealised P&L is measured from; None: nothing was kept yet."""

    day: date
    total: PnlSum
    by_subaccount: dict[int, PnlSum]
    by_market: dict[tuple[int, str], PnlSum]
    start: Equity | None


@dataclass(frozen=True, slots=True)
class EventPnl:
    """Realised P&L of one event; `ticker` is a market's own when the catalogue does not hold it."""

    ticker: str
    title: str
    total: PnlSum
    markets: int = 0
    tickers: tuple[str, ...] = field(default=())


def day_figures(account_id: int, *, now: datetime | None = None) -> DayFigures:
    """Return what the trading day of `now` has brought so far."""
    now = utc_now() if now is None else now
    day = trading_day(now)
    by_market = {}
    by_subaccount: dict[int, PnlSum] = defaultdict(PnlSum)
    for row in DayPnl.objects.filter(account_id=account_id, day=day):
        one = sum_of(row)
        by_market[row.subaccount, row.ticker] = one
        by_subaccount[row.subaccount] += one
    total = sum(by_subaccount.values(), start=PnlSum())
    return DayFigures(day, total, dict(by_subaccount), by_market, equity.day_baseline(account_id, now=now))


def sum_of(row: DayPnl) -> PnlSum:
    return PnlSum(**{one.name: getattr(row, one.name) for one in fields(PnlSum)})


def pnl_by_day(account_id: int, *, days: int, subaccount: int | None = None) -> list[tuple[date, PnlSum]]:
    """Return the last `days` trading days on which something was realised or traded, oldest first."""
    since = trading_day(utc_now()) - timedelta(days=days - 1)
    rows = _rows(account_id, subaccount).filter(day__gte=since).order_by("day").values("day").annotate(**_sums())
    return [(row["day"], _from_sums(row)) for row in rows]


def pnl_by_event(account_id: int, *, days: int | None, subaccount: int | None = None) -> list[EventPnl]:
    """Return realised P&L by event, the largest result first; `days` None: since the beginning. At most 500 events."""
    rows = _rows(account_id, subaccount)
    if days is not None:
        rows = rows.filter(day__gte=trading_day(utc_now()) - timedelta(days=days - 1))
    by_ticker = {row["ticker"]: _from_sums(row) for row in rows.order_by().values("ticker").annotate(**_sums())}
    environment = ExchangeAccount.objects.values_list("environment", flat=True).get(pk=account_id)
    events = _events_of(environment, by_ticker)
    sums: dict[str, PnlSum] = defaultdict(PnlSum)
    titles: dict[str, str] = {}
    tickers: dict[str, list[str]] = defaultdict(list)
    for ticker, one in by_ticker.items():
        event, title = events.get(ticker, (ticker, ""))
        sums[event] += one
        titles[event] = title
        tickers[event].append(ticker)
    found = [
        EventPnl(event, titles[event], total, len(tickers[event]), tuple(sorted(tickers[event])))
        for event, total in sums.items()
    ]
    found.sort(key=lambda one: (-abs(one.total.net), one.ticker))
    return found[:_EVENTS_AT_MOST]


def pnl_of_markets(account_id: int, *, since: date | None = None) -> dict[tuple[int, str], PnlSum]:
    """Return realised P&L by subaccount and market, from a trading day on or since the beginning."""
    rows = DayPnl.objects.filter(account_id=account_id)
    if since is not None:
        rows = rows.filter(day__gte=since)
    grouped = rows.order_by().values("subaccount", "ticker").annotate(**_sums())
    return {(row["subaccount"], row["ticker"]): _from_sums(row) for row in grouped}


def _rows(account_id: int, subaccount: int | None) -> QuerySet[DayPnl]:
    rows = DayPnl.objects.filter(account_id=account_id)
    return rows if subaccount is None else rows.filter(subaccount=subaccount)


def _sums() -> dict[str, Any]:
    return {f"sum_{one.name}": Sum(one.name) for one in fields(PnlSum)}


def _from_sums(row: Mapping[str, Any]) -> PnlSum:
    return PnlSum(**{one.name: row[f"sum_{one.name}"] for one in fields(PnlSum)})


def _events_of(environment: str, tickers: Iterable[str]) -> dict[str, tuple[str, str]]:
    """Return event ticker and title by market ticker, of those that the catalogue holds."""
    names = sorted(tickers)
    found: dict[str, tuple[str, str]] = {}
    for start in range(0, len(names), 500):
        markets = Market.objects.filter(environment=environment, ticker__in=names[start : start + 500])
        for ticker, event, title in markets.values_list("ticker", "event__ticker", "event__title"):
            found[ticker] = (event, title)
    return found
