"""Sending: at most once, and each outcome told as it is."""

import json
import threading
from datetime import timedelta
from typing import Any

import httpx
import pytest
from django.db import connection

from apps.accounts.models import Membership
from apps.audit.models import AuditEntry
from apps.core.timestamps import utc_now
from apps.markets.models import Market
from apps.orders import tasks
from apps.orders.models import Order, OrderIntent
from apps.orders.services import ahead, intent_send, intent_submit, intents_interrupted, intents_sweep, send
from apps.orders.services.send import GOOD_FOR
from tests.orders.conftest import TICKER, Place, Published, build_place, connect, make_ticket, rewind
from tests.orders.scripted import ScriptedExchange

State = OrderIntent.State
Queued = list[tuple[str, int]]


def sent(place: Place, **over: Any) -> OrderIntent:
    intent = intent_submit(place.trader, make_ticket(place, **over))
    intent_send(intent.pk)
    intent.refresh_from_db()
    return intent


def test_an_accepted_order_is_acked_with_its_order(
    place: Place, exchange: ScriptedExchange, published: Published
) -> None:
    intent = sent(place)

    order = Order.objects.get()
    assert intent.state == State.ACKED
    assert (order.intent_id, order.status, order.order_id) == (intent.pk, "resting", intent.exchange_order_id)
    # "sending" is told while the exchange has the request; here nothing travels.
    assert published.states() == ["committed", "resting"]
    versions = [row["v"] for row in published.rows("orders") if row]
    assert versions == sorted(set(versions))


def test_the_request_says_exactly_what_the_intent_says(place: Place, exchange: ScriptedExchange) -> None:
    expires = (utc_now() + timedelta(hours=1)).replace(microsecond=0)
    intent = sent(place, side="buy_no", expires_at=expires, is_post_only=True, cancel_on_pause=True)

    [request] = exchange.sent("POST")
    assert request.url.path == "/trade-api/v2/portfolio/events/orders"
    assert json.loads(request.content) == {
        "ticker": TICKER,
        "client_order_id": str(intent.client_order_id),
        "side": "ask",
        "count": "10.00",
        "price": "0.4400",
        "time_in_force": "good_till_canceled",
        "self_trade_prevention_type": "taker_at_cross",
        "expiration_time": int(expires.timestamp()),
        "post_only": True,
        "cancel_order_on_pause": True,
    }


def test_a_redelivered_message_sends_nothing(place: Place, exchange: ScriptedExchange) -> None:
    intent = sent(place)

    tasks.order_send(intent.pk)
    tasks.order_send(intent.pk)

    assert len(exchange.sent("POST")) == 1


@pytest.mark.parametrize("state", [s for s in State if s != State.COMMITTED])
def test_only_a_committed_intent_can_be_claimed(place: Place, exchange: ScriptedExchange, state: str) -> None:
    intent = intent_submit(place.trader, make_ticket(place))
    OrderIntent.objects.update(state=state)

    assert intent_send(intent.pk) is None

    assert exchange.sent("POST") == []


@pytest.mark.parametrize(
    ("status", "body", "code"),
    [
        (400, {"code": "insufficient_balance", "message": "not enough"}, "insufficient_balance"),
        (401, {"code": "unauthorized", "message": "bad signature"}, "unauthorized"),
        (403, {"code": "forbidden", "message": "read only"}, "forbidden"),
        (429, {"error": "too many requests"}, "rate_limited"),
    ],
)
def test_a_no_in_the_exchanges_own_words_is_refused(
    place: Place, exchange: ScriptedExchange, status: int, body: dict[str, Any], code: str
) -> None:
    exchange.creates = [exchange.answer(status, **body)]

    intent = sent(place)

    assert (intent.state, intent.error_code) == (State.REFUSED, code)
    assert intent.error_text
    assert not Order.objects.exists()


def test_a_killed_fill_or_kill_order_is_a_refusal_although_it_is_a_409(
    place: Place, exchange: ScriptedExchange
) -> None:
    killed = exchange.answer(409, code="fill_or_kill_insufficient_resting_volume", message="not enough")
    exchange.creates = [killed, killed]

    assert sent(place, time_in_force="fill_or_kill").state == State.REFUSED
    assert sent(place).state == State.UNKNOWN  # it makes no sense here, so it proves nothing


def test_no_connection_is_refused_as_never_left(place: Place, exchange: ScriptedExchange) -> None:
    exchange.creates = [exchange.unreachable]

    intent = sent(place)

    assert intent.state == State.REFUSED
    assert "never left" in intent.error_text


