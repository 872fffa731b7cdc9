"""The end of a market: results, the timer, payouts to the cent, and the grids and closes that move before it."""

from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from apps.paper.engine.catalogue import MarketResult
from apps.paper.engine.errors import ExchangeError
from apps.paper.engine.events import MarketLifecycle, PositionChanged
from apps.paper.engine.exchange import PaperExchange
from apps.paper.engine.orders import AmendOrder
from apps.paper.engine.units import CENT
from tests.paper.engine.support import DAY_MS, NOON_MS, OTHER, TICKER, listen, make_exchange, money, place


def traded(contracts: float = 10, price: int = 4_000) -> PaperExchange:
    """m0 holds YES, m1 NO; the market has closed."""
    exchange = make_exchange()
    place(exchange, "m1", "ask", price, contracts)
    place(exchange, "m0", "bid", price, contracts)
    exchange.clock.ms = NOON_MS + DAY_MS
    exchange.expire_due()
    return exchange


def told(exchange: PaperExchange, act: Callable[[], object]) -> list[str]:
    events = listen(exchange)
    act()
    return [event.type for event in events if isinstance(event, MarketLifecycle)]


@pytest.mark.parametrize(("result", "winner", "loser"), [("yes", "m0", "m1"), ("no", "m1", "m0")])
def test_each_winning_contract_pays_a_dollar_and_each_losing_one_nothing(
    result: MarketResult, winner: str, loser: str
) -> None:
    exchange = traded()
    before = {name: exchange.balance(name).available for name in (winner, loser)}

    exchange.determine(TICKER, result=result)
    assert exchange.balance(winner).portfolio_value == 10_000_000  # what it is worth once the result is known
    exchange.settle(TICKER)

    assert exchange.balance(winner).available == before[winner] + 10_000_000
    assert exchange.balance(loser).available == before[loser]
    assert exchange.balance(winner).portfolio_value == 0
    assert (exchange.collateral, money(exchange)) == (0, exchange.deposited)


def test_a_settlement_tells_what_was_held_what_it_cost_and_what_it_brought() -> None:
    exchange = traded(price=4_000)
    exchange.determine(TICKER, result="yes")
    exchange.settle(TICKER)

    (won,), (lost,) = exchange.settlements("m0"), exchange.settlements("m1")

    assert (won.yes_count, won.yes_cost, won.no_count, won.no_cost) == (1_000, 4_000_000, 0, 0)
    assert (lost.yes_count, lost.no_count, lost.no_cost) == (0, 1_000, 6_000_000)
    assert (won.revenue, lost.revenue, won.value, won.settlement_fee) == (10_000_000, 0, 10_000, 0)
    assert won.fees_paid == exchange.fills("m0")[0].fee > 0
    position = exchange.positions("m0", settlement="settled")[0]
    assert (position.count, position.cost, position.realized_pnl) == (0, 0, 6_000_000)


