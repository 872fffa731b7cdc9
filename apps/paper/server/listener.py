"""The port: accepts connections, keeps the bots, the clock's duties and the replay going, closes in good order."""

import asyncio
import logging
from collections.abc import Callable, Coroutine
from typing import Any

from websockets.frames import CloseCode

from apps.paper.server.control import Control
from apps.paper.server.http_connection import HttpConnection
from apps.paper.server.server import PaperServer
from apps.paper.server.ws_connection import WsConnection

logger = logging.getLogger(__name__)

IDLE_SECONDS = 75.0
TICK_SECONDS = 0.05
REPLAY_BACKLOG = 512 * 1024  # at speed 0 the replay waits for readers that are further behind


class Listener:
    """step(now_ms): what happens by itself (bots); called about 20 times a second while `bots_active`."""

    def __init__(self, paper: PaperServer, *, step: Callable[[int], object] | None = None) -> None:
        self.paper = paper
        self.control = Control(paper, sockets=self)
        self.http: set[HttpConnection] = set()
        self.sockets: set[WsConnection] = set()
        self.port = 0
        self.bots_active = step is not None
        self._step = step
        self._in_maintenance = False
        self._loop = asyncio.get_running_loop()
        self._server: asyncio.Server | None = None
        self._gone = asyncio.Event()
        paper.core.keys.on_removed = self._close_sockets_of_key
        self._tasks: list[asyncio.Task[None]] = []

    def loop_time(self) -> float:
        return self._loop.time()

    async def start(self, *, host: str, port: int) -> None:
        """Listen; `self.port` then says where.

        Raises:
            OSError: the port is taken or not ours to take.
        """
        self._server = await self._loop.create_server(lambda: HttpConnection(self), host, port)
        self.port = self._server.sockets[0].getsockname()[1]
        self._begin(self._keep_time())
        if self.paper.replay is not None:
            self._begin(self.paper.replay.run(has_room=self._has_room))

    def _begin(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        task.add_done_callback(_report)
        self._tasks.append(task)

    async def stop(self, *, grace_seconds: float = 0.4) -> None:
        """Close every connection with a close frame where there is one; what does not go is cut off."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._server is not None:
            self._server.close()
        for connection in list(self.http):
            connection.close()
        for socket in list(self.sockets):
            socket.close(reason="the paper exchange is stopping")
        try:
            async with asyncio.timeout(grace_seconds):
                await self._all_gone()
        except TimeoutError:
            pass
        for socket in list(self.sockets):
            socket.abort()
        for connection in list(self.http):
            connection.transport.abort()
        await asyncio.sleep(0)

    def forget(self, connection: HttpConnection | WsConnection) -> None:
        """A connection is gone, or is no HTTP connection any more."""
        if isinstance(connection, HttpConnection):
            self.http.discard(connection)
        else:
            self.sockets.discard(connection)
        self._gone.set()

    async def _all_gone(self) -> None:
        while self.http or self.sockets:
            self._gone.clear()
            await self._gone.wait()

    # --- what the control endpoint may do to sockets -----------------------------------------------
    def chosen(self, user_id: str) -> list[WsConnection]:
        """The sockets of a member, or all of them for ""."""
        return [socket for socket in self.sockets if user_id in ("", socket.key.user_id)]

    def set_bots_active(self, active: bool) -> bool:
        """Let the bots act or rest; returns what holds now (never true without bots)."""
        self.bots_active = active and self._step is not None
        return self.bots_active

    def _has_room(self) -> bool:
        return all(socket.backlog < REPLAY_BACKLOG for socket in self.sockets if not socket.silent)

    async def _keep_time(self) -> None:
        sweep_at = self.loop_time() + 5
        while True:
            await asyncio.sleep(TICK_SECONDS)
            try:
                self.paper.run_due()
                self._close_for_maintenance()
                if self.bots_active and self._step is not None:
                    self._step(self.paper.clock.now_ms())
            except Exception:
                # One bad turn of a bot must not stop the exchange's clock.
                logger.exception("a turn of the paper exchange failed")
            if self.loop_time() >= sweep_at:
                sweep_at = self.loop_time() + 5
                self._close_idle()

    def _close_for_maintenance(self) -> None:
        """A maintenance window ends every session when it begins (docs: maintenance_and_pauses)."""
        before, self._in_maintenance = self._in_maintenance, self.paper.exchange.in_maintenance
        if self._in_maintenance and not before:
            for socket in list(self.sockets):
                socket.close(CloseCode.GOING_AWAY, "scheduled maintenance")

    def _close_sockets_of_key(self, key_id: str) -> None:
        for socket in [socket for socket in self.sockets if socket.key.key_id == key_id]:
            socket.close(CloseCode.POLICY_VIOLATION, "the API key was deleted")

    def _close_idle(self) -> None:
        since = self.loop_time() - IDLE_SECONDS
        for connection in [c for c in self.http if c.last_activity < since]:
            connection.close()


def _report(task: asyncio.Task[None]) -> None:
    """A task that ends by itself is a fault of ours; say so instead of going on without it in silence."""
    if not task.cancelled() and task.exception() is not None:
        logger.error("a part of the paper exchange stopped", exc_info=task.exception())
