"""The rig of the history tests: the real services, the paper exchange in this process, nothing published or queued."""

import logging
from collections.abc import Iterator

import pytest

from apps.exchange import live
from apps.history.sync import walk
from apps.orders import queue
from apps.orders.services import lookup, sync
from apps.paper.testing import InProcessPaper
from apps.portfolio import services as portfolio_services
from apps.portfolio import subaccounts
from tests.history.rig import Line, Rig
from tests.support.people import make_account, make_desk


@pytest.fixture
def rig(db: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[Rig]:
    paper = InProcessPaper()
    line = Line(paper)
    client = line.client()
    for module in (walk, lookup, sync, portfolio_services, subaccounts):
        monkeypatch.setattr(module, "client_for", lambda account_id, *, write: client)
    monkeypatch.setattr(walk, "environment_client", lambda environment: client)
    monkeypatch.setattr(queue, "enqueue", lambda task, *ids, countdown=None: True)
    monkeypatch.setattr("apps.portfolio.queue.refresh_soon", lambda account_id: None)
    monkeypatch.setattr(live, "publish_rows", lambda topic, rows, **_: True)
    monkeypatch.setattr(live, "publish", lambda topic, frame, version=None: True)
    logging.getLogger("apps").setLevel(logging.ERROR)
    yield Rig(make_account(make_desk()), paper, line)
    logging.getLogger("apps").setLevel(logging.NOTSET)
    client.close()
    paper.exchange.archive.close()
