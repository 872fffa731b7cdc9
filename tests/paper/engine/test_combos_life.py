"""Combos follow their legs: closes, results, disputes, void and scalar legs, payouts."""

from fractions import Fraction
from math import floor, prod
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from apps.paper.engine.catalogue import Market
from apps.paper.engine.combos import ComboRules
from apps.paper.engine.errors import ExchangeError
from apps.paper.engine.events import MarketLifecycle
from apps.paper.engine.exchange import PaperExchange
from tests.paper.engine.combo_support import combo_exchange, end_leg, leg, make_combo
from tests.paper.engine.support import DAY_MS, NOON_MS, listen, money, place

HOUR_MS = 3_600_000


def trade(exchange: PaperExchange, market: Market, price: int, contracts: float) -> None:
    """m1 buys YES of m2."""
    place(exchange, "m2", "ask", price, contracts, ticker=market.ticker)
    assert place(exchange, "m1", "bid", price, contracts, ticker=market.ticker).fill_count == round(contracts * 100)


def cash(exchange: PaperExchange, user_id: str) -> int:
    return exchange.member(user_id).accounts[0].cash


def steps(events: list[Any], market: Market) -> list[str]:
    return [event.type for event in events if isinstance(event, MarketLifecycle) and event.market is market]


def settle_all(exchange: PaperExchange) -> None:
    exchange.clock.ms += 3 * DAY_MS
    exchange.expire_due()


# --- what a combo pays ---------------------------------------------------------------------------
results = st.one_of(
    st.sampled_from([("yes", None), ("no", None), ("void", None)]),
    st.tuples(st.just("scalar"), st.integers(0, 10_000)),
)
selections = st.lists(
    st.tuples(st.sampled_from(["A", "1", "2", "3", "4"]), st.booleans()),
    min_size=2, max_size=4, unique_by=lambda row: row[0],
)  # fmt: skip


def expected(outcomes: list[tuple[bool, tuple[str, int | None]]], rules: ComboRules) -> tuple[str, int | None]:
    """The truth table in other words: in exact fractions of a dollar, one rule after the other."""
    worth: list[Fraction | None] = []
    for wants_yes, (result, value) in outcomes:
        if result == "void":
            worth.append(None)
            continue
        yes = {"yes": Fraction(1), "no": Fraction(0)}.get(result, Fraction(value or 0, 10_000))
        mine = yes if wants_yes else 1 - yes
        worth.append(Fraction(0) if rules.scalar_leg == "lost" and mine < 1 else mine)
    known = [value for value in worth if value is not None]
    if any(value == 0 for value in known):
        return "no", 0
    if not known or (len(known) < len(worth) and rules.void_leg == "void"):
        return "void", None
    units = floor(prod(known) * 10_000)
    return ({0: "no", 10_000: "yes"}.get(units, "scalar"), units)


