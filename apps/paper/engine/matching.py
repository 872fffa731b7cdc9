"""Price-time matching and what a match does to money and positions."""

from dataclasses import dataclass
from heapq import heappop, heappush

from apps.paper.engine.accounts import Exposure
from apps.paper.engine.events import BookDelta, OrderGroupChanged
from apps.paper.engine.fees import fill_fees
from apps.paper.engine.groups import OrderGroup
from apps.paper.engine.orders import Fill, Order, Trade
from apps.paper.engine.state import ExchangeState
from apps.paper.engine.units import DOLLAR_PRICE, Side


@dataclass(slots=True)
class Taken:
    """What an order took: contracts, sum of YES price x count, net fees; `self_crossed` when it met its own member.

    `stopped`: why the rest may not trade or rest, empty when it may.
    """

    count: int = 0
    value: int = 0
    fees: int = 0
    self_crossed: bool = False
    stopped: str = ""
    hit: tuple[OrderGroup, ...] = ()  # groups to trigger when a fill-or-kill order is whole


class Matching(ExchangeState):
    """The matching engine. Nothing here checks or refuses: see `Trading`."""

    def match(self, taker: Order) -> Taken:
        """Trade `taker` (not resting) against the book as far as its price goes."""
        book = self.books[taker.ticker]
        opposite = book.opposite(taker.side)
        taken = Taken()
        while taker.remaining and not taken.stopped and book.crosses(taker.side, taker.price):
            maker = opposite.head()
            if maker.user_id == taker.user_id:
                taken.self_crossed = True
                if taker.self_trade_prevention_type == "taker_at_cross":
                    taken.stopped = "TAKER_CANCEL_FOR_SELF_TRADE_PREVENTION"
                    break
                self.take_off(maker, maker.remaining, reason="MAKER_CANCEL_FOR_SELF_TRADE_PREVENTION", cause=taker)
                continue
            self._trade(taker, maker, taken)
        for group in taken.hit:
            if not group.triggered:
                self.trigger(group)
        return taken

    def rest(self, order: Order) -> None:
        """Put what remains of an order into the book, at the end of its level."""
        order.priority = self.next_sequence()
        self.books[order.ticker].own(order.side).add(order)
        exposure = self.exposure(self.account(order.user_id, order.subaccount), order.ticker)
        exposure.add(order)
        order.hold = self.hold_for(order, order.remaining)
        exposure.add_hold(order.side, order.hold)
        if order.reduce_only:
            exposure.reduce_only[order.order_id] = order
        self.relock(exposure)
        if order.expiration_ms is not None:
            heappush(self.expirations, (order.expiration_ms, order.order_id))
        self._tell_delta(order, order.remaining, cause=order)
        self.touch_order(order)

    def take_off(self, order: Order, count: int, *, reason: str, cause: Order | None = None) -> None:
        """Take `count` of a resting order off the book without a trade; the order is dead when nothing is left."""
        exposure = self._shrink(order, count)
        self._tell_delta(order, -count, cause=cause or order)
        order.updated_ms = self.clock.now_ms()
        if not order.remaining:
            self.end(order, reason=reason)
        self.relock(exposure)
        self.touch_order(order)

    def end(self, order: Order, *, reason: str) -> None:
        """An order is over: canceled for a reason, executed without one."""
        order.status = "canceled" if reason else "executed"
        order.cancel_reason = reason
        order.remaining = 0
        self.touch_order(order)
        member = self.members[order.user_id]
        if not member.keeps_history:
            self.all_orders.pop(order.order_id, None)
            member.client_order_ids.discard(order.client_order_id)

    def expire_orders(self) -> bool:
        """Cancel orders whose time has come; True when there were any."""
        now = self.clock.now_ms()
        found = False
        while self.expirations and self.expirations[0][0] <= now:
            expiration_ms, order_id = heappop(self.expirations)
            order = self.all_orders.get(order_id)
            if order and order.status == "resting" and order.expiration_ms == expiration_ms:
                self.take_off(order, order.remaining, reason="EXPIRED")
                found = True
        return found

    def hold_for(self, order: Order, count: int) -> int:
        """What `count` contracts of a resting order lock when nothing covers them: cost and the maker's fee."""
        schedule = self.fee_schedule(self.markets[order.ticker], self.clock.now_ms())
        return order.book_price * count + schedule.trade_fee(price=order.price, count=count, is_taker=False)

    def relock(self, exposure: Exposure) -> None:
        """Bring the account's locked money up to date with this market."""
        locked = exposure.locked()
        if locked != exposure.hold:
            position = exposure.position
            account = self.members[position.user_id].accounts[position.subaccount]
            account.held += locked - exposure.hold
            exposure.hold = locked

    def trim_reduce_only(self, exposure: Exposure) -> None:
        """Resting reduce-only orders shrink with the position they may close."""
        self._trim_side(exposure, "bid")
        self._trim_side(exposure, "ask")

    def _trim_side(self, exposure: Exposure, side: Side) -> None:
        left = exposure.position.closable(side)
        orders = [o for o in exposure.reduce_only.values() if o.side == side]
        for order in sorted(orders, key=lambda o: (-o.book_price, o.priority)):
            keep = min(order.remaining, left)
            left -= keep
            if keep < order.remaining:
                self.take_off(order, order.remaining - keep, reason="REDUCE_ONLY")

    def _shrink(self, order: Order, count: int) -> Exposure:
        """Take `count` off a resting order in book and exposure; locks are left to the caller."""
        self.books[order.ticker].own(order.side).reduce(order, count)
        exposure = self.members[order.user_id].accounts[order.subaccount].exposures[order.ticker]
        hold = self.hold_for(order, order.remaining) if order.remaining else 0
        exposure.add_hold(order.side, hold - order.hold)
        order.hold = hold
        if not order.remaining:
            exposure.drop(order)
            exposure.reduce_only.pop(order.order_id, None)
        return exposure

    def _tell_delta(self, order: Order, delta: int, *, cause: Order) -> None:
        self.tell(
            BookDelta(
                ticker=order.ticker,
                side=order.outcome_side,
                price_units=order.book_price,
                delta_units=delta,
                ts_ms=self.clock.now_ms(),
                order_id=cause.order_id,
                client_order_id=cause.client_order_id,
                user_id=cause.user_id,
                subaccount=cause.subaccount,
            )
        )
        self.touch_market(order.ticker)

    def _trade(self, taker: Order, maker: Order, taken: Taken) -> None:
        now = self.clock.now_ms()
        count = min(taker.remaining, maker.remaining)
        trade = Trade(
            trade_id=self.ids.uuid(),
            sequence=self.next_sequence(),
            ticker=taker.ticker,
            price=maker.price,
            count=count,
            taker_side=taker.side,
            ts_ms=now,
        )
        self._shrink(maker, count)
        taker.remaining -= count
        self._tell_delta(maker, -count, cause=taker)
        self.tell(trade)
        interest = self._fill(maker, trade, is_taker=False)[1]
        fee, more_interest = self._fill(taker, trade, is_taker=True)
        taken.count += count
        taken.value += trade.price * count
        taken.fees += fee
        self._record(trade, interest + more_interest)
        for order in (maker, taker):
            if not order.remaining:
                self.end(order, reason="")
            exposure = self.members[order.user_id].accounts[order.subaccount].exposures[order.ticker]
            if exposure.reduce_only:
                self.trim_reduce_only(exposure)
        if maker.order_group_id is not None:
            self._count_in_group(maker.order_group_id, count, taker, taken)
        if taker.order_group_id is not None:
            self._count_in_group(taker.order_group_id, count, taker, taken)

    # Order groups

    def grouped(self, group: OrderGroup) -> list[Order]:
        """Resting orders of a group, oldest first."""
        account = self.members[group.user_id].accounts[group.subaccount]
        found = [
            order
            for exposure in account.exposures.values()
            for order in (*exposure.bids.values(), *exposure.asks.values())
            if order.order_group_id == group.group_id
        ]
        return sorted(found, key=lambda order: order.sequence)

    def is_over(self, group: OrderGroup) -> bool:
        """Whether the group's window holds too much now."""
        return group.is_over(self.clock.now_ms(), triggers_at=self.group_triggers_at)

    def trigger(self, group: OrderGroup) -> None:
        """Cancel the group's orders; it takes no new ones until it is reset."""
        group.triggered = True
        group.updated_ms = self.clock.now_ms()
        self.tell(OrderGroupChanged(group, "triggered", group.updated_ms))
        self.cancel_grouped(group)

    def cancel_grouped(self, group: OrderGroup) -> None:
        """Cancel the group's orders."""
        for order in self.grouped(group):
            if order.status == "resting":
                self.take_off(order, order.remaining, reason="ORDER_GROUP_CANCEL")

    def _count_in_group(self, group_id: str, count: int, taker: Order, taken: Taken) -> None:
        """Count one side of a trade; trigger at once, but do not tear a fill-or-kill order apart by it."""
        group = self.order_groups.get(group_id)
        if group is None:
            return
        now = self.clock.now_ms()
        group.add(count, now_ms=now)
        self.tell(OrderGroupChanged(group, "matched", now))
        if group.triggered or not self.is_over(group):
            return
        if taker.time_in_force == "fill_or_kill":
            taken.hit += (group,)
            return
        self.trigger(group)
        if taker.order_group_id == group_id and taker.remaining:
            taken.stopped = "ORDER_GROUP_CANCEL"

    def _record(self, trade: Trade, interest: int) -> None:
        """Keep a public trade: tape, last price, volume, open interest, candle."""
        market = self.markets[trade.ticker]
        market.last_price, market.last_size, market.last_trade_ms = trade.price, trade.count, trade.ts_ms
        market.volume += trade.count
        market.dollar_volume += trade.price * trade.count
        market.open_interest += interest
        self.all_trades.append(trade)
        self.market_trades[trade.ticker].append(trade)
        self.candles[trade.ticker].trade(
            ts_ms=trade.ts_ms, price=trade.price, count=trade.count, open_interest=market.open_interest
        )
        self.touch_market(trade.ticker, traded=True)

    def _fill(self, order: Order, trade: Trade, *, is_taker: bool) -> tuple[int, int]:
        """Book one side of a trade; return its net fee and the change of open YES contracts."""
        market = self.markets[order.ticker]
        account = self.members[order.user_id].accounts[order.subaccount]
        exposure = self.exposure(account, order.ticker)
        position = exposure.position
        waived = market.fee_waiver_until_ms is not None and trade.ts_ms < market.fee_waiver_until_ms
        schedule = self.fee_schedule(market, trade.ts_ms)
        fee = 0 if waived else schedule.trade_fee(price=trade.price, count=trade.count, is_taker=is_taker)
        revenue = position.revenue(side=order.side, price=trade.price, count=trade.count)
        fees = fill_fees(revenue=revenue, trade_fee=fee, accumulator=order.rounding_accumulator)
        yes_before = max(0, position.count)
        position.apply(side=order.side, price=trade.price, count=trade.count, fee=fees.net_fee, ts_ms=trade.ts_ms)
        account.cash += fees.balance_change
        account.updated_ms = trade.ts_ms
        self.collateral -= revenue
        self.fees += fees.net_fee
        self._fill_order(order, trade, fee=fees.net_fee, is_taker=is_taker)
        order.rounding_accumulator = fees.accumulator
        self.relock(exposure)
        fill = Fill(
            trade_id=trade.trade_id,
            sequence=self.next_sequence(),
            order_id=order.order_id,
            client_order_id=order.client_order_id,
            user_id=order.user_id,
            subaccount=order.subaccount,
            ticker=order.ticker,
            side=order.side,
            price=trade.price,
            count=trade.count,
            is_taker=is_taker,
            fee=fees.net_fee,
            trade_fee=fees.trade_fee,
            rounding_fee=fees.rounding_fee,
            rebate=fees.rebate,
            balance_change=fees.balance_change,
            post_position=position.count,
            ts_ms=trade.ts_ms,
            sells=order.sells,
        )
        member = self.members[order.user_id]
        if member.keeps_history:
            member.fills.append(fill)
        self.tell(fill)
        self.touch_position(position)
        return fees.net_fee, max(0, position.count) - yes_before

    def _fill_order(self, order: Order, trade: Trade, *, fee: int, is_taker: bool) -> None:
        leg_price = trade.price if order.side == "bid" else DOLLAR_PRICE - trade.price
        order.filled += trade.count
        order.updated_ms = trade.ts_ms
        if is_taker:
            order.taker_fill_cost += leg_price * trade.count
            order.taker_fees += fee
        else:
            order.maker_fill_cost += leg_price * trade.count
            order.maker_fees += fee
        self.touch_order(order)
