"""Market makers: several levels on each side of what they hold fair, moved as that moves."""

from dataclasses import dataclass
from random import Random

from apps.paper.engine.accounts import Exposure
from apps.paper.engine.catalogue import Market
from apps.paper.engine.errors import ExchangeError
from apps.paper.engine.exchange import PaperExchange
from apps.paper.engine.grids import PriceRange, snap, step_at
from apps.paper.engine.orders import NewOrder, Order
from apps.paper.engine.units import CONTRACT, DOLLAR_PRICE, Side

SKEW_CONTRACTS = 2_000  # a maker moves its quotes by a step for each of these in its position
MAX_SKEW_STEPS = 4


@dataclass(frozen=True, slots=True)
class Style:
    """How a maker quotes: half steps from fair to its first level, levels per side, steps between them, usual size."""

    half_steps: int
    levels: int
    gap: int
    contracts: int


STYLES = (
    Style(half_steps=1, levels=8, gap=1, contracts=60),
    Style(half_steps=3, levels=7, gap=2, contracts=250),
    Style(half_steps=5, levels=5, gap=4, contracts=900),
)


class Maker:
    """One market-making member."""

    def __init__(self, exchange: PaperExchange, *, user_id: str, style: int) -> None:
        self.user_id = user_id
        self._exchange = exchange
        self._account = exchange.member(user_id).accounts[0]
        self._style = STYLES[style % len(STYLES)]
        self._orders_made = 0

    def quote(self, ticker: str, *, fair: int, random: Random, changes: int) -> int:
        """Bring the quotes nearer to where they should be, by at most `changes` orders; return how many it was."""
        market = self._exchange.markets[ticker]
        if market.status != "active" or self._exchange.clock.now_ms() >= market.close_ms:
            return 0
        exposure = self._exchange.exposure(self._account, ticker)
        wanted = self._wanted(market, exposure, fair)
        done = 0
        done += self._cancel_strays(exposure, wanted, fair, limit=changes)
        done += self._place_missing(ticker, exposure, wanted, random, limit=changes - done)
        if not done:
            done += self._freshen(exposure, random)
        return done

    def _wanted(self, market: Market, exposure: Exposure, fair: int) -> dict[Side, list[int]]:
        """YES prices of the levels on each side, best first."""
        ranges = market.price_ranges
        step = step_at(ranges, min(max(fair, 1), DOLLAR_PRICE - 1))
        skew = exposure.position.count // (SKEW_CONTRACTS * CONTRACT)
        middle = fair - step * max(-MAX_SKEW_STEPS, min(MAX_SKEW_STEPS, skew))
        return {
            "bid": self._ladder(ranges, middle, step, down=True),
            "ask": self._ladder(ranges, middle, step, down=False),
        }

    def _ladder(self, ranges: tuple[PriceRange, ...], middle: int, step: int, *, down: bool) -> list[int]:
        style = self._style
        prices: list[int] = []
        for level in range(style.levels):
            away = step * style.half_steps // 2 + step * level * style.gap
            raw = middle - away if down else middle + away
            if not ranges[0].step <= raw <= DOLLAR_PRICE - ranges[-1].step:
                break
            price = snap(ranges, raw)
            if not down and price < raw and price + step_at(ranges, price) < DOLLAR_PRICE:
                price += step_at(ranges, price)
            if price not in prices:
                prices.append(price)
        return prices

    def _cancel_strays(self, exposure: Exposure, wanted: dict[Side, list[int]], fair: int, *, limit: int) -> int:
        """Cancel orders at prices no longer wanted: those nearest to trading first, they are the expensive ones."""
        strays = [o for o in exposure.bids.values() if o.price not in wanted["bid"]]
        strays += [o for o in exposure.asks.values() if o.price not in wanted["ask"]]
        strays.sort(key=lambda o: (o.price - fair if o.side == "ask" else fair - o.price, o.sequence))
        for order in strays[:limit]:
            self._exchange.cancel_order(self.user_id, order.order_id)
        return len(strays[:limit])

    def _place_missing(
        self, ticker: str, exposure: Exposure, wanted: dict[Side, list[int]], random: Random, *, limit: int
    ) -> int:
        have = {(o.side, o.price) for o in (*exposure.bids.values(), *exposure.asks.values())}
        missing: list[tuple[int, Side, int]] = []
        for side, prices in wanted.items():
            missing += [(depth, side, price) for depth, price in enumerate(prices) if (side, price) not in have]
        missing.sort()
        for depth, side, price in missing[:limit] if limit > 0 else ():
            self._place(ticker, side, price, self._size(depth, random))
        return len(missing[:limit]) if limit > 0 else 0

    def _freshen(self, exposure: Exposure, random: Random) -> int:
        """Nothing to move: change the size of one quote, as people do."""
        orders: list[Order] = [*exposure.bids.values(), *exposure.asks.values()]
        if not orders:
            return 0
        order = random.choice(orders)
        if order.remaining > 5 * CONTRACT and random.random() < 0.5:
            self._exchange.decrease_order(
                self.user_id, order.order_id, reduce_by=order.remaining // CONTRACT // 4 * CONTRACT or CONTRACT
            )
            return 1
        self._exchange.cancel_order(self.user_id, order.order_id)
        self._place(order.ticker, order.side, order.price, self._size(random.randrange(4), random))
        return 2

    def _size(self, depth: int, random: Random) -> int:
        contracts = max(1, int(self._style.contracts * (1 + depth / 3) * random.uniform(0.3, 1.7)))
        if contracts > 20 and random.random() < 0.6:
            contracts = contracts // 10 * 10
        count = contracts * CONTRACT
        return count + random.randrange(1, CONTRACT) if random.random() < 0.03 else count

    def _place(self, ticker: str, side: Side, price: int, count: int) -> None:
        self._orders_made += 1
        request = NewOrder(
            ticker=ticker,
            client_order_id=f"{self.user_id}-{self._orders_made}",
            side=side,
            price=price,
            count=count,
            self_trade_prevention_type="maker",
        )
        try:
            self._exchange.create_order(self.user_id, request)
        except ExchangeError as error:
            if error.code not in ("available_balance_too_low", "trading_is_paused", "exchange_is_paused"):
                raise
