"""Tax lots of an account: what closed in a year, first in first out, market by market.

Lots live within one subaccount and market, where the exchange nets YES against NO. The lots of a market are folded from
its first fill on, whatever the year asked for; only markets in which something happened in that year are read.
"""

import heapq
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import groupby
from operator import itemgetter
from typing import Any
from zoneinfo import ZoneInfo

from django.db.models import Max, Min, QuerySet

from apps.accounts.access import account_get
from apps.accounts.models import ExchangeAccount
from apps.audit import services as audit
from apps.core.errors import DeskError
from apps.core.money import PRICE_UNITS_PER_DOLLAR, count_units, money_units, price_units
from apps.core.permissions import Actor, Permission
from apps.core.taxlots import ClosedLot, LotBook, LotFill, LotSettlement
from apps.history.exports.services import FORMATS, names_for
from apps.history.exports.tables import Table
from apps.history.models import DataSet, SyncState
from apps.history.search.columns import Column, Kind, units
from apps.markets.models import Market
from apps.orders.access import fills_visible_to, require_on
from apps.orders.models import BookSide
from apps.portfolio.models import Settlement

FILLS_ON_A_PAGE = 50_000  # in markets of the year; above it there are only files
_CHUNK = 5_000
_MARKETS_AT_ONCE = 400  # in one reading

COLUMNS = (
    Column("market", "Market", Kind.TICKER, ""),
    Column("subaccount", "Sub", Kind.INTEGER, ""),
    Column("outcome", "Outcome", Kind.TEXT, "", "What was held: yes or no"),
    Column("contracts", "Contracts", Kind.COUNT, ""),
    Column("opened_at_utc", "Opened", Kind.TIME, ""),
    Column("closed_at_utc", "Closed", Kind.TIME, ""),
    Column("closed_how", "How", Kind.TEXT, "", "trade, settlement or void"),
    Column("cost_dollars", "Cost", Kind.MONEY, "", "Without fees"),
    Column("proceeds_dollars", "Proceeds", Kind.MONEY, "", "Without fees"),
    Column("open_fee_dollars", "Fee to open", Kind.MONEY, ""),
    Column("close_fee_dollars", "Fee to close", Kind.MONEY, ""),
    Column("gain_dollars", "Gain", Kind.MONEY, "", "Proceeds less cost and both fees"),
    Column("opened_by", "Opening trade", Kind.ID, ""),
    Column("closed_by", "Closing trade", Kind.ID, "", "Or the settlement"),
    Column("doubt", "Doubt", Kind.TEXT, "", "count or paid: a settlement does not fit the lots known here"),
)


@dataclass(slots=True)
class MarketYear:
    """One market of one subaccount in the year; money units."""

    ticker: str
    subaccount: int
    lots: int = 0
    cost: int = 0
    proceeds: int = 0
    fees: int = 0
    gain: int = 0
    doubts: set[str] = field(default_factory=set)

    def add(self, lot: ClosedLot) -> None:
        self.lots += 1
        self.cost += lot.cost
        self.proceeds += lot.proceeds
        self.fees += lot.open_fee + lot.close_fee
        self.gain += lot.gain


@dataclass(frozen=True, slots=True)
class YearLots:
    """markets: None when there are too many fills to fold for a page."""

    year: int
    years: list[int]
    markets: list[MarketYear] | None
    read_from: datetime | None
    is_read: bool


Entry = tuple[str, int, ClosedLot, str]  # ticker, subaccount, lot, doubt


