"""The gateway's job that tells browsers how FIX sessions are and what the listener brought.

Conflated: a look at the sessions twice a second, at new reports as soon as they are stored, and only rows that changed
leave.
"""

import asyncio
import logging
from typing import Any, Final

from apps.core.ports import GatewayTools
from apps.exchange import live
from apps.fix.models import FixMessage, FixSession

logger = logging.getLogger(__name__)

LOOK_SECONDS: Final = 0.5
REPORT_SECONDS: Final = 0.1  # between two looks at new reports
# Without sessions there is nothing to tell: look less often.
IDLE_SECONDS: Final = 3.0


class ConsoleFeed:
    """What was told last, by account and key; a new gateway tells everything once."""

    def __init__(self) -> None:
        self._told: dict[int, dict[str, dict[str, Any]]] = {}
        self._wall: dict[int, list[int]] = {}
        self._newest = 0
        self._accounts: list[int] = []

    @property
    def is_used(self) -> bool:
        return bool(self._accounts)

    def look(self) -> list[tuple[str, dict[str, dict[str, Any] | None]]]:
        """Return (topic, rows) to publish: what differs from what was told. In the database's thread."""
        from apps.fix import console

        accounts = sorted(set(FixSession.objects.values_list("account_id", flat=True)))
        if not accounts:
            return []
        rows: dict[int, dict[str, dict[str, Any]]] = {one: {} for one in accounts}
        for row in [*console.session_rows(accounts).values(), *console.recovery_rows(accounts).values()]:
            rows[row["account_id"]][row["key"]] = row
        changes: list[tuple[str, dict[str, dict[str, Any] | None]]] = []
        for account_id, present in rows.items():
            known = self._told.get(account_id, {})
            changed: dict[str, dict[str, Any] | None] = {
                key: row for key, row in present.items() if known.get(key) != row
            }
            changed |= dict.fromkeys(known.keys() - present.keys())
            if changed:
                changes.append((f"fix:{account_id}", changed))
        self._told, self._accounts = rows, accounts
        return changes + self.reports()

    def reports(self) -> list[tuple[str, dict[str, dict[str, Any] | None]]]:
        """Return (topic, rows) of the reports that came since the last look. In the database's thread."""
        from apps.fix import console_wall

        newest = FixMessage.objects.order_by("-pk").values_list("pk", flat=True).first() or 0
        if newest <= self._newest:
            return []
        after, self._newest = self._newest, newest
        changes: list[tuple[str, dict[str, dict[str, Any] | None]]] = []
        for account_id in self._accounts:
            fresh = console_wall.wall_rows(account_id, after=after)
            if not fresh:
                continue
            told = [*self._wall.get(account_id, []), *(row["id"] for row in reversed(fresh))]
            # Browsers keep as many as the state has: what falls out is named, or their pages would grow all day.
            gone, self._wall[account_id] = told[: -console_wall.SHOWN], told[-console_wall.SHOWN :]
            rows: dict[str, dict[str, Any] | None] = {str(pk): None for pk in gone}
            changes.append((f"fixwall:{account_id}", rows | {str(row["id"]): row for row in fresh}))
        return changes


def tell(changes: list[tuple[str, dict[str, dict[str, Any] | None]]]) -> None:
    for topic, rows in changes:
        live.publish_rows(topic, rows)


class Stored:
    """Wakes the job when a session of this gateway has stored messages. Of the event loop."""

    def __init__(self) -> None:
        self._event: asyncio.Event | None = None

    def tell(self) -> None:
        if self._event is not None:
            self._event.set()

    async def wait(self, seconds: float) -> bool:
        """Say whether something was stored; after `seconds` at most."""
        self._event = self._event or asyncio.Event()
        try:
            async with asyncio.timeout(seconds):
                await self._event.wait()
        except TimeoutError:
            return False
        self._event.clear()
        return True

    def forget(self) -> None:
        """An event belongs to one loop: the next job makes its own."""
        self._event = None


stored = Stored()


async def console_job(tools: GatewayTools) -> None:
    """Run until cancelled."""
    feed = ConsoleFeed()
    loop = asyncio.get_running_loop()
    looked_at = -LOOK_SECONDS
    stored.forget()
    try:
        while True:
            is_due = loop.time() - looked_at >= LOOK_SECONDS
            if is_due:
                looked_at = loop.time()
            try:
                changes = await tools.database(feed.look if is_due else feed.reports)
                if changes:
                    await tools.redis(lambda found=changes: tell(found))  # type: ignore[misc]
            except Exception:
                # A boundary: the page goes on once the database is back.
                logger.exception("the FIX page's rows cannot be read")
            await asyncio.sleep(REPORT_SECONDS)
            await stored.wait(LOOK_SECONDS - REPORT_SECONDS if feed.is_used else IDLE_SECONDS)
    finally:
        stored.forget()
