"""Hypothesis drives an exchange with anything at once; what must always hold is checked after every step."""

from collections import defaultdict
from contextlib import suppress
from random import Random
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from apps.paper.engine.book import Ladder
from apps.paper.engine.errors import ExchangeError
from apps.paper.engine.events import BookDelta, Event
from apps.paper.engine.orders import AmendOrder, Fill, Trade
from apps.paper.engine.units import CENT
from tests.paper.engine.support import NOON_MS, OTHER, TICKER, make_exchange, money, place

MEMBERS = ("m0", "m1", "m2")
CENTS_PER_FILL = 1  # rounding may take that much more than was locked


class ExchangeMachine(RuleBasedStateMachine):
    """Random members, orders, amends, cancels and pauses on two markets with a tapered grid."""

    @initialize(
        fee_type=st.sampled_from(["quadratic", "quadratic_with_maker_fees"]),
        multiplier=st.sampled_from(["0", "0.5", "1"]),
        dollars=st.sampled_from([5, 1_000]),
    )
    def start(self, fee_type: str, multiplier: str, dollars: int) -> None:
        self.exchange = make_exchange(
            fee_type=fee_type, multiplier=multiplier, structure="tapered_deci_cent", members=0
        )
        for user_id in MEMBERS:
            self.exchange.add_member(name=user_id, user_id=user_id, cash_cents=dollars * 100, subaccounts=1)
            self.exchange.deposit(user_id, cents=dollars * 10, subaccount=1)
        self.fills: list[Fill] = []
        self.trades: list[Trade] = []
        self.ids: list[str] = []
        self.groups: list[tuple[str, str]] = []  # (member, group id)
        self.folded: dict[tuple[str, str, int], int] = defaultdict(int)
        self.exchange.subscribe(self._hear)

    def _hear(self, event: Event) -> None:
        if isinstance(event, Fill):
            self.fills.append(event)
        elif isinstance(event, Trade):
            self.trades.append(event)
        elif isinstance(event, BookDelta):
            self.folded[(event.ticker, event.side, event.price_units)] += event.delta_units

    @rule(
        user_id=st.sampled_from(MEMBERS),
        ticker=st.sampled_from([TICKER, OTHER]),
        side=st.sampled_from(["bid", "ask"]),
        price=st.one_of(st.integers(40, 60).map(lambda p: p * 100), st.sampled_from([10, 550, 990, 9_010, 9_990])),
        count=st.one_of(st.integers(1, 300), st.integers(1, 9).map(lambda c: c * 100)),
        over=st.fixed_dictionaries(
            {},
            optional={
                "time_in_force": st.sampled_from(["good_till_canceled", "immediate_or_cancel", "fill_or_kill"]),
                "self_trade_prevention_type": st.sampled_from(["taker_at_cross", "maker"]),
                "post_only": st.booleans(),
                "reduce_only": st.booleans(),
                "subaccount": st.sampled_from([0, 1]),
                "expiration_s": st.integers(1, 20).map(lambda s: NOON_MS // 1000 + s),
            },
        ),
    )
    def create(self, user_id: str, ticker: str, side: str, price: int, count: int, over: dict[str, Any]) -> None:
        best = self._best_makers(ticker, side, price, user_id)
        seen = len(self.trades)
        result = None
        with suppress(ExchangeError):  # refused in words, never a crash
            result = place(self.exchange, user_id, side, price, count / 100, ticker=ticker, **over)
        if result is None:
            assert len(self.trades) == seen
            return
        self.ids.append(result.order_id)
        if over.get("time_in_force", "good_till_canceled") != "good_till_canceled":
            assert result.remaining_count == 0
        trades = {trade.trade_id for trade in self.trades[seen:]}
        made = [fill.order_id for fill in self.fills if not fill.is_taker and fill.trade_id in trades]
        # A reduce-only order may lose its place while its owner's other orders trade, one of a group when the group
        # triggers; nothing else may.
        lost = ("REDUCE_ONLY", "ORDER_GROUP_CANCEL")
        gone = {o.order_id for o in self.exchange.all_orders.values() if o.cancel_reason in lost} - set(made)
        best = [order_id for order_id in best if order_id not in gone]
        assert made == best[: len(made)]  # price-time priority

    @rule(seed=st.integers(0, 2**32))
    def burst(self, seed: int) -> None:
        """Many plausible orders at once, so that books fill up and trade."""
        random = Random(seed)
        for _ in range(20):
            over: dict[str, Any] = {"self_trade_prevention_type": random.choice(["taker_at_cross", "maker"])}
            if random.random() < 0.2:
                over["time_in_force"] = random.choice(["immediate_or_cancel", "fill_or_kill"])
            if random.random() < 0.2:
                over["reduce_only"] = True
            if random.random() < 0.2:
                over["subaccount"] = 1
            self.create(
                random.choice(MEMBERS),
                random.choice([TICKER, OTHER]),
                random.choice(["bid", "ask"]),
                random.choice([990, *range(4_500, 5_600, 100), 9_010]),
                random.choice([random.randint(1, 300), 100, 200, 500]),
                over,
            )

    @rule(user_id=st.sampled_from(MEMBERS), limit=st.integers(1, 10))
    def make_group(self, user_id: str, limit: int) -> None:
        self.groups.append((user_id, self.exchange.create_group(user_id, limit=limit * 100).group_id))

    @precondition(lambda self: self.groups)
    @rule(data=st.data(), side=st.sampled_from(["bid", "ask"]), price=st.integers(46, 54), count=st.integers(1, 1_500))
    def create_in_group(self, data: st.DataObject, side: str, price: int, count: int) -> None:
        user_id, group_id = data.draw(st.sampled_from(self.groups))
        tif = data.draw(st.sampled_from(["good_till_canceled", "immediate_or_cancel", "fill_or_kill"]))
        self.create(user_id, TICKER, side, price * 100, count, {"order_group_id": group_id, "time_in_force": tif})

    @precondition(lambda self: self.groups)
    @rule(data=st.data(), limit=st.integers(1, 10), what=st.sampled_from(["reset", "trigger", "limit"]))
    def change_group(self, data: st.DataObject, limit: int, what: str) -> None:
        user_id, group_id = data.draw(st.sampled_from(self.groups))
        if what == "reset":
            self.exchange.reset_group(user_id, group_id)
        elif what == "trigger":
            self.exchange.trigger_group(user_id, group_id)
        else:
            self.exchange.limit_group(user_id, group_id, limit=limit * 100)

    @invariant()
    def no_triggered_group_has_an_order(self) -> None:
        for user_id, group_id in self.groups if hasattr(self, "exchange") else ():
            group = self.exchange.group(user_id, group_id)
            assert group.triggered or not self.exchange.is_over(group)
            assert not group.triggered or self.exchange.grouped(group) == []

    def _best_makers(self, ticker: str, side: str, price: int, user_id: str) -> list[str]:
        """Who an order would trade with, in order, by sorting all resting orders anew."""
        self.exchange.expire_due()
        other = "ask" if side == "bid" else "bid"
        resting = [
            order
            for order in self.exchange.all_orders.values()
            if order.status == "resting" and order.ticker == ticker and order.side == other and order.user_id != user_id
            and (order.price <= price if side == "bid" else order.price >= price)
        ]  # fmt: skip
        resting.sort(key=lambda o: (o.price if side == "bid" else -o.price, o.priority))
        return [order.order_id for order in resting]

    @precondition(lambda self: self.ids)
    @rule(data=st.data())
    def amend(self, data: st.DataObject) -> None:
        order = self.exchange.all_orders[data.draw(st.sampled_from(self.ids))]
        request = AmendOrder(
            ticker=order.ticker,
            side=order.side,
            price=data.draw(st.integers(40, 60)) * 100,
            count=data.draw(st.integers(1, 1_500)),
        )
        before = (order.price, order.remaining, order.status)
        amended = False
        with suppress(ExchangeError):
            self.exchange.amend_order(order.user_id, order.order_id, request)
            amended = True
        assert amended or (order.price, order.remaining, order.status) == before

    @precondition(lambda self: self.ids)
    @rule(data=st.data(), by=st.integers(1, 200))
    def cancel_or_decrease(self, data: st.DataObject, by: int) -> None:
        order = self.exchange.all_orders[data.draw(st.sampled_from(self.ids))]
        was_resting = order.status == "resting"
        cancel = data.draw(st.booleans())
        done = False
        with suppress(ExchangeError):
            if cancel:
                self.exchange.cancel_order(order.user_id, order.order_id)
            else:
                self.exchange.decrease_order(order.user_id, order.order_id, reduce_by=by)
            done = True
        assert done == was_resting
        if done and cancel:
            assert order.status == "canceled"

    @rule(seconds=st.integers(1, 5))
    def wait(self, seconds: int) -> None:
        self.exchange.clock.ms += seconds * 1_000
        self.exchange.expire_due()

    @rule(ticker=st.sampled_from([TICKER, OTHER]))
    def pause_and_resume(self, ticker: str) -> None:
        self.exchange.pause_market(ticker)
        self.exchange.resume_market(ticker)

    @invariant()
    def no_money_is_made_or_lost(self) -> None:
        if hasattr(self, "exchange"):
            assert money(self.exchange) == self.exchange.deposited
            interest = sum(market.open_interest for market in self.exchange.markets.values())
            assert self.exchange.collateral == interest * 10_000

    @invariant()
    def accounts_are_whole_and_solvent(self) -> None:
        for member in self.exchange.members.values() if hasattr(self, "exchange") else ():
            for account in member.accounts.values():
                assert account.cash % CENT == 0
                assert account.held == sum(e.locked() for e in account.exposures.values())
                fills = sum(f.user_id == member.user_id for f in self.fills)
                assert account.available >= -fills * CENTS_PER_FILL * CENT

    @invariant()
    def books_are_whole_and_not_crossed(self) -> None:
        for ticker, book in self.exchange.books.items() if hasattr(self, "exchange") else ():
            if book.yes.best is not None and book.no.best is not None:
                assert book.yes.best + book.no.best < 10_000
            for side, ladder in (("yes", book.yes), ("no", book.no)):
                self._check_ladder(ticker, side, ladder)

    def _check_ladder(self, ticker: str, side: str, ladder: Ladder) -> None:
        assert ladder.prices == sorted(ladder.levels)
        for price, level in ladder.levels.items():
            orders = list(level.orders.values())
            assert level.total == sum(o.remaining for o in orders) > 0
            assert [o.priority for o in orders] == sorted(o.priority for o in orders)
            assert all(o.status == "resting" and o.book_price == price for o in orders)
        told = {p: size for (t, s, p), size in self.folded.items() if (t, s) == (ticker, side) and size}
        assert told == {price: level.total for price, level in ladder.levels.items()}

    @invariant()
    def positions_are_the_sum_of_fills(self) -> None:
        if not hasattr(self, "exchange"):
            return
        summed: dict[tuple[str, int, str], int] = defaultdict(int)
        fees: dict[tuple[str, int, str], int] = defaultdict(int)
        for fill in self.fills:
            key = (fill.user_id, fill.subaccount, fill.ticker)
            summed[key] += fill.count if fill.side == "bid" else -fill.count
            fees[key] += fill.fee
            assert fill.fee >= 0
        for user_id in MEMBERS:
            for position in self.exchange.member(user_id).positions():
                key = (user_id, position.subaccount, position.ticker)
                assert position.count == summed[key]
                assert position.fees_paid == fees[key]
                assert position.cost >= 0
                assert bool(position.cost) <= bool(position.count)

    @invariant()
    def ids_are_unique(self) -> None:
        if hasattr(self, "exchange"):
            every = self.ids + [trade.trade_id for trade in self.trades]
            assert len(set(every)) == len(every)


TestExchangeMachine = ExchangeMachine.TestCase
TestExchangeMachine.settings = settings(max_examples=40, stateful_step_count=30, deadline=None)
