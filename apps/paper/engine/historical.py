"""The historical tier: cutoffs that move with the clock, and what moves with them from memory to the archive.

Source: docs getting_started/historical_data. Settlements, deposits and transfers have no cutoff. A market that is
historical stays known to the engine (combos and results of other markets ask for it); its candles do not stay.
"""

import logging
import sqlite3
from collections.abc import Iterator

from apps.paper.engine.archive import FILLS, ORDERS, TRADES, Archive, Cutoffs, Place
from apps.paper.engine.candles import Candle, CandleStore
from apps.paper.engine.catalogue import Market
from apps.paper.engine.history import ReadLag
from apps.paper.engine.lifecycle import Lifecycle
from apps.paper.engine.orders import Fill, Order, Trade
from apps.paper.engine.state import Clock

logger = logging.getLogger(__name__)

DAY_MS = 86_400_000
AGE_MS = 90 * DAY_MS  # "the target window for live data is 3 months"
RETRY_MS = 60_000


class Historical(Lifecycle):
    """history_age_ms: how old what is live may get; None moves nothing by itself. history_step_ms: the cutoffs are
    whole multiples of it."""

    def __init__(self, *, clock: Clock, seed: int = 1) -> None:
        super().__init__(clock=clock, seed=seed)
        self.archive = Archive()
        self.history_age_ms: int | None = AGE_MS
        self.history_step_ms = DAY_MS
        self.cutoffs = Cutoffs(0, 0, 0)
        self._history_due_ms = 0
        self._set_off()

    def use_archive(self, archive: Archive) -> None:
        """Go on with what an archive holds; call before anything is restored."""
        self.archive = archive
        self.cutoffs = self.cutoffs.forward(archive.cutoffs() or self.cutoffs)

    def set_history(self, *, age_ms: int | None, step_ms: int) -> None:
        """How the cutoffs move from now on; they never go back.

        Raises:
            ValueError: a negative age, or a step below 1.
        """
        if (age_ms is not None and age_ms < 0) or step_ms < 1:
            raise ValueError("the age must be at least 0 and the step at least 1 ms")
        self.history_age_ms, self.history_step_ms = age_ms, step_ms
        self._history_due_ms = 0
        self._move_due()

    def expire_due(self) -> None:
        """As in `Lifecycle`; then the cutoffs move."""
        super().expire_due()
        self._move_due()

    def is_historical(self, market: Market) -> bool:
        """Whether a market is out of the live tier."""
        return market.settled_ms is not None and market.settled_ms < self.cutoffs.market_settled_ms

    def advance_cutoffs(self, cutoffs: Cutoffs) -> None:
        """Move cutoffs forward, and with them whatever is older now.

        Raises:
            sqlite3.Error: the archive cannot be written; nothing has moved.
            ValueError: a cutoff in the future.
        """
        cutoffs = self.cutoffs.forward(cutoffs)
        if max(cutoffs.market_settled_ms, cutoffs.trades_created_ms, cutoffs.orders_updated_ms) > self.clock.now_ms():
            raise ValueError("a cutoff cannot be in the future")
        old_fills = {
            member.user_id: _older(member.fills, cutoffs.trades_created_ms) for member in self.members.values()
        }
        old_orders = [order for order in self.all_orders.values() if _ended_before(order, cutoffs.orders_updated_ms)]
        old_trades = self._old_trades(cutoffs.trades_created_ms)
        old_markets = self._old_markets(cutoffs.market_settled_ms)
        if any(old_fills.values()) or old_orders or old_trades or old_markets or cutoffs != self.cutoffs:
            self.archive.put(
                cutoffs=cutoffs,
                fills=(fill for user_id, many in old_fills.items() for fill in self.members[user_id].fills[:many]),
                orders=old_orders,
                trades=old_trades,
                markets=((market, self.candles[market.ticker].everything()) for market in old_markets),
            )
        self.cutoffs = cutoffs
        self._drop(old_fills, old_orders, old_markets)

    def _move_due(self) -> None:
        now = self.clock.now_ms()
        if self.history_age_ms is None or now < self._history_due_ms:
            return
        self._history_due_ms = self._set_off_ms() + self.history_step_ms + self.history_age_ms
        at_ms = self._set_off_ms()
        try:
            self.advance_cutoffs(Cutoffs(at_ms, at_ms, at_ms))
        except sqlite3.Error:
            logger.exception("the archive cannot be written; nothing is moved to it for now")
            self._history_due_ms = now + RETRY_MS

    def _set_off_ms(self) -> int:
        assert self.history_age_ms is not None
        return max(0, (self.clock.now_ms() - self.history_age_ms) // self.history_step_ms * self.history_step_ms)

    def _set_off(self) -> None:
        """The cutoffs of a new exchange."""
        at_ms = self._set_off_ms()
        self.cutoffs = Cutoffs(at_ms, at_ms, at_ms)

    def _old_trades(self, before_ms: int) -> list[Trade]:
        """Trades of both tapes, each once."""
        found: dict[str, Trade] = {}
        for tape in (self.all_trades, *self.market_trades.values()):
            for trade in tape:
                if trade.ts_ms >= before_ms:
                    break
                found[trade.trade_id] = trade
        return list(found.values())

    def _old_markets(self, before_ms: int) -> list[Market]:
        """Markets that go to the archive: those that are not there, and those whose candles came back by a restart."""
        settled = [m for m in self.markets.values() if m.settled_ms is not None and m.settled_ms < before_ms]
        if not settled:
            return []
        known = set(self.archive.tickers())
        return [m for m in settled if m.ticker not in known or self.candles[m.ticker].everything()]

    def _drop(self, fills: dict[str, int], orders: list[Order], markets: list[Market]) -> None:
        """Drop from memory what is in the archive."""
        for user_id, many in fills.items():
            del self.members[user_id].fills[:many]
        for order in orders:
            del self.all_orders[order.order_id]
        for user_id in {order.user_id for order in orders}:
            member = self.members[user_id]
            member.orders[:] = [order for order in member.orders if order.order_id in self.all_orders]
        for tape in (self.all_trades, *self.market_trades.values()):
            while tape and tape[0].ts_ms < self.cutoffs.trades_created_ms:
                tape.popleft()
        for market in markets:
            self.candles[market.ticker] = CandleStore()

    # --- reads -----------------------------------------------------------------------------------
    def historical_fills(
        self,
        user_id: str,
        *,
        ticker: str | None = None,
        max_ts: int | None = None,
        before: Place | None = None,
        limit: int,
        view: ReadLag | None = None,
    ) -> list[Fill]:
        """Fills of before the cutoff, newest first."""
        max_ms = _until(max_ts, view)
        return self.archive.page(FILLS, owner=user_id, ticker=ticker, max_ms=max_ms, before=before, limit=limit)

    def historical_orders(
        self,
        user_id: str,
        *,
        ticker: str | None = None,
        max_ts: int | None = None,
        before: Place | None = None,
        limit: int,
        view: ReadLag | None = None,
    ) -> list[Order]:
        """Orders that ended before the cutoff, newest first; `max_ts` is of creation."""
        max_ms = _until(max_ts, view)
        return self.archive.page(ORDERS, owner=user_id, ticker=ticker, max_ms=max_ms, before=before, limit=limit)

    def historical_trades(
        self,
        *,
        ticker: str | None = None,
        min_ts: int | None = None,
        max_ts: int | None = None,
        before: Place | None = None,
        limit: int,
    ) -> list[Trade]:
        """Public trades of before the cutoff, newest first."""
        min_ms = None if min_ts is None else min_ts * 1000
        max_ms = _until(max_ts, None)
        return self.archive.page(TRADES, ticker=ticker, min_ms=min_ms, max_ms=max_ms, before=before, limit=limit)

    def historical_candles(self, market: Market, *, start_ts: int, end_ts: int, period_s: int) -> Iterator[Candle]:
        """Candles of an archived market that end within [start_ts, end_ts], up to its settlement."""
        store = CandleStore()
        store.restore(self.archive.candles(market.ticker), best=(market.yes_bid, market.yes_ask))
        until_ms = market.settled_ms or market.close_ms
        yield from store.candles(start_s=start_ts, end_s=end_ts, period_s=period_s, now_ms=until_ms)


def _older(fills: list[Fill], before_ms: int) -> int:
    """How many fills (oldest first) are older."""
    return next((index for index, fill in enumerate(fills) if fill.ts_ms >= before_ms), len(fills))


def _ended_before(order: Order, before_ms: int) -> bool:
    return order.status != "resting" and order.updated_ms < before_ms


def _until(max_ts: int | None, view: ReadLag | None) -> int | None:
    """The newest instant that is asked for, Unix ms."""
    asked = None if max_ts is None else max_ts * 1000 + 999
    if view is None:
        return asked
    return view.as_of_ms() if asked is None else min(asked, view.as_of_ms())
