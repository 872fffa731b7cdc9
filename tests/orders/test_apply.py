"""One door for facts that arrive three times, in any order, and late."""

import itertools
import uuid
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from pytest_django import DjangoAssertNumQueries

from apps.audit.models import AuditEntry
from apps.core.timestamps import to_unix_ms, utc_now
from apps.exchange.wire.schemas import UserOrder, build
from apps.orders.models import Fill, Order, OrderIntent
from apps.orders.reports import FillReport, OrderReport, order_from_ws
from apps.orders.services import fills_record, intent_send, intent_submit, order_apply, orders_reconcile
from tests.orders.conftest import TICKER, Place, Published, make_ticket
from tests.orders.scripted import ScriptedExchange

State = OrderIntent.State
Queued = list[tuple[str, int]]
START = utc_now()


def report(**over: Any) -> OrderReport:
    """A resting order placed elsewhere; override what matters."""
    values: dict[str, Any] = {
        "order_id": "exchange-77",
        "ticker": TICKER,
        "book_side": "bid",
        "price": Decimal("0.56"),
        "status": "resting",
        "initial_count": Decimal("10"),
        "filled_count": Decimal("0"),
        "remaining_count": Decimal("10"),
        "updated_at": START,
    }
    return OrderReport(**values | over)


def progress(filled: int, *, after: int, status: str = "resting", **over: Any) -> OrderReport:
    """The same order with `filled` contracts filled, `after` seconds later."""
    left = Decimal(10 - filled) if status == "resting" else Decimal(0)
    moment = START + timedelta(seconds=after)
    values = {"filled_count": Decimal(filled), "remaining_count": left, "status": status, "updated_at": moment}
    return report(**values | over)


def fill(number: int = 1, count: str = "4", **over: Any) -> FillReport:
    values: dict[str, Any] = {
        "trade_id": f"trade-{number}",
        "order_id": "exchange-77",
        "ticker": TICKER,
        "book_side": "bid",
        "yes_price": Decimal("0.56"),
        "count": Decimal(count),
        "is_taker": False,
        "fee": Decimal("0.01"),
        "traded_at": START + timedelta(seconds=number),
    }
    return FillReport(**values | over)


def test_an_order_placed_elsewhere_is_external(place: Place, queued: Queued, published: Published) -> None:
    """RELIABILITY A19."""
    order_apply(place.account.pk, report(client_order_id="another-tool-17"), source="ws")

    [row] = published.rows("orders")
    assert row is not None
    assert (row["key"], row["is_external"], row["state"]) == ("order:exchange-77", True, "resting")
    assert Order.objects.get().intent_id is None


def test_the_same_report_from_three_sources_is_told_once(place: Place, queued: Queued, published: Published) -> None:
    for source in ("ws", "rest", "answer", "ws"):
        order_apply(place.account.pk, report(), source=source)  # type: ignore[arg-type]

    assert Order.objects.count() == 1
    assert len(published.frames) == 1


