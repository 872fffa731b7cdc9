"""Rows of the fault matrix about orders that no other test names: late arrivals, ids, archives, TLS, limits."""

import json
import threading
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import NameOID

from apps.audit.models import AuditEntry
from apps.core.timestamps import format_rfc3339, from_unix_ms, utc_now
from apps.exchange.wire.client import ExchangeClient
from apps.orders.models import Order, OrderIntent
from apps.orders.services import intent_resolve, intent_send, intent_submit, intents_sweep, orders_reconcile
from apps.paper.server.rest_faults import RestFault
from apps.paper.testing import LINEAR, InProcessPaper
from tests.orders.conftest import Place, connect, make_ticket
from tests.orders.scripted import ScriptedExchange

State = OrderIntent.State
ORDERS = "/portfolio/events/orders"


def sent(place: Place, **over: object) -> OrderIntent:
    intent = intent_submit(place.trader, make_ticket(place, **over))
    intent_send(intent.pk)
    intent.refresh_from_db()
    return intent


def listed(paper: InProcessPaper) -> list[dict[str, str]]:
    with paper.client("trader-1") as client:
        orders: list[dict[str, str]] = client.get("/portfolio/orders").json()["orders"]
    return orders


def test_a3_an_order_that_arrives_after_it_was_called_not_seen_is_taken_back(
    place: Place, connected: InProcessPaper
) -> None:
    late = RestFault("late", 1, method="POST", hold_ms=600_000, delay_ms=90_000)
    connected.server.rest_faults.arm(late)
    intent = sent(place, ticker=LINEAR)
    assert intent.state == State.UNKNOWN
    connected.clock.step(60_000)
    intent_resolve(intent.pk, now=from_unix_ms(connected.clock.now_ms()))
    intent.refresh_from_db()
    assert (intent.state, listed(connected)) == (State.NOT_SEEN, [])

    connected.clock.step(90_000)
    orders_reconcile(place.account.pk)

    intent.refresh_from_db()
    assert intent.state == State.ACKED
    assert [row["client_order_id"] for row in listed(connected)] == [str(intent.client_order_id)]
    assert Order.objects.get().intent == intent
    written = AuditEntry.objects.filter(target=f"order_intent:{intent.pk}").values_list("action", flat=True)
    assert {"orders.intent.not_seen", "orders.intent.acked"} <= set(written)


def test_a11_an_id_that_the_exchange_would_take_again_is_never_sent_again(
    place: Place, connected: InProcessPaper
) -> None:
    """The order fills whole and its answer is lost; here the exchange knows ids of open orders only."""
    connected.control("POST", "/orders", {"dedupe": "open_only"})
    with connected.client("maker") as maker:
        body = {
            "ticker": LINEAR,
            "client_order_id": str(uuid.uuid4()),
            "side": "ask",
            "count": "10.00",
            "price": "0.5600",
            "time_in_force": "good_till_canceled",
            "self_trade_prevention_type": "taker_at_cross",
        }
        assert maker.post(ORDERS, json=body).status_code == 201
    connected.transport.lose_next_answer()

    intent = sent(place, ticker=LINEAR)
    assert intent.state == State.UNKNOWN
    for hours in (0, 1):
        intents_sweep(now=utc_now() + timedelta(hours=hours))
        intent_send(intent.pk)
    intent_resolve(intent.pk)

    intent.refresh_from_db()
    assert intent.state == State.ACKED
    assert [(row["status"], row["fill_count_fp"]) for row in listed(connected)] == [("executed", "10.00")]


def test_a17_an_order_that_is_archived_between_two_reads_is_found(place: Place, exchange: ScriptedExchange) -> None:
    """The live listing no longer has it and the archive did not have it yet when it was asked first."""
    exchange.creates = [exchange.accept_and_lose_the_answer]
    intent = sent(place)
    [order] = exchange.orders.values()
    exchange.hidden = set(exchange.orders)
    order["status"], order["last_update_time"] = "canceled", format_rfc3339(utc_now())
    exchange.data_as_of = utc_now() - timedelta(minutes=1)
    asked: list[str] = []

    def read(request: httpx.Request) -> httpx.Response:
        path = request.url.path.removeprefix("/trade-api/v2")
        asked.append(path)
        if path == "/historical/orders":
            found = [order] if asked.count(path) > 1 else []
            return httpx.Response(200, json={"orders": found, "cursor": ""})
        return exchange.read(path, request)

    exchange.reads = [read] * 20
    day_after = utc_now() + timedelta(days=1)
    intent_resolve(intent.pk, now=day_after)
    intent.refresh_from_db()
    assert intent.state == State.UNKNOWN

    intent_resolve(intent.pk, now=day_after)

    intent.refresh_from_db()
    assert intent.state == State.ACKED
    assert len(exchange.sent("POST")) == 1


