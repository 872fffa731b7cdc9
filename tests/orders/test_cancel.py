"""Cancels: repeated until the order is terminal; 404 is a question."""

import uuid
from datetime import timedelta
from decimal import Decimal
from typing import Any

import httpx
import pytest

from apps.accounts.models import Membership
from apps.audit.models import AuditEntry
from apps.core.errors import DeskError, NotAllowed, NotFound
from apps.core.timestamps import utc_now
from apps.orders import tasks
from apps.orders.models import CancelIntent, Order, OrderIntent
from apps.orders.services import (
    cancel_all,
    cancel_send,
    cancel_submit,
    intent_send,
    intent_submit,
    intents_sweep,
    orders_reconcile,
)
from tests.orders.conftest import Place, Published, make_market, make_ticket
from tests.orders.scripted import ScriptedExchange
from tests.support.people import actor_of, make_desk, make_person

State = CancelIntent.State
Queued = list[tuple[str, int]]


def resting(place: Place, **over: Any) -> Order:
    intent = intent_submit(place.trader, make_ticket(place, **over))
    intent_send(intent.pk)
    return Order.objects.get(intent=intent)


def wish(place: Place, order: Order) -> CancelIntent:
    return cancel_submit(place.trader, order, idempotency_key=uuid.uuid4())


def attempt(cancel: CancelIntent) -> CancelIntent:
    """Make the attempt that is due, whatever the pause."""
    CancelIntent.objects.filter(pk=cancel.pk).update(next_attempt_at=utc_now() - timedelta(seconds=1))
    cancel_send(cancel.pk)
    cancel.refresh_from_db()
    return cancel


def test_a_cancel_ends_the_order_and_is_told(
    place: Place, exchange: ScriptedExchange, published: Published, queued: Queued
) -> None:
    order = resting(place)
    cancel = wish(place, order)
    assert queued[-1] == ("cancel_send", cancel.pk)

    attempt(cancel)

    order.refresh_from_db()
    assert (cancel.state, order.status, order.remaining_count) == (State.DONE, "canceled", Decimal(0))
    rows = [row for row in published.rows("orders") if row]
    assert [row["cancel"] for row in rows[-2:]] == ["committed", "done"]
    assert rows[-1]["v"] > rows[-2]["v"]
    assert AuditEntry.objects.filter(action="orders.cancel.committed").count() == 1


def test_a_second_wish_is_the_first_one(place: Place, exchange: ScriptedExchange, queued: Queued) -> None:
    order = resting(place)

    first, second = wish(place, order), wish(place, order)

    assert first.pk == second.pk
    assert queued.count(("cancel_send", first.pk)) == 1


def test_the_same_key_for_another_order_is_refused(place: Place, exchange: ScriptedExchange) -> None:
    one, other, key = resting(place), resting(place), uuid.uuid4()
    cancel_submit(place.trader, one, idempotency_key=key)

    with pytest.raises(DeskError) as refused:
        cancel_submit(place.trader, other, idempotency_key=key)

    assert refused.value.code == "idempotency_mismatch"


def test_a_viewer_cannot_cancel(place: Place, exchange: ScriptedExchange) -> None:
    order = resting(place)

    with pytest.raises(NotAllowed):
        cancel_submit(place.viewer, order, idempotency_key=uuid.uuid4())
    with pytest.raises(NotAllowed):
        cancel_all(place.viewer, account_id=place.account.pk)

    assert not CancelIntent.objects.exists()


def test_another_desks_order_does_not_exist(place: Place, exchange: ScriptedExchange) -> None:
    order = resting(place)
    stranger = actor_of(make_person(make_desk(), "trader"))

    with pytest.raises(NotFound):
        cancel_submit(stranger, order, idempotency_key=uuid.uuid4())
    assert cancel_all(stranger, account_id=place.account.pk).cancels == 0


def test_a_done_order_has_nothing_to_cancel(place: Place, exchange: ScriptedExchange) -> None:
    order = resting(place)
    Order.objects.update(status="executed")

    with pytest.raises(DeskError) as refused:
        wish(place, order)

    assert refused.value.code == "order_done"


def test_a_404_after_a_fill_says_filled_and_never_failed(place: Place, exchange: ScriptedExchange) -> None:
    """RELIABILITY A12."""
    order = resting(place)
    exchange.fill(exchange.orders[order.order_id], "10.00")

    cancel = attempt(wish(place, order))

    order.refresh_from_db()
    assert (cancel.state, order.status, order.filled_count) == (State.DONE, "executed", Decimal(10))
    assert cancel.error_text == ""


def test_a_404_that_the_reads_do_not_explain_yet_is_asked_again(place: Place, exchange: ScriptedExchange) -> None:
    order = resting(place)
    exchange.cancels = [exchange.answer(404, code="not_found", message="no such order")]

    cancel = attempt(wish(place, order))
    assert cancel.state == State.UNKNOWN

    cancel = attempt(cancel)
    assert cancel.state == State.DONE


def test_a_partial_fill_before_the_cancel_is_counted(place: Place, exchange: ScriptedExchange) -> None:
    """RELIABILITY I7: what was taken off and what had filled add up."""
    order = resting(place)
    exchange.fill(exchange.orders[order.order_id], "4.00")

    attempt(wish(place, order))

    order.refresh_from_db()
    assert (order.status, order.filled_count, order.remaining_count) == ("canceled", Decimal(4), Decimal(0))