def year_lots(actor: Actor, *, account_id: int, year: int | None, zone: str, now: datetime) -> YearLots:
    """Return the year by market; without a year, the newest in which something was traded or settled.

    Raises NotAllowed, NotFound.
    """
    account = account_get(actor, account_id)
    require_on(actor, Permission.DESK_VIEW, account_id, None)
    years = _years(actor, account, zone=zone, now=now)
    chosen = year if year is not None else years[0]
    start, end = _span(chosen, zone)
    tickers = _tickers(actor, account, start, end)
    state = SyncState.objects.filter(account=account, data_set=DataSet.FILLS, scope="").first()
    markets: list[MarketYear] | None = None
    if _fills(actor, account).filter(ticker__in=tickers).count() <= FILLS_ON_A_PAGE:
        found: dict[tuple[str, int], MarketYear] = {}
        for ticker, subaccount, lot, doubt in _closed(actor, account, tickers, start, end):
            one = found.setdefault((ticker, subaccount), MarketYear(ticker, subaccount))
            one.add(lot)
            one.doubts |= {doubt} - {""}
        markets = [found[key] for key in sorted(found)]
    return YearLots(
        year=chosen,
        years=sorted({*years, chosen}, reverse=True),
        markets=markets,
        read_from=state.covered_from if state else None,
        is_read=bool(state and state.verified_at),
    )


def lots_export(actor: Actor, *, account_id: int, year: int, zone: str, form: str) -> Table:
    """Write the export into the trail and return every lot that closed in the year, to be streamed.

    Raises NotAllowed, NotFound, DeskError.
    """
    require_on(actor, Permission.DESK_EXPORT, account_id, None)
    account = account_get(actor, account_id)
    if form not in FORMATS:
        raise DeskError("bad_input", f"A file is one of {', '.join(FORMATS)}.", fields={"format": "Choose a format."})
    start, end = _span(year, zone)
    audit.record(
        "history.taxlots.exported",
        actor_id=actor.user_id,
        desk_id=actor.desk_id,
        environment=account.environment,
        target=f"exchange_account:{account.pk}",
        data={"year": year, "zone": zone, "format": form},
    )
    entries = _closed(actor, account, _tickers(actor, account, start, end), start, end)
    return Table(f"tax-lots-{year}", COLUMNS, map(_row, entries), names_for(actor))


def _row(entry: Entry) -> tuple[Any, ...]:
    ticker, subaccount, lot, doubt = entry
    return (
        ticker,
        subaccount,
        lot.outcome.value,
        lot.count,
        lot.opened_at,
        lot.closed_at,
        lot.how.value,
        lot.cost,
        lot.proceeds,
        lot.open_fee,
        lot.close_fee,
        lot.gain,
        lot.opened_by,
        lot.closed_by,
        doubt,
    )


def _closed(
    actor: Actor, account: ExchangeAccount, tickers: list[str], start: datetime, end: datetime
) -> Iterator[Entry]:
    """Yield what closed in [start, end), market by market: only one market's open lots are in memory."""
    for place in range(0, len(tickers), _MARKETS_AT_ONCE):
        for ticker, events in _events(actor, account, tickers[place : place + _MARKETS_AT_ONCE], end):
            books: defaultdict[int, LotBook] = defaultdict(LotBook)
            for at, subaccount, one in events:
                book = books[subaccount]
                doubt = ""
                if isinstance(one, LotFill):
                    closed = book.fill(one)
                else:
                    doubt = book.settlement_doubt(one)
                    closed = book.settle(one)
                if at >= start:
                    yield from ((ticker, subaccount, lot, doubt) for lot in closed)


_Event = tuple[datetime, int, LotFill | LotSettlement]  # moment, subaccount


def _events(
    actor: Actor, account: ExchangeAccount, tickers: list[str], end: datetime
) -> Iterator[tuple[str, Iterator[_Event]]]:
    """Yield each market with its fills and settlements before `end` in time; of one instant the fills come first."""
    settled = _settlements(account, tickers, end)
    fills = _fills(actor, account).filter(ticker__in=tickers, traded_at__lt=end).order_by("ticker", "traded_at", "pk")
    values = fills.values_list(
        "ticker", "traded_at", "subaccount", "trade_id", "book_side", units("yes_price"), units("count"), units("fee")
    )
    for ticker, rows in groupby(values.iterator(chunk_size=_CHUNK), key=itemgetter(0)):
        traded: Iterator[_Event] = (
            (at, subaccount, LotFill(at, trade_id, side == BookSide.BID, price, count, fee))
            for _, at, subaccount, trade_id, side, price, count, fee in rows
        )
        yield ticker, heapq.merge(traded, settled.pop(ticker, []), key=itemgetter(0))
    yield from ((ticker, iter(events)) for ticker, events in settled.items())


