"""The real process over real sockets: handshake, pings, slow and silent readers, start and end."""

import asyncio
import json
import socket
import stat
import subprocess
import time
from collections.abc import AsyncIterator, Coroutine, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from apps.paper.server.auth import sign_headers
from tests.paper.server.recordings import SMALL, START_MS, TICKER, fold, step, write
from tests.support.paper import PaperProcess, Start, paper_command, paper_environment, start_paper

pytestmark = [pytest.mark.process, pytest.mark.xdist_group("paper-server")]

WS_PATH = "/trade-api/ws/v2"
PATIENCE = 120  # a machine that is busy with other things takes its time


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PaperProcess]:
    data = tmp_path_factory.mktemp("shared")
    started = start_paper(data, "--no-bots", "--markets", "12", settings="kalshi_desk.settings.base")
    yield started
    assert started.stop() == 0


@pytest.fixture
def running(shared: PaperProcess) -> Iterator[PaperProcess]:
    """One process for the tests that leave it as it was; budgets full, no faults armed."""
    shared.control("POST", "/member", {"member": "maker", "refill": True})
    yield shared
    shared.control("POST", "/faults/clear", {})


def now_ms() -> int:
    return time.time_ns() // 1_000_000


def within(coroutine: Coroutine[Any, Any, Any]) -> Any:
    async def limited() -> Any:
        async with asyncio.timeout(PATIENCE):
            return await coroutine

    return asyncio.run(limited())


@asynccontextmanager
async def opened(running: PaperProcess, name: str = "trader-1", **options: Any) -> AsyncIterator[ClientConnection]:
    headers = running.headers(name, "GET", WS_PATH, timestamp_ms=now_ms())
    async with connect(
        f"{running.ws_url}{WS_PATH}", additional_headers=headers, max_size=None, compression=None, **options
    ) as connection:
        yield connection


async def command(connection: ClientConnection, cmd: str, **params: Any) -> None:
    await connection.send(json.dumps({"id": 1, "cmd": cmd, "params": params}))


async def frame(connection: ClientConnection) -> dict[str, Any]:
    decoded: dict[str, Any] = json.loads(await connection.recv())
    return decoded


def a_ticker(running: PaperProcess) -> str:
    rows = httpx.get(f"{running.rest_url}/trade-api/v2/markets?status=open&limit=1", timeout=PATIENCE).json()["markets"]
    ticker: str = rows[0]["ticker"]
    return ticker


def signed(running: PaperProcess, name: str, method: str, path: str, **options: Any) -> httpx.Response:
    headers = running.headers(name, method, path, timestamp_ms=now_ms())
    return httpx.request(method, f"{running.rest_url}{path}", headers=headers, timeout=PATIENCE, **options)


def place(running: PaperProcess, ticker: str, *, name: str = "maker", price: str = "0.0100") -> httpx.Response:
    body = {
        "ticker": ticker,
        "client_order_id": f"o-{time.monotonic_ns()}",
        "side": "bid",
        "price": price,
        "count": "1.00",
        "time_in_force": "good_till_canceled",
        "self_trade_prevention_type": "taker_at_cross",
    }
    return signed(running, name, "POST", "/trade-api/v2/portfolio/events/orders", json=body)


# --- sockets -------------------------------------------------------------------------------------
def test_rest_and_websocket_share_one_port(running: PaperProcess) -> None:
    ticker = a_ticker(running)

    async def talk() -> list[dict[str, Any]]:
        async with opened(running) as connection:
            await command(connection, "subscribe", channels=["orderbook_delta"], market_ticker=ticker)
            frames = [await frame(connection), await frame(connection)]
            answer = await asyncio.to_thread(place, running, ticker)
            assert answer.status_code == 201, answer.text
            return [*frames, await frame(connection)]

    frames = within(talk())

    assert [row["type"] for row in frames] == ["subscribed", "orderbook_snapshot", "orderbook_delta"]
    assert frames[2]["msg"]["delta_fp"] == "1.00"
    assert running.rest_url.rpartition(":")[2] == running.ws_url.rpartition(":")[2]


def test_an_unsigned_handshake_is_refused_with_401(running: PaperProcess) -> None:
    async def unsigned() -> InvalidStatus:
        with pytest.raises(InvalidStatus) as caught:
            await connect(f"{running.ws_url}{WS_PATH}")
        return caught.value

    refusal = within(unsigned())

    assert refusal.response.status_code == 401
    assert json.loads(refusal.response.body or b"{}")["code"] == "authentication_error"


