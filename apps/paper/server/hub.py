"""Who gets which frame: events of the engine and of a replay, to the subscriptions of all sessions."""

import logging
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable
from typing import Any

from apps.paper.clock import Clock
from apps.paper.engine.catalogue import Market
from apps.paper.engine.events import Event
from apps.paper.engine.orders import Trade
from apps.paper.engine.units import Outcome
from apps.paper.server import messages
from apps.paper.server.catalogue import Catalogue
from apps.paper.server.channels import Channel, Subscription
from apps.paper.server.faults import CommandFaults, FrameFaults
from apps.paper.server.session import Session

logger = logging.getLogger(__name__)


class Hub:
    """Index of all subscriptions. Every call runs on the event loop and blocks on nothing."""

    def __init__(
        self, *, catalogue: Catalogue, faults: FrameFaults, clock: Clock, channels: Collection[Channel]
    ) -> None:
        self.channels = {channel.name: channel for channel in channels}
        self._handlers: dict[type, list[tuple[str, Callable[[Hub, Any], None]]]] = defaultdict(list)
        for channel in channels:
            for event_type, handler in channel.on.items():
                self._handlers[event_type].append((channel.name, handler))
        self.catalogue = catalogue
        self.faults = faults
        self.command_faults = CommandFaults()
        self.clock = clock
        self.replies_consume_seq = False
        self.later = False  # whether frames are as the edition of 3.28 has them
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

    def has_listeners(self, channel: str, ticker: str) -> bool:
        return (channel, ticker) in self._by_market or bool(self._everything.get(channel))

    # --- what happens ----------------------------------------------------------------------------
    def on_event(self, event: Event) -> None:
        """Take one event of the engine, in order. A channel that breaks down harms neither the rest nor the engine."""
        for channel, handler in self._handlers.get(type(event), ()):
            try:
                handler(self, event)
            except Exception:
                logger.exception("channel %s broke down", channel)
                self._fail(channel)

    def _fail(self, channel: str) -> None:
        for session in list(self.sessions):
            for subscription in [sub for sub in session.subscriptions.values() if sub.channel == channel]:
                session.fail(subscription)

    def publish(
        self,
        channel: str,
        message_type: str,
        encode: Callable[[], str],
        *,
        ticker: str = "",
        user_ids: Collection[str] | None = None,
        only: Callable[[Subscription], bool] | None = None,
    ) -> None:
        """Send a message to the subscribers of a channel; it is encoded once, and only when there are any.

        Args:
            ticker: the market it is about; "" for one about none (told to subscriptions without a market filter).
            user_ids: members who may see it; None for everybody.
            only: a further choice of subscriptions (shards).
        """
        msg = ""
        for subscription in self.listeners(channel, ticker):
            if user_ids is not None and subscription.session.key.user_id not in user_ids:
                continue
            if only is None or only(subscription):
                msg = msg or encode()
                self.send(subscription, message_type, msg, ticker=ticker)

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
            use_yes_price = subscription.params.use_yes_price
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
            self.send(subscription, "orderbook_delta", msg, ticker=market.ticker)

    def book_rebased(self, ticker: str) -> None:
        """The book was replaced as a whole (a replay's own snapshot): every subscriber gets it anew."""
        send_state = self.channels["orderbook_delta"].send_state
        for subscription in list(self._by_market.get(("orderbook_delta", ticker), ())):
            if send_state is not None:
                send_state(self, subscription, [ticker])

    def trade(self, trade: Trade) -> None:
        self.publish("trade", "trade", lambda: messages.trade_msg(trade, later=self.later), ticker=trade.ticker)

    def ticker(self, market: Market, *, ts_ms: int) -> None:
        self.publish("ticker", "ticker", lambda: messages.ticker_msg(market, ts_ms=ts_ms), ticker=market.ticker)

    def send(self, subscription: Subscription, message_type: str, msg: str, *, ticker: str = "") -> None:
        """Send one message to one subscription: numbered, and through the armed faults. `msg` is encoded."""
        if self.faults.armed and self.faults.loses(subscription, ticker, message_type):
            return
        seq = subscription.next_seq() if subscription.kind.numbered else None
        text = messages.frame(message_type, sid=subscription.sid, seq=seq, msg=msg)
        self.frames_sent += 1
        if self.faults.armed:
            for changed, delay_ms in self.faults.apply(subscription, ticker, message_type, text):
                subscription.session.deliver(changed, delay_ms=delay_ms)
            return
        subscription.session.deliver(text)
