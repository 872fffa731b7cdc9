"""Void markets: every position is returned at its cost, whatever the exchange gains or loses by it."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from apps.paper.engine.errors import ExchangeError
from apps.paper.engine.events import MarketLifecycle
from apps.paper.engine.exchange import PaperExchange
from apps.paper.engine.units import CENT
from tests.paper.engine.support import TICKER, listen, make_exchange, money, place

MEMBERS = ("m0", "m1", "m2")
deals = st.lists(
    st.tuples(st.permutations(MEMBERS), st.integers(1, 999).map(lambda tenths: tenths * 10), st.integers(1, 900)),
    min_size=1, max_size=12,
)  # fmt: skip


def deal(exchange: PaperExchange, buyer: str, seller: str, price: int, count: int) -> None:
    place(exchange, seller, "ask", price, count / 100)
    place(exchange, buyer, "bid", price, count / 100)


def void(exchange: PaperExchange) -> None:
    exchange.close_early(TICKER)
    exchange.determine(TICKER, result="void")


def cash(exchange: PaperExchange, user_id: str) -> int:
    return exchange.member(user_id).accounts[0].cash


@settings(max_examples=100, deadline=None)
@given(rows=deals)
def test_everybody_gets_the_cost_of_what_is_held_and_all_money_adds_up(rows: list[Any]) -> None:
    exchange = make_exchange(structure="deci_cent")
    for (buyer, seller, _), price, count in rows:
        deal(exchange, buyer, seller, price, count)
    positions = {p.user_id: p for m in MEMBERS for p in exchange.member(m).positions() if p.count}
    costs = {user_id: position.cost for user_id, position in positions.items()}
    before = {user_id: cash(exchange, user_id) for user_id in MEMBERS}
    pnl = {user_id: position.realized_pnl for user_id, position in positions.items()}
    void(exchange)
    assert {u: exchange.balance(u).portfolio_value for u in costs} == costs
    exchange.settle(TICKER)

    for user_id in MEMBERS:
        cost = costs.get(user_id, 0)
        assert cash(exchange, user_id) - before[user_id] == cost // CENT * CENT
        rows_told = exchange.settlements(user_id)
        assert [(r.result, r.value, r.revenue + r.settlement_fee) for r in rows_told] == (
            [("void", None, cost)] if user_id in costs else []
        )
    assert {user_id: position.realized_pnl for user_id, position in positions.items()} == pnl
    assert exchange.collateral == 0
    assert money(exchange) == exchange.deposited


def test_the_exchange_pays_what_the_costs_are_more_than_the_pairs_hold() -> None:
    exchange = make_exchange()
    deal(exchange, "m0", "m1", 4_000, 1_000)
    deal(exchange, "m2", "m0", 7_000, 1_000)  # m0 is out with a gain; m2 has paid 70, m1 60 cents
    fees = exchange.fees
    void(exchange)
    exchange.settle(TICKER)

    assert [row.revenue for row in exchange.settlements("m2")] == [7_000_000]
    assert [row.revenue for row in exchange.settlements("m1")] == [6_000_000]
    assert exchange.settlements("m0") == []
    assert exchange.fees == fees - 3_000_000
    assert money(exchange) == exchange.deposited


def test_a_void_result_is_told_without_a_value_and_can_be_disputed() -> None:
    exchange = make_exchange()
    heard = listen(exchange)
    exchange.close_early(TICKER)
    with pytest.raises(ExchangeError):
        exchange.determine(TICKER, result="void", value=5_000)
    exchange.determine(TICKER, result="void")
    market = exchange.market(TICKER)

    assert (market.status, market.result, market.settlement_value) == ("determined", "void", None)
    assert [e.type for e in heard if isinstance(e, MarketLifecycle)] == ["close_date_updated", "determined"]
    exchange.dispute(TICKER)
    exchange.determine(TICKER, result="yes")
    assert (market.status, market.settlement_value) == ("amended", 10_000)
