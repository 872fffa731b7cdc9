"""Opening, closing, pauses; and the reads' filters."""

from collections.abc import Callable

import pytest

from apps.paper.engine.errors import ExchangeError
from apps.paper.engine.events import MarketLifecycle
from apps.paper.engine.exchange import PaperExchange
from tests.paper.engine.support import DAY_MS, NOON_MS, OTHER, TICKER, listen, make_exchange, make_market, money, place


def _told(exchange: PaperExchange, action: Callable[[], object]) -> list[str]:
    events = listen(exchange)
    action()
    return [event.type for event in events if isinstance(event, MarketLifecycle)]


def test_at_its_close_a_market_cancels_and_refuses_everything() -> None:
    exchange = make_exchange()
    order = place(exchange, "m0", "bid", 4_000, 10).order
    exchange.clock.ms = NOON_MS + DAY_MS
    for request in (
        lambda: place(exchange, "m1", "ask", 4_000, 1),
        lambda: exchange.cancel_order("m0", order.order_id),
        lambda: exchange.decrease_order("m0", order.order_id, reduce_by=1),
    ):
        with pytest.raises(ExchangeError) as refusal:
            request()
        assert refusal.value.code == "market_inactive"

    assert _told(exchange, exchange.expire_due) == []  # closing by the clock is not told

    assert exchange.markets[TICKER].status == "closed"
    assert (order.status, order.cancel_reason) == ("canceled", "CLOSE_CANCEL")
    assert exchange.book(TICKER).yes == []
    assert exchange.balance("m0").available == 1_000_000_000


def test_a_market_opens_when_its_time_comes() -> None:
    exchange = make_exchange()
    exchange.list_market(make_market("KXTEST-26DEC-C", status="initialized", open_ms=NOON_MS + 1_000))
    with pytest.raises(ExchangeError):
        place(exchange, "m0", "bid", 4_000, 1, ticker="KXTEST-26DEC-C")

    exchange.clock.ms += 1_000
    exchange.expire_due()

    assert place(exchange, "m0", "bid", 4_000, 1, ticker="KXTEST-26DEC-C").order.status == "resting"


def test_a_paused_market_takes_cancels_only_and_loses_its_orders_on_reactivation() -> None:
    exchange = make_exchange()
    stays = place(exchange, "m0", "bid", 4_000, 10).order
    gone = place(exchange, "m0", "bid", 4_000, 10).order
    asked = place(exchange, "m0", "bid", 4_000, 10, cancel_order_on_pause=True).order

    assert _told(exchange, lambda: exchange.pause_market(TICKER)) == ["deactivated"]

    with pytest.raises(ExchangeError) as refusal:
        place(exchange, "m1", "ask", 4_000, 1)
    assert refusal.value.code == "market_inactive"
    assert (stays.status, asked.status) == ("resting", "canceled")
    exchange.cancel_order("m0", gone.order_id)
    assert _told(exchange, lambda: exchange.resume_market(TICKER)) == ["activated"]
    assert stays.status == "canceled"
    assert place(exchange, "m1", "ask", 4_000, 1).order.status == "resting"


def test_a_trading_pause_lets_cancels_through_and_an_exchange_pause_does_not() -> None:
    exchange = make_exchange()
    first, second = (place(exchange, "m0", "bid", 4_000, 1).order for _ in range(2))
    asked = place(exchange, "m0", "bid", 4_000, 10, cancel_order_on_pause=True).order

    exchange.set_exchange_status(exchange_active=True, trading_active=False)
    with pytest.raises(ExchangeError) as refusal:
        place(exchange, "m1", "ask", 4_000, 1)
    assert refusal.value.code == "trading_is_paused"
    assert asked.status == "canceled"
    exchange.cancel_order("m0", first.order_id)
    exchange.set_exchange_status(exchange_active=False, trading_active=False)
    with pytest.raises(ExchangeError) as refusal:
        exchange.cancel_order("m0", second.order_id)
    assert refusal.value.code == "exchange_is_paused"
    exchange.set_exchange_status(exchange_active=True, trading_active=True)
    assert place(exchange, "m1", "ask", 4_000, 1).fill_count == 100
    assert second.status == "executed"


