"""RELIABILITY F13: every task twice, an hour late, or for a row that does not exist."""

from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from apps.core.errors import DeskError
from apps.core.timestamps import utc_now
from apps.orders import tasks
from apps.orders.models import CancelIntent, Fill, Order, OrderIntent
from apps.orders.services import cancel_submit, intent_send, intent_submit
from tests.orders.conftest import Place, make_ticket, make_trade_key
from tests.orders.scripted import ScriptedExchange
from tests.orders.test_cancel import resting, wish
from tests.support.people import make_account

State = OrderIntent.State
Queued = list[tuple[str, Any]]


@pytest.fixture
def busy(place: Place, exchange: ScriptedExchange) -> Place:
    """One of each: resting and filled orders, a cancel, and intents in every state."""
    resting(place)
    filled = resting(place)
    exchange.fill(exchange.orders[filled.order_id], "10.00")
    wish(place, resting(place))
    for behaviour in (exchange.accept_and_lose_the_answer, exchange.lose_the_request, exchange.unreachable):
        exchange.creates = [behaviour]
        intent_send(intent_submit(place.trader, make_ticket(place)).pk)
    intent_submit(place.trader, make_ticket(place))
    return place


def deliver(place: Place) -> None:
    """Every message that could be in a queue, in one go."""
    for pk in OrderIntent.objects.values_list("pk", flat=True):
        tasks.order_send(pk)
        tasks.intent_resolve(pk)
    for pk in CancelIntent.objects.values_list("pk", flat=True):
        tasks.cancel_send(pk)
    tasks.intents_sweep()
    tasks.account_orders_sync(place.account.pk)
    tasks.accounts_reconcile()


def seen() -> tuple[Any, ...]:
    """What the desk believes."""
    return (
        sorted(OrderIntent.objects.values_list("pk", "state", "exchange_order_id")),
        sorted(Order.objects.values_list("order_id", "status", "filled_count", "remaining_count", "intent_id")),
        sorted(Fill.objects.values_list("trade_id", "order_id_text")),
        sorted(CancelIntent.objects.values_list("pk", "state")),
    )


def test_every_message_three_times_is_every_message_once(busy: Place, exchange: ScriptedExchange) -> None:
    deliver(busy)
    once, creates, cancels = seen(), len(exchange.sent("POST")), len(exchange.sent("DELETE"))

    deliver(busy)
    deliver(busy)

    assert seen() == once
    assert (len(exchange.sent("POST")), len(exchange.sent("DELETE"))) == (creates, cancels)
    ours = [order["client_order_id"] for order in exchange.orders.values()]
    assert len(ours) == len(set(ours))


def test_an_hour_late_sends_no_create(busy: Place, exchange: ScriptedExchange) -> None:
    before = len(exchange.sent("POST"))
    for intent in OrderIntent.objects.filter(state=State.COMMITTED):
        OrderIntent.objects.filter(pk=intent.pk).update(created_at=utc_now() - timedelta(hours=1))

    deliver(busy)

    assert len(exchange.sent("POST")) == before
    assert not OrderIntent.objects.filter(state__in=[State.COMMITTED, State.SENDING]).exists()


def test_a_message_for_a_row_that_is_gone_sends_nothing(place: Place, exchange: ScriptedExchange) -> None:
    tasks.order_send(999_999)
    tasks.cancel_send(999_999)
    tasks.intent_resolve(999_999)

    assert exchange.requests == []


def test_a_sync_that_fails_says_why_and_keeps_its_cursor(place: Place, exchange: ScriptedExchange) -> None:
    tasks.account_orders_sync(place.account.pk)
    sync = place.account.order_sync
    exchange.reads = [exchange.answer(500)]

    tasks.account_orders_sync(place.account.pk)

    known = sync.read_through
    sync.refresh_from_db()
    assert sync.read_through == known
    assert "500" in sync.error
    tasks.account_orders_sync(place.account.pk)
    sync.refresh_from_db()
    assert sync.error == ""


def test_every_account_with_a_key_is_reconciled(place: Place, exchange: ScriptedExchange, queued: Queued) -> None:
    tasks.accounts_reconcile()

    assert queued == [("account_orders_sync", place.account.pk)]
    queued.clear()
    place.account.keys.update(status="revoked")
    tasks.accounts_reconcile()
    assert queued == []


def test_a_fresh_worker_sweeps_and_reconciles_before_the_first_beat(queued: Queued) -> None:
    tasks._worker_started()

    assert queued == [("intents_sweep",), ("accounts_reconcile",)]


def test_a_wish_to_cancel_survives_a_lost_message(place: Place, exchange: ScriptedExchange, queued: Queued) -> None:
    cancel = wish(place, resting(place))
    queued.clear()

    tasks.intents_sweep()

    assert queued == [("cancel_send", cancel.pk)]
    assert cancel_submit(place.trader, cancel.order, idempotency_key=cancel.idempotency_key).pk == cancel.pk


def test_keys_are_opened_and_connections_made_before_the_first_order(
    place: Place, exchange: ScriptedExchange, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[int] = []

    def client_for(account_id: int, *, write: bool) -> object:
        assert write
        asked.append(account_id)
        if len(asked) == 1:
            raise DeskError("vault_closed", "There is no private key here.")
        return exchange.client()

    other = make_account(place.desk)
    make_trade_key(other)
    monkeypatch.setattr(tasks, "client_for", client_for)
    monkeypatch.setattr(tasks, "connection", SimpleNamespace(close=lambda: asked.append(0)))

    tasks.senders_warm()

    assert asked == [place.account.pk, other.pk, 0]
    assert len(exchange.sent("GET")) == 1
