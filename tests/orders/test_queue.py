"""The way to the workers: names, queues, and a broker that is away or hangs."""

import signal
import subprocess
import sys
import time
from typing import Any

import pytest
import redis
from celery import current_app
from django.conf import settings
from kombu import pools

from apps.core.permissions import Permission
from apps.orders import queue, tasks
from apps.portfolio import queue as portfolio_queue
from apps.portfolio import tasks as portfolio_tasks
from kalshi_desk.celery import app
from tests.support.desk import ROOT
from tests.support.redis import RedisProcess, redis_process, redis_url

__all__ = ["redis_process", "redis_url"]

MODULES = (tasks, portfolio_tasks)
NAMES = [name for name in vars(queue) if name.isupper() and not name.startswith("_")]


@pytest.mark.parametrize("name", NAMES)
def test_every_name_that_is_queued_is_a_task(name: str) -> None:
    assert vars(queue)[name] in current_app.tasks


def test_every_task_of_the_schedule_that_is_ours_exists() -> None:
    scheduled = {str(entry["task"]) for entry in settings.CELERY_BEAT_SCHEDULE.values()}
    swept = {
        "apps.orders.tasks.intents_sweep",
        "apps.orders.tasks.accounts_reconcile",
        "apps.orders.tasks.queue_positions_refresh",
        "apps.portfolio.tasks.portfolios_refresh",
    }

    assert swept <= scheduled
    assert {name for name in scheduled if name.startswith("apps.")} <= set(current_app.tasks)


@pytest.mark.parametrize(
    ("task", "expected"),
    [
        (queue.ORDER_SEND, "orders"),
        (queue.CANCEL_SEND, "urgent"),
        (queue.ACCOUNT_SYNC, "sync"),
        (portfolio_queue.ACCOUNT_REFRESH, "sync"),
        (queue.INTENTS_SWEEP, "default"),
        (queue.INTENT_RESOLVE, "default"),
    ],
)
def test_tasks_go_to_their_queues(task: str, expected: str) -> None:
    route = app.amqp.router.route({}, task)

    assert route["queue"].name == expected


def test_every_task_says_whose_right_it_acts_with() -> None:
    for module in MODULES:
        for name, task in current_app.tasks.items():
            if name.startswith(module.__name__ + "."):
                assert isinstance(task.run.desk_permission, Permission), name


def test_a_broker_that_is_away_is_noticed_at_once() -> None:
    started = time.monotonic()

    assert queue.enqueue(queue.ORDER_SEND, 1) is False

    # Milliseconds on an idle machine; celery's own hundred tries take minutes.
    assert time.monotonic() - started < 60


def test_a_broker_that_hangs_holds_nobody_up(redis_process: RedisProcess, settings: Any, monkeypatch: Any) -> None:
    """RELIABILITY F12: stopped in the middle, connections open."""
    options = settings.CELERY_BROKER_URL.partition("?")[2]
    url = redis_process.url.replace("unix://", "redis+socket://") + f"?{options}"
    monkeypatch.setattr(app.conf, "broker_write_url", url)
    assert queue.enqueue(queue.ORDER_SEND, 1) is True
    server = redis_process._process
    assert server is not None
    server.send_signal(signal.SIGSTOP)
    try:
        started = time.monotonic()
        assert queue.enqueue(queue.ORDER_SEND, 2) is False
        # 2 s on an idle machine; without a time-out it would never end.
        assert time.monotonic() - started < 60
    finally:
        server.send_signal(signal.SIGCONT)
        pools.reset()


def test_a_process_that_never_loaded_the_tasks_can_queue_them(redis_url: str, tmp_path: Any) -> None:
    """The web process: it imports services, not tasks."""
    with redis.Redis.from_url(redis_url) as client:
        client.flushall()
    script = (
        "import django; django.setup()\n"
        "from apps.orders import queue\n"
        "assert queue.enqueue(queue.ORDER_SEND, 17)\n"
        "from kalshi_desk.celery import app\n"
        "with app.connection_for_read() as broker:\n"
        "    message = broker.SimpleQueue('orders').get(timeout=60)\n"
        "    assert message.headers['task'] == queue.ORDER_SEND\n"
        "    assert message.decode()[0] == [17], message.decode()\n"
    )
    environment = {
        "PATH": "/usr/bin:/bin",
        "DJANGO_SETTINGS_MODULE": "kalshi_desk.settings.test",
        "DESK_DATA": str(tmp_path),
        "REDIS_URL": redis_url,
    }

    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )

    assert done.returncode == 0, done.stderr