def test_a_close_moved_away_reopens_a_closed_market() -> None:
    exchange = make_exchange()
    exchange.clock.ms = NOON_MS + DAY_MS
    exchange.expire_due()

    told = _told(exchange, lambda: exchange.move_close(TICKER, close_ms=NOON_MS + 2 * DAY_MS))

    assert told == ["close_date_updated", "activated"]
    assert place(exchange, "m0", "bid", 4_000, 1).order.status == "resting"
    exchange.clock.ms = NOON_MS + 2 * DAY_MS
    exchange.expire_due()
    assert exchange.markets[TICKER].status == "closed"


def test_orders_and_fills_are_newest_first_and_filtered() -> None:
    exchange = make_exchange()
    made = []
    for number in range(6):
        made.append(place(exchange, "m0", "bid", 4_000, 1, ticker=TICKER if number % 2 else OTHER).order)
        exchange.clock.ms += 1_000
    place(exchange, "m1", "ask", 4_000, 2)
    exchange.cancel_order("m0", made[5].order_id)

    assert exchange.orders("m0") == made[::-1]
    assert exchange.orders("m0", status="resting") == [made[4], made[2], made[0]]
    assert exchange.orders("m0", status="executed") == [made[3], made[1]]
    assert exchange.orders("m0", ticker=OTHER, limit=2) == [made[4], made[2]]
    assert exchange.orders("m0", before=made[2].sequence) == [made[1], made[0]]
    second = NOON_MS // 1000
    assert exchange.orders("m0", min_ts=second + 1, max_ts=second + 2) == [made[2], made[1]]
    assert exchange.orders("m0", event_tickers=["KXELSE"]) == []
    assert [f.order_id for f in exchange.fills("m0")] == [made[3].order_id, made[1].order_id]
    assert [f.order_id for f in exchange.fills("m0", order_id=made[1].order_id)] == [made[1].order_id]
    assert exchange.trades(ticker=OTHER) == []
    assert len(exchange.trades(limit=1)) == 1
    assert exchange.trades(max_ts=second) == []
    newest = exchange.trades(ticker=TICKER)[0]
    assert [t.sequence < newest.sequence for t in exchange.trades(before=newest.sequence)] == [True]


def test_positions_filter_and_events_sum() -> None:
    exchange = make_exchange(multiplier="0")
    for ticker in (TICKER, OTHER):
        place(exchange, "m0", "bid", 4_000, 10, ticker=ticker)
        place(exchange, "m1", "ask", 4_000, 10, ticker=ticker)
    place(exchange, "m1", "bid", 3_000, 10, ticker=OTHER)
    place(exchange, "m0", "ask", 3_000, 10, ticker=OTHER)

    every = exchange.positions("m0")
    assert [p.ticker for p in every] == [TICKER, OTHER]
    assert [p.ticker for p in exchange.positions("m0", count_filter=["position"])] == [TICKER]
    assert exchange.positions("m0", count_filter=["position", "total_traded"]) == every
    assert [p.ticker for p in exchange.positions("m0", ticker=OTHER)] == [OTHER]
    (total,) = exchange.event_positions(every)
    assert (total.total_cost_shares, total.event_exposure, total.realized_pnl) == (3_000, 4_000_000, -1_000_000)
    assert money(exchange) == exchange.deposited


def test_members_and_keys_are_added_once() -> None:
    exchange = make_exchange()
    exchange.add_key(user_id="m0", key_id="k", public_key_pem="pem", scopes=["read"])

    with pytest.raises(ValueError, match="exists"):
        exchange.add_key(user_id="m1", key_id="k", public_key_pem="pem", scopes=["read"])
    with pytest.raises(ValueError, match="exists"):
        exchange.add_member(name="again", user_id="m0", cash_cents=1)
    with pytest.raises(KeyError):
        exchange.add_key(user_id="nobody", key_id="k2", public_key_pem="pem", scopes=["read"])
