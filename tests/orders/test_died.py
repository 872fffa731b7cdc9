"""Who was sending and died: what arrived is found at once, what did not is labelled within a minute."""

import contextlib
from datetime import timedelta

import httpx
import pytest

from apps.core.timestamps import utc_now
from apps.orders.models import ChangeIntent, Order, OrderIntent
from apps.orders.services import (
    Seen,
    Wish,
    change_resolve,
    change_send,
    change_submit,
    intent_resolve,
    intent_send,
    intent_submit,
    intents_sweep,
)
from tests.orders.conftest import Place, make_ticket, rewind
from tests.orders.scripted import Behaviour, ScriptedExchange

State = OrderIntent.State
Queued = list[tuple[str, int]]


class Died(BaseException):
    """kill -9 while the answer is waited for."""


def dies(first: Behaviour) -> Behaviour:
    """Let the exchange do what it does with a request, then the sender dies."""

    def behave(request: httpx.Request) -> httpx.Response:
        with contextlib.suppress(httpx.HTTPError):
            first(request)
        raise Died

    return behave


def left_behind(place: Place, exchange: ScriptedExchange, behaviour: Behaviour) -> OrderIntent:
    exchange.creates = [dies(behaviour)]
    intent = intent_submit(place.trader, make_ticket(place))
    with pytest.raises(Died):
        intent_send(intent.pk)
    intent.refresh_from_db()
    assert intent.state == State.SENDING
    return intent


def test_an_order_that_arrived_is_found_seconds_after_its_sender_died(
    place: Place, exchange: ScriptedExchange, queued: Queued
) -> None:
    intent = left_behind(place, exchange, exchange.accept)
    queued.clear()

    intents_sweep(now=utc_now() + timedelta(seconds=5))

    assert queued == [("intent_resolve", intent.pk)]
    assert intent_resolve(intent.pk).state == State.ACKED
    assert Order.objects.get().intent_id == intent.pk
    assert len(exchange.sent("POST")) == 1


def test_a_look_that_finds_nothing_says_nothing_while_it_may_be_on_its_way(
    place: Place, exchange: ScriptedExchange
) -> None:
    intent = left_behind(place, exchange, exchange.lose_the_request)
    exchange.data_as_of = utc_now() + timedelta(hours=1)

    assert intent_resolve(intent.pk).state == State.SENDING


def test_an_order_that_never_arrived_is_labelled_within_a_minute(place: Place, exchange: ScriptedExchange) -> None:
    intent = left_behind(place, exchange, exchange.lose_the_request)
    rewind(intent, claimed_at=timedelta(seconds=55), created_at=timedelta(seconds=55))
    intents_sweep()  # what beat does every 5 s
    intent.refresh_from_db()
    assert (intent.state, intent.error_code) == (State.UNKNOWN, "interrupted")

    exchange.data_as_of = utc_now()

    assert intent_resolve(intent.pk).state == State.NOT_SEEN


def test_nothing_is_said_before_it_could_have_left_and_arrived(place: Place, exchange: ScriptedExchange) -> None:
    intent = left_behind(place, exchange, exchange.lose_the_request)
    rewind(intent, claimed_at=timedelta(seconds=45), created_at=timedelta(seconds=45))
    intents_sweep()
    exchange.data_as_of = utc_now()

    assert intent_resolve(intent.pk).state == State.UNKNOWN


def test_an_amend_that_arrived_is_found_seconds_after_its_sender_died(
    place: Place, exchange: ScriptedExchange, queued: Queued
) -> None:
    intent_send(intent_submit(place.trader, make_ticket(place)).pk)
    order = Order.objects.get()
    listed = exchange.orders[order.order_id]

    def amend(request: httpx.Request) -> httpx.Response:
        exchange.end(listed, "resting", initial_count_fp="12.00", remaining_count_fp="12.00")
        return httpx.Response(200)

    exchange.creates = [dies(amend)]
    seen = Seen(price=order.price, count=order.initial_count, filled=order.filled_count)
    wish = Wish(ChangeIntent.Kind.AMEND, order.initial_count + 2, order.price, seen, make_ticket(place).idempotency_key)
    change = change_submit(place.trader, order, wish)
    with pytest.raises(Died):
        change_send(change.pk)
    queued.clear()

    intents_sweep(now=utc_now() + timedelta(seconds=5))

    assert queued == [("change_resolve", change.pk)]
    assert change_resolve(change.pk).state == ChangeIntent.State.DONE


def test_a_read_that_fails_leaves_it_as_it_was(place: Place, exchange: ScriptedExchange) -> None:
    intent = left_behind(place, exchange, exchange.accept)

    def fail(request: httpx.Request) -> httpx.Response:
        raise httpx.ReadTimeout("no answer", request=request)

    exchange.reads = [fail, fail]

    assert intent_resolve(intent.pk).state == State.SENDING
