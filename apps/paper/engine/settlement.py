"""The end of a market: its result, the settlement timer, the payout.

Source: docs getting_started/market_lifecycle and market_settlement. What an account is paid is rounded down to whole
cents; the rest is the settlement fee, so that payout and fee are the exact value of the position. In a void market
every position is returned at its cost (OpenAPI: Settlement.market_result): what the costs of both sides are more, or
less, than the dollars that the pairs hold is the exchange's loss, or gain.
"""

from heapq import heappop, heappush
from random import Random

from apps.paper.engine.accounts import Account, Exposure, Position
from apps.paper.engine.catalogue import Market, MarketResult
from apps.paper.engine.errors import ExchangeError, invalid_parameters
from apps.paper.engine.events import MarketLifecycle, SettlementPaid, TickerChanged
from apps.paper.engine.matching import Matching
from apps.paper.engine.orders import Settlement
from apps.paper.engine.units import DOLLAR_PRICE, floor_to_cent


class Settling(Matching):
    """Determination and settlement, by hand or by the clock (`determine_after_ms` after the close)."""

    def end_markets_after(self, delay_ms: int | None) -> None:
        """Determine markets by themselves this long after their close; None: only by hand."""
        self.determine_after_ms = delay_ms
        self.determinations.clear()
        for market in self.markets.values():
            self.schedule_end(market)

    def schedule_end(self, market: Market) -> None:
        """Note what the clock will make due for a closed or determined market; nothing for others.

        Combos get their results from their legs.
        """
        if market.status == "closed" and self.determine_after_ms is not None and not market.is_combo:
            heappush(self.determinations, (market.close_ms + self.determine_after_ms, market.ticker))
        elif market.status in ("determined", "amended") and market.determined_ms is not None:
            heappush(self.settlements_due, (_settlement_ms(market), market.ticker))

    def determine(self, ticker: str, *, result: MarketResult, value: int | None = None) -> Market:
        """Set the result of a closed (or disputed) market; `value` of a YES contract in price units, scalar only.

        Raises:
            ExchangeError: 404; 400, a combo, a market that is not closed, or a value that does not fit the result.
        """
        market = self._market_with_own_result(ticker)
        if market.status not in ("closed", "disputed"):
            raise ExchangeError("invalid_market_status", f"market {ticker} is {market.status}, not closed", 400)
        if (result == "scalar") != (value is not None) or result == "":
            raise invalid_parameters("a value goes with the result scalar, and only with it")
        if value is not None and not 0 <= value <= DOLLAR_PRICE:
            raise invalid_parameters("a value is 0 to 1 dollar")
        self.put_result(market, result, {"yes": DOLLAR_PRICE, "no": 0}.get(result, value))
        self.follow_legs(market)
        self.flush()
        return market

    def put_result(self, market: Market, result: MarketResult, value: int | None) -> None:
        """Determine a market, within an action; `value` None is void. A disputed market becomes amended."""
        now = self.clock.now_ms()
        market.status = "amended" if market.status == "disputed" else "determined"
        market.result = result
        market.settlement_value = value
        market.expiration_value = result
        market.determined_ms = market.updated_ms = now
        self.schedule_end(market)
        self.tell(MarketLifecycle("determined", market, now))

    def follow_legs(self, leg: Market) -> None:
        """Take combos along when something of a market changed that they depend on (see `Combos`)."""

    def _market_with_own_result(self, ticker: str) -> Market:
        market = self.market(ticker)
        if market.is_combo:
            raise ExchangeError("invalid_market_status", f"the result of {ticker} follows from its legs", 400)
        return market

    def dispute(self, ticker: str) -> Market:
        """Challenge a result: the settlement timer stops until the market is determined again.

        Raises:
            ExchangeError: 404; 400, a combo, a market without a result or settled already.
        """
        market = self._market_with_own_result(ticker)
        if market.status not in ("determined", "amended"):
            raise ExchangeError("invalid_market_status", f"market {ticker} is {market.status}, not determined", 400)
        self.put_in_dispute(market)
        self.follow_legs(market)
        self.flush()
        return market

    def put_in_dispute(self, market: Market) -> None:
        """Dispute a result, within an action."""
        market.status = "disputed"
        market.updated_ms = self.clock.now_ms()
        # No lifecycle event is documented for this step; whoever follows the markets hears of it here.
        self.tell(TickerChanged(market, market.updated_ms))

    def settle(self, ticker: str) -> Market:
        """Pay out a determined market now.

        Raises:
            ExchangeError: 404; 400, a market without a result, disputed, or settled already.
        """
        market = self.market(ticker)
        if market.status not in ("determined", "amended"):
            raise ExchangeError("invalid_market_status", f"market {ticker} is {market.status}, not determined", 400)
        now = self.clock.now_ms()
        pairs = paid = 0
        for member in self.members.values():
            for account in member.accounts.values():
                exposure = account.exposures.get(ticker)
                if exposure is not None and exposure.position.count:
                    pairs += max(0, exposure.position.count)
                    paid += self._pay(market, account, exposure)
        self.collateral -= pairs * DOLLAR_PRICE
        self.fees += pairs * DOLLAR_PRICE - paid  # nothing but in a void market
        market.open_interest = 0
        market.status = "finalized"
        market.settled_ms = market.updated_ms = now
        self.tell(MarketLifecycle("settled", market, now))
        self.flush()
        return market

    def end_due(self) -> None:
        """Determine and settle what the clock has made due."""
        now = self.clock.now_ms()
        while self.determinations and self.determinations[0][0] <= now:
            market = self.markets[heappop(self.determinations)[1]]
            if market.status == "closed" and self.determine_after_ms is not None:
                self.determine(market.ticker, result=self._natural_result(market))
        while self.settlements_due and self.settlements_due[0][0] <= now:
            due_ms, ticker = heappop(self.settlements_due)
            market = self.markets[ticker]
            if market.status in ("determined", "amended") and due_ms == _settlement_ms(market):
                self.settle(ticker)

    def _pay(self, market: Market, account: Account, exposure: Exposure) -> int:
        """Pay one position out; return its exact value, micro-dollars."""
        position = exposure.position
        now = self.clock.now_ms()
        exact = _worth(position, market.settlement_value)
        paid = floor_to_cent(exact)
        fee = exact - paid
        settlement = Settlement(
            sequence=self.next_sequence(),
            user_id=account.user_id,
            subaccount=account.subaccount,
            ticker=market.ticker,
            event_ticker=market.event_ticker,
            result=market.result,
            yes_count=max(0, position.count),
            yes_cost=position.cost if position.count > 0 else 0,
            no_count=max(0, -position.count),
            no_cost=position.cost if position.count < 0 else 0,
            revenue=paid,
            settlement_fee=fee,
            fees_paid=position.fees_paid + fee,
            value=market.settlement_value,
            settled_ms=now,
        )
        position.realized_pnl += exact - position.cost
        position.fees_paid += fee
        position.count = position.cost = position.fee_cost = 0
        position.updated_ms = account.updated_ms = now
        account.cash += paid
        self.fees += fee
        self.relock(exposure)
        member = self.members[account.user_id]
        if member.keeps_history:
            member.settlements.append(settlement)
        self.touch_position(position)
        self.tell(SettlementPaid(settlement, account))
        return exact

    def _natural_result(self, market: Market) -> MarketResult:
        """A result as likely as the last price says, the same in every run of the same day.

        One draw per event, so that its markets agree: exactly one winner at most where they exclude each other, and
        never the dearer of two thresholds lost while the cheaper one won.
        """
        event = self.events[market.event_ticker]
        draw = Random(f"result:{self.seed}:{event.ticker}").random() * DOLLAR_PRICE
        if not event.mutually_exclusive:
            return "yes" if draw < market.last_price else "no"
        if any(self.markets[ticker].result == "yes" for ticker in event.market_tickers):
            return "no"
        below = 0
        for ticker in event.market_tickers:
            other = self.markets[ticker]
            if other is market:
                break
            below += other.last_price
        return "yes" if below <= draw < below + market.last_price else "no"


def _worth(position: Position, yes_value: int | None) -> int:
    """Micro-dollars that a position is worth at this value of a YES contract (price units); its cost when void."""
    if yes_value is None:
        return position.cost
    return yes_value * position.count if position.count > 0 else (DOLLAR_PRICE - yes_value) * -position.count


def _settlement_ms(market: Market) -> int:
    assert market.determined_ms is not None
    return market.determined_ms + market.settlement_timer_seconds * 1000
