"""Reads: orders, fills, positions, balance, books, trades, candles. Newest first; `before` and `limit` make pages.

`view` (a `ReadLag`) shows a member's own things as they were; None as they are.
"""

from collections.abc import Collection, Iterable, Iterator
from itertools import islice
from typing import Literal, Protocol, TypeVar

from apps.paper.engine.accounts import Balance, EventPosition, Position, market_value
from apps.paper.engine.book import BookLevels
from apps.paper.engine.candles import DAY_S, HOUR_S, Candle
from apps.paper.engine.catalogue import Market, MarketStatistics
from apps.paper.engine.errors import ExchangeError, invalid_parameters, not_found
from apps.paper.engine.history import ReadLag
from apps.paper.engine.orders import Fill, Order, Settlement, Trade
from apps.paper.engine.state import ExchangeState
from apps.paper.engine.units import DOLLAR_PRICE, OrderStatus

SettlementStatus = Literal["all", "unsettled", "settled"]
PERIODS = {1: 60, 60: HOUR_S, 1440: DAY_S}
MAX_CANDLES = 10_000


class Sequenced(Protocol):
    """Has a place in the order of all things."""

    @property
    def sequence(self) -> int: ...


Item = TypeVar("Item", bound=Sequenced)


def page(items: Iterable[Item], *, before: int | None, limit: int | None) -> list[Item]:
    """Of items newest first, those older than sequence `before`, at most `limit`."""
    older = items if before is None else (item for item in items if item.sequence < before)
    return list(islice(older, limit))


