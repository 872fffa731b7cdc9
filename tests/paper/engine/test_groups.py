"""Order groups: what counts, when they trigger, what is cancelled then; all of it against a plain model."""

from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from apps.paper.engine.errors import ExchangeError
from apps.paper.engine.events import OrderGroupChanged
from apps.paper.engine.exchange import PaperExchange
from apps.paper.engine.orders import AmendOrder, Fill, Order
from tests.paper.engine.support import OTHER, TICKER, listen, make_exchange, money, place


def grouped(exchange: PaperExchange, limit: int, **over: object) -> str:
    return exchange.create_group("m0", limit=limit * 100, **over).group_id  # type: ignore[arg-type]


def steps(events: list[object]) -> list[str]:
    return [event.step for event in events if isinstance(event, OrderGroupChanged) and event.step != "matched"]


def resting(exchange: PaperExchange, group_id: str) -> list[Order]:
    return exchange.grouped(exchange.group("m0", group_id))


def test_matched_contracts_that_reach_the_limit_cancel_the_groups_orders_in_every_market() -> None:
    exchange = make_exchange()
    group_id = grouped(exchange, 10)
    first = place(exchange, "m0", "bid", 5_000, 6, order_group_id=group_id).order
    second = place(exchange, "m0", "bid", 4_900, 20, order_group_id=group_id).order
    elsewhere = place(exchange, "m0", "ask", 6_000, 5, ticker=OTHER, order_group_id=group_id).order
    outside = place(exchange, "m0", "bid", 4_800, 5).order
    events = listen(exchange)

    place(exchange, "m1", "ask", 5_000, 6)
    assert (first.status, second.status, steps(events)) == ("executed", "resting", [])
    place(exchange, "m1", "ask", 4_900, 4)

    assert [order.status for order in (second, elsewhere, outside)] == ["canceled", "canceled", "resting"]
    assert (second.filled, second.cancel_reason) == (400, "ORDER_GROUP_CANCEL")
    assert steps(events) == ["triggered"]
    assert money(exchange) == exchange.deposited


def test_a_rule_of_exceeding_lets_the_limit_itself_pass() -> None:
    exchange = make_exchange()
    exchange.group_triggers_at = "exceeded"
    group_id = grouped(exchange, 10)
    order = place(exchange, "m0", "bid", 5_000, 20, order_group_id=group_id).order

    place(exchange, "m1", "ask", 5_000, 10)
    assert order.status == "resting"
    place(exchange, "m1", "ask", 5_000, 0.01)

    assert order.status == "canceled"


def test_a_triggered_group_takes_no_orders_until_it_is_reset_and_its_window_is_empty_then() -> None:
    exchange = make_exchange()
    group_id = grouped(exchange, 5)
    place(exchange, "m0", "bid", 5_000, 5, order_group_id=group_id)
    place(exchange, "m1", "ask", 5_000, 5)

    with pytest.raises(ExchangeError) as refusal:
        place(exchange, "m0", "bid", 5_000, 1, order_group_id=group_id)
    assert (refusal.value.http_status, refusal.value.details) == (400, "EXCEEDED_ORDER_GROUP_RISK_LIMIT")
    exchange.clock.ms += 60_000  # time alone does not bring it back
    with pytest.raises(ExchangeError):
        place(exchange, "m0", "bid", 5_000, 1, order_group_id=group_id)
    exchange.clock.ms -= 59_000
    exchange.reset_group("m0", group_id)

    assert exchange.group("m0", group_id).used(exchange.clock.ms) == 0
    assert place(exchange, "m0", "bid", 5_000, 4, order_group_id=group_id).order.status == "resting"


def test_what_was_matched_fifteen_seconds_ago_has_left_the_window() -> None:
    exchange = make_exchange()
    group_id = grouped(exchange, 10)
    order = place(exchange, "m0", "bid", 5_000, 50, order_group_id=group_id).order
    place(exchange, "m1", "ask", 5_000, 9)
    exchange.clock.ms += 14_999
    assert exchange.group("m0", group_id).used(exchange.clock.ms) == 900

    exchange.clock.ms += 1
    place(exchange, "m1", "ask", 5_000, 9)

    assert order.status == "resting"
    place(exchange, "m1", "ask", 5_000, 1)
    assert (order.status, order.filled) == ("canceled", 1_900)


