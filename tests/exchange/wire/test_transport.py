"""The socket around the session, against a real WebSocket server on loopback."""

import asyncio
import contextlib
import json
import time
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
from websockets.asyncio.server import Request, Response, Server, ServerConnection, serve
from websockets.datastructures import Headers

from apps.exchange.wire.events import Disconnected, Output
from apps.exchange.wire.session import Session
from apps.exchange.wire.transport import Feed
from tests.support.loop import run_watched, until


class Signer:
    def headers(self, method: str, path: str, timestamp_ms: int) -> dict[str, str]:
        assert (method, path) == ("GET", "/trade-api/ws/v2")
        return {"KALSHI-ACCESS-KEY": "k", "KALSHI-ACCESS-TIMESTAMP": str(timestamp_ms)}


class Exchange:
    """Answers commands with snapshots of one level per market; `after` then does what the test wants."""

    def __init__(self, after: Callable[["Exchange", ServerConnection], Awaitable[None]] | None = None) -> None:
        self.after = after
        self.connections = 0
        self.seq = 0
        self.refuse_with: int | None = None
        self.headers: list[Headers] = []
        self.outputs: list[Output] = []

    def check(self, connection: ServerConnection, request: Request) -> Response | None:
        self.headers.append(request.headers)
        return None if self.refuse_with is None else connection.respond(self.refuse_with, "no")

    async def handle(self, socket: ServerConnection) -> None:
        self.connections += 1
        self.seq = 0
        with contextlib.suppress(Exception):
            await self.serve(socket)

    async def serve(self, socket: ServerConnection) -> None:
        async for raw in socket:
            assert isinstance(raw, str)  # commands are text frames
            command = json.loads(raw)
            kind = "subscribed" if command["cmd"] == "subscribe" else "ok"
            await socket.send(json.dumps({"id": command["id"], "type": kind, "sid": 1, "msg": {"sid": 1}}))
            for ticker in command["params"].get("market_tickers", ()):
                await self.send(socket, "orderbook_snapshot", ticker, {"yes_dollars_fp": [["0.4200", "1.00"]]})
            if self.after is not None and kind == "subscribed":
                await self.after(self, socket)

    async def send(self, socket: ServerConnection, kind: str, ticker: str, msg: dict[str, Any]) -> None:
        self.seq += 1
        body = {"type": kind, "sid": 1, "seq": self.seq, "msg": {"market_ticker": ticker, **msg}}
        await socket.send(msgspec.json.encode(body).decode())


def play(exchange: Exchange, script: Callable[[Feed, Session, Server], Awaitable[None]], **options: Any) -> None:
    async def main() -> None:
        async with serve(
            exchange.handle, "127.0.0.1", 0, process_request=exchange.check, ping_interval=None, close_timeout=0.1
        ) as server:
            port = server.sockets[0].getsockname()[1]
            session = Session(draw=lambda: 0.0)
            feed = Feed(
                session,
                hosts=[f"ws://127.0.0.1:{port}"],
                signer=Signer(),
                deliver=exchange.outputs.append,
                **options,
            )
            running = asyncio.create_task(feed.run())
            try:
                await script(feed, session, server)
            finally:
                running.cancel()
                await asyncio.gather(running, return_exceptions=True)

    run_watched(main())


def test_it_connects_signed_subscribes_and_delivers_books() -> None:
    exchange = Exchange()

    async def script(feed: Feed, session: Session, server: Server) -> None:
        feed.want("orderbook_delta", ["T1", "T2"])
        await until(lambda: session.state_of("T2")[0] == "live")
        feed.want("orderbook_delta", ["T1", "T2", "T3"])
        await until(lambda: session.state_of("T3")[0] == "live")

    play(exchange, script)

    assert exchange.headers[0]["KALSHI-ACCESS-KEY"] == "k"
    assert {ticker for output in exchange.outputs for ticker in output.changed} == {"T1", "T2", "T3"}


