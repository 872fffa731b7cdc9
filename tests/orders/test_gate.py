"""The sender's gate: two answers 2xx without an order close it (RELIABILITY A6)."""

import uuid
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import httpx
import pytest

from apps.audit.models import AuditEntry
from apps.core.errors import DeskError, NotAllowed
from apps.core.permissions import Actor
from apps.core.timestamps import utc_now
from apps.orders.models import OrderIntent, SendGate
from apps.orders.services import batch_send, batch_submit, intent_resolve, intent_send, intent_submit, intents_sweep
from apps.orders.services.gate import PAUSE, gate_open
from apps.orders.trading_events import trading_frame
from tests.orders.conftest import Place, make_ticket
from tests.orders.scripted import Behaviour, ScriptedExchange
from tests.support.people import actor_of, make_person

State = OrderIntent.State

EMPTY: dict[str, Callable[[ScriptedExchange], Behaviour]] = {
    "no body": lambda exchange: exchange.accept_and_answer(201, b""),
    "no order": lambda exchange: exchange.accept_and_answer(200, b'{"status":"ok"}'),
    "cut": lambda exchange: exchange.accept_and_answer(201, b'{"order_id": "exch'),
    "no counts": lambda exchange: exchange.accept_and_answer(201, b'{"order_id": "exchange-1"}'),
}
Send = Callable[[Behaviour | None], OrderIntent]


@pytest.fixture
def send(place: Place, exchange: ScriptedExchange) -> Send:
    def make(behaviour: Behaviour | None) -> OrderIntent:
        exchange.creates = [behaviour] if behaviour else []
        intent = intent_submit(place.trader, make_ticket(place))
        intent_send(intent.pk)
        intent.refresh_from_db()
        return intent

    return make


@pytest.mark.parametrize("kind", EMPTY)
def test_a6_two_accepted_orders_without_a_name_stop_the_next_one(
    place: Place, exchange: ScriptedExchange, send: Send, kind: str
) -> None:
    assert [send(EMPTY[kind](exchange)).state for _ in range(2)] == [State.UNKNOWN] * 2

    with pytest.raises(DeskError, match="without naming them") as refused:
        intent_submit(place.trader, make_ticket(place))

    assert refused.value.code == "gate_closed"
    assert trading_frame(place.account.pk)["gate"] is not None
    assert AuditEntry.objects.filter(action="orders.gate.closed").count() == 1


def test_what_waits_to_be_sent_is_stopped_too(place: Place, exchange: ScriptedExchange, send: Send) -> None:
    waiting = intent_submit(place.trader, make_ticket(place))
    for _ in range(2):
        send(EMPTY["no order"](exchange))

    intent_send(waiting.pk)

    waiting.refresh_from_db()
    assert (waiting.state, waiting.error_code) == (State.REFUSED, "gate_closed")
    assert len(exchange.sent("POST")) == 2


def test_a_whole_answer_in_between_starts_the_count_again(place: Place, exchange: ScriptedExchange, send: Send) -> None:
    for behaviour in (EMPTY["no body"](exchange), None, EMPTY["no body"](exchange)):
        send(behaviour)

    assert send(None).state == State.ACKED


def lost(request: httpx.Request) -> httpx.Response:
    raise httpx.ReadTimeout("lost", request=request)


def test_lost_answers_and_server_errors_do_not_close_it(place: Place, exchange: ScriptedExchange, send: Send) -> None:
    for behaviour in (lost, exchange.answer(502, busy=True), lost, exchange.answer(409, code="conflict", message="x")):
        send(behaviour)

    assert send(None).state == State.ACKED
    assert not SendGate.objects.exclude(closed_at=None).exists()


def test_it_opens_when_no_order_is_in_doubt_and_closes_at_the_next_empty_answer(
    place: Place, exchange: ScriptedExchange, send: Send
) -> None:
    doubtful = [send(EMPTY["no order"](exchange)) for _ in range(2)]
    later = utc_now() + PAUSE + timedelta(seconds=1)
    intents_sweep(now=later)
    assert SendGate.objects.exclude(closed_at=None).exists()  # two orders are in doubt

    for intent in doubtful:
        assert intent_resolve(intent.pk).state == State.ACKED
    intents_sweep(now=utc_now())
    assert SendGate.objects.exclude(closed_at=None).exists()  # it is too early
    intents_sweep(now=later)

    assert trading_frame(place.account.pk)["gate"] is None
    send(EMPTY["no order"](exchange))
    with pytest.raises(DeskError, match="without naming them"):
        intent_submit(place.trader, make_ticket(place))


def test_a_lead_opens_it_and_nobody_else(place: Place, exchange: ScriptedExchange, send: Send) -> None:
    for _ in range(2):
        send(EMPTY["no order"](exchange))
    lead: Actor = replace(actor_of(make_person(place.desk, "lead")), account_id=place.account.pk)

    with pytest.raises(NotAllowed):
        gate_open(place.trader, place.account.pk)
    gate_open(lead, place.account.pk)

    assert send(None).state == State.ACKED
    assert AuditEntry.objects.get(action="orders.gate.opened").actor_id == lead.user_id


def test_one_answer_to_a_batch_counts_once(place: Place, exchange: ScriptedExchange) -> None:
    exchange.creates = [exchange.answer(200, told="ok")]
    tickets = {number: make_ticket(place) for number in (1, 2, 3)}
    intents = batch_submit(place.trader, tickets, batch_key=uuid.uuid4(), faults={})

    batch_send([intent.pk for intent in intents])

    gate = SendGate.objects.get()
    assert (gate.empty_answers, gate.closed_at) == (1, None)