def _unclear(exchange: ScriptedExchange) -> dict[str, Any]:
    return {
        "answer lost": exchange.accept_and_lose_the_answer,
        "request lost": exchange.lose_the_request,
        "500": exchange.accept_and_answer(500, b'{"code": "internal", "message": "boom"}'),
        "502": exchange.accept_and_answer(502, b"<html>bad gateway</html>"),
        "503": exchange.accept_and_answer(503, b""),
        "504": exchange.accept_and_answer(504, b""),
        "cut answer": exchange.accept_and_answer(201, b'{"order_id": "exch'),
        "empty 201": exchange.accept_and_answer(201, b""),
        "201 without order": exchange.accept_and_answer(201, b'{"ok": true}'),
        "201 without counts": exchange.accept_and_answer(201, b'{"order_id": "x"}'),
        "201 with a float": exchange.accept_and_answer(
            201, b'{"order_id": "x", "fill_count": "0.001", "remaining_count": "10.00"}'
        ),
        "409": exchange.answer(409, code="order_already_exists", message="exists"),
        "400 of a proxy": exchange.accept_and_answer(400, b"<html>bad request</html>"),
        "redirect": exchange.answer(307),
    }


@pytest.mark.parametrize("what", list(_unclear(ScriptedExchange())))
def test_an_unclear_outcome_is_unknown_and_is_never_sent_again(
    place: Place, exchange: ScriptedExchange, queued: Queued, what: str
) -> None:
    exchange.creates = [_unclear(exchange)[what]]

    intent = sent(place)
    tasks.order_send(intent.pk)
    intents_sweep(now=utc_now() + timedelta(hours=1))
    tasks.order_send(intent.pk)

    intent.refresh_from_db()
    assert intent.state == State.UNKNOWN
    assert intent.error_text
    assert len(exchange.sent("POST")) == 1
    assert ("intent_resolve", intent.pk) in queued


def test_an_error_nobody_foresaw_leaves_sending_and_the_sweep_makes_it_unknown(
    place: Place, exchange: ScriptedExchange
) -> None:
    def explode(request: httpx.Request) -> httpx.Response:
        exchange.accept(request)
        raise MemoryError

    exchange.creates = [explode]
    intent = intent_submit(place.trader, make_ticket(place))
    with pytest.raises(MemoryError):
        intent_send(intent.pk)

    intents_interrupted(older_than=timedelta(seconds=30), now=utc_now() + timedelta(seconds=31))
    tasks.order_send(intent.pk)

    intent.refresh_from_db()
    assert (intent.state, intent.error_code) == (State.UNKNOWN, "interrupted")
    assert len(exchange.sent("POST")) == 1


def test_a_late_answer_after_the_sweep_gave_up_still_counts(place: Place, exchange: ScriptedExchange) -> None:
    intent = intent_submit(place.trader, make_ticket(place))

    def slow(request: httpx.Request) -> httpx.Response:
        intents_interrupted(older_than=timedelta(0), now=utc_now() + timedelta(seconds=1))
        assert OrderIntent.objects.get().state == State.UNKNOWN
        return exchange.accept(request)

    exchange.creates = [slow]
    intent_send(intent.pk)

    intent.refresh_from_db()
    assert intent.state == State.ACKED


def test_an_intent_nobody_claimed_in_time_is_not_sent_late(place: Place, exchange: ScriptedExchange) -> None:
    intent = intent_submit(place.trader, make_ticket(place))
    rewind(intent, created_at=GOOD_FOR)

    tasks.order_send(intent.pk)

    intent.refresh_from_db()
    assert (intent.state, intent.error_code) == (State.REFUSED, "too_late")
    assert exchange.requests == []


