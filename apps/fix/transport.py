"""One TCP or TLS connection to a FIX port. No session, no database."""

import asyncio
import ssl
from typing import Final

from apps.fix.endpoints import Endpoint

CONNECT_SECONDS: Final = 10.0
CLOSE_SECONDS: Final = 0.5
MAX_UNSENT: Final = 4_194_304


class TransportRefused(Exception):
    """There is no connection, or not to whom it should be. Nothing of ours was sent."""


class Transport:
    """An open connection. `read` returns b"" when the other side is gone."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    @classmethod
    async def open(cls, endpoint: Endpoint) -> "Transport":
        """Connect. Raises TransportRefused (no answer, no valid or not the pinned certificate), EndpointMissing."""
        context = endpoint.context()
        try:
            async with asyncio.timeout(CONNECT_SECONDS):
                reader, writer = await asyncio.open_connection(
                    endpoint.host, endpoint.port, ssl=context, server_hostname=endpoint.host if context else None
                )
        except TimeoutError:
            raise TransportRefused(f"no answer within {CONNECT_SECONDS:.0f} s") from None
        except ssl.SSLError as exc:
            raise TransportRefused(f"TLS failed: {exc.reason or exc}") from exc
        except OSError as exc:
            raise TransportRefused(exc.strerror or type(exc).__name__) from exc
        opened = cls(reader, writer)
        tls = writer.get_extra_info("ssl_object")
        if tls is not None and not endpoint.is_pinned(tls.getpeercert(binary_form=True)):
            await opened.close()
            raise TransportRefused("the certificate is not the pinned one")
        return opened

    async def read(self) -> bytes:
        try:
            return await self._reader.read(65_536)
        except (OSError, ssl.SSLError):
            return b""

    def write(self, data: bytes) -> None:
        """Send; a peer that does not read loses the connection."""
        if self._writer.is_closing():
            return
        self._writer.write(data)
        if self._writer.transport.get_write_buffer_size() > MAX_UNSENT:
            self._writer.transport.abort()

    async def close(self) -> None:
        """Close after what was written, but do not wait long for a peer that is gone."""
        self._writer.close()
        try:
            async with asyncio.timeout(CLOSE_SECONDS):
                await self._writer.wait_closed()
        except (TimeoutError, OSError, ssl.SSLError):
            self._writer.transport.abort()
