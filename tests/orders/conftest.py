"""One desk with one of each, a market, and an exchange that does what the test says."""

import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import transaction

from apps.accounts.models import Desk, ExchangeAccount
from apps.core.permissions import Actor
from apps.core.timestamps import utc_now
from apps.exchange import live
from apps.markets.models import Event, Market, Series
from apps.orders import queue
from apps.orders.models import OrderIntent
from apps.orders.services import ahead, batch, cancel, changing, groups, lookup, queueing, send, sync
from apps.orders.tickets import OrderTicket
from apps.portfolio import services as portfolio_services
from apps.vault.models import ApiKey
from tests.orders.scripted import ScriptedExchange
from tests.support.people import actor_of, make_account, make_desk, make_person

TICKER = "KXHIGHNY-26NOV22-T60"


@dataclass
class Place:
    """A desk whose ids all differ, so that a mixed-up id cannot pass by coincidence."""

    desk: Desk
    account: ExchangeAccount
    trader: Actor
    viewer: Actor
    market: Market


def make_market(**over: Any) -> Market:
    """An active one-cent market that no test should depend on; override what matters."""
    values: dict[str, Any] = {
        "environment": "paper",
        "ticker": TICKER,
        "series_ticker": "KXHIGHNY",
        "title": "Will it be warm?",
        "status": "active",
        "close_time": utc_now() + timedelta(days=1),
        "price_ranges": [{"start": "0.0000", "end": "1.0000", "step": "0.0100"}],
    } | over
    Series.objects.get_or_create(
        environment="paper", ticker="KXHIGHNY", defaults={"title": "Warm", "fee_type": "quadratic"}
    )
    event, _ = Event.objects.get_or_create(
        environment="paper", ticker="KXHIGHNY-26NOV22", defaults={"series_ticker": "KXHIGHNY", "title": "Warm"}
    )
    return Market.objects.create(event=event, **values)


def make_trade_key(account: ExchangeAccount, **over: Any) -> ApiKey:
    """A row that says "there is a key"; nothing here opens it."""
    values: dict[str, Any] = {
        "label": "Trading",
        "purpose": ApiKey.Purpose.REST_TRADE,
        "key_id": "key-1",
        "scopes": ["read", "write"],
        "fingerprint": "0" * 64,
        "public_key": "",
        "key_size": 2048,
        "sealed": b"",
        "sealing_key_id": "none",
        "status": ApiKey.Status.VALID,
    } | over
    return ApiKey.objects.create(account=account, **values)


def build_place() -> Place:
    for _ in range(3):
        make_desk("Elsewhere")
    desk = make_desk()
    account = make_account(desk)
    trader, viewer = make_person(desk, "trader"), make_person(desk, "viewer")
    make_trade_key(account)
    return Place(desk, account, actor_of(trader), actor_of(viewer), make_market())


@pytest.fixture
def place(db: None) -> Place:
    return build_place()


def make_ticket(place: Place, **over: Any) -> OrderTicket:
    values: dict[str, Any] = {
        "idempotency_key": uuid.uuid4(),
        "account_id": place.account.pk,
        "ticker": TICKER,
        "side": "buy_yes",
        "price": Decimal("0.56"),
        "count": Decimal("10"),
    }
    return OrderTicket(**values | over)


@pytest.fixture
def commits(monkeypatch: pytest.MonkeyPatch) -> None:
    """Run what waits for a commit at once: the test's own transaction never commits."""
    monkeypatch.setattr(transaction, "on_commit", lambda run, using=None, robust=False: run())


@dataclass
class Published:
    frames: list[tuple[str, dict[str, Any]]] = field(default_factory=list)

    def rows(self, kind: str) -> list[dict[str, Any] | None]:
        return [row for topic, rows in self.frames if topic.startswith(f"{kind}:") for row in rows.values()]

    def states(self) -> list[str]:
        return [row["state"] for row in self.rows("orders") if row]


@pytest.fixture
def published(monkeypatch: pytest.MonkeyPatch, commits: None) -> Published:
    seen = Published()
    monkeypatch.setattr(live, "publish_rows", lambda topic, rows, **_: seen.frames.append((topic, dict(rows))))
    monkeypatch.setattr(live, "publish", lambda topic, frame, version=None: seen.frames.append((topic, dict(frame))))
    return seen


@pytest.fixture
def queued(monkeypatch: pytest.MonkeyPatch, commits: None) -> list[tuple[str, int]]:
    """What was handed to the broker, by task name and row id; nothing runs by itself."""
    messages: list[tuple[str, int]] = []
    monkeypatch.setattr(queue, "enqueue", lambda task, *ids: messages.append((task.rsplit(".", 1)[1], *ids)) or True)
    return messages


@pytest.fixture
def exchange(monkeypatch: pytest.MonkeyPatch, published: Published, queued: list[tuple[str, int]]) -> ScriptedExchange:
    scripted = ScriptedExchange()
    connect(monkeypatch, lambda account_id, write: scripted.client())
    return scripted


def connect(monkeypatch: pytest.MonkeyPatch, client_for: Callable[..., Any]) -> None:
    for module in (ahead, send, batch, cancel, changing, groups, queueing, lookup, sync, portfolio_services):
        monkeypatch.setattr(module, "client_for", client_for)


def rewind(intent: OrderIntent, **columns: timedelta) -> None:
    """Move times of a row into the past: the controlled clock of these tests."""
    OrderIntent.objects.filter(pk=intent.pk).update(
        **{name: getattr(intent, name) - ago for name, ago in columns.items()}
    )
    intent.refresh_from_db()
