"""Orders against the paper exchange: real signatures, matching, reads and WebSocket messages."""

import uuid
from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal

import pytest

from apps.core import ports
from apps.core.ports import FeedContext
from apps.core.timestamps import from_unix_ms
from apps.exchange.wire.client import ExchangeClient
from apps.exchange.wire.schemas import Message, decode
from apps.markets.models import Market
from apps.orders.models import Fill, Order, OrderIntent
from apps.orders.services import (
    cancel_send,
    cancel_submit,
    intent_resolve,
    intent_send,
    intent_submit,
    intents_sweep,
    orders_reconcile,
)
from apps.paper.server.rest_faults import RestFault
from apps.paper.testing import LINEAR, InProcessPaper, InProcessSocket
from apps.portfolio.models import Balance, Position
from apps.portfolio.services import portfolio_refresh
from apps.vault.signing import KeySigner
from tests.orders.conftest import Place, Published, connect, make_market, make_ticket
from tests.support.paper import paper

__all__ = ["paper"]

State = OrderIntent.State
Queued = list[tuple[str, int]]


@pytest.fixture
def market(place: Place) -> Market:
    return make_market(ticker=LINEAR)


@pytest.fixture
def connected(
    paper: InProcessPaper, monkeypatch: pytest.MonkeyPatch, published: Published, queued: Queued, market: Market
) -> InProcessPaper:
    use_key(paper, monkeypatch, "trader-1", ("read", "write"))
    return paper


def use_key(paper: InProcessPaper, monkeypatch: pytest.MonkeyPatch, name: str, scopes: tuple[str, ...]) -> None:
    signer = KeySigner.from_pem(key_id=paper.key_id(name), pem=paper.pem(name), scopes=scopes)
    client = ExchangeClient([paper.base_url], signer, None, paper.transport, now_ms=paper.clock.now_ms)
    connect(monkeypatch, lambda account_id, write: client)


def others_order(paper: InProcessPaper, **over: str) -> None:
    """The market maker takes the other side."""
    body = {
        "ticker": LINEAR,
        "client_order_id": str(uuid.uuid4()),
        "side": "ask",
        "count": "4.00",
        "price": "0.5600",
        "time_in_force": "good_till_canceled",
        "self_trade_prevention_type": "taker_at_cross",
    } | over
    with paper.client("maker") as client:
        assert client.post("/portfolio/events/orders", json=body).status_code == 201


def deliver(socket: InProcessSocket, place: Place, *, now_ms: int) -> None:
    """Hand every frame that came to the feed handlers, as the gateway does."""
    context = FeedContext(account_id=place.account.pk, environment="paper", recv_ms=now_ms)
    texts = list(socket.texts)
    socket.texts.clear()
    for text in texts:
        message = decode(text.encode())
        if isinstance(message, Message):
            for handler in ports.feed_handlers.get(message.type, []):
                handler(context, [message.body])


