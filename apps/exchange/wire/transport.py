"""A socket around the session: connect, sign, read, send, ping, reconnect. No rules of its own."""

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable, Sequence

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus

from apps.core.errors import DeskError
from apps.exchange.wire.events import Output
from apps.exchange.wire.session import MAX_FRAME, Session
from apps.exchange.wire.signing import WS_PATH, RequestSigner

logger = logging.getLogger(__name__)

_PING_EVERY = 5.0  # seconds; a half-open connection shows by its missing pongs
_TICK_EVERY = 0.25
_OPEN_TIMEOUT = 10.0
_CLOSE_TIMEOUT = 1.0
_QUEUE = 1024  # frames that may wait inside the library before it stops reading the socket


class Feed:
    """Keeps one session connected until cancelled.

    Args:
        hosts: "wss://..." without a path; the next one is tried after a failed attempt.
        deliver: takes each output, in order, in the event loop; it must not block.
        pace: seconds between deliveries of changed books alone; other events go at once.
    """

    def __init__(
        self,
        session: Session,
        *,
        hosts: Sequence[str],
        signer: RequestSigner,
        deliver: Callable[[Output], None],
        pace: float = 0.02,
        ping_every: float = _PING_EVERY,
        now: Callable[[], float] = time.monotonic,
        now_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000,
    ) -> None:
        self.session = session
        self._hosts = [host.rstrip("/") for host in hosts]
        self._signer = signer
        self._deliver = deliver
        self._pace = pace
        self._ping_every = ping_every
        self._now = now
        self._now_ms = now_ms
        self._socket: ClientConnection | None = None
        self._to_send: asyncio.Queue[bytes] = asyncio.Queue()
        self._close_reason: str | None = None

    def want(self, channel: str, tickers: Sequence[str] | None) -> None:
        """Change the wanted markets (see Session.want); commands leave at once."""
        self.session.want(channel, tickers)
        self.flush()

    def flush(self) -> None:
        """Take the session's output, send what is to be sent, deliver the rest."""
        output = self.session.poll()
        for command in output.commands:
            self._to_send.put_nowait(command)
        if output.close is not None and self._socket is not None and self._close_reason is None:
            self._close_reason = output.close
            # Not close(): on a dead line that would wait for an answer that never comes.
            self._socket.transport.abort()
        if output.events or output.changed:
            self._deliver(output)

    async def run(self) -> None:
        """Connect, and connect again, for ever. Cancel to stop."""
        attempt = 0
        while True:
            host = self._hosts[attempt % len(self._hosts)]
            was_connected, reason, refused = await self._connection(host + WS_PATH)
            if not was_connected and not refused:
                attempt += 1
            wait = self.session.closed(self._now(), reason, refused=refused)
            self.flush()
            logger.warning("feed %s ended: %s; next try in %.1f s", host, reason, wait)
            await asyncio.sleep(wait)

    async def _connection(self, url: str) -> tuple[bool, str, bool]:
        """Run one connection to its end. Returns (was connected, why it ended, was refused)."""
        offset = self.session.clock_offset_ms or 0
        self._close_reason = None
        try:
            # In a thread: to sign may mean to wait for another process.
            headers = await asyncio.to_thread(self._signer.headers, "GET", WS_PATH, self._now_ms() + offset)
        except DeskError as exc:
            return False, exc.text, False
        self._to_send = asyncio.Queue()
        connected = False
        try:
            async with connect(
                url,
                additional_headers=headers,
                user_agent_header="kalshi-desk",
                compression=None,
                max_size=MAX_FRAME,
                max_queue=_QUEUE,
                ping_interval=None,
                open_timeout=_OPEN_TIMEOUT,
                close_timeout=_CLOSE_TIMEOUT,
                proxy=None,
            ) as socket:
                connected = True
                self._socket = socket
                await self._serve(socket)
        except InvalidStatus as exc:
            status = exc.response.status_code
            return False, f"the exchange refused the connection (HTTP {status})", status in (401, 403, 429)
        except ConnectionClosed as exc:
            frame = exc.rcvd or exc.sent
            code = frame.code if frame is not None else "cut"
            return connected, self._close_reason or f"the connection was closed ({code})", False
        except (OSError, TimeoutError, InvalidHandshake) as exc:
            return connected, self._close_reason or f"no connection ({type(exc).__name__})", False
        finally:
            self._socket = None
        return connected, self._close_reason or "the connection was closed", False

    async def _serve(self, socket: ClientConnection) -> None:
        self.session.connected(self._now())
        self.flush()
        frames: list[bytes] = []
        arrived = asyncio.Event()
        parts = [
            asyncio.create_task(part, name=name)
            for name, part in (
                ("feed-read", self._read(socket, frames, arrived)),
                ("feed-apply", self._apply(frames, arrived)),
                ("feed-send", self._send(socket)),
                ("feed-ping", self._ping(socket)),
                ("feed-tick", self._tick()),
                ("feed-pace", self._deliver_changes()),
            )
        ]
        try:
            # Without one of its parts the feed would look alive and not be: all end with the first.
            done, _ = await asyncio.wait(parts, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for part in parts:
                part.cancel()
            await asyncio.gather(*parts, return_exceptions=True)
        for part in done:
            part.result()

    async def _read(self, socket: ClientConnection, frames: list[bytes], arrived: asyncio.Event) -> None:
        recv, append = socket.recv, frames.append
        while True:
            frame = await recv(decode=False)  # bytes go to the JSON decoder as they are
            if not frames:
                arrived.set()
            append(frame)

    async def _apply(self, frames: list[bytes], arrived: asyncio.Event) -> None:
        """Hand the session all that has arrived at once.

        `recv` does not wait while the library still has frames, so this gets its turn just when
        `_read` has taken all of them: never more than the library would have held (_QUEUE).
        """
        while True:
            await arrived.wait()
            arrived.clear()
            self.session.receive_all(frames, recv_ms=self._now_ms())
            frames.clear()
            if self.session.has_output:
                self.flush()

    async def _send(self, socket: ClientConnection) -> None:
        while True:
            command = await self._to_send.get()
            await socket.send(command.decode())  # a text frame, as the exchange expects

    async def _ping(self, socket: ClientConnection) -> None:
        while True:
            await asyncio.sleep(self._ping_every)
            with contextlib.suppress(TimeoutError):
                # Not wait_for: in Python 3.11 it can swallow a cancellation that comes with the answer.
                async with asyncio.timeout(self._ping_every):
                    await (await socket.ping())
                self.session.heard()

    async def _tick(self) -> None:
        while True:
            await asyncio.sleep(_TICK_EVERY)
            self.session.tick(self._now())
            if self.session.has_output:
                self.flush()

    async def _deliver_changes(self) -> None:
        while True:
            await asyncio.sleep(self._pace)
            self.flush()