def _settlements(account: ExchangeAccount, tickers: list[str], end: datetime) -> dict[str, list[_Event]]:
    rows = Settlement.objects.filter(account=account, ticker__in=tickers, is_current=True, settled_at__lt=end)
    found: dict[str, list[_Event]] = {}
    markets = Market.objects.filter(environment=account.environment, ticker__in=tickers)
    exact = dict(markets.values_list("ticker", "settlement_value"))
    for row in rows.order_by("settled_at", "pk"):
        event = (row.settled_at, row.subaccount, _settlement(row, exact.get(row.ticker)))
        found.setdefault(row.ticker, []).append(event)
    return found


def _settlement(row: Settlement, exact: Any) -> LotSettlement:
    """The catalogue's value is finer than the settlement's, which is cut to a cent."""
    yes, no = count_units(row.yes_count), count_units(row.no_count)
    value: int | None = {"yes": PRICE_UNITS_PER_DOLLAR, "no": 0}.get(row.result)
    # Contracts of both outcomes are pairs, which our lots closed when the second one was bought.
    revenue = money_units(row.revenue) - (0 if row.result == "void" else min(yes, no) * PRICE_UNITS_PER_DOLLAR)
    if row.result == "void":
        value = None
    elif value is None:
        told = exact if exact is not None else row.value
        value = price_units(told) if told is not None else _value_of(revenue, yes - no)
    return LotSettlement(
        at=row.settled_at,
        reference=f"settlement {row.settled_at:%Y-%m-%d}",
        value=value,
        count=yes - no,
        revenue=revenue,
        all_fees=None if row.fees is None else money_units(row.fees),
    )


def _value_of(revenue: int, held: int) -> int:
    """What one YES contract must have been worth for this payout."""
    if not held:
        return 0
    own = min(revenue // abs(held), PRICE_UNITS_PER_DOLLAR)
    return own if held > 0 else PRICE_UNITS_PER_DOLLAR - own


def _fills(actor: Actor, account: ExchangeAccount) -> QuerySet[Any]:
    return fills_visible_to(actor).filter(account=account).order_by()


def _tickers(actor: Actor, account: ExchangeAccount, start: datetime, end: datetime) -> list[str]:
    traded = _fills(actor, account).filter(traded_at__gte=start, traded_at__lt=end)
    settled = Settlement.objects.filter(account=account, settled_at__gte=start, settled_at__lt=end)
    found = {*traded.values_list("ticker", flat=True).distinct(), *settled.values_list("ticker", flat=True).distinct()}
    return sorted(found)


def _years(actor: Actor, account: ExchangeAccount, *, zone: str, now: datetime) -> list[int]:
    """Return the years with something in them, the newest first; this year when there is nothing."""
    fills = _fills(actor, account).aggregate(first=Min("traded_at"), last=Max("traded_at"))
    ends = Settlement.objects.filter(account=account).aggregate(first=Min("settled_at"), last=Max("settled_at"))
    moments = [at for told in (fills, ends) for at in told.values() if at is not None] or [now]
    first, last = (at.astimezone(ZoneInfo(zone)).year for at in (min(moments), max(moments)))
    return list(range(last, first - 1, -1))


def _span(year: int, zone: str) -> tuple[datetime, datetime]:
    own = ZoneInfo(zone)
    return datetime(year, 1, 1, tzinfo=own).astimezone(UTC), datetime(year + 1, 1, 1, tzinfo=own).astimezone(UTC)
