"""Amend and decrease: what is refused, what is sent, and what is said when the answer is lost."""

import json
import uuid
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import httpx
import pytest

from apps.core.errors import DeskError, NotAllowed
from apps.core.timestamps import format_rfc3339, to_unix_ms, utc_now
from apps.markets.models import Market
from apps.orders.models import ChangeIntent, Order, OrderIntent
from apps.orders.services import (
    Seen,
    Wish,
    change_resolve,
    change_send,
    change_submit,
    intent_send,
    intent_submit,
    intents_sweep,
    orders_reconcile,
)
from tests.orders.conftest import Place, Published, make_ticket
from tests.orders.scripted import ScriptedExchange

Kind = ChangeIntent.Kind
State = ChangeIntent.State
Queued = list[tuple[str, int]]


def resting(place: Place, **over: Any) -> Order:
    intent = intent_submit(place.trader, make_ticket(place, **over))
    intent_send(intent.pk)
    return Order.objects.get(intent=intent)


def seen(order: Order) -> Seen:
    return Seen(price=order.price, count=order.initial_count, filled=order.filled_count)


def amend(order: Order, **over: Any) -> Wish:
    values: dict[str, Any] = {
        "kind": Kind.AMEND,
        "count": Decimal(12),
        "price": Decimal("0.57"),
        "seen": seen(order),
        "idempotency_key": uuid.uuid4(),
    }
    return Wish(**values | over)


def decrease(order: Order, **over: Any) -> Wish:
    return amend(order, **{"kind": Kind.DECREASE, "price": None, "count": Decimal(4)} | over)


def change(place: Place, order: Order, wish: Wish) -> ChangeIntent:
    made = change_submit(place.trader, order, wish)
    change_send(made.pk)
    made.refresh_from_db()
    return made


class Changes:
    """What the scripted exchange does with an amend or a decrease."""

    def __init__(self, exchange: ScriptedExchange) -> None:
        self.exchange = exchange

    def amend(self, request: httpx.Request) -> httpx.Response:
        body = json.loads(request.content)
        order = self.exchange.orders[request.url.path.split("/")[-2]]
        rest = Decimal(body["count"]) - Decimal(order["fill_count_fp"])
        self.exchange.end(
            order,
            "resting",
            yes_price_dollars=body["price"],
            initial_count_fp=body["count"],
            remaining_count_fp=f"{rest:.2f}",
        )
        answer = {
            "order_id": order["order_id"],
            "remaining_count": f"{rest:.2f}",
            "fill_count": "0.00",
            "ts_ms": to_unix_ms(datetime.now(UTC)) + 1,
        }
        return httpx.Response(200, json=answer)

    def amend_and_lose_the_answer(self, request: httpx.Request) -> httpx.Response:
        self.amend(request)
        raise httpx.ReadTimeout("answer lost", request=request)

    def decrease(self, request: httpx.Request) -> httpx.Response:
        rest = json.loads(request.content)["reduce_to"]
        order = self.exchange.orders[request.url.path.split("/")[-2]]
        self.exchange.end(order, "resting", remaining_count_fp=rest)
        return httpx.Response(200, json={"order_id": order["order_id"], "remaining_count": rest, "ts_ms": 1})

    def decrease_and_lose_the_answer(self, request: httpx.Request) -> httpx.Response:
        self.decrease(request)
        raise httpx.ReadTimeout("answer lost", request=request)


@pytest.fixture
def changes(exchange: ScriptedExchange) -> Changes:
    return Changes(exchange)


def posts(exchange: ScriptedExchange, what: str) -> list[dict[str, Any]]:
    return [json.loads(one.content) for one in exchange.sent("POST") if one.url.path.endswith(f"/{what}")]


def test_an_amend_sends_the_new_total_and_shows_on_the_row(
    place: Place, exchange: ScriptedExchange, changes: Changes, published: Published
) -> None:
    order = resting(place)
    exchange.creates = [changes.amend]

    made = change(place, order, amend(order))

    assert posts(exchange, "amend") == [{"ticker": order.ticker, "side": "bid", "price": "0.5700", "count": "12.00"}]
    order.refresh_from_db()
    assert made.state == State.DONE
    assert (order.price, order.initial_count, order.remaining_count) == (Decimal("0.57"), Decimal(12), Decimal(12))
    rows = [row for row in published.rows("orders") if row]
    assert next(row["change"] for row in rows if row["change"]) == "committed"
    assert rows[-1]["change_text"] == "Changed to 12 in all at 57¢ YES"
    assert [row["v"] for row in rows] == sorted({row["v"] for row in rows})