def test_a20_a_reduce_only_order_without_a_position_ends_in_the_exchanges_words(
    place: Place, connected: InProcessPaper
) -> None:
    # The exchange takes reduce-only with immediate-or-cancel.
    intent = sent(place, ticker=LINEAR, is_reduce_only=True, time_in_force="immediate_or_cancel")
    orders_reconcile(place.account.pk)

    intent.refresh_from_db()
    ended = Order.objects.filter(intent=intent).first()
    assert intent.state == (State.REFUSED if ended is None else State.ACKED)
    assert intent.error_text if ended is None else (ended.status, ended.filled_count) == ("canceled", Decimal(0))


# --- A22: a certificate that nobody should trust, and a name that does not resolve -------------------
@pytest.fixture
def impostor(tmp_path: Path) -> Iterator[tuple[str, list[bytes]]]:
    """An https server on loopback with a certificate that it signed itself; gives its URL and what it heard."""
    import ssl
    from http.server import BaseHTTPRequestHandler, HTTPServer

    key = rsa.generate_private_key(public_exponent=65_537, key_size=2048)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .sign(key, hashes.SHA256())
    )
    pem = tmp_path / "own.pem"
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    pem.write_bytes(private + certificate.public_bytes(serialization.Encoding.PEM))
    heard: list[bytes] = []

    class Listening(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            heard.append(self.rfile.read(int(self.headers["Content-Length"])))
            self.send_response(201)
            self.end_headers()

        def log_message(self, *args: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Listening)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem)
    server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    server.handle_error = lambda request, client_address: None  # type: ignore[method-assign]
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"https://localhost:{server.server_port}", heard
    server.shutdown()
    thread.join()
    server.server_close()


def test_a22_a_certificate_that_nobody_vouches_for_gets_nothing(
    place: Place, exchange: ScriptedExchange, monkeypatch: pytest.MonkeyPatch, impostor: tuple[str, list[bytes]]
) -> None:
    url, heard = impostor
    exchange.creates = [exchange.lose_the_request]
    earlier = sent(place)
    client = ExchangeClient([url], None, None, httpx.HTTPTransport(trust_env=False))
    connect(monkeypatch, lambda account_id, write: client)

    intent = sent(place)
    intent_resolve(earlier.pk, now=utc_now() + timedelta(hours=1))

    earlier.refresh_from_db()
    client.close()
    assert (intent.state, heard) == (State.REFUSED, [])
    assert "never left" in intent.error_text
    assert earlier.state == State.UNKNOWN  # a line that does not work is no evidence


def test_a22_a_name_that_does_not_resolve_is_not_not_found(
    place: Place, exchange: ScriptedExchange, monkeypatch: pytest.MonkeyPatch
) -> None:
    exchange.creates = [exchange.lose_the_request]
    earlier = sent(place)

    def no_name(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("[Errno -2] Name or service not known", request=request)

    with monkeypatch.context() as away:
        broken = ExchangeClient(["https://exchange.invalid"], None, None, httpx.MockTransport(no_name))
        connect(away, lambda account_id, write: broken)
        for minutes in range(10):
            intent_resolve(earlier.pk, now=utc_now() + timedelta(minutes=minutes))
        assert sent(place).state == State.REFUSED
        earlier.refresh_from_db()
        assert earlier.state == State.UNKNOWN

    exchange.data_as_of = utc_now() + timedelta(hours=1)
    intent_resolve(earlier.pk, now=utc_now() + timedelta(minutes=11))
    earlier.refresh_from_db()
    assert earlier.state == State.NOT_SEEN
    assert len(exchange.sent("POST")) == 1


def test_b2_looks_that_are_rate_limited_keep_it_unknown_and_come_at_most_each_half_minute(
    place: Place, exchange: ScriptedExchange
) -> None:
    exchange.creates = [exchange.accept_and_lose_the_answer]
    intent = sent(place)
    exchange.reads = [exchange.answer(429, error="too many requests")] * 30
    now, pauses = utc_now(), []
    for _ in range(8):
        intent_resolve(intent.pk, now=now)
        intent.refresh_from_db()
        assert intent.state == State.UNKNOWN
        assert intent.next_look_at is not None
        pauses.append((intent.next_look_at - now).total_seconds())
        now = intent.next_look_at

    assert pauses == sorted(pauses)
    assert pauses[-1] == 30
    exchange.reads = []
    intent_resolve(intent.pk, now=now)
    intent.refresh_from_db()
    assert intent.state == State.ACKED
    assert len(exchange.sent("POST")) == 1
    assert json.loads(exchange.sent("POST")[0].content)["client_order_id"] == str(intent.client_order_id)
