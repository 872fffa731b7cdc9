"""Read lag: reads are exactly what they were, for any sequence of actions; nothing is kept longer than needed."""

from contextlib import suppress
from copy import copy
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from apps.paper.engine.errors import ExchangeError
from apps.paper.engine.exchange import PaperExchange
from apps.paper.engine.history import ReadLag
from tests.paper.engine.support import TICKER, make_exchange, place


def lagging(exchange: PaperExchange, lag_ms: int) -> ReadLag:
    lag = ReadLag(exchange)
    lag.set(lag_ms)
    return lag


def portrait(exchange: PaperExchange, user_id: str, view: ReadLag | None) -> dict[str, Any]:
    """Everything that reads tell of a member, as values."""
    return {
        "orders": [copy(order) for order in exchange.orders(user_id, view=view)],
        "fills": list(exchange.fills(user_id, view=view)),
        "positions": [copy(position) for position in exchange.positions(user_id, view=view)],
        "available": exchange.balance(user_id, view=view).available,
        "resting_value": exchange.resting_order_value(user_id, view=view),
        "settlements": list(exchange.settlements(user_id, view=view)),
    }


def test_an_order_is_seen_when_the_lag_has_passed() -> None:
    exchange = make_exchange()
    lag = lagging(exchange, 5_000)
    exchange.clock.ms += 10_000
    order = place(exchange, "m0", "bid", 4_000, 1).order

    assert exchange.orders("m0", view=lag) == []
    with pytest.raises(ExchangeError) as refusal:
        exchange.order("m0", order.order_id, view=lag)
    assert refusal.value.http_status == 404
    exchange.clock.ms += 4_999
    assert exchange.orders("m0", view=lag) == []
    exchange.clock.ms += 1

    assert [o.order_id for o in exchange.orders("m0", view=lag)] == [order.order_id]
    assert exchange.orders("m0") == [order]


def test_the_instant_shown_stands_still_first_and_never_goes_back() -> None:
    exchange = make_exchange()
    start = exchange.clock.ms
    lag = lagging(exchange, 5_000)
    seen = [lag.as_of_ms()]
    for step, then in ((2_000, 5_000), (10_000, 60_000), (30_000, 1_000), (500, 1_000)):
        exchange.clock.ms += step
        seen.append(lag.as_of_ms())
        lag.set(then)
        seen.append(lag.as_of_ms())

    assert seen[:2] == [start, start]
    assert seen == sorted(seen)
    lag.set(0)
    assert lag.as_of_ms() == exchange.clock.ms


@pytest.mark.parametrize("ms", [-1, 600_001])
def test_a_lag_is_0_to_ten_minutes(ms: int) -> None:
    with pytest.raises(ValueError, match="600000"):
        ReadLag(make_exchange()).set(ms)


def test_what_is_kept_does_not_grow_with_the_orders_that_come_and_go() -> None:
    exchange = make_exchange()
    lag = lagging(exchange, 1_000)
    counts = []
    for _ in range(50):
        for _ in range(10):
            order = place(exchange, "m0", "bid", 4_000, 1).order
            exchange.clock.ms += 100
            exchange.cancel_order("m0", order.order_id)
        counts.append(lag.states)

    assert max(counts[10:]) <= max(counts[:10]) + 2
    lag.set(0)
    assert lag.states == 0


ACTIONS = st.lists(
    st.tuples(
        st.sampled_from(["bid", "ask", "bid", "ask", "cancel", "decrease", "deposit", "wait", "lag"]),
        st.sampled_from(["m0", "m1"]),
        st.integers(45, 55),
        st.integers(1, 500),
        st.sampled_from([0, 0, 1, 300, 2_000]),
    ),
    max_size=40,
)


@settings(max_examples=120, deadline=None)
@given(actions=ACTIONS)
def test_reads_with_a_lag_are_what_plain_reads_were_at_that_instant(
    actions: list[tuple[str, str, int, int, int]],
) -> None:
    exchange = make_exchange()
    place(exchange, "m0", "bid", 4_600, 3)  # rests before the lag begins
    lag = lagging(exchange, 1_000)
    past: list[tuple[int, dict[str, Any]]] = []

    def remember() -> None:
        past.append((exchange.clock.ms, {name: portrait(exchange, name, None) for name in ("m0", "m1")}))

    remember()
    for what, name, price, count, pause in actions:
        resting = exchange.orders(name, status="resting")
        with suppress(ExchangeError):
            if what in ("bid", "ask"):
                place(exchange, name, what, price * 100, count / 100, self_trade_prevention_type="maker")
            elif what == "cancel" and resting:
                exchange.cancel_order(name, resting[count % len(resting)].order_id)
            elif what == "decrease" and resting:
                exchange.decrease_order(name, resting[count % len(resting)].order_id, reduce_by=count)
            elif what == "deposit":
                exchange.deposit(name, cents=count)
            elif what == "lag":
                lag.set(1 + count * 5)
        remember()
        exchange.clock.ms += pause
        as_of = lag.as_of_ms()
        then = [state for ts_ms, state in past if ts_ms <= as_of][-1]
        assert {name: portrait(exchange, name, lag) for name in ("m0", "m1")} == then


def test_a_settlement_is_seen_late_too() -> None:
    exchange = make_exchange()
    place(exchange, "m1", "ask", 4_000, 1)
    place(exchange, "m0", "bid", 4_000, 1)
    exchange.close_early(TICKER)
    lag = lagging(exchange, 1_000)
    exchange.clock.ms += 2_000
    exchange.determine(TICKER, result="yes")
    exchange.settle(TICKER)

    assert exchange.settlements("m0", view=lag) == []
    assert exchange.positions("m0", view=lag)[0].count == 100
    exchange.clock.ms += 1_000
    assert len(exchange.settlements("m0", view=lag)) == 1
    assert exchange.positions("m0", view=lag) == []
    assert exchange.positions("m0", settlement="settled", view=lag)[0].count == 0
