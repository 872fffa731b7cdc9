"""How many requests for pages this process answers at once, and whose wait.

Each request runs in a thread of its own, and all threads share one interpreter: when two hundred tabs open at once, an
order stands behind two hundred threads (measured: 9 ms became 320). So a few requests are answered at a time, in the
order in which they came. Sessions of people who act, and the pages of the kill switch, have places of their own. This
decides who waits, and nothing else: what a request may do is asked as ever.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from typing import Any

Scope = dict[str, Any]
Message = Mapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]

ACTING_AT_ONCE = 4
LOOKING_AT_ONCE = 1  # two made no page sooner, and an order twice as late (benchmarks/wall.py)
# A request that takes longer (an export) gives its place back, or it would keep everybody out.
SLOW = 0.25  # seconds
REMEMBERED = 10_000
FIRST = ("/monitor/kill/",)
# Answered at once: who asks whether this process lives must not wait for those who keep it busy.
FREE = ("/health/", "/healthz", "/metrics")

_acting: dict[str, None] = {}  # session keys, the oldest first


def session_noted(session_key: str, *, acts: bool) -> None:
    """Remember what a check of a socket found its person to be."""
    _acting.pop(session_key, None)
    if acts:
        while len(_acting) >= REMEMBERED:
            del _acting[next(iter(_acting))]
        _acting[session_key] = None


def session_acts(session_key: str) -> bool:
    return session_key in _acting


class Lanes:
    """An ASGI application in front of another.

    Args:
        cookie: name of the session's cookie.
    """

    def __init__(self, application: Application, *, cookie: str) -> None:
        self._application = application
        self._cookie = f"{cookie}=".encode()
        self._acting = asyncio.Semaphore(ACTING_AT_ONCE)
        self._looking = asyncio.Semaphore(LOOKING_AT_ONCE)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["path"].startswith(FREE):
            await self._application(scope, receive, send)
            return
        place = _Place(self._acting if self._goes_first(scope) else self._looking)
        await place.take()

        async def sending(message: Message) -> None:
            if message["type"] == "http.response.start":
                place.leave()  # the work is done; how fast the browser takes it is its own affair
            await send(message)

        slow = asyncio.get_running_loop().call_later(SLOW, place.leave)
        try:
            await self._application(scope, receive, sending)
        finally:
            slow.cancel()
            place.leave()

    def _goes_first(self, scope: Scope) -> bool:
        if scope["path"].startswith(FIRST):
            return True
        for name, value in scope["headers"]:
            if name == b"cookie":
                for part in value.split(b";"):
                    with suppress(UnicodeDecodeError):
                        if part.strip().startswith(self._cookie):
                            return session_acts(part.strip().removeprefix(self._cookie).decode("ascii"))
        return False


class _Place:
    def __init__(self, lane: asyncio.Semaphore) -> None:
        self._lane: asyncio.Semaphore | None = lane

    async def take(self) -> None:
        if self._lane is not None:
            await self._lane.acquire()

    def leave(self) -> None:
        """Give it back; a second time does nothing."""
        lane, self._lane = self._lane, None
        if lane is not None:
            lane.release()
