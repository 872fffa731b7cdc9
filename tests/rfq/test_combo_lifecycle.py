"""The life of combos, as `multivariate_market_lifecycle` of the paper exchange tells it."""

from typing import Any

import pytest
from celery import current_app

from apps.core import ports
from apps.exchange.wire.schemas import Message, decode
from apps.markets import services, tasks
from apps.markets.models import Market
from apps.paper.testing import LINEAR, InProcessPaper, InProcessSocket
from tests.paper.server.combos import COLLECTION, PAIR, TRIPLE, list_collection

pytestmark = pytest.mark.django_db
CHANNEL = "multivariate_market_lifecycle"


@pytest.fixture
def paper() -> InProcessPaper:
    paper = InProcessPaper()
    list_collection(paper)
    return paper


@pytest.fixture
def queued(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    found: list[str] = []
    task = current_app.tasks[tasks.market_fetch.name]
    monkeypatch.setattr(task, "apply_async", lambda args, **options: found.append(args[1]))
    return found


def created(paper: InProcessPaper, body: dict[str, Any]) -> str:
    with paper.client("trader-1") as client:
        answer = client.post(f"/multivariate_event_collections/{COLLECTION}", json=body)
        return str(answer.json()["market_ticker"])


def stored(paper: InProcessPaper, ticker: str) -> Market:
    with paper.client() as client:
        raw = client.get(f"/markets/{ticker}").json()["market"]
        event = client.get(f"/events/{raw['event_ticker']}").json()["event"]
    services.event_save("paper", event)
    services.markets_save("paper", [raw])
    return Market.objects.get(ticker=ticker)


def ended(paper: InProcessPaper, ticker: str, result: str) -> None:
    for step in ({"action": "close_early"}, {"action": "determine", "result": result}):
        paper.control("POST", "/market", {"ticker": ticker} | step)


def deliver(socket: InProcessSocket) -> list[str]:
    """Hand what the exchange told to the apps, as the gateway does. Returns the kinds of messages."""
    messages = [message for text in socket.texts if isinstance(message := decode(text.encode()), Message)]
    socket.texts.clear()
    bodies = [message.body for message in messages if message.type == CHANNEL]
    for handler in ports.feed_handlers[CHANNEL]:
        handler(ports.FeedContext(1, "paper", 0), bodies)
    return [message.type for message in messages]


def test_a_combo_of_ours_ends_as_the_channel_says_and_new_ones_of_others_cost_nothing(
    paper: InProcessPaper, queued: list[str]
) -> None:
    socket = paper.socket("trader-1")
    socket.send("subscribe", channels=[CHANNEL])
    mine = stored(paper, created(paper, PAIR))
    other = created(paper, TRIPLE)
    assert CHANNEL in deliver(socket)
    assert other not in queued
    queued.clear()

    ended(paper, LINEAR, "yes")  # a leg on NO: both combos are lost
    for ticker in (mine.ticker, other):
        if paper.exchange.markets[ticker].result is None:
            ended(paper, ticker, "no")
    assert CHANNEL in deliver(socket)

    mine.refresh_from_db()
    assert (mine.status, mine.result) == ("determined", "no")
    assert queued == []
    assert list(Market.objects.values_list("ticker", flat=True)) == [mine.ticker]
