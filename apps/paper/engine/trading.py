"""Order requests: what is refused, and what an accepted one does. Each request is one whole action."""

from dataclasses import replace

from apps.paper.engine.accounts import Account
from apps.paper.engine.catalogue import Market
from apps.paper.engine.errors import ExchangeError, invalid_parameters, not_found
from apps.paper.engine.events import ClientOrderIdUsed
from apps.paper.engine.grids import on_grid
from apps.paper.engine.grouping import Grouping
from apps.paper.engine.matching import Taken
from apps.paper.engine.orders import AmendOrder, NewOrder, Order, OrderResult
from apps.paper.engine.units import CENT, CONTRACT, DOLLAR_PRICE, Side

MAX_COUNT = 1_000_000 * CONTRACT  # per order; the docs name no number
MAX_CLIENT_ORDER_ID = 64
MAX_OPEN_ORDERS = 200_000  # per member (OpenAPI: CreateOrder)


class Trading(Grouping):
    """Create, amend, decrease, cancel: V2 semantics."""

    def create_order(self, user_id: str, request: NewOrder) -> OrderResult:
        """Place an order and match it.

        Raises:
            ExchangeError: refused; nothing changed. 409 for a client order id used before by this member and for a
                fill-or-kill order that cannot be filled whole (its client order id stays used).
        """
        market = self._open_market(request.ticker)
        account = self.account(user_id, request.subaccount)
        self._check_new(user_id, request, market)
        count = self._reduced_count(account, request)
        order = self._new_order(user_id, request, count)
        book = self.books[order.ticker]
        if order.post_only and book.crosses(order.side, order.price):
            raise ExchangeError("invalid_order", "invalid order", 400, details="post only cross")
        self._check_funds(account, order)
        member = self.members[user_id]
        if order.client_order_id:
            member.client_order_ids.add(order.client_order_id)
        if order.time_in_force == "fill_or_kill" and not self._fills_whole(order, request.max_cost):
            self.tell(ClientOrderIdUsed(user_id, order.client_order_id))
            self.flush()
            raise ExchangeError(
                "fill_or_kill_insufficient_resting_volume", "fill or kill insufficient resting volume", 409
            )
        self.all_orders[order.order_id] = order
        if member.keeps_history:
            member.orders.append(order)
        taken = self.match(order)
        self._settle_remainder(order, taken)
        self.flush()
        return self._result(order, taken)

    def amend_order(
        self, user_id: str, order_id: str, request: AmendOrder, *, subaccount: int | None = None
    ) -> OrderResult:
        """Change price and total of a resting order.

        Less at the same price keeps the place in the queue; more, or another price, loses it. A total equal to what
        is filled cancels.

        Raises:
            ExchangeError: refused; nothing changed.
        """
        order = self._own_order(user_id, order_id, subaccount)
        market = self._open_market(order.ticker)
        self._check_amend(order, request, market)
        wanted = request.count - order.filled
        if not wanted or (request.price == order.price and wanted <= order.remaining):
            reduced = order.remaining - wanted
            self._rename(order, request)
            order.initial_count = request.count
            order.updated_ms = self.clock.now_ms()
            self.touch_order(order)
            if reduced:
                self.take_off(order, reduced, reason="CANCELED")
            self.flush()
            return self._result(order, Taken(), reduced_by=reduced, resting_changed=bool(reduced))
        return self._replace_resting(order, request, wanted)

    def decrease_order(
        self,
        user_id: str,
        order_id: str,
        *,
        reduce_by: int | None = None,
        reduce_to: int | None = None,
        subaccount: int | None = None,
    ) -> OrderResult:
        """Make a resting order smaller by, or to, a count; it keeps its place. To zero cancels it.

        Raises:
            ExchangeError: refused; nothing changed.
        """
        if (reduce_by is None) == (reduce_to is None):
            raise invalid_parameters("exactly one of reduce_by and reduce_to is needed")
        order = self._own_order(user_id, order_id, subaccount)
        self._market_for_cancel(order.ticker)
        if reduce_by is not None:
            reduced = min(reduce_by, order.remaining)
            valid = reduce_by > 0
        else:
            assert reduce_to is not None
            reduced = order.remaining - reduce_to
            valid = 0 <= reduce_to <= order.remaining
        if not valid:
            raise ExchangeError("invalid_order_size", "the order cannot be decreased to this size", 400)
        if reduced:
            self.take_off(order, reduced, reason="CANCELED")
        self.flush()
        return self._result(order, Taken(), reduced_by=reduced, resting_changed=bool(reduced))

    def cancel_order(self, user_id: str, order_id: str, *, subaccount: int | None = None) -> OrderResult:
        """Cancel what remains of a resting order.

        Raises:
            ExchangeError: 404 when there is no such resting order of this member; 400 after the market's close.
        """
        order = self._own_order(user_id, order_id, subaccount)
        self._market_for_cancel(order.ticker)
        reduced = order.remaining
        self.take_off(order, reduced, reason="CANCELED")
        self.flush()
        return self._result(order, Taken(), reduced_by=reduced, resting_changed=True)

    # Checks

    def _open_market(self, ticker: str) -> Market:
        """The market, if it takes orders now; orders that have expired are gone before anything trades."""
        if self.expire_orders():
            self.flush()
        self.check_exchange()
        if not self.trading_active:
            raise ExchangeError("trading_is_paused", "trading is paused", 400, details="TRADING_PAUSED")
        market = self.market(ticker)
        if market.status != "active" or not market.open_ms <= self.clock.now_ms() < market.close_ms:
            raise ExchangeError("market_inactive", f"market {ticker} is not open for trading", 400)
        return market

    def _market_for_cancel(self, ticker: str) -> Market:
        """The market, if it takes cancels now: paused ones do, closed ones do not."""
        self.check_exchange()
        market = self.market(ticker)
        if market.status not in ("active", "inactive") or self.clock.now_ms() >= market.close_ms:
            raise ExchangeError("market_inactive", f"market {ticker} is closed", 400)
        return market

    def _is_used(self, user_id: str, client_order_id: str) -> bool:
        """Whether a client order id cannot be given again; how long it cannot is `dedupe`."""
        member = self.members[user_id]
        if client_order_id not in member.client_order_ids:
            return False
        if self.dedupe == "forever":
            return True
        same = [order for order in member.orders if order.client_order_id == client_order_id]
        if self.dedupe == "open_only":
            return any(order.status == "resting" for order in same)
        since = self.clock.now_ms() - self.dedupe_window_ms
        return any(order.created_ms > since for order in same)

    def _check_new(self, user_id: str, request: NewOrder, market: Market) -> None:
        nameless = request.external and not request.client_order_id
        if not nameless and not 0 < len(request.client_order_id) <= MAX_CLIENT_ORDER_ID:
            raise invalid_parameters(f"client_order_id must have 1 to {MAX_CLIENT_ORDER_ID} characters")
        self._check_price_and_count(market, request.price, request.count)
        resting = request.time_in_force == "good_till_canceled"
        if request.expiration_s is not None and not resting:
            raise invalid_parameters("expiration_time goes only with time_in_force good_till_canceled")
        if self._refuses_expiration(request.expiration_s):
            raise invalid_parameters("the expiration must be in the future")
        if request.post_only and not resting:
            raise invalid_parameters("post_only goes only with time_in_force good_till_canceled")
        if request.order_group_id is not None:
            self.usable_group(user_id, request.order_group_id, subaccount=request.subaccount)
        if self._is_used(user_id, request.client_order_id):
            raise ExchangeError("order_already_exists", "an order with this client_order_id exists already", 409)
        if self._open_orders(user_id) >= MAX_OPEN_ORDERS:
            raise ExchangeError(
                "invalid_order", f"at most {MAX_OPEN_ORDERS} open orders", 400, details="EXCEEDED_OPEN_ORDERS_LIMIT"
            )

    def _refuses_expiration(self, expiration_s: int | None) -> bool:
        over = expiration_s is not None and expiration_s * 1000 <= self.clock.now_ms()
        return over and self.past_expiration == "refused"

    def _open_orders(self, user_id: str) -> int:
        """Resting orders of a member with a history (bots are not counted)."""
        member = self.members[user_id]
        if not member.keeps_history:
            return 0
        exposures = (exposure for account in member.accounts.values() for exposure in account.exposures.values())
        return sum(len(exposure.bids) + len(exposure.asks) for exposure in exposures)

    def _fills_whole(self, order: Order, max_cost: int | None) -> bool:
        """Whether the book holds enough for all of an order, for at most `max_cost` with fees where one is set."""
        left, cost = order.remaining, 0
        schedule = self.fee_schedule(self.markets[order.ticker], self.clock.now_ms())
        for price, size in self.books[order.ticker].crossing_levels(order.side, order.price):
            count = min(left, size)
            leg_price = price if order.side == "bid" else DOLLAR_PRICE - price
            cost += leg_price * count + schedule.trade_fee(price=price, count=count, is_taker=True)
            left -= count
            if not left:
                return max_cost is None or -(-cost // CENT) * CENT <= max_cost
        return False

    def _check_price_and_count(self, market: Market, price: int, count: int) -> None:
        if not on_grid(market.price_ranges, price):
            raise ExchangeError("invalid_price", f"the price is not on the grid ({market.price_level_structure})", 400)
        if not 0 < count <= MAX_COUNT:
            raise ExchangeError(
                "invalid_order_size", f"the count must be above 0 and at most {MAX_COUNT // CONTRACT}", 400
            )

    def _check_amend(self, order: Order, request: AmendOrder, market: Market) -> None:
        if request.ticker != order.ticker:
            raise ExchangeError("order_ticker_mismatch", "the order is in another market", 400)
        if request.side != order.side:
            raise ExchangeError("order_side_mismatch", "the order is on the other side", 400)
        if request.client_order_id is not None and request.client_order_id != order.client_order_id:
            raise ExchangeError(
                "order_id_and_client_order_id_mismatch", "order_id and client_order_id name different orders", 400
            )
        self._check_price_and_count(market, request.price, request.count)
        if request.count < order.filled:
            raise ExchangeError(
                "invalid_order_size", "more is filled already", 400, details="INVALID_AMEND_QTY_FOR_ORDER"
            )
        new_id = request.updated_client_order_id
        if new_id is not None and new_id != order.client_order_id:
            if not new_id or len(new_id) > MAX_CLIENT_ORDER_ID:
                raise invalid_parameters(f"updated_client_order_id must have 1 to {MAX_CLIENT_ORDER_ID} characters")
            if self._is_used(order.user_id, new_id):
                raise ExchangeError("order_already_exists", "an order with this client_order_id exists already", 409)

    def _reduced_count(self, account: Account, request: NewOrder) -> int:
        """The count, capped by the position for a reduce-only order."""
        if not request.reduce_only:
            return request.count
        exposure = self.exposure(account, request.ticker)
        resting = sum(o.remaining for o in exposure.reduce_only.values() if o.side == request.side)
        count = min(request.count, exposure.position.closable(request.side) - resting)
        if count <= 0:
            raise ExchangeError(
                "invalid_order", "there is no position to reduce", 400, details="EXCEEDED_SELL_POSITION_FLOOR"
            )
        return count

    def _check_funds(self, account: Account, order: Order, *, takes: bool = False) -> None:
        """Refuse when the order could need more than is available: what it would lock, and the taker's fee.

        takes: it will trade at once, though the book does not show it yet.
        """
        exposure = self.exposure(account, order.ticker)
        order.hold = self.hold_for(order, order.remaining)
        order.priority = self.sequence + 1
        needed = exposure.locked(extra=order) - exposure.hold
        opening = order.remaining - min(order.remaining, exposure.position.closable(order.side))
        if opening and (takes or self.books[order.ticker].crosses(order.side, order.price)):
            schedule = self.fee_schedule(self.markets[order.ticker], self.clock.now_ms())
            taker = schedule.trade_fee(price=order.price, count=opening, is_taker=True)
            maker = schedule.trade_fee(price=order.price, count=opening, is_taker=False)
            needed += taker - maker
        needed = -(-needed // CENT) * CENT
        if needed > 0 and needed > account.available:
            raise ExchangeError(
                "available_balance_too_low", "available balance too low", 400, details="INSUFFICIENT_BALANCE"
            )

    def _own_order(self, user_id: str, order_id: str, subaccount: int | None) -> Order:
        """A resting order of this member (in this subaccount, when one is named)."""
        order = self.all_orders.get(order_id)
        if order is None or order.user_id != user_id or subaccount not in (None, order.subaccount):
            raise not_found("order")
        if order.status != "resting":
            raise not_found("resting order")
        return order

    # Doing

    def _new_order(self, user_id: str, request: NewOrder, count: int) -> Order:
        now = self.clock.now_ms()
        return Order(
            order_id=self.ids.uuid(),
            sequence=self.next_sequence(),
            user_id=user_id,
            subaccount=request.subaccount,
            client_order_id=request.client_order_id,
            ticker=request.ticker,
            side=request.side,
            price=request.price,
            initial_count=count,
            remaining=count,
            time_in_force=request.time_in_force,
            self_trade_prevention_type=request.self_trade_prevention_type,
            created_ms=now,
            updated_ms=now,
            expiration_ms=None if request.expiration_s is None else request.expiration_s * 1000,
            post_only=request.post_only,
            reduce_only=request.reduce_only,
            cancel_order_on_pause=request.cancel_order_on_pause,
            order_group_id=request.order_group_id,
            sells=request.sells,
        )

    def _settle_remainder(self, order: Order, taken: Taken) -> None:
        """What did not trade rests, unless the order says otherwise."""
        if not order.remaining:
            self.touch_order(order)
            return
        expired = order.expiration_ms is not None and order.expiration_ms <= self.clock.now_ms()
        if taken.stopped:
            self.end(order, reason=taken.stopped)
        elif order.time_in_force != "good_till_canceled" or expired:
            # An expiry in the past makes an order immediate-or-cancel (docs:fix/order-entry, TimeInForce), unless the
            # other rule holds, which the changelog announces ("must be in the future"): see `_refuses_expiration`.
            self.end(order, reason="IMMEDIATE_OR_CANCELLED")
        else:
            self.rest(order)
            exposure = self.members[order.user_id].accounts[order.subaccount].exposures[order.ticker]
            if exposure.reduce_only:
                self.trim_reduce_only(exposure)

    def _replace_resting(self, order: Order, request: AmendOrder, wanted: int) -> OrderResult:
        """Take the order out and let it arrive anew with another price or a bigger size."""
        account = self.account(order.user_id, order.subaccount)
        exposure = self.exposure(account, order.ticker)
        probe = replace(order, price=request.price, remaining=wanted)
        if order.reduce_only and wanted > exposure.position.closable(order.side):
            raise ExchangeError("invalid_order", "more than the position", 400, details="EXCEEDED_SELL_POSITION_FLOOR")
        if self._self_crosses(probe):
            raise ExchangeError(
                "invalid_order", "the order would cross another of yours", 400, details="SELF_CROSS_ATTEMPT"
            )
        if order.post_only and self.books[order.ticker].crosses(order.side, request.price):
            raise ExchangeError("invalid_order", "invalid order", 400, details="post only cross")
        self._check_replacement_funds(account, order, probe)
        before = order.remaining
        self._withdraw(order)
        self._rename(order, request)
        order.price, order.remaining, order.initial_count = request.price, wanted, request.count
        order.updated_ms = self.clock.now_ms()
        taken = self.match(order)
        self._settle_remainder(order, taken)
        self.flush()
        return self._result(order, taken, resting_changed=order.remaining != before)

    def _self_crosses(self, probe: Order) -> bool:
        """Whether an order of the same member rests where this one would trade."""
        other: Side = "ask" if probe.side == "bid" else "bid"
        for account in self.members[probe.user_id].accounts.values():
            exposure = account.exposures.get(probe.ticker)
            for order in exposure.side(other).values() if exposure else ():
                if order.price <= probe.price if probe.side == "bid" else order.price >= probe.price:
                    return True
        return False

    def _check_replacement_funds(self, account: Account, order: Order, probe: Order) -> None:
        """`_check_funds` for `probe`, as if `order` were gone."""
        exposure = self.exposure(account, order.ticker)
        exposure.drop(order)
        exposure.add_hold(order.side, -order.hold)
        try:
            self._check_funds(account, probe)
        finally:
            exposure.add(order)
            exposure.add_hold(order.side, order.hold)

    def _withdraw(self, order: Order) -> None:
        """Take a whole order off the book without ending it."""
        count = order.remaining
        exposure = self._shrink(order, count)
        self._tell_delta(order, -count, cause=order)
        self.relock(exposure)

    def _rename(self, order: Order, request: AmendOrder) -> None:
        """Give the order its updated client order id; the old one stays used."""
        if request.updated_client_order_id:
            order.client_order_id = request.updated_client_order_id
            self.members[order.user_id].client_order_ids.add(order.client_order_id)

    def _result(self, order: Order, taken: Taken, *, reduced_by: int = 0, resting_changed: bool = False) -> OrderResult:
        price = fee = None
        if taken.count:
            price = (2 * taken.value * CONTRACT + taken.count) // (2 * taken.count)
            fee = (2 * taken.fees * CONTRACT + taken.count) // (2 * taken.count)
        return OrderResult(
            order=order,
            order_id=order.order_id,
            client_order_id=order.client_order_id,
            fill_count=taken.count,
            remaining_count=order.remaining,
            average_fill_price=price,
            average_fee_paid=fee,
            reduced_by=reduced_by,
            resting_changed=resting_changed,
            ts_ms=self.clock.now_ms(),
        )
