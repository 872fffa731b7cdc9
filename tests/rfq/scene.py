"""A desk and the paper exchange in one thread: what is queued runs when the test says, frames arrive when it says."""

import uuid
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import httpx
import msgspec

from apps.core import ports
from apps.core.permissions import Actor
from apps.core.ports import FeedContext
from apps.core.rfq import Outcome
from apps.core.timestamps import utc_now
from apps.exchange.wire.client import ExchangeClient
from apps.exchange.wire.schemas.decode import Message, decode
from apps.paper.testing import DECI, LINEAR, InProcessPaper
from apps.rfq import tasks
from apps.rfq.asks import Ask
from apps.rfq.models import Accept, Rfq
from apps.rfq.services import accepts, requests
from apps.vault.signing import KeySigner
from tests.orders.conftest import Place, make_market
from tests.support.people import actor_of, make_person

RFQS = "/communications/rfqs"
QUOTES = "/communications/quotes"
SOON = timedelta(seconds=1)


class Scene:
    """place: the desk; its account is trader-1's. quoter, lead, other: people of the desk. maker: trades against us."""

    def __init__(self, place: Place, paper: InProcessPaper, queued: list[tuple[Any, ...]]) -> None:
        self.place = place
        self.paper = paper
        self.queued = queued
        self.quoter = self._person("quoter")
        self.lead = self._person("lead")
        self.other = self._person("quoter")
        for ticker in (LINEAR, DECI):
            make_market(ticker=ticker, close_time=utc_now() + timedelta(days=30))
        self.maker = paper.client("maker")
        self.us = paper.client("trader-1")
        self.socket = paper.socket("trader-1")
        self.socket.send("subscribe", channels=["communications"])

    def _person(self, role: str) -> Actor:
        return replace(actor_of(make_person(self.place.desk, role)), account_id=self.place.account.pk)

    def client(self, account_id: int, *, write: bool) -> ExchangeClient:
        signer = KeySigner.from_pem(
            key_id=self.paper.key_id("trader-1"), pem=self.paper.pem("trader-1"), scopes=("read", "write")
        )
        return ExchangeClient([self.paper.base_url], signer, None, transport=self.paper.transport)

    # --- time and work -----------------------------------------------------------------------------
    def work(self) -> None:
        """Run what was queued, and what that queues, until nothing is left."""
        for _ in range(100):
            if not self.queued:
                return
            name, *ids = self.queued.pop(0)
            getattr(tasks, name)(*ids)
        raise AssertionError(f"work does not end: {self.queued}")

    def hear(self, *, drop: tuple[str, ...] = ()) -> list[str]:
        """Deliver the frames that the exchange has sent us, but for those types that are lost; return their types."""
        context = FeedContext(self.place.account.pk, "paper", int(utc_now().timestamp() * 1000))
        heard = []
        for text in list(self.socket.texts):
            message = decode(text.encode())
            if not isinstance(message, Message):
                continue
            heard.append(message.type)
            if message.type in drop:
                continue
            for urgent in ports.urgent_handlers.get(message.type, ()):
                urgent(context, message.body)
            for handler in ports.feed_handlers.get(message.type, ()):
                handler(context, [message.body])
        self.socket.texts.clear()
        return heard

    def step(self, **span: float) -> None:
        """Let time pass at the exchange."""
        self.paper.clock.step(int(timedelta(**span).total_seconds() * 1000))
        self.paper.server.run_due()

    # --- what people do ------------------------------------------------------------------------------
    def ask(self, actor: Actor | None = None, **over: Any) -> Ask:
        actor = actor or self.quoter
        values: dict[str, Any] = {
            "idempotency_key": uuid.uuid4(),
            "account_id": self.place.account.pk,
            "ticker": LINEAR,
            "contracts": Decimal(100),
        } | over
        return Ask(**values)

    def request(self, actor: Actor | None = None, **over: Any) -> Rfq:
        """Ask, and send it."""
        rfq = requests.rfq_submit(actor or self.quoter, self.ask(actor, **over))
        self.work()
        rfq.refresh_from_db()
        return rfq

    def quote(self, rfq: Rfq, yes_bid: str, no_bid: str, *, by: str = "maker") -> str:
        """Another member quotes on our request; returns the quote's id."""
        with self.paper.client(by) as client:
            answer = post(client, QUOTES, rfq_id=rfq.rfq_id, yes_bid=yes_bid, no_bid=no_bid, rest_remainder=False)
        found: str = answer["id"]
        return found

    def accept(self, rfq: Rfq, quote_id: str, buys: str, price: str, *, by: Actor | None = None, **over: Any) -> Accept:
        values: dict[str, Any] = {"idempotency_key": uuid.uuid4(), "now": utc_now() + SOON} | over
        rfq.refresh_from_db()
        return accepts.accept_submit(
            by or self.quoter, rfq, quote_id=quote_id, buys=Outcome(buys), price_seen=Decimal(price), **values
        )

    def confirm(self, quote_id: str) -> httpx.Response:
        return self.maker.put(f"{QUOTES}/{quote_id}/confirm", json={})

    def theirs(self) -> list[dict[str, Any]]:
        """The exchange's own list of our requests."""
        found: list[dict[str, Any]] = self.us.get(RFQS, params={"user_filter": "self"}).json()["rfqs"]
        return found


def post(client: httpx.Client, path: str, **body: Any) -> dict[str, Any]:
    answer = client.post(path, json=body)
    assert answer.status_code == 201, answer.text
    result: dict[str, Any] = msgspec.json.decode(answer.content)
    return result


def later(rows: Any, **columns: Callable[[datetime], datetime]) -> None:
    """Move times of one row: the controlled clock of these tests."""
    row = rows.get()
    rows.update(**{name: move(getattr(row, name)) for name, move in columns.items()})
