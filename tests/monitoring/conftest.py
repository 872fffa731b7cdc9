"""The desk of `tests/rfq` on the paper exchange in this process, and a kill switch that reaches it."""

from pathlib import Path
from typing import Any

import pytest

from apps.monitoring.services import kill_pass
from tests.orders.conftest import connect, published
from tests.rfq.conftest import commits, place, queued, scene
from tests.rfq.scene import Scene

__all__ = ["commits", "place", "published", "queued", "scene"]


@pytest.fixture(autouse=True)
def own_data(settings: Any, tmp_path: Path) -> Path:
    """Files of a kill belong to one test."""
    settings.DATA_DIR = tmp_path
    return tmp_path


@pytest.fixture
def desk(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> Scene:
    monkeypatch.setattr(kill_pass, "client_for", lambda account_id, write: scene.client(account_id, write=write))
    connect(monkeypatch, lambda account_id, write: scene.client(account_id, write=write))
    return scene
