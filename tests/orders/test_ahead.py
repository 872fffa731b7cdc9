"""What an order asks for while its checks run, and the flush of its claim: nothing of it lets an order out early."""

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from typing import Any

import pytest
import redis
from django.db import connection
from django.test.utils import CaptureQueriesContext

from apps.accounts.models import Desk, ExchangeAccount
from apps.core import durability
from apps.exchange.ahead import Pending
from apps.exchange.wire.client import Ahead
from apps.monitoring.models import KillRun
from apps.orders import killed
from apps.orders.models import OrderIntent
from apps.orders.services import ahead, intent_send, intent_submit, send, sender_warm
from apps.orders.services.quotes import QuotesAsked
from tests.orders.conftest import Place, make_ticket
from tests.orders.scripted import ScriptedExchange
from tests.support.redis import redis_process, redis_url

__all__ = ["redis_process", "redis_url"]

State = OrderIntent.State
pytestmark = pytest.mark.django_db


@pytest.fixture
def server(redis_url: str) -> Iterator[redis.Redis]:
    with redis.Redis.from_url(redis_url) as client:
        client.flushall()
        yield client


def flushed_by(monkeypatch: pytest.MonkeyPatch, wait: Callable[[], float]) -> None:
    class Flushing(durability.Flushing):
        def wait(self) -> float:
            return wait()

    monkeypatch.setattr(send, "flush_begin", Flushing)


def sent(place: Place, **over: Any) -> OrderIntent:
    intent = intent_submit(place.trader, make_ticket(place, **over))
    intent_send(intent.pk)
    intent.refresh_from_db()
    return intent


