"""Several orders at once: a dry run by line, all or none, and each line's own outcome."""

import json
import uuid
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import httpx
import pytest

from apps.core.errors import DeskError, NotAllowed
from apps.core.ports import commands
from apps.core.timestamps import to_unix_ms, utc_now
from apps.exchange.models import AccountLimits
from apps.orders import tasks
from apps.orders.models import Order, OrderIntent
from apps.orders.services import batch_send, cancel_all, intent_resolve, intents_sweep
from tests.orders.conftest import TICKER, Place
from tests.orders.scripted import ScriptedExchange
from tests.support.people import actor_of, make_person

State = OrderIntent.State
Queued = list[tuple[str, int]]


def line(**over: Any) -> dict[str, Any]:
    return {
        "idempotency_key": str(uuid.uuid4()),
        "ticker": TICKER,
        "side": "buy_yes",
        "price": "0.56",
        "count": "1",
    } | over


def lines(count: int) -> list[dict[str, Any]]:
    return [line(count=str(number)) for number in range(1, count + 1)]


def submit(place: Place, items: list[dict[str, Any]], **over: Any) -> list[dict[str, Any]]:
    params = {"batch_key": str(uuid.uuid4()), "items": items} | over
    rows: list[dict[str, Any]] = commands["order.batch"].handler(place.trader, params)["intents"]
    return rows


def preview(place: Place, items: list[dict[str, Any]]) -> dict[str, Any]:
    return commands["order.batch_preview"].handler(place.trader, {"items": items})


def ids_of(rows: list[dict[str, Any]]) -> list[int]:
    return [int(row["key"].partition(":")[2]) for row in rows]


def rich(place: Place) -> None:
    """A write budget that takes 20 lines in one request."""
    AccountLimits.objects.create(
        account=place.account,
        usage_tier="prime",
        read_rate=1000,
        read_capacity=1000,
        write_rate=1000,
        write_capacity=1000,
        updated_at=utc_now(),
    )


class Batches:
    """Answers a batch request line by line; `refuse`, `silent` by index, everything else is accepted."""

    def __init__(
        self, exchange: ScriptedExchange, *, refuse: tuple[int, ...] = (), silent: tuple[int, ...] = ()
    ) -> None:
        self.exchange, self.refuse, self.silent = exchange, refuse, silent

    def __call__(self, request: httpx.Request) -> httpx.Response:
        answers: list[dict[str, Any]] = []
        for index, body in enumerate(json.loads(request.content)["orders"]):
            if index in self.refuse:
                answers.append({"error": {"code": "insufficient_balance", "message": "not enough"}})
                continue
            order = self.exchange.place(body)
            if index in self.silent:
                answers.append({"client_order_id": body["client_order_id"]})
                continue
            answers.append(
                {
                    "order_id": order["order_id"],
                    "client_order_id": body["client_order_id"],
                    "fill_count": "0.00",
                    "remaining_count": body["count"],
                    "ts_ms": to_unix_ms(datetime.now(UTC)),
                }
            )
        return httpx.Response(201, json={"orders": answers})

    def lost(self, request: httpx.Request) -> httpx.Response:
        self(request)
        raise httpx.ReadTimeout("answer lost", request=request)


def test_the_dry_run_says_what_is_wrong_with_which_line(place: Place, exchange: ScriptedExchange) -> None:
    told = preview(place, [line(), line(price="0.565"), line(ticker="NONE-1"), line(count="many"), line(count="20000")])

    assert [one["ok"] for one in told["lines"]] == [True, False, False, False, False]
    codes = [one["error"] and one["error"]["code"] for one in told["lines"]]
    assert codes == [None, "off_grid", "not_found", "bad_input", "limit_max_count"]
    assert told["ok"] is False
    assert told["lines"][0]["cost"] == "0.5600"
    assert told["total"]["tokens"] == 50
    assert not OrderIntent.objects.exists()


def test_three_bad_lines_send_none(place: Place, exchange: ScriptedExchange, queued: Queued) -> None:
    items = [line(), line(price="0.565"), line(count="0"), line(side="hold")]

    with pytest.raises(DeskError) as refused:
        submit(place, items)

    assert refused.value.code == "batch_refused"
    assert set(refused.value.fields) == {"2", "3", "4"}
    assert not OrderIntent.objects.exists()
    assert queued == []