def test_c5_500_markets_are_live_again_after_a_cut_in_the_middle_of_a_burst() -> None:
    tickers = [f"T{number}" for number in range(500)]

    async def burst(exchange: Exchange, socket: ServerConnection) -> None:
        first = exchange.connections == 1
        for number in range(1000 if first else 5):
            delta = {"price_dollars": "0.4200", "delta_fp": "1.00", "side": "yes"}
            await exchange.send(socket, "orderbook_delta", tickers[number % 50], delta)
        if first:
            socket.transport.abort()

    exchange = Exchange(burst)

    async def script(feed: Feed, session: Session, server: Server) -> None:
        feed.want("orderbook_delta", tickers)
        await until(lambda: exchange.connections == 2)
        await until(lambda: all(session.state_of(ticker)[0] == "live" for ticker in tickers))
        await until(lambda: session.book("T0").book.yes == {4200: 200})  # type: ignore[union-attr]
        # The first connection's deltas (20 per market) are in none of the new books.
        assert session.book("T40").book.yes == {4200: 100}  # type: ignore[union-attr]
        assert session.counters["gap"] == 0

    play(exchange, script)

    ended = [event for output in exchange.outputs for event in output.events if isinstance(event, Disconnected)]
    assert ended[0].retry_in <= 5.0


def test_c6_a_line_that_swallows_everything_is_cut_and_made_anew() -> None:
    """The server neither sends nor closes; the desk's clock runs ahead."""
    skipped, ticks = [0.0], [0]

    def now() -> float:
        ticks[0] += 1
        return time.monotonic() + skipped[0]

    async def deaf(exchange: Exchange, socket: ServerConnection) -> None:
        if exchange.connections == 1:
            await socket.wait_closed()  # without reading commands or sending anything

    exchange = Exchange(deaf)

    async def script(feed: Feed, session: Session, server: Server) -> None:
        feed.want("orderbook_delta", ["T1"])
        await until(lambda: session.state_of("T1")[0] == "live")
        seen = ticks[0]
        await until(lambda: ticks[0] >= seen + 2)  # a tick has noted when the last frame came
        skipped[0] = 13.0
        await until(lambda: session.state_of("T1") == ("stale", "silent"))
        skipped[0] = 26.0
        await until(lambda: exchange.connections == 2)
        await until(lambda: session.state_of("T1")[0] == "live")

    play(exchange, script, now=now, ping_every=60.0)

    ended = [event for output in exchange.outputs for event in output.events if isinstance(event, Disconnected)]
    assert "nothing came" in ended[0].reason


def test_pongs_keep_a_quiet_line_alive() -> None:
    exchange = Exchange()
    heard: list[bool] = []

    async def script(feed: Feed, session: Session, server: Server) -> None:
        original = session.heard
        session.heard = lambda: (heard.append(True), original())[1]  # type: ignore[method-assign]
        await until(lambda: len(heard) >= 3)

    play(exchange, script, ping_every=0.02)


def test_c12_a_frame_of_ten_megabytes_costs_the_connection_not_the_process() -> None:
    async def flood(exchange: Exchange, socket: ServerConnection) -> None:
        if exchange.connections == 1:
            await socket.send("x" * 10_000_000)

    exchange = Exchange(flood)

    async def script(feed: Feed, session: Session, server: Server) -> None:
        feed.want("orderbook_delta", ["T1"])
        await until(lambda: exchange.connections == 2)
        await until(lambda: session.state_of("T1")[0] == "live")

    play(exchange, script)

    ended = [event for output in exchange.outputs for event in output.events if isinstance(event, Disconnected)]
    assert ended[0].reason == "the connection was closed (1009)"


def test_c13_a_refused_handshake_is_reported_and_not_hammered() -> None:
    exchange = Exchange()
    exchange.refuse_with = 401

    async def script(feed: Feed, session: Session, server: Server) -> None:
        await until(lambda: bool(exchange.outputs))

    play(exchange, script)

    assert exchange.outputs[0].events == [
        Disconnected(reason="the exchange refused the connection (HTTP 401)", retry_in=10.0, refused=True)
    ]
    assert len(exchange.headers) == 1
