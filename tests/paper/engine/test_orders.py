"""What an order request is refused for, and amend, decrease and cancel."""

from typing import Any

import pytest

from apps.paper.engine.errors import ExchangeError
from apps.paper.engine.exchange import PaperExchange
from apps.paper.engine.orders import AmendOrder, Order
from tests.paper.engine.support import NOON_MS, OTHER, TICKER, listen, make_exchange, money, place


def _amend(exchange: PaperExchange, order: Order, *, price: int, contracts: float, **over: Any) -> Any:
    fields: dict[str, Any] = {
        "ticker": order.ticker, "side": order.side, "price": price, "count": round(contracts * 100),
    }  # fmt: skip
    return exchange.amend_order(order.user_id, order.order_id, AmendOrder(**(fields | over)))


@pytest.mark.parametrize(
    ("over", "code", "status"),
    [
        ({"price": 4_250}, "invalid_price", 400),
        ({"price": 0}, "invalid_price", 400),
        ({"price": 10_000}, "invalid_price", 400),
        ({"contracts": 0}, "invalid_order_size", 400),
        ({"contracts": 1_000_001}, "invalid_order_size", 400),
        ({"ticker": "KXNONE"}, "market_not_found", 404),
        ({"client_order_id": ""}, "invalid_parameters", 400),
        ({"client_order_id": "x" * 65}, "invalid_parameters", 400),
        ({"subaccount": 9}, "invalid_parameters", 400),
        ({"subaccount": 1}, "available_balance_too_low", 400),
        ({"contracts": 10_000}, "available_balance_too_low", 400),
        ({"reduce_only": True}, "invalid_order", 400),
        ({"order_group_id": "g"}, "order_group_not_found", 400),
        ({"post_only": True, "time_in_force": "immediate_or_cancel"}, "invalid_parameters", 400),
        ({"expiration_s": 1_900_000_000, "time_in_force": "immediate_or_cancel"}, "invalid_parameters", 400),
    ],
)
def test_refused_orders_change_nothing(over: dict[str, Any], code: str, status: int) -> None:
    exchange = make_exchange()
    place(exchange, "m1", "ask", 6_000, 5)
    events = listen(exchange)
    before = (exchange.book(TICKER), exchange.balance("m0"))

    with pytest.raises(ExchangeError) as refusal:
        place(exchange, "m0", **({"side": "bid", "price": 4_200} | over))

    assert (refusal.value.code, refusal.value.http_status) == (code, status)
    assert (exchange.book(TICKER), exchange.balance("m0")) == before
    assert exchange.orders("m0") == []
    assert events == []


def test_a_client_order_id_is_taken_once_per_member() -> None:
    exchange = make_exchange()
    order = place(exchange, "m0", "bid", 4_000, 1, client_order_id="same").order
    place(exchange, "m1", "bid", 4_000, 1, client_order_id="same")
    exchange.cancel_order("m0", order.order_id)

    with pytest.raises(ExchangeError) as refusal:
        place(exchange, "m0", "bid", 4_000, 1, client_order_id="same")

    assert (refusal.value.code, refusal.value.http_status) == ("order_already_exists", 409)


def test_cancel_gives_the_money_back() -> None:
    exchange = make_exchange()
    order = place(exchange, "m0", "bid", 4_000, 10).order
    assert exchange.balance("m0").available == 996_000_000

    result = exchange.cancel_order("m0", order.order_id)

    assert (result.reduced_by, result.remaining_count, order.status) == (1_000, 0, "canceled")
    assert exchange.balance("m0").available == 1_000_000_000
    assert exchange.book(TICKER).yes == []


def test_orders_of_others_and_dead_orders_are_not_found() -> None:
    exchange = make_exchange()
    order = place(exchange, "m0", "bid", 4_000, 10).order
    for user_id, subaccount in (("m1", None), ("m0", 1)):
        with pytest.raises(ExchangeError) as refusal:
            exchange.cancel_order(user_id, order.order_id, subaccount=subaccount)
        assert refusal.value.http_status == 404
    exchange.cancel_order("m0", order.order_id, subaccount=0)
    with pytest.raises(ExchangeError) as refusal:
        exchange.cancel_order("m0", order.order_id)
    assert refusal.value.http_status == 404
    with pytest.raises(ExchangeError):
        exchange.order("m1", order.order_id)


def test_decrease_keeps_the_place_in_the_queue() -> None:
    exchange = make_exchange()
    first = place(exchange, "m0", "bid", 4_000, 10).order
    second = place(exchange, "m1", "bid", 4_000, 10).order

    by = exchange.decrease_order("m0", first.order_id, reduce_by=300)
    to = exchange.decrease_order("m0", first.order_id, reduce_to=500)

    assert (by.remaining_count, to.remaining_count, to.reduced_by) == (700, 500, 200)
    assert exchange.queue_position("m1", second.order_id) == 500
    assert exchange.decrease_order("m0", first.order_id, reduce_by=9_999).order.status == "canceled"


