from typing import Any

import pytest

from apps.orders import queue as orders_queue
from apps.paper.testing import InProcessPaper
from apps.rfq import queue
from apps.rfq.services import (
    accepts_send,
    combos_send,
    confirm_send,
    guard,
    incoming,
    look_again,
    quotes_send,
    requests_send,
    requests_sweep,
)
from tests.orders.conftest import Place, Published, commits, place, published
from tests.rfq.scene import Scene

__all__ = ["commits", "place", "published"]

# Every module that talks to the exchange.
TALKERS = [
    accepts_send,
    combos_send,
    confirm_send,
    guard,
    incoming,
    look_again,
    quotes_send,
    requests_send,
    requests_sweep,
]


@pytest.fixture
def queued(monkeypatch: pytest.MonkeyPatch, commits: None) -> list[tuple[Any, ...]]:
    """What was handed to the broker, by task name and row id; nothing runs by itself."""
    messages: list[tuple[Any, ...]] = []

    def take(task: str, *ids: int, countdown: float | None = None) -> bool:
        if (entry := (task.rsplit(".", 1)[1], *ids)) not in messages:
            messages.append(entry)
        return True

    for module in (orders_queue, queue):
        monkeypatch.setattr(module, "enqueue", take)
    return messages


@pytest.fixture
def scene(monkeypatch: pytest.MonkeyPatch, place: Place, published: Published, queued: list[tuple[Any, ...]]) -> Scene:
    built = Scene(place, InProcessPaper(), queued)
    for module in TALKERS:
        monkeypatch.setattr(module, "client_for", built.client)
    return built
