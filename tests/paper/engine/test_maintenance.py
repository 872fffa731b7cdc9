"""The weekly maintenance window, by the exchange's own clock; corrections of what a market says about itself."""

from datetime import UTC, datetime
from decimal import Decimal

import pytest

from apps.paper.engine.errors import ExchangeError
from apps.paper.engine.events import EventListed, MarketLifecycle
from apps.paper.engine.exchange import PaperExchange
from apps.paper.engine.maintenance import next_window
from tests.paper.engine.support import TICKER, FixedClock, add_member, listen, make_exchange, place

HOUR_MS = 3_600_000


def ms(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()) * 1000


@pytest.mark.parametrize(
    ("now", "start"),
    [
        ("2026-11-19T07:59:59", "2026-11-19T08:00:00"),  # winter: New York is five hours behind
        ("2026-11-19T09:59:59", "2026-11-19T08:00:00"),
        ("2026-11-19T10:00:00", "2026-11-26T08:00:00"),
        ("2026-11-20T00:00:00", "2026-11-26T08:00:00"),
        ("2026-11-26T03:00:00", "2026-11-26T08:00:00"),  # still Wednesday there
        ("2026-07-02T07:00:00", "2026-07-02T07:00:00"),  # summer: four hours
        ("2026-10-30T00:00:00", "2026-11-05T08:00:00"),  # over the change of the clocks
    ],
)
def test_the_window_is_thursday_three_to_five_in_new_york(now: str, start: str) -> None:
    window = next_window(ms(now))
    assert (window.start_ms, window.end_ms) == (ms(start), ms(start) + 2 * HOUR_MS)


def before_window() -> PaperExchange:
    """An hour before a window, with one resting order that stays and one that wants to go."""
    exchange = make_exchange(members=0)
    exchange.clock = FixedClock(ms("2026-11-19T07:00:00"))
    for ticker in exchange.markets:
        exchange.move_close(ticker, close_ms=ms("2026-12-24T00:00:00"))
    add_member(exchange, "m0")
    place(exchange, "m0", "bid", 4_000, 1, client_order_id="stays")
    place(exchange, "m0", "bid", 4_000, 1, client_order_id="goes", cancel_order_on_pause=True)
    return exchange


def resting(exchange: PaperExchange) -> list[str]:
    return [order.client_order_id for order in exchange.orders("m0", status="resting")]


def test_trading_pauses_in_the_window_and_goes_on_after_it_by_itself() -> None:
    exchange = before_window()
    exchange.keep_maintenance("trading")
    assert exchange.trading_active
    for _ in range(2):  # this week and the next
        exchange.clock.ms = exchange.maintenance_window.start_ms
        exchange.expire_due()
        assert (exchange.exchange_active, exchange.trading_active, exchange.in_maintenance) == (True, False, True)
        with pytest.raises(ExchangeError) as refusal:
            place(exchange, "m0", "bid", 4_000, 1)
        assert refusal.value.code == "trading_is_paused"
        exchange.clock.ms = exchange.maintenance_window.end_ms - 1
        exchange.expire_due()
        assert not exchange.trading_active
        exchange.clock.ms += 1
        exchange.expire_due()
        assert (exchange.trading_active, exchange.in_maintenance) == (True, False)
    assert resting(exchange) == ["stays"]


def test_an_exchange_pause_takes_no_cancels_and_a_window_jumped_over_has_happened() -> None:
    exchange = before_window()
    exchange.keep_maintenance("exchange")
    exchange.clock.ms += 26 * HOUR_MS
    exchange.expire_due()
    assert resting(exchange) == ["stays"]
    assert exchange.exchange_active

    exchange.clock.ms = exchange.maintenance_window.start_ms
    exchange.expire_due()
    with pytest.raises(ExchangeError) as refusal:
        exchange.cancel_order("m0", exchange.orders("m0", status="resting")[0].order_id)
    assert refusal.value.code == "exchange_is_paused"


def test_the_windows_can_be_switched_on_and_off_within_one() -> None:
    exchange = before_window()
    exchange.clock.ms += 2 * HOUR_MS
    exchange.expire_due()
    assert exchange.trading_active  # off unless switched on
    exchange.keep_maintenance("trading")
    assert not exchange.trading_active
    exchange.keep_maintenance("off")
    assert (exchange.trading_active, exchange.maintenance_window) == (True, None)


def test_a_correction_tells_only_what_changed() -> None:
    exchange = make_exchange()
    heard = listen(exchange)
    exchange.update_metadata(TICKER, floor=Decimal("95000"))
    exchange.update_metadata(TICKER, yes_sub_title="above $95,000")
    with pytest.raises(ValueError, match="metadata needs"):
        exchange.update_metadata(TICKER)

    told = [event for event in heard if isinstance(event, MarketLifecycle)]
    assert [(event.type, set(event.details)) for event in told] == [
        ("metadata_updated", {"floor_strike"}),
        ("metadata_updated", {"yes_sub_title"}),
    ]
    market = exchange.market(TICKER)
    assert (market.floor_strike, market.yes_sub_title) == (Decimal(95_000), "above $95,000")


def test_a_new_event_is_told_before_its_markets() -> None:
    exchange = make_exchange()
    heard = listen(exchange)
    event = exchange.events["KXTEST-26DEC"]
    exchange.list_event(event)
    exchange.flush()
    assert [e.event for e in heard if isinstance(e, EventListed)] == [event]