class Reads(ExchangeState):
    """Nothing here changes anything. Times given in seconds (`_ts`), as the REST parameters are."""

    def order(self, user_id: str, order_id: str, *, view: ReadLag | None = None) -> Order:
        """One order of this member, whatever its status.

        Raises:
            ExchangeError: 404.
        """
        order = self.all_orders.get(order_id)
        if order is None or order.user_id != user_id:
            raise not_found("order")
        if view is not None:
            order = view.order(order)
            if order is None:
                raise not_found("order")
        return order

    def orders(
        self,
        user_id: str,
        *,
        ticker: str | None = None,
        event_tickers: Collection[str] = (),
        min_ts: int | None = None,
        max_ts: int | None = None,
        status: OrderStatus | None = None,
        subaccount: int | None = None,
        before: int | None = None,
        limit: int | None = None,
        view: ReadLag | None = None,
    ) -> list[Order]:
        """Orders, newest first; `min_ts` and `max_ts` are of creation."""

        def wanted(order: Order) -> bool:
            return (
                (ticker is None or order.ticker == ticker)
                and (not event_tickers or self.markets[order.ticker].event_ticker in event_tickers)
                and (min_ts is None or order.created_ms >= min_ts * 1000)
                and (max_ts is None or order.created_ms <= max_ts * 1000 + 999)
                and (status is None or order.status == status)
                and (subaccount is None or order.subaccount == subaccount)
            )

        return page(filter(wanted, self._own_orders(user_id, view)), before=before, limit=limit)

    def fills(
        self,
        user_id: str,
        *,
        ticker: str | None = None,
        order_id: str | None = None,
        min_ts: int | None = None,
        max_ts: int | None = None,
        subaccount: int | None = None,
        before: int | None = None,
        limit: int | None = None,
        view: ReadLag | None = None,
    ) -> list[Fill]:
        """Fills, newest first."""
        until_ms = None if view is None else view.as_of_ms()

        def wanted(fill: Fill) -> bool:
            return (
                (until_ms is None or fill.ts_ms <= until_ms)
                and (ticker is None or fill.ticker == ticker)
                and (order_id is None or fill.order_id == order_id)
                and (min_ts is None or fill.ts_ms >= min_ts * 1000)
                and (max_ts is None or fill.ts_ms <= max_ts * 1000 + 999)
                and (subaccount is None or fill.subaccount == subaccount)
            )

        return page(filter(wanted, reversed(self.member(user_id).fills)), before=before, limit=limit)

    def settlements(
        self,
        user_id: str,
        *,
        ticker: str | None = None,
        event_ticker: str | None = None,
        min_ts: int | None = None,
        max_ts: int | None = None,
        subaccount: int | None = None,
        before: int | None = None,
        limit: int | None = None,
        view: ReadLag | None = None,
    ) -> list[Settlement]:
        """Payouts of settled markets, newest first."""
        until_ms = None if view is None else view.as_of_ms()

        def wanted(row: Settlement) -> bool:
            return (
                (until_ms is None or row.settled_ms <= until_ms)
                and (ticker is None or row.ticker == ticker)
                and (event_ticker is None or row.event_ticker == event_ticker)
                and (min_ts is None or row.settled_ms >= min_ts * 1000)
                and (max_ts is None or row.settled_ms <= max_ts * 1000 + 999)
                and (subaccount is None or row.subaccount == subaccount)
            )

        return page(filter(wanted, reversed(self.member(user_id).settlements)), before=before, limit=limit)

    def positions(
        self,
        user_id: str,
        *,
        ticker: str | None = None,
        event_ticker: str | None = None,
        subaccount: int = 0,
        count_filter: Collection[str] = (),
        settlement: SettlementStatus = "unsettled",
        view: ReadLag | None = None,
    ) -> list[Position]:
        """Market positions, by ticker. `count_filter`: where any of ``position``, ``total_traded`` is not zero."""
        self.account(user_id, subaccount)
        found = []
        for live in self.member(user_id).positions(subaccount=subaccount):
            position = live if view is None else view.position(live)
            if position is None or not position.volume:
                continue
            if ticker not in (None, position.ticker) or event_ticker not in (None, position.event_ticker):
                continue
            if settlement != "all" and self._is_settled(position.ticker, view) != (settlement == "settled"):
                continue
            nonzero = {"position": position.count, "total_traded": position.total_traded}
            if not count_filter or any(nonzero[name] for name in count_filter):
                found.append(position)
        return sorted(found, key=lambda p: p.ticker)

    def _is_settled(self, ticker: str, view: ReadLag | None) -> bool:
        settled_ms = self.markets[ticker].settled_ms
        return settled_ms is not None and (view is None or settled_ms <= view.as_of_ms())

    def event_positions(self, positions: Iterable[Position]) -> list[EventPosition]:
        """Sums of these positions per event."""
        by_event: dict[str, list[Position]] = {}
        for position in positions:
            by_event.setdefault(position.event_ticker, []).append(position)
        return [
            EventPosition(
                event_ticker=ticker,
                total_cost=sum(p.total_traded for p in group),
                total_cost_shares=sum(p.volume for p in group),
                event_exposure=sum(p.cost for p in group),
                realized_pnl=sum(p.realized_pnl for p in group),
                fees_paid=sum(p.fees_paid for p in group),
            )
            for ticker, group in sorted(by_event.items())
        ]

    def balance(self, user_id: str, *, subaccount: int = 0, view: ReadLag | None = None) -> Balance:
        """Available money and the value of the positions of one subaccount."""
        account = self.account(user_id, subaccount)
        value = 0
        for ticker, exposure in account.exposures.items():
            position = exposure.position if view is None else view.position(exposure.position)
            if position is not None:
                value += self._value(position, self.markets[ticker])
        money = account if view is None else view.money(account)
        return Balance(available=money.available, portfolio_value=value, updated_ms=money.updated_ms)

    def _value(self, position: Position, market: Market) -> int:
        """What a position is worth: its payout once there is a result, before it what it could be sold for."""
        settled = market.settlement_value
        if market.result == "void":
            return position.cost
        if settled is not None:
            return market_value(count=position.count, yes_bid=settled, yes_ask=settled)
        return market_value(count=position.count, yes_bid=market.yes_bid, yes_ask=market.yes_ask)

    def resting_order_value(self, user_id: str, *, view: ReadLag | None = None) -> int:
        """Money locked by resting orders over all subaccounts, micro-dollars."""
        accounts = self.member(user_id).accounts.values()
        return sum((account if view is None else view.money(account)).held for account in accounts)

    def queue_position(self, user_id: str, order_id: str) -> int:
        """Contracts that trade before this resting order does: better prices, then earlier orders at its own."""
        order = self.order(user_id, order_id)
        if order.status != "resting":
            raise not_found("resting order")
        return self.books[order.ticker].own(order.side).ahead_of(order)

    def queue_positions(
        self,
        user_id: str,
        *,
        tickers: Collection[str] = (),
        event_ticker: str | None = None,
        subaccount: int = 0,
    ) -> list[tuple[Order, int]]:
        """(resting order, contracts ahead of it), oldest order first."""
        account = self.account(user_id, subaccount)
        found = []
        for ticker, exposure in account.exposures.items():
            if tickers and ticker not in tickers:
                continue
            if event_ticker not in (None, self.markets[ticker].event_ticker):
                continue
            for order in (*exposure.bids.values(), *exposure.asks.values()):
                found.append((order, self.books[ticker].own(order.side).ahead_of(order)))
        return sorted(found, key=lambda pair: pair[0].sequence)

    def book(self, ticker: str) -> BookLevels:
        """The book of a market."""
        self.market(ticker)
        book = self.books[ticker]
        return BookLevels(yes=book.yes.depth(), no=book.no.depth())

    def trades(
        self,
        *,
        ticker: str | None = None,
        min_ts: int | None = None,
        max_ts: int | None = None,
        before: int | None = None,
        limit: int | None = None,
    ) -> list[Trade]:
        """Public trades, newest first. An unknown ticker has none."""
        source = self.all_trades if ticker is None else self.market_trades.get(ticker, ())

        def wanted() -> Iterator[Trade]:
            for trade in reversed(source):
                if min_ts is not None and trade.ts_ms < min_ts * 1000:
                    return
                if max_ts is None or trade.ts_ms <= max_ts * 1000 + 999:
                    yield trade

        return page(wanted(), before=before, limit=limit)

    def candlesticks(
        self,
        ticker: str,
        *,
        start_ts: int,
        end_ts: int,
        period: int,
        include_latest_before_start: bool = False,
    ) -> list[Candle]:
        """Candles that end within [start_ts, end_ts]; `period` is 1, 60 or 1440 minutes.

        With `include_latest_before_start`, the candle before is put first, projected to the first boundary after
        `start_ts` without prices of its own.

        Raises:
            ExchangeError: unknown market, another period, end before start, or more than 10,000 candles.
        """
        self.market(ticker)
        if period not in PERIODS:
            raise invalid_parameters("period_interval must be 1, 60 or 1440")
        period_s = PERIODS[period]
        if end_ts < start_ts or (end_ts - start_ts) // period_s > MAX_CANDLES:
            raise invalid_parameters(f"end_ts must follow start_ts within {MAX_CANDLES} periods")
        store = self.candles[ticker]
        candles = store.candles(start_s=start_ts, end_s=end_ts, period_s=period_s, now_ms=self.clock.now_ms())
        if include_latest_before_start:
            latest = store.projected(start_s=start_ts, period_s=period_s)
            if latest is not None:
                candles.insert(0, latest)
        return candles

    def statistics(self, ticker: str) -> MarketStatistics:
        """24-hour volume, and best prices and last price a day ago."""
        now = self.clock.now_ms()
        store = self.candles[ticker]
        day_ago = store.last_before(now // 1000 - DAY_S)
        if day_ago is None:
            return MarketStatistics(store.volume_24h(now), 0, DOLLAR_PRICE, 0)
        price = store.last_price(now // 1000 - DAY_S) or 0
        return MarketStatistics(store.volume_24h(now), day_ago.yes_bid.close, day_ago.yes_ask.close, price)

    def markets_of(self, event_ticker: str) -> list[Market]:
        """The markets of an event."""
        event = self.events.get(event_ticker)
        if event is None:
            raise ExchangeError("event_not_found", f"event {event_ticker} not found", 404)
        return [self.markets[ticker] for ticker in event.market_tickers]

    def _own_orders(self, user_id: str, view: ReadLag | None) -> Iterator[Order]:
        member = self.member(user_id)
        if member.keeps_history and view is not None:
            return (seen for order in reversed(member.orders) if (seen := view.order(order)) is not None)
        if member.keeps_history:
            return reversed(member.orders)
        resting = [
            order
            for account in member.accounts.values()
            for exposure in account.exposures.values()
            for order in (*exposure.bids.values(), *exposure.asks.values())
        ]
        return iter(sorted(resting, key=lambda o: -o.sequence))
