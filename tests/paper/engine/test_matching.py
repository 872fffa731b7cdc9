"""Price-time priority, one book for both legs, time in force, self-trade prevention."""

import pytest

from apps.paper.engine.errors import ExchangeError
from apps.paper.engine.events import BookDelta, OrderChanged, PositionChanged, TickerChanged
from apps.paper.engine.orders import Fill, Trade
from tests.paper.engine.support import TICKER, add_member, listen, make_exchange, money, place


def test_an_ask_rests_as_a_no_bid_at_one_minus_its_price() -> None:
    exchange = make_exchange()
    place(exchange, "m0", "bid", 4_200, 10)
    place(exchange, "m1", "ask", 4_500, 7)

    levels = exchange.book(TICKER)

    assert levels.yes == [(4_200, 1_000)]
    assert levels.no == [(5_500, 700)]
    market = exchange.markets[TICKER]
    assert (market.yes_bid, market.yes_ask, market.no_bid, market.no_ask) == (4_200, 4_500, 5_500, 5_800)
    assert (market.yes_bid_size, market.yes_ask_size) == (1_000, 700)


def test_better_prices_trade_first_and_at_the_resting_price() -> None:
    exchange = make_exchange()
    place(exchange, "m0", "ask", 4_500, 5)
    place(exchange, "m1", "ask", 4_300, 5)

    result = place(exchange, "m2", "bid", 4_600, 8)

    assert [(t.price, t.count) for t in reversed(exchange.trades(ticker=TICKER))] == [(4_300, 500), (4_500, 300)]
    assert result.fill_count == 800
    assert result.average_fill_price == 437_500  # (5 x 0.43 + 3 x 0.45) / 8 dollars, in micro-dollars
    assert exchange.book(TICKER).no == [(5_500, 200)]


def test_at_one_price_the_earlier_order_trades_first() -> None:
    exchange = make_exchange()
    first = place(exchange, "m0", "bid", 4_000, 5).order
    second = place(exchange, "m1", "bid", 4_000, 5).order

    place(exchange, "m2", "ask", 4_000, 6)

    assert (first.status, first.filled) == ("executed", 500)
    assert (second.status, second.filled, second.remaining) == ("resting", 100, 400)


def test_the_remainder_of_a_taker_rests_at_its_limit() -> None:
    exchange = make_exchange()
    place(exchange, "m0", "bid", 4_000, 5)

    result = place(exchange, "m1", "ask", 3_900, 8)

    assert (result.fill_count, result.remaining_count, result.order.status) == (500, 300, "resting")
    assert exchange.book(TICKER).no == [(6_100, 300)]


def test_events_come_in_order_after_the_whole_action() -> None:
    exchange = make_exchange()
    place(exchange, "m0", "bid", 4_000, 5)
    events = listen(exchange)

    taker = place(exchange, "m1", "ask", 4_000, 8).order

    assert [type(event) for event in events] == [
        BookDelta, Trade, Fill, Fill, BookDelta, OrderChanged, OrderChanged, PositionChanged, PositionChanged,
        TickerChanged,
    ]  # fmt: skip
    taken, rested = (event for event in events if isinstance(event, BookDelta))
    assert (taken.side, taken.price_units, taken.delta_units) == ("yes", 4_000, -500)
    assert taken.order_id == taker.order_id
    assert taken.client_order_id == taker.client_order_id
    assert (rested.side, rested.price_units, rested.delta_units) == ("no", 6_000, 300)
    maker_fill, taker_fill = (event for event in events if isinstance(event, Fill))
    assert (maker_fill.user_id, maker_fill.is_taker, maker_fill.post_position) == ("m0", False, 500)
    assert (taker_fill.user_id, taker_fill.is_taker, taker_fill.post_position) == ("m1", True, -500)
    assert maker_fill.trade_id == taker_fill.trade_id


def test_deltas_of_a_day_add_up_to_the_book() -> None:
    exchange = make_exchange()
    events = listen(exchange)
    for step in range(40):
        place(exchange, f"m{step % 3}", "bid" if step % 2 else "ask", 3_000 + step * 700 % 4_000, 3 + step % 5)
    folded: dict[tuple[str, int], int] = {}
    for event in events:
        if isinstance(event, BookDelta):
            key = (event.side, event.price_units)
            folded[key] = folded.get(key, 0) + event.delta_units

    levels = exchange.book(TICKER)

    assert levels.yes
    assert levels.no
    assert sorted((p, s) for (side, p), s in folded.items() if s and side == "yes") == levels.yes
    assert sorted((p, s) for (side, p), s in folded.items() if s and side == "no") == levels.no


def test_immediate_or_cancel_takes_what_is_there() -> None:
    exchange = make_exchange()
    place(exchange, "m0", "ask", 4_000, 5)

    result = place(exchange, "m1", "bid", 4_000, 8, time_in_force="immediate_or_cancel")

    assert (result.fill_count, result.remaining_count) == (500, 0)
    assert (result.order.status, result.order.cancel_reason) == ("canceled", "IMMEDIATE_OR_CANCELLED")
    assert exchange.book(TICKER).yes == []