def test_the_lines_count_against_the_limits_together(place: Place, exchange: ScriptedExchange) -> None:
    commands["limit.set"].handler(
        actor_of(make_person(place.desk, "lead")), {"max_open_contracts": "5", "reason": "as agreed"}
    )

    told = preview(place, [line(count="3"), line(count="2"), line(count="1")])

    assert [one["ok"] for one in told["lines"]] == [True, True, False]
    assert told["lines"][2]["error"]["code"] == "limit_max_open_contracts"


def test_a15_each_line_has_its_own_outcome(place: Place, exchange: ScriptedExchange) -> None:
    """RELIABILITY A15: of 25 lines number 7 is refused and number 12 has no answer; the others are good."""
    rich(place)
    rows = submit(place, lines(25))
    exchange.creates = [Batches(exchange, refuse=(6,), silent=(11,)), Batches(exchange)]

    batch_send(ids_of(rows))

    states = {intent.count: intent.state for intent in OrderIntent.objects.all()}
    assert states.pop(Decimal(7)) == State.REFUSED
    assert states.pop(Decimal(12)) == State.UNKNOWN
    assert set(states.values()) == {State.ACKED}
    assert len(exchange.sent("POST")) == 2  # 20 lines, then 5
    intent_resolve(OrderIntent.objects.get(state=State.UNKNOWN).pk)
    assert Order.objects.count() == len(exchange.orders) == 24


def test_a15_a_lost_request_leaves_all_its_lines_unknown_and_none_is_sent_again(
    place: Place, exchange: ScriptedExchange, queued: Queued
) -> None:
    rich(place)
    rows = submit(place, lines(20))
    exchange.creates = [Batches(exchange).lost]

    batch_send(ids_of(rows))
    tasks.batch_send(*ids_of(rows))
    intents_sweep()

    assert set(OrderIntent.objects.values_list("state", flat=True)) == {State.UNKNOWN}
    assert len(exchange.sent("POST")) == 1
    for pk in ids_of(rows):
        intent_resolve(pk)
    assert OrderIntent.objects.filter(state=State.ACKED).count() == 20
    assert len(exchange.orders) == 20


def test_a_small_budget_takes_fewer_lines_per_request(place: Place, exchange: ScriptedExchange) -> None:
    rows = submit(place, lines(10))
    exchange.creates = [Batches(exchange), Batches(exchange)]

    batch_send(ids_of(rows))

    sizes = [len(json.loads(request.content)["orders"]) for request in exchange.sent("POST")]
    assert sizes == [7, 3]  # 70 of the lowest tier's 100 tokens, at 10 each


def test_the_same_batch_twice_is_one_batch(place: Place, exchange: ScriptedExchange, queued: Queued) -> None:
    items = lines(3)
    first = submit(place, items)

    assert ids_of(submit(place, items)) == ids_of(first)
    assert OrderIntent.objects.count() == 3


def test_lines_that_wait_can_be_withdrawn(place: Place, exchange: ScriptedExchange) -> None:
    rows = submit(place, lines(3))

    done = cancel_all(place.trader, account_id=place.account.pk)
    batch_send(ids_of(rows))

    assert done.withdrawn == 3
    assert exchange.sent("POST") == []


def test_a_lost_message_is_healed_line_by_line(place: Place, exchange: ScriptedExchange, queued: Queued) -> None:
    rows = submit(place, lines(2))
    OrderIntent.objects.update(created_at=utc_now() - timedelta(seconds=3))
    queued.clear()

    intents_sweep()

    assert queued == [("order_send", pk) for pk in ids_of(rows)]


def test_lines_that_nobody_claimed_in_time_are_not_sent(place: Place, exchange: ScriptedExchange) -> None:
    rows = submit(place, lines(2))
    OrderIntent.objects.update(created_at=utc_now() - timedelta(seconds=16))

    batch_send(ids_of(rows))

    assert set(OrderIntent.objects.values_list("error_code", flat=True)) == {"too_late"}
    assert exchange.sent("POST") == []


def test_a_viewer_may_look_and_not_send(place: Place, exchange: ScriptedExchange) -> None:
    with pytest.raises(NotAllowed):
        commands["order.batch"].handler(place.viewer, {"batch_key": str(uuid.uuid4()), "items": [line()]})
    assert not OrderIntent.objects.exists()
