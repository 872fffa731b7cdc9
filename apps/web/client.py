"""One browser of the hub: its outbox, and the one task that writes to its socket.

ASGI servers differ in what an awaited send means (daphne buffers without limit), so the browser itself
says how far it is: it answers each heartbeat with an acknowledgement. Above `WINDOW` bytes on the way
the writer waits, the outbox conflates, and nobody else notices.
"""

import asyncio
import secrets
import time
from collections import deque
from collections.abc import Awaitable, Callable

from apps.web.outbox import Frame, Outbox
from apps.web.pace import Pace
from apps.web.sieve import Sieve

WINDOW = 1_048_576  # bytes on their way to one browser
PROBE = 131_072  # bytes after which a heartbeat goes along, so that acknowledgements come often enough
# Frames that wait go together up to this, larger ones alone. Daphne refuses to send what is over its own limit, and the
# browser would reconnect for ever: the supervisor sets that limit to MESSAGE_AT_MOST, far above the largest frame, all
# positions of an account.
TOGETHER = 524_288  # characters
MESSAGE_AT_MOST = 16_777_216  # bytes
STALL_SECONDS = 10.0  # a browser that does not move for this long is closed
MAX_REPLIES = 500
# Market data goes out at most this often per browser, several frames in one message: messages, not bytes, cost
# both ends their time, and a screen shows 60 pictures a second. Answers and own orders never wait.
GAP_SECONDS = 0.008

FAULT = 1011


class Client:
    """Frames go through `put` (newest wins), answers through `reply` (each one is sent, in order).

    pace: by which browsers of people who only look are woken; those with `goes_first`, and all without it, are at once.
    """

    def __init__(
        self,
        send: Callable[[str], Awaitable[None]],
        close: Callable[[int], Awaitable[None]],
        pace: Pace | None = None,
    ) -> None:
        self.outbox = Outbox()
        self.sieve = Sieve()
        self.topics: set[str] = set()
        self.goes_first = False
        self.is_dismissed = False
        self._pace = pace
        self._send = send
        self._close = close
        self._replies: deque[str] = deque()
        self._wake = asyncio.Event()
        self._moved = asyncio.Event()
        self._hurry = asyncio.Event()
        self._sent = 0
        self._acknowledged = 0
        self._beats: deque[tuple[float, int]] = deque()  # (heartbeat ms, bytes sent up to it)
        self._last_beat = 0
        self._probed_at = 0
        self._is_beat_due = False
        self._writer: asyncio.Task[None] | None = None

    def start(self) -> None:
        self._writer = asyncio.create_task(self._run(), name="browser-writer")

    async def stop(self) -> None:
        if self._pace is not None:
            self._pace.forget(self)
        if self._writer is not None and self._writer is not asyncio.current_task():
            self._writer.cancel()
            await asyncio.gather(self._writer, return_exceptions=True)

    async def dismiss(self, code: int) -> None:
        """Close it for want of room."""
        self.is_dismissed = True
        await self._close(code)

    def put(self, frame: Frame, *, is_urgent: bool = False) -> None:
        theirs = self.sieve(frame)
        if theirs is None:
            return
        self.outbox.put(theirs)
        if is_urgent:
            self._hurry.set()
        self._want()

    def release(self, topic: str, state: Frame | None) -> None:
        self.outbox.release(topic, None if state is None else self.sieve(state))
        self._hurry.set()
        self._want()

    def reply(self, text: str) -> None:
        self._replies.append(text)
        self._wake.set()
        self._hurry.set()

    def beat(self) -> None:
        self._is_beat_due = True
        self._want()

    def wake(self) -> None:
        """Write what waits, now."""
        self._wake.set()

    def _want(self) -> None:
        if self._pace is None or self.goes_first:
            self._wake.set()
        else:
            self._pace.want(self)

    def acknowledge(self, beat_ms: float) -> None:
        """The browser has read everything up to the heartbeat `beat_ms`; any other number changes nothing."""
        if all(beat != beat_ms for beat, _ in self._beats):
            return
        while self._beats and self._beats[0][0] <= beat_ms:
            self._acknowledged = self._beats.popleft()[1]
        self._moved.set()

    @property
    def bytes_on_the_way(self) -> int:
        return self._sent - self._acknowledged

    async def _run(self) -> None:
        try:
            while True:
                # Whatever comes sets it, or waits for its turn to: also what comes while this one writes.
                await self._wake.wait()
                self._wake.clear()
                if not self._has_work():
                    continue
                await self._room()
                self._hurry.clear()
                async with asyncio.timeout(STALL_SECONDS):
                    await self._write()
                await self._gap()
        except asyncio.CancelledError:
            raise
        except Exception:
            # Too slow, or gone: the browser reconnects and starts from the whole state again.
            await self._close(FAULT)

    def _has_work(self) -> bool:
        return bool(self._replies or self._is_beat_due or len(self.outbox))

    async def _gap(self) -> None:
        timer = asyncio.get_running_loop().call_later(GAP_SECONDS, self._hurry.set)
        try:
            await self._hurry.wait()
        finally:
            timer.cancel()

    async def _room(self) -> None:
        while self.bytes_on_the_way > WINDOW or len(self._replies) > MAX_REPLIES:
            if len(self._replies) > MAX_REPLIES:
                raise ConnectionError("the browser does not read its answers")
            self._moved.clear()
            async with asyncio.timeout(STALL_SECONDS):
                await self._moved.wait()

    async def _write(self) -> None:
        texts = [*self._replies, *self.outbox.take()]
        self._replies.clear()
        size = sum(map(len, texts))
        beat: float | None = None
        if self._is_beat_due or self._sent + size - self._probed_at > PROBE:
            self._is_beat_due = False
            self._last_beat = max(time.time_ns() // 1_000_000, self._last_beat + 1)
            # The fraction cannot be guessed: who reads nothing cannot say that they have, and fill our memory.
            beat = self._last_beat + secrets.randbelow(_FRACTIONS) / _FRACTIONS
            texts.append(f'{{"hb":{beat!r}}}')
        if not texts:
            return
        messages = _together(texts)
        if max(map(len, messages)) * _WIDEST > MESSAGE_AT_MOST and max(map(_bytes, messages)) > MESSAGE_AT_MOST:
            raise ConnectionError("a frame is larger than the server sends")
        self._sent += sum(map(len, messages))
        if beat is not None:
            # Before the send: the answer may come while it is still awaited.
            self._beats.append((beat, self._sent))
            self._probed_at = self._sent
        for message in messages:
            await self._send(message)


_WIDEST = 4  # bytes of one character
_FRACTIONS = 4_096  # of a millisecond: what a double still tells apart at Unix ms


def _bytes(text: str) -> int:
    return len(text.encode())


def _together(texts: list[str]) -> list[str]:
    """Put texts into few messages, in their order."""
    parts: list[list[str]] = [[]]
    size = 0
    for text in texts:
        if parts[-1] and size + len(text) > TOGETHER:
            parts.append([])
            size = 0
        parts[-1].append(text)
        size += len(text)
    return [part[0] if len(part) == 1 else f"[{','.join(part)}]" for part in parts]
