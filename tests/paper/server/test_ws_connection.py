"""WebSocket connections over loopback in this process: handshakes that are refused, frames of every make, the dead."""

import asyncio
import json
import socket
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager, suppress
from typing import Any

import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.client import ClientProtocol
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.frames import Frame, Opcode
from websockets.protocol import State
from websockets.uri import parse_uri

from apps.paper.server import ws_connection
from apps.paper.server.auth import sign_headers
from apps.paper.server.listener import Listener
from apps.paper.testing import LINEAR, InProcessPaper, private_key
from tests.paper.server.orders import ORDERS, create
from tests.support.loop import run_watched, until

WS_PATH = "/trade-api/ws/v2"
BOOK = {"channels": ["orderbook_delta"], "market_ticker": LINEAR}
PATIENCE = 120  # a machine that is busy with other things takes its time


def within(coroutine: Coroutine[Any, Any, Any]) -> Any:
    async def limited() -> Any:
        async with asyncio.timeout(PATIENCE):
            return await coroutine

    return run_watched(limited())


@asynccontextmanager
async def listening(paper: InProcessPaper) -> AsyncIterator[Listener]:
    listener = Listener(paper.server)
    await listener.start(host="127.0.0.1", port=0)
    yield listener
    await listener.stop()


def headers(paper: InProcessPaper, name: str = "trader-1", *, path: str = WS_PATH, late_ms: int = 0) -> dict[str, str]:
    signed = sign_headers(
        private_key(name)[0],
        key_id=paper.key_id(name),
        timestamp_ms=paper.clock.now_ms() - late_ms,
        method="GET",
        path=path,
    )
    return dict(signed)


@asynccontextmanager
async def opened(paper: InProcessPaper, listener: Listener) -> AsyncIterator[ClientConnection]:
    url = f"ws://127.0.0.1:{listener.port}{WS_PATH}"
    async with connect(url, additional_headers=headers(paper), compression=None, max_size=None) as connection:
        yield connection


@pytest.mark.parametrize(
    ("change", "details"),
    [
        ("nothing signed", "MISSING_HEADERS"),
        ("one header missing", "MISSING_HEADERS"),
        ("unknown key", "API_KEY_NOT_FOUND"),
        ("no timestamp", "INVALID_TIMESTAMP"),
        ("too old", "TIMESTAMP_OUT_OF_WINDOW"),
        ("another path signed", "INCORRECT_API_KEY_SIGNATURE"),
        ("another's signature", "INCORRECT_API_KEY_SIGNATURE"),
    ],
)
def test_a_handshake_that_is_not_signed_right_is_a_401_with_its_reason(
    paper: InProcessPaper, change: str, details: str
) -> None:
    right = headers(paper)
    given = {
        "nothing signed": {},
        "one header missing": {name: right[name] for name in list(right)[:2]},
        "unknown key": right | {"KALSHI-ACCESS-KEY": "00000000-0000-0000-0000-000000000000"},
        "no timestamp": right | {"KALSHI-ACCESS-TIMESTAMP": "now"},
        "too old": headers(paper, late_ms=paper.server.core.keys.window_ms + 1),
        "another path signed": headers(paper, path="/trade-api/v2/portfolio/balance"),
        "another's signature": headers(paper, "trader-2") | {"KALSHI-ACCESS-KEY": right["KALSHI-ACCESS-KEY"]},
    }[change]

    async def refused() -> tuple[int, dict[str, str], int]:
        async with listening(paper) as listener:
            with pytest.raises(InvalidStatus) as caught:
                await connect(f"ws://127.0.0.1:{listener.port}{WS_PATH}", additional_headers=given)
            response = caught.value.response
            return response.status_code, json.loads(response.body or b"{}"), len(listener.sockets)

    status, body, sockets = within(refused())

    assert (status, body["code"], body["details"], sockets) == (401, "authentication_error", details, 0)


def test_the_signature_covers_the_path_without_its_query(paper: InProcessPaper) -> None:
    async def talk() -> Any:
        async with listening(paper) as listener:
            url = f"ws://127.0.0.1:{listener.port}{WS_PATH}?client=test"
            async with connect(url, additional_headers=headers(paper)) as connection:
                await connection.send('{"id":1,"cmd":"list_subscriptions"}')
                return json.loads(await connection.recv())

    assert within(talk()) == {"id": 1, "type": "ok", "msg": []}


def test_a_command_may_come_in_pieces_and_as_bytes(paper: InProcessPaper) -> None:
    async def talk() -> list[Any]:
        async with listening(paper) as listener, opened(paper, listener) as connection:
            await connection.send(['{"id":1,"cmd":"list_', 'subscriptions"', "}"])
            await connection.send(b'{"id":2,"cmd":"list_subscriptions"}')
            await connection.send("")
            return [json.loads(await connection.recv()) for _ in range(3)]

    first, second, empty = within(talk())

    assert (first["id"], second["id"], empty["msg"]["code"]) == (1, 2, 1)