@pytest.mark.parametrize("arguments", [{}, {"reduce_by": 1, "reduce_to": 1}, {"reduce_by": 0}, {"reduce_to": 1_001}])
def test_impossible_decreases_are_refused(arguments: dict[str, int]) -> None:
    exchange = make_exchange()
    order = place(exchange, "m0", "bid", 4_000, 10).order

    with pytest.raises(ExchangeError) as refusal:
        exchange.decrease_order("m0", order.order_id, **arguments)

    assert refusal.value.http_status == 400
    assert order.remaining == 1_000


def test_amending_down_keeps_the_place_and_up_or_away_loses_it() -> None:
    exchange = make_exchange()
    order = place(exchange, "m0", "bid", 4_000, 10).order
    place(exchange, "m1", "bid", 4_000, 10)

    assert _amend(exchange, order, price=4_000, contracts=6).remaining_count == 600
    assert exchange.queue_position("m0", order.order_id) == 0
    _amend(exchange, order, price=4_000, contracts=8)
    assert exchange.queue_position("m0", order.order_id) == 1_000
    _amend(exchange, order, price=4_100, contracts=8)
    assert exchange.queue_position("m0", order.order_id) == 0
    assert exchange.book(TICKER).yes == [(4_000, 1_000), (4_100, 800)]
    assert exchange.balance("m0").available == 1_000_000_000 - 8 * 410_000


def test_amend_counts_what_is_filled_and_can_trade_at_once() -> None:
    exchange = make_exchange()
    order = place(exchange, "m0", "bid", 4_000, 10).order
    place(exchange, "m1", "ask", 4_000, 4)
    place(exchange, "m1", "ask", 4_500, 3)

    result = _amend(exchange, order, price=4_500, contracts=12, updated_client_order_id="renamed")

    assert (result.fill_count, result.remaining_count) == (300, 500)
    assert result.average_fill_price == 450_000
    assert (order.filled, order.initial_count, order.client_order_id) == (700, 1_200, "renamed")
    assert money(exchange) == exchange.deposited


@pytest.mark.parametrize("price", [4_000, 4_100, 3_900])
def test_amend_to_what_is_filled_cancels_and_below_is_refused(price: int) -> None:
    exchange = make_exchange()
    order = place(exchange, "m0", "bid", 4_000, 10).order
    place(exchange, "m1", "ask", 4_000, 4)

    with pytest.raises(ExchangeError) as refusal:
        _amend(exchange, order, price=price, contracts=3)
    assert refusal.value.details == "INVALID_AMEND_QTY_FOR_ORDER"
    assert _amend(exchange, order, price=price, contracts=4).order.status == "canceled"
    assert exchange.book(TICKER).yes == []


@pytest.mark.parametrize(
    ("over", "code"),
    [
        ({"ticker": OTHER}, "order_ticker_mismatch"),
        ({"side": "ask"}, "order_side_mismatch"),
        ({"client_order_id": "wrong"}, "order_id_and_client_order_id_mismatch"),
        ({"updated_client_order_id": "taken"}, "order_already_exists"),
        ({"price": 4_001}, "invalid_price"),
        ({"contracts": 100_000}, "available_balance_too_low"),
        ({"price": 6_000}, "invalid_order"),  # its member's own ask rests there
    ],
)
def test_refused_amends_change_nothing(over: dict[str, Any], code: str) -> None:
    exchange = make_exchange()
    order = place(exchange, "m0", "bid", 4_000, 10).order
    place(exchange, "m0", "ask", 6_000, 1, client_order_id="taken")
    before = (exchange.book(TICKER), exchange.balance("m0"), order.client_order_id, order.remaining)

    with pytest.raises(ExchangeError) as refusal:
        _amend(exchange, order, **({"price": 4_000, "contracts": 11} | over))

    assert refusal.value.code == code
    assert (exchange.book(TICKER), exchange.balance("m0"), order.client_order_id, order.remaining) == before


def test_an_expiring_order_dies_on_time_and_not_before() -> None:
    exchange = make_exchange()
    order = place(exchange, "m0", "bid", 4_000, 10, expiration_s=NOON_MS // 1000 + 5).order
    exchange.clock.ms = NOON_MS + 4_999
    exchange.expire_due()
    assert order.status == "resting"

    exchange.clock.ms = NOON_MS + 5_000
    result = place(exchange, "m1", "ask", 4_000, 10)  # even before the timer runs

    assert (order.status, order.cancel_reason) == ("canceled", "EXPIRED")
    assert result.fill_count == 0


def test_an_expiry_in_the_past_means_immediate_or_cancel() -> None:
    exchange = make_exchange()
    place(exchange, "m1", "ask", 4_000, 4)

    result = place(exchange, "m0", "bid", 4_000, 10, expiration_s=NOON_MS // 1000 - 1)

    assert (result.fill_count, result.remaining_count, result.order.status) == (400, 0, "canceled")
