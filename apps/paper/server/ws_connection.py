"""WebSocket on one socket, over the sans-I/O protocol of the `websockets` library."""

import asyncio
from collections import deque
from typing import TYPE_CHECKING

from websockets.frames import CloseCode, Frame, Opcode
from websockets.http11 import Request as HandshakeRequest
from websockets.protocol import State
from websockets.server import ServerProtocol

from apps.paper.server.auth import AccessKey
from apps.paper.server.messages import error_reply

if TYPE_CHECKING:
    from apps.paper.server.listener import Listener

PING_SECONDS = 10.0
PING_BODY = b"heartbeat"
DEAD_AFTER_SECONDS = 35.0  # three pings without any answer
MAX_COMMAND = 1024 * 1024
# What a reader may be behind before its subscription ends with code 25: some 30,000 book frames.
MAX_BACKLOG = 8 * 1024 * 1024
CLOSE_GRACE_SECONDS = 2.0
OVERFLOW_GRACE_SECONDS = 30.0  # to read what is in the way of the error
# Whoever is far behind gets this long to read that, and why it ends.
OVERFLOW_GRACE_SECONDS = 30.0


class WsConnection(asyncio.Protocol):
    """One client's socket. Frames of one turn of the loop go out in one write; a slow reader stalls nobody."""

    def __init__(self, listener: "Listener", transport: asyncio.Transport, key: AccessKey) -> None:
        self._listener = listener
        self._loop = asyncio.get_running_loop()
        self._transport = transport
        self._protocol = ServerProtocol(max_size=MAX_COMMAND)
        self._message = bytearray()
        self._flush_planned = False
        self._unsent = 0
        self._delayed: deque[tuple[float, str]] = deque()
        self._ping_timer: asyncio.TimerHandle | None = None
        self._heard_at = self._loop.time()
        self._ending = False
        self.silent = False
        self.key = key
        self.session = listener.paper.open_session(key, self.deliver)

    # --- life ------------------------------------------------------------------------------------
    def start(self, handshake: bytes) -> None:
        """Answer the handshake whose bytes were read already."""
        self._listener.sockets.add(self)
        head, end, rest = handshake.partition(b"\r\n\r\n")
        self._protocol.receive_data(head + end)
        for event in self._protocol.events_received():
            if isinstance(event, HandshakeRequest):
                self._protocol.send_response(self._protocol.accept(event))
        self._flush()
        if rest:
            self.data_received(rest)
        self._ping_timer = self._loop.call_later(PING_SECONDS, self._ping)

    def data_received(self, data: bytes) -> None:
        if self.silent:
            return
        self._heard_at = self._loop.time()
        self._protocol.receive_data(data)
        for event in self._protocol.events_received():
            if isinstance(event, Frame):
                self._take(event)
        self._flush()

    def eof_received(self) -> bool:
        if self.silent:
            return True
        self._protocol.receive_eof()
        self._flush()
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        self._listener.forget(self)
        self.session.close()
        if self._ping_timer is not None:
            self._ping_timer.cancel()
        self._delayed.clear()

    def close(self, code: int = CloseCode.GOING_AWAY, reason: str = "", *, grace: float = CLOSE_GRACE_SECONDS) -> None:
        """Send a close frame; whoever does not answer it is cut off after `grace` seconds."""
        if self._protocol.state is State.OPEN:
            self._protocol.send_close(code, reason)
        self._ending = True
        self._flush()
        self._loop.call_later(grace, self._transport.abort)

    def abort(self) -> None:
        """Drop the connection without a close frame."""
        self._transport.abort()

    def fall_silent(self) -> None:
        """Half-open: nothing is sent any more, nothing is read, the socket stays."""
        self.silent = True
        self._transport.pause_reading()

    def speak(self) -> None:
        """End the silence; frames of the time in between are lost."""
        if self.silent:
            self.silent = False
            self._transport.resume_reading()

    # --- out -------------------------------------------------------------------------------------
    @property
    def backlog(self) -> int:
        """Bytes that wait for the reader."""
        return self._unsent + self._transport.get_write_buffer_size()

    def deliver(self, text: str, *, delay_ms: int = 0) -> None:
        if self.silent or self._ending:
            return
        if delay_ms or self._delayed:
            # A delay line: what comes behind a delayed frame does not overtake it.
            due = self._loop.time() + delay_ms / 1000
            if self._delayed:
                due = max(due, self._delayed[-1][0])
            self._delayed.append((due, text))
            if len(self._delayed) == 1:
                self._loop.call_at(due, self._release)
            return
        self._send(text)

    def _send(self, text: str) -> None:
        if self._protocol.state is not State.OPEN:
            return
        if self.backlog > MAX_BACKLOG:
            self._overflow()
            return
        data = text.encode()
        self._unsent += len(data)
        self._protocol.send_text(data)
        self._plan_flush()

    def _overflow(self) -> None:
        self._ending = True
        self.session.close()
        self._protocol.send_text(error_reply(25, command_id=None).encode())
        self.close(CloseCode.TRY_AGAIN_LATER, "subscription buffer overflow", grace=OVERFLOW_GRACE_SECONDS)

    def _release(self) -> None:
        now = self._loop.time()
        while self._delayed and self._delayed[0][0] <= now:
            _, text = self._delayed.popleft()
            if not self.silent and not self._ending:
                self._send(text)
        if self._delayed:
            self._loop.call_at(self._delayed[0][0], self._release)

    def _ping(self) -> None:
        self._ping_timer = self._loop.call_later(PING_SECONDS, self._ping)
        if self.silent:
            return
        if self._loop.time() - self._heard_at > DEAD_AFTER_SECONDS:
            self._transport.abort()
        elif self._protocol.state is State.OPEN:
            self._protocol.send_ping(PING_BODY)
            self._flush()

    def _plan_flush(self) -> None:
        if not self._flush_planned:
            self._flush_planned = True
            self._loop.call_soon(self._flush)

    def _flush(self) -> None:
        self._flush_planned = False
        self._unsent = 0
        chunks = self._protocol.data_to_send()
        if self._transport.is_closing():
            return
        ends = bool(chunks) and chunks[-1] == b""
        data = b"".join(chunks)
        if data:
            self._transport.write(data)
        if ends:
            self._transport.close()

    # --- in --------------------------------------------------------------------------------------
    def _take(self, frame: Frame) -> None:
        if frame.opcode not in (Opcode.TEXT, Opcode.BINARY, Opcode.CONT):
            return
        self._message += frame.data
        if len(self._message) > MAX_COMMAND:
            self.close(CloseCode.MESSAGE_TOO_BIG)
        elif frame.fin:
            message, self._message = bytes(self._message), bytearray()
            self.session.receive(message)
