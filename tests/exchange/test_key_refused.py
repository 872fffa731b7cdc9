"""H1: a key deleted at the exchange is found out by whatever is refused first, and a wrong clock is not one."""

import time
from typing import Any

import httpx
import pytest

from apps.core import ports
from apps.exchange import clients, services
from apps.exchange.wire.client import ExchangeClient
from apps.exchange.wire.errors import Refused
from apps.vault.models import ApiKey
from tests.orders.conftest import make_trade_key
from tests.support.people import make_account, make_desk

LIMITS = {"read": {"refill_rate": 10, "bucket_capacity": 10}, "write": {"refill_rate": 10, "bucket_capacity": 10}}
UNAUTHORIZED = {"error": {"code": "authentication_error", "message": "INCORRECT_API_KEY_SIGNATURE"}}


class Signer:
    """Signs nothing; remembers for which time it was asked to."""

    def __init__(self) -> None:
        self.times: list[int] = []

    def headers(self, method: str, path: str, timestamp_ms: int) -> dict[str, str]:
        self.times.append(timestamp_ms)
        return {}


def client(answer: Any, *, signer: Signer | None, **over: Any) -> ExchangeClient:
    return ExchangeClient(["http://127.0.0.1:1"], signer, None, httpx.MockTransport(answer), **over)


@pytest.mark.parametrize(("status", "is_signed", "calls"), [(401, True, 1), (401, False, 0), (403, True, 0)])
def test_h1_only_a_refused_signature_puts_the_key_in_doubt(status: int, is_signed: bool, calls: int) -> None:
    told: list[int] = []
    asked = client(
        lambda request: httpx.Response(status, json=UNAUTHORIZED),
        signer=Signer() if is_signed else None,
        on_key_refused=lambda: told.append(1),
    )

    with pytest.raises(Refused):
        asked.get("/portfolio/balance")

    assert len(told) == calls


def test_h1_what_fails_while_the_key_is_looked_at_does_not_hide_the_answer() -> None:
    def fail() -> None:
        raise OSError("the broker is away")

    asked = client(lambda request: httpx.Response(401, json=UNAUTHORIZED), signer=Signer(), on_key_refused=fail)

    with pytest.raises(Refused, match="INCORRECT_API_KEY_SIGNATURE"):
        asked.get("/portfolio/balance")


@pytest.mark.django_db
def test_h1_each_key_of_the_account_is_tested_once_for_a_burst_of_refusals(monkeypatch: pytest.MonkeyPatch) -> None:
    clients.clients_forget()
    account = make_account(make_desk())
    live = make_trade_key(account)
    make_trade_key(account, status=ApiKey.Status.INVALID, purpose="rest_read", fingerprint="1" * 64)
    tested: list[int] = []
    monkeypatch.setattr(ports, "key_test_enqueue", [tested.append])
    now = [0.5]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])

    for _ in range(50):
        clients.key_refused(account.pk)
    assert tested == [live.pk]
    now[0] += clients.REFUSED_AGAIN_AFTER
    clients.key_refused(account.pk)

    assert tested == [live.pk, live.pk]
    clients.clients_forget()


@pytest.mark.django_db
def test_f15_a_clock_that_is_wrong_does_not_end_a_key() -> None:
    """The refusal itself tells the exchange's time; the same question with that time is answered."""
    exchange_ms, ours_ms = 1_000_000, 1_000_000 - 45_000
    signer = Signer()

    def answer(request: httpx.Request) -> httpx.Response:
        headers = {"X-Exchange-Time-Ms": str(exchange_ms)}
        if abs(signer.times[-1] - exchange_ms) > 10_000:
            return httpx.Response(401, json=UNAUTHORIZED, headers=headers)
        return httpx.Response(200, json=LIMITS if "limits" in request.url.path else {}, headers=headers)

    key = make_trade_key(make_account(make_desk()))

    services.key_test(key.pk, client=client(answer, signer=signer, now_ms=lambda: ours_ms))

    key.refresh_from_db()
    assert key.status == ApiKey.Status.VALID
    assert signer.times[:2] == [ours_ms, exchange_ms]


@pytest.mark.django_db
def test_h1_a_key_that_is_gone_is_asked_for_once_and_ends() -> None:
    signer = Signer()

    def answer(request: httpx.Request) -> httpx.Response:
        return httpx.Response(401, json=UNAUTHORIZED, headers={"X-Exchange-Time-Ms": "1000000"})

    key = make_trade_key(make_account(make_desk()))

    services.key_test(key.pk, client=client(answer, signer=signer, now_ms=lambda: 1_000_000))

    key.refresh_from_db()
    assert key.status == ApiKey.Status.INVALID
    assert len(signer.times) == 1