def test_a14_an_amend_that_timed_out_is_looked_up_and_never_sent_again(
    place: Place, exchange: ScriptedExchange, changes: Changes, queued: Queued
) -> None:
    """RELIABILITY A14: applied, answer lost, and a fill between the send and the look."""
    order = resting(place)
    exchange.creates = [changes.amend_and_lose_the_answer]

    made = change(place, order, amend(order))
    assert made.state == State.UNKNOWN
    assert ("change_resolve", made.pk) in queued
    exchange.fill(exchange.orders[order.order_id], "3.00")
    change_send(made.pk)
    change_resolve(made.pk)

    made.refresh_from_db()
    order.refresh_from_db()
    assert len(posts(exchange, "amend")) == 1
    assert made.state == State.DONE
    assert made.outcome == "Changed; 3 filled since you looked, 9 left"
    assert (order.price, order.filled_count, order.remaining_count) == (Decimal("0.57"), Decimal(3), Decimal(9))


def test_a14_an_amend_that_never_arrived_is_not_seen_until_evidence_says_otherwise(
    place: Place, exchange: ScriptedExchange, changes: Changes
) -> None:
    order = resting(place)
    exchange.creates = [exchange.lose_the_request]
    made = change(place, order, amend(order))

    change_resolve(made.pk)
    made.refresh_from_db()
    assert made.state == State.UNKNOWN  # the exchange's data does not reach past the send yet

    exchange.data_as_of = utc_now() + timedelta(minutes=1)
    change_resolve(made.pk)
    made.refresh_from_db()
    assert made.state == State.NOT_SEEN
    order.refresh_from_db()
    assert order.price == Decimal("0.56")

    exchange.end(
        exchange.orders[order.order_id],
        "resting",
        yes_price_dollars="0.5700",
        initial_count_fp="12.00",
        remaining_count_fp="12.00",
    )
    orders_reconcile(place.account.pk)
    made.refresh_from_db()
    assert made.state == State.DONE
    assert len(posts(exchange, "amend")) == 1


def test_a_fill_between_the_look_and_the_click_makes_the_rest_smaller_not_the_total_larger(
    place: Place, exchange: ScriptedExchange, changes: Changes
) -> None:
    order = resting(place)
    looked_at = seen(order)
    exchange.fill(exchange.orders[order.order_id], "4.00")
    orders_reconcile(place.account.pk)
    order.refresh_from_db()
    exchange.creates = [changes.amend]

    made = change(place, order, amend(order, seen=looked_at))

    assert posts(exchange, "amend")[0]["count"] == "12.00"
    order.refresh_from_db()
    assert (order.filled_count, order.remaining_count) == (Decimal(4), Decimal(8))
    assert made.outcome == "Changed; 4 filled since you looked, 8 left"


def test_an_order_that_filled_first_is_not_amended(place: Place, exchange: ScriptedExchange) -> None:
    order = resting(place)
    made = change_submit(place.trader, order, amend(order))
    exchange.fill(exchange.orders[order.order_id], "10.00")
    orders_reconcile(place.account.pk)

    change_send(made.pk)

    made.refresh_from_db()
    assert posts(exchange, "amend") == []
    assert (made.state, made.outcome) == (State.ENDED, "Not changed: the order was filled first")


def test_a_404_is_looked_up_before_anything_is_said(place: Place, exchange: ScriptedExchange) -> None:
    order = resting(place)

    def gone(request: httpx.Request) -> httpx.Response:
        exchange.fill(exchange.orders[order.order_id], "10.00")
        return httpx.Response(404, json={"code": "not_found", "message": "resting order not found"})

    exchange.creates = [gone]
    made = change(place, order, amend(order))

    order.refresh_from_db()
    assert (made.state, order.status) == (State.ENDED, "executed")


@pytest.mark.parametrize(
    ("over", "code"),
    [
        ({"price": Decimal("0.575")}, "off_grid"),
        ({"count": Decimal("12.5")}, "count_not_whole"),
        ({"count": Decimal(0)}, "count_filled"),
        ({"price": Decimal("0.56"), "count": Decimal(10)}, "no_change"),
        ({"count": Decimal(20_000)}, "limit_max_count"),
        ({"seen": Seen(Decimal("0.55"), Decimal(10), Decimal(0))}, "order_changed"),
        ({"seen": Seen(Decimal("0.56"), Decimal(9), Decimal(0))}, "order_changed"),
        ({"kind": Kind.DECREASE, "price": None, "count": Decimal(10)}, "not_smaller"),
        ({"kind": Kind.DECREASE, "price": None, "count": Decimal(0)}, "use_cancel"),
    ],
)
def test_a_wish_that_cannot_be_is_refused_and_stores_nothing(
    place: Place, exchange: ScriptedExchange, over: dict[str, Any], code: str
) -> None:
    order = resting(place)

    with pytest.raises(DeskError) as refused:
        change_submit(place.trader, order, amend(order, **over))

    assert refused.value.code == code
    assert not ChangeIntent.objects.exists()


