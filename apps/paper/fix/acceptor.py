"""The FIX ports: one listening socket per session type, plain or TLS, on the loop of the exchange."""

import asyncio
import errno
import logging
import ssl
from dataclasses import dataclass
from pathlib import Path

from apps.paper.fix.doors import DOORS
from apps.paper.fix.gateway import Gateway
from apps.paper.fix.peer import Peer

logger = logging.getLogger(__name__)

TICK_SECONDS = 0.05
MAX_UNSENT = 16 * 1024 * 1024  # bytes; who does not read loses the connection


class AcceptorError(Exception):
    """The ports cannot be opened. The text says what to do."""


@dataclass(frozen=True, slots=True)
class FixOptions:
    """port: of KalshiNR, the others lie behind it as in production, and behind those margin's; 0: free ones.

    cert, key: PEM files for TLS. own_cert: TLS with a certificate that is made in the data directory.
    """

    port: int = 0
    cert: Path | None = None
    key: Path | None = None
    own_cert: bool = False


class FixConnection(asyncio.Protocol):
    """Bytes between a socket and a peer."""

    def __init__(self, acceptor: "Acceptor", target: str) -> None:
        self._acceptor = acceptor
        self._target = target
        self._peer: Peer | None = None
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A member has connected."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._peer = self._acceptor.gateway.connect(self._target, self)
        self._acceptor.connections.add(self)

    def data_received(self, data: bytes) -> None:
        """Bytes came."""
        try:
            if self._peer is not None:
                self._peer.feed(data)
        except Exception:
            logger.exception("a FIX connection failed")
            self.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        """The socket is gone."""
        self._acceptor.connections.discard(self)
        if self._peer is not None:
            self._peer.lost()

    # What the peer calls.
    def write(self, data: bytes) -> None:
        """Send."""
        transport = self._transport
        if transport is None or transport.is_closing():
            return
        transport.write(data)
        if transport.get_write_buffer_size() > MAX_UNSENT:
            self.abort()

    def close(self) -> None:
        """Close when all has been sent."""
        if self._transport is not None:
            self._transport.close()

    def abort(self) -> None:
        """Cut."""
        if self._transport is not None:
            self._transport.abort()


class Acceptor:
    """ports: by the name of the door, once it listens."""

    def __init__(self, gateway: Gateway) -> None:
        self.gateway = gateway
        self.ports: dict[str, int] = {}
        self.connections: set[FixConnection] = set()
        self._servers: list[asyncio.Server] = []
        self._ticking: asyncio.Task[None] | None = None

    async def start(self, *, host: str, options: FixOptions) -> None:
        """Listen on all ports.

        Raises:
            AcceptorError: a port in use, or a certificate that cannot be read.
        """
        tls = _tls(options)
        for name, door in DOORS.items():
            port = options.port + door.port_offset if options.port else 0
            try:
                await self._listen(name, host, port, tls)
            except OSError as exc:
                await self.stop()
                reason = "is in use" if exc.errno == errno.EADDRINUSE else f"cannot be used ({exc.strerror})"
                raise AcceptorError(
                    f"Port {port} for FIX ({name}) {reason}. Choose others by --fix-port, 0 for free ones."
                ) from exc
        self._ticking = asyncio.create_task(self._tick())

    async def _listen(self, target: str, host: str, port: int, tls: ssl.SSLContext | None) -> None:
        loop = asyncio.get_running_loop()
        server = await loop.create_server(lambda: FixConnection(self, target), host, port, ssl=tls)
        self._servers.append(server)
        self.ports[target] = server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Log everybody out and close."""
        if self._ticking is not None:
            self._ticking.cancel()
        for server in self._servers:
            server.close()
        self.gateway.close()
        for connection in list(self.connections):
            connection.close()
        await asyncio.sleep(0)

    async def _tick(self) -> None:
        while True:
            await asyncio.sleep(TICK_SECONDS)
            try:
                self.gateway.tick()
            except Exception:
                logger.exception("a turn of the FIX gateway failed")


def _tls(options: FixOptions) -> ssl.SSLContext | None:
    if options.cert is None:
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        context.load_cert_chain(options.cert, options.key)
    except (OSError, ssl.SSLError) as exc:
        raise AcceptorError(f"--fix-tls: {options.cert} with {options.key} cannot be used ({exc}).") from exc
    return context
