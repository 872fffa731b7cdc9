"""One of our quotes on another member's request, and that member's accept: where confirmations begin."""

import threading
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from decimal import Decimal
from typing import Any

import httpx
import pytest

from apps.core.permissions import Actor
from apps.core.ports import Holding, holdings
from apps.core.rfq import Policy, QuotePrices
from apps.core.timestamps import to_unix_ms, utc_now
from apps.exchange.models import ExchangeStatus
from apps.exchange.selectors import FeedState
from apps.paper.testing import LINEAR
from apps.rfq.models import Confirmation, IncomingRfq, Quote
from apps.rfq.offers import Offer
from apps.rfq.services import confirm_send, guard, last_look, look_again, quotes, round_trips, stand_by
from apps.rfq.services.incoming import incoming_get
from apps.rfq.services.last_look import Prices
from tests.rfq.scene import QUOTES, RFQS, Scene, post
from tests.support.people import actor_of, make_desk, make_person


@dataclass
class Window:
    """fair: what live prices say one YES is worth. cash, position: what the account is known to hold."""

    scene: Scene
    fair: Decimal | None = Decimal("0.35")
    feed: str = "live"
    cash: Decimal | None = Decimal(100_000)
    position: Decimal | None = Decimal(0)
    asked: list[str] = field(default_factory=list)

    def prices(self, environment: str, incoming: IncomingRfq) -> Prices:
        if self.fair is None:
            return Prices(FeedState(self.feed))
        return Prices(FeedState(self.feed, "", to_unix_ms(utc_now())), self.fair, self.fair, self.fair)

    def quote(self, *, policy: Policy = Policy.AUTO, contracts: int = 50, ticker: str = LINEAR, **over: Any) -> Quote:
        """Our open quote of 30c YES and 60c NO on a new request of the other member."""
        size = over.pop("size", {"contracts": contracts})
        rfq_id = post(self.scene.maker, RFQS, market_ticker=ticker, rest_remainder=False, **size)["id"]
        self.asked.append(rfq_id)
        incoming = incoming_get(self.scene.place.account.pk, "paper", rfq_id)
        values: dict[str, Any] = {
            "idempotency_key": uuid.uuid4(),
            "account_id": self.scene.place.account.pk,
            "rfq_id": rfq_id,
            "prices": QuotePrices(Decimal("0.30"), Decimal("0.60")),
            "policy": policy,
            "max_move": Decimal("0.02") if policy is Policy.AUTO else None,
        } | over
        quote = quotes.quote_submit(self.scene.quoter, Offer(**values), incoming)
        self.scene.work()
        quote.refresh_from_db()
        assert quote.quote_id, quote.error_text
        self.scene.hear()
        return quote

    def accept(self, quote: Quote, side: str = "yes") -> None:
        """The other member takes it."""
        answer = self.scene.maker.put(f"{QUOTES}/{quote.quote_id}/accept", json={"accepted_side": side})
        assert answer.status_code == 204, answer.text

    def accepted(self, side: str = "yes", **over: Any) -> Confirmation:
        """Quote, be taken, hear of it; nothing is sent yet."""
        quote = self.quote(**over)
        self.accept(quote, side)
        self.scene.hear()
        return Confirmation.objects.get(quote=quote)

    def theirs(self, quote: Quote) -> dict[str, Any]:
        """The exchange's own record of our quote."""
        found: dict[str, Any] = self.scene.us.get(f"{QUOTES}/{quote.quote_id}").json()["quote"]
        return found

    def stranger(self) -> Actor:
        """A quoter of another desk."""
        return actor_of(make_person(make_desk("Elsewhere"), "quoter"))

    def offset(self, ms: int | None) -> None:
        ExchangeStatus.objects.update_or_create(environment="paper", defaults={"clock_offset_ms": ms})


class AtOnce:
    """Runs what is submitted, in the caller's thread: the test's own transaction is not seen by another."""

    def submit(self, work: Callable[..., None], *arguments: Any) -> None:
        work(*arguments)


@pytest.fixture
def again_at_once(window: "Window", monkeypatch: pytest.MonkeyPatch) -> None:
    """What is not answered is sent again within milliseconds."""
    monkeypatch.setattr(confirm_send, "REPEAT_EVERY", timedelta(milliseconds=5))


@pytest.fixture
def window(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> Iterator[Window]:
    built = Window(scene)
    for module in (quotes, last_look):
        monkeypatch.setattr(module, "prices_of", built.prices)
    # Nothing is repeated by itself, however slow the machine is; `again_at_once` says where it shall be.
    monkeypatch.setattr(confirm_send, "REPEAT_EVERY", timedelta(hours=1))
    monkeypatch.setattr(guard, "_sweepers", AtOnce())
    monkeypatch.setattr(stand_by, "_readers", AtOnce())
    monkeypatch.setattr(stand_by, "_thread_begun", threading.current_thread)  # tests call `once` themselves
    monkeypatch.setattr(stand_by, "_thread", None)
    for module in (guard, stand_by):
        monkeypatch.setattr(module, "_close_connections", lambda: None)
    monkeypatch.setattr(stand_by, "_keep_connections", lambda: None)
    monkeypatch.setattr(guard, "_is_my_turn", lambda account_id, environment: True)
    monkeypatch.setattr(look_again, "feed_state", lambda environment: FeedState(built.feed))
    kept = list(holdings)
    holdings[:] = [lambda account_id, subaccount, ticker: Holding(built.cash, built.position)]
    round_trips.forget()
    # Attempts come from several threads; the exchange in this process has one.
    one_at_a_time, handle = threading.Lock(), scene.paper.transport.handle_request

    def in_turn(request: httpx.Request) -> httpx.Response:
        with one_at_a_time:
            return handle(request)

    monkeypatch.setattr(scene.paper.transport, "handle_request", in_turn)
    yield built
    holdings[:] = kept


def state_of(confirmation: Confirmation) -> str:
    confirmation.refresh_from_db()
    return str(confirmation.state)