def test_nothing_leaves_before_the_claim_is_on_the_disk(
    place: Place, exchange: ScriptedExchange, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[int] = []
    flushed_by(monkeypatch, lambda: float(seen.append(len(exchange.requests)) or 0.0))

    assert sent(place).state == State.ACKED

    assert seen == [0]
    assert len(exchange.requests) == 1


def test_a_disk_that_does_not_take_the_claim_stops_the_order(
    place: Place, exchange: ScriptedExchange, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full() -> float:
        raise OSError(28, "no space left")

    flushed_by(monkeypatch, full)

    intent = sent(place)

    assert (intent.state, intent.error_code) == (State.REFUSED, "disk")
    assert exchange.requests == []


@pytest.mark.parametrize(("seconds", "leaves"), [(0.0, True), (3.0, False)])
def test_who_waited_long_for_the_disk_asks_again(
    place: Place, exchange: ScriptedExchange, monkeypatch: pytest.MonkeyPatch, seconds: float, leaves: bool
) -> None:
    """A kill that comes while the disk is slow stops the order; a quick disk needs no second look."""
    killed_now: list[bool] = []
    monkeypatch.setattr(killed, "is_set", lambda: bool(killed_now))

    def slow() -> float:
        killed_now.append(True)
        return seconds

    flushed_by(monkeypatch, slow)

    intent = sent(place)

    assert (intent.state, intent.error_code) == ((State.ACKED, "") if leaves else (State.REFUSED, "killed"))
    assert len(exchange.requests) == leaves
    assert not KillRun.objects.exists()


def test_what_a_refused_order_asked_for_is_let_go(
    place: Place, exchange: ScriptedExchange, monkeypatch: pytest.MonkeyPatch
) -> None:
    dropped: list[str] = []
    monkeypatch.setattr(QuotesAsked, "drop", lambda asked: dropped.append("quotes"))
    monkeypatch.setattr(Ahead, "drop", lambda asked: dropped.append("request"))
    intent = intent_submit(place.trader, make_ticket(place))
    dropped.clear()
    monkeypatch.setattr(killed, "is_set", lambda: True)

    intent_send(intent.pk)

    assert dropped == ["quotes", "request"]
    assert exchange.requests == []


def test_a_check_that_fails_leaves_no_question_open(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    dropped: list[str] = []
    monkeypatch.setattr(QuotesAsked, "drop", lambda asked: dropped.append("quotes"))
    monkeypatch.setattr("apps.orders.services.submit.order_check", _broken)

    with pytest.raises(RuntimeError, match="broke"):
        intent_submit(place.trader, make_ticket(place))

    assert dropped == ["quotes"]


def test_a_sender_that_warms_up_only_reads(
    place: Place, exchange: ScriptedExchange, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(send, "_last", (None, 0.0))
    sender_warm(place.account.pk)  # nothing was sent yet
    intent = sent(place)
    before = OrderIntent.objects.filter(pk=intent.pk).values().get()
    waiting = intent_submit(place.trader, make_ticket(place))
    exchange.requests.clear()

    sender_warm(place.account.pk)  # a moment later there is nothing to be done
    monkeypatch.setattr(send, "WARM_FOR", -1.0)
    with CaptureQueriesContext(connection) as asked:
        sender_warm(place.account.pk)

    assert asked.captured_queries
    assert all(query["sql"].lstrip().startswith("SELECT") for query in asked.captured_queries)
    assert exchange.requests == []
    assert OrderIntent.objects.filter(pk=intent.pk).values().get() == before
    waiting.refresh_from_db()
    assert waiting.state == State.COMMITTED


def test_of_many_orders_announced_at_once_one_has_the_questions_asked(
    place: Place, exchange: ScriptedExchange, monkeypatch: pytest.MonkeyPatch
) -> None:
    intent = sent(place)
    asked: list[int] = []
    monkeypatch.setattr(send, "check_again", lambda last: asked.append(last.pk))
    monkeypatch.setattr(send, "WARM_FOR", 3_600.0)

    sender_warm(place.account.pk)
    assert asked == []
    monkeypatch.setattr(send, "_last", (intent, time.monotonic() - 4_000))
    for _ in range(3):
        sender_warm(place.account.pk)

    assert asked == [intent.pk]


def test_a_sender_that_may_not_send_warms_up_without_a_word(
    place: Place, exchange: ScriptedExchange, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent(place)
    monkeypatch.setattr(send, "WARM_FOR", -1.0)
    monkeypatch.setattr(killed, "is_set", lambda: True)

    sender_warm(place.account.pk)

    assert len(exchange.requests) == 1


class Client:
    """Signs, and says what became of it."""

    def __init__(self) -> None:
        self.signed: list[Ahead] = []

    def sign_ahead(self, method: str, path: str) -> Ahead:
        self.signed.append(Ahead(None, None, path, 0))
        return self.signed[-1]

    def is_signed(self, path: str, signed: Ahead) -> bool:
        return True


def test_a_signature_is_asked_for_once_and_serves_one_order_of_its_account_and_key(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    ahead.forget()  # of other tests
    dropped: list[Ahead] = []
    monkeypatch.setattr(Ahead, "drop", lambda one: dropped.append(one))
    clients: list[Any] = [Client(), Client()]
    monkeypatch.setattr(ahead, "client_for", lambda account_id, write: clients[0])
    kept, account_id = ahead._signed, place.account.pk

    ahead.sign_ahead(account_id)
    ahead.sign_ahead(account_id)
    [first] = clients[0].signed
    assert kept.take(account_id + 1, clients[0]) is None
    assert kept.take(account_id, clients[0]) is first
    assert kept.take(account_id, clients[0]) is None
    assert dropped == []

    ahead.sign_ahead(account_id)
    assert kept.take(account_id, clients[1]) is None  # the key was replaced meanwhile
    assert dropped == clients[0].signed[1:]

    ahead.sign_ahead(account_id)
    clients.reverse()
    ahead.sign_ahead(account_id)
    assert dropped == clients[1].signed[1:]
    for number in range(ahead.KEPT_MOST):
        ahead.sign_ahead(account_id + 1 + number)
    assert dropped[-1] is clients[0].signed[0]
    ahead.forget()
    assert len(dropped) == 2 + 1 + ahead.KEPT_MOST


def test_an_account_whose_orders_go_another_way_is_not_signed_for(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    client: Any = Client()
    monkeypatch.setattr(ahead, "client_for", lambda account_id, write: client)
    monkeypatch.setattr(ahead, "route_of", lambda account_id: object())

    ahead.sign_ahead(place.account.pk)

    assert client.signed == []


@pytest.mark.parametrize("breaks", [False, True])
def test_what_was_announced_is_ended_however_the_checks_end(
    place: Place, monkeypatch: pytest.MonkeyPatch, breaks: bool
) -> None:
    said: list[str] = []

    class Announced:
        def __init__(self, account_id: int) -> None:
            said.append("announced")

        def end(self) -> None:
            said.append("ended")

    monkeypatch.setattr("apps.orders.lane.Announced", Announced)
    if breaks:
        monkeypatch.setattr("apps.orders.services.submit.order_check", _broken)
        with pytest.raises(RuntimeError, match="broke"):
            intent_submit(place.trader, make_ticket(place))
    else:
        intent_submit(place.trader, make_ticket(place))

    assert said == ["announced", "ended"]


def test_an_order_of_another_desks_account_is_not_announced(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    from apps.core.errors import NotFound

    said: list[int] = []
    monkeypatch.setattr("apps.orders.lane.Announced", said.append)
    elsewhere = Desk.objects.create(name="Elsewhere", slug="elsewhere")
    ExchangeAccount.objects.filter(pk=place.account.pk).update(desk=elsewhere)

    with pytest.raises(NotFound):
        intent_submit(place.trader, make_ticket(place))

    assert said == []


def _broken(actor: object, *_: object, **__: object) -> None:
    raise RuntimeError("broke")


def test_an_account_without_a_client_is_told_by_the_attempt(
    place: Place, exchange: ScriptedExchange, monkeypatch: pytest.MonkeyPatch
) -> None:
    from apps.core.errors import DeskError

    def none(account_id: int, write: bool) -> Any:
        raise DeskError("vault_closed", "The vault is closed.")

    monkeypatch.setattr(ahead, "client_for", none)
    monkeypatch.setattr(send, "client_for", none)

    intent = sent(place)

    assert (intent.state, intent.error_code) == (State.REFUSED, "vault_closed")


def test_answers_are_read_later_and_a_dropped_line_is_nobody_elses(server: redis.Redis) -> None:
    server.set("a", "1")
    first, second = Pending(server, [("GET", "a"), ("GET", "b")]), Pending(server, [("GET", "a")])

    second.drop()
    second.drop()

    assert first.read() == [b"1", None]
    with pytest.raises(redis.RedisError):
        first.read()
    with pytest.raises(redis.ResponseError):
        Pending(server, [("GET", "a"), ("NONSENSE",), ("GET", "a")]).read()
    assert server.get("a") == b"1"  # by a line on which nothing of those waits


def test_a_flush_that_is_under_way_is_waited_for_and_its_failure_is_told() -> None:
    done: Future[None] = Future()
    waited: list[float] = []
    waiting = threading.Thread(target=lambda: waited.append(durability.Flushing(done).wait()))
    waiting.start()
    assert waited == []
    done.set_result(None)
    waiting.join(60)
    assert len(waited) == 1

    failed: Future[None] = Future()
    failed.set_exception(OSError(5, "input/output error"))
    with pytest.raises(OSError, match="input/output"):
        durability.Flushing(failed).wait()
    assert durability.Flushing().wait() == 0