def test_a_scalar_payout_is_rounded_down_to_the_cent_and_the_rest_is_the_fee() -> None:
    exchange = traded(contracts=3.33)
    cash = exchange.balance("m0").available

    exchange.determine(TICKER, result="scalar", value=3_061)
    exchange.settle(TICKER)

    (row,) = exchange.settlements("m0")
    exact = 333 * 3_061
    assert (row.revenue, row.settlement_fee) == (exact // CENT * CENT, exact % CENT)
    assert exchange.balance("m0").available == cash + row.revenue
    assert money(exchange) == exchange.deposited


@settings(max_examples=60, deadline=None)
@given(
    trades=st.lists(
        st.tuples(st.sampled_from(["m0", "m1", "m2"]), st.sampled_from(["bid", "ask"]), st.integers(45, 55),
                  st.integers(1, 900)),
        max_size=25,
    ),
    value=st.integers(0, 10_000),
)  # fmt: skip
def test_no_settlement_makes_or_loses_money(trades: list[tuple[str, str, int, int]], value: int) -> None:
    exchange = make_exchange()
    for user_id, side, price, count in trades:
        place(exchange, user_id, side, price * 100, count / 100, self_trade_prevention_type="maker")
    exchange.clock.ms = NOON_MS + DAY_MS
    exchange.expire_due()

    exchange.determine(TICKER, result="scalar", value=value)
    exchange.settle(TICKER)

    assert money(exchange) == exchange.deposited
    assert exchange.collateral == 0
    for name in ("m0", "m1", "m2"):
        assert all(account.cash % CENT == 0 for account in exchange.member(name).accounts.values())
        assert all(position.count == 0 for position in exchange.member(name).positions())
        assert all(row.revenue + row.settlement_fee >= 0 for row in exchange.settlements(name))


def test_a_result_is_told_settlement_follows_when_the_timer_has_run() -> None:
    exchange = traded()
    assert told(exchange, lambda: exchange.determine(TICKER, result="yes")) == ["determined"]
    exchange.clock.ms += 3_600_000 - 1
    assert told(exchange, exchange.expire_due) == []
    assert exchange.markets[TICKER].status == "determined"

    exchange.clock.ms += 1
    events = listen(exchange)
    assert told(exchange, exchange.expire_due) == ["settled"]

    market = exchange.markets[TICKER]
    assert (market.status, market.settled_ms, market.settlement_value) == ("finalized", exchange.clock.ms, 10_000)
    assert {e.position.user_id for e in events if isinstance(e, PositionChanged)} == {"m0", "m1"}


def test_a_dispute_stops_the_timer_and_another_result_starts_it_again() -> None:
    exchange = traded()
    exchange.determine(TICKER, result="yes")
    exchange.dispute(TICKER)
    exchange.clock.ms += 2 * 3_600_000
    exchange.expire_due()
    assert exchange.markets[TICKER].status == "disputed"

    exchange.determine(TICKER, result="no")
    assert exchange.markets[TICKER].status == "amended"
    exchange.clock.ms += 3_600_000
    exchange.expire_due()

    assert exchange.markets[TICKER].status == "finalized"
    assert exchange.settlements("m1")[0].revenue == 10_000_000


def test_steps_out_of_order_are_refused() -> None:
    exchange = make_exchange()
    for act in (
        lambda: exchange.determine(TICKER, result="yes"),
        lambda: exchange.settle(TICKER),
        lambda: exchange.dispute(TICKER),
    ):
        with pytest.raises(ExchangeError) as refusal:
            act()
        assert refusal.value.code == "invalid_market_status"
    closed = traded()
    for result, value in (("scalar", None), ("yes", 5_000), ("scalar", 10_001)):
        with pytest.raises(ExchangeError):
            closed.determine(TICKER, result=result, value=value)
    closed.determine(TICKER, result="yes")
    closed.settle(TICKER)
    for act in (lambda: closed.settle(TICKER), lambda: closed.move_close(TICKER, close_ms=closed.clock.ms + DAY_MS)):
        with pytest.raises(ExchangeError):
            act()


def test_by_the_clock_a_market_closes_gets_a_result_and_is_settled() -> None:
    exchange = traded(price=4_000)
    exchange.end_markets_after(60_000)
    steps = told(exchange, exchange.expire_due)
    exchange.clock.ms += 60_000
    steps += told(exchange, exchange.expire_due)
    exchange.clock.ms += 3_600_000
    steps += told(exchange, exchange.expire_due)

    assert sorted(steps) == ["determined", "determined", "settled", "settled"]  # both markets of the event
    assert {exchange.markets[ticker].status for ticker in (TICKER, OTHER)} == {"finalized"}
    assert exchange.collateral == 0


@pytest.mark.parametrize("seed", range(12))
def test_of_markets_that_exclude_each_other_at_most_one_wins(seed: int) -> None:
    exchange = traded(price=5_000)
    exchange.seed = seed
    exchange.markets[OTHER].last_price = 5_000

    exchange.end_markets_after(0)
    exchange.expire_due()

    # The prices say together that one of the two wins for certain.
    assert sorted(exchange.markets[ticker].result for ticker in (TICKER, OTHER)) == ["no", "yes"]


def test_a_market_closed_early_refuses_all_and_cancels() -> None:
    exchange = make_exchange()
    order = place(exchange, "m0", "bid", 4_000, 1).order

    assert told(exchange, lambda: exchange.close_early(TICKER)) == ["close_date_updated"]

    assert (exchange.markets[TICKER].status, order.status) == ("closed", "canceled")
    with pytest.raises(ExchangeError):
        place(exchange, "m0", "bid", 4_000, 1)
    exchange.markets[OTHER].can_close_early = False
    with pytest.raises(ExchangeError) as refusal:
        exchange.close_early(OTHER)
    assert refusal.value.code == "cannot_close_early"


def test_a_new_grid_is_told_once_and_holds_for_new_prices_while_old_orders_stay() -> None:
    exchange = make_exchange(structure="deci_cent")
    order = place(exchange, "m0", "bid", 4_010, 1).order

    def change() -> None:
        exchange.change_grid(TICKER, structure="linear_cent")

    assert told(exchange, change) == ["price_level_structure_updated"]
    assert told(exchange, change) == []

    assert order.status == "resting"
    for refused in (
        lambda: place(exchange, "m0", "bid", 4_010, 1),
        lambda: exchange.amend_order("m0", order.order_id, AmendOrder(TICKER, "bid", 4_010, 50)),
    ):
        with pytest.raises(ExchangeError) as refusal:
            refused()
        assert refusal.value.code == "invalid_price"
    assert exchange.cancel_order("m0", order.order_id).reduced_by == 100
    with pytest.raises(ValueError, match="linear_cent"):
        exchange.change_grid(TICKER, structure="none such")