@pytest.mark.parametrize("pieces", [1, 4])
def test_a_command_larger_than_allowed_ends_the_connection(paper: InProcessPaper, pieces: int) -> None:
    padding = "x" * (ws_connection.MAX_COMMAND // pieces + 1)

    async def talk() -> int:
        async with listening(paper) as listener, opened(paper, listener) as connection:
            with suppress(ConnectionClosed):  # the server may end it before all is sent
                await connection.send([padding] * pieces if pieces > 1 else padding)
            with pytest.raises(ConnectionClosed) as caught:
                await connection.recv()
            return caught.value.rcvd.code if caught.value.rcvd else 0

    assert within(talk()) == 1009


def test_a_reader_that_does_not_read_is_told_and_closed_and_stalls_nobody(
    paper: InProcessPaper, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Eight megabytes may wait; here it is less, and what the kernel takes is as little as it goes."""
    assert ws_connection.MAX_BACKLOG == 8 * 1024 * 1024
    monkeypatch.setattr(ws_connection, "MAX_BACKLOG", 64 * 1024)
    monkeypatch.setattr(ws_connection, "OVERFLOW_GRACE_SECONDS", float(PATIENCE))

    async def talk() -> tuple[list[Any], int, int]:
        async with listening(paper) as listener, opened(paper, listener) as quick:
            slow = RawClient()
            await slow.open(paper, listener.port)
            for served in listener.sockets:
                kernel = served._transport.get_extra_info("socket")
                kernel.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
            await slow.send({"id": 1, "cmd": "subscribe", "params": BOOK})
            await quick.send(json.dumps({"id": 1, "cmd": "subscribe", "params": BOOK}))
            await until(lambda: len(paper.server.hub.sessions) == 2)
            received = sent = 0
            with paper.client("maker") as maker:
                while len(paper.server.hub.sessions) == 2:
                    paper.control("POST", "/member", {"member": "maker", "refill": True})
                    order_id = create(maker).json()["order_id"]
                    maker.delete(f"{ORDERS}/{order_id}")
                    sent += 2
                    while received < sent + 1:
                        received = json.loads(await quick.recv()).get("seq", 0)
            return await slow.read_to_its_end(), sent, received

    frames, sent, received = within(talk())

    assert received == sent + 1  # the snapshot and every delta
    texts = [json.loads(frame.data) for frame in frames if frame.opcode is Opcode.TEXT]
    assert texts[-1] == {"type": "error", "msg": {"code": 25, "msg": "Subscription buffer overflow"}}
    # Until then nothing was left out.
    assert [text["seq"] for text in texts[1:-1]] == list(range(1, len(texts) - 1))
    assert frames[-1].opcode is Opcode.CLOSE
    assert int.from_bytes(frames[-1].data[:2]) == 1013


class RawClient:
    """A WebSocket client that reads nothing until it is told to."""

    def __init__(self) -> None:
        self._protocol = ClientProtocol(parse_uri("ws://paper/trade-api/ws/v2"))
        self._socket = socket.socket()
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        self._socket.setblocking(False)

    async def open(self, paper: InProcessPaper, port: int) -> None:
        loop = asyncio.get_running_loop()
        await loop.sock_connect(self._socket, ("127.0.0.1", port))
        request = self._protocol.connect()
        request.headers.update(headers(paper))
        self._protocol.send_request(request)
        await self._flush()
        while self._protocol.state is State.CONNECTING:
            self._protocol.receive_data(await loop.sock_recv(self._socket, 4096))
        assert self._protocol.handshake_exc is None

    async def send(self, command: dict[str, Any]) -> None:
        self._protocol.send_text(json.dumps(command).encode())
        await self._flush()

    async def read_to_its_end(self) -> list[Frame]:
        loop = asyncio.get_running_loop()
        frames: list[Frame] = []
        with suppress(ConnectionResetError):
            while data := await loop.sock_recv(self._socket, 65536):
                self._protocol.receive_data(data)
                frames += [event for event in self._protocol.events_received() if isinstance(event, Frame)]
                if frames and frames[-1].opcode is Opcode.CLOSE:
                    break
        self._socket.close()
        return frames

    async def _flush(self) -> None:
        for data in self._protocol.data_to_send():
            await asyncio.get_running_loop().sock_sendall(self._socket, data)


def test_a_client_that_answers_no_ping_is_dropped_and_forgotten(
    paper: InProcessPaper, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the documents a ping goes out every 10 s, with the body `heartbeat`; here time is shortened."""
    assert (ws_connection.PING_SECONDS, ws_connection.PING_BODY) == (10.0, b"heartbeat")
    monkeypatch.setattr(ws_connection, "PING_SECONDS", 0.02)

    async def talk() -> tuple[bytes, int, list[Any]]:
        async with listening(paper) as listener:
            reader, writer = await asyncio.open_connection("127.0.0.1", listener.port)
            lines = [
                f"GET {WS_PATH} HTTP/1.1",
                "Host: paper",
                "Upgrade: websocket",
                "Connection: Upgrade",
                "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
                "Sec-WebSocket-Version: 13",
                *(f"{name}: {value}" for name, value in headers(paper).items()),
            ]
            writer.write("\r\n".join([*lines, "", ""]).encode())
            await reader.readuntil(b"\r\n\r\n")
            [served] = listener.sockets
            served.session.receive(
                json.dumps({"cmd": "subscribe", "params": {"channels": ["ticker"], "market_ticker": LINEAR}})
            )
            received = await reader.readuntil(ws_connection.PING_BODY)
            monkeypatch.setattr(ws_connection, "DEAD_AFTER_SECONDS", 0.0)
            with suppress(ConnectionResetError):
                await reader.read()
            writer.close()
            await until(lambda: not listener.sockets)
            return received, len(paper.server.hub.sessions), paper.server.hub.listeners("ticker", LINEAR)

    received, sessions, listeners = within(talk())

    assert b"\x89\x09heartbeat" in received
    assert (sessions, listeners) == (0, [])
