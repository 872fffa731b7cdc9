"""What members ask of the RFQ system: RFQs, quotes, accept, confirm. Each request is one whole action."""

from apps.paper.engine.catalogue import Market
from apps.paper.engine.errors import ExchangeError, invalid_parameters, not_found
from apps.paper.engine.events import QuoteChanged, RfqChanged
from apps.paper.engine.grids import on_grid
from apps.paper.engine.rfq import MAX_OPEN_RFQS, NewQuote, NewRfq, Quote, Rfq
from apps.paper.engine.rfq_execution import RfqExecution
from apps.paper.engine.trading import MAX_COUNT
from apps.paper.engine.units import CONTRACT, DOLLAR, DOLLAR_PRICE, Outcome

MAX_TARGET_COST = 1_000_000 * DOLLAR


class Communications(RfqExecution):
    """RFQs and quotes. Refusals carry the exchange's finer word in `details` (docs: rfqs, common errors)."""

    # --- RFQs ------------------------------------------------------------------------------------
    def create_rfq(self, user_id: str, request: NewRfq) -> Rfq:
        """Ask all members for quotes.

        Raises:
            ExchangeError: 400; 409, this member has an open RFQ on the market (that cannot be replaced).
        """
        self.run_rfq_timers()
        market = self._rfq_market(request.ticker)
        account = self.account(user_id, request.subaccount)
        self._check_size(request)
        before = self._replaceable(user_id, request)
        if len(self.board.open_of(user_id)) - (before is not None) >= MAX_OPEN_RFQS:
            raise ExchangeError(
                "invalid_parameters",
                f"at most {MAX_OPEN_RFQS} RFQs may be open",
                400,
                details="QUOTE_REQUEST_EXCEEDS_LIMIT",
            )
        if request.target_cost is not None and request.target_cost > account.available:
            raise _too_little_money()
        now = self.clock.now_ms()
        if before is not None:
            self.close_rfq(before, reason="replaced", at_ms=now, step="deleted")
        lifetime = self.rfq_rules.lifetime_ms
        rfq = Rfq(
            rfq_id=self.ids.uuid(),
            sequence=self.next_sequence(),
            user_id=user_id,
            subaccount=request.subaccount,
            ticker=market.ticker,
            event_ticker=market.event_ticker,
            contracts=request.contracts or 0,
            target_cost=request.target_cost,
            rest_remainder=request.rest_remainder,
            created_ms=now,
            updated_ms=now,
            kept=self.members[user_id].keeps_history,
            expires_ms=None if lifetime is None else now + lifetime,
        )
        self.board.add_rfq(rfq)
        self.tell(RfqChanged(rfq, "created", now))
        self.flush()
        return rfq

    def rfq(self, rfq_id: str) -> Rfq:
        """One RFQ of anybody: RFQs are told to all.

        Raises:
            ExchangeError: 404.
        """
        rfq = self.board.rfqs.get(rfq_id)
        if rfq is None:
            raise not_found("RFQ")
        return rfq

    def delete_rfq(self, user_id: str, rfq_id: str) -> None:
        """Withdraw an RFQ with all its quotes, an accepted one too.

        Raises:
            ExchangeError: 404, not an open RFQ of this member, or a maker has confirmed: nobody can withdraw then.
        """
        self.run_rfq_timers()
        self.check_exchange()
        rfq = self.board.rfqs.get(rfq_id)
        if rfq is None or rfq.user_id != user_id:
            raise not_found("RFQ")
        locked = self.board.locked(rfq)
        if rfq.status != "open" or (locked is not None and locked.status == "confirmed"):
            raise not_found("open RFQ")
        self.close_rfq(rfq, reason="deleted", at_ms=self.clock.now_ms(), step="deleted")
        self.flush()

    # --- quotes ----------------------------------------------------------------------------------
    def create_quote(self, user_id: str, request: NewQuote) -> Quote:
        """Answer an RFQ for its full size; replaces this maker's open quote on it.

        Raises:
            ExchangeError: 400.
        """
        self.run_rfq_timers()
        rfq = self.board.rfqs.get(request.rfq_id)
        if rfq is None:
            raise ExchangeError("invalid_parameters", "there is no such RFQ", 400, details="NOT_FOUND")
        if rfq.status != "open":
            raise _closed()
        if rfq.user_id == user_id:
            raise invalid_parameters("the RFQ is your own")
        market = self._rfq_market(rfq.ticker)
        self.account(user_id, request.subaccount)
        self._check_prices(market, request)
        now = self.clock.now_ms()
        quote = self._new_quote(user_id, request, rfq, now)
        before = self._replaced_by(quote)
        if not any(MAX_COUNT >= quote.offered(side) > 0 for side in ("yes", "no")):
            raise invalid_parameters("the target cost does not come to a valid count at these prices")
        for side in ("yes", "no"):
            if quote.offered(side):
                self.check_quote_funds(quote, side, of_maker=True)
        quote.quote_id, quote.sequence = self.ids.uuid(), self.next_sequence()
        for other in before:
            self.cancel_quote(other, reason="replaced", at_ms=now)
        if quote.kept and not rfq.kept:
            rfq.kept = True
            self.tell(RfqChanged(rfq, "changed", now))
        self.board.add_quote(quote)
        self.tell(QuoteChanged(quote, "created", now))
        self.flush()
        return quote

    def quote(self, user_id: str, quote_id: str, *, rfq_id: str | None = None) -> Quote:
        """A quote that this member made or got (on this RFQ, when one is named).

        Raises:
            ExchangeError: 404; the quotes of others look like none.
        """
        quote = self.board.quotes.get(quote_id)
        if quote is None or user_id not in (quote.user_id, quote.rfq_user_id) or rfq_id not in (None, quote.rfq_id):
            raise not_found("quote")
        return quote

    def delete_quote(self, user_id: str, quote_id: str, *, rfq_id: str | None = None) -> None:
        """Withdraw an open quote.

        Raises:
            ExchangeError: 404, not an open quote of this maker: an accepted one cannot be withdrawn (observed).
        """
        self.run_rfq_timers()
        self.check_exchange()
        quote = self.quote(user_id, quote_id, rfq_id=rfq_id)
        if quote.user_id != user_id or quote.status != "open":
            raise not_found("open quote")
        self.cancel_quote(quote, reason="deleted", at_ms=self.clock.now_ms())
        self.flush()

    def accept_quote(self, user_id: str, quote_id: str, *, side: Outcome, rfq_id: str | None = None) -> Quote:
        """Hit one bid of a quote on an RFQ of this member; the maker must then confirm.

        Raises:
            ExchangeError: 404, no quote on an RFQ of this member; 400.
        """
        self.run_rfq_timers()
        quote = self.quote(user_id, quote_id, rfq_id=rfq_id)
        if quote.rfq_user_id != user_id:
            raise not_found("quote on an RFQ of yours")
        self._rfq_market(quote.ticker)
        rfq = self.board.rfqs[quote.rfq_id]
        if quote.status == "cancelled" or quote.lapsed:
            raise _expired("the quote is over")
        if rfq.status != "open":
            raise _closed()
        if self.board.locked(rfq) is not None:
            raise ExchangeError(
                "invalid_parameters", "a quote on this RFQ is accepted already", 400, details="QUOTE_ALREADY_ACCEPTED"
            )
        if not 0 < quote.offered(side) <= MAX_COUNT:
            raise invalid_parameters(f"the quote has no {side} bid")
        self.check_quote_funds(quote, side, of_maker=False)
        now = self.clock.now_ms()
        quote.status = "accepted"
        quote.accepted_side = side
        quote.accepted_ms = quote.updated_ms = rfq.updated_ms = now
        quote.deadline_ms = now + self.windows(quote.ticker)[0]
        self.tell(QuoteChanged(quote, "accepted", now))
        self.tell(RfqChanged(rfq, "changed", now))
        if self.rfq_rules.closes_at == "acceptance":
            self.close_rfq(rfq, reason="", at_ms=now)
        if self.rfq_rules.take_fault("lapse", quote):
            quote.deadline_ms = now
            self.lapse(quote, at_ms=now)
        else:
            self.board.start_timer(quote)
        self.flush()
        return quote

    def confirm_quote(self, user_id: str, quote_id: str, *, rfq_id: str | None = None) -> Quote:
        """Stand by an accepted quote; the orders follow when the execution timer ends.

        Raises:
            ExchangeError: 404, no accepted quote of this maker (a second confirm too); 400, late, or the market rests.
        """
        quote = self.quote(user_id, quote_id, rfq_id=rfq_id)
        self.run_rfq_timers()
        if quote.user_id != user_id:
            raise not_found("quote of yours")
        if quote.lapsed:
            raise _expired("the confirmation window is over")
        if quote.status == "cancelled" and quote.accepted_side is not None:
            raise _closed()
        if quote.status != "accepted":
            raise not_found("accepted quote")
        self._rfq_market(quote.ticker)
        assert quote.accepted_side is not None
        if self.rfq_rules.take_fault("refuse_confirm", quote):
            raise invalid_parameters("the confirmation was refused")
        self.check_quote_funds(quote, quote.accepted_side, of_maker=True)
        now = self.clock.now_ms()
        quote.status = "confirmed"
        quote.confirmed_ms = quote.updated_ms = now
        quote.execute_ms = now + self.windows(quote.ticker)[1]
        self.board.start_timer(quote)
        self.tell(QuoteChanged(quote, "confirmed", now))
        self.flush()
        return quote

    # --- checks ----------------------------------------------------------------------------------
    def _rfq_market(self, ticker: str) -> Market:
        """The market, if it takes orders now; an unknown one is a bad request here, not a 404."""
        if ticker not in self.markets:
            raise ExchangeError("market_not_found", f"market {ticker} not found", 400)
        return self._open_market(ticker)

    def _check_size(self, request: NewRfq) -> None:
        if (request.contracts is None) == (request.target_cost is None):
            raise invalid_parameters("exactly one of contracts and target_cost_dollars is needed")
        if request.target_cost is not None and not 0 < request.target_cost <= MAX_TARGET_COST:
            raise invalid_parameters(f"the target cost must be above 0 and at most {MAX_TARGET_COST // DOLLAR} dollars")
        if request.contracts is not None:
            if not 0 < request.contracts <= MAX_COUNT:
                raise invalid_parameters(f"contracts must be above 0 and at most {MAX_COUNT // CONTRACT}")
            if request.contracts % CONTRACT and not self.rfq_rules.fractional:
                raise invalid_parameters("contracts must be whole")

    def _replaceable(self, user_id: str, request: NewRfq) -> Rfq | None:
        """The member's open RFQ on the market, to be deleted by the new one."""
        rfq = self.board.open_of(user_id).get(request.ticker)
        if rfq is None:
            return None
        locked = self.board.locked(rfq)
        if not request.replace_existing or (locked is not None and locked.status == "confirmed"):
            raise ExchangeError("rfq_already_exists", f"an RFQ on {request.ticker} is open already", 409)
        return rfq

    def _check_prices(self, market: Market, request: NewQuote) -> None:
        if not (request.yes_bid or request.no_bid):
            raise invalid_parameters("yes_bid and no_bid cannot both be 0")
        if request.yes_bid + request.no_bid > DOLLAR_PRICE:
            raise invalid_parameters("yes_bid and no_bid come to more than a dollar")
        for name, price in (("yes_bid", request.yes_bid), ("no_bid", request.no_bid)):
            if not price:
                continue
            if self.rfq_rules.grid == "free":
                fits = price < DOLLAR_PRICE
            else:
                fits = on_grid(market.price_ranges, price if name == "yes_bid" else DOLLAR_PRICE - price)
            if not fits:
                where = f"{name} is not on the grid ({market.price_level_structure})"
                raise ExchangeError("invalid_parameters", where, 400, details=name)

    def _replaced_by(self, quote: Quote) -> list[Quote]:
        """The maker's open quotes that a new one replaces.

        Raises:
            ExchangeError: 400, a quote of this maker on the RFQ is accepted or confirmed.
        """
        found = []
        rfq = self.board.rfqs[quote.rfq_id]
        everywhere = self.rfq_rules.replaces == "market"
        candidates = self.board.quotes_seen_by(quote.user_id).values() if everywhere else self.board.quotes_of(rfq)
        for other in candidates:
            if other.user_id != quote.user_id or other.ticker != quote.ticker:
                continue
            if other.rfq_id == quote.rfq_id and other.is_locked:
                raise ExchangeError(
                    "invalid_parameters", "your quote on this RFQ is accepted", 400, details="QUOTE_ALREADY_ACCEPTED"
                )
            if other.status == "open":
                found.append(other)
        return found

    def _new_quote(self, user_id: str, request: NewQuote, rfq: Rfq, now: int) -> Quote:
        """A quote without an id yet."""
        rules = self.rfq_rules
        return Quote(
            quote_id="",
            sequence=0,
            rfq_id=rfq.rfq_id,
            user_id=user_id,
            subaccount=request.subaccount,
            rfq_user_id=rfq.user_id,
            rfq_subaccount=rfq.subaccount,
            ticker=rfq.ticker,
            event_ticker=rfq.event_ticker,
            contracts=rfq.contracts,
            target_cost=rfq.target_cost,
            yes_bid=request.yes_bid,
            no_bid=request.no_bid,
            yes_contracts=rules.offered(contracts=rfq.contracts, target_cost=rfq.target_cost, bid=request.yes_bid),
            no_contracts=rules.offered(contracts=rfq.contracts, target_cost=rfq.target_cost, bid=request.no_bid),
            rest_remainder=request.rest_remainder,
            post_only=request.post_only,
            created_ms=now,
            updated_ms=now,
            kept=self.members[user_id].keeps_history or self.members[rfq.user_id].keeps_history,
        )


def _closed() -> ExchangeError:
    return ExchangeError("invalid_parameters", "the RFQ is closed", 400, details="RFQ_CLOSED")


def _expired(message: str) -> ExchangeError:
    return ExchangeError("expired", message, 400, details="EXPIRED")


def _too_little_money() -> ExchangeError:
    return ExchangeError("available_balance_too_low", "available balance too low", 400, details="INSUFFICIENT_BALANCE")