def test_what_is_known_already_takes_no_write_lock(
    place: Place, queued: Queued, published: Published, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    """A sync repeats every resting order; an order that is being placed must not wait behind all of them."""
    external = report(client_order_id="another-tool-17")
    order_apply(place.account.pk, external, source="ws")
    order_apply(place.account.pk, report(order_id="exchange-78"), source="rest")
    fills_record(place.account.pk, [fill(), fill(2, "1")], source="ws")
    filled = replace(external, filled_count=Decimal(5), remaining_count=Decimal(5))
    order_apply(place.account.pk, filled, source="ws")

    with django_assert_num_queries(5) as seen:
        order_apply(place.account.pk, filled, source="rest")
        order_apply(place.account.pk, report(order_id="exchange-78"), source="rest")
        assert fills_record(place.account.pk, [fill(2, "1"), fill()], source="rest") == 0

    assert all(query["sql"].startswith("SELECT") for query in seen.captured_queries)


def test_every_order_of_arrival_ends_in_the_same_state(place: Place, queued: Queued, published: Published) -> None:
    told = [progress(0, after=0), progress(3, after=1), progress(7, after=2), progress(10, after=3, status="executed")]

    for number, arrival in enumerate(itertools.permutations(told)):
        for one in arrival:
            order_apply(place.account.pk, replace(one, order_id=f"order-{number}"), source="ws")

    ends = set(Order.objects.values_list("status", "filled_count", "remaining_count"))
    assert ends == {("executed", Decimal(10), Decimal(0))}
    assert not AuditEntry.objects.filter(action="orders.order.disputed").exists()


def test_a_step_that_fix_tells_late_disputes_nothing(place: Place, queued: Queued, published: Published) -> None:
    """Its reports are stamped as they go out: "new" of an order that the WebSocket has ended may carry a later time."""
    order_apply(place.account.pk, progress(0, after=1, status="canceled"), source="ws")

    order_apply(place.account.pk, progress(0, after=2), source="fix")

    assert Order.objects.get().status == "canceled"
    assert not AuditEntry.objects.filter(action="orders.order.disputed").exists()

    order_apply(place.account.pk, progress(0, after=60), source="fix")

    assert Order.objects.get().status == "canceled"
    assert AuditEntry.objects.filter(action="orders.order.disputed").exists()


def test_what_an_order_began_as_is_told_by_others_than_fix(place: Place, queued: Queued, published: Published) -> None:
    """An amended order: its execution report came first, with a later stamp and the size that was known."""
    order_apply(place.account.pk, progress(0, after=1), source="ws")
    amended = progress(0, after=2, remaining_count=Decimal(6))
    order_apply(place.account.pk, amended, source="fix")

    order_apply(place.account.pk, replace(amended, initial_count=Decimal(6), updated_at=START), source="ws")

    assert (Order.objects.get().initial_count, Order.objects.get().remaining_count) == (6, 6)


def test_versions_rise_with_every_change(place: Place, queued: Queued, published: Published) -> None:
    for one in [progress(0, after=0), progress(3, after=1), progress(3, after=1), progress(7, after=2)]:
        order_apply(place.account.pk, one, source="rest")

    versions = [row["v"] for row in published.rows("orders") if row]
    assert versions == [1, 2, 3]


@pytest.mark.parametrize(
    ("stored", "late"),
    [
        (progress(10, after=1, status="executed"), progress(10, after=2, status="canceled")),
        (progress(4, after=1, status="canceled"), progress(10, after=2, status="executed")),
        (progress(4, after=1, status="canceled"), progress(4, after=2)),
        (progress(4, after=1), progress(3, after=2)),
    ],
    ids=["filled to cancelled", "cancelled to filled", "cancelled to resting", "fills shrink"],
)
def test_an_impossible_report_is_kept_in_the_trail_and_changes_nothing(
    place: Place, queued: Queued, published: Published, stored: OrderReport, late: OrderReport
) -> None:
    order_apply(place.account.pk, stored, source="ws")
    for _ in range(3):  # a sync repeats it every 30 s
        order_apply(place.account.pk, late, source="rest")

    order = Order.objects.get()
    assert (order.status, order.filled_count) == (stored.status, stored.filled_count)
    assert AuditEntry.objects.filter(action="orders.order.disputed").count() == 1


def test_a_later_decrease_lowers_what_is_left(place: Place, queued: Queued, published: Published) -> None:
    order_apply(place.account.pk, progress(0, after=0), source="ws")

    order_apply(place.account.pk, replace(progress(0, after=5), remaining_count=Decimal(6)), source="rest")
    order_apply(place.account.pk, progress(0, after=1), source="rest")  # an older page, read late

    assert Order.objects.get().remaining_count == Decimal(6)


def test_the_answer_does_not_overwrite_what_the_websocket_told_exactly(
    place: Place, queued: Queued, published: Published
) -> None:
    order_apply(place.account.pk, progress(4, after=1, fees=Decimal("0.05"), fill_cost=Decimal("2.24")), source="ws")

    order_apply(place.account.pk, progress(4, after=1), source="answer")

    order = Order.objects.get()
    assert (order.fees, order.fill_cost) == (Decimal("0.05"), Decimal("2.24"))


def test_costs_told_later_are_added(place: Place, queued: Queued, published: Published) -> None:
    order_apply(place.account.pk, progress(4, after=1), source="answer")

    order_apply(place.account.pk, progress(4, after=1, fees=Decimal("0.05")), source="rest")

    assert Order.objects.get().fees == Decimal("0.05")


def test_a_status_this_desk_does_not_know_leaves_the_order_as_it_was(
    place: Place, queued: Queued, published: Published
) -> None:
    order_apply(place.account.pk, report(), source="ws")

    assert order_apply(place.account.pk, report(status="triggered"), source="ws") is None

    assert Order.objects.get().status == "resting"


# --- intents -------------------------------------------------------------------------------------
@pytest.mark.parametrize("steps", list(itertools.permutations(["ws", "rest", "answer"])))
def test_whichever_source_is_first_the_intent_is_acked_once(
    place: Place, exchange: ScriptedExchange, published: Published, steps: tuple[str, ...]
) -> None:
    intent = intent_submit(place.trader, make_ticket(place))
    OrderIntent.objects.update(state=State.SENDING, claimed_at=utc_now())
    told = report(client_order_id=str(intent.client_order_id))

    for source in steps:
        order_apply(place.account.pk, told, source=source)  # type: ignore[arg-type]

    intent.refresh_from_db()
    assert intent.state == State.ACKED
    assert AuditEntry.objects.filter(action="orders.intent.acked").count() == 1


def test_a_websocket_report_before_a_lost_answer_acks_it(place: Place, exchange: ScriptedExchange) -> None:
    """RELIABILITY A10."""

    def tell_then_lose(request: Any) -> Any:
        exchange.accept(request)
        [listed] = exchange.orders.values()
        message = build(
            UserOrder,
            {
                "order_id": listed["order_id"],
                "ticker": listed["ticker"],
                "status": "resting",
                "book_side": "bid",
                "yes_price_dollars": listed["yes_price_dollars"],
                "initial_count_fp": "10.00",
                "fill_count_fp": "0.00",
                "remaining_count_fp": "10.00",
                "client_order_id": listed["client_order_id"],
                "created_ts_ms": to_unix_ms(utc_now()),
            },
        )
        order_apply(place.account.pk, order_from_ws(message), source="ws")
        return exchange.lose_the_request(request)

    exchange.creates = [tell_then_lose]
    intent = intent_submit(place.trader, make_ticket(place))
    intent_send(intent.pk)

    intent.refresh_from_db()
    assert (intent.state, intent.error_text) == (State.ACKED, "")
    assert len(exchange.sent("POST")) == 1


def test_an_order_of_a_refused_intent_is_shown_and_reported(place: Place, exchange: ScriptedExchange) -> None:
    exchange.creates = [exchange.answer(400, code="bad", message="no")]
    intent = intent_submit(place.trader, make_ticket(place))
    intent_send(intent.pk)

    order_apply(place.account.pk, report(client_order_id=str(intent.client_order_id)), source="rest")

    assert Order.objects.get().intent_id == intent.pk
    assert AuditEntry.objects.filter(action="orders.order.disputed").count() == 1


def test_a_restored_database_does_not_send_what_the_exchange_has(place: Place, exchange: ScriptedExchange) -> None:
    """RELIABILITY F7."""
    intent = intent_submit(place.trader, make_ticket(place))
    order_apply(place.account.pk, report(client_order_id=str(intent.client_order_id)), source="rest")

    assert intent_send(intent.pk) is None

    assert exchange.sent("POST") == []


def test_an_external_row_gives_way_when_the_order_turns_out_to_be_ours(
    place: Place, exchange: ScriptedExchange, published: Published
) -> None:
    """RELIABILITY A18: the first report came without its client order id."""
    intent = intent_submit(place.trader, make_ticket(place))
    OrderIntent.objects.update(state=State.UNKNOWN)
    order_apply(place.account.pk, report(), source="ws")
    fills_record(place.account.pk, [fill()], source="ws")
    published.frames.clear()

    order_apply(place.account.pk, progress(4, after=9, client_order_id=str(intent.client_order_id)), source="rest")

    keys = {key: row for _, rows in published.frames for key, row in rows.items()}
    assert keys["order:exchange-77"] is None
    assert keys[f"intent:{intent.pk}"] is not None


# --- fills ---------------------------------------------------------------------------------------
def test_a_fill_from_three_sources_is_one_fill_and_one_event(
    place: Place, queued: Queued, published: Published
) -> None:
    """RELIABILITY C9."""
    order_apply(place.account.pk, report(), source="ws")

    news = [fills_record(place.account.pk, [fill()], source=source) for source in ("ws", "rest", "ws")]  # type: ignore[arg-type]

    assert news == [1, 0, 0]
    assert Fill.objects.count() == 1
    assert len(published.rows("fills")) == 1
    order = Order.objects.get()
    assert (order.filled_count, order.remaining_count) == (Decimal(4), Decimal(6))


def test_both_sides_of_a_self_trade_are_two_fills(place: Place, queued: Queued, published: Published) -> None:
    both = [fill(1), fill(1, order_id="exchange-78", book_side="ask")]

    assert fills_record(place.account.pk, both, source="ws") == 2


def test_orders_and_fills_in_any_order_end_alike(place: Place, queued: Queued, published: Published) -> None:
    """RELIABILITY I7: filled and remaining always add up to the order's size."""
    facts: list[tuple[str, Any]] = [
        ("order", progress(0, after=0)),
        ("order", progress(4, after=1)),
        ("order", progress(10, after=2, status="executed")),
        ("fill", fill(1, "4")),
        ("fill", fill(2, "6")),
    ]
    for number, arrival in enumerate(itertools.permutations(facts)):
        for kind, fact in arrival:
            own = replace(fact, order_id=f"order-{number}")
            if kind == "order":
                order_apply(place.account.pk, own, source="ws")
            else:
                fills_record(place.account.pk, [replace(own, trade_id=f"{own.trade_id}-{number}")], source="rest")
            for order in Order.objects.filter(order_id=f"order-{number}"):
                assert order.filled_count + order.remaining_count == order.initial_count

    assert set(Order.objects.values_list("status", "filled_count")) == {("executed", Decimal(10))}
    assert not Fill.objects.filter(order=None).exists()


def test_a_fill_of_an_unknown_order_asks_for_a_sync(place: Place, queued: Queued, published: Published) -> None:
    fills_record(place.account.pk, [fill()], source="ws")

    assert queued == [("account_orders_sync", place.account.pk)]
    order_apply(place.account.pk, report(), source="rest")
    assert Fill.objects.get().order_id == Order.objects.get().pk
    assert Order.objects.get().filled_count == Decimal(4)


def test_a_fill_with_a_foreign_client_id_is_kept_as_it_is(place: Place, queued: Queued, published: Published) -> None:
    foreign = [fill(1, client_order_id="another-tool"), fill(2, client_order_id=str(uuid.uuid4()))]

    assert fills_record(place.account.pk, foreign, source="ws") == 2


def test_what_the_websocket_lost_the_sync_finds(place: Place, exchange: ScriptedExchange) -> None:
    """RELIABILITY C8: one fill message lost, a later one received."""
    intent = intent_submit(place.trader, make_ticket(place))
    intent_send(intent.pk)
    orders_reconcile(place.account.pk)
    [listed] = exchange.orders.values()
    lost = exchange.fill(listed, "4.00")
    fills_record(place.account.pk, [fill(99, "1", order_id="elsewhere", traded_at=utc_now())], source="ws")

    orders_reconcile(place.account.pk)

    assert Fill.objects.filter(trade_id=lost["trade_id"]).exists()
    assert Order.objects.get(intent=intent).filled_count == Decimal(4)


def test_an_order_that_vanished_from_the_resting_list_is_read_by_itself(
    place: Place, exchange: ScriptedExchange
) -> None:
    """RELIABILITY G3: cancelled by a pause, without any message."""
    intent = intent_submit(place.trader, make_ticket(place))
    intent_send(intent.pk)
    [listed] = exchange.orders.values()
    exchange.end(listed, "canceled", remaining_count_fp="0.00", created_time="2020-01-01T00:00:00Z")

    orders_reconcile(place.account.pk)

    assert Order.objects.get().status == "canceled"


def test_a_sync_starts_where_the_last_complete_one_ended(place: Place, exchange: ScriptedExchange) -> None:
    exchange.data_as_of = utc_now() - timedelta(hours=1)
    orders_reconcile(place.account.pk)
    exchange.requests.clear()

    orders_reconcile(place.account.pk)

    [asked] = [request for request in exchange.requests if request.url.path.endswith("/fills")]
    assert int(asked.url.params["min_ts"]) == to_unix_ms(exchange.data_as_of) // 1000 - 30


def test_a_malformed_row_does_not_hide_the_others(place: Place, exchange: ScriptedExchange) -> None:
    body = {"client_order_id": "x", "ticker": TICKER, "side": "bid", "price": "0.5000", "count": "1.00"}
    exchange.place(body, yes_price_dollars="fifty cents")
    exchange.place(body)

    orders_reconcile(place.account.pk)

    assert Order.objects.count() == 1