@pytest.mark.long
def test_the_server_pings_and_answers_pings(running: PaperProcess) -> None:
    pings: list[bytes] = []

    async def talk() -> None:
        async with opened(running, ping_interval=None) as connection:
            heard = asyncio.Event()
            original = connection.protocol.recv_frame

            def recv_frame(received: Any) -> None:
                if received.opcode.name == "PING":
                    pings.append(bytes(received.data))
                    heard.set()
                original(received)

            connection.protocol.recv_frame = recv_frame  # type: ignore[method-assign]
            await (await connection.ping())
            await heard.wait()

    within(talk())

    assert set(pings) == {b"heartbeat"}  # every 10 s; on a busy machine two may have come


def test_a_silent_socket_stays_open_and_says_nothing(running: PaperProcess) -> None:
    ticker = a_ticker(running)

    async def talk() -> None:
        async with opened(running, ping_interval=None) as connection:
            await command(connection, "subscribe", channels=["orderbook_delta"], market_ticker=ticker)
            await frame(connection), await frame(connection)
            silenced = await asyncio.to_thread(running.control, "POST", "/ws/silence", {})
            assert silenced == {"sockets": 1}
            await asyncio.to_thread(place, running, ticker)
            waiter = asyncio.ensure_future(await connection.ping())
            answered, _ = await asyncio.wait({waiter}, timeout=0.5)
            assert not answered
            resumed = await asyncio.to_thread(running.control, "POST", "/ws/resume", {})
            assert resumed == {"sockets": 1}
            await waiter
            await asyncio.to_thread(place, running, ticker)
            # The frame of the silence is lost, and the gap shows it.
            assert (await frame(connection))["seq"] == 3

    within(talk())


def test_control_closes_sockets_with_and_without_a_close_frame(running: PaperProcess) -> None:
    async def closed_by(body: dict[str, Any]) -> ConnectionClosed:
        async with opened(running) as connection:
            await asyncio.to_thread(running.control, "POST", "/ws/close", body)
            with pytest.raises(ConnectionClosed) as caught:
                await connection.recv()
            return caught.value

    polite = within(closed_by({"code": 1012, "reason": "restart"}))
    rude = within(closed_by({"abort": True}))

    assert (polite.rcvd.code if polite.rcvd else None) == 1012
    assert rude.rcvd is None


def test_a_delayed_frame_holds_back_what_follows(running: PaperProcess) -> None:
    ticker = a_ticker(running)
    running.control(
        "POST", "/ws/fault", {"kind": "delay", "delay_ms": 400, "channel": "orderbook_delta", "ticker": ticker}
    )

    async def talk() -> tuple[list[int], float]:
        async with opened(running) as connection:
            started = time.monotonic()
            await command(connection, "subscribe", channels=["orderbook_delta"], market_ticker=ticker)
            await frame(connection)
            await asyncio.to_thread(place, running, ticker)
            rows = [(await frame(connection))["seq"] for _ in range(2)]
            return rows, time.monotonic() - started

    order, elapsed = within(talk())

    assert order == [1, 2]
    assert elapsed >= 0.4


async def until_stopped(running: PaperProcess) -> None:
    """Wait until the replay does not play: a pause takes hold after the frames before it were sent."""
    while (await asyncio.to_thread(running.control, "GET", "/replay"))["state"] == "playing":
        pass


def test_the_sockets_of_a_deleted_key_are_closed_at_once(running: PaperProcess) -> None:
    made = signed(running, "trader-2", "POST", "/trade-api/v2/api_keys/generate", json={"name": "short-lived"}).json()
    key = serialization.load_pem_private_key(made["private_key"].encode(), password=None)
    assert isinstance(key, RSAPrivateKey)

    async def talk() -> int:
        headers = sign_headers(key, key_id=made["api_key_id"], timestamp_ms=now_ms(), method="GET", path=WS_PATH)
        async with connect(f"{running.ws_url}{WS_PATH}", additional_headers=headers) as connection:
            path = f"/trade-api/v2/api_keys/{made['api_key_id']}"
            answer = await asyncio.to_thread(signed, running, "trader-2", "DELETE", path)
            assert answer.status_code == 204
            with pytest.raises(ConnectionClosed) as caught:
                await connection.recv()
            return caught.value.rcvd.code if caught.value.rcvd else 0

    assert within(talk()) == 1008


def test_a_command_in_the_same_packet_as_the_handshake_is_answered(running: PaperProcess) -> None:
    host, _, port = running.rest_url.removeprefix("http://").partition(":")
    headers = running.headers("trader-1", "GET", WS_PATH, timestamp_ms=now_ms()) | {
        "Host": "x",
        "Upgrade": "websocket",
        "Connection": "Upgrade",
        "Sec-WebSocket-Key": "AAAAAAAAAAAAAAAAAAAAAA==",
        "Sec-WebSocket-Version": "13",
    }
    head = f"GET {WS_PATH} HTTP/1.1\r\n" + "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    text = b'{"id":7,"cmd":"list_subscriptions"}'
    masked = bytes([0x81, 0x80 | len(text), 0, 0, 0, 0]) + text
    with socket.create_connection((host, int(port)), timeout=PATIENCE) as connection:
        connection.sendall(head.encode() + b"\r\n" + masked)
        received = b""
        while b'"id":7' not in received:
            received += connection.recv(65_536)

    assert received.startswith(b"HTTP/1.1 101 ")