def test_a_taker_of_a_triggered_group_stops_and_does_not_rest() -> None:
    exchange = make_exchange()
    group_id = grouped(exchange, 5)
    for price in (5_000, 5_100, 5_200):
        place(exchange, "m1", "ask", price, 5)

    result = place(exchange, "m0", "bid", 5_500, 15, order_group_id=group_id)

    assert (result.fill_count, result.remaining_count, result.order.status) == (500, 0, "canceled")
    assert result.order.cancel_reason == "ORDER_GROUP_CANCEL"


def test_a_fill_or_kill_order_is_filled_whole_before_groups_trigger() -> None:
    exchange = make_exchange()
    maker_group = grouped(exchange, 1)
    for price in (5_000, 5_100):
        place(exchange, "m0", "ask", price, 5, order_group_id=maker_group)
    spared = place(exchange, "m0", "ask", 5_200, 5, order_group_id=maker_group).order

    result = place(exchange, "m1", "bid", 5_200, 10, time_in_force="fill_or_kill")

    assert (result.fill_count, result.order.status) == (1_000, "executed")
    assert (spared.status, exchange.group("m0", maker_group).triggered) == ("canceled", True)


def test_a_limit_below_what_is_in_the_window_triggers_at_once() -> None:
    exchange = make_exchange()
    group_id = grouped(exchange, 10)
    order = place(exchange, "m0", "bid", 5_000, 9, order_group_id=group_id).order
    place(exchange, "m1", "ask", 5_000, 5)
    events = listen(exchange)

    exchange.limit_group("m0", group_id, limit=600)
    assert order.status == "resting"
    exchange.limit_group("m0", group_id, limit=500)

    assert (order.status, steps(events)) == ("canceled", ["limit_updated", "limit_updated", "triggered"])


def test_trigger_and_delete_cancel_and_trigger_twice_tells_once() -> None:
    exchange = make_exchange()
    events = listen(exchange)
    group_id = grouped(exchange, 10)
    first = place(exchange, "m0", "bid", 5_000, 9, order_group_id=group_id).order
    exchange.trigger_group("m0", group_id)
    exchange.trigger_group("m0", group_id)
    exchange.reset_group("m0", group_id)
    second = place(exchange, "m0", "bid", 5_000, 9, order_group_id=group_id).order
    exchange.delete_group("m0", group_id)

    assert [first.status, second.status] == ["canceled", "canceled"]
    assert steps(events) == ["created", "triggered", "reset", "deleted"]
    with pytest.raises(ExchangeError) as refusal:
        place(exchange, "m0", "bid", 5_000, 9, order_group_id=group_id)
    assert refusal.value.code == "order_group_not_found"


def test_a_group_belongs_to_its_member_and_subaccount() -> None:
    exchange = make_exchange()
    exchange.deposit("m0", cents=10_000, subaccount=1)
    group_id = grouped(exchange, 10, subaccount=1)

    for user_id, subaccount in (("m1", 1), ("m0", 0)):
        with pytest.raises(ExchangeError) as refusal:
            exchange.trigger_group(user_id, group_id, subaccount=subaccount)
        assert refusal.value.http_status == 404
    with pytest.raises(ExchangeError):
        place(exchange, "m0", "bid", 5_000, 1, order_group_id=group_id)
    assert place(exchange, "m0", "bid", 5_000, 1, order_group_id=group_id, subaccount=1).order.status == "resting"
    assert [g.group_id for g in exchange.groups("m0")] == [group_id]
    assert exchange.groups("m0", subaccount=0) == exchange.groups("m1") == []


@pytest.mark.parametrize("limit", [0, 99, 100_000_001])
def test_a_limit_is_1_to_1000000_contracts(limit: int) -> None:
    with pytest.raises(ExchangeError) as refusal:
        make_exchange().create_group("m0", limit=limit)
    assert refusal.value.code == "invalid_parameters"


