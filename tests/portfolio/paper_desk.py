"""A desk with a trader and a lead on the paper exchange of the same process. Requests are counted, time is played."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta

import httpx
import pytest

from apps.accounts.models import ExchangeAccount
from apps.core.permissions import Actor
from apps.core.timestamps import from_unix_ms
from apps.exchange.wire.client import ExchangeClient
from apps.paper.testing import InProcessPaper
from apps.portfolio import cash, sending, services, subaccounts, transfers
from apps.vault.signing import KeySigner
from tests.orders.conftest import Place
from tests.support.people import actor_of, make_person


@dataclass
class PaperDesk:
    """place: the trader's desk. sent: method and path of every request. later: how far the desk's clock is ahead."""

    place: Place
    lead: Actor
    paper: InProcessPaper
    sent: list[tuple[str, str]] = field(default_factory=list)
    later: timedelta = timedelta(0)
    client: ExchangeClient | None = None

    @property
    def account(self) -> ExchangeAccount:
        return self.place.account

    @property
    def posts(self) -> list[str]:
        return [path.removeprefix("/trade-api/v2") for method, path in self.sent if method in ("POST", "PUT")]

    def now(self) -> datetime:
        return from_unix_ms(self.paper.clock.now_ms()) + self.later

    def wait(self, seconds: float) -> None:
        self.later += timedelta(seconds=seconds)

    def client_for(self, account_id: int, *, write: bool) -> ExchangeClient:
        """What the desk's code asks for; the same client for all."""
        assert self.client is not None
        return self.client

    def cash_of(self, subaccount: int) -> int:
        """What the exchange has, cents."""
        return self.paper.exchange.account(self.paper.user_id("trader-1"), subaccount).available_cents


class Counting(httpx.BaseTransport):
    def __init__(self, paper: InProcessPaper, sent: list[tuple[str, str]]) -> None:
        self._paper, self._sent = paper, sent

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        self._sent.append((request.method, request.url.path))
        self._paper.clock.step(100)  # the exchange's budgets fill by its clock
        return self._paper.transport.handle_request(request)


MODULES = (cash, sending, services, subaccounts)


def build_desk(place: Place, paper: InProcessPaper, monkeypatch: pytest.MonkeyPatch) -> PaperDesk:
    desk = PaperDesk(place, actor_of(make_person(place.desk, "lead")), paper)
    signer = KeySigner.from_pem(key_id=paper.key_id("trader-1"), pem=paper.pem("trader-1"), scopes=("read", "write"))
    desk.client = ExchangeClient([paper.base_url], signer, None, Counting(paper, desk.sent), now_ms=paper.clock.now_ms)
    for module in MODULES:
        monkeypatch.setattr(module, "client_for", desk.client_for)
    # What is asked and what the exchange lists are told by one clock, however slow the machine is.
    for module in (transfers, sending):
        monkeypatch.setattr(module, "utc_now", desk.now)
    return desk
