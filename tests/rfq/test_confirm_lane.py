"""A decided confirmation goes to its sender by the short way where one waits, else by Celery; nothing is lost by it."""

from typing import Any

import pytest
import redis

from apps.core.rfq import ConfirmationState as State
from apps.core.rfq import Decision, Policy
from apps.orders import lane
from apps.rfq import queue, tasks
from apps.rfq.models import Confirmation
from apps.rfq.services.confirmations import decide
from tests.rfq.window import Window, state_of, window
from tests.support.desk import eventually
from tests.support.lane import PATIENCE, redis_process, redis_url, server

__all__ = ["redis_process", "redis_url", "server", "window"]


def taken(server: redis.Redis) -> list[int]:
    """What lies in the list of confirmations, oldest first."""
    raw: Any = server.lrange(lane.CONFIRMS.list, 0, -1)
    return [lane._decode(one).intent_id for one in reversed(raw)]


def test_what_the_policy_decided_goes_the_short_way_where_a_sender_waits(window: Window, server: redis.Redis) -> None:
    server.set(lane.CONFIRMS.attended, 1)
    quote = window.quote()
    window.accept(quote)
    window.scene.hear()

    confirmation = Confirmation.objects.get(quote=quote)
    assert taken(server) == [confirmation.pk]
    assert [one for one in window.scene.queued if one[0] == "confirm_send"] == []
    assert server.llen(lane.ORDERS.list) == 0


def test_so_does_what_a_person_decided(window: Window, server: redis.Redis) -> None:
    server.set(lane.CONFIRMS.attended, 1)
    confirmation = window.accepted(policy=Policy.MANUAL)
    assert taken(server) == []

    decide(window.scene.quoter, confirmation, Decision.CONFIRM)

    assert taken(server) == [confirmation.pk]


def test_where_only_orders_have_a_sender_it_goes_the_long_way(window: Window, server: redis.Redis) -> None:
    server.set(lane.ORDERS.attended, 1)
    quote = window.quote()
    window.accept(quote)
    server.delete(lane.ORDERS.list)
    window.scene.hear()

    confirmation = Confirmation.objects.get(quote=quote)
    assert ("confirm_send", confirmation.pk) in window.scene.queued
    assert server.llen(lane.ORDERS.list) == 0
    window.scene.work()
    assert state_of(confirmation) == State.CONFIRMED


def test_the_urgent_worker_waits_at_the_list_until_it_ends(
    server: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent: list[int] = []
    monkeypatch.setattr(tasks.confirming, "confirm_send", lambda pk, is_stopped: sent.append(pk))
    monkeypatch.setattr(queue, "enqueue", lambda *arguments: False)
    monkeypatch.setattr(tasks.stand_by, "stop", lambda: None)
    worker = type("Worker", (), {"app": type("App", (), {"amqp": None})})()
    queues = type("Queues", (), {"consume_from": {"urgent": None}})
    worker.app.amqp = type("Amqp", (), {"queues": queues})
    try:
        tasks._worker_started(sender=worker)
        eventually(lambda: server.exists(lane.CONFIRMS.attended), what="somebody at the list")
        queue.confirm_send_now(17)
        eventually(lambda: sent, what="the send")
        threads = [thread for one in tasks._attendants for thread in one.threads]
        tasks._worker_ending()
        tasks._worker_ended()
        for thread in threads:
            thread.join(PATIENCE)
        assert not any(thread.is_alive() for thread in threads)
    finally:
        tasks._ending.clear()
    assert (sent, tasks._attendants) == ([17], [])

    queues.consume_from = {"orders": None}
    tasks._worker_started(sender=worker)
    assert tasks._attendants == []