def test_a_cancel_that_timed_out_is_repeated_until_the_order_is_terminal(
    place: Place, exchange: ScriptedExchange, queued: Queued
) -> None:
    """RELIABILITY A13: three answers lost."""
    order = resting(place)
    exchange.cancels = [exchange.lose_the_request, exchange.lose_the_request, exchange.cancel_and_lose_the_answer]
    cancel = wish(place, order)
    for _ in range(3):
        attempt(cancel)
        assert cancel.state == State.UNKNOWN
        queued.clear()
        intents_sweep(now=utc_now() + timedelta(seconds=40))
        assert queued == [("cancel_send", cancel.pk)]

    attempt(cancel)

    order.refresh_from_db()
    assert (cancel.state, order.status) == (State.DONE, "canceled")


@pytest.mark.parametrize(
    ("behaviour", "state"),
    [
        (lambda exchange: exchange.unreachable, State.COMMITTED),
        (lambda exchange: exchange.answer(429, error="too many requests"), State.COMMITTED),
        (lambda exchange: exchange.answer(500), State.UNKNOWN),
        (lambda exchange: exchange.answer(200, nonsense=True), State.UNKNOWN),
        (lambda exchange: exchange.answer(401, code="unauthorized", message="no"), State.REFUSED),
    ],
)
def test_an_attempt_that_fails_stays_open_unless_the_key_is_refused(
    place: Place, exchange: ScriptedExchange, behaviour: Any, state: str
) -> None:
    order = resting(place)
    exchange.cancels = [behaviour(exchange)]

    cancel = attempt(wish(place, order))

    order.refresh_from_db()
    assert (cancel.state, order.status) == (state, "resting")
    assert cancel.error_text


def test_a_refusal_for_a_live_order_is_told_in_the_exchanges_words(place: Place, exchange: ScriptedExchange) -> None:
    order = resting(place)
    exchange.cancels = [exchange.answer(400, code="MARKET_INACTIVE", message="trading is closed")]

    cancel = attempt(wish(place, order))

    assert (cancel.state, cancel.error_code, cancel.error_text) == (
        State.REFUSED,
        "MARKET_INACTIVE",
        "trading is closed",
    )


def test_a_redelivered_cancel_waits_for_its_turn(place: Place, exchange: ScriptedExchange) -> None:
    order = resting(place)
    exchange.cancels = [exchange.lose_the_request]
    cancel = attempt(wish(place, order))

    tasks.cancel_send(cancel.pk)
    tasks.cancel_send(cancel.pk)

    assert len(exchange.sent("DELETE")) == 1


def test_a_cancel_whose_worker_died_is_sent_again(place: Place, exchange: ScriptedExchange, queued: Queued) -> None:
    order = resting(place)
    cancel = wish(place, order)

    def die(request: httpx.Request) -> httpx.Response:
        raise KeyboardInterrupt

    exchange.cancels = [die]
    with pytest.raises(KeyboardInterrupt):
        cancel_send(cancel.pk)
    queued.clear()
    intents_sweep(now=utc_now() + timedelta(seconds=31))
    assert queued == [("cancel_send", cancel.pk)]
    CancelIntent.objects.update(sent_at=utc_now() - timedelta(seconds=31))

    cancel_send(cancel.pk)

    cancel.refresh_from_db()
    assert cancel.state == State.DONE


def test_a_person_whose_role_was_lowered_no_longer_cancels(place: Place, exchange: ScriptedExchange) -> None:
    cancel = wish(place, resting(place))
    Membership.objects.filter(user_id=place.trader.user_id).update(roles=["viewer"])

    attempt(cancel)

    assert (cancel.state, cancel.error_code) == (State.REFUSED, "not_allowed")
    assert exchange.sent("DELETE") == []


def test_an_order_that_ends_by_itself_ends_its_cancel(place: Place, exchange: ScriptedExchange) -> None:
    order = resting(place)
    cancel = wish(place, order)
    exchange.fill(exchange.orders[order.order_id], "10.00")

    orders_reconcile(place.account.pk)
    attempt(cancel)

    assert cancel.state == State.DONE
    assert exchange.sent("DELETE") == []


def test_cancel_all_of_a_market_cancels_withdraws_and_says_what_is_open(
    place: Place, exchange: ScriptedExchange
) -> None:
    make_market(ticker="KXOTHER")
    here, elsewhere = resting(place), resting(place, ticker="KXOTHER")
    waiting = intent_submit(place.trader, make_ticket(place))
    unclear = intent_submit(place.trader, make_ticket(place))
    OrderIntent.objects.filter(pk=unclear.pk).update(state=OrderIntent.State.UNKNOWN)

    done = cancel_all(place.trader, account_id=place.account.pk, ticker=here.ticker)

    assert (done.cancels, done.withdrawn, done.unresolved) == (1, 1, 1)
    assert not elsewhere.cancels.exists()
    waiting.refresh_from_db()
    assert (waiting.state, waiting.error_code) == (OrderIntent.State.REFUSED, "withdrawn")
    assert intent_send(waiting.pk) is None
    assert len(exchange.sent("POST")) == 2


def test_cancels_wait_longer_each_time_and_at_most_half_a_minute(place: Place, exchange: ScriptedExchange) -> None:
    cancel = wish(place, resting(place))
    exchange.cancels = [exchange.lose_the_request] * 8
    pauses = []
    for _ in range(8):
        attempt(cancel)
        assert cancel.next_attempt_at is not None
        pauses.append((cancel.next_attempt_at - utc_now()).total_seconds())

    assert pauses[0] < 2 < pauses[3] < pauses[6] <= 36