# --- HTTP ----------------------------------------------------------------------------------------
def test_a_connection_is_kept_and_pipelined_requests_are_answered_in_order(running: PaperProcess) -> None:
    host, _, port = running.rest_url.removeprefix("http://").partition(":")
    request = "GET /trade-api/v2/{} HTTP/1.1\r\nHost: x\r\n\r\n"
    with socket.create_connection((host, int(port)), timeout=PATIENCE) as connection:
        connection.sendall((request.format("exchange/status") + request.format("account/endpoint_costs")).encode())
        received = b""
        while b"default_cost" not in received:
            received += connection.recv(65_536)
        connection.sendall(request.format("exchange/schedule").encode())
        while b"maintenance_windows" not in received:
            received += connection.recv(65_536)

    assert received.count(b"HTTP/1.1 200 OK\r\n") == 3
    assert received.index(b"trading_active") < received.index(b"default_cost")


@pytest.mark.parametrize(
    ("text", "status"),
    [
        (b"nonsense\r\n\r\n", b"400"),
        (b"GET / HTTP/1.1\r\nHost: x\r\nX: " + b"a" * 40_000 + b"\r\n\r\n", b"431"),
        (
            b"POST /trade-api/v2/portfolio/events/orders HTTP/1.1\r\nHost: x\r\nContent-Length: 2000000\r\n\r\n"
            + b" " * 1_500_000,
            b"413",
        ),
        (b"GET /trade-api/ws/v2 HTTP/1.1\r\nHost: x\r\n\r\n", b"426"),
    ],
)
def test_what_is_not_a_proper_request_gets_an_answer(running: PaperProcess, text: bytes, status: bytes) -> None:
    host, _, port = running.rest_url.removeprefix("http://").partition(":")
    with socket.create_connection((host, int(port)), timeout=PATIENCE) as connection:
        connection.sendall(text)
        received = connection.recv(65_536)

    assert received.startswith(b"HTTP/1.1 " + status)


def test_a_lost_answer_is_a_dead_connection(running: PaperProcess) -> None:
    ticker = a_ticker(running)
    running.control("POST", "/rest/fault", {"kind": "lose_after", "method": "POST", "path": "/trade-api/v2"})

    with pytest.raises((httpx.RemoteProtocolError, httpx.ReadError)):
        place(running, ticker, name="trader-2")

    truth = running.control("GET", "/truth")
    assert len(truth["members"][running.members["trader-2"]["user_id"]]["orders"]) == 1


def test_a_delayed_answer_comes_late_and_the_connection_lives_on(running: PaperProcess) -> None:
    running.control("POST", "/rest/fault", {"kind": "delay", "delay_ms": 300, "path": "/trade-api/v2/exchange"})

    with httpx.Client(base_url=f"{running.rest_url}/trade-api/v2", timeout=PATIENCE) as client:
        started = time.monotonic()
        late = client.get("/exchange/status")
        elapsed = time.monotonic() - started
        next_one = client.get("/exchange/status")

    assert (late.status_code, next_one.status_code) == (200, 200)
    assert elapsed >= 0.3


# --- replay --------------------------------------------------------------------------------------
def test_a_replay_pauses_where_control_says_and_the_socket_has_the_same_book(
    paper_processes: Start, tmp_path: Path
) -> None:
    recording = write(tmp_path / "small.ndjson.gz", SMALL)
    running = paper_processes("--markets", "0", "--replay", str(recording), "--speed", "5", "--replay-start", "control")

    async def talk() -> tuple[Any, dict[str, Any]]:
        async with opened(running) as connection:
            await command(connection, "subscribe", channels=["orderbook_delta"], market_ticker=TICKER)
            await asyncio.to_thread(
                running.control, "POST", "/replay", {"action": "pause_at", "recv_ms": [START_MS + 500]}
            )
            await asyncio.to_thread(running.control, "POST", "/replay", {"action": "play"})
            sides = None
            # subscribed, the empty snapshot, the first recorded one, and four deltas.
            for _ in range(7):
                row = await frame(connection)
                sides = step(sides, row) if row["type"] != "subscribed" else sides
            status = await asyncio.to_thread(running.control, "GET", "/replay")
            while status["state"] != "paused":
                status = await asyncio.to_thread(running.control, "GET", "/replay")
            return sides, status

    sides, status = within(talk())

    assert sides == fold(SMALL, until_ms=START_MS + 500)
    assert (status["position_ms"], status["frames_played"]) == (START_MS + 500, 7)


