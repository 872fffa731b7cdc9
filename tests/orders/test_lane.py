"""The short way of an order: taken where somebody waits, refused where nobody does, and never in place of the sweep."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest
import redis

from apps.core.timestamps import utc_now
from apps.core.trace import trace_id, tracing
from apps.orders import lane, queue
from apps.orders.services import intent_submit, intents_sweep
from tests.orders.conftest import Place, make_ticket
from tests.support.desk import eventually
from tests.support.lane import PATIENCE, redis_process, redis_url, server

__all__ = ["redis_process", "redis_url", "server"]


@contextmanager
def attended(send: Callable[[int], object], server: redis.Redis) -> Iterator[lane.Attendants]:
    there = lane.Attendants(send, lanes=2)
    there.start()
    eventually(lambda: server.exists(lane.ATTENDED), what="somebody at the list")
    try:
        yield there
    finally:
        there.stop()
        for thread in there.threads:
            thread.join(PATIENCE)
        assert not any(thread.is_alive() for thread in there.threads)


def test_what_is_handed_over_is_sent_under_the_trace_of_its_click(server: redis.Redis) -> None:
    sent: list[tuple[int, str]] = []
    with attended(lambda intent_id: sent.append((intent_id, trace_id())), server):
        with tracing() as click:
            assert lane.hand_over(17)
        eventually(lambda: sent, what="the send")

    assert sent == [(17, click)]


def test_who_hears_of_an_order_that_is_being_checked_sends_nothing(server: redis.Redis) -> None:
    sent: list[int] = []
    warmed: list[tuple[int, str]] = []
    there = lane.Attendants(sent.append, lanes=2, warm=lambda account_id: warmed.append((account_id, trace_id())))
    there.start()
    eventually(lambda: server.exists(lane.ATTENDED), what="somebody at the list")
    try:
        with tracing() as click:
            announced = lane.Announced(5)
            announced.end()
            announced.end()
            assert lane.hand_over(17)
        eventually(lambda: sent and warmed, what="both words")
    finally:
        there.stop()
        for thread in there.threads:
            thread.join(PATIENCE)

    assert (sent, warmed) == ([17], [(5, click)])


def test_an_order_is_announced_to_nobody_and_to_a_redis_that_is_away(
    server: redis.Redis, settings: Any, tmp_path: Any
) -> None:
    lane.Announced(5).end()
    assert server.llen(lane.LIST) == 0

    settings.REDIS_URL = f"unix://{tmp_path / 'gone.sock'}"
    lane.Announced(5).end()


def test_nothing_is_put_where_nobody_waits(server: redis.Redis) -> None:
    assert lane.hand_over(17) is False
    assert server.llen(lane.LIST) == 0


def test_a_redis_that_forgot_everything_costs_one_order_the_short_way(server: redis.Redis) -> None:
    with attended(lambda intent_id: None, server):
        assert lane.hand_over(1)
        server.script_flush()
        assert lane.hand_over(2) is False
        assert lane.hand_over(3)


def test_a_redis_that_is_away_is_no_error(settings: Any, tmp_path: Any) -> None:
    settings.REDIS_URL = f"unix://{tmp_path}/none.sock"

    assert lane.hand_over(17) is False


def test_a_send_that_fails_takes_no_thread_with_it(server: redis.Redis, caplog: pytest.LogCaptureFixture) -> None:
    sent: list[int] = []

    def send(intent_id: int) -> None:
        if intent_id < 5:
            raise RuntimeError("not this one")
        sent.append(intent_id)

    with attended(send, server):
        for intent_id in range(7):  # more than there are threads
            assert lane.hand_over(intent_id)
        eventually(lambda: len(sent) == 2, what="the sends")

    assert sorted(sent) == [5, 6]
    assert "was not sent by the lane" in caplog.text


def test_an_end_waits_for_what_is_on_its_way_and_leaves_the_rest(server: redis.Redis) -> None:
    begun, go_on, sent = threading.Event(), threading.Event(), []

    def send(intent_id: int) -> None:
        begun.set()
        assert go_on.wait(PATIENCE)
        sent.append(intent_id)

    there = lane.Attendants(send, lanes=1)
    there.start()
    eventually(lambda: server.exists(lane.ATTENDED), what="somebody at the list")
    assert lane.hand_over(1)
    assert begun.wait(PATIENCE)
    there.stop()
    assert lane.hand_over(2)  # it still says that it is there: whoever comes next takes it
    there.join(within=0.01)
    assert sent == []

    go_on.set()
    there.join(PATIENCE)

    assert sent == [1]
    there.threads[0].join(PATIENCE)
    assert server.llen(lane.LIST) == 1


def test_a_new_order_goes_the_short_way_and_a_lost_one_the_long_way(
    place: Place, commits: None, server: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    long_way: list[tuple[str, int]] = []
    monkeypatch.setattr(queue, "enqueue", lambda task, *ids: long_way.append((task, *ids)) or True)
    server.set(lane.ATTENDED, 1)

    intent = intent_submit(place.trader, make_ticket(place))

    # It was announced, then handed over.
    assert [lane._decode(raw).intent_id for raw in server.lrange(lane.LIST, 0, -1)] == [intent.pk, 0]
    assert long_way == []
    intents_sweep(now=utc_now() + timedelta(seconds=3))
    assert (queue.ORDER_SEND, intent.pk) in long_way


def test_without_anybody_at_the_list_an_order_goes_the_long_way(
    place: Place, queued: list[tuple[str, int]], server: redis.Redis
) -> None:
    intent = intent_submit(place.trader, make_ticket(place))

    assert queued == [("order_send", intent.pk)]
