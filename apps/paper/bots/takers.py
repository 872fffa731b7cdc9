"""Takers: they hit the best price, more often where it is good, sometimes through several levels."""

from random import Random

from apps.paper.engine.errors import ExchangeError
from apps.paper.engine.exchange import PaperExchange
from apps.paper.engine.grids import snap, step_at
from apps.paper.engine.orders import NewOrder
from apps.paper.engine.units import CONTRACT, DOLLAR_PRICE, Side

SIZES = (1, 1, 2, 3, 5, 5, 8, 10, 10, 15, 20, 25, 30, 50, 50, 75, 100, 150, 250)
SWEEP_ONE_IN = 12


class Taker:
    """One taking member."""

    def __init__(self, exchange: PaperExchange, *, user_id: str) -> None:
        self.user_id = user_id
        self._exchange = exchange
        self._orders_made = 0

    def take(self, ticker: str, *, fair: int, random: Random) -> None:
        """One immediate-or-cancel order at the best price of a side, or a few steps beyond it."""
        market = self._exchange.markets[ticker]
        if market.status != "active" or self._exchange.clock.now_ms() >= market.close_ms:
            return
        side = self._side(market.yes_bid, market.yes_ask, fair, random)
        best = market.yes_ask if side == "bid" else market.yes_bid
        if not 0 < best < DOLLAR_PRICE:
            return
        contracts = SIZES[random.randrange(len(SIZES))]
        price = best
        if random.randrange(SWEEP_ONE_IN) == 0:
            step = step_at(market.price_ranges, best)
            price = snap(market.price_ranges, best + (2 if side == "bid" else -2) * step)
            contracts *= 4
        self._orders_made += 1
        request = NewOrder(
            ticker=ticker,
            client_order_id=f"{self.user_id}-{self._orders_made}",
            side=side,
            price=price,
            count=contracts * CONTRACT,
            time_in_force="immediate_or_cancel",
        )
        try:
            self._exchange.create_order(self.user_id, request)
        except ExchangeError as error:
            if error.code not in ("available_balance_too_low", "trading_is_paused", "exchange_is_paused"):
                raise

    @staticmethod
    def _side(yes_bid: int, yes_ask: int, fair: int, random: Random) -> Side:
        """Mostly the side whose best price is nearer to (or better than) fair."""
        buying_is_better = yes_ask - fair < fair - yes_bid
        chance = 0.7 if buying_is_better else 0.3
        return "bid" if random.random() < chance else "ask"
