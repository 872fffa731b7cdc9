"""Hypothesis drives RFQs, quotes and the book at once; what must always hold is checked after every step."""

from contextlib import suppress
from random import Random
from typing import Any

import msgspec
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from apps.paper.engine.changes import ChangeLog
from apps.paper.engine.errors import ExchangeError
from apps.paper.engine.events import Event, QuoteChanged, RfqChanged
from apps.paper.engine.exchange import PaperExchange
from apps.paper.engine.rfq import Quote, RfqFault
from apps.paper.engine.snapshot import Changes, ExchangeSnapshot, apply, restore, take
from apps.paper.engine.units import CENT, DOLLAR
from tests.paper.engine.rfqs import ask, offer
from tests.paper.engine.support import OTHER, TICKER, add_member, make_exchange, money, place

MEMBERS = ("m0", "m1", "m2", "bot")
TICKERS = (TICKER, OTHER)
CENTS_PER_FILL = 1  # rounding may take that much more than was locked
# What a quote may become of what it was.
STEPS = {
    "open": {"open", "accepted", "cancelled"},
    "accepted": {"accepted", "confirmed", "cancelled"},
    "confirmed": {"confirmed", "executed", "cancelled"},
    "executed": {"executed"},
    "cancelled": {"cancelled"},
}

members = st.sampled_from(MEMBERS)
tickers = st.sampled_from(TICKERS)
bids = st.one_of(st.integers(30, 70).map(lambda cents: cents * 100), st.just(0))