@pytest.fixture
def quiet_refresh(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("apps.portfolio.queue.refresh_soon", lambda account_id: None)


def listed(paper: InProcessPaper) -> list[dict[str, str]]:
    with paper.client("trader-1") as client:
        orders: list[dict[str, str]] = client.get("/portfolio/orders").json()["orders"]
    return orders


def place_order(place: Place, **over: object) -> OrderIntent:
    intent = intent_submit(place.trader, make_ticket(place, ticker=LINEAR, **over))
    intent_send(intent.pk)
    intent.refresh_from_db()
    return intent


def test_an_order_rests_fills_in_part_and_is_cancelled(
    place: Place, connected: InProcessPaper, published: Published, quiet_refresh: None
) -> None:
    socket = connected.socket("trader-1")
    socket.send("subscribe", channels=["user_orders", "fill", "market_positions"])

    intent = place_order(place)
    deliver(socket, place, now_ms=connected.clock.now_ms())
    order = Order.objects.get(intent=intent)
    assert (intent.state, order.status, order.remaining_count) == (State.ACKED, "resting", Decimal(10))

    others_order(connected)
    deliver(socket, place, now_ms=connected.clock.now_ms())
    order.refresh_from_db()
    assert (order.filled_count, order.remaining_count) == (Decimal(4), Decimal(6))
    assert Fill.objects.get().order_id == order.pk
    assert Position.objects.get().position == Decimal(4)

    cancel = cancel_submit(place.trader, order, idempotency_key=uuid.uuid4())
    cancel_send(cancel.pk)
    deliver(socket, place, now_ms=connected.clock.now_ms())
    orders_reconcile(place.account.pk)
    order.refresh_from_db()
    assert (order.status, order.filled_count, order.remaining_count) == ("canceled", Decimal(4), Decimal(0))
    assert Fill.objects.count() == 1
    assert len(published.rows("fills")) == 1
    socket.close()


def test_a_lost_answer_ends_as_one_order(place: Place, connected: InProcessPaper) -> None:
    """RELIABILITY A1, against the paper exchange."""
    connected.transport.lose_next_answer()
    intent = place_order(place)
    assert intent.state == State.UNKNOWN

    intent_resolve(intent.pk)

    intent.refresh_from_db()
    assert intent.state == State.ACKED
    assert [row["client_order_id"] for row in listed(connected)] == [str(intent.client_order_id)]


def test_a_lost_request_ends_as_not_seen_and_no_order(place: Place, connected: InProcessPaper) -> None:
    """RELIABILITY A2, against the paper exchange."""
    connected.transport.lose_next_request()
    intent = place_order(place)
    assert intent.state == State.UNKNOWN
    intent_resolve(intent.pk)
    intent.refresh_from_db()
    assert intent.state == State.UNKNOWN

    connected.clock.step(60_000)
    intent_resolve(intent.pk, now=from_unix_ms(connected.clock.now_ms()))
    intents_sweep(now=from_unix_ms(connected.clock.now_ms()) + timedelta(hours=1))
    intent_send(intent.pk)

    intent.refresh_from_db()
    assert intent.state == State.NOT_SEEN
    assert listed(connected) == []


@pytest.mark.parametrize("status", [500, 502, 503, 504])
def test_a_server_error_after_acting_is_looked_up(place: Place, connected: InProcessPaper, status: int) -> None:
    """RELIABILITY A4."""
    fault = RestFault("status", 1, method="POST", status=status, when="after")
    connected.server.rest_faults.arm(fault)

    intent = place_order(place)
    assert intent.state == State.UNKNOWN
    intent_resolve(intent.pk)

    intent.refresh_from_db()
    assert intent.state == State.ACKED
    assert len(listed(connected)) == 1


def test_a_rate_limit_is_a_refusal_in_words(place: Place, connected: InProcessPaper) -> None:
    connected.server.rest_faults.arm(RestFault("rate_limit", 1, method="POST"))

    intent = place_order(place)

    assert (intent.state, intent.error_code) == (State.REFUSED, "rate_limited")
    assert listed(connected) == []


def test_an_order_that_crosses_fills_at_once(place: Place, connected: InProcessPaper) -> None:
    others_order(connected, count="10.00")

    intent = place_order(place)
    orders_reconcile(place.account.pk)

    order = Order.objects.get(intent=intent)
    assert (order.status, order.filled_count) == ("executed", Decimal(10))
    assert order.fees > 0
    assert Fill.objects.get().is_taker


def test_buying_no_rests_as_an_ask_on_the_yes_leg(place: Place, connected: InProcessPaper) -> None:
    place_order(place, side="buy_no", price=Decimal("0.30"))

    [row] = listed(connected)
    assert (row["book_side"], row["yes_price_dollars"]) == ("ask", "0.7000")


@pytest.mark.parametrize("terms", ["immediate_or_cancel", "fill_or_kill"])
def test_an_order_that_may_not_rest_never_shows_as_resting(place: Place, connected: InProcessPaper, terms: str) -> None:
    """RELIABILITY A20."""
    others_order(connected, count="4.00")

    intent = place_order(place, time_in_force=terms)
    orders_reconcile(place.account.pk)

    order = Order.objects.filter(intent=intent).first()
    if order is None:
        assert intent.state == State.REFUSED
        assert intent.error_text
    else:
        assert (order.status, order.remaining_count) == ("canceled", Decimal(0))


def test_post_only_that_would_cross_ends_in_words_or_cancelled(place: Place, connected: InProcessPaper) -> None:
    others_order(connected, count="4.00")

    intent = place_order(place, is_post_only=True)

    assert not Order.objects.filter(status="resting").exists()
    assert intent.state in (State.REFUSED, State.ACKED)
    assert intent.error_text or Order.objects.get().status == "canceled"


def test_a_read_only_key_signs_no_order(
    place: Place,
    paper: InProcessPaper,
    monkeypatch: pytest.MonkeyPatch,
    published: Published,
    queued: Queued,
    market: Market,
) -> None:
    """RELIABILITY H3, signer: the exchange sees nothing."""
    use_key(paper, monkeypatch, "reader", ("read",))

    intent = place_order(place)

    assert (intent.state, intent.error_code) == (State.REFUSED, "scope_refused")
    assert listed(paper) == []


def test_a_key_that_claims_more_than_the_exchange_gave_it_is_refused_there(
    place: Place,
    paper: InProcessPaper,
    monkeypatch: pytest.MonkeyPatch,
    published: Published,
    queued: Queued,
    market: Market,
) -> None:
    """RELIABILITY H3, exchange."""
    use_key(paper, monkeypatch, "reader", ("read", "write"))

    intent = place_order(place)

    assert intent.state == State.REFUSED
    assert listed(paper) == []


def test_an_order_placed_with_another_tool_is_found_and_external(place: Place, connected: InProcessPaper) -> None:
    """RELIABILITY A19."""
    body = {
        "ticker": LINEAR,
        "client_order_id": "another-tool",
        "side": "bid",
        "count": "3.00",
        "price": "0.2000",
        "time_in_force": "good_till_canceled",
        "self_trade_prevention_type": "taker_at_cross",
    }
    with connected.client("trader-1") as client:
        assert client.post("/portfolio/events/orders", json=body).status_code == 201

    orders_reconcile(place.account.pk)

    order = Order.objects.get()
    assert (order.intent_id, order.remaining_count) == (None, Decimal(3))


def test_balance_and_position_follow_the_exchange(
    place: Place, connected: InProcessPaper, run_refresh: Callable[[], None]
) -> None:
    others_order(connected, count="10.00")
    run_refresh()
    before = Balance.objects.get().cash
    place_order(place)
    connected.clock.step(1_000)

    run_refresh()

    assert Position.objects.get().position == Decimal(10)
    assert Balance.objects.get().cash < before - Decimal("5.60")


@pytest.fixture
def run_refresh(place: Place) -> Callable[[], None]:
    return lambda: portfolio_refresh(place.account.pk)
