"""A Redis of the test's own for the short ways of orders and confirmations (apps.orders.lane)."""

from collections.abc import Iterator
from typing import Any

import pytest
import redis

from apps.orders import lane
from tests.support.redis import redis_process, redis_url

__all__ = ["PATIENCE", "redis_process", "redis_url", "server"]

PATIENCE = 60.0


@pytest.fixture
def server(redis_url: str, settings: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[redis.Redis]:
    settings.REDIS_URL = redis_url
    monkeypatch.setattr(lane, "GIVES_UP_AFTER", PATIENCE)  # however slow the machine is
    monkeypatch.setattr(lane, "ATTENDED_FOR", 600_000)
    monkeypatch.setattr(lane, "WAITS_FOR", 0.1)
    lane.forget()
    with redis.Redis.from_url(redis_url) as client:
        client.flushall()
        yield client
    lane.forget()