class RfqMachine(RuleBasedStateMachine):
    """Four members, one of them without history, on two markets of which one has the short windows."""

    @initialize(
        lapsed=st.sampled_from(["accepted", "cancelled"]),
        closes_at=st.sampled_from(["execution", "acceptance"]),
        buys=st.sampled_from(["requester", "maker"]),
        lifetime=st.sampled_from([None, 20_000]),
        fractional=st.booleans(),
        dollars=st.sampled_from([20, 1_000]),
    )
    def start(
        self, lapsed: Any, closes_at: Any, buys: Any, lifetime: int | None, fractional: bool, dollars: int
    ) -> None:
        self.exchange = make_exchange(fee_type="quadratic_with_maker_fees", members=0)
        for name in MEMBERS[:3]:
            add_member(self.exchange, name, dollars=dollars)
        self.exchange.add_member(name="bot", user_id="bot", cash_cents=dollars * 100, keeps_history=False)
        rules = self.exchange.rfq_rules
        rules.lapsed, rules.closes_at, rules.target_cost = lapsed, closes_at, buys
        rules.lifetime_ms, rules.fractional, rules.hvm = lifetime, fractional, (OTHER,)
        self.quotes: dict[str, tuple[Quote, str]] = {}  # with the status last seen
        self.executed_rfqs: list[str] = []
        self.told: list[Event] = []
        self.fills = 0
        self.exchange.subscribe(self._hear)
        self.kept = self._written()
        self.log = ChangeLog(self.exchange)
        self.exchange.on_whole = self.log.hear

    def _written(self) -> ExchangeSnapshot:
        """The state as a file holds it."""
        return msgspec.json.decode(msgspec.json.encode(take(self.exchange)), type=ExchangeSnapshot)

    def _hear(self, event: Event) -> None:
        if isinstance(event, QuoteChanged | RfqChanged):
            self.told.append(event)
        if isinstance(event, QuoteChanged) and event.step == "created":
            self.quotes[event.quote.quote_id] = (event.quote, "open")
        if type(event).__name__ == "Fill":
            self.fills += 1

    # --- what members do -------------------------------------------------------------------------
    @rule(
        user_id=members,
        ticker=tickers,
        contracts=st.integers(1, 40),
        cost=st.sampled_from([None, DOLLAR // 3, 5 * DOLLAR, 90 * DOLLAR]),
        over=st.fixed_dictionaries({"rest_remainder": st.booleans()}, optional={"replace_existing": st.just(True)}),
    )
    def request(self, user_id: str, ticker: str, contracts: int, cost: int | None, over: dict[str, Any]) -> None:
        size: dict[str, Any] = {"contracts": contracts} if cost is None else {"target_cost": cost}
        with suppress(ExchangeError):
            ask(self.exchange, user_id, ticker=ticker, **size, **over)

    @precondition(lambda self: self.exchange.board.rfqs)
    @rule(data=st.data(), user_id=members, yes=bids, no=bids, rests=st.booleans(), post_only=st.booleans())
    def quote(self, data: st.DataObject, user_id: str, yes: int, no: int, rests: bool, post_only: bool) -> None:
        rfq = data.draw(st.sampled_from(list(self.exchange.board.rfqs.values())))
        with suppress(ExchangeError):
            offer(self.exchange, rfq, user_id, yes=yes, no=no, rest_remainder=rests, post_only=post_only)

    @precondition(lambda self: self.exchange.board.quotes)
    @rule(data=st.data(), side=st.sampled_from(["yes", "no"]), by_stranger=st.booleans())
    def accept(self, data: st.DataObject, side: Any, by_stranger: bool) -> None:
        quote = self._any_quote(data)
        stranger = quote.user_id if by_stranger else quote.rfq_user_id
        before = quote.status
        with suppress(ExchangeError):
            self.exchange.accept_quote(stranger, quote.quote_id, side=side)
            assert stranger == quote.rfq_user_id
            assert (before, quote.accepted_side) == ("open", side)
            assert quote.bid(side) > 0

    @precondition(lambda self: self.exchange.board.quotes)
    @rule(data=st.data(), by_stranger=st.booleans())
    def confirm(self, data: st.DataObject, by_stranger: bool) -> None:
        quote = self._any_quote(data)
        user_id = quote.rfq_user_id if by_stranger else quote.user_id
        now = self.exchange.clock.now_ms()
        with suppress(ExchangeError):
            self.exchange.confirm_quote(user_id, quote.quote_id)
            assert user_id == quote.user_id
            assert quote.deadline_ms is not None
            assert now < quote.deadline_ms

    @rule(seed=st.integers(0, 2**32))
    def burst(self, seed: int) -> None:
        """Plausible days at once: somebody asks, others quote, most accepts are confirmed, and time goes by."""
        random = Random(seed)
        for _ in range(6):
            asker, ticker = random.choice(MEMBERS), random.choice(TICKERS)
            self.order(random.choice(MEMBERS), ticker, random.choice(["bid", "ask"]), random.randint(40, 60), 5)
            self.request(asker, ticker, random.randint(1, 20), random.choice([None, 3 * DOLLAR]), {
                "rest_remainder": random.random() < 0.5, "replace_existing": random.random() < 0.8,
            })  # fmt: skip
            rfq = self.exchange.board.open_of(asker).get(ticker)
            for maker in MEMBERS if rfq is not None else ():
                yes, no = random.randint(40, 55) * 100, random.choice([0, 4_000, 4_500])
                with suppress(ExchangeError):
                    offer(self.exchange, rfq, maker, yes=yes, no=no, post_only=random.random() < 0.2)
            quotes = [quote for quote in self.exchange.board.quotes.values() if quote.status == "open"]
            if not quotes:
                continue
            quote = random.choice(quotes)
            with suppress(ExchangeError):
                side = "yes" if random.random() < 0.7 else "no"
                self.exchange.accept_quote(quote.rfq_user_id, quote.quote_id, side=side)
                if random.random() < 0.8:
                    self.exchange.confirm_quote(quote.user_id, quote.quote_id)
            self.wait(random.choice([1_000, 1_000, 15_000, 30_000]))

    @precondition(lambda self: self.exchange.board.quotes)
    @rule(data=st.data())
    def withdraw_quote(self, data: st.DataObject) -> None:
        quote = self._any_quote(data)
        before = quote.status
        done = False
        with suppress(ExchangeError):
            self.exchange.delete_quote(quote.user_id, quote.quote_id)
            done = True
        assert done == (before == "open")

    @precondition(lambda self: self.exchange.board.rfqs)
    @rule(data=st.data())
    def withdraw_rfq(self, data: st.DataObject) -> None:
        rfq = data.draw(st.sampled_from(list(self.exchange.board.rfqs.values())))
        with suppress(ExchangeError):
            self.exchange.delete_rfq(rfq.user_id, rfq.rfq_id)

    @rule(user_id=members, ticker=tickers, side=st.sampled_from(["bid", "ask"]), cents=st.integers(35, 65),
          count=st.integers(1, 30))  # fmt: skip
    def order(self, user_id: str, ticker: str, side: str, cents: int, count: int) -> None:
        """The public book that executions meet."""
        with suppress(ExchangeError):
            place(self.exchange, user_id, side, cents * 100, count, ticker=ticker)

    # --- what the exchange does ------------------------------------------------------------------
    @rule(milliseconds=st.sampled_from([1, 999, 1_000, 3_000, 14_999, 15_000, 30_000, 20 * 86_400_000 // 24]))
    def wait(self, milliseconds: int) -> None:
        self.exchange.clock.ms += milliseconds
        self.exchange.expire_due()

    @rule(ticker=tickers)
    def pause_and_resume(self, ticker: str) -> None:
        self.exchange.pause_market(ticker)
        self.exchange.resume_market(ticker)

    @rule(ticker=tickers, pauses=st.booleans())
    def rest_a_market(self, ticker: str, pauses: bool) -> None:
        (self.exchange.pause_market if pauses else self.exchange.resume_market)(ticker)

    @rule(kind=st.sampled_from(["lapse", "refuse_confirm", "execution_fails", "cancelled_but_filled"]))
    def arm(self, kind: Any) -> None:
        self.exchange.rfq_rules.faults.append(RfqFault(kind, 1))

    @rule()
    def restart(self) -> None:
        """The journal says what the state says, and a fresh exchange made of it goes on as this one would."""
        changes = self.log.drain()
        if changes is not None:
            apply(self.kept, msgspec.json.decode(msgspec.json.encode(changes), type=Changes))
        written = self._written()
        assert (self.kept.rfqs, self.kept.quotes) == (written.rfqs, written.quotes)
        old, fresh = self.exchange, PaperExchange(clock=self.exchange.clock, seed=7)
        restore(fresh, written)
        fresh.rfq_rules = old.rfq_rules
        for rfq_id, rfq in old.board.rfqs.items():
            assert fresh.board.rfqs.get(rfq_id) == (rfq if rfq.kept else None)
        for quote_id, (quote, seen) in list(self.quotes.items()):
            if quote_id in fresh.board.quotes:
                self.quotes[quote_id] = (fresh.board.quotes[quote_id], seen)
            else:
                assert not quote.kept or quote_id not in old.board.quotes
        self.exchange = fresh
        self.exchange.subscribe(self._hear)
        self.kept, self.log = self._written(), ChangeLog(fresh)
        fresh.on_whole = self.log.hear

    def _any_quote(self, data: st.DataObject) -> Quote:
        quote: Quote = data.draw(st.sampled_from(list(self.exchange.board.quotes.values())))
        return quote

    # --- what must hold --------------------------------------------------------------------------
    @invariant()
    def no_money_is_made_or_lost(self) -> None:
        if not hasattr(self, "exchange"):
            return
        assert money(self.exchange) == self.exchange.deposited
        for member in self.exchange.members.values():
            for account in member.accounts.values():
                assert account.cash % CENT == 0
                assert account.held == sum(e.locked() for e in account.exposures.values())
                assert account.available >= -self.fills * CENTS_PER_FILL * CENT

    @invariant()
    def quotes_only_go_forward(self) -> None:
        for quote_id, (quote, before) in list(getattr(self, "quotes", {}).items()):
            assert quote.status in STEPS[before] or quote.misreported or self._skipped(before, quote.status)
            if quote.status == "executed" and before != "executed":
                self.executed_rfqs.append(quote.rfq_id)
            self.quotes[quote_id] = (quote, quote.status)

    @staticmethod
    def _skipped(before: str, now: str) -> bool:
        """A step of the machine may hold several of the quote."""
        return any(now in STEPS[between] for between in STEPS[before]) or (before, now) == ("open", "executed")

    @invariant()
    def an_rfq_is_executed_once_and_waits_for_one_quote(self) -> None:
        if not hasattr(self, "exchange"):
            return
        assert len(set(self.executed_rfqs)) == len(self.executed_rfqs)
        orders = [quote.rfq_order_id for quote, _ in self.quotes.values() if quote.rfq_order_id]
        assert len(set(orders)) == len(orders)
        for rfq in self.exchange.board.rfqs.values():
            quotes = list(self.exchange.board.quotes_of(rfq))
            assert sum(quote.is_locked for quote in quotes) <= 1
            if rfq.status == "closed":
                assert not [quote for quote in quotes if quote.status == "open"]
            live = [quote.user_id for quote in quotes if quote.status == "open"]
            assert len(set(live)) == len(live)

    @invariant()
    def timers_have_run(self) -> None:
        if not hasattr(self, "exchange"):
            return
        now = self.exchange.clock.now_ms()
        for quote in self.exchange.board.quotes.values():
            if quote.status == "accepted" and not quote.lapsed:
                assert quote.deadline_ms is not None
                assert now < quote.deadline_ms
            if quote.status == "confirmed":
                assert quote.execute_ms is not None
                assert now < quote.execute_ms

    @invariant()
    def indexes_agree(self) -> None:
        if not hasattr(self, "exchange"):
            return
        board = self.exchange.board
        open_rfqs = {rfq.rfq_id for rfq in board.rfqs.values() if rfq.status == "open"}
        assert {rfq.rfq_id for rfq in board.open_rfqs()} == open_rfqs
        assert {rfq.rfq_id for user_id in MEMBERS for rfq in board.open_of(user_id).values()} == open_rfqs
        for user_id in MEMBERS:
            seen = {q.quote_id for q in board.quotes.values() if user_id in (q.user_id, q.rfq_user_id)}
            assert set(board.quotes_seen_by(user_id)) == seen  # and no quote of others
        assert all(quote.rfq_id in board.rfqs for quote in board.quotes.values())

    @invariant()
    def nothing_of_bots_is_left(self) -> None:
        if not hasattr(self, "exchange"):
            return
        for rfq in self.exchange.board.rfqs.values():
            assert rfq.kept or rfq.status == "open" or self.exchange.board.locked(rfq) is not None


TestRfqMachine = RfqMachine.TestCase
TestRfqMachine.settings = settings(max_examples=40, stateful_step_count=40, deadline=None)
