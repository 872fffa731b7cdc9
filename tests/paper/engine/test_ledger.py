"""Hypothesis: whatever members do with their money, every cent of it can be told from the records of both tiers."""

from collections import defaultdict
from contextlib import suppress
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from apps.paper.engine.archive import Cutoffs
from apps.paper.engine.errors import ExchangeError
from apps.paper.engine.exchange import PaperExchange
from apps.paper.engine.past import invent_day
from apps.paper.engine.units import CENT
from tests.paper.engine.support import OTHER, TICKER, make_exchange, money, place

MEMBERS = ("m0", "m1", "m2")
Action = tuple[Any, ...]
members = st.sampled_from(MEMBERS)
numbers = st.integers(0, 2)
actions = st.one_of(
    st.tuples(
        st.just("order"),
        members,
        numbers,
        st.sampled_from([TICKER, OTHER]),
        st.sampled_from(["bid", "ask"]),
        st.integers(45, 55),
        st.integers(1, 900),
    ),
    st.tuples(st.just("transfer"), members, st.integers(0, 9), numbers, numbers, st.integers(1, 60_000)),
    st.tuples(
        st.just("payment"),
        members,
        st.sampled_from(["deposit", "withdrawal"]),
        st.integers(1, 60_000),
        st.integers(0, 50),
        st.lists(st.sampled_from(["applied", "failed", "returned"]), max_size=2),
    ),
    st.tuples(st.just("open"), members),
    st.tuples(st.just("settle"), st.sampled_from([TICKER, OTHER]), st.sampled_from(["yes", "no", 3_333])),
    st.tuples(st.just("past"), members, st.integers(1, 3)),
    st.tuples(st.just("archive"), st.integers(0, 3), st.integers(0, 3), st.integers(0, 3)),
    st.tuples(st.just("wait"), st.integers(1, 3)),
)


def perform(exchange: PaperExchange, action: Action) -> None:
    match action:
        case ("order", user_id, subaccount, ticker, side, cents, count):
            place(exchange, user_id, side, cents * 100, count / 100, ticker=ticker, subaccount=subaccount)
        case ("transfer", user_id, name, source, target, cents):
            exchange.transfer(user_id, client_transfer_id=str(name), source=source, target=target, cents=cents)
        case ("payment", user_id, kind, cents, fee, steps):
            payment = exchange.begin_payment(user_id, kind=kind, cents=cents, fee_cents=fee)
            for status in steps:
                exchange.move_payment(user_id, payment.payment_id, status=status)
        case ("open", user_id):
            exchange.create_subaccount(user_id)
        case ("settle", ticker, result):
            value = result if isinstance(result, int) else None
            exchange.close_early(ticker)
            exchange.determine(ticker, result="scalar" if value else result, value=value)
            exchange.settle(ticker)
        case ("past", user_id, subaccounts):
            invent_day(exchange, user_id, fills=20, subaccounts=subaccounts)
        case ("archive", *ages):
            now = exchange.clock.now_ms()
            exchange.advance_cutoffs(Cutoffs(*(now - age * 1_000 for age in ages)))
        case ("wait", seconds):
            exchange.clock.ms += seconds * 1_000
            exchange.expire_due()


def ledger(exchange: PaperExchange, user_id: str) -> dict[int, int]:
    """What each subaccount's cash must be by what has been told of it."""
    sums: dict[int, int] = defaultdict(int)
    for kind in ("deposit", "withdrawal"):
        for payment in exchange.payments(user_id, kind=kind):
            sums[payment.subaccount] += payment.effect if payment.status == "applied" else 0
    for transfer in exchange.transfers(user_id):
        sums[transfer.source] -= transfer.cents * CENT
        sums[transfer.target] += transfer.cents * CENT
    fills = (*exchange.fills(user_id), *exchange.historical_fills(user_id, limit=10_000))
    assert len({(fill.trade_id, fill.is_taker) for fill in fills}) == len(fills)
    for fill in fills:
        sums[fill.subaccount] += fill.balance_change
    for settlement in exchange.settlements(user_id):
        sums[settlement.subaccount] += settlement.revenue
    return sums


@settings(max_examples=60, deadline=None)
@given(st.lists(actions, max_size=40))
def test_cash_is_the_sum_of_what_moved_it_and_no_money_is_made_or_lost(taken: list[Action]) -> None:
    exchange = make_exchange(fee_type="quadratic_with_maker_fees")
    for action in taken:
        with suppress(ExchangeError):
            perform(exchange, action)
        assert money(exchange) == exchange.deposited
    for user_id in MEMBERS:
        sums = ledger(exchange, user_id)
        for account in exchange.subaccounts(user_id):
            assert account.cash == sums[account.subaccount]
            assert account.cash % CENT == 0
        ids = [order.order_id for order in (*exchange.orders(user_id), *exchange.historical_orders(user_id, limit=999))]
        assert len(ids) == len(set(ids))