def test_nothing_about_groups_changes_while_the_exchange_is_paused() -> None:
    exchange = make_exchange()
    group_id = grouped(exchange, 10)
    order = place(exchange, "m0", "bid", 5_000, 1, order_group_id=group_id).order
    exchange.set_exchange_status(exchange_active=False, trading_active=True)

    for act in (
        lambda: exchange.create_group("m0", limit=100),
        lambda: exchange.limit_group("m0", group_id, limit=100),
        lambda: exchange.trigger_group("m0", group_id),
        lambda: exchange.reset_group("m0", group_id),
        lambda: exchange.delete_group("m0", group_id),
    ):
        with pytest.raises(ExchangeError) as refusal:
            act()
        assert refusal.value.code == "exchange_is_paused"
    assert order.status == "resting"


def test_an_amended_order_stays_in_its_group() -> None:
    exchange = make_exchange()
    group_id = grouped(exchange, 10)
    order = place(exchange, "m0", "bid", 5_000, 9, order_group_id=group_id).order

    exchange.amend_order("m0", order.order_id, AmendOrder(ticker=TICKER, side="bid", price=5_100, count=1_500))

    assert resting(exchange, group_id) == [order]


Step = tuple[str, int, int]
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("maker"), st.integers(48, 52), st.integers(1, 800)),
        st.tuples(st.just("taker"), st.integers(48, 52), st.integers(1, 1_500)),
        st.tuples(st.just("wait"), st.sampled_from([1, 4_000, 14_999, 15_000]), st.just(0)),
        st.tuples(st.just("limit"), st.integers(1, 12), st.just(0)),
        st.tuples(st.just("reset"), st.just(0), st.just(0)),
        st.tuples(st.just("trigger"), st.just(0), st.just(0)),
    ),
    max_size=40,
)


class Model:
    """The rule in the plainest words: a list of matches, a limit, a flag."""

    def __init__(self, limit: int) -> None:
        self.limit, self.triggered = limit, False
        self.matches: list[tuple[int, int]] = []

    def used(self, now_ms: int) -> int:
        return sum(count for ts_ms, count in self.matches if now_ms - ts_ms < 15_000)

    def check(self, now_ms: int) -> None:
        self.triggered = self.triggered or self.used(now_ms) >= self.limit


@settings(max_examples=150, deadline=None)
@given(todo=STEPS, limit=st.integers(1, 12))
def test_a_group_does_what_the_plain_model_says(todo: list[Step], limit: int) -> None:
    exchange = make_exchange()
    group_id = grouped(exchange, limit)
    model = Model(limit * 100)
    fills: list[Fill] = []

    def hear(event: object) -> None:
        if isinstance(event, Fill) and event.user_id == "m0":
            before = model.used(event.ts_ms)
            assert before < model.limit
            assert not model.triggered
            model.matches.append((event.ts_ms, event.count))
            model.check(event.ts_ms)
            fills.append(event)

    exchange.subscribe(hear)
    for what, number, count in todo:
        if what == "maker":
            refused = False
            try:
                place(exchange, "m0", "bid", number * 100, count / 100, order_group_id=group_id)
            except ExchangeError as exc:
                refused = exc.details == "EXCEEDED_ORDER_GROUP_RISK_LIMIT"
            assert refused == model.triggered
        elif what == "taker":
            with suppress(ExchangeError):
                place(exchange, "m1", "ask", number * 100, count / 100, time_in_force="immediate_or_cancel")
        elif what == "wait":
            exchange.clock.ms += number
        elif what == "limit":
            exchange.limit_group("m0", group_id, limit=number * 100)
            model.limit = number * 100
            model.check(exchange.clock.ms)
        elif what == "reset":
            exchange.reset_group("m0", group_id)
            model.triggered, model.matches = False, []
        else:
            exchange.trigger_group("m0", group_id)
            model.triggered = True
        group = exchange.group("m0", group_id)
        assert (group.triggered, group.used(exchange.clock.ms)) == (model.triggered, model.used(exchange.clock.ms))
        assert not (group.triggered and resting(exchange, group_id))
        assert money(exchange) == exchange.deposited
