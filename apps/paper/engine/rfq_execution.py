"""What becomes of RFQs and quotes by the clock: lapse, execution into the public book, closing, forgetting."""

from apps.paper.engine.catalogue import Market
from apps.paper.engine.errors import ExchangeError
from apps.paper.engine.events import QuoteChanged, RfqChanged
from apps.paper.engine.orders import NewOrder, Order
from apps.paper.engine.rfq import HVM_WINDOWS, STANDARD_WINDOWS, Quote, QuoteStep, Rfq, RfqStep, client_order_id
from apps.paper.engine.trading import Trading
from apps.paper.engine.units import Outcome, Side, TimeInForce


class RfqExecution(Trading):
    """The clock's side of the RFQ system; what members do is in `Communications`."""

    def run_rfq_timers(self) -> None:
        """Do what has come due, in the order in which it did. Before anything else that the clock does."""
        now = self.clock.now_ms()
        found = False
        while due := self.board.due(now):
            found = True
            due_ms, kind, item_id = due
            quote, rfq = self.board.quotes.get(item_id), self.board.rfqs.get(item_id)
            if kind == "confirm" and quote and quote.status == "accepted" and quote.deadline_ms == due_ms:
                self.lapse(quote, at_ms=due_ms)
            elif kind == "execute" and quote and quote.status == "confirmed":
                self._execute(quote, at_ms=due_ms)
            elif kind == "expire" and rfq and rfq.status == "open" and rfq.expires_ms == due_ms:
                self._expire(rfq, at_ms=due_ms)
            elif kind == "purge_quote" and quote:
                self.board.drop_quote(quote)
                self.tell(QuoteChanged(quote, "purged", now))
            elif kind == "purge_rfq" and rfq and not self.board.quotes_of(rfq):
                self.board.drop_rfq(rfq)
                self.tell(RfqChanged(rfq, "purged", now))
        if found:
            self.flush()

    def market_closed(self, market: Market) -> None:
        """A market takes no orders any more: its RFQs are over, and confirmed quotes with them."""
        for rfq in self.board.open_in(market.ticker):
            self.close_rfq(rfq, reason="market_closed", at_ms=self.clock.now_ms())

    def windows(self, ticker: str) -> tuple[int, int]:
        """Milliseconds to confirm, and from the confirmation to the orders."""
        return HVM_WINDOWS if self.is_hvm(ticker) else STANDARD_WINDOWS

    def is_hvm(self, ticker: str) -> bool:
        """Whether a market has the short windows: combos, and what the exchange designates."""
        return self.markets[ticker].is_combo or ticker in self.rfq_rules.hvm

    def lapse(self, quote: Quote, *, at_ms: int) -> None:
        """The confirmation window of an accepted quote is over; the RFQ can be accepted again."""
        quote.lapsed = True
        quote.updated_ms = at_ms
        if self.rfq_rules.lapsed == "cancelled":
            self.cancel_quote(quote, reason="confirmation_window_expired", at_ms=at_ms)
        else:
            self.board.start_timer(quote)
            self._tell_quote(quote, "lapsed", at_ms)
        self._forget(self.board.rfqs[quote.rfq_id])

    def cancel_quote(self, quote: Quote, *, reason: str, at_ms: int) -> None:
        """A quote is over without orders."""
        quote.status = "cancelled"
        quote.cancellation_reason = reason
        quote.cancelled_ms = quote.updated_ms = at_ms
        self.board.start_timer(quote)
        self._tell_quote(quote, "cancelled", at_ms)
        if not quote.kept:
            self.board.drop_quote(quote)

    def close_rfq(self, rfq: Rfq, *, reason: str, at_ms: int, step: RfqStep = "closed") -> None:
        """An RFQ is over. With a reason all that waits is cancelled; without one an accepted quote goes on."""
        rfq.status = "closed"
        rfq.updated_ms = at_ms
        if reason:
            rfq.cancellation_reason, rfq.cancelled_ms = reason, at_ms
        self.board.close(rfq)
        for quote in list(self.board.quotes_of(rfq)):
            if quote.status == "open" or (reason and quote.is_locked):
                self.cancel_quote(quote, reason="rfq_deleted" if step == "deleted" else "rfq_closed", at_ms=at_ms)
        told = self.rfq_rules.closings_told == "all"
        self.tell(RfqChanged(rfq, "deleted" if told else step, at_ms))
        self._forget(rfq)

    def _forget(self, rfq: Rfq) -> None:
        """Of RFQs between members without history nothing is kept once they are over."""
        if rfq.status == "closed" and not rfq.kept and self.board.locked(rfq) is None:
            self.board.drop_rfq(rfq)

    def _tell_quote(self, quote: Quote, step: QuoteStep, at_ms: int) -> None:
        self.tell(QuoteChanged(quote, step, at_ms))

    def _expire(self, rfq: Rfq, *, at_ms: int) -> None:
        """An RFQ that waits for a quote lives until that is decided."""
        locked = self.board.locked(rfq)
        if locked is None:
            self.close_rfq(rfq, reason="expired", at_ms=at_ms)
        else:
            rfq.expires_ms = max(at_ms, locked.execute_ms or locked.deadline_ms or 0) + 1
            self.board.start_expiry(rfq)

    # --- execution -------------------------------------------------------------------------------
    def _execute(self, quote: Quote, *, at_ms: int) -> None:
        """Enter the orders of both sides into the public book, the maker's first, or neither."""
        rfq = self.board.rfqs[quote.rfq_id]
        self.expire_orders()
        reason = self._obstacle(quote, at_ms=at_ms)
        if not reason and self.rfq_rules.take_fault("execution_fails", quote):
            reason = "execution_failed"
        if reason:
            self.cancel_quote(quote, reason=reason, at_ms=at_ms)
            self._forget(rfq)
            return
        assert quote.accepted_side is not None
        side, price = quote.maker_terms(quote.accepted_side)
        now = self.clock.now_ms()
        maker = self._place(self._order(quote, side, price, of_maker=True))
        other: Side = "ask" if side == "bid" else "bid"
        taker = self._place(self._order(quote, other, price, of_maker=False))
        if maker.status == "resting" and not quote.rest_remainder:
            self.take_off(maker, maker.remaining, reason="IMMEDIATE_OR_CANCELLED")
        quote.order_id, quote.client_order_id = maker.order_id, maker.client_order_id
        quote.rfq_order_id, quote.rfq_client_order_id = taker.order_id, taker.client_order_id
        quote.executed_ms = quote.updated_ms = now
        quote.misreported = self.rfq_rules.take_fault("cancelled_but_filled", quote)
        if quote.misreported:
            self.cancel_quote(quote, reason="execution_failed", at_ms=now)
        else:
            quote.status = "executed"
            self._tell_quote(quote, "executed", now)
        if rfq.status == "open":
            self.close_rfq(rfq, reason="", at_ms=now)
        self._forget(rfq)

    def _obstacle(self, quote: Quote, *, at_ms: int) -> str:
        """Why the orders cannot be entered; empty when they can."""
        market = self.markets.get(quote.ticker)
        if not (self.exchange_active and self.trading_active):
            return "trading_paused"
        if market is None or market.status != "active" or at_ms >= market.close_ms:
            return "market_inactive"
        assert quote.accepted_side is not None
        side, price = quote.maker_terms(quote.accepted_side)
        if quote.post_only and self.books[quote.ticker].crosses(side, price):
            return "post_only_cross"
        try:
            self.check_quote_funds(quote, quote.accepted_side, of_maker=True)
            self.check_quote_funds(quote, quote.accepted_side, of_maker=False)
        except ExchangeError:
            return "insufficient_balance"
        return ""

    def check_quote_funds(self, quote: Quote, side: Outcome, *, of_maker: bool) -> None:
        """Refuse when a side could not pay for its order; the requester's is counted as a taker's.

        Nothing is locked from the accept on until the orders are placed: the docs name no hold.

        Raises:
            ExchangeError: 400, insufficient balance.
        """
        book_side, price = quote.maker_terms(side)
        if not of_maker:
            book_side = "ask" if book_side == "bid" else "bid"
        user_id, number = (quote.user_id, quote.subaccount) if of_maker else (quote.rfq_user_id, quote.rfq_subaccount)
        probe = self._probe(quote, book_side, price, quote.offered(side), user_id=user_id, subaccount=number)
        self._check_funds(self.account(user_id, number), probe, takes=not of_maker)

    def _probe(self, quote: Quote, side: Side, price: int, count: int, *, user_id: str, subaccount: int) -> Order:
        """An order that is only weighed: it draws no id."""
        return Order(
            order_id="",
            sequence=0,
            user_id=user_id,
            subaccount=subaccount,
            client_order_id="",
            ticker=quote.ticker,
            side=side,
            price=price,
            initial_count=count,
            remaining=count,
            time_in_force="good_till_canceled",
            self_trade_prevention_type="taker_at_cross",
            created_ms=0,
            updated_ms=0,
        )

    def _order(self, quote: Quote, side: Side, price: int, *, of_maker: bool) -> Order:
        """The order of one side, registered but not yet in the book.

        The maker's may rest until the requester's has met it; what then remains of either goes by `rest_remainder`.
        """
        assert quote.accepted_side is not None
        rests = of_maker or self.board.rfqs[quote.rfq_id].rest_remainder
        time_in_force: TimeInForce = "good_till_canceled" if rests else "immediate_or_cancel"
        user_id = quote.user_id if of_maker else quote.rfq_user_id
        count = quote.offered(quote.accepted_side)
        name = client_order_id("quote", quote.quote_id) if of_maker else client_order_id("rfq", quote.rfq_id)
        request = NewOrder(
            ticker=quote.ticker,
            client_order_id=name,
            side=side,
            price=price,
            count=count,
            time_in_force=time_in_force,
            post_only=of_maker and quote.post_only,
            subaccount=quote.subaccount if of_maker else quote.rfq_subaccount,
        )
        order = self._new_order(user_id, request, count)
        member = self.members[user_id]
        member.client_order_ids.add(order.client_order_id)
        self.all_orders[order.order_id] = order
        if member.keeps_history:
            member.orders.append(order)
        return order

    def _place(self, order: Order) -> Order:
        self._settle_remainder(order, self.match(order))
        return order
