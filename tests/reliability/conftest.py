"""The desk of `tests/orders`, connected to the paper exchange in this process."""

import pytest

from apps.exchange.wire.client import ExchangeClient
from apps.markets.models import Market
from apps.paper.testing import LINEAR, InProcessPaper
from apps.vault.signing import KeySigner
from tests.orders.conftest import Place, Published, commits, connect, exchange, make_market, place, published, queued
from tests.support.paper import paper

__all__ = ["commits", "exchange", "paper", "place", "published", "queued"]


@pytest.fixture
def market(place: Place) -> Market:
    return make_market(ticker=LINEAR)


@pytest.fixture
def connected(
    paper: InProcessPaper,
    monkeypatch: pytest.MonkeyPatch,
    published: Published,
    queued: list[tuple[str, int]],
    market: Market,
) -> InProcessPaper:
    """The paper exchange as the desk's own, with a real signature on every request."""
    signer = KeySigner.from_pem(key_id=paper.key_id("trader-1"), pem=paper.pem("trader-1"), scopes=("read", "write"))
    client = ExchangeClient([paper.base_url], signer, None, paper.transport, now_ms=paper.clock.now_ms)
    connect(monkeypatch, lambda account_id, write: client)
    monkeypatch.setattr("apps.portfolio.queue.refresh_soon", lambda account_id: None)
    return paper
