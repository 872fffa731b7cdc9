"""The gateway's job that runs the desk's FIX sessions: what people want, one connection per key."""

import asyncio
import functools
import logging
from typing import Final

from apps.core.ports import GatewayTools
from apps.exchange.gateway.lease import holder_name
from apps.fix import records
from apps.fix.connection import Connection
from apps.fix.models import FixSession
from apps.fix.outbox import follow_commands
from apps.fix.selectors import Unable, Wish, wishes

logger = logging.getLogger(__name__)

FOLLOW_SECONDS: Final = 1.0
STOP_SECONDS: Final = 1.0


class Sessions:
    """Every FIX session of this gateway."""

    def __init__(self, tools: GatewayTools) -> None:
        self._tools = tools
        self._holder = holder_name()
        self._running: dict[int, tuple[Wish, Connection, asyncio.Task[None]]] = {}
        self._told: dict[int, str] = {}

    async def follow(self) -> None:
        """Bring what runs in line with what is wanted. A session that halted stays so until its wish changes."""
        found, unable, resets = await self._tools.database(wishes)
        wanted = {one.session_id: one for one in found}
        for session_id, (wish, connection, task) in list(self._running.items()):
            if task.done() and not task.cancelled() and task.exception() is not None:
                logger.error("FIX session %s failed", session_id, exc_info=task.exception())
                del self._running[session_id]
            elif wanted.get(session_id) != wish:
                connection.stop_wanted.set()
                if task.done():
                    del self._running[session_id]
                    await self._show_stopped(session_id)
            elif session_id in resets:
                connection.reset_wanted = True
        for session_id, wish in wanted.items():
            if session_id not in self._running and self._key_is_free(wish):
                connection = Connection(wish, self._tools, self._holder, reset_wanted=session_id in resets)
                task = asyncio.create_task(connection.run(), name=f"fix-{session_id}")
                self._running[session_id] = (wish, connection, task)
        for session_id, kind in await self._tools.database(records.asks_take):
            if session_id in self._running:
                self._running[session_id][1].asked.append(kind)
        await self._tell(unable)

    def _key_is_free(self, wish: Wish) -> bool:
        """One connection per key, before anything is dialled."""
        return all(other.key_id != wish.key_id or task.done() for other, _, task in self._running.values())

    async def _tell(self, unable: list[Unable]) -> None:
        # One that is still logging out writes its own row until it has ended.
        told = {one.session_id: one.text for one in unable if one.session_id not in self._running}
        for session_id, text in told.items():
            if self._told.get(session_id) != text:
                await self._tools.database(
                    functools.partial(
                        records.state_store, session_id, state=FixSession.State.HALTED, state_text=text[:400]
                    )
                )
        self._told = told

    async def _show_stopped(self, session_id: int) -> None:
        await self._tools.database(
            functools.partial(records.state_store, session_id, state=FixSession.State.STOPPED, state_text="Stopped.")
        )

    def wake(self, session_id: int) -> None:
        """A sender has something for this session."""
        if session_id in self._running:
            self._running[session_id][1].wake.set()

    async def stop(self) -> None:
        tasks = [task for _, _, task in self._running.values()]
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks, timeout=STOP_SECONDS)
            await self._tools.database(records.states_clear)


async def sessions_job(tools: GatewayTools) -> None:
    """Run until cancelled."""
    sessions = Sessions(tools)
    hearing = asyncio.create_task(follow_commands(sessions.wake), name="fix-commands")
    try:
        # What the rows say of an earlier process that was killed is not so any more.
        await tools.database(records.states_clear)
        while True:
            try:
                await sessions.follow()
            except Exception:
                # A boundary: sessions go on while the database is away.
                logger.exception("the FIX sessions cannot be read")
            await asyncio.sleep(FOLLOW_SECONDS)
    finally:
        hearing.cancel()
        await sessions.stop()