def test_a_second_change_waits_for_the_first_and_a_repeat_is_the_same(place: Place, exchange: ScriptedExchange) -> None:
    order = resting(place)
    wish = amend(order)
    first = change_submit(place.trader, order, wish)

    assert change_submit(place.trader, order, wish).pk == first.pk
    with pytest.raises(DeskError) as refused:
        change_submit(place.trader, order, amend(order))
    assert refused.value.code == "change_open"


def test_a_viewer_changes_nothing(place: Place, exchange: ScriptedExchange) -> None:
    order = resting(place)
    for wish in (amend(order), decrease(order)):
        with pytest.raises(NotAllowed):
            change_submit(place.viewer, order, wish)


def test_the_sender_asks_again_for_market_and_grid(place: Place, exchange: ScriptedExchange) -> None:
    order = resting(place)
    made = change_submit(place.trader, order, amend(order))
    Market.objects.update(price_ranges=[{"start": "0.0000", "end": "1.0000", "step": "0.0500"}])

    change_send(made.pk)

    made.refresh_from_db()
    assert (made.state, made.error_code) == (State.REFUSED, "off_grid")
    assert posts(exchange, "amend") == []


def test_a_late_amend_is_not_sent(place: Place, exchange: ScriptedExchange) -> None:
    order = resting(place)
    made = change_submit(place.trader, order, amend(order))
    ChangeIntent.objects.update(created_at=utc_now() - timedelta(seconds=20))

    assert change_send(made.pk) is None

    made.refresh_from_db()
    assert (made.state, made.error_code) == (State.REFUSED, "too_late")
    assert posts(exchange, "amend") == []


def test_a_worker_that_died_leaves_an_amend_unknown(place: Place, exchange: ScriptedExchange, queued: Queued) -> None:
    order = resting(place)
    made = change_submit(place.trader, order, amend(order))
    ChangeIntent.objects.update(state=State.SENDING, sent_at=utc_now() - timedelta(seconds=31))

    intents_sweep()

    made.refresh_from_db()
    assert made.state == State.UNKNOWN
    assert change_send(made.pk) is None
    assert posts(exchange, "amend") == []


def test_a_decrease_names_the_rest_and_is_repeated_until_it_shows(
    place: Place, exchange: ScriptedExchange, changes: Changes, queued: Queued
) -> None:
    order = resting(place)
    exchange.creates = [exchange.lose_the_request, changes.decrease_and_lose_the_answer, changes.decrease]

    made = change(place, order, decrease(order))
    assert made.state == State.UNKNOWN
    for _ in range(2):
        ChangeIntent.objects.update(next_attempt_at=utc_now())
        queued.clear()
        intents_sweep()
        assert ("change_send", made.pk) in queued
        change_send(made.pk)

    made.refresh_from_db()
    order.refresh_from_db()
    assert posts(exchange, "decrease") == [{"reduce_to": "4.00"}] * 3
    assert (made.state, order.remaining_count) == (State.DONE, Decimal(4))


def test_a_decrease_that_fills_overtook_is_done(place: Place, exchange: ScriptedExchange) -> None:
    order = resting(place)
    made = change_submit(place.trader, order, decrease(order))
    exchange.fill(exchange.orders[order.order_id], "7.00")
    orders_reconcile(place.account.pk)

    change_send(made.pk)

    made.refresh_from_db()
    assert made.state == State.DONE
    assert posts(exchange, "decrease") == []


def test_an_order_placed_elsewhere_can_be_changed(place: Place, exchange: ScriptedExchange, changes: Changes) -> None:
    exchange.place(
        {"client_order_id": "", "ticker": place.market.ticker, "side": "bid", "price": "0.5600", "count": "10.00"},
        created_time=format_rfc3339(utc_now()),
    )
    orders_reconcile(place.account.pk)
    order = Order.objects.get()
    assert order.intent is None
    assert not OrderIntent.objects.exists()
    exchange.creates = [changes.amend]

    assert change(place, order, amend(order)).state == State.DONE