def test_a_sender_that_stood_still_after_its_claim_does_not_send(
    place: Place, exchange: ScriptedExchange, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Stopped and continued a minute later: the market has moved on, and the sweep has its own view."""
    intent = intent_submit(place.trader, make_ticket(place))

    def slow_client(account_id: int, write: bool) -> Any:
        monkeypatch.setattr(send, "utc_now", lambda: utc_now() + timedelta(minutes=1))
        return exchange.client()

    monkeypatch.setattr(ahead, "client_for", slow_client)

    intent_send(intent.pk)

    intent.refresh_from_db()
    assert (intent.state, intent.error_code) == (State.REFUSED, "too_late")
    assert exchange.requests == []


def test_a_lost_message_is_healed_by_the_sweep(place: Place, exchange: ScriptedExchange, queued: Queued) -> None:
    intent = intent_submit(place.trader, make_ticket(place))
    queued.clear()  # the broker lost it

    intents_sweep(now=utc_now() + timedelta(seconds=1))
    assert queued == []
    intents_sweep(now=utc_now() + timedelta(seconds=3))

    assert queued == [("order_send", intent.pk)]
    tasks.order_send(intent.pk)
    intent.refresh_from_db()
    assert intent.state == State.ACKED


def test_the_sweep_refuses_what_waited_too_long(place: Place, exchange: ScriptedExchange, queued: Queued) -> None:
    intent = intent_submit(place.trader, make_ticket(place))
    queued.clear()

    intents_sweep(now=utc_now() + GOOD_FOR + timedelta(seconds=1))

    intent.refresh_from_db()
    assert intent.state == State.REFUSED
    assert "could not send it in time" in intent.error_text
    assert queued == []


@pytest.mark.parametrize(
    "change",
    [
        lambda place: Membership.objects.filter(user_id=place.trader.user_id).update(roles=["viewer"]),
        lambda place: Membership.objects.filter(user_id=place.trader.user_id).update(is_active=False),
        lambda place: Market.objects.update(status="closed"),
        lambda place: Market.objects.update(price_ranges=[{"start": "0.00", "end": "1.00", "step": "0.05"}]),
        lambda place: place.account.keys.update(status="revoked"),
    ],
    ids=["role lowered", "suspended", "market closed", "grid changed", "key revoked"],
)
def test_what_changed_between_commit_and_send_stops_the_send(
    place: Place, exchange: ScriptedExchange, change: Any
) -> None:
    intent = intent_submit(place.trader, make_ticket(place))
    change(place)

    intent_send(intent.pk)

    intent.refresh_from_db()
    assert intent.state == State.REFUSED
    assert intent.error_text.startswith("Not sent:")
    assert exchange.requests == []


def test_every_end_of_a_send_is_in_the_audit_trail(place: Place, exchange: ScriptedExchange) -> None:
    exchange.creates = [exchange.accept, exchange.lose_the_request, exchange.unreachable]
    for _ in range(3):
        sent(place)

    actions = sorted(AuditEntry.objects.filter(action__startswith="orders.").values_list("action", flat=True))
    assert actions == ["orders.intent.acked"] + ["orders.intent.committed"] * 3 + [
        "orders.intent.refused",
        "orders.intent.unknown",
    ]


@pytest.mark.parametrize(
    ("time_in_force", "filled", "remaining", "status"),
    [
        ("good_till_canceled", "4.00", "6.00", "resting"),
        ("good_till_canceled", "10.00", "0.00", "executed"),
        ("immediate_or_cancel", "4.00", "0.00", "canceled"),
        ("immediate_or_cancel", "0.00", "10.00", "canceled"),
        ("fill_or_kill", "10.00", "0.00", "executed"),
    ],
)
def test_the_answer_gives_the_orders_state(
    place: Place, exchange: ScriptedExchange, time_in_force: str, filled: str, remaining: str, status: str
) -> None:
    exchange.creates = [exchange.answer(201, order_id="x", fill_count=filled, remaining_count=remaining, ts_ms=1)]

    sent(place, time_in_force=time_in_force)

    assert Order.objects.get().status == status


@pytest.mark.django_db(transaction=True)
def test_twenty_threads_with_one_key_make_one_intent_and_one_send(monkeypatch: pytest.MonkeyPatch) -> None:
    """The double click and the double delivery at once, on the real database."""
    place, exchange = build_place(), ScriptedExchange()
    connect(monkeypatch, lambda account_id, write: exchange.client())
    messages: list[int] = []
    monkeypatch.setattr("apps.orders.queue.enqueue", lambda task, *ids: messages.append(ids[0]))
    ticket, start, intents, faults = make_ticket(place), threading.Barrier(20), [], []

    def click() -> None:
        try:
            start.wait()
            intent = intent_submit(place.trader, ticket)
            intents.append(intent.pk)
            intent_send(intent.pk)
        except Exception as exc:
            faults.append(exc)
        finally:
            connection.close()

    threads = [threading.Thread(target=click) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert faults == []
    assert len(set(intents)) == 1
    assert OrderIntent.objects.count() == 1
    assert len(exchange.sent("POST")) == 1
    assert messages.count(intents[0]) == 1
    assert OrderIntent.objects.get().state == State.ACKED


@pytest.mark.django_db(transaction=True)
def test_the_message_is_queued_after_the_commit_and_not_without_it(monkeypatch: pytest.MonkeyPatch) -> None:
    place = build_place()
    seen: list[bool] = []
    monkeypatch.setattr(
        "apps.orders.queue.enqueue",
        lambda task, *ids: seen.append(
            not connection.in_atomic_block and OrderIntent.objects.filter(pk=ids[0]).exists()
        ),
    )

    intent_submit(place.trader, make_ticket(place))

    assert seen == [True]


@pytest.mark.django_db(transaction=True)
def test_a_broker_that_is_down_does_not_fail_the_click(settings: Any) -> None:
    place = build_place()

    intent = intent_submit(place.trader, make_ticket(place))  # the suite has no broker

    assert OrderIntent.objects.get().pk == intent.pk
    assert intent.state == State.COMMITTED