def test_fill_or_kill_takes_all_or_nothing() -> None:
    exchange = make_exchange()
    place(exchange, "m0", "ask", 4_000, 5)
    place(exchange, "m0", "ask", 4_100, 5)

    with pytest.raises(ExchangeError) as refusal:
        place(exchange, "m1", "bid", 4_000, 6, time_in_force="fill_or_kill", client_order_id="killed")

    assert refusal.value.http_status == 409
    assert refusal.value.code == "fill_or_kill_insufficient_resting_volume"
    assert exchange.fills("m1") == []
    assert place(exchange, "m1", "bid", 4_100, 10, time_in_force="fill_or_kill").fill_count == 1_000
    with pytest.raises(ExchangeError) as refusal:  # a killed order used up its id
        place(exchange, "m1", "bid", 3_000, 1, client_order_id="killed")
    assert refusal.value.code == "order_already_exists"


def test_taker_at_cross_stops_the_taker_and_keeps_what_it_got() -> None:
    exchange = make_exchange()
    place(exchange, "m0", "ask", 4_000, 5)
    own = place(exchange, "m1", "ask", 4_100, 5).order
    place(exchange, "m0", "ask", 4_200, 5)

    result = place(exchange, "m1", "bid", 4_200, 12)

    assert (result.fill_count, result.remaining_count, result.order.status) == (500, 0, "canceled")
    assert result.order.cancel_reason == "TAKER_CANCEL_FOR_SELF_TRADE_PREVENTION"
    assert own.status == "resting"


def test_maker_prevention_cancels_the_resting_order_and_goes_on() -> None:
    exchange = make_exchange()
    own = place(exchange, "m1", "ask", 4_000, 5).order
    place(exchange, "m0", "ask", 4_100, 5)

    result = place(exchange, "m1", "bid", 4_100, 5, self_trade_prevention_type="maker")

    assert (own.status, own.cancel_reason) == ("canceled", "MAKER_CANCEL_FOR_SELF_TRADE_PREVENTION")
    assert (result.fill_count, result.order.status) == (500, "executed")


def test_a_member_does_not_trade_with_its_own_subaccount() -> None:
    exchange = make_exchange()
    exchange.deposit("m0", cents=10_000, subaccount=1)
    place(exchange, "m0", "ask", 4_000, 5, subaccount=1)

    result = place(exchange, "m0", "bid", 4_000, 5)

    assert result.fill_count == 0
    assert exchange.trades(ticker=TICKER) == []


def test_a_self_crossing_fill_or_kill_keeps_its_partial_fills_and_never_rests() -> None:
    exchange = make_exchange()
    place(exchange, "m0", "ask", 4_000, 5)
    place(exchange, "m1", "ask", 4_000, 5)

    result = place(exchange, "m1", "bid", 4_000, 10, time_in_force="fill_or_kill", self_trade_prevention_type="maker")

    assert (result.fill_count, result.remaining_count, result.order.status) == (500, 0, "canceled")
    assert exchange.book(TICKER).yes == []


def test_post_only_is_refused_when_it_would_trade_and_rests_otherwise() -> None:
    exchange = make_exchange()
    place(exchange, "m0", "ask", 4_000, 5)

    with pytest.raises(ExchangeError) as refusal:
        place(exchange, "m1", "bid", 4_000, 5, post_only=True)

    assert (refusal.value.code, refusal.value.details) == ("invalid_order", "post only cross")
    assert place(exchange, "m1", "bid", 3_900, 5, post_only=True).order.status == "resting"


def test_queue_position_counts_better_prices_and_earlier_orders() -> None:
    exchange = make_exchange()
    place(exchange, "m0", "bid", 4_100, 3)
    place(exchange, "m0", "bid", 4_000, 4)
    order = place(exchange, "m1", "bid", 4_000, 5).order
    place(exchange, "m0", "bid", 3_900, 6)
    place(exchange, "m0", "bid", 4_000, 7)

    assert exchange.queue_position("m1", order.order_id) == 700
    assert exchange.queue_positions("m1") == [(order, 700)]
    place(exchange, "m2", "ask", 4_000, 5)
    assert exchange.queue_position("m1", order.order_id) == 200


def test_tapered_grid_trades_at_a_tenth_of_a_cent_at_the_ends_only() -> None:
    exchange = make_exchange(structure="tapered_deci_cent")
    place(exchange, "m0", "bid", 990, 5)
    place(exchange, "m0", "bid", 1_000, 5)
    with pytest.raises(ExchangeError) as refusal:
        place(exchange, "m0", "bid", 1_010, 5)
    assert refusal.value.code == "invalid_price"
    assert place(exchange, "m1", "ask", 990, 10).fill_count == 1_000
    assert money(exchange) == exchange.deposited


def test_many_members_one_level_trade_in_order_of_arrival() -> None:
    exchange = make_exchange(members=1)
    orders = []
    for number in range(20):
        add_member(exchange, f"x{number}")
        orders.append(place(exchange, f"x{number}", "bid", 5_000, 1).order)

    place(exchange, "m0", "ask", 5_000, 13)

    assert [order.status for order in orders] == ["executed"] * 13 + ["resting"] * 7
