"""A request that the web process does not know is read by a worker, because the web process opens no keys."""

import uuid
from typing import Any

import pytest

from apps.core.errors import DeskError, NotFound
from apps.paper.testing import LINEAR
from apps.rfq.models import IncomingRfq
from apps.rfq.services import incoming
from apps.vault.errors import VaultClosed
from tests.rfq.scene import RFQS, Scene, post


@pytest.fixture
def web(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> Scene:
    """The web process asks; the worker runs as soon as something is queued."""

    def enqueue(task: str, *ids: Any) -> bool:
        with monkeypatch.context() as worker:
            worker.setattr(incoming, "client_for", scene.client)
            incoming.incoming_read(*ids)
        return True

    def closed(account_id: int, *, write: bool) -> Any:
        raise VaultClosed("This process opens no keys.")

    monkeypatch.setattr(incoming, "client_for", closed)
    monkeypatch.setattr(incoming.queue, "enqueue", enqueue)
    return scene


def test_a_worker_reads_it_for_the_web_process(web: Scene) -> None:
    rfq_id = post(web.maker, RFQS, market_ticker=LINEAR, contracts=5, rest_remainder=False)["id"]
    row = incoming.incoming_get(web.place.account.pk, "paper", rfq_id)

    assert (row.rfq_id, row.ticker) == (rfq_id, LINEAR)
    assert IncomingRfq.objects.count() == 1


def test_a_request_that_does_not_exist_is_not_waited_for(web: Scene) -> None:
    with pytest.raises(NotFound):
        incoming.incoming_get(web.place.account.pk, "paper", str(uuid.uuid4()))


def test_a_worker_that_does_not_come_is_waited_for_so_long(web: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(incoming.queue, "enqueue", lambda task, *ids: False)
    monkeypatch.setattr(incoming, "WAIT_SECONDS", 0.05)
    with pytest.raises(DeskError) as refused:
        incoming.incoming_get(web.place.account.pk, "paper", "r")

    assert refused.value.code == "not_read"
