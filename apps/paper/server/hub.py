"""Who gets which frame: events of the engine and of a replay, to the subscriptions of all sessions."""

from collections import defaultdict
from collections.abc import Callable, Iterable

from apps.paper.clock import Clock
from apps.paper.engine.catalogue import Market
from apps.paper.engine.events import (
    BookDelta,
    Event,
    MarketLifecycle,
    OrderChanged,
    OrderGroupChanged,
    PositionChanged,
    TickerChanged,
)
from apps.paper.engine.orders import Fill, Trade
from apps.paper.engine.units import Outcome
from apps.paper.server import messages
from apps.paper.server.catalogue import Catalogue
from apps.paper.server.faults import FrameFaults
from apps.paper.server.lifecycle import lifecycle_msg
from apps.paper.server.session import NUMBERED_CHANNELS, Session, Subscription


class Hub:
    """Index of all subscriptions. Every call runs on the event loop and blocks on nothing."""

    def __init__(self, *, catalogue: Catalogue, faults: FrameFaults, clock: Clock) -> None:
        self.catalogue = catalogue
        self.faults = faults
        self.clock = clock
        self.replies_consume_seq = False
        self.frames_sent = 0
        self._by_market: dict[tuple[str, str], dict[Subscription, None]] = defaultdict(dict)
        self._everything: dict[str, dict[Subscription, None]] = defaultdict(dict)
        self.sessions: dict[Session, None] = {}

    # --- subscriptions ---------------------------------------------------------------------------
    def add(self, subscription: Subscription, tickers: Iterable[str] | None) -> None:
        self.sessions[subscription.session] = None
        if tickers is None:
            self._everything[subscription.channel][subscription] = None
            return
        for ticker in tickers:
            self._by_market[subscription.channel, ticker][subscription] = None

    def drop_markets(self, subscription: Subscription, tickers: Iterable[str]) -> None:
        for ticker in tickers:
            listeners = self._by_market.get((subscription.channel, ticker))
            if listeners is not None:
                listeners.pop(subscription, None)
                if not listeners:
                    del self._by_market[subscription.channel, ticker]

    def remove(self, subscription: Subscription) -> None:
        self._everything[subscription.channel].pop(subscription, None)
        self.drop_markets(subscription, list(subscription.tickers or ()))
        self.faults.forget(subscription)

    def listeners(self, channel: str, ticker: str) -> list[Subscription]:
        named = self._by_market.get((channel, ticker))
        everything = self._everything.get(channel)
        return [*(named or ()), *(everything or ())]

    def send_state(self, subscription: Subscription, tickers: Iterable[str]) -> None:
        """Send the present book (or ticker) of each market to one subscription."""
        for ticker in tickers:
            market = self.catalogue.market(ticker)
            if market is None:
                continue
            if subscription.channel == "ticker":
                self._send(subscription, "ticker", ticker, messages.ticker_msg(market, ts_ms=self.clock.now_ms()))
                continue
            yes, no = self.catalogue.levels(ticker)
            msg = messages.snapshot_msg(
                ticker=ticker, market_id=market.market_id, yes=yes, no=no, use_yes_price=subscription.use_yes_price
            )
            self._send(subscription, "orderbook_snapshot", ticker, msg)

    # --- what happens ----------------------------------------------------------------------------
    def on_event(self, event: Event) -> None:
        """Take one event of the engine, in order."""
        match event:
            case BookDelta():
                self._book_delta_event(event)
            case TickerChanged():
                self.ticker(event.market, ts_ms=event.ts_ms)
            case Trade():
                self.trade(event)
            case Fill():
                self._private("fill", "fill", event.user_id, event.ticker, lambda: messages.fill_msg(event))
            case OrderChanged():
                order = event.order
                self._private(
                    "user_orders", "user_order", order.user_id, order.ticker, lambda: messages.user_order_msg(order)
                )
            case PositionChanged():
                position = event.position
                self._private(
                    "market_positions",
                    "market_position",
                    position.user_id,
                    position.ticker,
                    lambda: messages.market_position_msg(position),
                )
            case OrderGroupChanged() if event.step != "matched":
                channel = "order_group_updates"
                self._private(channel, channel, event.group.user_id, "", lambda: messages.order_group_msg(event))
            case MarketLifecycle():
                for subscription in self.listeners("market_lifecycle_v2", event.market.ticker):
                    self._send(subscription, "market_lifecycle_v2", event.market.ticker, lifecycle_msg(event))

    def _book_delta_event(self, event: BookDelta) -> None:
        if ("orderbook_delta", event.ticker) not in self._by_market:
            return
        market = self.catalogue.market(event.ticker)
        if market is None:
            return
        owner = event.user_id if event.client_order_id else ""
        self.book_delta(
            market,
            side=event.side,
            price=event.price_units,
            delta=event.delta_units,
            ts_ms=event.ts_ms,
            owner=owner,
            client_order_id=event.client_order_id,
            subaccount=event.subaccount,
        )

    def book_delta(
        self,
        market: Market,
        *,
        side: Outcome,
        price: int,
        delta: int,
        ts_ms: int,
        owner: str = "",
        client_order_id: str = "",
        subaccount: int = 0,
    ) -> None:
        """price: units in the side's own prices; delta: count units, signed."""
        listeners = self._by_market.get(("orderbook_delta", market.ticker))
        if not listeners:
            return
        encoded: dict[bool, str] = {}
        for subscription in list(listeners):
            use_yes_price = subscription.use_yes_price
            msg = encoded.get(use_yes_price)
            if msg is None:
                msg = encoded[use_yes_price] = messages.delta_msg(
                    ticker=market.ticker,
                    market_id=market.market_id,
                    side=side,
                    price=price,
                    delta=delta,
                    ts_ms=ts_ms,
                    use_yes_price=use_yes_price,
                )
            if owner and subscription.session.key.user_id == owner:
                msg = messages.with_owner(msg, client_order_id=client_order_id, subaccount=subaccount)
            self._send(subscription, "orderbook_delta", market.ticker, msg)

    def book_rebased(self, ticker: str) -> None:
        """The book was replaced as a whole (a replay's own snapshot): every subscriber gets it anew."""
        for subscription in list(self._by_market.get(("orderbook_delta", ticker), ())):
            self.send_state(subscription, [ticker])

    def trade(self, trade: Trade) -> None:
        listeners = self.listeners("trade", trade.ticker)
        if listeners:
            msg = messages.trade_msg(trade)
            for subscription in listeners:
                self._send(subscription, "trade", trade.ticker, msg)

    def ticker(self, market: Market, *, ts_ms: int) -> None:
        listeners = self.listeners("ticker", market.ticker)
        if listeners:
            msg = messages.ticker_msg(market, ts_ms=ts_ms)
            for subscription in listeners:
                self._send(subscription, "ticker", market.ticker, msg)

    def _private(self, channel: str, message_type: str, user_id: str, ticker: str, encode: Callable[[], str]) -> None:
        mine = [sub for sub in self.listeners(channel, ticker) if sub.session.key.user_id == user_id]
        if mine:
            msg = encode()
            for subscription in mine:
                self._send(subscription, message_type, ticker, msg)

    def _send(self, subscription: Subscription, message_type: str, ticker: str, msg: str) -> None:
        if self.faults.armed and self.faults.loses(subscription, ticker):
            return
        numbered = subscription.channel in NUMBERED_CHANNELS
        seq = subscription.next_seq() if numbered else None
        text = messages.frame(message_type, sid=subscription.sid, seq=seq, msg=msg)
        self.frames_sent += 1
        if self.faults.armed:
            for changed, delay_ms in self.faults.apply(subscription, ticker, text):
                subscription.session.deliver(changed, delay_ms=delay_ms)
            return
        subscription.session.deliver(text)
