"""The public channels of single markets: orderbook_delta, ticker, trade."""

from collections.abc import Iterable

from apps.paper.engine.events import BookDelta, TickerChanged
from apps.paper.engine.orders import Trade
from apps.paper.server import messages
from apps.paper.server.channels import MARKET_ACTIONS, Channel, Subscription
from apps.paper.server.hub import Hub


def send_books(hub: Hub, subscription: Subscription, tickers: Iterable[str]) -> None:
    """Send one `orderbook_snapshot` per market."""
    for ticker in tickers:
        market = hub.catalogue.market(ticker)
        if market is None:
            continue
        yes, no = hub.catalogue.levels(ticker)
        msg = messages.snapshot_msg(
            ticker=ticker, market_id=market.market_id, yes=yes, no=no, use_yes_price=subscription.params.use_yes_price
        )
        hub.send(subscription, "orderbook_snapshot", msg, ticker=ticker)


def send_tickers(hub: Hub, subscription: Subscription, tickers: Iterable[str]) -> None:
    """Send the present `ticker` of each market."""
    for ticker in tickers:
        market = hub.catalogue.market(ticker)
        if market is not None:
            hub.send(subscription, "ticker", messages.ticker_msg(market, ts_ms=hub.clock.now_ms()), ticker=ticker)


def _book_delta(hub: Hub, event: BookDelta) -> None:
    if not hub.has_listeners("orderbook_delta", event.ticker):
        return
    market = hub.catalogue.market(event.ticker)
    if market is not None:
        hub.book_delta(
            market,
            side=event.side,
            price=event.price_units,
            delta=event.delta_units,
            ts_ms=event.ts_ms,
            owner=event.user_id if event.client_order_id else "",
            client_order_id=event.client_order_id,
            subaccount=event.subaccount,
        )


def _ticker(hub: Hub, event: TickerChanged) -> None:
    hub.ticker(event.market, ts_ms=event.ts_ms)


def _trade(hub: Hub, trade: Trade) -> None:
    hub.trade(trade)


# The schema asks for seq on the book and on order groups; recorded production frames of trades carry it, too.
CHANNELS = (
    Channel(
        "orderbook_delta",
        private=True,
        markets="required",
        numbered=True,
        actions=MARKET_ACTIONS | {"get_snapshot"},
        send_state=send_books,
        state_at_start=True,
        on={BookDelta: _book_delta},
    ),
    Channel(
        "ticker",
        markets="optional",
        by_id=True,
        actions=MARKET_ACTIONS,
        send_state=send_tickers,
        on={TickerChanged: _ticker},
    ),
    Channel("trade", markets="optional", numbered=True, actions=MARKET_ACTIONS, on={Trade: _trade}),
)
