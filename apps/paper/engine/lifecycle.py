"""What happens by the clock or by the exchange's own hand: listing, opening, closing, pauses, expiry."""

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from heapq import heappop, heappush

from apps.paper.engine.book import Book
from apps.paper.engine.candles import CandleStore, Tick
from apps.paper.engine.catalogue import Market, MarketEvent, Series
from apps.paper.engine.errors import ExchangeError
from apps.paper.engine.events import EventListed, MarketLifecycle
from apps.paper.engine.grids import PRICE_LEVEL_STRUCTURES
from apps.paper.engine.maintenance import next_window
from apps.paper.engine.orders import Order, Trade
from apps.paper.engine.settlement import Settling
from apps.paper.engine.state import MARKET_TRADES, Maintenance
from apps.paper.engine.units import Side


class Lifecycle(Settling):
    """Listing and the lives of markets up to their close; what follows is in `Settling`."""

    def list_series(self, series: Series) -> None:
        """Add a series."""
        self.series[series.ticker] = series

    def list_event(self, event: MarketEvent) -> None:
        """Add an event of a listed series."""
        if event.series_ticker not in self.series:
            raise ValueError(f"series {event.series_ticker} is not listed")
        self.events[event.ticker] = event
        self.tell(EventListed(event, self.clock.now_ms()))

    def list_market(self, market: Market, *, history: Sequence[Tick] = ()) -> None:
        """Add a market of a listed event, with an optional past (ticks, oldest first, all before this minute)."""
        if market.ticker in self.markets:
            raise ValueError(f"market {market.ticker} is listed already")
        self.events[market.event_ticker].market_tickers.append(market.ticker)
        self.markets[market.ticker] = market
        self.books[market.ticker] = Book()
        self.market_trades[market.ticker] = deque(maxlen=MARKET_TRADES)
        self.candles[market.ticker] = CandleStore(history=history)
        if market.status == "initialized":
            heappush(self.openings, (market.open_ms, market.ticker))
        if market.status in ("initialized", "active", "inactive"):
            heappush(self.closings, (market.close_ms, market.ticker))
        self.index_combo(market)
        self.tell(MarketLifecycle("created", market, self.clock.now_ms()))
        self.flush()

    def adopt_past(self, ticks: Mapping[str, Sequence[Tick]]) -> None:
        """Take in trades of before the start: tape, last price, volume, open interest. Candles have them by listing."""
        past = sorted((tick.ts_ms, ticker, tick) for ticker, market_ticks in ticks.items() for tick in market_ticks)
        for ts_ms, ticker, tick in past:
            side: Side = "bid" if tick.price == tick.yes_ask else "ask"
            trade = Trade(
                trade_id=self.ids.uuid(),
                sequence=self.next_sequence(),
                ticker=ticker,
                price=tick.price,
                count=tick.count,
                taker_side=side,
                ts_ms=ts_ms,
            )
            self.all_trades.append(trade)
            self.market_trades[ticker].append(trade)
            market = self.markets[ticker]
            market.last_price, market.last_size, market.last_trade_ms = tick.price, tick.count, ts_ms
            market.volume += tick.count
            market.dollar_volume += tick.price * tick.count
            market.open_interest = tick.open_interest

    def expire_due(self) -> None:
        """Do what the clock has made due: openings, closings (with their cancels), order expirations."""
        now = self.clock.now_ms()
        self._keep_hours(now)
        while self.openings and self.openings[0][0] <= now:
            market = self.markets[heappop(self.openings)[1]]
            if market.status == "initialized":
                market.status = "active"
        while self.closings and self.closings[0][0] <= now:
            close_ms, ticker = heappop(self.closings)
            market = self.markets[ticker]
            if market.close_ms == close_ms and market.status in ("initialized", "active", "inactive"):
                self.close_market(market)
        self.end_due()
        self.expire_orders()
        self.flush()

    def close_market(self, market: Market) -> None:
        """Close a market, within an action: nothing rests or trades in it any more."""
        market.status = "closed"
        self._cancel_all(self.books[market.ticker], reason="CLOSE_CANCEL")
        self.schedule_end(market)

    def pause_market(self, ticker: str) -> None:
        """Deactivate a market: orders rest, cancels work, nothing new is taken."""
        market = self.market(ticker)
        if market.status == "active":
            market.status = "inactive"
            self._cancel_all(self.books[ticker], reason="CANCEL_ON_PAUSE", only=_wants_cancel_on_pause)
            self.tell(MarketLifecycle("deactivated", market, self.clock.now_ms(), {"is_deactivated": True}))
        self.flush()

    def resume_market(self, ticker: str) -> None:
        """Activate a paused market; all its resting orders are cancelled, as the exchange does."""
        market = self.market(ticker)
        if market.status == "inactive":
            self._cancel_all(self.books[ticker], reason="REACTIVATION_CANCEL")
            market.status = "active"
            self.tell(MarketLifecycle("activated", market, self.clock.now_ms(), {"is_deactivated": False}))
        self.flush()

    def move_close(self, ticker: str, *, close_ms: int) -> None:
        """Set another close time; a closed market whose close moves into the future is active again.

        Combos close with the last of their legs, so theirs may move with it.

        Raises:
            ExchangeError: 404; 400, the market has a result already.
        """
        market = self.market(ticker)
        if market.status not in ("initialized", "active", "inactive", "closed"):
            raise ExchangeError("invalid_market_status", f"market {ticker} is {market.status}", 400)
        self.put_close(market, close_ms)
        self.follow_legs(market)
        self.flush()

    def put_close(self, market: Market, close_ms: int) -> None:
        """As `move_close`, within an action and without its checks."""
        now = self.clock.now_ms()
        market.close_ms = close_ms
        market.updated_ms = now
        heappush(self.closings, (close_ms, market.ticker))
        self.tell(MarketLifecycle("close_date_updated", market, now, {"close_ts": close_ms // 1000}))
        if market.status == "closed" and close_ms > now:
            market.status = "active"
            self.tell(MarketLifecycle("activated", market, now, {"is_deactivated": False}))

    def update_metadata(self, ticker: str, *, yes_sub_title: str | None = None, floor: Decimal | None = None) -> None:
        """Correct what a market says about itself; what is left out stays.

        Raises:
            ExchangeError: 404.
            ValueError: nothing to change.
        """
        market = self.market(ticker)
        if yes_sub_title is None and floor is None:
            raise ValueError("metadata needs yes_sub_title or floor_strike")
        details: dict[str, object] = {}
        if yes_sub_title is not None:
            market.yes_sub_title = details["yes_sub_title"] = yes_sub_title
        if floor is not None:
            market.floor_strike = details["floor_strike"] = floor
        market.updated_ms = self.clock.now_ms()
        self.tell(MarketLifecycle("metadata_updated", market, market.updated_ms, details))
        self.flush()

    def close_early(self, ticker: str) -> None:
        """Close a market now, ahead of its time.

        Raises:
            ExchangeError: 404; 400, the market does not allow it or is closed already.
        """
        market = self.market(ticker)
        if not market.can_close_early:
            raise ExchangeError("cannot_close_early", f"market {ticker} does not close early", 400)
        if market.status not in ("initialized", "active", "inactive"):
            raise ExchangeError("invalid_market_status", f"market {ticker} is {market.status}", 400)
        self.move_close(ticker, close_ms=self.clock.now_ms())
        self.expire_due()

    def change_grid(self, ticker: str, *, structure: str) -> None:
        """Give a market another price grid. Orders off the new grid stay; amends of them must be on it.

        Raises:
            ExchangeError: 404.
            ValueError: no such grid.
        """
        market = self.market(ticker)
        if structure not in PRICE_LEVEL_STRUCTURES:
            raise ValueError(f"a grid is one of {', '.join(PRICE_LEVEL_STRUCTURES)}")
        if structure != market.price_level_structure:
            market.price_level_structure = structure
            market.updated_ms = self.clock.now_ms()
            self.tell(MarketLifecycle("price_level_structure_updated", market, market.updated_ms))
        self.flush()

    def set_exchange_status(self, *, exchange_active: bool, trading_active: bool) -> None:
        """Pause or resume the whole exchange, or only trading; a pause cancels orders that asked for it."""
        pausing = (self.exchange_active and not exchange_active) or (self.trading_active and not trading_active)
        self.exchange_active, self.trading_active = exchange_active, trading_active
        if pausing:
            for book in self.books.values():
                self._cancel_all(book, reason="CANCEL_ON_PAUSE", only=_wants_cancel_on_pause)
        self.flush()

    def keep_maintenance(self, kind: Maintenance) -> None:
        """From now on pause by itself in the weekly maintenance window, or not (docs: maintenance_and_pauses)."""
        if self.in_maintenance:
            self._end_maintenance()
        self.maintenance = kind
        self.maintenance_window = None if kind == "off" else next_window(self.clock.now_ms())
        self.expire_due()

    def _keep_hours(self, now: int) -> None:
        """Begin and end what the clock has reached of maintenance windows; one that was jumped over happens, too."""
        while self.maintenance_window is not None and self.maintenance_window.start_ms <= now:
            if not self.in_maintenance:
                self.in_maintenance = True
                self.set_exchange_status(exchange_active=self.maintenance != "exchange", trading_active=False)
            if self.maintenance_window.end_ms > now:
                return
            self._end_maintenance()
            self.maintenance_window = next_window(self.maintenance_window.end_ms)

    def _end_maintenance(self) -> None:
        self.in_maintenance = False
        self.set_exchange_status(exchange_active=True, trading_active=True)

    def _cancel_all(self, book: Book, *, reason: str, only: Callable[[Order], bool] | None = None) -> None:
        for order in (*book.yes.orders(), *book.no.orders()):
            if only is None or only(order):
                self.take_off(order, order.remaining, reason=reason)


def _wants_cancel_on_pause(order: Order) -> bool:
    return order.cancel_order_on_pause