@settings(max_examples=150, deadline=None)
@given(data=st.data(), chosen=selections, price=st.integers(100, 9_900), count=st.integers(1, 500))
def test_a_combo_pays_what_the_truth_table_of_its_legs_says(
    data: st.DataObject, chosen: list[tuple[str, bool]], price: int, count: int
) -> None:
    exchange = combo_exchange()
    exchange.combo_rules.void_leg = data.draw(st.sampled_from(["void", "drop"]))
    exchange.combo_rules.scalar_leg = data.draw(st.sampled_from(["product", "lost"]))
    outcomes = [(wants_yes, data.draw(results)) for _, wants_yes in chosen]
    market = make_combo(exchange, " ".join(f"{'' if wants_yes else '!'}{name}" for name, wants_yes in chosen))
    price = price // 10 * 10
    trade(exchange, market, price, count / 100)
    before = {user_id: cash(exchange, user_id) for user_id in ("m1", "m2")}
    fees = exchange.fees

    order = data.draw(st.permutations(range(len(chosen))))
    for index in order:
        result, value = outcomes[index][1]
        end_leg(exchange, chosen[index][0], result, value)
        assert money(exchange) == exchange.deposited
    settle_all(exchange)

    result, value = expected(outcomes, exchange.combo_rules)
    assert (market.status, market.result, market.settlement_value) == ("finalized", result, value)
    yes = price * count if value is None else value * count  # what m1's contracts are worth, micro-dollars
    paid = {user_id: cash(exchange, user_id) - before[user_id] for user_id in ("m1", "m2")}
    assert paid == {"m1": yes // 10_000 * 10_000, "m2": (10_000 * count - yes) // 10_000 * 10_000}
    assert exchange.fees - fees == 10_000 * count - sum(paid.values())
    assert exchange.collateral == 0
    assert money(exchange) == exchange.deposited
    for user_id in ("m1", "m2"):
        (row,) = exchange.settlements(user_id)
        assert (row.result, row.value, row.revenue) == (result, value, paid[user_id])


def test_values_of_scalar_legs_multiply_and_are_rounded_down_to_a_hundredth_of_a_cent() -> None:
    exchange = combo_exchange()
    market = make_combo(exchange, "A !1 2")
    trade(exchange, market, 5_000, 100)
    for name, result, value in (("A", "scalar", 3_333), ("1", "scalar", 3_333), ("2", "yes", None)):
        end_leg(exchange, name, result, value)

    assert market.settlement_value == 2_222  # 0.3333 x 0.6667 = 0.22221111
    assert {leg.market_ticker[-1]: leg.settlement_value for leg in market.legs} == {"A": 3_333, "1": 3_333, "2": 10_000}


# --- closing -------------------------------------------------------------------------------------
def test_a_lost_leg_ends_the_combo_at_once_while_the_others_trade_on() -> None:
    exchange = combo_exchange()
    market = make_combo(exchange, "A 4")
    resting = place(exchange, "m0", "bid", 1_000, 5, ticker=market.ticker)
    heard = listen(exchange)
    exchange.clock.ms += HOUR_MS
    end_leg(exchange, "A", "no")

    assert exchange.market(leg("4").market_ticker).status == "active"
    assert (market.status, market.result, market.close_ms) == ("determined", "no", NOON_MS + HOUR_MS)
    assert steps(heard, market) == ["close_date_updated", "determined"]
    assert exchange.order("m0", resting.order_id).cancel_reason == "CLOSE_CANCEL"
    with pytest.raises(ExchangeError) as caught:
        place(exchange, "m0", "bid", 1_000, 1, ticker=market.ticker)
    assert caught.value.code == "market_inactive"
    exchange.clock.ms += HOUR_MS
    exchange.expire_due()
    assert market.status == "finalized"


def test_a_combo_stays_open_until_its_last_leg_closes_and_waits_for_its_result() -> None:
    exchange = combo_exchange()
    exchange.end_markets_after(None)
    market = make_combo(exchange, "A 4")
    exchange.clock.ms = NOON_MS + DAY_MS
    exchange.expire_due()
    assert exchange.market(leg("A").market_ticker).status == "closed"
    assert market.status == "active"
    exchange.determine(leg("A").market_ticker, result="yes")
    assert market.status == "active"

    exchange.clock.ms = NOON_MS + 2 * DAY_MS
    exchange.expire_due()
    assert market.status == "closed"
    exchange.determine(leg("4").market_ticker, result="yes")
    assert (market.status, market.result) == ("determined", "yes")


def test_the_clock_draws_results_for_legs_only() -> None:
    exchange = combo_exchange()
    exchange.end_markets_after(60_000)
    market = make_combo(exchange, "!A !4")
    exchange.clock.ms = NOON_MS + 3 * DAY_MS
    exchange.expire_due()
    settle_all(exchange)

    legs = [exchange.market(row.market_ticker) for row in market.legs]
    assert {row.status for row in legs} == {"finalized"}
    wins = all(row.result == "no" for row in legs)
    assert (market.status, market.result) == ("finalized", "yes" if wins else "no")


def test_the_close_of_a_combo_moves_with_its_last_leg_and_a_reopened_leg_reopens_it() -> None:
    exchange = combo_exchange()
    market = make_combo(exchange, "1 4")
    heard = listen(exchange)
    exchange.move_close(leg("1").market_ticker, close_ms=NOON_MS + DAY_MS + 1)
    assert steps(heard, market) == []  # the other one is later
    exchange.move_close(leg("4").market_ticker, close_ms=NOON_MS + HOUR_MS)
    assert market.close_ms == NOON_MS + DAY_MS + 1
    exchange.close_early(leg("1").market_ticker)
    assert market.close_ms == NOON_MS + HOUR_MS
    exchange.close_early(leg("4").market_ticker)
    assert market.status == "closed"

    exchange.move_close(leg("4").market_ticker, close_ms=NOON_MS + 5 * DAY_MS)
    assert (market.status, market.close_ms) == ("active", NOON_MS + 5 * DAY_MS)
    assert steps(heard, market) == ["close_date_updated"] * 4 + ["activated"]
    place(exchange, "m0", "bid", 1_000, 1, ticker=market.ticker)


def test_a_pause_of_a_leg_is_not_one_of_the_combo_and_its_own_cancels_all_at_its_end() -> None:
    exchange = combo_exchange()
    market = make_combo(exchange, "A 1")
    exchange.pause_market(leg("A").market_ticker)
    resting = place(exchange, "m0", "bid", 1_000, 1, ticker=market.ticker)
    exchange.pause_market(market.ticker)
    assert exchange.order("m0", resting.order_id).status == "resting"
    exchange.resume_market(market.ticker)

    assert exchange.order("m0", resting.order_id).cancel_reason == "REACTIVATION_CANCEL"
    assert market.status == "active"


# --- disputes ------------------------------------------------------------------------------------
def test_a_dispute_of_the_deciding_leg_is_one_of_the_combo_until_the_leg_is_amended() -> None:
    exchange = combo_exchange()
    market = make_combo(exchange, "A 1")
    trade(exchange, market, 4_000, 10)
    end_leg(exchange, "A", "yes")
    end_leg(exchange, "1", "no")
    assert (market.status, market.result) == ("determined", "no")
    heard = listen(exchange)
    exchange.dispute(leg("1").market_ticker)
    assert market.status == "disputed"
    settle_all(exchange)
    assert market.status == "disputed"  # its timer stands

    exchange.determine(leg("1").market_ticker, result="yes")
    assert (market.status, market.result, market.settlement_value) == ("amended", "yes", 10_000)
    assert [row.settlement_value for row in market.legs] == [10_000, 10_000]
    settle_all(exchange)
    assert market.status == "finalized"
    assert steps(heard, market) == ["determined", "settled"]
    assert [row.revenue for row in exchange.settlements("m1")] == [10_000_000]


def test_a_dispute_of_a_leg_that_decides_nothing_leaves_the_combo_alone() -> None:
    exchange = combo_exchange()
    market = make_combo(exchange, "A 1")
    end_leg(exchange, "1", "no")
    end_leg(exchange, "A", "yes")
    exchange.dispute(leg("A").market_ticker)

    assert (market.status, market.result) == ("determined", "no")
    settle_all(exchange)
    assert market.status == "finalized"
    exchange.determine(leg("A").market_ticker, result="no")
    assert market.status == "finalized"
    assert [row.settlement_value for row in market.legs] == [0, 0]  # what is told of legs stays true


def test_an_amended_leg_may_leave_a_combo_waiting_for_the_others() -> None:
    exchange = combo_exchange()
    market = make_combo(exchange, "A 4")
    end_leg(exchange, "A", "no")
    exchange.dispute(leg("A").market_ticker)
    exchange.determine(leg("A").market_ticker, result="yes")
    assert (market.status, market.result) == ("disputed", "no")  # closed for good; 4 still trades

    end_leg(exchange, "4", "no")
    assert (market.status, market.result) == ("amended", "no")


def test_a_combo_has_no_result_of_its_own() -> None:
    exchange = combo_exchange()
    market = make_combo(exchange, "A 1")
    exchange.close_early(market.ticker)
    for attempt in (
        lambda: exchange.determine(market.ticker, result="yes"),
        lambda: exchange.dispute(market.ticker),
    ):
        with pytest.raises(ExchangeError) as caught:
            attempt()
        assert caught.value.code == "invalid_market_status"