@pytest.mark.parametrize("kind", ["cut", "plain"])
def test_a_bad_recording_ends_the_start_with_code_2(tmp_path: Path, kind: str) -> None:
    path = write(tmp_path / "bad.ndjson.gz", SMALL * 1)
    path.write_bytes(path.read_bytes()[:-30] if kind == "cut" else b'{"recv_ms": 1}\n')

    ended = finished(paper_command(tmp_path / "data", "--port", "0", "--replay", str(path)), tmp_path)

    assert ended.returncode == 2
    assert str(path) in ended.stderr
    assert "Traceback" not in ended.stderr


# --- start and end -------------------------------------------------------------------------------
def finished(arguments: list[str], folder: Path) -> subprocess.CompletedProcess[str]:
    root = Path(__file__).resolve().parents[3]
    return subprocess.run(
        arguments,
        cwd=root,
        env=paper_environment(folder),
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )


def test_a_port_in_use_is_said_with_what_to_do(running: PaperProcess, tmp_path: Path) -> None:
    port = running.rest_url.rpartition(":")[2]

    ended = finished(paper_command(tmp_path / "other", "--port", port, "--markets", "0"), tmp_path)

    assert ended.returncode == 2
    assert f"Port {port} is in use" in ended.stderr
    assert not (tmp_path / "other" / "paper.json").exists()


def test_a_term_signal_ends_it_with_open_sockets(paper_process: PaperProcess) -> None:
    async def talk() -> tuple[int, int]:
        async with opened(paper_process) as connection:
            code = await asyncio.to_thread(paper_process.stop)
            with pytest.raises(ConnectionClosed) as caught:
                await connection.recv()
            return code, caught.value.rcvd.code if caught.value.rcvd else 0

    assert within(talk()) == (0, 1001)


def test_a_second_start_keeps_keys_those_made_over_the_api_too(paper_processes: Start, tmp_path: Path) -> None:
    data = tmp_path / "kept"
    first = paper_processes("--no-bots", "--markets", "0", data=data)
    made = signed(first, "trader-1", "POST", "/trade-api/v2/api_keys/generate", json={"name": "mine"}).json()
    members = first.members
    first.stop()

    second = paper_processes("--no-bots", "--markets", "0", data=data)
    listed = signed(second, "trader-1", "GET", "/trade-api/v2/api_keys").json()["api_keys"]

    assert second.members == members
    assert made["api_key_id"] in [key["api_key_id"] for key in listed]
    assert "PRIVATE" not in (data / "keys.json").read_text()


def test_paper_json_tells_the_members_and_keeps_secrets_in_private_files(running: PaperProcess) -> None:
    members = running.members
    files = [Path(member["private_key_path"]) for member in members.values()]
    modes = {stat.S_IMODE(path.stat().st_mode) for path in [*files, running.data / "paper.json"]}

    assert {name: member["scopes"] for name, member in members.items()} == {
        "trader-1": ["read", "write"],
        "trader-2": ["read", "write"],
        "maker": ["read", "write"],
        "fcm": ["read", "write"],
        "reader": ["read"],
    }
    assert members["reader"]["user_id"] == members["trader-1"]["user_id"]
    assert members["trader-1"]["subaccounts"] == [0, 1, 2]
    assert modes == {0o600}
    assert "PRIVATE" not in (running.data / "paper.json").read_text()


def test_bots_keep_every_channel_alive(paper_processes: Start) -> None:
    running = paper_processes("--markets", "12")

    async def talk() -> set[str]:
        async with opened(running) as connection:
            await command(connection, "subscribe", channels=["ticker", "trade"])
            seen: set[str] = set()
            while not {"ticker", "trade"} <= seen:
                seen.add((await frame(connection))["type"])
            return seen

    assert {"ticker", "trade"} <= within(talk())


def test_the_port_can_be_called_while_a_command_flood_runs(running: PaperProcess) -> None:
    """A client that sends commands without pause gets every answer, and others are served meanwhile."""

    async def talk() -> tuple[int, int]:
        async with opened(running, max_queue=None) as connection:
            for number in range(2_000):
                await connection.send(json.dumps({"id": number + 1, "cmd": "list_subscriptions"}))
            path = f"{running.rest_url}/trade-api/v2/exchange/status"
            status = await asyncio.to_thread(httpx.get, path, timeout=PATIENCE)
            answers = [await frame(connection) for _ in range(2_000)]
            return status.status_code, answers[-1]["id"]

    assert within(talk()) == (200, 2_000)
